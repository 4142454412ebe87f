// SPDX-License-Identifier: Apache-2.0
/* splice, tee, vmsplice, sendfile to all kinds of files, copy_file_range's
 * rules, and the flags of preadv2 and pwritev2. */
#include "tap.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char big[300000] __attribute__((aligned(4096))), back[300000];

static int file_of(const char *name, const void *data, size_t n)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static ssize_t get(int fd, char *buf, size_t n)
{
	return read(fd, buf, n);
}

static void check_file_pipe(void)
{
	int f = file_of("a", "hello, world", 12), g = file_of("b", "", 0);
	loff_t at = 7, to = 3, far = 1 << 20, minus = -1;
	char buf[64];
	int p[2];

	tap_group("splice between files and pipes");
	must(pipe(p) == 0);
	is_int(splice(f, NULL, p[1], NULL, 5, 0), 5, "file to pipe");
	is_int(lseek(f, 0, SEEK_CUR), 5, "moves the file's position");
	ok(get(p[0], buf, 64) == 5 && !memcmp(buf, "hello", 5), "the bytes");
	is_int(splice(f, &at, p[1], NULL, 100, 0), 5, "from an offset");
	is_int(at, 12, "which is moved");
	is_int(lseek(f, 0, SEEK_CUR), 5, "and not the file's");
	is_int(splice(f, &at, p[1], NULL, 100, 0), 0, "the end of the file");
	is_int(splice(f, &far, p[1], NULL, 100, 0), 0, "far behind it");
	is_int(splice(p[0], NULL, g, &to, 100, 0), 5, "pipe to file");
	is_int(to, 8, "at an offset, which is moved");
	is_int(lseek(g, 0, SEEK_CUR), 0, "and not the file's");
	ok(pread(g, buf, 64, 0) == 8 && !memcmp(buf, "\0\0\0world", 8),
	   "the bytes");
	must(write(p[1], "xyz", 3) == 3);
	is_int(splice(p[0], NULL, g, NULL, 2, 0), 2, "a part");
	is_int(lseek(g, 0, SEEK_CUR), 2, "at the file's position");
	is_int(get(p[0], buf, 64), 1, "the rest stays");
	is_errno(splice(p[0], NULL, g, NULL, 9, SPLICE_F_NONBLOCK), EAGAIN,
		 "an empty pipe");
	is_errno(splice(p[0], &at, g, NULL, 9, 0), ESPIPE, "a pipe's offset");
	is_errno(splice(f, NULL, p[1], &at, 9, 0), ESPIPE, "on either side");
	is_errno(splice(f, &minus, p[1], NULL, 9, 0), EINVAL, "offset -1");
	is_errno(splice(f, NULL, g, NULL, 9, 0), EINVAL, "no pipe at all");
	is_errno(splice(p[1], NULL, g, NULL, 9, 0), EBADF, "the wrong end");
	is_errno(splice(f, NULL, p[0], NULL, 9, 0), EBADF, "to the wrong end");
	is_errno(splice(-1, NULL, p[1], NULL, 9, 0), EBADF, "descriptor -1");
	is_errno(splice(f, NULL, -1, NULL, 9, 0), EBADF, "to descriptor -1");
	is_errno(splice(f, NULL, p[1], NULL, 9, 64), EINVAL, "unknown flags");
	is_int(splice(-1, NULL, -1, NULL, 0, 64), 0, "nothing is always fine");
	is_efault(splice(f, bp, p[1], NULL, 9, 0), "offsets at bad addresses");
	fcntl(g, F_SETFL, O_APPEND);
	must(write(p[1], "xyz", 3) == 3);
	is_errno(splice(p[0], NULL, g, NULL, 2, 0), EINVAL, "to O_APPEND");
	close(p[1]);
	is_int(get(p[0], buf, 64), 3, "nothing is lost");
	is_int(splice(p[0], NULL, f, NULL, 9, 0), 0, "no writers any more");
	close(p[0]);
	close(f);
	close(g);
}

