#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy exec: more programs in a running instance, by docker's rules, with their
# own standard input and output, signals and terminals; nothing is left of them.

bats_require_minimum_version 1.5.0
load platform

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root applet
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/etc" "$root/home/app" \
		"$root/tmp"
	cp -L /bin/busybox "$root/bin/busybox"
	for applet in cat chmod dd echo env false grep head id kill md5sum mkfifo ps pwd \
		sed sh sleep stty test true tty wc yes; do
		ln -s busybox "$root/bin/$applet"
	done
	printf 'root:x:0:0::/root:/bin/sh\napp:x:100:101::/home/app:/bin/sh\n' \
		>"$root/etc/passwd"
	printf 'root:x:0:\nstaff:x:50:app\n' >"$root/etc/group"
	printf 'not a program\n' >"$root/etc/text"
	"$JIFFY" build -q -t exec "dir:$root" >/dev/null
	"$JIFFY" run -d --name long -e FROM=run -w /tmp exec sleep 100000
}

teardown_file() {
	"$JIFFY" rm -f long >/dev/null || true
}

setup() {
	cd "$BATS_TEST_TMPDIR"
	name=e$BATS_TEST_NUMBER
}

teardown() {
	"$JIFFY" rm -f "$name" >/dev/null 2>&1 || true
}

x() {
	timeout 20 "$JIFFY" exec "$@"
}

# Descriptors of the instance's host processes, which share them.
descriptors() {
	local pid
	pid=$("$JIFFY" inspect "$1" | sed -n 's/.*"host_pid": \([0-9]*\).*/\1/p')
	ls "/proc/$pid/fd" | wc -l
}

# Until the only processes in it are the first one and whoever looks.
await_alone() {
	local i
	for i in $(seq 100); do
		[ "$(x "$1" ps | wc -l)" -le 3 ] && return 0
	done
	return 1
}

@test "exit statuses are docker's" {
	run -0 x long true
	run -1 x long false
	run -7 x long sh -c 'exit 7'
	run -137 x long sh -c 'kill -KILL $$'
	run -143 x long sh -c 'kill -TERM $$'
	run -127 x long nothing
	[[ "$output" == *"cannot run nothing: not found in PATH"* ]]
	run -127 x long /bin/nothing
	run -126 x long /etc/text
	[[ "$output" == *"not an executable file"* ]]
	run -126 x long /tmp
	run -126 x -w /nowhere long true
	[[ "$output" == *"/nowhere: no such directory"* ]]
	run -126 x -u nobody-there long true
	[[ "$output" == *"no such user"* ]]
	run -125 x nosuch true
	run -125 x -w relative long true
	run -125 x long ''
	run -125 x long
}

@test "environment, user and directory are docker's" {
	run -0 x long env
	[[ "$output" == *FROM=run* && "$output" == *HOME=/root* ]]
	[[ "$output" == *HOSTNAME=long* && "$output" != *TERM=* ]]
	run -0 x -e FROM=exec -e NEW=1 long env
	[[ "$output" == *FROM=exec* && "$output" == *NEW=1* ]]
	[[ "$output" != *FROM=run* ]]
	export PASSED=on
	run -0 x -e PASSED -e NOT_PASSED long env
	[[ "$output" == *PASSED=on* && "$output" != *NOT_PASSED* ]]
	printf '# a file\nFILE=yes\n' >vars
	run -0 x --env-file vars long sh -c 'echo $FILE'
	[ "$output" = yes ]
	run -0 x long pwd
	[ "$output" = /tmp ]
	run -0 x -w /home/app long pwd
	[ "$output" = /home/app ]
	run -0 x -u app long sh -c 'id; echo $HOME'
	[ "${lines[0]}" = "uid=100(app) gid=101 groups=50(staff)" ]
	[ "${lines[1]}" = /home/app ]
	run -0 x -u 7:8 long sh -c 'id -u; id -g; echo $HOME'
	[ "$output" = $'7\n8\n/' ]
	# Found by its own PATH.
	x long sh -c 'printf "#!/bin/sh\necho mine\n" >/tmp/mine
		chmod +x /tmp/mine'
	run -0 x -e PATH=/tmp long mine
	[ "$output" = mine ]
	run -127 x long mine
	# A session of its own, and no parent in there.
	run -0 x long sh -c 'set -- $(cat /proc/$$/stat); echo $$ $4 $5 $6'
	set -- $output
	[ "$2" = 0 ] && [ "$1" = "$3" ] && [ "$1" = "$4" ]
}

