# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For bats files that run programs on platform `pc`.

# shellcheck source=/dev/null
. "$BATS_TEST_DIRNAME/../e2e/ports.bash"

setup_file() {
	export BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	export PC=$BATS_TEST_DIRNAME/../pc E2E=$BATS_TEST_DIRNAME/../e2e
	PATH=$PATH:/usr/sbin:/sbin
	mkdir -p "$JIFFY_HOME"
	command -v qemu-system-x86_64 >/dev/null || skip "no QEMU"
	timeout 500 "$E2E/images" "$BUILD/jiffy"
	timeout 60 "$BUILD/jiffy" build -q -t guest "dir:$BUILD/guest-root"
	mke2fs -q -t ext4 -d "$E2E/scripts" "$BATS_FILE_TMPDIR/scripts" 64M
}

setup() {
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	[ ! -e qemu.pid ] || kill -KILL "$(cat qemu.pid)" 2>/dev/null || true
}

machine() {
	timeout -k 5 600 "$PC/machine" "$BUILD" "$@"
}

# same SCRIPT COMMAND...: COMMAND SCRIPT prints what is expected.
same() {
	local script=$1
	shift
	# shellcheck disable=SC2016
	machine -v "$BATS_FILE_TMPDIR/scripts:/scripts" programs \
		env LANG=C.UTF-8 sh -c 'exec "$@" 2>/dev/null' sh \
		"$@" "/scripts/$script" >out 3>&-
	diff -u "$E2E/scripts/$script.expected" out
}

# serve GUEST_PORT ARGUMENT...: a machine that listens there, in the background;
# PORT is the port here.
serve() {
	PORT=$(free_port)
	machine -P qemu.pid -p "$PORT:$1" "${@:2}" >out 2>err 3>&- &
	MACHINE=$!
}

fetch() {
	curl -sS --max-time 60 --retry 50 --retry-delay 1 --retry-all-errors "$@"
}

# load REQUESTS URL: none may fail.
load() {
	timeout 300 ab -q -n "$1" -c 8 "$2" >ab
	cat ab
	grep -q "^Complete requests: *$1\$" ab
	grep -q '^Failed requests: *0$' ab
	! grep -q '^Non-2xx' ab
}

# ends STATUS: the machine in the background does, so.
ends() {
	local status=0
	wait "$MACHINE" || status=$?
	[ "$status" -eq "$1" ]
}
