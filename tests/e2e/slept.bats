#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Clocks that count the sleep of a suspended instance, and one that does not.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=${JIFFY_TEST_HOME:-$BATS_FILE_TMPDIR/home}
	local root=$BATS_FILE_TMPDIR/root
	mkdir -p "$JIFFY_HOME" "$root/bin" "$root/dev"
	"${CC:-cc}" -O2 -Wall -static -pthread -o "$root/bin/slept" \
		"$BATS_TEST_DIRNAME/slept.c" -lrt
	"$JIFFY" build -q -t slept "dir:$root" >/dev/null
}

teardown() {
	"$JIFFY" rm -f slept >/dev/null || true
}

# await TEXT: until a line of the log begins so.
await() {
	grep -qm 1 "^$1" < <(timeout 30 "$JIFFY" logs -f slept 2>&1 3>&-)
}

@test "waits for a real time end at the wake, those of monotonic time later" {
	cd "$BATS_TEST_TMPDIR"
	"$JIFFY" run -d --name slept slept /bin/slept
	await armed
	"$JIFFY" suspend slept
	# The time itself is what passes here.
	sleep 5
	"$JIFFY" resume slept
	await all
	"$JIFFY" logs slept >log
	[ "$(head -1 log)" = armed ]
	[ "$(tail -n 2 log)" = "$(printf 'monotonic\nall')" ] ||
		{ cat log; false; }
	[ "$(sort log | uniq -d)" = "" ]
	[ "$(wc -l <log)" -eq 12 ]
}