static void check_big(void)
{
	int f, g = file_of("big2", "", 0), p[2];
	size_t total = 0;
	ssize_t n;

	tap_group("a large file through a pipe");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 4096);
	f = file_of("big", big, sizeof(big));
	must(pipe(p) == 0);
	while ((n = splice(f, NULL, p[1], NULL, 1 << 20, SPLICE_F_MOVE)) > 0) {
		for (ssize_t done = 0, m; done < n; done += m) {
			m = splice(p[0], NULL, g, NULL, (size_t)(n - done),
				   SPLICE_F_MORE);
			must(m > 0);
		}
		total += (size_t)n;
	}
	is_int(n, 0, "ends with 0");
	is_int(total, sizeof(big), "all of it");
	is_int(pread(g, back, sizeof(back), 0), sizeof(back), "is there");
	ok(!memcmp(big, back, sizeof(big)), "as it was");
	while (splice(f, (loff_t[]){ 0 }, p[1], NULL, 4096, SPLICE_F_NONBLOCK) >
	       0)
		;
	is_int(errno, EAGAIN, "a full pipe");
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	is_errno(splice(f, (loff_t[]){ 0 }, p[1], NULL, 4096, 0), EPIPE,
		 "no readers any more");
	signal(SIGPIPE, SIG_DFL);
	close(p[1]);
	close(f);
	close(g);
}

static void check_pipe_pipe(void)
{
	int p[2], q[2];
	char buf[64];

	tap_group("splice and tee between pipes");
	must(pipe(p) == 0 && pipe(q) == 0);
	must(write(p[1], "abcdef", 6) == 6);
	is_int(tee(p[0], q[1], 4, 0), 4, "tee");
	ok(get(q[0], buf, 64) == 4 && !memcmp(buf, "abcd", 4), "copies");
	is_int(tee(p[0], q[1], 100, 0), 6, "from the start again");
	is_int(splice(p[0], NULL, q[1], NULL, 4, 0), 4, "splice");
	ok(get(q[0], buf, 64) == 10 && !memcmp(buf, "abcdefabcd", 10), "moves");
	ok(get(p[0], buf, 64) == 2 && !memcmp(buf, "ef", 2), "what is left");
	is_errno(tee(p[0], q[1], 9, SPLICE_F_NONBLOCK), EAGAIN, "tee: empty");
	is_errno(splice(p[0], NULL, q[1], NULL, 9, SPLICE_F_NONBLOCK), EAGAIN,
		 "splice: empty");
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	is_errno(tee(p[0], q[1], 9, 0), EAGAIN, "tee: by the file's flag");
	is_errno(splice(p[0], NULL, q[1], NULL, 9, 0), EAGAIN, "splice, too");
	is_errno(tee(p[0], p[1], 9, 0), EINVAL, "tee to itself");
	is_errno(splice(p[0], NULL, p[1], NULL, 9, 0), EINVAL,
		 "splice to itself");
	is_errno(tee(p[1], q[1], 9, 0), EBADF, "tee from the wrong end");
	is_errno(tee(p[0], q[0], 9, 0), EBADF, "tee to the wrong end");
	is_errno(tee(-1, q[1], 9, 0), EBADF, "tee from -1");
	is_errno(tee(p[0], q[1], 9, 64), EINVAL, "tee with unknown flags");
	is_int(tee(-1, -1, 0, 0), 0, "tee of nothing");
	is_errno(tee(0, q[1], 9, 64), EINVAL, "flags first");
	close(p[1]);
	is_int(tee(p[0], q[1], 9, 0), 0, "tee: no writers");
	is_int(splice(p[0], NULL, q[1], NULL, 9, 0), 0, "splice: no writers");
	close(p[0]);
	close(q[0]);
	close(q[1]);
}

static int wait_in, wait_out;

