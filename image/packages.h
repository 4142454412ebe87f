/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Debian package runs when nobody says otherwise. The first package of
 * deb:A,B,... that has a row here decides; a package without row runs the
 * program of its name, or else a shell. Servers stay in the foreground, log to
 * stdout and listen on every address, since a port is reached from outside only
 * when it is published.
 *
 * PACKAGE(name, command, user, workdir, ports, stop signal)
 */
#ifndef PACKAGE
#define PACKAGE(...)
#endif
/* clang-format off */
PACKAGE("nginx", "/usr/sbin/nginx -g 'daemon off;'", "", "/", "80/tcp",
	"SIGQUIT")
PACKAGE("nginx-light", "/usr/sbin/nginx -g 'daemon off;'", "", "/", "80/tcp",
	"SIGQUIT")
PACKAGE("apache2", "/usr/sbin/apachectl -D FOREGROUND", "", "/", "80/tcp",
	"SIGWINCH")
PACKAGE("lighttpd", "/usr/sbin/lighttpd -D -f /etc/lighttpd/lighttpd.conf",
	"", "/", "80/tcp", "SIGINT")
PACKAGE("caddy", "/usr/bin/caddy run --config /etc/caddy/Caddyfile", "", "/",
	"80/tcp", "SIGTERM")
PACKAGE("haproxy", "/usr/sbin/haproxy -W -db -f /etc/haproxy/haproxy.cfg", "",
	"/", "", "SIGUSR1")
PACKAGE("redis-server",
	"/usr/bin/redis-server --protected-mode no",
	"redis", "/var/lib/redis", "6379/tcp", "SIGTERM")
PACKAGE("redis", "/usr/bin/redis-server --protected-mode no",
	"redis", "/var/lib/redis", "6379/tcp", "SIGTERM")
PACKAGE("redis-tools", "/usr/bin/redis-cli", "", "/", "", "SIGTERM")
PACKAGE("memcached", "/usr/bin/memcached -l 0.0.0.0", "memcache", "/",
	"11211/tcp", "SIGTERM")
PACKAGE("mosquitto", "/usr/sbin/mosquitto -c /etc/mosquitto/mosquitto.conf",
	"", "/", "1883/tcp", "SIGTERM")
PACKAGE("dnsmasq", "/usr/sbin/dnsmasq -k --log-facility=-", "", "/", "53/udp",
	"SIGTERM")
PACKAGE("busybox", "/bin/busybox sh", "", "/", "", "SIGTERM")
PACKAGE("busybox-static", "/bin/busybox sh", "", "/", "", "SIGTERM")
PACKAGE("python3", "/usr/bin/python3", "", "/", "", "SIGTERM")
PACKAGE("python3-minimal", "/usr/bin/python3", "", "/", "", "SIGTERM")
PACKAGE("nodejs", "/usr/bin/node", "", "/", "", "SIGTERM")
PACKAGE("ruby", "/usr/bin/ruby", "", "/", "", "SIGTERM")
PACKAGE("perl", "/usr/bin/perl", "", "/", "", "SIGTERM")
PACKAGE("sqlite3", "/usr/bin/sqlite3", "", "/", "", "SIGTERM")
PACKAGE("bash", "/bin/bash", "", "/root", "", "SIGHUP")
PACKAGE("dash", "/bin/dash", "", "/root", "", "SIGHUP")
/* clang-format on */
