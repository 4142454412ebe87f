#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Connections that are held: handed over, while jiffyd is killed under load and
# comes back; idle, over sleeping instances. `make soak` has 100 services, 50
# kills and 10,000 connections.

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/tmp"
	"${CC:-cc}" -O2 -Wall -static -pthread -o "$root/bin/holds" \
		"$BATS_TEST_DIRNAME/holds.c"
	"$JIFFY_BUILD/jiffy" build -q -t holds "dir:$root"
}

@test "jiffyd is killed under load: who is connected does not notice" {
	timeout "${HELD_SECONDS:-100}" "$BATS_TEST_DIRNAME/restart.py" \
		"$(realpath "$JIFFY_BUILD")" "$JIFFY_HOME" \
		"${RESTART_SERVICES:-6}" "${RESTART_KILLS:-3}"
}

@test "idle connections: asleep below them, a byte wakes one" {
	timeout "${HELD_SECONDS:-100}" "$BATS_TEST_DIRNAME/idle.py" \
		"$(realpath "$JIFFY_BUILD")" "$JIFFY_HOME" \
		"${IDLE_SERVICES:-10}" "${IDLE_CONNECTIONS:-300}"
}