static int move_later(void)
{
	return splice(wait_in, NULL, wait_out, NULL, 64, 0) == 5 ? 0 : errno;
}

static int read_later(void)
{
	char buf[8];

	return read(wait_in, buf, 8) > 0 ? 0 : errno;
}

static pid_t sleeper(int (*fn)(void))
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn());
	must(tap_await_state(pid, "S"));
	return pid;
}

static void check_waiting(void)
{
	int p[2], q[2], s[2];
	char buf[64];
	pid_t pid;

	tap_group("waiting");
	must(pipe(p) == 0 && pipe(q) == 0);
	wait_in = p[0];
	wait_out = q[1];
	pid = sleeper(move_later);
	must(write(p[1], "12345", 5) == 5);
	is_int(tap_wait(pid), 0, "pipe to pipe waits for bytes");
	is_int(get(q[0], buf, 64), 5, "and moves them");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	wait_in = s[0];
	pid = sleeper(move_later);
	must(write(s[1], "abcde", 5) == 5);
	is_int(tap_wait(pid), 0, "socket to pipe waits for bytes");
	is_int(get(q[0], buf, 64), 5, "and moves them");
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	while (write(s[0], big, 65536) > 0)
		;
	fcntl(s[0], F_SETFL, 0);
	must(write(p[1], "67890", 5) == 5);
	wait_in = p[0];
	wait_out = s[0];
	pid = sleeper(move_later);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	while (get(s[1], back, sizeof(back)) > 0)
		;
	is_int(tap_wait(pid), 0, "pipe to socket waits for room");
	wait_in = q[0];
	pid = sleeper(read_later);
	wait_in = p[0];
	wait_out = q[1];
	must(write(p[1], "12345", 5) == 5);
	is_int(move_later(), 0, "a reader behind");
	is_int(tap_wait(pid), 0, "gets what is spliced");
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
		close(s[i]);
	}
}

