#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Programs that mean harm (tests/guest/intruder.c) end their own instance at
# most: the monitor stays in charge, a neighbour and a bystander do not notice,
# and nothing is left.

bats_require_minimum_version 1.5.0

setup_file() {
	local top=$BATS_TEST_DIRNAME/../..
	export JIFFY_BUILD=${JIFFY_BUILD:-$top/build}
	export JIFFY=$JIFFY_BUILD/jiffy JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$root/bin"
	"${CC:-cc}" -O2 -Wall -Wno-infinite-recursion -static \
		-o "$root/intruder" "$top/tests/guest/intruder.c"
	cp -L /bin/busybox "$root/bin/busybox"
	"$JIFFY" build -q -t hostile "dir:$root" >/dev/null
	# the neighbour answers lines until its input ends
	mkfifo "$BATS_FILE_TMPDIR/in" "$BATS_FILE_TMPDIR/out"
	"$JIFFY" run --rm --name neighbour hostile /bin/busybox cat \
		<"$BATS_FILE_TMPDIR/in" >"$BATS_FILE_TMPDIR/out" 3>&- &
	# open without waiting for each other
	exec {NEIGHBOUR_IN}<>"$BATS_FILE_TMPDIR/in"
	exec {NEIGHBOUR_OUT}<>"$BATS_FILE_TMPDIR/out"
	export NEIGHBOUR_IN NEIGHBOUR_OUT
}

teardown() { # what a failed test may have left
	[ "${session:-4194304}" -eq 4194304 ] || pkill -9 -s "$session" || true
}

teardown_file() {
	"$JIFFY" rm -f neighbour || true
}

neighbour_answers() {
	local line
	echo "are you there $1" >&"$NEIGHBOUR_IN"
	read -r -t 20 line <&"$NEIGHBOUR_OUT"
	[ "$line" = "are you there $1" ]
}

# All host processes of an instance are in one session, which they cannot leave.
# Zombies are init's to reap.
none_in_session() {
	local left
	left=$(ps -e -o sid=,stat=,pid=,comm= |
		awk -v s="$session" '$1 == s && $2 !~ /^[ZX]/')
	echo "session $session: $left"
	[ -z "$left" ]
}

only_neighbour_left() {
	[ "$(ls -A "$JIFFY_HOME/instances")" = neighbour ]
	none_in_session
}

host_session() { # of the instance whose `timeout` is process $1
	local monitor child
	{
		read -r monitor _ <"/proc/$1/task/$1/children" || true
		read -r child _ <"/proc/$monitor/task/$monitor/children" || true
	} 2>/dev/null
	# it may have ended by now: a session that cannot be
	ps -o sid= -p "${child:-4194304}" | tr -d ' ' | grep . || echo 4194304
}

# harm KIND [ARG], with options=(OPTION...): in the background until it says
# that it begins; then it ends by itself within the time, or by force.
harm() {
	local first code=0
	local fifo=$BATS_TEST_TMPDIR/fifo pid out
	rm -f "$fifo"
	mkfifo "$fifo"
	timeout -k 5 60 "$JIFFY" run --rm --name evil "${options[@]}" hostile \
		/intruder "$@" >"$fifo" 2>"$BATS_TEST_TMPDIR/err" </dev/null \
		3>&- &
	pid=$!
	exec {out}<"$fifo"
	read -r -t 20 first <&"$out"
	[ "$first" = "begin 0" ]
	session=$(host_session "$pid")
	[ "${say:-}" = "" ] || { read -r -t 50 line <&"$out"; echo "$line"; }
	[ "${ends:-}" != "" ] || timeout 20 "$JIFFY" rm -f evil || true
	wait "$pid" || code=$?
	exec {out}<&-
	head -c 2000 "$BATS_TEST_TMPDIR/err" | cat -v | head -n 5
	echo "exit $code"
	only_neighbour_left
	neighbour_answers "$*"
	ended=$code
}

@test "what the filter lets through harms the instance only" {
	options=(--net none)
	for kind in shutdown garbage quiet-exit scribble-heap scribble-slots \
		remove unmap; do
		echo "# $kind"
		harm "$kind"
		[ "$ended" -ne 0 ]
	done
}

@test "a forged crash record is printed as harmless text" {
	options=()
	ends=1 harm scribble-boot
	[ "$ended" -eq 125 ]
	[ -z "$(tr -d '\n -~' <"$BATS_TEST_TMPDIR/err")" ]
}

@test "closing the host's descriptors ends the instance" {
	options=()
	ends=1 harm close
}

@test "the kick reaches neither a bystander nor the monitor" {
	[ "$(id -u)" -eq 0 ] || skip "needs root for uids of instances"
	options=()
	tail -f /dev/null 3>&- &
	bystander=$!
	run -0 timeout 20 "$JIFFY" run --rm hostile /intruder kick "$bystander"
	echo "$output"
	[ "${lines[1]}" = "kick -1" ]
	[ "${lines[2]}" = "kick -1" ]
	kill -0 "$bystander"
	kill "$bystander"
}

@test "processes and descriptors of the host are bounded" {
	[ "$(id -u)" -eq 0 ] || skip "needs root for uids of instances"
	options=()
	say=1 harm bomb
	[[ "$line" == "processes "* ]]
	[ "$ended" -eq 137 ]
	[ "${line#* }" -le 4096 ]
	say=1 harm descriptors
	[[ "$line" == "descriptors "* ]]
	[ "${line#* }" -le 65536 ]
}

@test "memory over the limit ends with 137 and says so" {
	options=(-m 64M)
	ends=1 harm memory
	[ "$ended" -eq 137 ]
	grep -q "out of memory: [0-9]* KiB used, limit 65536 KiB" \
		"$BATS_TEST_TMPDIR/err"
}

@test "a fork bomb can be ended" {
	options=(-m 128M)
	harm fork
	[ "$ended" -eq 137 ]
}

@test "stack overflow and jumps into the kernel" {
	options=()
	ends=1 harm stack
	[ "$ended" -eq 139 ]
	for at in 0 0x1000 0x1801 0x20000 0x20000000 0x200000000; do
		echo "# jump $at"
		harm jump "$at"
	done
}

@test "processes it made by itself go with the record of a killed monitor" {
	[ "$(id -u)" -eq 0 ] || skip "needs root for uids of instances"
	local line out session
	local pid monitor
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	timeout -k 5 60 "$JIFFY" run --name evil hostile /intruder bomb \
		>"$BATS_TEST_TMPDIR/fifo" </dev/null 3>&- &
	pid=$!
	exec {out}<"$BATS_TEST_TMPDIR/fifo"
	read -r -t 20 line <&"$out"
	session=$(host_session "$pid")
	read -r -t 50 line <&"$out"
	read -r monitor _ <"/proc/$pid/task/$pid/children" || true
	kill -9 "$monitor"
	wait "$pid" || true
	exec {out}<&-
	timeout 30 "$JIFFY" rm evil
	none_in_session
}
