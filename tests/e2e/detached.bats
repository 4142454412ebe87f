#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy run -d with the real monitor: records, logs, signals, stopping,
# published ports.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$root/bin" "$root/www/a" "$root/www/b" "$root/tmp"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in sh echo sleep cat httpd true; do
		ln -s busybox "$root/bin/$applet"
	done
	echo page a >"$root/www/a/index.html"
	echo page b >"$root/www/b/index.html"
	"${CC:-cc}" -O2 -Wall -static -o "$root/bin/outside" \
		"$BATS_TEST_DIRNAME/outside.c"
	"$JIFFY" build -q -t t "dir:$root" >/dev/null
}

teardown() {
	local name
	for name in $(ls "$JIFFY_HOME/instances"); do
		"$JIFFY" rm -f "$name"
	done
}

# await NAME TEXT: until a line of its log is the text.
await() {
	# the follower ends by itself, with the instance
	grep -qxm 1 "$2" < <(timeout 20 "$JIFFY" logs -f "$1" 2>&1 3>&-)
}

# free_port [udp]: a port of 127.0.0.1 that nobody has just now.
free_port() {
	python3 -c 'import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM if sys.argv[1:] else
		  socket.SOCK_STREAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])' "$@"
}

# Until the page at the port is there: 20 s at most, refusals are tried again.
page() {
	curl -s --max-time 5 --retry 100 --retry-delay 0 --retry-max-time 20 \
		--retry-connrefused --retry-all-errors "http://127.0.0.1:$1/"
}

@test "started, listed, followed, stopped, removed" {
	run -0 "$JIFFY" run -d --name a t sh -c 'echo one; echo two >&2
		trap "echo bye; exit 5" TERM; while :; do sleep .05; done'
	[ "$output" = a ]
	await a two
	"$JIFFY" logs -f a >followed 2>&1 3>&- &
	run -0 "$JIFFY" ps
	[[ "${lines[1]}" == a*running* ]]
	run -0 "$JIFFY" ps -o json
	[[ "$output" == *'"name": "a"'* ]]
	run -0 "$JIFFY" inspect a
	[[ "$output" == *'"state": "running"'* ]]
	run -125 "$JIFFY" run -d --name a t true
	run -125 "$JIFFY" rm a
	run -0 "$JIFFY" stop -t 10 a
	wait $!
	[ "$(cat followed)" = "$(printf 'one\ntwo\nbye')" ]
	run -0 "$JIFFY" ps -a
	[[ "${lines[1]}" == *"exited (5)"* ]]
	run -125 "$JIFFY" stop a
	run -0 "$JIFFY" rm a
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
	# the name is free again
	run -0 "$JIFFY" run --rm --name a t echo again
	[ "$output" = again ]
}

@test "stop kills what does not want to end" {
	"$JIFFY" run -d --name b t sh -c 'trap "" TERM; echo ready
		while :; do sleep .05; done'
	await b ready
	run -0 "$JIFFY" stop -t 1 b
	run -0 "$JIFFY" ps -a
	[[ "${lines[1]}" == *"(137)"* ]]
}

@test "kill sends the signal; rm -f ends what runs" {
	"$JIFFY" run -d --name c t sh -c 'trap "echo got it" USR1; echo ready
		while :; do sleep .05; done'
	await c ready
	"$JIFFY" kill -s USR1 c
	await c "got it"
	"$JIFFY" kill -s SIGUSR1 c
	"$JIFFY" rm -f c
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "stdin is empty, or the caller's with -i" {
	"$JIFFY" run -d --name d t sh -c 'cat; echo end' <<<"not seen"
	await d end
	[ "$("$JIFFY" logs d)" = end ]
	"$JIFFY" run -d -i --name e t sh -c 'cat; echo end' <<<"seen"
	await e end
	[ "$("$JIFFY" logs e)" = "$(printf 'seen\nend')" ]
}

@test "published ports: two of TCP, one of UDP" {
	local a b u
	a=$(free_port) b=$(free_port) u=$(free_port udp)
	"$JIFFY" run -d --name p -p "127.0.0.1:$a:80" -p "127.0.0.1:$b:81" \
		-p "127.0.0.1:$u:53/udp" t sh -c 'httpd -p 80 -h /www/a
		httpd -p 81 -h /www/b; exec outside datagrams 53'
	await p ready
	[ "$(page "$a")" = "page a" ]
	[ "$(page "$b")" = "page b" ]
	[ "$(page "$a")" = "page a" ]
	run -0 python3 -c 'import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("127.0.0.1", int(sys.argv[1])))
for text in b"ping", b"x" * 1400:
    s.send(text)
    assert s.recv(2000) == text' "$u"
	run -0 "$JIFFY" ps
	[[ "${lines[1]}" == *"$a->80"* || "${lines[1]}" == *"$a:80"* ]]
	# taken
	run -125 "$JIFFY" run --rm -p "127.0.0.1:$a:80" t true
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"$a"* ]]
	# free again once it has ended
	"$JIFFY" rm -f p
	run -0 "$JIFFY" run --rm -p "127.0.0.1:$a:80" t echo free
	[ "$output" = free ]
}

@test "what cannot start leaves no record" {
	run -127 "$JIFFY" run -d t nosuch
	[ "${#lines[@]}" -eq 1 ]
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

@test "rm does not stumble over a monitor that is about to be gone" {
	for _ in $(seq 15); do
		"$JIFFY" run -d --name short t true
		timeout 20 sh -c "until grep -q exited \
			'$JIFFY_HOME/instances/short/state.json'; do :; done"
		"$JIFFY" rm short
	done
}