static void check_others(void)
{
	int p[2], s[2], zero = open("/dev/zero", O_RDWR), n;
	int null = open("/dev/null", O_RDWR), ev = eventfd(1, 0);
	int dir = open(".", O_RDONLY), status;
	loff_t at = 5;
	char buf[64];

	tap_group("other kinds of files");
	must(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	is_int(splice(zero, NULL, p[1], NULL, 10, 0), 10, "from /dev/zero");
	is_int(splice(p[0], NULL, null, NULL, 10, 0), 10, "to /dev/null");
	is_errno(splice(null, NULL, p[1], NULL, 10, 0), EINVAL,
		 "from /dev/null");
	is_errno(splice(ev, NULL, p[1], NULL, 10, 0), EINVAL, "from eventfd");
	is_errno(splice(dir, NULL, p[1], NULL, 10, 0), EINVAL,
		 "from a directory");
	must(write(p[1], "12345678", 8) == 8);
	is_errno(splice(p[0], NULL, ev, NULL, 8, 0), EINVAL, "to eventfd");
	is_errno(splice(p[0], NULL, s[0], &at, 8, 0), EINVAL,
		 "a socket's offset");
	is_int(splice(p[0], NULL, s[0], NULL, 100, 0), 8, "to a socket");
	is_int(splice(s[1], NULL, p[1], NULL, 3, 0), 3, "from a socket");
	is_int(get(p[0], buf, 64), 3, "a part");
	is_int(get(s[1], buf, 64), 5, "the rest stays");
	is_errno(splice(s[1], NULL, p[1], NULL, 3, SPLICE_F_NONBLOCK), EAGAIN,
		 "an empty socket");
	close(s[0]);
	is_int(splice(s[1], NULL, p[1], NULL, 3, 0), 0, "a closed one");
	status = open("/proc/cpuinfo", O_RDONLY);
	n = (int)splice(status, NULL, p[1], NULL, 5, 0);
	is_int(n, 5, "from a file of /proc");
	ok(get(p[0], buf, 64) == 5 && !memcmp(buf, "proce", 5), "its text");
	close(status);
	close(s[1]);
	close(p[0]);
	close(p[1]);
	close(zero);
	close(null);
	close(ev);
	close(dir);
}

static void check_vmsplice(void)
{
	struct iovec v[2] = { { (void *)"abc", 3 }, { (void *)"defg", 4 } };
	struct iovec bad = { bad_ptr, 5 }, wide = { big, sizeof(big) };
	int p[2], f = file_of("v", "", 0);
	char buf[64];
	struct iovec in = { buf, 5 };

	tap_group("vmsplice");
	must(pipe(p) == 0);
	is_int(vmsplice(p[1], v, 2, 0), 7, "to a pipe");
	is_int(vmsplice(p[0], &in, 1, 0), 5, "from a pipe");
	ok(!memcmp(buf, "abcde", 5), "the bytes");
	is_int(get(p[0], buf, 64), 2, "the rest stays");
	is_errno(vmsplice(p[0], &in, 1, SPLICE_F_NONBLOCK), EAGAIN, "empty");
	is_int(vmsplice(p[1], v, 0, 0), 0, "nothing");
	is_errno(vmsplice(p[1], &bad, 1, 0), EFAULT, "from a bad address");
	is_efault(syscall(SYS_vmsplice, p[1], bp, 1, 0),
		  "vectors at bad addresses");
	is_errno(vmsplice(p[1], v, 1025, 0), EINVAL, "too many");
	is_errno(vmsplice(p[1], v, 1, 64), EINVAL, "unknown flags");
	is_errno(vmsplice(f, v, 1, 0), EBADF, "a file");
	is_errno(vmsplice(-1, v, 1, 0), EBADF, "descriptor -1");
	is_int(vmsplice(p[1], &wide, 1, SPLICE_F_GIFT), 65536,
	       "as much as fits");
	is_errno(vmsplice(p[1], v, 1, SPLICE_F_NONBLOCK), EAGAIN, "then full");
	is_int(get(p[0], back, sizeof(back)), 65536, "what is in it");
	ok(!memcmp(big, back, 65536), "as it was");
	close(p[0]);
	close(p[1]);
	close(f);
}

static void check_sendfile(void)
{
	int f = file_of("s", "0123456789", 10), g = file_of("t", "", 0);
	int p[2], zero = open("/dev/zero", O_RDONLY), s[2];
	int null = open("/dev/null", O_RDWR), ev = eventfd(0, 0);
	off_t at = 4, minus = -1;
	char buf[64];

	tap_group("sendfile");
	must(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	is_int(sendfile(p[1], f, NULL, 4), 4, "to a pipe");
	is_int(lseek(f, 0, SEEK_CUR), 4, "moves the position");
	is_int(sendfile(p[1], f, &at, 100), 6, "from an offset");
	is_int(at, 10, "which is moved");
	is_int(sendfile(p[1], f, &at, 100), 0, "the end");
	ok(get(p[0], buf, 64) == 10 && !memcmp(buf, "0123456789", 10),
	   "the bytes");
	is_int(sendfile(g, f, &(off_t){ 0 }, 10), 10, "to a file");
	is_int(sendfile(s[0], f, &(off_t){ 0 }, 10), 10, "to a socket");
	is_int(sendfile(null, f, &(off_t){ 0 }, 10), 10, "to /dev/null");
	is_int(sendfile(p[1], zero, NULL, 10), 10, "from /dev/zero");
	is_int(get(p[0], buf, 64), 10, "some zeros");
	is_errno(sendfile(f, p[0], NULL, 10), EINVAL, "from a pipe");
	is_errno(sendfile(f, p[0], &at, 10), ESPIPE, "at an offset");
	is_errno(sendfile(f, s[1], NULL, 10), EINVAL, "from a socket");
	is_errno(sendfile(ev, f, &(off_t){ 0 }, 10), EINVAL, "to eventfd");
	is_errno(sendfile(p[1], f, &minus, 10), EINVAL, "offset -1");
	is_errno(sendfile(p[0], f, NULL, 10), EBADF, "not for writing");
	is_errno(sendfile(f, p[1], NULL, 10), EBADF, "not for reading");
	is_errno(sendfile(-1, f, NULL, 10), EBADF, "to -1");
	is_errno(sendfile(f, -1, NULL, 10), EBADF, "from -1");
	is_efault(sendfile(-1, f, bp, 10), "offsets at bad addresses");
	fcntl(g, F_SETFL, O_APPEND);
	is_errno(sendfile(g, f, &(off_t){ 0 }, 10), EINVAL, "to O_APPEND");
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(s[i]);
	}
	close(f);
	close(g);
	close(zero);
	close(null);
	close(ev);
}

static long copy(int in, loff_t *in_at, int out, loff_t *out_at, size_t len,
		 unsigned flags)
{
	return copy_file_range(in, in_at, out, out_at, len, flags);
}

static void check_copy(void)
{
	int f = file_of("c", "0123456789", 10), g = file_of("d", "", 0);
	int m = memfd_create("m", 0), dir = open(".", O_RDONLY), p[2];
	int r = open("c", O_RDONLY), w = open("d", O_WRONLY);
	loff_t a = 2, b = 3, zero = 0, five = 5, max = INT64_MAX;
	char buf[64];

	tap_group("copy_file_range");
	must(pipe(p) == 0);
	is_int(copy(f, &a, g, &b, 4, 0), 4, "a range");
	ok(a == 6 && b == 7 && lseek(f, 0, SEEK_CUR) == 0, "moves offsets");
	is_int(copy(f, NULL, g, NULL, 100, 0), 10, "by positions");
	ok(lseek(f, 0, SEEK_CUR) == 10 && lseek(g, 0, SEEK_CUR) == 10,
	   "moves those");
	is_int(copy(f, NULL, g, NULL, 100, 0), 0, "the end");
	is_int(copy(f, &zero, f, &five, 5, 0), 5, "in one file");
	ok(pread(f, buf, 64, 0) == 10 && !memcmp(buf, "0123401234", 10),
	   "side by side");
	zero = 0;
	five = 5;
	is_errno(copy(f, &zero, f, &five, 6, 0), EINVAL, "ranges that meet");
	five = 5;
	a = 8;
	is_int(copy(f, &five, f, &a, 0, 0), 0, "nothing");
	a = 20;
	is_int(copy(f, &a, f, &five, 100, 0), 0, "from behind the end");
	is_int(copy(f, &max, g, NULL, 5, 0), 0, "past all files");
	lseek(f, 0, SEEK_SET);
	is_errno(copy(f, NULL, g, &max, 5, 0), EFBIG, "to there");
	a = -5;
	is_errno(copy(f, &a, g, NULL, 1, 0), EINVAL, "offset -5");
	is_errno(copy(f, &a, g, NULL, 5, 0), EOVERFLOW, "wrapped");
	is_errno(copy(f, NULL, m, NULL, 5, 0), EXDEV, "another filesystem");
	is_errno(copy(dir, NULL, g, NULL, 5, 0), EISDIR, "a directory");
	is_errno(copy(f, NULL, dir, NULL, 5, 0), EISDIR, "to a directory");
	is_errno(copy(p[0], NULL, g, NULL, 5, 0), EINVAL, "a pipe");
	is_errno(copy(w, NULL, g, NULL, 5, 0), EBADF, "not for reading");
	is_errno(copy(f, NULL, r, NULL, 5, 0), EBADF, "not for writing");
	is_errno(copy(f, NULL, g, NULL, 5, 1), EINVAL, "unknown flags");
	is_errno(copy(-1, NULL, g, NULL, 5, 1), EBADF, "-1 comes first");
	is_errno(copy(f, NULL, -1, NULL, 5, 0), EBADF, "to -1");
	is_efault(copy(f, bp, g, NULL, 5, 0), "offsets at bad addresses");
	fcntl(g, F_SETFL, O_APPEND);
	is_errno(copy(f, NULL, g, NULL, 5, 0), EBADF, "to O_APPEND");
	close(f);
	close(g);
	close(m);
	close(dir);
	close(r);
	close(w);
	close(p[0]);
	close(p[1]);
}

static void check_flags(void)
{
	int f = file_of("e", "0123456789", 10), p[2], s[2];
	char buf[64];
	struct iovec v = { buf, 4 };

	tap_group("flags of preadv2 and pwritev2");
	must(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	is_int(preadv2(f, &v, 1, 2, RWF_HIPRI), 4, "HIPRI");
	is_int(pwritev2(f, &v, 1, 2, RWF_DSYNC), 4, "DSYNC");
	is_int(pwritev2(f, &v, 1, 2, RWF_SYNC), 4, "SYNC");
	is_int(pwritev2(f, &v, 1, 0, RWF_APPEND), 4, "APPEND");
	is_int(lseek(f, 0, SEEK_END), 14, "goes to the end");
	lseek(f, 1, SEEK_SET);
	is_int(preadv2(f, &v, 1, -1, 0), 4, "offset -1");
	is_int(lseek(f, 0, SEEK_CUR), 5, "is the position");
	is_errno(preadv2(f, &v, 1, 0, 1 << 30), EOPNOTSUPP, "unknown flags");
	is_errno(preadv2(f, &v, 1, -2, 0), EINVAL, "offset -2");
	is_errno(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), EAGAIN,
		 "NOWAIT on an empty pipe");
	is_errno(preadv2(s[0], &v, 1, -1, RWF_NOWAIT), EAGAIN,
		 "and on an empty socket");
	must(write(p[1], "abcdef", 6) == 6);
	is_int(preadv2(p[0], &v, 1, -1, RWF_NOWAIT), 4, "and one with bytes");
	is_errno(preadv2(p[0], &v, 1, 0, 0), ESPIPE, "a pipe's offset");
	is_errno(preadv2(-1, &v, 1, 0, 0), EBADF, "descriptor -1");
	is_efault(preadv2(f, bp, 1, 0, 0), "vectors at bad addresses");
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(s[i]);
	}
	close(f);
}

