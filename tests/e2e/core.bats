#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A core file written in an instance, taken out through its standard output, is
# one that gdb reads: both threads with their functions.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	local root=$BATS_FILE_TMPDIR/root
	export CRASH=$root/bin/crash
	mkdir -p "$root/bin" "$root/tmp"
	cp "$JIFFY_BUILD/guest-root/bin/busybox" "$root/bin/busybox"
	cat >"$BATS_FILE_TMPDIR/crash.c" <<-'END'
		#include <pthread.h>
		#include <unistd.h>

		static int fds[2];

		__attribute__((noinline)) void waits_here(void)
		{
			(void)!write(fds[1], "x", 1);
			for (;;)
				pause();
		}

		static void *second(void *arg)
		{
			waits_here();
			return arg;
		}

		__attribute__((noinline)) void crashes_here(volatile int *p)
		{
			*p = 1;
		}

		int main(void)
		{
			pthread_t t;
			char c;

			(void)!pipe(fds);
			pthread_create(&t, NULL, second, NULL);
			(void)!read(fds[0], &c, 1);
			crashes_here((int *)16);
			return 0;
		}
	END
	gcc -g -O1 -static -pthread -o "$CRASH" "$BATS_FILE_TMPDIR/crash.c"
	"$JIFFY" build -q -t core "dir:$root" >/dev/null
}

run_crash() { # LIMIT: stdout is the core
	"$JIFFY" run --rm -w /tmp core /bin/busybox sh -c \
		"ulimit -c $1; /bin/crash; echo status \$? >&2; cat core"
}

@test "a core file tells gdb where both threads were" {
	command -v gdb >/dev/null || skip "gdb is not installed"
	run_crash unlimited >"$BATS_TEST_TMPDIR/core" 2>"$BATS_TEST_TMPDIR/err"
	grep -q 'status 139' "$BATS_TEST_TMPDIR/err"
	run gdb -nx -batch -ex 'thread apply all bt' "$CRASH" \
		"$BATS_TEST_TMPDIR/core"
	[[ $output == *"Program terminated with signal SIGSEGV"* ]]
	[[ $output == *"crashes_here"*"main ()"* ]]
	[[ $output == *"waits_here"*"second ("* ]]
}

@test "no core file unless asked for" {
	run ! run_crash 0
	[[ $output == *"can't open 'core'"* ]]
}

@test "--core: on the host, by the monitor" {
	local dir=$BATS_TEST_TMPDIR/cores
	mkdir "$dir"
	echo kept >"$BATS_TEST_TMPDIR/other"
	ln -s ../other "$dir/crash.1"
	run -139 "$JIFFY" run --rm "--core=$dir" core /bin/crash
	[ "$(ls "$dir")" = crash.1 ]
	[ ! -L "$dir/crash.1" ] && [ "$(stat -c %a "$dir/crash.1")" = 600 ]
	[ "$(cat "$BATS_TEST_TMPDIR/other")" = kept ]
	# holes of it take no room
	[ "$(du -k "$dir/crash.1" | cut -f 1)" -lt 2000 ]
	cd "$dir"
	run -3 "$JIFFY" run --rm --core=. core /bin/busybox sh -c \
		"ulimit -S -c 0; /bin/crash; ulimit -S -c unlimited
		cp /bin/crash /tmp/.x; /tmp/.x; exit 3"
	[ "$(find . -name '_x.*' | wc -l)" = 1 ]
	[ "$(find . -type f | wc -l)" = 2 ]
	command -v gdb >/dev/null || skip "gdb is not installed"
	run gdb -nx -batch -ex 'thread apply all bt' "$CRASH" crash.1
	[[ $output == *"Program terminated with signal SIGSEGV"* ]]
	[[ $output == *"crashes_here"*"main ()"* ]]
	[[ $output == *"waits_here"*"second ("* ]]
}

@test "--core: a directory that is not there" {
	run -125 "$JIFFY" run --rm "--core=$BATS_TEST_TMPDIR/none" core \
		/bin/busybox true
	[[ $output == *"core"*"none"*"No such file"* ]]
}
