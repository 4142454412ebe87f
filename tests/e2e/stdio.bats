#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Descriptors of the outside as the program's own: what it sees is what it sees
# when it runs on the host.

bats_require_minimum_version 1.5.0
load platform

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
	cat >"$BATS_FILE_TMPDIR/regular.c" <<-'END'
		#define _GNU_SOURCE
		#include <errno.h>
		#include <fcntl.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/stat.h>
		#include <unistd.h>
		static void show(const char *what, long long n)
		{
			dprintf(2, "%s %lld %s\n", what, n,
				n < 0 ? strerror(errno) : "");
		}
		int main(void)
		{
			struct stat st;
			char buf[100] = "";
			void *volatile bad = (void *)16;
			fstat(0, &st); dprintf(2, "in %o %lld\n", st.st_mode & ~07777, (long long)st.st_size);
			fstat(1, &st); dprintf(2, "out %o %lld\n", st.st_mode & ~07777, (long long)st.st_size);
			show("flags", fcntl(1, F_GETFL) & O_APPEND);
			show("at", lseek(0, 0, SEEK_CUR));
			show("read", read(0, buf, 5)); 
			show("at", lseek(0, 0, SEEK_CUR));
			show("pread", pread(0, buf, 4, 2)); dprintf(2, "%.4s\n", buf);
			show("pread end", pread(0, buf, 4, 1000));
			show("seek", lseek(0, -3, SEEK_END));
			show("read", read(0, buf, 50)); dprintf(2, "%.3s\n", buf);
			show("seek", lseek(0, -3, SEEK_SET));
			show("write in", pwrite(0, "x", 1, 0));
			show("out at", lseek(1, 0, SEEK_CUR));
			show("write", write(1, "hello world\n", 12));
			show("out at", lseek(1, 0, SEEK_CUR));
			show("pwrite", pwrite(1, "HE", 2, 0));
			show("pread out", pread(1, buf, 2, 0));
			fstat(1, &st); show("size", st.st_size);
			show("trunc", ftruncate(1, 8));
			fstat(1, &st); show("size", st.st_size);
			show("trunc in", ftruncate(0, 8));
			show("seek", lseek(1, 0, SEEK_END));
			show("write", write(1, "!\n", 2));
			show("fsync", fsync(1));
			show("fault", pread(0, bad, 4, 0));
			show("fault", pwrite(1, bad, 4, 0));
			show("neg", pread(0, buf, 4, -1));
			show("isatty", isatty(0));
			return 0;
		}
	END
	gcc -O1 -static -o "$ROOT/bin/regular" "$BATS_FILE_TMPDIR/regular.c"
	cat >"$BATS_FILE_TMPDIR/three.c" <<-'END'
		#include <unistd.h>

		int main(void)
		{
			char buf[3];

			return read(0, buf, 3) != 3 || write(1, buf, 3) != 3;
		}
	END
	gcc -O1 -static -o "$ROOT/bin/three" "$BATS_FILE_TMPDIR/three.c"
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

both() { # PROGRAM: on the host to host.out, inside to jiffy.out, from `in`
	"$ROOT/bin/$1" <in >>host.out 2>host.err
	"$JIFFY" run --rm stdio "/bin/$1" <in >>jiffy.out 2>jiffy.err
	diff host.err jiffy.err
	cmp host.out jiffy.out
}

@test "regular files as stdin and stdout: size, position, cutting" {
	not_on_qemu "regular files"
	cd "$BATS_TEST_TMPDIR"
	printf abcdefghijklmnop >in
	printf 'before\n' | tee host.out >jiffy.out
	both regular # appends
	"$ROOT/bin/regular" <in >host.out 2>host.err
	"$JIFFY" run --rm stdio /bin/regular <in >jiffy.out 2>jiffy.err
	diff host.err jiffy.err
	cmp host.out jiffy.out
	# the position is shared with who comes before and after
	(read -r -N 3 _ && "$JIFFY" run --rm stdio /bin/three &&
		head -c 2) <in >out
	[ "$(cat out)" = defgh ]
}

@test "detached, the output is the log and no file of the program's" {
	not_on_qemu "regular files"
	cd "$BATS_TEST_TMPDIR"
	printf abcdefghijklmnop >in
	"$JIFFY" run -i -d --name reg stdio /bin/regular <in >/dev/null
	for _ in $(seq 100); do
		"$JIFFY" logs reg | grep -q isatty && break
		sleep .05
	done
	run "$JIFFY" logs reg
	"$JIFFY" rm -f reg >/dev/null
	[[ $output == *"in 100000 16"*"out 10000 0"*"size 0"* ]]
}
