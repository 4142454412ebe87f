#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy run in the foreground: what goes in and out of the program, how it
# ends, what the options do; with the real monitor and kernel.

bats_require_minimum_version 1.5.0
load platform
load refuse

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	export ROOT=$BATS_FILE_TMPDIR/root
	local applet
	mkdir -p "$ROOT/bin" "$ROOT/etc" "$ROOT/tmp" "$ROOT/root" "$ROOT/srv"
	chmod 1777 "$ROOT/tmp"
	cp -L /bin/busybox "$ROOT/bin/busybox"
	for applet in sh cat echo env id pwd head tail wc ls nslookup kill \
		sleep md5sum nproc mkdir grep stty true yes hostname touch; do
		ln -s busybox "$ROOT/bin/$applet"
	done
	printf '%s\n' root:x:0:0:root:/root:/bin/sh www:x:33:33::/srv:/bin/sh \
		>"$ROOT/etc/passwd"
	printf '%s\n' root:x:0: www:x:33: extra:x:40:www >"$ROOT/etc/group"
	"${CC:-cc}" -O2 -Wall -static -o "$ROOT/bin/outside" \
		"$BATS_TEST_DIRNAME/outside.c"
	"$JIFFY" build -q -t t "dir:$ROOT" >/dev/null
	"$JIFFY" build -q -t ep --entrypoint '["echo", "a b"]' --cmd "c d" \
		-e FROM_IMAGE=1 --user www --workdir /srv "dir:$ROOT" >/dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	# every record is gone: foreground runs here use --rm
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

jrun() { # ARGUMENT...: jiffy run, removed, for at most 30 seconds
	timeout --foreground 30 "$JIFFY" run --rm "$@"
}

ends() { # STATUS PID: the background job ends so
	local status=0
	wait "$2" || status=$?
	echo "status $status"
	[ "$status" -eq "$1" ]
}

# same FILE: with it as stdin `outside` sees the same inside as on the host.
same() {
	jrun t outside poll <"$1" >inside
	"$ROOT/bin/outside" poll <"$1" >host
	diff -u host inside
}

@test "10 MB go through stdin and stdout unchanged" {
	head -c 10000000 /dev/urandom >big
	cat big | jrun -i t cat | cmp - big
	jrun t cat <big >copy
	cmp copy big
}

@test "stdout and stderr are kept apart" {
	jrun t sh -c 'echo out; echo err >&2' >out 2>err
	[ "$(cat out)" = out ]
	[ "$(cat err)" = err ]
	jrun t sh -c 'echo a >/dev/stdout; echo b >/dev/stderr;
		echo c >/proc/self/fd/1; cat /dev/stdin' <out >o 2>e
	[ "$(cat o)" = "$(printf 'a\nc\nout')" ]
	[ "$(cat e)" = b ]
}

@test "the end of input reaches the program" {
	[ "$(printf 'a\nb\n' | jrun -i t wc -l)" -eq 2 ]
	[ "$(jrun t wc -c </dev/null)" -eq 0 ]
}

@test "exit statuses pass" {
	local s
	for s in 0 1 2 77 125 126 127 128 129 254 255; do
		run "-$s" jrun t sh -c "exit $s"
		[ -z "$output" ]
	done
}

@test "a signal's end is 128 and its number" {
	local s
	for s in TERM KILL HUP INT ABRT SEGV USR1 PIPE; do
		run "-$((128 + $(kill -l $s)))" jrun t sh -c "kill -$s \$\$"
		[ -z "$output" ]
	done
}

@test "signals to jiffy reach the program" {
	local s pid line
	mkfifo out
	for s in TERM INT HUP QUIT USR1 USR2; do
		"$JIFFY" run --rm t sh -c "trap 'echo got $s; exit 9' $s
			echo ready; while :; do sleep .05; done" >out 3>&- &
		pid=$!
		exec 4<out
		read -r -t 20 line <&4
		[ "$line" = ready ]
		kill "-$s" $pid
		read -r -t 20 line <&4
		[ "$line" = "got $s" ]
		ends 9 $pid
		exec 4<&-
	done
}

@test "a signal that the program does not catch ends it" {
	local pid line
	mkfifo out
	# the first process, and a child of it
	"$JIFFY" run --rm t sh -c 'echo ready; exec sleep 100' >out 3>&- &
	pid=$!
	exec 4<out
	read -r -t 20 line <&4
	kill -INT $pid
	ends 130 $pid
	exec 4<&-
	"$JIFFY" run --rm t sh -c "trap 'kill -TERM \$child' TERM
		sh -c 'echo ready; exec sleep 100' & child=\$!
		echo ready; wait \$child
		wait \$child; exit \$?" >out 3>&- &
	pid=$!
	exec 4<out
	read -r -t 20 line <&4 # the child has the shell's trap no more
	read -r -t 20 line <&4
	kill $pid
	ends 143 $pid
	exec 4<&-
}

@test "the first process outlives what others in the instance send it" {
	run -7 jrun t sh -c "(kill -TERM 1; kill -KILL 1; kill -STOP 1) &
		wait; (kill -HUP 1); exit 7"
	[ -z "$output" ]
}

