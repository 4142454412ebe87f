// SPDX-License-Identifier: Apache-2.0
/* Files, the less common calls: old forms of getdents and utime, vectors with
 * flags, copies in the kernel, advice and syncing. */
#include "tap.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <utime.h>

#define NS(sec, nsec) ((long long)(sec)*1000000000 + (nsec))

struct old_dirent {
	unsigned long ino, off;
	unsigned short reclen;
	char name[];
};

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	(void)!write(fd, text, strlen(text));
	close(fd);
}

static void check_getdents(void)
{
	int fd, n = 0, good = 0;
	char buf[2048];
	long len;

	tap_group("getdents");
	(void)!mkdir("dir", 0755);
	put_file("dir/one", "1");
	(void)!symlink("one", "dir/two");
	fd = open("dir", O_RDONLY | O_DIRECTORY);
	while ((len = syscall(SYS_getdents, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < len;) {
			struct old_dirent *d = (void *)(buf + at);
			int type = buf[at + d->reclen - 1];

			n++;
			good += (!strcmp(d->name, "one") && type == 8) ||
				(!strcmp(d->name, "two") && type == 10) ||
				(d->name[0] == '.' && type == 4);
			at += d->reclen;
		}
	is_int(n, 4, "four names");
	is_int(good, 4, "with their types");
	is_int(len, 0, "then the end");
	lseek(fd, 0, SEEK_SET);
	is_errno(syscall(SYS_getdents, fd, buf, 4), EINVAL, "no space for one");
	is_efault(syscall(SYS_getdents, fd, bp, 100), "to bad addresses");
	close(fd);
	is_errno(syscall(SYS_getdents, -1, buf, 100), EBADF, "descriptor -1");
	fd = open("dir/one", O_RDONLY);
	is_errno(syscall(SYS_getdents, fd, buf, 100), ENOTDIR, "of a file");
	close(fd);
}

static bool has_times(const char *path, long long atime, long long mtime)
{
	struct stat st;

	return lstat(path, &st) == 0 &&
	       NS(st.st_atim.tv_sec, st.st_atim.tv_nsec) == atime &&
	       NS(st.st_mtim.tv_sec, st.st_mtim.tv_nsec) == mtime;
}

static int times_denied(void)
{
	struct utimbuf u = { 1, 1 };
	struct timeval tv[2] = { { 1, 0 }, { 1, 0 } };

	must(syscall(SYS_utime, "t", &u) < 0 && errno == EPERM);
	must(syscall(SYS_utimes, "t", tv) < 0 && errno == EPERM);
	must(syscall(SYS_futimesat, AT_FDCWD, "t", tv) < 0 && errno == EPERM);
	must(syscall(SYS_utime, "t", NULL) < 0 && errno == EACCES);
	return 0;
}

static void check_times(void)
{
	struct utimbuf u = { 1000, 2000 };
	struct timeval tv[2] = { { 3000, 4 }, { 5000, 6 } };
	struct timeval bad[2] = { { 1, 0 }, { 1, 1000000 } };
	int dir = open(".", O_RDONLY | O_DIRECTORY), fd;
	struct stat st;

	tap_group("utime, utimes, futimesat");
	put_file("t", "t");
	is_int(syscall(SYS_utime, "t", &u), 0, "utime");
	ok(has_times("t", NS(1000, 0), NS(2000, 0)), "set");
	is_int(syscall(SYS_utimes, "t", tv), 0, "utimes");
	ok(has_times("t", NS(3000, 4000), NS(5000, 6000)), "set");
	tv[0].tv_sec = 7000;
	is_int(syscall(SYS_futimesat, dir, "t", tv), 0, "futimesat");
	ok(has_times("t", NS(7000, 4000), NS(5000, 6000)), "set");
	is_int(syscall(SYS_utimes, "t", NULL), 0, "now");
	stat("t", &st);
	ok(st.st_mtim.tv_sec > 1600000000, "set");
	fd = open("t", O_RDONLY);
	is_int(syscall(SYS_futimesat, fd, NULL, tv), 0, "of the descriptor");
	ok(has_times("t", NS(7000, 4000), NS(5000, 6000)), "set");
	close(fd);
	is_errno(syscall(SYS_utimes, "t", bad), EINVAL, "microseconds");
	bad[1].tv_usec = -1;
	is_errno(syscall(SYS_futimesat, dir, "t", bad), EINVAL, "negative");
	is_errno(syscall(SYS_utime, "none", &u), ENOENT, "no file");
	is_errno(syscall(SYS_utimes, "t/t", tv), ENOTDIR, "no directory");
	is_errno(syscall(SYS_futimesat, -1, "t", tv), EBADF, "descriptor -1");
	is_efault(syscall(SYS_utime, bp, &u), "utime: the path");
	is_efault(syscall(SYS_utime, "t", bp), "utime: the times");
	is_efault(syscall(SYS_utimes, bp, tv), "utimes: the path");
	is_efault(syscall(SYS_utimes, "t", bp), "utimes: the times");
	is_efault(syscall(SYS_futimesat, dir, bp, tv), "futimesat: the path");
	is_efault(syscall(SYS_futimesat, dir, "t", bp), "futimesat: times");
	chmod(".", 0755);
	is_int(tap_user_child(times_denied), 0, "not for others");
	close(dir);
}

static void check_mknodat(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	struct stat st;

	tap_group("mknodat");
	is_int(syscall(SYS_mknodat, dir, "fifo", S_IFIFO | 0600, 0), 0, "fifo");
	ok(stat("fifo", &st) == 0 && S_ISFIFO(st.st_mode), "is one");
	is_int(syscall(SYS_mknodat, dir, "file", S_IFREG | 0600, 0), 0, "file");
	is_int(syscall(SYS_mknodat, dir, "file2", 0600, 0), 0, "of type 0");
	ok(stat("file2", &st) == 0 && S_ISREG(st.st_mode), "is one, too");
	is_int(syscall(SYS_mknodat, dir, "sock", S_IFSOCK | 0600, 0), 0,
	       "socket");
	is_errno(syscall(SYS_mknodat, dir, "fifo", S_IFIFO | 0600, 0), EEXIST,
		 "there is one");
	is_errno(syscall(SYS_mknodat, dir, "x", S_IFDIR | 0600, 0), EPERM,
		 "a directory");
	is_errno(syscall(SYS_mknodat, dir, "x", S_IFLNK | 0600, 0), EINVAL,
		 "a link");
	is_errno(syscall(SYS_mknodat, dir, "no/x", S_IFREG, 0), ENOENT,
		 "no such directory");
	is_errno(syscall(SYS_mknodat, -1, "x", S_IFREG, 0), EBADF, "of -1");
	is_efault(syscall(SYS_mknodat, dir, bp, S_IFREG, 0), "bad addresses");
	close(dir);
}

static long pv2(long call, int fd, struct iovec *v, int n, long at, int flags)
{
	return syscall(call, fd, v, n, at, 0, flags);
}

static void check_vectors(void)
{
	char a[4] = "abc", b[4] = "def", x[8] = { 0 }, y[8] = { 0 };
	struct iovec w[2] = { { a, 3 }, { b, 3 } },
		     r[2] = { { x, 4 }, { y, 4 } };
	struct iovec bad = { bad_ptr, 4 };
	int fd = open("v", O_CREAT | O_TRUNC | O_RDWR, 0644), p[2];

	tap_group("preadv2 and pwritev2");
	is_int(pv2(SYS_pwritev2, fd, w, 2, 2, 0), 6, "at 2");
	is_int(lseek(fd, 0, SEEK_CUR), 0, "the position stays");
	is_int(pv2(SYS_preadv2, fd, r, 2, 2, 0), 6, "read back");
	ok(!memcmp(x, "abcd", 4) && !memcmp(y, "ef", 2), "the same");
	is_int(pv2(SYS_pwritev2, fd, w, 1, -1, 0), 3, "at the position");
	is_int(lseek(fd, 0, SEEK_CUR), 3, "which moves");
	is_int(pv2(SYS_preadv2, fd, r, 1, -1, 0), 4, "read there");
	ok(!memcmp(x, "bcde", 4), "goes on");
	is_int(pv2(SYS_pwritev2, fd, w, 1, 0, RWF_APPEND), 3, "RWF_APPEND");
	is_int(lseek(fd, 0, SEEK_END), 11, "at the end");
	is_int(pv2(SYS_pwritev2, fd, w, 1, 0, RWF_DSYNC), 3, "RWF_DSYNC");
	is_int(pv2(SYS_pwritev2, fd, w, 1, 0, RWF_SYNC), 3, "RWF_SYNC");
	is_int(pv2(SYS_preadv2, fd, r, 1, 0, RWF_HIPRI), 4, "RWF_HIPRI");
	is_errno(pv2(SYS_preadv2, fd, r, 1, 0, 1 << 20), EOPNOTSUPP, "a flag");
	is_errno(pv2(SYS_pwritev2, fd, w, 1, 0, 1 << 20), EOPNOTSUPP,
		 "a flag to write");
	is_errno(pv2(SYS_preadv2, fd, r, 1, -2, 0), EINVAL, "offset -2");
	is_errno(pv2(SYS_preadv2, fd, r, -1, 0, 0), EINVAL, "count -1");
	is_errno(pv2(SYS_preadv2, fd, r, 1025, 0, 0), EINVAL, "count 1025");
	is_errno(pv2(SYS_preadv2, fd, &bad, 1, 0, 0), EFAULT, "bad buffer");
	is_errno(pv2(SYS_pwritev2, fd, &bad, 1, 0, 0), EFAULT,
		 "bad buffer to write");
	is_efault(pv2(SYS_preadv2, fd, bp, 1, 0, 0), "bad vector");
	is_efault(pv2(SYS_pwritev2, fd, bp, 1, 0, 0), "bad vector to write");
	is_errno(pv2(SYS_preadv2, -1, r, 1, 0, 0), EBADF, "descriptor -1");
	is_errno(pv2(SYS_pwritev2, -1, w, 1, 0, 0), EBADF, "write to -1");
	(void)!pipe(p);
	is_errno(pv2(SYS_preadv2, p[0], r, 1, 0, 0), ESPIPE, "of a pipe");
	close(p[0]);
	close(p[1]);
	close(fd);
}

static long cfr(int in, off_t *in_at, int out, off_t *out_at, size_t n,
		unsigned flags)
{
	return syscall(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
}

static void check_copy(void)
{
	int in, out, dir = open(".", O_RDONLY), p[2];
	off_t from = 2, to = 5;
	char buf[32] = { 0 };

	tap_group("copy_file_range");
	put_file("from", "0123456789");
	in = open("from", O_RDONLY);
	out = open("to", O_CREAT | O_TRUNC | O_RDWR, 0644);
	is_int(cfr(in, NULL, out, NULL, 4, 0), 4, "at the positions");
	is_int(lseek(in, 0, SEEK_CUR), 4, "which move");
	is_int(lseek(out, 0, SEEK_CUR), 4, "both");
	is_int(cfr(in, &from, out, &to, 100, 0), 8, "at offsets, to the end");
	is_int(from, 10, "the first offset moves");
	is_int(to, 13, "the second, too");
	(void)!pread(out, buf, sizeof(buf), 0);
	ok(!memcmp(buf, "0123\00023456789", 13), "the bytes");
	is_int(cfr(in, &from, out, &to, 100, 0), 0, "at the end");
	is_int(cfr(in, NULL, out, NULL, 0, 0), 0, "nothing");
	is_errno(cfr(in, NULL, out, NULL, 1, 1), EINVAL, "a flag");
	is_errno(cfr(-1, NULL, out, NULL, 1, 0), EBADF, "from -1");
	is_errno(cfr(in, NULL, -1, NULL, 1, 0), EBADF, "to -1");
	is_errno(cfr(in, NULL, in, NULL, 1, 0), EBADF, "to a file to read");
	is_errno(cfr(dir, NULL, out, NULL, 1, 0), EISDIR, "from a directory");
	from = 0;
	to = 2;
	is_errno(cfr(out, &from, out, &to, 5, 0), EINVAL, "onto itself");
	to = 20;
	is_int(cfr(out, &from, out, &to, 5, 0), 5, "elsewhere in the file");
	is_efault(syscall(SYS_copy_file_range, in, bp, out, NULL, 1, 0),
		  "an offset at bad addresses");
	is_efault(syscall(SYS_copy_file_range, in, NULL, out, bp, 1, 0),
		  "the other at bad addresses");
	(void)!pipe(p);
	is_errno(cfr(in, NULL, p[1], NULL, 1, 0), EINVAL, "to a pipe");
	close(p[0]);
	close(p[1]);
	close(in);
	close(out);
	out = open("to", O_WRONLY | O_APPEND);
	in = open("from", O_RDONLY);
	is_errno(cfr(in, NULL, out, NULL, 1, 0), EBADF, "to O_APPEND");
	close(in);
	close(out);
	close(dir);
}

static void check_advice(void)
{
	int fd = open("from", O_RDONLY), w = open("from", O_WRONLY), p[2];

	tap_group("advice");
	(void)!pipe(p);
	for (int i = 0; i <= 5; i++)
		is_int(syscall(SYS_fadvise64, fd, 0, 0, i), 0, "fadvise64");
	is_errno(syscall(SYS_fadvise64, fd, 0, 0, 6), EINVAL, "advice 6");
	is_errno(syscall(SYS_fadvise64, fd, 0, 0, -1), EINVAL, "advice -1");
	is_errno(syscall(SYS_fadvise64, fd, 0, -1L, 0), EINVAL, "length -1");
	is_errno(syscall(SYS_fadvise64, p[0], 0, 0, 0), ESPIPE, "of a pipe");
	is_errno(syscall(SYS_fadvise64, -1, 0, 0, 0), EBADF, "of -1");
	is_int(syscall(SYS_readahead, fd, 0, 4096), 0, "readahead");
	is_errno(syscall(SYS_readahead, w, 0, 4096), EBADF, "cannot be read");
	is_errno(syscall(SYS_readahead, p[0], 0, 1), EINVAL, "of a pipe");
	is_errno(syscall(SYS_readahead, -1, 0, 1), EBADF, "of -1");
	close(p[0]);
	close(p[1]);
	close(fd);
	close(w);
}

static void check_sync(void)
{
	int fd = open("from", O_RDWR), p[2];

	tap_group("syncing");
	(void)!pipe(p);
	is_int(syscall(SYS_syncfs, fd), 0, "syncfs");
	is_errno(syscall(SYS_syncfs, -1), EBADF, "syncfs of -1");
	is_int(syscall(SYS_sync_file_range, fd, 0, 0, 7), 0, "sync_file_range");
	is_int(syscall(SYS_sync_file_range, fd, 0, 10, 0), 0, "of no kind");
	is_errno(syscall(SYS_sync_file_range, fd, 0, 0, 8), EINVAL, "a flag");
	is_errno(syscall(SYS_sync_file_range, fd, -1L, 0, 7), EINVAL, "at -1");
	is_errno(syscall(SYS_sync_file_range, fd, 0, -1L, 7), EINVAL,
		 "length -1");
	is_errno(syscall(SYS_sync_file_range, p[0], 0, 0, 7), ESPIPE,
		 "of a pipe");
	is_errno(syscall(SYS_sync_file_range, -1, 0, 0, 7), EBADF, "of -1");
	is_int(syscall(SYS_sync), 0, "sync");
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void check_seek(void)
{
	sigset_t none;
	int fds[5], good = 0, bad = 0;
	char c[8];

	tap_group("lseek of files without a position");
	sigemptyset(&none);
	fds[0] = eventfd(1, 0);
	fds[1] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	fds[2] = signalfd(-1, &none, SFD_NONBLOCK);
	fds[3] = epoll_create1(0);
	fds[4] = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
	for (int i = 0; i < 5; i++) {
		good += lseek(fds[i], 5, SEEK_SET) == 0;
		bad += pread(fds[i], c, 8, 0) < 0 && errno == ESPIPE;
		close(fds[i]);
	}
	is_int(good, 5, "does nothing");
	is_int(bad, 5, "but there is no pread");
}

int main(void)
{
	tap_start();
	tap_dir();
	check_getdents();
	check_times();
	check_mknodat();
	check_vectors();
	check_copy();
	check_advice();
	check_sync();
	check_seek();
	return tap_done();
}
