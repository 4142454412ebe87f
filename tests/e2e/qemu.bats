#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# jiffy run --platform=qemu: the same command line, input, output, statuses,
# logs and messages, with the kernel in a machine of its own.

bats_require_minimum_version 1.5.0
load refuse
load ports

setup_file() {
	command -v qemu-system-x86_64 >/dev/null || skip "no QEMU"
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	export JIFFY_PLATFORM=qemu
	export ROOT=$BATS_FILE_TMPDIR/root
	local applet
	mkdir -p "$ROOT/bin" "$ROOT/etc" "$ROOT/tmp" "$ROOT/data"
	cp -L /bin/busybox "$ROOT/bin/busybox"
	for applet in sh cat echo pwd hostname sleep stty tail httpd; do
		ln -s busybox "$ROOT/bin/$applet"
	done
	echo root:x:0:0:root:/:/bin/sh >"$ROOT/etc/passwd"
	echo served >"$ROOT/page"
	"$JIFFY" build -q -t t "dir:$ROOT" >/dev/null
}

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	# every record is gone
	[ -z "$(ls -A "$JIFFY_HOME/instances")" ]
}

jrun() { # ARGUMENT...: jiffy run, removed, for at most a minute
	timeout -k 2 --foreground 60 "$JIFFY" run --rm "$@"
}

