# SPDX-License-Identifier: Apache-2.0
# image: apache
# apache2 with each of its ways to serve: processes, threads, events. Pages under
# load, a restart that loses no request, and an end that lets requests finish.
set -eu
mkdir -p /var/run/apache2 /var/lock/apache2 /tmp/www
cd /etc/apache2
set +u
. ./envvars
set -u
rm -f sites-enabled/* conf-enabled/*
echo 'Listen 8080' >ports.conf
cat >sites-enabled/test.conf <<-'E'
	ServerName localhost
	PidFile /tmp/apache.pid
	ErrorLog /tmp/error.log
	DocumentRoot /tmp/www
	<Directory /tmp/www>
		Require all granted
	</Directory>
E
echo one >/tmp/www/index.html
head -c 300000 /dev/urandom >/tmp/www/big
url=http://127.0.0.1:8080

# load FILE: requests until FILE is gone.
load() {
	while [ -e "$1" ]; do
		curl -sS --max-time 20 "$url/big" "$url/big" | cmp - /tmp/twice
	done
	echo good >"$1.end"
}
cat /tmp/www/big /tmp/www/big >/tmp/twice

for mpm in prefork worker event; do
	echo $mpm
	rm -f mods-enabled/mpm_* /tmp/error.log
	ln -s ../mods-available/mpm_$mpm.load ../mods-available/mpm_$mpm.conf \
		mods-enabled/
	setsid apache2 -D FOREGROUND & # it signals its process group
	server=$!
	until curl -s --max-time 5 -o /dev/null $url/; do
		kill -0 $server
		sleep 0.05
	done
	[ "$(curl -sS --max-time 5 $url/)" = one ]
	[ "$(curl -sS --max-time 5 -o /dev/null -w '%{http_code}' $url/none)" = 404 ]
	touch /tmp/a /tmp/b
	load /tmp/a &
	load /tmp/b &
	for i in 1 2; do
		sleep 0.3
		kill -USR1 $server
		until [ "$(grep -c 'resuming normal' /tmp/error.log)" = $((i + 1)) ]; do
			sleep 0.05
		done
	done
	sleep 0.3
	rm /tmp/a /tmp/b
	until [ -e /tmp/a.end ] && [ -e /tmp/b.end ]; do sleep 0.05; done
	rm /tmp/a.end /tmp/b.end
	kill -WINCH $server
	wait $server
	! grep -E 'Segmentation|child.*(exit|signal)|(13)' /tmp/error.log
	[ ! -e /tmp/apache.pid ]
done