@test "standard input and output are its own" {
	run -0 x long cat
	[ "$output" = "" ]
	run -0 sh -c 'echo in | '"$JIFFY exec -i long cat"
	[ "$output" = in ]
	x long sh -c 'echo out; echo err >&2' >out 2>err
	[ "$(cat out err)" = $'out\nerr' ]
	# By name, also for others than root.
	run -0 x -u app long sh -c 'echo named >/dev/stdout'
	[ "$output" = named ]
	head -c 20000000 /dev/urandom >data
	[ "$(x -i long md5sum <data | cut -d ' ' -f 1)" = \
		"$(md5sum <data | cut -d ' ' -f 1)" ]
	x -i long cat <data | cmp - data
	x -i long cat <data >copy
	cmp copy data
	# Whoever reads no more is missed by the writer, and the other way.
	run -0 sh -c "timeout 20 $JIFFY exec long yes | head -1"
	[ "$output" = y ]
	run -0 sh -c "yes | timeout 20 $JIFFY exec -i long head -1"
	[ "$output" = y ]
	run -0 x long sh -c 'echo from sh | cat; test ! -t 0 && test ! -t 1'
	[ "$output" = "from sh" ]
}

@test "many at once, and hundreds one after the other, leave nothing" {
	x long true
	before=$(descriptors long)
	for i in $(seq 40); do
		x -i long sh -c "cat; echo $i" <<<"in $i" >"out.$i" 2>&1 3>&- &
	done
	wait
	for i in $(seq 40); do
		[ "$(cat "out.$i")" = "in $i"$'\n'"$i" ]
	done
	for i in $(seq 200); do
		x long true
	done
	for i in $(seq 50); do
		run -127 x long nothing
	done
	await_alone long
	[ "$(descriptors long)" -le "$((before + 1))" ]
}

# rounds N: what the kernel has at its end, after N times all of it.
rounds() {
	local i
	"$JIFFY" run -d --name "$name" --stats="$PWD/stats" exec sh -c \
		'trap "exit 0" TERM; while :; do sleep 0.05; done' >/dev/null
	for i in $(seq "$1"); do
		x "$name" true
		x -i "$name" cat <<<in >/dev/null
		x -t "$name" tty >/dev/null
		x "$name" nothing 2>/dev/null || true
		x -u nobody-there "$name" true 2>/dev/null || true
		"$JIFFY" cp "$name:/etc/passwd" copy
	done
	timeout 20 "$JIFFY" stop "$name" >/dev/null
	"$JIFFY" rm "$name" >/dev/null
	python3 -c 'import json
s = json.load(open("stats"))
print(s["memory"]["heap_objects"], s["counts"])'
	rm stats
}

@test "the kernel has as many objects after it as before" {
	few=$(rounds 2)
	many=$(rounds 25)
	echo "$few; $many"
	[ "${few#* }" = "${many#* }" ]
	# What is cached or freed a moment later may differ a little.
	[ "$((${many%% *} - ${few%% *}))" -lt 20 ]
}

@test "signals reach it; who goes away ends it" {
	"$JIFFY" exec long sh -c 'trap "echo got it; exit 5" TERM; echo ready
		while :; do sleep 0.1; done' >out 3>&- &
	pid=$!
	timeout 20 sh -c 'until grep -q ready out; do :; done'
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 5 ]
	[ "$(cat out)" = $'ready\ngot it' ]
	# ^C reaches the group.
	"$JIFFY" exec long sh -c 'sleep 1001 & echo ready; wait' >out 3>&- &
	pid=$!
	timeout 20 sh -c 'until grep -q ready out; do :; done'
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 130 ]
	# Killed itself: the program is hung up, whatever it thinks of that.
	for trap in : "trap '' HUP"; do
		"$JIFFY" exec long sh -c "$trap; echo ready; sleep 1000" >out 3>&- &
		pid=$!
		timeout 20 sh -c 'until grep -q ready out; do :; done'
		kill -KILL "$pid"
		wait "$pid" || true
		x long sh -c 'while ps | grep -q "[s]leep 1000$"; do :; done'
	done
}

@test "what it leaves behind loses its standard input and output" {
	run -0 x long sh -c '(trap "" HUP PIPE; cat </proc/self/fd/0
		while echo more; do sleep 0.01; done
		echo $? >/tmp/left) & echo done'
	[ "${lines[0]}" = done ]
	run -0 timeout 20 sh -c "until $JIFFY exec long cat /tmp/left; do :; done"
}