static void *crowd(void *arg)
{
	int *fds = arg;
	long total = 0, n;

	while ((n = splice(fds[0], NULL, fds[1], NULL, 3000, 0)) > 0)
		total += n;
	return (void *)total;
}

/* Two threads splice from one pipe to another while one writes. */
static void check_crowd(void)
{
	int p[2], q[2], fds[2];
	pthread_t t[2];
	long total = 0, got = 0, n;
	pid_t pid;
	void *part;

	tap_group("several at once");
	must(pipe(p) == 0 && pipe(q) == 0);
	pid = tap_fork();
	if (pid == 0) {
		close(q[1]);
		close(p[0]);
		close(p[1]);
		while ((n = read(q[0], back, 5000)) > 0)
			got += n;
		_exit(got == 200 * 5000 ? 0 : 1);
	}
	close(q[0]);
	fds[0] = p[0];
	fds[1] = q[1];
	for (int i = 0; i < 2; i++)
		must(pthread_create(&t[i], NULL, crowd, fds) == 0);
	for (int i = 0; i < 200; i++)
		must(write(p[1], big, 5000) == 5000);
	close(p[1]);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &part);
		total += (long)part;
	}
	is_int(total, 200 * 5000, "all bytes are moved once");
	close(q[1]);
	is_int(tap_wait(pid), 0, "and arrive");
	close(p[0]);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_file_pipe();
	check_big();
	check_pipe_pipe();
	check_waiting();
	check_others();
	check_vmsplice();
	check_sendfile();
	check_copy();
	check_flags();
	check_crowd();
	return tap_done();
}
