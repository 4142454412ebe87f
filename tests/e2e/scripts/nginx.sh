# SPDX-License-Identifier: Apache-2.0
# nginx with a master and two workers on port 8080: a file of 100 KiB, a page;
# the version in the configuration is what /version says. Runs in front.
mkdir -p /srv/www
head -c 102400 /dev/zero | tr '\0' 'n' >/srv/www/big
echo '<p>hello</p>' >/srv/www/index.html
cat >/tmp/nginx.conf <<'CONF'
daemon off;
pid /tmp/nginx.pid;
worker_processes 2;
error_log stderr notice;
events { worker_connections 256; }
http {
	access_log off;
	server {
		listen 8080;
		root /srv/www;
		location = /version { return 200 "version one\n"; }
		location = /reload {
			return 200 "asked\n";
			access_log /tmp/reload;
		}
	}
}
CONF
mkfifo /tmp/reload
# Whoever fetches /reload makes the master read a changed configuration.
(
	exec 3<>/tmp/reload # nginx opens it again and must not wait
	read -r _ <&3
	sed -i 's/version one/version two/' /tmp/nginx.conf
	kill -HUP "$(cat /tmp/nginx.pid)"
	cat <&3 >/dev/null
) &
exec nginx -c /tmp/nginx.conf
