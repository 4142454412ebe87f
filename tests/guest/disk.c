// SPDX-License-Identifier: Apache-2.0
/* What files on a disk do beyond files in memory: direct I/O, holes, syncing
 * parts, mappings that agree with reads and writes, ends that move. */
#include "tap.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define PAGE 4096L

static char *aligned;

static int make(const char *name, int flags)
{
	return open(name, O_CREAT | O_TRUNC | O_RDWR | flags, 0600);
}

static int all_are(const char *p, long n, char c)
{
	for (long i = 0; i < n; i++)
		if (p[i] != c)
			return 0;
	return 1;
}

/* --- Direct I/O ---------------------------------------------------------- */

static void check_direct(void)
{
	int direct, fd = make("direct", 0);
	char small[512];

	tap_group("direct I/O");
	direct = open("direct", O_RDWR | O_DIRECT);
	ok(direct >= 0, "a file is opened so");
	memset(aligned, 'd', 8 * PAGE);
	is_int(pwrite(direct, aligned, 2 * PAGE, 0), 2 * PAGE, "write");
	is_errno(pwrite(direct, aligned + 1, PAGE, 0), EINVAL,
		 "an address that is not aligned");
	is_errno(pwrite(direct, aligned, PAGE + 3, 0), EINVAL, "a length");
	is_errno(pread(direct, aligned, PAGE, 7), EINVAL, "an offset");
	is_int(pread(fd, small, 512, PAGE), 512, "others read it");
	ok(all_are(small, 512, 'd'), "and see it");
	is_int(pwrite(fd, "plain", 5, 100), 5, "others write");
	memset(aligned, 0, PAGE);
	is_int(pread(direct, aligned, PAGE, 0), PAGE, "read");
	ok(!memcmp(aligned + 100, "plain", 5), "sees what is not yet on disk");
	is_int(pread(direct, aligned, 4 * PAGE, PAGE), PAGE, "to the end");
	is_int(pread(direct, aligned, PAGE, 2 * PAGE), 0, "at the end");
	is_int(pwrite(direct, aligned, PAGE, 8 * PAGE), PAGE, "behind a hole");
	is_int(pread(fd, small, 512, 4 * PAGE), 512, "the hole");
	ok(all_are(small, 512, 0), "is zero");
	close(direct);
	close(fd);
}

#define LARGE (32 * PAGE)

