#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a program can do with the kernel's own host-call stubs: nothing that is
# not listed (kernel/plat/process/hostcalls.h). tests/guest/escape.c makes one
# attempt per run.

bats_require_minimum_version 1.5.0

setup_file() {
	local top=$BATS_TEST_DIRNAME/../..
	local build=${JIFFY_BUILD:-$top/build}
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home JIFFY=$build/jiffy
	mkdir -p "$BATS_FILE_TMPDIR/root"
	"${CC:-cc}" -O2 -Wall -static -o "$BATS_FILE_TMPDIR/root/escape" \
		"$top/tests/guest/escape.c"
	"$JIFFY" build -q -t escape "dir:$BATS_FILE_TMPDIR/root"
	"$JIFFY" run --rm escape /escape >"$BATS_FILE_TMPDIR/attempts"
}

@test "each call that is not listed ends the instance" {
	local n kind
	while read -r n kind; do
		[ "$kind" = killed ] || continue
		run "$JIFFY" run --rm escape /escape "$n"
		echo "attempt $n: status $status: $output"
		[ "$status" -eq 125 ]
		[[ "$output" != *returned* ]]
	done <"$BATS_FILE_TMPDIR/attempts"
}

@test "listed calls reach nothing outside" {
	local n kind
	while read -r n kind; do
		[ "$kind" = fails ] || continue
		run "$JIFFY" run --rm escape /escape "$n"
		echo "attempt $n: status $status: $output"
		[ "$status" -eq 0 ]
	done <"$BATS_FILE_TMPDIR/attempts"
}

@test "a 32-bit call is a fault of the program" {
	cat >"$BATS_TEST_TMPDIR/int80.c" <<-END
		int main(void) {
			__asm__ volatile("int \$0x80" : : "a"(20));
			return 0;
		}
	END
	mkdir "$BATS_TEST_TMPDIR/root"
	"${CC:-cc}" -static -o "$BATS_TEST_TMPDIR/root/int80" \
		"$BATS_TEST_TMPDIR/int80.c"
	"$JIFFY" build -q -t int80 "dir:$BATS_TEST_TMPDIR/root"
	run "$JIFFY" run --rm int80 /int80
	[ "$status" -eq 139 ]
}
