# SPDX-License-Identifier: Apache-2.0
# image: php
# php-fpm behind nginx over an AF_UNIX socket: requests of all sizes, more at a
# time than there are children, a reload, and both end when asked.
set -eu
mkdir -p /tmp/www /tmp/nginx /run/php
cat >/tmp/www/index.php <<-'E'
	<?php
	header('Content-Type: text/plain');
	if (isset($_GET['slow']))
		usleep(100000);
	echo php_sapi_name(), ' ', $_SERVER['REQUEST_METHOD'], ' ',
		strlen(file_get_contents('php://input')), ' ',
		str_repeat('x', $_GET['size'] ?? 0), "\n";
E
cat >/tmp/fpm.conf <<-'E'
	[global]
	error_log = /tmp/fpm.log
	daemonize = no
	[www]
	user = www-data
	group = www-data
	listen = /run/php/fpm.sock
	listen.owner = www-data
	pm = dynamic
	pm.max_children = 4
	pm.start_servers = 2
	pm.min_spare_servers = 1
	pm.max_spare_servers = 3
E
cat >/tmp/nginx.conf <<-'E'
	daemon off; error_log /tmp/nginx.log; pid /tmp/nginx.pid; user www-data;
	events { }
	http {
		access_log off;
		client_body_temp_path /tmp/nginx/a;
		fastcgi_temp_path /tmp/nginx/b;
		proxy_temp_path /tmp/nginx/c;
		uwsgi_temp_path /tmp/nginx/d;
		scgi_temp_path /tmp/nginx/e;
		server {
			listen 8080;
			client_max_body_size 10m;
			location / {
				include /etc/nginx/fastcgi_params;
				fastcgi_param SCRIPT_FILENAME /tmp/www/index.php;
				fastcgi_pass unix:/run/php/fpm.sock;
			}
		}
	}
E
: >/tmp/fpm.log
php-fpm8.2 -F -y /tmp/fpm.conf &
fpm=$!
until grep -q 'ready to handle' /tmp/fpm.log; do
	kill -0 $fpm
	sleep 0.05
done
nginx -c /tmp/nginx.conf &
nginx=$!
url=http://127.0.0.1:8080
until [ "$(curl -s --max-time 5 $url/)" = 'fpm-fcgi GET 0 ' ]; do
	kill -0 $nginx
	sleep 0.05
done
head -c 3000000 /dev/zero >/tmp/body
[ "$(curl -sS --max-time 20 --data-binary @/tmp/body $url/)" = \
	'fpm-fcgi POST 3000000 ' ]
[ "$(curl -sS --max-time 20 "$url/?size=2000000" | wc -c)" = 2000016 ]
many() {
	for i in $(seq 20); do
		curl -sS --max-time 20 "$url/?slow=1&size=1000" | wc -c &
	done | sort | uniq -c | tr -s ' '
}
[ "$(many)" = ' 20 1016' ]
kill -USR2 $fpm
until [ "$(grep -c 'ready to handle' /tmp/fpm.log)" = 2 ]; do sleep 0.05; done
[ "$(many)" = ' 20 1016' ]
kill -QUIT $nginx
wait $nginx
kill -QUIT $fpm
wait $fpm
! grep -E 'signal|crit|emerg|ERROR' /tmp/fpm.log /tmp/nginx.log