/* Past the cache, which has some of it. */
static void check_large_direct(void)
{
	int fd = make("large", 0), direct = open("large", O_RDWR | O_DIRECT);
	char *big = mmap(NULL, 2 * LARGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stat st;
	char *map;

	tap_group("large direct I/O");
	memset(big, 'b', 2 * LARGE);
	is_int(pwrite(fd, big, 2 * LARGE, 0), 2 * LARGE, "by the cache");
	memset(big, 'd', LARGE);
	is_int(pwrite(direct, big, LARGE, PAGE), LARGE, "in the middle");
	is_int(pread(fd, big, 2 * LARGE, 0), 2 * LARGE, "read");
	ok(all_are(big, PAGE, 'b') && all_are(big + PAGE, LARGE, 'd') &&
		   all_are(big + PAGE + LARGE, LARGE - PAGE, 'b'),
	   "sees both");
	memset(big, 'e', LARGE);
	is_int(pwrite(direct, big, LARGE, 2 * LARGE), LARGE, "at the end");
	ok(!fstat(fd, &st) && st.st_size == 3 * LARGE, "is longer");
	is_int(pread(fd, big + LARGE, LARGE, 2 * LARGE), LARGE, "read it");
	ok(all_are(big + LARGE, LARGE, 'e'), "sees it");
	map = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	map[7] = 'm';
	is_int(pwrite(direct, big, LARGE, LARGE), LARGE, "beside a mapping");
	ok(map[7] == 'm' && map[PAGE] == 'd', "which is left alone");
	is_int(pwrite(direct, big, LARGE, 0), LARGE, "below a mapping");
	ok(all_are(map, LARGE, 'e'), "which sees it");
	munmap(map, LARGE);
	mprotect(big, LARGE, PROT_NONE);
	is_errno(pwrite(direct, big, LARGE, 0), EFAULT, "a bad address");
	is_int(pread(fd, big + LARGE, LARGE, 0), LARGE, "read");
	ok(all_are(big + LARGE, LARGE, 'e'), "nothing has changed");
	munmap(big, 2 * LARGE);
	close(direct);
	close(fd);
}

/* --- Holes --------------------------------------------------------------- */

static void check_holes(void)
{
	int fd = make("holes", 0);
	struct stat st;

	tap_group("holes");
	is_int(ftruncate(fd, 1024 * 1024), 0, "a file of nothing");
	fstat(fd, &st);
	is_int(st.st_blocks, 0, "no blocks");
	is_errno(lseek(fd, 0, SEEK_DATA), ENXIO, "no data");
	is_int(lseek(fd, 5, SEEK_HOLE), 5, "a hole from anywhere");
	is_int(pwrite(fd, "x", 1, 65536), 1, "a byte in the middle");
	is_int(lseek(fd, 0, SEEK_DATA), 65536, "data begins there");
	is_int(lseek(fd, 65536, SEEK_HOLE), 65536 + PAGE, "and ends");
	is_int(lseek(fd, 65536 + 10, SEEK_DATA), 65536 + 10, "in it");
	is_int(lseek(fd, 65536 + PAGE, SEEK_HOLE), 65536 + PAGE, "behind it");
	is_errno(lseek(fd, 65536 + PAGE, SEEK_DATA), ENXIO, "no more data");
	is_errno(lseek(fd, 1024 * 1024, SEEK_HOLE), ENXIO, "at the end");
	is_int(fsync(fd), 0, "on disk");
	fstat(fd, &st);
	is_int(st.st_blocks, 8, "one page of blocks");
	is_int(fallocate(fd, 3, 65536, PAGE), 0, "punched out");
	fstat(fd, &st);
	is_int(st.st_blocks, 0, "no blocks again");
	is_errno(lseek(fd, 0, SEEK_DATA), ENXIO, "no data again");
	is_int(fallocate(fd, 0, 0, 4 * PAGE), 0, "allocated");
	fstat(fd, &st);
	is_int(st.st_blocks, 32, "counts");
	is_int(st.st_size, 1024 * 1024, "the size stays");
	is_int(fallocate(fd, 1, 1024 * 1024, PAGE), 0, "behind the end");
	fstat(fd, &st);
	is_int(st.st_size, 1024 * 1024, "keeps the size");
	is_int(fallocate(fd, 0, 1024 * 1024, PAGE), 0, "or not");
	fstat(fd, &st);
	is_int(st.st_size, 1024 * 1024 + PAGE, "makes it longer");
	is_errno(fallocate(fd, 2, 0, PAGE), EOPNOTSUPP,
		 "a hole that may change the size");
	close(fd);
}

/* --- Ends ---------------------------------------------------------------- */

static void check_truncate(void)
{
	int fd = make("ends", 0);
	char buf[3 * 4096];

	tap_group("truncate");
	memset(aligned, 't', 3 * PAGE);
	is_int(pwrite(fd, aligned, 3 * PAGE, 0), 3 * PAGE, "three pages");
	is_int(fsync(fd), 0, "on disk");
	is_int(ftruncate(fd, PAGE + 100), 0, "cut in a page");
	is_int(ftruncate(fd, 3 * PAGE), 0, "and made longer");
	is_int(pread(fd, buf, sizeof(buf), 0), 3 * PAGE, "read");
	ok(all_are(buf, PAGE + 100, 't'), "what was before");
	ok(all_are(buf + PAGE + 100, 2 * PAGE - 100, 0), "zero behind");
	is_int(fdatasync(fd), 0, "on disk again");
	is_int(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0, "forgotten");
	is_int(pread(fd, buf, sizeof(buf), 0), 3 * PAGE, "read from disk");
	ok(all_are(buf, PAGE + 100, 't'), "the same before");
	ok(all_are(buf + PAGE + 100, 2 * PAGE - 100, 0), "and behind");
	close(fd);
}

/* --- Syncing ------------------------------------------------------------- */

static void check_sync(void)
{
	int fd = make("sync", 0), dir = open(".", O_RDONLY | O_DIRECTORY);
	int dsync = open("sync", O_WRONLY | O_DSYNC);
	int sync = open("sync", O_WRONLY | O_SYNC);
	struct iovec iov = { aligned, PAGE };

	tap_group("syncing");
	is_int(write(fd, aligned, PAGE), PAGE, "write");
	is_int(sync_file_range(fd, 0, PAGE, SYNC_FILE_RANGE_WRITE), 0, "begin");
	is_int(sync_file_range(fd, 0, 0, 7), 0, "all of it, and wait");
	is_int(sync_file_range(fd, 100 * PAGE, PAGE, 7), 0, "behind the end");
	is_errno(sync_file_range(fd, 0, 0, 8), EINVAL, "a flag there is not");
	is_errno(sync_file_range(fd, -1, 0, 0), EINVAL, "a negative offset");
	is_errno(sync_file_range(-1, 0, 0, 0), EBADF, "no descriptor");
	is_int(fdatasync(fd), 0, "fdatasync");
	is_int(fsync(fd), 0, "fsync");
	is_int(fsync(dir), 0, "of a directory");
	is_int(syncfs(fd), 0, "syncfs");
	is_int(pwrite(dsync, aligned, PAGE, 0), PAGE, "O_DSYNC");
	is_int(pwrite(sync, aligned, PAGE, PAGE), PAGE, "O_SYNC");
	is_int(pwritev2(fd, &iov, 1, 0, RWF_DSYNC), PAGE, "RWF_DSYNC");
	is_int(pwritev2(fd, &iov, 1, 0, RWF_SYNC), PAGE, "RWF_SYNC");
	is_int(posix_fadvise(fd, 0, PAGE, POSIX_FADV_WILLNEED), 0, "advice");
	is_int(readahead(fd, 0, PAGE), 0, "read ahead");
	sync_file_range(dsync, 0, 0, 2);
	close(sync);
	close(dsync);
	close(dir);
	close(fd);
}

/* --- Mappings ------------------------------------------------------------ */

static sigjmp_buf env;
static int fault_code;

static void on_bus(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	fault_code = sig == SIGBUS ? si->si_code : -1;
	siglongjmp(env, 1);
}

/* The si_code of the SIGBUS, 0 if there is none. */
static int touch(volatile char *p, int write)
{
	struct sigaction sa = { .sa_sigaction = on_bus,
				.sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	fault_code = 0;
	if (sigsetjmp(env, 1) == 0) {
		if (write)
			*p = 'w';
		else
			(void)*p;
	}
	return fault_code;
}

static void check_shared(void)
{
	int fd = make("shared", 0);
	char buf[16], *p, *q;
	struct stat a, b;

	tap_group("shared mappings");
	memset(aligned, 's', 8 * PAGE);
	is_int(write(fd, aligned, 8 * PAGE), 8 * PAGE, "eight pages");
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ok(p != MAP_FAILED && q != MAP_FAILED, "mapped twice");
	ok(all_are(p, 8 * PAGE, 's'), "the file is there");
	p[PAGE] = 'm';
	ok(q[PAGE] == 'm', "a write is seen by the other");
	is_int(pread(fd, buf, 1, PAGE), 1, "by read");
	ok(buf[0] == 'm', "the same");
	is_int(pwrite(fd, "file", 4, 2 * PAGE), 4, "a write to the file");
	ok(!memcmp(p + 2 * PAGE, "file", 4), "is seen by the mapping");
	is_int(msync(p, 8 * PAGE, MS_SYNC), 0, "msync");
	fstat(fd, &a);
	(void)poll(NULL, 0, 20); /* the clock of file times is coarse */
	p[3 * PAGE] = 'n';
	is_int(msync(p, 8 * PAGE, MS_ASYNC), 0, "msync, later");
	is_int(msync(p, 8 * PAGE, MS_SYNC), 0, "msync, again");
	fstat(fd, &b);
	ok(b.st_mtim.tv_sec > a.st_mtim.tv_sec ||
		   b.st_mtim.tv_nsec != a.st_mtim.tv_nsec,
	   "its time is that of the write");
	is_int(fallocate(fd, 3, PAGE, PAGE), 0, "a hole is punched");
	ok(all_are(p + PAGE, PAGE, 0), "the mapping shows it");
	p[PAGE + 1] = 'h';
	is_int(pread(fd, buf, 2, PAGE), 2, "written through the mapping");
	ok(buf[0] == 0 && buf[1] == 'h', "is read");
	munmap(q, 8 * PAGE);
	munmap(p, 8 * PAGE);
	is_int(fsync(fd), 0, "fsync");
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	is_int(pread(fd, buf, 2, PAGE), 2, "from disk");
	ok(buf[0] == 0 && buf[1] == 'h', "is the same");
	is_int(pread(fd, buf, 1, 3 * PAGE), 1, "the other write");
	ok(buf[0] == 'n', "too");
	close(fd);
}

static void check_private(void)
{
	int fd = make("private", 0);
	char c = 0, *p;

	tap_group("private mappings");
	memset(aligned, 'p', 4 * PAGE);
	is_int(write(fd, aligned, 4 * PAGE), 4 * PAGE, "four pages");
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ok(p != MAP_FAILED, "mapped");
	p[0] = 'q';
	is_int(pread(fd, &c, 1, 0), 1, "the file");
	ok(c == 'p', "keeps what it has");
	is_int(pwrite(fd, "r", 1, PAGE), 1, "a write to the file");
	is_int(pwrite(fd, "r", 1, 0), 1, "and to the page that was copied");
	ok(p[0] == 'q', "leaves the copy");
	is_int(mprotect(p, 4 * PAGE, PROT_READ), 0, "mprotect");
	ok(p[2 * PAGE] == 'p', "reads");
	is_int(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE), 0, "and back");
	p[3 * PAGE] = 'z';
	ok(p[3 * PAGE] == 'z' && p[0] == 'q', "writes");
	munmap(p, 4 * PAGE);
	close(fd);
}

static void check_ends_of_mappings(void)
{
	int fd = make("mapped", 0);
	char *p;

	tap_group("ends of mappings");
	memset(aligned, 'e', 4 * PAGE);
	(void)!write(fd, aligned, 4 * PAGE);
	p = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	is_int(touch(p + 3 * PAGE, 0), 0, "the last page");
	is_int(touch(p + 4 * PAGE, 0), BUS_ADRERR, "behind the end");
	is_int(ftruncate(fd, PAGE + 10), 0, "cut");
	is_int(touch(p + PAGE, 1), 0, "what is left");
	ok(all_are(p + PAGE + 10, PAGE - 10, 0), "zero behind the end");
	is_int(touch(p + 2 * PAGE, 0), BUS_ADRERR, "what is gone");
	p[PAGE + 20] = 'x';
	is_int(ftruncate(fd, 5 * PAGE), 0, "longer");
	is_int(touch(p + 4 * PAGE, 1), 0, "the new part");
	ok(p[PAGE + 20] == 0, "what was written behind the end is gone");
	is_int(msync(p, 5 * PAGE, MS_SYNC), 0, "msync");
	munmap(p, 6 * PAGE);
	close(fd);
}

/* A buffer that is the file itself. */
static void check_own_buffer(void)
{
	int fd = make("own", 0), out[2];
	off_t at = 0;
	char *p, c;

	tap_group("the file as its own buffer");
	memset(aligned, 'a', 4 * PAGE);
	memset(aligned + 4 * PAGE, 'b', 4 * PAGE);
	(void)!write(fd, aligned, 8 * PAGE);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	is_int(pwrite(fd, p + 4 * PAGE, 2 * PAGE, 0), 2 * PAGE, "write");
	ok(all_are(p, 2 * PAGE, 'b') && p[2 * PAGE] == 'a', "moves it");
	is_int(pread(fd, p + 6 * PAGE, 2 * PAGE, 2 * PAGE), 2 * PAGE, "read");
	ok(all_are(p + 6 * PAGE, 2 * PAGE, 'a'), "moves it back");
	(void)!pipe(out);
	is_int(sendfile(out[1], fd, &at, 100), 100, "sendfile");
	is_int(read(out[0], &c, 1), 1, "arrives");
	ok(c == 'b', "as it is");
	close(out[0]);
	close(out[1]);
	munmap(p, 8 * PAGE);
	close(fd);
}

/* Larger than what is brought in at once. */
static void check_large_mapping(void)
{
	const long size = 64L << 20;
	int fd = make("large", 0), good = 1;
	pid_t pid;
	char *p;

	tap_group("a large mapping");
	is_int(ftruncate(fd, size), 0, "64 MiB of nothing");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (long at = 0; at < size; at += 5 << 20)
		p[at] = (char)(at >> 20);
	for (long at = 0; at < size; at += 1 << 20)
		good &= p[at] == (at % (5 << 20) ? 0 : (char)(at >> 20));
	ok(good, "holds what was written");
	pid = tap_fork();
	if (pid == 0) {
		p[1 << 20] = 'c';
		_exit(p[5 << 20] != 5);
	}
	is_int(tap_wait(pid), 0, "a child sees it");
	ok(p[1 << 20] == 'c', "and what it writes is seen");
	is_int(msync(p, size, MS_SYNC), 0, "msync");
	munmap(p, size);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	good = p[1 << 20] == 'c';
	for (long at = 0; at < size; at += 5 << 20)
		good &= p[at] == (char)(at >> 20);
	ok(good, "also from disk");
	munmap(p, size);
	close(fd);
}

int main(void)
{
	tap_start();
	tap_dir();
	aligned = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check_direct();
	check_large_direct();
	check_holes();
	check_truncate();
	check_sync();
	check_shared();
	check_private();
	check_ends_of_mappings();
	check_own_buffer();
	check_large_mapping();
	return tap_done();
}
