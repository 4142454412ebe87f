#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real programs on platform `pc`, under QEMU's emulation: what they print there
# is what they print elsewhere, servers answer from outside, and what a database
# on a volume has promised is there after the machine's end without warning.

bats_require_minimum_version 1.5.0
load machine

@test "bash" {
	same bash.sh bash
}

@test "busybox" {
	same busybox.sh busybox sh
}

@test "perl" {
	same perl.pl perl
}

@test "sqlite3" {
	same sqlite.sh sh
}

@test "memcached" {
	same memcached.py python3
}

@test "python3: threads, processes, asyncio, sqlite3, ssl, sockets" {
	same python.py python3
}

@test "redis: commands, redis-benchmark, BGSAVE, append-only file" {
	same redis.sh sh
}

@test "node: compiler, workers, children, files, crypto as on the host" {
	timeout 300 node "$E2E/../guest/node.js" -selftest >host
	machine runtimes node /tests/node.js -selftest >guest 3>&-
	diff host guest
	[ "$(grep -c '^ok' guest)" -ge 18 ]
}

@test "more of the image is read than there is memory" {
	local files='/usr/bin/node /usr/lib/x86_64-linux-gnu/lib[a-e]*.so*'
	timeout 60 "$BUILD/jiffy" run --rm programs \
		sh -c "cat $files | md5sum" >process
	machine -m 24 programs sh -c "cat $files | md5sum" >pc 3>&-
	diff process pc
}

@test "go: goroutines, preemption, network, children as on the host" {
	timeout 60 "$BUILD/guest-root/tests/hello_go.go" -selftest >host
	machine guest /tests/hello_go.go -selftest >guest 3>&-
	diff host guest
	[ "$(grep -c '^ok' guest)" -ge 20 ]
}

@test "go: a server" {
	serve 80 guest /tests/hello_go.go 80
	[ "$(fetch "http://127.0.0.1:$PORT/")" = "hello from go" ]
	load 500 "http://127.0.0.1:$PORT/"
}

@test "node: a server" {
	serve 8080 runtimes node /tests/node.js 8080
	head -c 1000000 /dev/urandom >big
	run fetch --data-binary @big "http://127.0.0.1:$PORT/big"
	[[ "$output" == *'"bytes":1000000,"sha256":"'"$(
		sha256sum <big | cut -d' ' -f1)"'"'* ]]
	load 200 "http://127.0.0.1:$PORT/"
	fetch "http://127.0.0.1:$PORT/exit"
	ends 0
}

@test "redis on a volume: what was acknowledged is there after kill -9" {
	truncate -s 64M v.img
	mke2fs -q -t ext4 v.img
	redis() {
		serve 6379 -v ./v.img:/data programs redis-server \
			--dir /data --appendonly yes --appendfsync always \
			--bind 0.0.0.0 --protected-mode no
		timeout 300 "$PC/redis.py" "$PORT" "$@" >>acked
	}
	redis write 300
	kill -KILL "$(cat qemu.pid)"
	wait "$MACHINE" || true
	redis check "$(tail -n 1 acked)"
	kill -KILL "$(cat qemu.pid)"
	wait "$MACHINE" || true
	e2fsck -p v.img || [ $? -eq 1 ]
	e2fsck -fn v.img
}

@test "PostgreSQL on a volume: pgbench; no commit is lost by kill -9" {
	timeout 900 "$PC/postgres.py" "$BUILD" 3
}
