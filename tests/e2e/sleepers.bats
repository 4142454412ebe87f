#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Servers that are suspended again and again: every session goes on over its old
# connection with its state (sleepers.py). `make soak` has 50 cycles of each.

setup_file() {
	export JIFFY=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	mkdir -p "$JIFFY_HOME"
	timeout 500 "$BATS_TEST_DIRNAME/images" "$JIFFY"
}

sleeper() {
	timeout 100 "$BATS_TEST_DIRNAME/sleepers.py" "$JIFFY" "${CYCLES:-6}" "$1"
}

@test "redis: databases, half of a MULTI, blocked clients, a saving child" {
	sleeper redis
}

@test "nginx: kept connections, half a request, half a file" {
	sleeper nginx
}

@test "python: an interpreter with threads, generators and a child" {
	sleeper python
}

@test "node: promises, a worker, timers" {
	sleeper node
}

@test "a JVM: threads, a heap that is collected" {
	command -v javac >/dev/null || skip "no Java compiler"
	sleeper java
}

@test "postgres: 20 sessions with transactions, cursors, locks, LISTEN" {
	sleeper postgres
}

@test "monitors, kernels and the keeper are killed while it falls asleep or wakes" {
	cd "$BATS_TEST_TMPDIR"
	mkdir -p root/data
	"${CC:-cc}" -O2 -Wall -static -o root/ledger \
		"$BATS_TEST_DIRNAME/ledger.c"
	"$JIFFY" build -q -t ledger dir:root
	timeout 100 "$BATS_TEST_DIRNAME/sleepkill.py" "$JIFFY" 30 30
}