@test "what cannot run is said in one line: 125, 126, 127" {
	refuse_run 127 "not found" t nosuch
	refuse_run 127 "not found" t /bin/nosuch
	refuse_run 126 "not an executable" t /etc/passwd
	refuse_run 126 "not an executable" t /etc
	refuse_run 125 "no image" nosuch
	refuse_run 126 "no such user" -u nosuch t true
	refuse_run 126 "/etc/passwd: not a directory" -w /etc/passwd t true
	refuse_run 125 "unknown option '--bogus'" --bogus t
	refuse_run 125 "--memory" -m 1k t true
	refuse_run 125 "--cpus" --cpus 0 t true
	refuse_run 125 "--publish" -p 1:2:3:4 t true
	refuse_run 125 "--env" -e =x t true
	refuse_run 125 "nofile" --env-file nofile t true
}

@test "no command anywhere is said" {
	refuse_run 125 "command" t
}

@test "environment, directory and host name" {
	printf '# c\nA=file\nB=x y\n' >vars
	C=caller run -0 jrun --env-file vars -e A=option -e C -e NOT_SET \
		-w /srv --hostname hh t sh -c 'echo $A,$B,$C,${NOT_SET-no};
		pwd; hostname; cat /etc/hostname; echo $HOSTNAME $HOME'
	[ "${lines[0]}" = "option,x y,caller,no" ]
	[ "${lines[1]}" = /srv ]
	[ "${lines[2]}" = hh ]
	[ "${lines[3]}" = hh ]
	[ "${lines[4]}" = "hh /root" ]
	# a directory that is missing is made
	[ "$(jrun -w /made/here t pwd)" = /made/here ]
}

@test "users by name and number" {
	run -0 jrun -u www t id
	[ "$output" = "uid=33(www) gid=33(www) groups=40(extra)" ] ||
		[ "$output" = "uid=33(www) gid=33(www) groups=33(www),40(extra)" ]
	run -0 jrun -u 33:0 t id
	[[ "$output" == "uid=33(www) gid=0(root)"* ]]
	run -0 jrun -u www:extra t id
	[[ "$output" == "uid=33(www) gid=40(extra)"* ]]
	run -0 jrun -u 1234:5678 t id
	[[ "$output" == "uid=1234 gid=5678"* ]]
	run -0 jrun -u www t sh -c 'echo $HOME; touch /etc/x 2>/dev/null || echo no'
	[ "$output" = "$(printf '/srv\nno')" ]
}

@test "entry point and command combine as Docker's do" {
	[ "$(jrun ep)" = "a b c d" ]
	[ "$(jrun ep x y)" = "a b x y" ]
	[ "$(jrun --entrypoint pwd ep)" = /srv ]
	[ "$(jrun --entrypoint id ep -u)" = 33 ]
	[ "$(jrun --entrypoint sh -u root -w / -e FROM_IMAGE=2 ep -c \
		'id -u; pwd; echo $FROM_IMAGE')" = "$(printf '0\n/\n2')" ]
}

@test "the files of the network" {
	run -0 jrun --hostname me t cat /etc/resolv.conf /etc/hosts
	[[ "$output" == *"nameserver "* ]]
	[[ "$output" == *"127.0.0.1	localhost"* ]]
	[[ "$output" == *"	me"* ]]
	run -0 jrun t grep -c "^proc /proc" /etc/mtab
	[ "$output" = 1 ]
	not_on_qemu "the monitor's resolver"
	run -0 jrun --hostname me t nslookup me
	[[ "$output" == *"Name:	me"* ]]
}

@test "its own files die with it, others' are not seen" {
	jrun t sh -c 'echo 1 >/etc/new; echo 2 >/dev/shm/new; echo 3 >/tmp/new
		cat /etc/new /dev/shm/new /tmp/new' >out
	[ "$(cat out)" = "$(printf '1\n2\n3')" ]
	run -0 jrun t sh -c 'ls /etc/new /dev/shm/new /tmp/new 2>/dev/null; :'
	[ -z "$output" ]
}

@test "two instances of one image do not see each other" {
	local i a b line
	mkfifo in out
	jrun -i t sh -c 'echo mine >/tmp/f; echo ready; cat; cat /tmp/f' \
		<in >out 3>&- &
	a=$!
	exec 4>in 5<out
	read -r -t 20 line <&5
	[ "$line" = ready ]
	run -0 jrun t sh -c 'ls /tmp; ls -d /proc/[0-9]*'
	[ "${lines[0]}" = /proc/1 ]
	jrun t sh -c 'echo other >/tmp/f'
	exec 4>&-
	read -r -t 20 line <&5
	[ "$line" = mine ]
	wait $a
	exec 5<&-
}

@test "30 at once" {
	local i pids=
	for i in $(seq 30); do
		jrun t sh -c "cat; echo $i" <<<"in $i" >"out.$i" 3>&- &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i"
	done
	for i in $(seq 30); do
		[ "$(cat "out.$i")" = "$(printf 'in %d\n%d' "$i" "$i")" ]
	done
}

