#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy run -d with the real monitor: records, logs, signals, stopping,
# published ports.

bats_require_minimum_version 1.5.0

load platform
load ports

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
	"$JIFFY" logs -f a >"$BATS_TEST_TMPDIR/followed" 2>&1 3>&- &
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
	[ "$(cat "$BATS_TEST_TMPDIR/followed")" = "$(printf 'one\ntwo\nbye')" ]
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
	not_on_qemu "UDP without --net=packet"
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

@test "create and start: now, and again after its end, with one log" {
	"$JIFFY" create --name later t sh -c \
		'echo up >>/tmp/x; cat /tmp/x; exec sleep 100'
	run -0 "$JIFFY" ps -a
	[[ "$output" == *later*created* ]]
	run -125 "$JIFFY" start nosuch
	run -0 "$JIFFY" start later
	[ "$output" = later ]
	await later up
	run -125 "$JIFFY" start later
	[[ "$output" == *"is running"* ]]
	"$JIFFY" stop -t 0 later
	"$JIFFY" start later
	timeout 20 sh -c "until [ \$('$JIFFY' logs later | wc -l) -eq 2 ]; do :; done"
	# The root is as the image has it.
	[ "$("$JIFFY" logs later | sort -u)" = up ]
	not_on_qemu suspension
	"$JIFFY" suspend later
	"$JIFFY" start later
	run -0 "$JIFFY" ps
	[[ "$output" == *later*running* ]]
	"$JIFFY" create --name never t true
	"$JIFFY" rm never
	run -125 "$JIFFY" create --rm t true
	[ "${#lines[@]}" -eq 1 ]
}

# notes NAME N: until its log has been looked at N times, at least.
notes() {
	timeout 20 sh -c "until [ -s '$JIFFY_HOME/instances/$1/log.times' ] &&
		[ \$(stat -c %s '$JIFFY_HOME/instances/$1/log.times') -ge \
		$((16 * $2)) ]; do :; done"
}

@test "logs: when a line was written, since and until then; a bounded size" {
	# 25 MB, of which 16 are kept and 4 may be.
	"$JIFFY" run -d --name dated t sh -c 'trap "echo two" USR1
		trap "busybox yes 123456789 | busybox head -c 25000000; echo end" \
			USR2
		echo one; while :; do sleep 1000 & wait $!; done'
	await dated one
	notes dated 1
	"$JIFFY" kill -s USR1 dated
	await dated two
	notes dated 2
	run -0 "$JIFFY" logs --timestamps dated
	local stamp='^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}\.[0-9]{3}Z '
	[[ "${lines[0]}" =~ ${stamp}one$ && "${lines[1]}" =~ ${stamp}two$ ]]
	[[ "${lines[0]}" < "${lines[1]}" ]]
	local then=${lines[1]%% *}
	[ "$("$JIFFY" logs --since "$then" dated)" = two ]
	[ "$("$JIFFY" logs --until "$then" dated)" = one ]
	[ "$("$JIFFY" logs --since 1d dated)" = "$(printf 'one\ntwo')" ]
	[ -z "$("$JIFFY" logs --until 1d dated)" ]
	[ "$("$JIFFY" logs --since 1d -n 1 dated)" = two ]
	run -125 "$JIFFY" logs --since soon dated
	[[ "$output" == *"'soon' is not a time like"* ]]
	run -125 "$JIFFY" logs -f --until "$then" dated
	"$JIFFY" kill -s USR2 dated
	await dated end
	notes dated 4
	# It is cut at whole lines; what is there is the end of it.
	"$JIFFY" logs dated >"$BATS_TEST_TMPDIR/rest"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/rest")" -gt 16000000 ]
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/rest")" -lt 21000000 ]
	[ "$(sort -u "$BATS_TEST_TMPDIR/rest")" = "$(printf '123456789\nend')" ]
	[ "$(du -k "$JIFFY_HOME/instances/dated/log" | cut -f 1)" -lt 21000 ]
	run -0 "$JIFFY" logs -t -n 2 dated
	[[ "${lines[1]}" =~ ${stamp}end$ ]]
}

@test "logs -f goes on through sleep and wake, and ends with the instance" {
	not_on_qemu suspension
	"$JIFFY" run -d --name dozes t sh -c \
		'i=0; while sleep 0.05; do i=$((i+1)); echo "line $i"; done'
	await dozes "line 1"
	"$JIFFY" logs -f dozes >"$BATS_TEST_TMPDIR/followed" 2>&1 3>&- &
	for _ in 1 2 3; do
		"$JIFFY" suspend dozes
		last=$("$JIFFY" logs dozes | tail -1 | cut -d ' ' -f 2)
		"$JIFFY" resume dozes
		timeout 20 sh -c "until grep -qx 'line $((last + 2))' $BATS_TEST_TMPDIR/followed
			do :; done"
	done
	"$JIFFY" kill dozes
	timeout 20 tail --pid=$! -f /dev/null
	wait $!
	"$JIFFY" logs dozes | cmp - "$BATS_TEST_TMPDIR/followed"
	"$JIFFY" rm -f dozes
}