@test "input, output, variables, directory, name and status" {
	run -7 --separate-stderr jrun -e A=b -w /tmp --hostname h t \
		sh -c 'cat; echo err >&2; echo $A $(pwd) $(hostname); exit 7' \
		<<<in
	[ "$output" = "in
b /tmp h" ]
	[ "$stderr" = err ]
}

@test "a million bytes that are no text pass unchanged" {
	head -c 1000000 /dev/urandom >big
	jrun -i t cat <big | cmp - big
}

@test "ten million bytes pass unchanged through two processors" {
	head -c 10000000 /dev/urandom >big
	jrun --cpus 2 -i t cat <big | cmp - big
}

@test "what a program does not read stays the caller's" {
	[ "$({ jrun t echo hello && cat; } <<<rest)" = "hello
rest" ]
}

@test "a terminal: size, keys, line editing, job control" {
	run -0 timeout 100 python3 "$BATS_TEST_DIRNAME/terminal.py"
	echo "$output"
}

@test "signals end it: from inside, and through jiffy" {
	run -137 jrun t sh -c 'kill -9 $$'
	[ -z "$output" ]
	mkfifo out
	"$JIFFY" run --rm t sh -c 'trap "exit 9" TERM; echo up
		while :; do sleep 0.1; done' >out &
	read -r line <out
	[ "$line" = up ]
	kill "$!"
	status=0
	wait "$!" || status=$?
	[ "$status" -eq 9 ]
}

@test "a program that cannot be started" {
	refuse_run 127 "not found" t nothing
	refuse_run 126 "cannot run /etc/passwd" t /etc/passwd
}

@test "a volume keeps what was written, under the same lock" {
	"$JIFFY" volume create --size 64M v
	jrun -v v:/data t sh -c 'echo kept >/data/f'
	[ "$(jrun -v v:/data:ro t cat /data/f)" = kept ]
	"$JIFFY" run -d --name holder -v v:/data t sleep 600
	refuse_run 125 "volume v is in use" -v v:/data t echo
	refuse_run 125 "volume v is in use" --platform=process -v v:/data t echo
	timeout 60 "$JIFFY" kill holder
	timeout 60 "$JIFFY" stop holder || true
	"$JIFFY" rm holder
	# the other platform reads it too
	[ "$(jrun --platform=process -v v:/data t cat /data/f)" = kept ]
	"$JIFFY" volume rm v
}

@test "a published port; logs, exec, cp, inspect, no suspension, stop" {
	local port
	port=$(free_port)
	"$JIFFY" run -d --name web -p "127.0.0.1:$port:80" t \
		sh -c 'echo begins; exec httpd -f -p 80 -h /'
	[ "$(curl -s --max-time 20 --retry 40 --retry-all-errors \
		--retry-delay 1 "http://127.0.0.1:$port/page")" = served ]
	refuse_run 125 "publish 127.0.0.1:$port/tcp" \
		-p "127.0.0.1:$port:80" t echo
	[ "$("$JIFFY" logs web)" = begins ]
	# When it was written is noted, as its length is bounded.
	timeout 20 sh -c \
		"until [ -s '$JIFFY_HOME/instances/web/log.times' ]; do :; done"
	[ "$(timeout 30 "$JIFFY" exec -i web sh -c 'cat; echo $HOSTNAME' \
		<<<in)" = "in
web" ]
	run -5 timeout 30 "$JIFFY" exec web sh -c 'exit 5'
	timeout 30 "$JIFFY" cp web:/page copied
	[ "$(cat copied)" = served ]
	"$JIFFY" inspect web | jq -e '.[0] | .. | .accel? // empty' |
		grep -E 'tcg|kvm'
	refuse 125 "platform qemu" "$JIFFY" suspend web
	timeout 60 "$JIFFY" stop web
	"$JIFFY" ps -a | grep 'exited (143)'
	"$JIFFY" rm web
}

@test "used up memory, a killed emulator: a reason, and a status" {
	run -137 jrun -m 48M t tail -c 500000000 /dev/zero
	[[ "$output" == *"out of memory"*"limit 49152 KiB"* ]]
	"$JIFFY" run -d --name victim t sleep 600
	kill -9 "$("$JIFFY" inspect victim | jq '.. | .host_pid? // empty' |
		head -n 1)"
	until "$JIFFY" ps -a | grep 'crashed (125)'; do
		sleep 0.1
	done
	"$JIFFY" logs victim 2>&1 | grep 'QEMU was killed by signal 9'
	"$JIFFY" rm victim
}

@test "memory that nobody has used is not the machine's yet" {
	"$JIFFY" run -d --name little -m 512M t sh -c 'echo up; exec sleep 600'
	timeout 60 sh -c "until '$JIFFY' logs little | grep -q up; do :; done"
	local pid kib
	pid=$("$JIFFY" inspect little | jq '.. | .host_pid? // empty' |
		head -n 1)
	kib=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status")
	echo "$kib KiB"
	"$JIFFY" rm -f little
	[ "$kib" -lt 200000 ]
}

@test "trace and stats" {
	jrun --trace=file --stats=stats t echo hello >out 2>err
	[ "$(cat out)" = hello ]
	[ ! -s err ]
	grep -q '^\[1\] write(1, "hello\\n", 6) = 6$' file
	jq -e '.syscalls.write == 1 and .machine.by == "qemu" and
		.startup.kernel_us > 0' stats
}

@test "what cannot be is refused in one line" {
	JIFFY_QEMU=/nonexistent refuse_run 125 "QEMU /nonexistent" t echo
	PATH=$JIFFY_BUILD:$(dirname "$(command -v timeout)")/nowhere \
		run -125 "$JIFFY" run --rm t echo
	[[ "$output" == *"there is no qemu-system-x86_64"* ]]
	refuse_run 125 "--net: 'packet' needs --platform=qemu" \
		--platform=process --net=packet t echo
	refuse_run 125 "not in this version" --core . t echo
	refuse_run 125 "UDP port without --net=packet" -p 5353:53/udp t echo
	refuse_run 125 "is not auto, process, qemu" --platform=xen t echo
	# a kernel that is not there, or is none
	mkdir copy
	cp "$JIFFY_BUILD/jiffy" "$JIFFY_BUILD/jiffy-monitor" \
		"$JIFFY_BUILD/jiffy-kernel" copy
	refuse 125 "jiffy-kernel-pc" copy/jiffy run --rm t echo
	echo none >copy/jiffy-kernel-pc
	run -125 timeout 60 copy/jiffy run --rm t echo
	[[ "$output" == *"QEMU: "* ]]
}

@test "exports boot by the README's command lines" {
	local port line format
	port=$(free_port)
	grep '^qemu-system-x86_64 ' "$BATS_TEST_DIRNAME/../../README.md" |
		sed "s/:8080-/:$port-/" >lines
	[ "$(wc -l <lines)" -eq 2 ]
	for format in elf+initrd raw; do
		read -r line
		"$JIFFY" image export --format=$format -o vm -e A=b t \
			sh -c 'echo exported $A; exit 3'
		timeout -k 2 60 sh -c "$line" </dev/null >out
		grep 'exported b' out
		rm -r vm
	done <lines
	refuse 125 "--format" "$JIFFY" image export --format=iso -o vm t sh
	refuse 125 "needed" "$JIFFY" image export t sh
	refuse 125 "no image 'nope'" \
		"$JIFFY" image export --format=raw -o vm nope
	[ ! -e vm ]
	refuse 125 "/dev/null/vm" \
		"$JIFFY" image export --format=raw -o /dev/null/vm t sh
}
