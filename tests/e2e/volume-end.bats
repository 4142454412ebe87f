#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How instances with volumes end: what was acknowledged is there, and after an
# orderly end there is nothing to replay.

setup_file() {
	BUILT=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$BUILT/jiffy PATH=$PATH:/usr/sbin:/sbin
	export JIFFY_HOME="$BATS_FILE_TMPDIR/home"
	"$JIFFY" build -t t "dir:$BUILT/guest-root" >/dev/null
}

setup() {
	disk="$BATS_TEST_TMPDIR/disk"
	truncate -s 64M "$disk"
	mke2fs -q -t ext4 -b 4096 "$disk"
}

is_sound() { e2fsck -fn "$disk" >"$BATS_TEST_TMPDIR/fsck" 2>&1; }
is_clean() { ! dumpe2fs -h "$disk" 2>/dev/null | grep -q needs_recovery; }

# Lines of the detached instance until the one asked for is there.
await_line() {
	for _ in $(seq 300); do
		"$JIFFY" logs v 2>/dev/null | grep -q "$1" && return
		sleep 0.05
	done
	return 1
}

start() {
	"$JIFFY" run -d --name v -v "$disk:/data" t /bin/sh -c "$1" >/dev/null
}

@test "after an ordinary end nothing is to be replayed" {
	"$JIFFY" run --rm -v "$disk:/data" t /bin/sh -c \
		'echo here > /data/file'
	is_clean
	is_sound
	[ "$(debugfs -R "cat file" "$disk" 2>/dev/null)" = here ]
}

@test "stop: a program that does not heed it is killed, the volume unmounted" {
	start 'trap "" TERM; echo kept > /data/file; echo ready
		while :; do sleep 1; done'
	await_line ready
	"$JIFFY" stop -t 0 v
	"$JIFFY" rm v
	is_clean
	is_sound
	[ "$(debugfs -R "cat file" "$disk" 2>/dev/null)" = kept ]
}

@test "kill: the same" {
	start 'echo kept > /data/file; echo ready
		while :; do sleep 1; done'
	await_line ready
	"$JIFFY" kill v
	for _ in $(seq 100); do
		is_clean && break
		sleep 0.1
	done
	"$JIFFY" rm -f v
	is_sound
	[ "$(debugfs -R "cat file" "$disk" 2>/dev/null)" = kept ]
}

@test "a monitor that is killed: what was synced is there" {
	"$JIFFY" run --rm -v "$disk:/data" t /bin/sh -c \
		'echo kept > /data/file; busybox sync; echo ready
		while :; do sleep 1; done' >"$BATS_TEST_TMPDIR/out" &
	monitor=$!
	for _ in $(seq 300); do
		grep -q ready "$BATS_TEST_TMPDIR/out" && break
		sleep 0.05
	done
	kill -9 $monitor
	wait $monitor || true
	for _ in $(seq 100); do
		flock -n "$disk" true && break
		sleep 0.05
	done
	run "$JIFFY" run --rm -v "$disk:/data" t /bin/cat /data/file
	[ "$status" = 0 ]
	[[ "$output" = *kept* ]]
	is_clean
	is_sound
}

@test "files larger than the memory limit" {
	run "$JIFFY" run --rm -m 24M -v "$disk:/data" t /bin/sh -c \
		'busybox dd if=/dev/zero of=/data/f bs=64k count=640 2>/dev/null &&
		busybox md5sum /data/f && busybox grep vda /proc/partitions'
	[ "$status" = 0 ]
	[[ "$output" = *"$(head -c 41943040 /dev/zero | md5sum | cut -c -32)"* ]]
	[[ "$output" = *"254        0      65536 vda"* ]]
	is_sound
}
