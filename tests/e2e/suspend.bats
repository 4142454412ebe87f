#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy suspend and resume: programs go on where they were, published ports are
# there again, a checkpoint is used once and only as long as it is true.

bats_require_minimum_version 1.5.0

load ports

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/www" "$root/tmp"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in sh echo sleep cat httpd nc true sync; do
		ln -s busybox "$root/bin/$applet"
	done
	echo a page >"$root/www/index.html"
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/woken" \
		"$BATS_TEST_DIRNAME/woken.c"
	"$JIFFY" build -q -t suspend "dir:$root" >/dev/null
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

setup() {
	PATH=$PATH:/usr/sbin:/sbin
	cd "$BATS_TEST_TMPDIR"
	name=s$BATS_TEST_NUMBER
}

teardown() {
	"$JIFFY" rm -f "$name" >/dev/null || true
	"$JIFFY" volume rm "$name" 2>/dev/null || true
}

# await TEXT: until a line of the log begins so.
await() {
	grep -qm 1 "^$1" < <(timeout 20 "$JIFFY" logs -f "$name" 2>&1 3>&-)
}

rounds() {
	"$JIFFY" logs "$name" | tail -1 | cut -d ' ' -f 2
}

@test "threads, children, pipes, clocks and registers go on, ten times" {
	"$JIFFY" run -d --name "$name" -m 512M python \
		/usr/bin/python3 /alive.py
	await round
	for _ in $(seq 10); do
		"$JIFFY" suspend "$name"
		run -0 "$JIFFY" ps -a
		[[ "$output" == *"$name"*suspended* ]]
		before=$(rounds)
		"$JIFFY" resume "$name"
		await "round $((before + 2)) "
	done
	"$JIFFY" logs "$name" >log
	[ "$(awk '$4 != 0' log)" = "" ] || { awk '$4 != 0' log | head -3; false; }
	# Nothing was said twice, and no random number drawn twice.
	[ "$(cut -d ' ' -f 2 log | uniq -d)" = "" ]
	[ "$(awk '{ print $NF }' log | sort | uniq -d)" = "" ]
}

@test "a port that the host has chosen is kept" {
	"$JIFFY" run -d --name "$name" -p 127.0.0.1:0:80 suspend \
		/bin/sh -c "httpd -p 80 -h /www; echo up; exec sleep 1000"
	await up
	for _ in 1 2; do
		"$JIFFY" suspend "$name"
		"$JIFFY" resume "$name"
	done
}

@test "memory is as Linux has it: kept, shared, zero when given up, wiped" {
	"$JIFFY" run -d --name "$name" suspend /bin/woken
	await round
	for _ in 1 2 3; do
		"$JIFFY" suspend "$name"
		before=$(rounds)
		"$JIFFY" resume "$name"
		await "round $((before + 2))"
		# Some of it is what the checkpoint has, mapped; some of
		# what is shared is still there, and mapped nowhere: past
		# the end of the cache's object.
		pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/' \
			"$JIFFY_HOME/instances/$name/state.json")
		cat $(printf '/proc/%s/maps ' \
			$(cat "/proc/$pid/task/$pid/children")) >maps
		grep checkpoint maps | grep -v '^7f' >mapped
		grep ' rw-s 1[0-9a-f]\{10\} .*memfd:cache' maps >left
	done
	"$JIFFY" logs "$name" >log
	! grep -v -e '^round [0-9]*$' -e '^$' log
}

@test "a suspended instance has no process, a published port is back" {
	port=$(free_port)
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" suspend \
		httpd -f -h /www
	page() {
		curl -s --max-time 5 --retry 100 --retry-delay 0 \
			--retry-max-time 20 --retry-all-errors \
			"http://127.0.0.1:$port/"
	}
	[ "$(page)" = "a page" ]
	pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/' \
		"$JIFFY_HOME/instances/$name/state.json")
	[ -d "/proc/$pid" ]
	"$JIFFY" suspend "$name"
	timeout 10 tail --pid="$pid" -f /dev/null # it answers, then ends
	run pgrep -f "$JIFFY_HOME/instances/$name"
	[ "$output" = "" ]
	"$JIFFY" resume "$name"
	[ "$(page)" = "a page" ]
	[ ! -e "$JIFFY_HOME/instances/$name/checkpoint" ]
	run -125 --separate-stderr "$JIFFY" resume "$name"
	[[ "$stderr" == *running* ]]
}

@test "connections outlive the sleep, a byte or a new one wakes" {
	port=$(free_port)
	"$JIFFY" run -d --name "$name" -p "127.0.0.1:$port:80" suspend \
		nc -ll -p 80 -e cat
	timeout 60 python3 - "$port" "$JIFFY" "$name" <<-'PYTHON'
		import socket, subprocess, sys, time
		port, jiffy, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]

		def connect():
		    end = time.monotonic() + 20
		    while True:
		        try:
		            s = socket.create_connection(("127.0.0.1", port), 20)
		            say(s, b"hello")
		            return s
		        except OSError:
		            if time.monotonic() > end:
		                raise

		def say(s, text):
		    s.sendall(text)
		    got = b""
		    while len(got) < len(text):
		        more = s.recv(100)
		        if not more:
		            raise OSError("closed")
		        got += more
		    assert got == text, got

		old = connect()
		for i in range(3):
		    subprocess.run([jiffy, "suspend", name], check=True)
		    say(old, b"round %d" % i)  # nobody resumes it by hand
		subprocess.run([jiffy, "suspend", name], check=True)
		new = connect()
		say(old, b"still here")
	PYTHON
}

@test "a volume: dirty data is kept, and another writer ends the checkpoint" {
	"$JIFFY" volume create --size 32M "$name"
	"$JIFFY" run -d --name "$name" -v "$name:/data" suspend sh -c '
		echo first >/data/a; echo ready
		while [ ! -e /tmp/go ]; do
			echo line >>/data/log; sleep .01
		done'
	await ready
	"$JIFFY" suspend "$name"
	"$JIFFY" resume "$name"
	"$JIFFY" suspend "$name"
	"$JIFFY" run --rm -v "$name:/data" suspend sh -c 'echo other >/data/b'
	run -125 --separate-stderr "$JIFFY" resume "$name"
	[[ "$stderr" == *"$name"* ]]
	[ "${#stderr_lines[@]}" -eq 1 ]
	"$JIFFY" rm -f "$name"
	e2fsck -fn "$JIFFY_HOME/volumes/$name/disk"
	run -0 "$JIFFY" run --rm -v "$name:/data" suspend cat /data/b
	[ "$output" = other ]
}

@test "a damaged, cut or foreign checkpoint is refused, by name of the fault" {
	"$JIFFY" run -d --name "$name" suspend sh -c 'echo ready; sleep 1000'
	await ready
	"$JIFFY" suspend "$name"
	file=$JIFFY_HOME/instances/$name/checkpoint
	cp "$file" good
	for damage in "truncate -s 5000" "truncate -s 0" \
		"dd if=/dev/zero bs=1 count=8 conv=notrunc status=none of=" \
		"dd if=/dev/zero bs=64 seek=70 count=1 conv=notrunc status=none of="; do
		cp good "$file"
		case $damage in
		*=) $damage"$file" ;;
		*) $damage "$file" ;;
		esac
		run -125 --separate-stderr "$JIFFY" resume "$name"
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ "$stderr" == *checkpoint* ]]
	done
	cp good "$file"
	"$JIFFY" resume "$name"
	run -0 "$JIFFY" ps
	[[ "$output" == *"$name"*running* ]]
}