@test "with a terminal" {
	timeout 60 python3 "$BATS_TEST_DIRNAME/exec_tty.py" "$JIFFY" long
	# Ours must be one, if it is to be its input.
	run -125 x -i -t long true </dev/null
	run -0 x -t long tty
	[[ "$output" == /dev/pts/* ]]
}

@test "who says nothing to the monitor, or not all, keeps nobody waiting" {
	timeout 60 python3 - "$JIFFY_HOME/instances/long/control.sock" \
		<<-'PYTHON'
		import json, os, socket, sys
		os.chdir(os.path.dirname(sys.argv[1]))
		def connect():
		    s = socket.socket(socket.AF_UNIX)
		    s.settimeout(20)
		    s.connect("control.sock")
		    return s
		def ask(s, text):
		    s.sendall(text)
		    return json.loads(s.makefile().readline())
		def status():
		    assert ask(connect(), b'{"op":"status"}\n')["ok"]
		# Each would have cost a second.
		silent = [connect() for i in range(100)]
		status()
		# The first make room; those that are left are told, in time.
		assert silent[0].recv(10) == b""
		assert b"error" in silent[99].recv(1000)
		slow = connect()
		for piece in (b'{"op":', b' "in', b'spect"'):
		    slow.sendall(piece)
		    status()
		assert ask(slow, b"}\n")["name"] == "long"
		# A long one comes in pieces.
		assert "error" in ask(connect(), b'{"op":"' + 300000 * b"x" + b'"}\n')
		half = connect()
		half.sendall(b'{"op":"status"}')
		half.shutdown(socket.SHUT_WR)
		assert json.loads(half.makefile().readline())["ok"]
	PYTHON
}

@test "detached" {
	run -0 x -d long sh -c 'echo there >/tmp/detached; sleep 1000'
	run -0 timeout 20 sh -c "until $JIFFY exec long cat /tmp/detached
		do :; done"
	run -127 x -d long nothing
	[[ "$output" == *"not found in PATH"* ]]
	run -125 x -d -i long true
	x long sh -c 'kill $(ps | sed -n "s/^ *\([0-9]*\) .* sleep 1000$/\1/p")'
}

@test "a suspended instance is woken; one with a command is not suspended" {
	not_on_qemu suspension
	"$JIFFY" run -d --name "$name" exec sleep 1000
	"$JIFFY" suspend "$name"
	run -0 x "$name" echo woken
	[ "$output" = woken ]
	mkfifo gate
	x -i "$name" sh -c 'echo ready; cat' <gate >out 3>&- &
	pid=$!
	exec 5>gate
	timeout 20 sh -c 'until grep -q ready out; do :; done'
	run -125 "$JIFFY" suspend "$name"
	[[ "$output" == *"a command runs in it"* ]]
	echo still there >&5
	exec 5>&-
	wait "$pid"
	[ "$(cat out)" = $'ready\nstill there' ]
	# A detached one sleeps with it.
	x -d "$name" sh -c 'while sleep 0.05; do echo x >>/tmp/rounds; done'
	timeout 20 sh -c "until $JIFFY exec $name cat /tmp/rounds; do :; done"
	for i in 1 2 3; do
		"$JIFFY" suspend "$name"
		before=$(x "$name" wc -l /tmp/rounds)
		timeout 20 sh -c "while [ '$before' = \"\$($JIFFY exec $name \
			wc -l /tmp/rounds)\" ]; do :; done"
	done
}

@test "a sleep does not mix up commands, nor what is left of them" {
	not_on_qemu suspension
	"$JIFFY" run -d --name "$name" exec sleep 1000
	x -d "$name" sh -c 'while sleep 0.05; do echo x >>/tmp/rounds; done'
	timeout 20 sh -c "until $JIFFY exec $name cat /tmp/rounds; do :; done"
	"$JIFFY" suspend "$name"
	# Whoever goes away hangs up their own.
	"$JIFFY" exec "$name" sh -c 'echo ready; exec sleep 1002' >out 3>&- &
	pid=$!
	timeout 20 sh -c 'until grep -q ready out; do :; done'
	kill -KILL "$pid"
	wait "$pid" || true
	timeout 20 "$JIFFY" exec "$name" sh -c \
		'while ps | grep -q "[s]leep 1002$"; do :; done'
	before=$(x "$name" wc -l /tmp/rounds)
	timeout 20 sh -c "while [ '$before' = \"\$($JIFFY exec $name \
		wc -l /tmp/rounds)\" ]; do :; done"
	# Something holds what was the standard output of one that has ended.
	x "$name" sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1003 & done'
	"$JIFFY" suspend "$name"
	x "$name" sh -c 'kill $(ps | sed -n "s/^ *\([0-9]*\) .*sleep 1003$/\1/p")
		while ps | grep -q "[s]leep 1003$"; do :; done'
	run -0 x "$name" dd if=/bin/busybox of=/tmp/copy
	run -0 x "$name" md5sum /bin/busybox
	[ "${output%% *}" = "$(md5sum </bin/busybox | cut -d ' ' -f 1)" ]
}

@test "it ends with the instance" {
	"$JIFFY" run -d --name "$name" exec sleep 1000
	x "$name" sh -c 'echo ready; sleep 1000' >out 2>err 3>&- &
	pid=$!
	timeout 20 sh -c 'until grep -q ready out; do :; done'
	"$JIFFY" kill "$name"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 137 ]
	run -125 x "$name" true
	[[ "$output" == *"is not running"* ]]
}
