# SPDX-License-Identifier: Apache-2.0
# image: caddy
# caddy as file server and as proxy in front of itself and of lighttpd, with
# compression, ranges, HTTPS with its own authority, a reload.
set -eu
export HOME=/tmp XDG_DATA_HOME=/tmp/data
mkdir -p /tmp/www /tmp/data
head -c 500000 /dev/urandom >/tmp/www/big
yes words | head -c 100000 >/tmp/www/text.txt
cat >/tmp/Caddyfile <<-'E'
	{
		admin localhost:2019
		skip_install_trust
	}
	http://127.0.0.1:8080 {
		root * /tmp/www
		encode gzip
		file_server
	}
	http://127.0.0.1:8081 {
		reverse_proxy /lighttpd/* 127.0.0.1:8082
		reverse_proxy 127.0.0.1:8080
	}
	https://localhost:8443 {
		tls internal
		respond "secret one"
	}
E
cat >/tmp/lighttpd.conf <<-'E'
	server.port = 8082
	server.bind = "127.0.0.1"
	server.document-root = "/tmp/www"
	server.modules = ("mod_alias")
	alias.url = ("/lighttpd/" => "/tmp/www/")
E
lighttpd -D -f /tmp/lighttpd.conf &
lighttpd=$!
caddy run --config /tmp/Caddyfile --adapter caddyfile >/tmp/log 2>&1 &
caddy=$!
fetch() {
	curl -sS --max-time 20 "$@"
}
until curl -sk --max-time 5 -o /dev/null https://localhost:8443/; do
	kill -0 $caddy || { cat /tmp/log; exit 1; }
	sleep 0.1
done
for url in http://127.0.0.1:8080 http://127.0.0.1:8081 \
	http://127.0.0.1:8082 http://127.0.0.1:8081/lighttpd; do
	fetch $url/big | cmp - /tmp/www/big
	fetch -r 1000-1999 $url/big | cmp - <(tail -c +1001 /tmp/www/big | head -c 1000)
	[ "$(fetch -o /dev/null -w '%{http_code}' $url/none)" = 404 ]
done
[ "$(fetch -H 'Accept-Encoding: gzip' http://127.0.0.1:8080/text.txt | wc -c)" -lt 5000 ]
fetch --compressed http://127.0.0.1:8081/text.txt | cmp - /tmp/www/text.txt
[ "$(fetch --cacert /tmp/data/caddy/pki/authorities/local/root.crt \
	https://localhost:8443/)" = 'secret one' ]
for i in $(seq 30); do
	fetch http://127.0.0.1:8081/big http://127.0.0.1:8081/lighttpd/big | wc -c &
done | sort | uniq -c | grep -q '30 1000000'
sed -i 's/secret one/secret two/' /tmp/Caddyfile
caddy reload --config /tmp/Caddyfile --adapter caddyfile >>/tmp/log 2>&1
[ "$(fetch -k https://localhost:8443/)" = 'secret two' ]
caddy stop >>/tmp/log 2>&1
wait $caddy
kill -INT $lighttpd
wait $lighttpd
