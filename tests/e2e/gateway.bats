#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Protocols of the gateway before an instance: HTTP/1.1 and 2, TLS, WebSockets,
# redirects, clients that stall, PostgreSQL by TLS and plain, awake and asleep.

bats_require_minimum_version 1.5.0

load made
load ports
load jiffyd

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	export GATEWAY=${JIFFY%/*}/tests/e2e/gateway
	mkdir -p "$JIFFY_HOME"
	made tests/e2e/gateway
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

setup() {
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	name=gateway$BATS_TEST_NUMBER
	port=$(free_port)
}

teardown() {
	stop_gateway
	[ -z "${daemon:-}" ] || daemon_kill
	"$JIFFY" rm -f "$name" >/dev/null 2>&1 || true
}

# say COMMAND: to the gateway, which must agree.
say() {
	local answer
	echo "$1" >&9
	read -r -t 20 answer <&8
	[ "$answer" = ok ] || {
		echo "$1: $answer"
		return 1
	}
}

# gateway GUEST HANDLERS [PORT]: one service before the instance.
gateway() {
	mkfifo in out
	# What is idle at the end is not freed.
	ASAN_OPTIONS=detect_leaks=0 "$GATEWAY" "$JIFFY_HOME" 2 ca.pem a.test \
		localhost <in >out 2>gateway.log 3>&- &
	gateway_pid=$!
	exec 9>in 8<out
	read -r -t 20 ready <&8
	[ "$ready" = ready ]
	say "service s $port $1 $2 a.test b.test"
	say "add s 1 $name"
}

# It ends without a word of the sanitizers.
stop_gateway() {
	[ -n "${gateway_pid:-}" ] || return 0
	exec 9>&- 8<&-
	wait "$gateway_pid"
	cat gateway.log
	gateway_pid=
}

serve() {
	timeout 60 "$JIFFY" run -d --name "$name" -p deliver:80 -p deliver:81 \
		programs python3 -c \
		"$(cat "$BATS_TEST_DIRNAME/gateway-server.py")" >/dev/null
}

# fetch [OPTION...] PATH: from the host a.test.
fetch() {
	local path=${*: -1}
	curl -sS --max-time 20 --cacert ca.pem \
		--connect-to "a.test::127.0.0.1:$port" "${@:1:$#-1}" \
		"$scheme://a.test$path"
}

@test "HTTP/1.1: pages, bodies both ways, refusals, a suspended instance" {
	serve
	scheme=http
	gateway 80 http
	[ "$(fetch /x)" = "hello /x" ]
	head -c 3000000 /dev/urandom >up
	sum=$(sha256sum up | cut -d ' ' -f 1)
	[ "$(fetch --data-binary @up /)" = "$sum" ]
	[ "$(fetch -X POST -H 'Transfer-Encoding: chunked' -T up /)" = "$sum" ]
	[ "$(fetch /bytes/3000000 | wc -c)" = 3000000 ]
	[ "$(fetch /chunked/2000 | wc -c)" = 2048000 ]
	[ "$(fetch --http1.0 /chunked/2000 | wc -c)" = 2048000 ]
	fetch -I /x | grep -i '^x-via: 127.0.0.1 http.$'
	[ "$(curl -s --max-time 20 -o page -w '%{http_code}' -H 'Host: x y' \
		"http://127.0.0.1:$port/")" = 400 ]
	say "service p $port 80 http c.test/files"
	say "add p 2 $name"
	c="curl -sS --max-time 20 -o page -w %{http_code} -H Host:c.test"
	[ "$($c "http://127.0.0.1:$port/files/x")" = 200 ]
	[ "$($c "http://127.0.0.1:$port/filesx")" = 404 ]
	"$JIFFY" suspend "$name"
	[ "$(fetch /woken)" = "hello /woken" ]
}

@test "HTTPS: HTTP/2 with many streams, HTTP/1.1, our certificate, asleep" {
	serve
	scheme=https
	gateway 80 http+tls
	[ "$(fetch --http2 -w '%{http_version}' /x)" = "hello /x
2" ]
	[ "$(fetch --http1.1 -w '%{http_version}' /x)" = "hello /x
1.1" ]
	run curl -sS --max-time 20 "https://localhost:$port/"
	[ "$status" -eq 60 ] # not signed by anybody known
	head -c 3000000 /dev/urandom >up
	sum=$(sha256sum up | cut -d ' ' -f 1)
	[ "$(fetch --http2 --data-binary @up /)" = "$sum" ]
	[ "$(fetch --http2 -X POST -H Content-Length: -T - / <up)" = "$sum" ]
	[ "$(fetch --http2 /bytes/3000000 | wc -c)" = 3000000 ]
	fetch --http2 -I /x | grep -i '^x-via: 127.0.0.1 https.$'
	# forty streams on one connection
	[ "$(fetch --http2 -Z --parallel-max 40 "/bytes/[10000-10039]" |
		wc -c)" = 400780 ]
	"$JIFFY" suspend "$name"
	[ "$(fetch --http2 /woken)" = "hello /woken" ]
}

@test "redirects; TLS alone; WebSockets by HTTP and HTTPS" {
	serve
	scheme=http
	gateway 80 http+redirect
	fetch -i /x?y | tr -d '\r' | grep '^Location: https://a.test/x?y$'
	port=$(free_port)
	say "service t $port 81 tls a.test"
	say "add t 2 $name"
	timeout 30 python3 "$BATS_TEST_DIRNAME/gateway.py" echo "$port" ca.pem
	port=$(free_port)
	say "service w $port 80 http"
	say "add w 3 $name"
	timeout 30 python3 "$BATS_TEST_DIRNAME/gateway.py" websocket "$port"
	port=$(free_port)
	say "service v $port 80 http+tls"
	say "add v 4 $name"
	timeout 30 python3 "$BATS_TEST_DIRNAME/gateway.py" websocket "$port" \
		ca.pem
}

@test "PROXY headers: taken from a balancer, given to an instance" {
	serve
	gateway 80 http+from
	plain=$(free_port)
	say "service p $plain 81 plain+from"
	say "add p 2 $name"
	relayed=$(free_port)
	say "service r $relayed 81 plain+to2"
	say "add r 3 $name"
	timeout 30 python3 "$BATS_TEST_DIRNAME/gateway.py" proxied "$port" \
		"$plain" "$relayed"
}

@test "clients that are slow or stalled do not stop the others" {
	serve
	gateway 80 http
	timeout 60 python3 "$BATS_TEST_DIRNAME/gateway.py" stalled "$port"
	scheme=https
	port=$(free_port)
	say "service t $port 80 http+tls"
	say "add t 2 $name"
	timeout 60 python3 "$BATS_TEST_DIRNAME/gateway.py" stalled "$port" \
		ca.pem
}

@test "jiffyd: HTTPS with its own certificates, then with one of the user's" {
	export JIFFY_HOME=$BATS_TEST_TMPDIR/store
	mkdir -p "$JIFFY_HOME"
	mkdir root root/bin root/tmp && cp "$(command -v busybox)" root/bin/
	ln -s busybox root/bin/sh && ln -s busybox root/bin/httpd
	"$JIFFY" build -q -t box dir:root >/dev/null
	api_port=$(free_port)
	web='echo page >/tmp/index.html; exec httpd -f -p 8080 -h /tmp'
	daemon_start
	expect 200 '.data.instances[0].name == "web"' POST /instances "{
		\"name\":\"web\",\"image\":\"box\",\"autostart\":true,
		\"args\":[\"sh\",\"-c\",\"$web\"],
		\"service_group\":{\"name\":\"g\",
		\"domains\":[{\"name\":\"a.test\"}],
		\"services\":[{\"port\":$port,\"destination_port\":8080,
		\"ip\":\"127.0.0.1\",\"handlers\":[\"http\",\"tls\"]}]}}"
	scheme=https
	cp "$JIFFY_HOME/authority.pem" ca.pem
	[ "$(fetch --http2 /)" = page ]
	expect 200 '.status == "success"' PUT /instances/suspend \
		'{"name":"web"}'
	[ "$(fetch --http1.1 /)" = page ]
	# the same authority after a restart
	daemon_kill
	daemon_start
	[ "$(fetch --http2 /)" = page ]
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout key.pem -out ca.pem -days 2 -subj /CN=a.test \
		-addext subjectAltName=DNS:a.test 2>/dev/null
	jq -n --rawfile chain ca.pem --rawfile pkey key.pem \
		'{name: "c", cn: "a.test", $chain, $pkey}' >body
	expect 200 '.status == "success"' POST /certificates "$(cat body)"
	[ "$(fetch --http2 /)" = page ]
	expect 200 '.status == "success"' DELETE /instances '{"name":"web"}'
	daemon_kill
}

@test "PostgreSQL: TLS asked for and direct, plain, cancelled, asleep" {
	command -v psql >/dev/null || skip "no psql"
	timeout 60 "$JIFFY" run -d --name "$name" -m 1G -p deliver:5432 \
		-e POSTGRES_HOST_AUTH_METHOD=trust \
		-e "POSTGRES_INITDB_ARGS=--wal-segsize=1 --no-sync" \
		postgres >/dev/null
	gateway 5432 postgresql
	# While it makes its cluster nobody listens: the gateway waits.
	timeout 60 python3 "$BATS_TEST_DIRNAME/gateway.py" postgres "$port" \
		ca.pem
	sql="psql -XAtq -U postgres -d"
	tls="host=a.test hostaddr=127.0.0.1 port=$port sslmode=verify-full
		sslrootcert=ca.pem connect_timeout=20"
	plain="host=127.0.0.1 port=$port sslmode=disable connect_timeout=20"
	[ "$($sql "$tls" -c 'SELECT 1 + 1')" = 2 ]
	[ "$($sql "$plain" -c 'SELECT 2 + 2')" = 4 ]
	[ "$($sql "$tls" -c 'SELECT sum(n) FROM generate_series(1, 100000) n' \
		)" = 5000050000 ]
	for how in "$tls" "$plain"; do
		# a query that is cancelled, by a connection of its own
		$sql "$how" -c "SET statement_timeout = '30s'" \
			-c 'SELECT pg_sleep(60)' 2>cancelled 3>&- &
		pid=$!
		until [ "$($sql "$tls" -c "SELECT count(*) FROM pg_stat_activity
			WHERE wait_event = 'PgSleep'")" = 1 ]; do
			kill -0 $pid
		done
		kill -s INT $pid
		wait $pid || true
		cat cancelled
		grep 'canceling statement due to user request' cancelled
	done
	"$JIFFY" suspend "$name"
	[ "$($sql "$tls" -c 'SELECT 3 + 3')" = 6 ]
	"$JIFFY" suspend "$name"
	[ "$($sql "$plain" -c 'SELECT 4 + 4')" = 8 ]
	[ "$(timeout 60 python3 "$BATS_TEST_DIRNAME/gateway.py" asleep "$port" \
		ca.pem "$JIFFY" "$name")" = ok ]
}