@test "closed descriptors are as /dev/null" {
	run -3 bash -c '"$JIFFY" run --rm t sh -c "wc -c; exit 3" <&-'
	[ "$output" = 0 ]
	jrun t sh -c 'cat; echo x; echo e >&2' <&- >&- 2>err
	[ "$(cat err)" = e ]
	run -4 bash -c '"$JIFFY" run --rm t sh -c "echo x; exit 4" <&- >&- 2>&-'
}

@test "output to nowhere, to a full device, to a pipe nobody reads" {
	jrun t echo x >/dev/null
	run -0 bash -c '"$JIFFY" run --rm t yes | head -n 1
		[ ${PIPESTATUS[0]} -eq 141 ]'
	[ "$output" = y ]
	not_on_qemu "errors of the output"
	run -1 bash -c '"$JIFFY" run --rm t echo x 2>&1 >/dev/full'
	[[ "$output" == *"No space left"* ]]
}

@test "a program that closes its stdout or stdin lets the other end know" {
	local pid line
	mkfifo in out
	"$JIFFY" run --rm t sh -c 'exec >&-; cat' <in >out 3>&- &
	pid=$!
	exec 4>in
	run -0 timeout 20 cat out
	kill -0 $pid
	exec 4>&-
	wait $pid
	# a writer to a closed stdin gets SIGPIPE
	"$JIFFY" run --rm t sh -c 'exec <&-; trap "exit 143" TERM; echo closed
		while :; do sleep .05; done' <in >out 3>&- &
	pid=$!
	exec 4>in 5<out
	read -r -t 20 line <&5
	run -141 bash -c 'echo x >&4; echo x >&4'
	kill $pid
	ends 143 $pid
	exec 4>&- 5<&-
}

@test "poll and epoll of a file, a device, a pipe as stdin" {
	not_on_qemu "regular files"
	echo text >in
	mkfifo pipe
	same in
	same /dev/null
	exec 4<>pipe
	same pipe
	echo x >&4
	same pipe
	exec 4>&-
}

@test "CPUs as told" {
	run -0 jrun --cpus 3 t sh -c 'nproc; outside cpus;
		cat /sys/devices/system/cpu/online;
		grep -c ^processor /proc/cpuinfo'
	[ "$output" = "$(printf '3\n3 3\n0-2\n3')" ]
}

@test "a memory hog is ended with a reason" {
	run -137 jrun -m 64M t tail -c 500000000 /dev/zero
	[[ "$output" == *"out of memory"*"limit 65536 KiB"* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "the greediest process goes, not who asked for it" {
	run -0 --separate-stderr jrun -m 64M t sh -c '
		sleep 100 & tail -c 500000000 /dev/zero; echo $?; kill $!
		grep oom_kill /proc/vmstat
		grep oom_kill /sys/fs/cgroup/memory.events'
	[ "$output" = "$(printf '137\noom_kill 1\noom_kill 1')" ]
	[[ "$stderr" == *"out of memory: killed process 3 (tail)"* ]]
	# unless others are dearer
	run -137 jrun -m 64M t sh -c 'sleep 100 &
		echo -1000 >/proc/$!/oom_score_adj
		sh -c "echo -1000 >/proc/self/oom_score_adj
			exec tail -c 500000000 /dev/zero"'
	[[ "$output" == *"out of memory"*"limit 65536 KiB"* ]]
}

@test "traces read like strace's" {
	jrun --trace=file t echo hello >out 2>err
	[ "$(cat out)" = hello ]
	[ ! -s err ]
	grep -q '^\[1\] write(1, "hello\\n", 6) = 6$' file
	jrun --trace t echo hello >out 2>err
	[ "$(cat out)" = hello ]
	grep -q 'write(1, "hello\\n", 6) = 6$' err
	grep -q 'exit_group(0)' err
}

@test "stats have their fields" {
	jrun --stats=file.json t echo hello >out
	[ "$(cat out)" = hello ]
	jrun --stats t echo hello 2>&1 >/dev/null | grep -q '"total_us"'
	python3 - <<-'END'
		import json
		s = json.load(open("file.json"))
		parts = "cli monitor map kernel exec first_user total".split()
		t = [s["startup"][p + "_us"] for p in parts]
		assert all(0 <= x < 10_000_000 for x in t), t
		assert abs(sum(t[:-1]) - t[-1]) <= 1000, t
		machine = s.get("machine", {}).get("memory_bytes", 0)
		assert 0 < s["memory"]["peak_bytes"] < machine + (64 << 20), s
		assert s["syscalls"]["write"] == 1
		assert s["syscalls_total"] == sum(s["syscalls"].values())
		assert isinstance(s["unsupported"], list)
	END
}

@test "sources run directly" {
	[ "$(jrun "dir:$ROOT" echo direct)" = direct ]
	tar -C "$ROOT" -cf root.tar .
	[ "$(jrun tar:root.tar echo from tar)" = "from tar" ]
	run -125 jrun dir:nosuch true
	[[ "$output" == "jiffy: "*nosuch* ]]
}

@test "a terminal: size, keys, line editing, job control" {
	run -0 timeout 60 python3 "$BATS_TEST_DIRNAME/terminal.py"
	echo "$output"
}
