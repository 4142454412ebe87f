#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Descriptors of the outside as the program's own: what it sees is what it sees
# when it runs on the host.

bats_require_minimum_version 1.5.0

setup_file() {
	export JIFFY_BUILD=${JIFFY_BUILD:-$BATS_TEST_DIRNAME/../../build}
	export JIFFY=$JIFFY_BUILD/jiffy
	export JIFFY_HOME=$BATS_FILE_TMPDIR/home
	export ROOT=$BATS_FILE_TMPDIR/root
	mkdir -p "$ROOT/bin"
	cat >"$BATS_FILE_TMPDIR/twins.c" <<-'END'
		#include <stdio.h>
		#include <sys/epoll.h>
		#include <unistd.h>

		static int set;

		static void collect(int timeout)
		{
			struct epoll_event out[4];
			int n = epoll_wait(set, out, 4, timeout), mask = 0;

			for (int i = 0; i < n; i++)
				mask |= 1 << out[i].data.u32;
			printf("%d ready: %x\n", n, mask);
		}

		static void change(int op, int fd, unsigned id, unsigned events)
		{
			struct epoll_event ev = { events, { .u32 = id } };

			printf("%d\n", epoll_ctl(set, op, fd, &ev));
		}

		int main(void)
		{
			int a = dup(0), b = dup(0);
			char buf[64];

			set = epoll_create1(0);
			change(EPOLL_CTL_ADD, 0, 1, EPOLLIN);
			change(EPOLL_CTL_ADD, a, 2, EPOLLIN);
			change(EPOLL_CTL_ADD, b, 3, EPOLLIN | EPOLLET);
			change(EPOLL_CTL_ADD, a, 2, EPOLLIN);
			collect(5000);
			collect(0);
			change(EPOLL_CTL_DEL, 0, 1, 0);
			collect(0);
			change(EPOLL_CTL_MOD, a, 2, EPOLLIN | EPOLLONESHOT);
			collect(0);
			collect(0);
			change(EPOLL_CTL_MOD, a, 2, EPOLLIN);
			collect(0);
			printf("%zd\n", read(0, buf, sizeof(buf)));
			change(EPOLL_CTL_MOD, a, 2, EPOLLIN);
			collect(0);
			return 0;
		}
	END
	gcc -O1 -static -o "$ROOT/bin/twins" "$BATS_FILE_TMPDIR/twins.c"
	"$JIFFY" build -q -t stdio "dir:$ROOT" >/dev/null
}

@test "an epoll set takes several descriptors of one outside file" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/in"
	printf abc >&7
	"$ROOT/bin/twins" <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/host"
	printf abc >&7
	"$JIFFY" run --rm -i stdio /bin/twins <"$BATS_TEST_TMPDIR/in" \
		>"$BATS_TEST_TMPDIR/jiffy"
	exec 7>&-
	diff "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/jiffy"
}
