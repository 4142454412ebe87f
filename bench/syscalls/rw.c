/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes in and out of devices and files on tmpfs, and what is asked of open
 * descriptors.
 */
#include "bench/syscalls/bench.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

static int fd, other;
static struct iovec vec[4] = { { buf, 1024 },
			       { buf + 1024, 1024 },
			       { buf + 2048, 1024 },
			       { buf + 3072, 1024 } };

static bool open_zero(void)
{
	fd = open("/dev/zero", O_RDONLY);
	return fd >= 0;
}

static bool open_null(void)
{
	fd = open("/dev/null", O_WRONLY);
	return fd >= 0;
}

static bool open_fresh(void)
{
	fd = open("fresh", O_RDWR | O_CREAT | O_TRUNC, 0600);
	return fd >= 0;
}

static bool open_pair(void)
{
	other = open("fresh", O_RDWR | O_CREAT | O_TRUNC, 0600);
	return open_null() && other >= 0;
}

static void close_fd(void)
{
	close(fd);
	unlink("fresh");
}

static void close_pair(void)
{
	close(other);
	close_fd();
}

static void op_read_zero_1(void)
{
	MUST(read(fd, buf, 1) == 1);
}

static void op_read_zero_4k(void)
{
	MUST(read(fd, buf, 4096) == 4096);
}

static void op_write_null_1(void)
{
	MUST(write(fd, buf, 1) == 1);
}

static void op_writev_null(void)
{
	MUST(writev(fd, vec, 4) == 4096);
}

static void read_at_start(size_t n)
{
	static size_t at;

	if (at + n > sizeof(buf)) {
		lseek(file_fd, 0, SEEK_SET);
		at = 0;
	}
	if (read(file_fd, buf, n) != (ssize_t)n)
		lseek(file_fd, 0, SEEK_SET);
	at += n;
}

static void op_read_1(void)
{
	read_at_start(1);
}

static void op_read_4k(void)
{
	read_at_start(4096);
}

static void op_read_64k(void)
{
	read_at_start(65536);
}

static void op_pread_1(void)
{
	MUST(pread(file_fd, buf, 1, 8192) == 1);
}

static void op_pread_4k(void)
{
	MUST(pread(file_fd, buf, 4096, 8192) == 4096);
}

static void op_pread_64k(void)
{
	MUST(pread(file_fd, buf, 65536, 0) == 65536);
}

static void op_pwrite_1(void)
{
	MUST(pwrite(file_fd, buf, 1, 8192) == 1);
}

static void op_pwrite_4k(void)
{
	MUST(pwrite(file_fd, buf, 4096, 8192) == 4096);
}

static void op_pwrite_64k(void)
{
	MUST(pwrite(file_fd, buf, 65536, 0) == 65536);
}

static void op_preadv(void)
{
	MUST(preadv(file_fd, vec, 4, 8192) == 4096);
}

static void op_pwritev(void)
{
	MUST(pwritev(file_fd, vec, 4, 8192) == 4096);
}

static void op_lseek(void)
{
	MUST(lseek(file_fd, 0, SEEK_SET) == 0);
}

static void op_fstat(void)
{
	struct stat st;

	MUST(fstat(file_fd, &st) == 0);
}

static void op_fstatfs(void)
{
	struct statfs st;

	MUST(fstatfs(file_fd, &st) == 0);
}

static void op_fsync(void)
{
	MUST(fsync(file_fd) == 0);
}

static void op_ftruncate(void)
{
	MUST(ftruncate(fd, 4096) == 0 && ftruncate(fd, 0) == 0);
}

/* A file grows by 4 KiB a call to 1 MiB, then starts again. */
static void op_append_4k(void)
{
	static int n;

	MUST(write(fd, buf, 4096) == 4096);
	if (++n % 256 == 0)
		MUST(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

static void op_sendfile_null(void)
{
	off_t at = 0;

	MUST(sendfile(fd, file_fd, &at, 4096) == 4096);
}

static void op_copy_file_range(void)
{
	off_t in = 0, out = 0;

	MUST(copy_file_range(file_fd, &in, other, &out, 4096, 0) == 4096);
}

static void op_dup_close(void)
{
	MUST(close(dup(file_fd)) == 0);
}

static void op_dup2(void)
{
	MUST(dup2(file_fd, fd) == fd);
}

static void op_fcntl_getfl(void)
{
	MUST(fcntl(file_fd, F_GETFL) >= 0);
}

static void op_fcntl_setfd(void)
{
	MUST(fcntl(file_fd, F_SETFD, FD_CLOEXEC) == 0);
}

static void op_fcntl_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 0, .l_len = 10 };

	MUST(fcntl(file_fd, F_SETLK, &lock) == 0);
	lock.l_type = F_UNLCK;
	MUST(fcntl(file_fd, F_SETLK, &lock) == 0);
}

static void op_flock(void)
{
	MUST(flock(file_fd, LOCK_EX) == 0 && flock(file_fd, LOCK_UN) == 0);
}

static void op_ioctl_fionbio(void)
{
	int off = 0;

	MUST(ioctl(file_fd, FIONBIO, &off) == 0);
}

static void op_getrandom(void)
{
	MUST(getrandom(buf, 16, 0) == 16);
}

static void op_memfd(void)
{
	MUST(close(memfd_create("bench", 0)) == 0);
}

const struct bench rw_benches[] = {
	{ "read_zero_1", op_read_zero_1, open_zero, close_fd },
	{ "read_zero_4k", op_read_zero_4k, open_zero, close_fd },
	{ "write_null_1", op_write_null_1, open_null, close_fd },
	{ "writev_null", op_writev_null, open_null, close_fd },
	{ "read_1", op_read_1, NULL, NULL },
	{ "read_4k", op_read_4k, NULL, NULL },
	{ "read_64k", op_read_64k, NULL, NULL },
	{ "pread_1", op_pread_1, NULL, NULL },
	{ "pread_4k", op_pread_4k, NULL, NULL },
	{ "pread_64k", op_pread_64k, NULL, NULL },
	{ "pwrite_1", op_pwrite_1, NULL, NULL },
	{ "pwrite_4k", op_pwrite_4k, NULL, NULL },
	{ "pwrite_64k", op_pwrite_64k, NULL, NULL },
	{ "preadv_4x1k", op_preadv, NULL, NULL },
	{ "pwritev_4x1k", op_pwritev, NULL, NULL },
	{ "append_4k", op_append_4k, open_fresh, close_fd },
	{ "lseek", op_lseek, NULL, NULL },
	{ "fstat", op_fstat, NULL, NULL },
	{ "fstatfs", op_fstatfs, NULL, NULL },
	{ "fsync", op_fsync, NULL, NULL },
	{ "ftruncate_2", op_ftruncate, open_fresh, close_fd },
	{ "sendfile_null_4k", op_sendfile_null, open_null, close_fd },
	{ "copy_file_range_4k", op_copy_file_range, open_pair, close_pair },
	{ "dup_close", op_dup_close, NULL, NULL },
	{ "dup2", op_dup2, open_null, close_fd },
	{ "fcntl_getfl", op_fcntl_getfl, NULL, NULL },
	{ "fcntl_setfd", op_fcntl_setfd, NULL, NULL },
	{ "fcntl_lock_unlock", op_fcntl_lock, NULL, NULL },
	{ "flock_unlock", op_flock, NULL, NULL },
	{ "ioctl_fionbio", op_ioctl_fionbio, NULL, NULL },
	{ "getrandom_16", op_getrandom, NULL, NULL },
	{ "memfd_close", op_memfd, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};
