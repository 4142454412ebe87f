#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The network of platform `pc`: leases and addresses, both kinds of IP, both
# directions of much data, connections that come, go and are refused.

bats_require_minimum_version 1.5.0
load machine

setup_file() {
	export BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home PC=$BATS_TEST_DIRNAME
	mkdir -p "$JIFFY_HOME"
	command -v qemu-system-x86_64 >/dev/null || skip "no QEMU"
	timeout 60 "$BUILD/jiffy" build -q -t guest "dir:$BUILD/guest-root"
}

# host ADDRESS: a server of the file `big` there, PORT is its port.
host() {
	head -c 3000000 /dev/urandom >big
	python3 -u -c 'import http.server, socket, sys
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass
s = Server((sys.argv[1], 0), Handler)
print(s.server_address[1], flush=True)
s.serve_forever()' "$1" >port 2>server.log 3>&- &
	echo $! >server.pid
	timeout 20 sh -c 'until [ -s port ]; do sleep 0.05; done'
	PORT=$(cat port)
}

teardown() {
	for f in qemu.pid server.pid; do
		[ ! -e "$f" ] || kill -KILL "$(cat "$f")" 2>/dev/null || true
	done
}

# net OPTIONS: options of `machine` for a network of QEMU's own.
net() {
	echo "-q -netdev -q user,id=n$1 -q -device -q virtio-net-device,netdev=n"
}

@test "a lease: address, name server, data from outside" {
	host 127.0.0.1
	# shellcheck disable=SC2046
	machine $(net ,net=10.9.8.0/24,dhcpstart=10.9.8.77,dns=10.9.8.3) guest \
		/bin/busybox sh -c "cat /etc/resolv.conf; /bin/busybox ifconfig jiffy0
		/bin/busybox wget -q -O - http://10.9.8.2:$PORT/big |
			/bin/busybox md5sum" >out
	cat out
	grep -qx 'nameserver 10.9.8.3' out
	grep -q 'inet addr:10.9.8.77 ' out
	grep -q "^$(md5sum <big | cut -d ' ' -f 1) " out
}

@test "addresses of the command line, of both kinds" {
	host ::1
	# shellcheck disable=SC2046
	machine $(net ,ipv6-net=fd55::/64,ipv6-host=fd55::1) \
		-q -append -q "jiffy.ip=10.0.2.15/24,10.0.2.2 \
jiffy.ip=fd55::77/64,fd55::1 jiffy.dns=192.0.2.9,fd55::9" guest \
		/bin/busybox sh -c "cat /etc/resolv.conf
		/bin/busybox wget -q -O - http://[fd55::1]:$PORT/big |
			/bin/busybox md5sum" >out
	cat out
	[ "$(head -n 2 out)" = "nameserver 192.0.2.9
nameserver FD55::9" ]
	grep -q "^$(md5sum <big | cut -d ' ' -f 1) " out
}

@test "IPv6 by what the router announces; nobody listens: refused" {
	host ::1
	# shellcheck disable=SC2046
	machine $(net ,ipv6-net=fd66::/64,ipv6-host=fd66::1) guest \
		/bin/busybox sh -c "
		until /bin/busybox wget -q -O /tmp/big http://[fd66::1]:$PORT/big
		do :; done
		/bin/busybox md5sum /tmp/big
		/bin/busybox wget -O - http://10.0.2.2:1/ 2>&1" >out || true
	cat out
	grep -q "^$(md5sum <big | cut -d ' ' -f 1) " out
	grep -q 'Connection refused' out
}

@test "data to outside, by many connections at once" {
	serve 80 guest /bin/busybox sh -c '
		mkdir /tmp/www; cd /tmp/www
		/bin/busybox dd if=/dev/urandom of=big bs=100k count=30 2>/dev/null
		/bin/busybox md5sum big >sum
		exec /bin/busybox httpd -f -p 80'
	fetch "http://127.0.0.1:$PORT/sum" >sum
	for i in 1 2 3 4 5 6; do
		fetch -o "big$i" "http://127.0.0.1:$PORT/big" &
		pids="${pids-} $!"
	done
	# shellcheck disable=SC2086
	wait $pids
	for i in 1 2 3 4 5 6; do
		[ "$(md5sum <"big$i" | cut -c -32)" = "$(cut -c -32 sum)" ]
	done
}

@test "a network that nobody has told an address" {
	# shellcheck disable=SC2046
	machine -q -netdev -q "socket,id=n,udp=127.0.0.1:9,localaddr=127.0.0.1:0" \
		-q -device -q virtio-net-device,netdev=n guest \
		/bin/busybox echo "it runs" >out
	cat out
	grep -q 'no DHCP server has answered' out
	grep -qx 'it runs' out
}
