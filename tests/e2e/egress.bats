#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy run --egress: where an instance may connect to. The other end is this
# machine, by an address that is not its loopback.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root applet
	export SERVER_IP PORT
	SERVER_IP=$(hostname -I | tr ' ' '\n' | grep -m 1 '^[0-9.]*$') || return 0
	mkdir -p "$JIFFY_HOME" "$root/bin"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in nslookup sleep; do
		ln -s busybox "$root/bin/$applet"
	done
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/connects" \
		"$BATS_TEST_DIRNAME/connects.c"
	"$JIFFY" build -q -t egress "dir:$root" >/dev/null
	mkfifo "$BATS_FILE_TMPDIR/port"
	python3 - "$SERVER_IP" >"$BATS_FILE_TMPDIR/port" 2>&- 3>&- <<-'END' &
		import socketserver, sys
		class Tcp(socketserver.StreamRequestHandler):
		    def handle(self):
		        self.wfile.write(b"got " + self.rfile.readline())
		class Udp(socketserver.DatagramRequestHandler):
		    def handle(self):
		        self.wfile.write(b"got " + self.rfile.readline())
		import threading
		tcp = socketserver.ThreadingTCPServer((sys.argv[1], 0), Tcp)
		udp = socketserver.UDPServer(tcp.server_address, Udp)
		threading.Thread(target=udp.serve_forever, daemon=True).start()
		print(tcp.server_address[1], flush=True)
		tcp.serve_forever()
	END
	echo $! >"$BATS_FILE_TMPDIR/pid"
	read -r PORT <"$BATS_FILE_TMPDIR/port"
}

teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}

setup() {
	[ -n "$SERVER_IP" ] || skip "no address but the loopback"
	name=g$BATS_TEST_NUMBER
}

teardown() {
	"$JIFFY" rm -f "$name" >/dev/null 2>&1 || true
}

# fetch [OPTION...]
fetch() {
	timeout 20 "$JIFFY" run --rm "$@" egress connects tcp "$SERVER_IP" \
		"$PORT" 2>&1
}

@test "policies: allow, deny, networks" {
	run -0 fetch
	[ "$output" = "got hello" ]
	run -0 fetch --egress allow
	run -1 fetch --egress deny
	[[ "$output" == *"Permission denied"* ]]
	run -0 fetch --egress "allow=192.0.2.99,$SERVER_IP"
	[ "$output" = "got hello" ]
	run -0 fetch --egress "allow=$SERVER_IP/8"
	run -0 fetch --egress "allow=0.0.0.0/0"
	run -1 fetch --egress "allow=203.0.113.0/24,example.com"
	[[ "$output" == *"Permission denied"* ]]
	# Never the host's own loopback, whatever the list says.
	run -1 timeout 20 "$JIFFY" run --rm --egress allow=127.0.0.0/8 egress \
		connects tcp 127.0.0.2 "$PORT"
}

@test "datagrams and names are part of it" {
	run timeout 20 "$JIFFY" run --rm --egress deny egress \
		nslookup example.com 10.0.2.3
	[[ "$output" == *REFUSED* ]]
	run timeout 20 "$JIFFY" run --rm --egress allow=192.0.2.0/24,example.org \
		egress nslookup www.example.com 10.0.2.3
	[[ "$output" == *REFUSED* ]]
	# Its own name is no secret.
	run -0 timeout 20 "$JIFFY" run --rm --egress deny --hostname me egress \
		nslookup me 10.0.2.3
	[[ "$output" == *10.0.2.2* ]]
	run -0 timeout 20 "$JIFFY" run --rm egress connects udp "$SERVER_IP" \
		"$PORT"
	[ "$output" = "got hello" ]
	run -1 timeout 20 "$JIFFY" run --rm --egress deny egress connects udp \
		"$SERVER_IP" "$PORT"
	[ "$output" = "connect: Permission denied" ]
}

@test "a policy outlives sleep and is a clone's, too" {
	"$JIFFY" run -d --name "$name" --egress deny egress sleep 1000
	get="connects tcp $SERVER_IP $PORT"
	run -1 timeout 20 "$JIFFY" exec "$name" $get
	[[ "$output" == *"Permission denied"* ]]
	"$JIFFY" suspend "$name"
	run -1 timeout 20 "$JIFFY" exec "$name" $get
	[[ "$output" == *"Permission denied"* ]]
	clone=$("$JIFFY" fork "$name")
	run -1 timeout 20 "$JIFFY" exec "$clone" $get
	"$JIFFY" rm -f "$clone"
	[[ "$output" == *"Permission denied"* ]]
}

@test "what is no policy is refused" {
	for policy in nothing allow= deny=1.2.3.4 allow=1.2.3.4/33 allow=a..b \
		'allow=1.2.3.4,,' allow=2001:db8::/200; do
		run -125 fetch --egress "$policy"
		[[ "$output" == *egress* ]]
	done
}
