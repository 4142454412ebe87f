/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of paths, descriptors, directories and tmpfs, through the system
 * calls' own bodies. After each test nothing may be left over.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/flock.h"
#include "kernel/linux/memfd.h"
#include "kernel/linux/openat2.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/stub_plat.h"
#include "tests/unit/stub_proc.h"

#define CWD AT_FDCWD

static char buf[65536], text[8192];
static struct linux_stat st;
static u64 base_files, base_inodes, base_dentries;

static void assert_call(long got, long want, const char *what, int line)
{
	if (got != want)
		fail_msg("line %d: %s gave %ld, not %ld", line, what, got,
			 want);
}
#define OK(want, call) assert_call((call), (want), #call, __LINE__)

static int setup(void **state)
{
	(void)state;
	stub_proc_start();
	if (CALL(chdir, "/t") == 0) /* of a test that failed */
		OK(0, CALL(rename, "/t", "/broken"));
	OK(0, CALL(mkdir, "/t", 0755));
	OK(0, CALL(chdir, "/t"));
	vfs_counts(&base_files, &base_inodes, &base_dentries);
	return 0;
}

/* Remove what the test left below /t, then count. */
static int teardown(void **state)
{
	u64 files, inodes, dentries;

	(void)state;
	stub_proc_user(0);
	OK(0, CALL(chdir, "/"));
	stub_proc_stop();
	stub_proc_start();
	vfs_counts(&files, &inodes, &dentries);
	OK(0, CALL(rmdir, "/t"));
	stub_proc_stop();
	assert_int_equal(files, base_files);
	assert_int_equal(inodes, base_inodes);
	assert_int_equal(dentries, base_dentries);
	return 0;
}

static int make(const char *name, const char *data)
{
	int fd = (int)CALL(open, name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	strcpy(buf, data);
	OK((long)strlen(data), CALL(write, fd, buf, strlen(data)));
	OK(0, CALL(close, fd));
	return 0;
}

static void expect(const char *name, const char *data)
{
	int fd = (int)CALL(open, name, O_RDONLY, 0);

	assert_true(fd >= 0);
	memset(buf, 0, 100);
	OK((long)strlen(data), CALL(read, fd, buf, sizeof(buf)));
	assert_string_equal(buf, data);
	OK(0, CALL(close, fd));
}

/* --- Files --------------------------------------------------------------- */

static void test_read_write(void **state)
{
	int fd;

	(void)state;
	make("a", "hello world");
	expect("a", "hello world");
	fd = (int)CALL(open, "a", O_RDWR | O_APPEND, 0);
	strcpy(buf, "!!");
	OK(2, CALL(write, fd, buf, 2));
	OK(3, CALL(pread64, fd, buf, 3, 10));
	assert_memory_equal(buf, "d!!", 3);
	OK(5, CALL(lseek, fd, 5, SEEK_SET));
	OK(8, CALL(read, fd, buf, 100));
	OK(0, CALL(read, fd, buf, 100));
	OK(-EINVAL, CALL(lseek, fd, -1, SEEK_SET));
	OK(13, CALL(lseek, fd, 0, SEEK_END));
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_size, 13);
	assert_int_equal(st.st_blocks, 8);
	OK(0, CALL(ftruncate, fd, 5));
	expect("a", "hello");
	OK(-EFAULT, CALL(write, fd, 8, 100));
	OK(-EFAULT, CALL(read, fd, 0x7fffffff0000UL, 100));
	OK(0, CALL(close, fd));
	OK(-EBADF, CALL(close, fd));
	OK(-EBADF, CALL(read, fd, buf, 1));
	fd = (int)CALL(open, "a", O_RDONLY, 0);
	OK(-EBADF, CALL(write, fd, buf, 1));
	OK(0, CALL(close, fd));
	OK(0, CALL(unlink, "a"));
	OK(-ENOENT, CALL(unlink, "a"));
}

static void test_sparse(void **state)
{
	int fd = (int)CALL(open, "s", O_RDWR | O_CREAT, 0600);

	(void)state;
	OK(1, CALL(pwrite64, fd, "x", 1, 1 << 20));
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_size, (1 << 20) + 1);
	assert_true(st.st_blocks <= 16);
	OK(1 << 20, CALL(lseek, fd, 0, SEEK_DATA));
	OK(0, CALL(lseek, fd, 0, SEEK_HOLE));
	OK(0, CALL(fallocate, fd, 3, 1 << 20, 4096)); /* punch */
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_blocks, 0);
	OK(-EINVAL, CALL(fallocate, fd, 0, 0, 0));
	OK(0, CALL(fallocate, fd, 0, 0, 8192));
	OK(0, CALL(fsync, fd));
	OK(0, CALL(close, fd));
	OK(0, CALL(unlink, "s"));
}

static void test_open_flags(void **state)
{
	int fd;

	(void)state;
	make("f", "12345");
	OK(-EEXIST, CALL(open, "f", O_CREAT | O_EXCL | O_RDWR, 0600));
	OK(-ENOTDIR, CALL(open, "f", O_DIRECTORY, 0));
	OK(-ENOTDIR, CALL(open, "f/x", O_RDONLY, 0));
	OK(-ENOTDIR, CALL(open, "f/", O_RDONLY, 0));
	OK(-ENOENT, CALL(open, "none", O_RDONLY, 0));
	OK(-ENOENT, CALL(open, "", O_RDONLY, 0));
	OK(-EISDIR, CALL(open, "/t", O_RDWR, 0));
	OK(-EISDIR, CALL(open, "new/", O_CREAT | O_RDWR, 0600));
	OK(0, CALL(symlink, "f", "l"));
	OK(-ELOOP, CALL(open, "l", O_NOFOLLOW, 0));
	OK(-EEXIST, CALL(open, "l", O_CREAT | O_EXCL, 0600));
	fd = (int)CALL(open, "l", O_PATH | O_NOFOLLOW, 0);
	OK(-EBADF, CALL(read, fd, buf, 1));
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_mode & TYPE_MASK, TYPE_LNK);
	OK(1, CALL(readlinkat, fd, "", buf, 100));
	OK(0, CALL(close, fd));
	OK(0, CALL(symlink, "made", "dangling"));
	fd = (int)CALL(open, "dangling", O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	OK(0, CALL(close, fd));
	OK(0, CALL(stat, "made", &st));
	fd = (int)CALL(open, "f", O_RDWR | O_TRUNC, 0);
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_size, 0);
	OK(0, CALL(close, fd));
	fd = (int)CALL(open, "/t", O_TMPFILE | O_RDWR, 0600);
	assert_true(fd >= 0);
	OK(1, CALL(write, fd, "x", 1));
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_nlink, 0);
	OK(0, CALL(linkat, fd, "", CWD, "linked", AT_EMPTY_PATH));
	OK(0, CALL(close, fd));
	expect("linked", "x");
	OK(0, CALL(unlink, "linked"));
	OK(0, CALL(unlink, "f"));
	OK(0, CALL(unlink, "l"));
	OK(0, CALL(unlink, "made"));
	OK(0, CALL(unlink, "dangling"));
}

/* --- Names --------------------------------------------------------------- */

static void test_paths(void **state)
{
	int fd;

	(void)state;
	OK(0, CALL(mkdir, "d", 0755));
	OK(0, CALL(mkdir, "d/e/", 0755));
	make("d/e/f", "deep");
	expect("d//e/./../e/f", "deep");
	expect("/../../t/d/e/f", "deep");
	OK(0, CALL(symlink, "../e/f", "d/e/rel"));
	expect("d/e/rel", "deep");
	OK(0, CALL(symlink, "/t/d", "abs"));
	expect("abs/e/f", "deep");
	OK(0, CALL(symlink, "loop2", "loop1"));
	OK(0, CALL(symlink, "loop1", "loop2"));
	OK(-ELOOP, CALL(open, "loop1", O_RDONLY, 0));
	OK(-ELOOP, CALL(open, "loop1/x", O_RDONLY, 0));
	fd = (int)CALL(open, "d", O_RDONLY | O_DIRECTORY, 0);
	OK(0, CALL(newfstatat, fd, "e/f", &st, 0));
	OK(-ENOTDIR, CALL(newfstatat, fd, "e/f/", &st, 0));
	OK(-ENOENT, CALL(newfstatat, fd, "", &st, 0));
	OK(0, CALL(newfstatat, fd, "", &st, AT_EMPTY_PATH));
	OK(0, CALL(fchdir, fd));
	OK(5, CALL(getcwd, buf, 100));
	assert_string_equal(buf, "/t/d");
	OK(-ERANGE, CALL(getcwd, buf, 4));
	expect("e/f", "deep");
	OK(0, CALL(close, fd));
	OK(0, CALL(chroot, "/t/d"));
	expect("/e/f", "deep");
	expect("/../e/f", "deep");
	OK(2, CALL(getcwd, buf, 100));
	OK(0, CALL(unlink, "/e/f"));
	OK(0, CALL(unlink, "/e/rel"));
	OK(0, CALL(rmdir, "e"));
	memset(text, 'x', 300);
	text[300] = '\0';
	OK(-ENAMETOOLONG, CALL(open, text, O_RDONLY, 0));
	memset(text, 'x', 5000);
	OK(-ENAMETOOLONG, CALL(open, text, O_RDONLY, 0));
	OK(-EFAULT, CALL(open, 8, O_RDONLY, 0));
}

static int paths_cleanup(void **state)
{
	/* out of the chroot: a new process */
	stub_proc_stop();
	stub_proc_start();
	OK(0, CALL(chdir, "/t"));
	OK(0, CALL(unlink, "abs"));
	OK(0, CALL(unlink, "loop1"));
	OK(0, CALL(unlink, "loop2"));
	OK(0, CALL(rmdir, "d"));
	return teardown(state);
}

/* Links in the middle, with much text behind them. */
static void test_long_links(void **state)
{
	char *p = text;

	(void)state;
	OK(0, CALL(mkdir, "real", 0755));
	make("real/file", "found");
	OK(0, CALL(symlink, "real", "link0"));
	for (int i = 1; i < 30; i++) {
		char name[20], target[20];
		static char s_name[20], s_target[20];

		snprintf(name, sizeof(name), "link%d", i);
		snprintf(target, sizeof(target), "./link%d", i - 1);
		strcpy(s_name, name);
		strcpy(s_target, target);
		OK(0, CALL(symlink, s_target, s_name));
	}
	p = stpcpy(p, "link29");
	for (int i = 0; i < 1000; i++)
		p = stpcpy(p, "/.");
	strcpy(p, "/file");
	expect(text, "found");
	for (int i = 0; i < 30; i++) {
		static char s_name[20];

		snprintf(s_name, sizeof(s_name), "link%d", i);
		OK(0, CALL(unlink, s_name));
	}
	OK(0, CALL(unlink, "real/file"));
	OK(0, CALL(rmdir, "real"));
}

static void test_openat2(void **state)
{
	static struct open_how how;
	int fd;

	(void)state;
	OK(0, CALL(mkdir, "jail", 0755));
	make("jail/in", "i");
	OK(0, CALL(symlink, "/jail/in", "jail/abs"));
	OK(0, CALL(symlink, "../out", "jail/up"));
	make("out", "o");
	fd = (int)CALL(open, "jail", O_PATH, 0);
	how.resolve = RESOLVE_BENEATH;
	OK(fd + 1, CALL(openat2, fd, "in", &how, sizeof(how)));
	OK(-EXDEV, CALL(openat2, fd, "../out", &how, sizeof(how)));
	OK(-EXDEV, CALL(openat2, fd, "up", &how, sizeof(how)));
	OK(-EXDEV, CALL(openat2, fd, "/t/out", &how, sizeof(how)));
	how.resolve = RESOLVE_IN_ROOT;
	OK(fd + 2, CALL(openat2, fd, "/in", &how, sizeof(how)));
	OK(fd + 3, CALL(openat2, fd, "../../in", &how, sizeof(how)));
	OK(-ENOENT, CALL(openat2, fd, "abs", &how, sizeof(how)));
	how.resolve = RESOLVE_NO_SYMLINKS;
	OK(-ELOOP, CALL(openat2, fd, "up", &how, sizeof(how)));
	how.flags = 1UL << 40;
	OK(-EINVAL, CALL(openat2, fd, "in", &how, sizeof(how)));
	memset(&how, 0, sizeof(how));
	OK(-EINVAL, CALL(openat2, fd, "in", &how, 8));
	OK(0, CALL(close_range, fd, fd + 3, 0));
	OK(0, CALL(unlink, "jail/in"));
	OK(0, CALL(unlink, "jail/abs"));
	OK(0, CALL(unlink, "jail/up"));
	OK(0, CALL(unlink, "out"));
	OK(0, CALL(rmdir, "jail"));
}

static void test_remove(void **state)
{
	int fd;

	(void)state;
	OK(0, CALL(mkdir, "d", 0755));
	make("d/f", "x");
	OK(-ENOTEMPTY, CALL(rmdir, "d"));
	OK(-EISDIR, CALL(unlink, "d"));
	OK(-ENOTDIR, CALL(rmdir, "d/f"));
	OK(-EINVAL, CALL(rmdir, "d/."));
	OK(-ENOTEMPTY, CALL(rmdir, "d/.."));
	OK(-EBUSY, CALL(rmdir, "/"));
	OK(-EEXIST, CALL(mkdir, "d", 0755));
	OK(-EEXIST, CALL(mkdir, "/", 0755));
	OK(-ENOENT, CALL(mkdir, "no/d", 0755));
	fd = (int)CALL(open, "d/f", O_RDONLY, 0);
	OK(0, CALL(unlink, "d/f"));
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_nlink, 0);
	OK(1, CALL(read, fd, buf, 10));
	OK(0, CALL(chdir, "d"));
	OK(0, CALL(rmdir, "../d"));
	OK(-ENOENT, CALL(getcwd, buf, 100));
	OK(-ENOENT, CALL(open, "x", O_CREAT | O_RDWR, 0600));
	OK(0, CALL(chdir, ".."));
	OK(3, CALL(getcwd, buf, 100));
	OK(0, CALL(close, fd));
}

static void test_links(void **state)
{
	(void)state;
	make("a", "data");
	OK(0, CALL(link, "a", "b"));
	OK(-EEXIST, CALL(link, "a", "b"));
	OK(-EPERM, CALL(link, "/t", "d"));
	OK(0, CALL(stat, "b", &st));
	assert_int_equal(st.st_nlink, 2);
	OK(0, CALL(unlink, "a"));
	expect("b", "data");
	OK(0, CALL(symlink, "b", "s"));
	OK(-EINVAL, CALL(readlink, "b", buf, 10));
	OK(1, CALL(readlink, "s", buf, 10));
	OK(0, CALL(lstat, "s", &st));
	assert_int_equal(st.st_size, 1);
	OK(0, CALL(linkat, CWD, "s", CWD, "s2", 0));
	OK(0, CALL(lstat, "s2", &st));
	assert_int_equal(st.st_mode & TYPE_MASK, TYPE_LNK);
	OK(0, CALL(unlink, "s"));
	OK(0, CALL(unlink, "s2"));
	OK(0, CALL(unlink, "b"));
}

static void test_rename(void **state)
{
	memset(text, 'n', 200);
	text[200] = '\0';
	(void)state;
	make("a", "A");
	make("b", "B");
	OK(0, CALL(rename, "a", "b"));
	expect("b", "A");
	OK(-ENOENT, CALL(rename, "a", "c"));
	OK(0, CALL(rename, "b", text));
	expect(text, "A");
	OK(0, CALL(rename, text, "b"));
	OK(0, CALL(mkdir, "d1", 0755));
	OK(0, CALL(mkdir, "d2", 0755));
	OK(0, CALL(rename, "b", "d1/b"));
	OK(-EINVAL, CALL(rename, "d1", "d1/x"));
	OK(-ENOTEMPTY, CALL(rename, "d2", "d1"));
	OK(-EISDIR, CALL(rename, "d1/b", "d2"));
	OK(-ENOTDIR, CALL(rename, "d2", "d1/b"));
	OK(0, CALL(rename, "d1", "d2"));
	expect("d2/b", "A");
	OK(-EEXIST, CALL(renameat2, CWD, "d2", CWD, "d2", 1));
	make("x", "X");
	OK(-EEXIST, CALL(renameat2, CWD, "x", CWD, "d2/b", 1));
	OK(0, CALL(renameat2, CWD, "x", CWD, "d2/b", 2));
	expect("x", "A");
	expect("d2/b", "X");
	OK(0, CALL(renameat2, CWD, "x", CWD, "d2", 2));
	expect("d2", "A");
	expect("x/b", "X");
	OK(-EINVAL, CALL(renameat2, CWD, "x", CWD, "y", 3));
	OK(0, CALL(stat, "/t", &st));
	assert_int_equal(st.st_nlink, 3);
	OK(0, CALL(unlink, "x/b"));
	OK(0, CALL(rmdir, "x"));
	OK(0, CALL(unlink, "d2"));
}

/* --- Listing ------------------------------------------------------------- */

static u32 count_entries(int fd, u32 size, bool *seen, u32 max)
{
	u32 n = 0;
	long len;

	while ((len = CALL(getdents64, fd, buf, size)) > 0) {
		for (long at = 0; at < len;) {
			struct linux_dirent64 *e = (void *)(buf + at);
			unsigned int i;

			if (sscanf(e->name, "f%u", &i) == 1) {
				assert_true(i < max && !seen[i]);
				assert_int_equal(e->type, 8);
				seen[i] = true;
				n++;
			}
			at += e->reclen;
		}
	}
	assert_int_equal(len, 0);
	return n;
}

static void test_readdir(void **state)
{
	static bool seen[500];
	static char name[20];
	int fd;

	(void)state;
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make(name, "");
	}
	fd = (int)CALL(open, "/t", O_RDONLY, 0);
	OK(-EINVAL, CALL(getdents64, fd, buf, 8));
	OK(-EISDIR, CALL(read, fd, buf, 8));
	assert_int_equal(count_entries(fd, 100, seen, 500), 500);
	memset(seen, 0, sizeof(seen));
	OK(0, CALL(lseek, fd, 0, SEEK_SET));
	assert_int_equal(count_entries(fd, 65536, seen, 500), 500);
	OK(0, CALL(lseek, fd, 0, SEEK_SET));
	/* removal while listing loses nobody else */
	assert_true(CALL(getdents64, fd, buf, 1000) > 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		OK(0, CALL(unlink, name));
	}
	OK(0, CALL(getdents64, fd, buf, 1000));
	OK(0, CALL(close, fd));
}

/* --- Permission ---------------------------------------------------------- */

static void test_permissions(void **state)
{
	int fd;

	(void)state;
	make("secret", "s");
	OK(0, CALL(chmod, "secret", 0600));
	OK(0, CALL(mkdir, "tmp", 0777));
	OK(0, CALL(chmod, "tmp", 01777));
	make("tmp/root", "r");
	stub_proc_user(1000);
	OK(-EACCES, CALL(open, "secret", O_RDONLY, 0));
	OK(-EACCES, CALL(access, "secret", 4));
	OK(-EACCES, CALL(open, "mine", O_CREAT | O_RDWR, 0600));
	OK(-EPERM, CALL(chmod, "secret", 0644));
	OK(-EPERM, CALL(chown, "secret", 1000, -1));
	OK(-EPERM, CALL(unlink, "tmp/root"));
	make("tmp/user", "u");
	OK(0, CALL(stat, "tmp/user", &st));
	assert_int_equal(st.st_uid, 1000);
	OK(-EPERM, CALL(chown, "tmp/user", 0, -1));
	OK(0, CALL(chown, "tmp/user", -1, 1000));
	OK(0, CALL(chmod, "tmp/user", 04755));
	fd = (int)CALL(open, "tmp/user", O_WRONLY, 0);
	OK(1, CALL(write, fd, "x", 1));
	OK(0, CALL(fstat, fd, &st));
	assert_int_equal(st.st_mode & 07777, 0755); /* set-id is gone */
	OK(0, CALL(close, fd));
	OK(-EPERM, CALL(mknod, "tmp/dev", TYPE_CHR | 0600, 0x103));
	OK(0, CALL(mknod, "tmp/fifo", TYPE_FIFO | 0600, 0));
	OK(0, CALL(unlink, "tmp/fifo"));
	stub_proc_user(0);
	OK(0, CALL(unlink, "tmp/user"));
	OK(0, CALL(unlink, "tmp/root"));
	OK(0, CALL(rmdir, "tmp"));
	OK(-EACCES, CALL(access, "secret", 1));
	OK(0, CALL(unlink, "secret"));
}

static void test_times(void **state)
{
	static struct ltimespec t[2] = { { 100, 5 }, { 200, 6 } };

	(void)state;
	make("f", "x");
	OK(0, CALL(utimensat, CWD, "f", t, 0));
	OK(0, CALL(stat, "f", &st));
	assert_int_equal(st.st_atime_sec, 100);
	assert_int_equal(st.st_mtime_nsec, 6);
	expect("f", "x"); /* relatime: older than mtime, so it moves */
	OK(0, CALL(stat, "f", &st));
	assert_true(st.st_atime_sec > 1000);
	t[0].nsec = 0x3ffffffe;
	t[1].nsec = 2000000000;
	OK(-EINVAL, CALL(utimensat, CWD, "f", t, 0));
	OK(0, CALL(utimensat, CWD, "f", 0, 0));
	OK(0, CALL(unlink, "f"));
}

/* --- Descriptors --------------------------------------------------------- */

static void test_descriptors(void **state)
{
	int fd = (int)CALL(open, "/t", O_RDONLY | O_CLOEXEC, 0), last = 0;

	(void)state;
	assert_int_equal(fd, 0);
	OK(FD_CLOEXEC, CALL(fcntl, fd, F_GETFD, 0));
	OK(1, CALL(dup, fd));
	OK(0, CALL(fcntl, 1, F_GETFD, 0));
	OK(700, CALL(dup2, fd, 700));
	OK(-EBADF, CALL(dup2, fd, 1024));
	OK(-EBADF, CALL(dup2, 5, 6));
	OK(-EINVAL, CALL(dup3, fd, fd, 0));
	OK(fd, CALL(dup2, fd, fd));
	OK(900, CALL(fcntl, fd, F_DUPFD_CLOEXEC, 900));
	OK(-EINVAL, CALL(fcntl, fd, F_DUPFD, 1024));
	for (long n; (n = CALL(dup, fd)) >= 0;)
		last = (int)n;
	assert_int_equal(last, 1023);
	OK(-EMFILE, CALL(open, "/t", O_RDONLY, 0));
	OK(0, CALL(close, 500));
	OK(500, CALL(dup, fd));
	fdtable_close_on_exec(stub_proc.process.files);
	OK(-EBADF, CALL(fcntl, 900, F_GETFD, 0));
	OK(-EBADF, CALL(fcntl, 0, F_GETFD, 0));
	OK(0, CALL(dup, 1));
	OK(0, CALL(close_range, 2, ~0U, 0));
	OK(-EBADF, CALL(fcntl, 1023, F_GETFD, 0));
	OK(0, CALL(close_range, 0, 1, 4));
	OK(FD_CLOEXEC, CALL(fcntl, 1, F_GETFD, 0));
	OK(0, CALL(close, 0));
	OK(0, CALL(close, 1));
}

static void test_shared_table(void **state)
{
	struct fdtable *t = stub_proc.process.files, *copy;
	int fd = (int)CALL(open, "f", O_CREAT | O_RDWR, 0644);
	struct fdref r;
	struct file *f;

	(void)state;
	r = fd_get(fd);
	assert_false(r.has_ref);
	stub_proc.process.nthreads = 2;
	r = fd_get(fd);
	assert_true(r.has_ref);
	OK(0, CALL(close, fd));
	assert_ptr_equal(r.file->inode->ops ? r.file : NULL, r.file);
	fd_put(r);
	OK(fd, CALL(open, "f", O_RDWR, 0));
	copy = fdtable_copy(t);
	assert_int_equal(fdtable_next(copy, 0, &f), fd);
	file_put(f);
	assert_int_equal(fdtable_next(copy, fd + 1, &f), -1);
	OK(0, CALL(close, fd));
	fdtable_put(copy);
	stub_proc.process.nthreads = 1;
	OK(0, CALL(unlink, "f"));
}

/* --- Locks --------------------------------------------------------------- */

static struct linux_flock lock_of(int type, s64 start, s64 len)
{
	struct linux_flock l = { .l_type = (s16)type,
				 .l_start = start,
				 .l_len = len };

	return l;
}

static void test_record_locks(void **state)
{
	static struct linux_flock l;
	struct fdtable *mine = stub_proc.process.files, *other;
	int fd = (int)CALL(open, "f", O_CREAT | O_RDWR, 0644);

	(void)state;
	l = lock_of(F_WRLCK, 10, 10);
	OK(0, CALL(fcntl, fd, F_SETLK, &l));
	other = fdtable_copy(mine);
	stub_proc.process.files = other;
	stub_proc.process.pid = 2;
	OK(-EAGAIN, CALL(fcntl, fd, F_SETLK, &l));
	OK(-ERESTARTSYS, CALL(fcntl, fd, F_SETLKW, &l));
	l = lock_of(F_RDLCK, 0, 0);
	OK(0, CALL(fcntl, fd, F_GETLK, &l));
	assert_int_equal(l.l_type, F_WRLCK);
	assert_int_equal(l.l_start, 10);
	assert_int_equal(l.l_len, 10);
	assert_int_equal(l.l_pid, 1);
	stub_proc.process.files = mine;
	l = lock_of(F_UNLCK, 12, 2); /* cut in two */
	OK(0, CALL(fcntl, fd, F_SETLK, &l));
	stub_proc.process.files = other;
	l = lock_of(F_WRLCK, 12, 2);
	OK(0, CALL(fcntl, fd, F_SETLK, &l));
	l = lock_of(F_WRLCK, 14, 1);
	OK(-EAGAIN, CALL(fcntl, fd, F_SETLK, &l));
	fdtable_put(other); /* closes: its locks go */
	stub_proc.process.files = mine;
	stub_proc.process.pid = 1;
	l = lock_of(F_WRLCK, 0, 0);
	OK(0, CALL(fcntl, fd, F_SETLK, &l));
	l = lock_of(F_WRLCK, -5, 0);
	OK(-EINVAL, CALL(fcntl, fd, F_SETLK, &l));
	l = lock_of(F_WRLCK, 0, 5);
	OK(-EAGAIN, CALL(fcntl, fd, F_OFD_SETLK, &l));
	OK(0, CALL(close, fd));
	OK(0, CALL(unlink, "f"));
}

static void test_flock(void **state)
{
	int a = (int)CALL(open, "f", O_CREAT | O_RDWR, 0644);
	int b = (int)CALL(open, "f", O_RDWR, 0);

	(void)state;
	OK(0, CALL(flock, a, 2)); /* LOCK_EX */
	OK(-EAGAIN, CALL(flock, b, 2 | 4));
	OK(-EAGAIN, CALL(flock, b, 1 | 4));
	OK(0, CALL(flock, a, 1)); /* LOCK_SH */
	OK(0, CALL(flock, b, 1 | 4));
	OK(-EAGAIN, CALL(flock, b, 2 | 4));
	OK(0, CALL(close, a));
	OK(0, CALL(flock, b, 2 | 4));
	OK(-EINVAL, CALL(flock, b, 7));
	OK(0, CALL(close, b));
	OK(0, CALL(unlink, "f"));
}

/* --- The rest ------------------------------------------------------------ */

static void test_memfd(void **state)
{
	int fd = (int)CALL(memfd_create, "m", MFD_ALLOW_SEALING);

	(void)state;
	OK(4, CALL(write, fd, "abcd", 4));
	OK(0, CALL(fcntl, fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
	OK(-EPERM, CALL(ftruncate, fd, 2));
	OK(-EPERM, CALL(ftruncate, fd, 8));
	OK(-EPERM, CALL(write, fd, "x", 1));
	OK(1, CALL(pwrite64, fd, "x", 1, 0));
	OK(0, CALL(fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
	OK(-EPERM, CALL(pwrite64, fd, "x", 1, 0));
	OK(-EPERM, CALL(fcntl, fd, F_ADD_SEALS, F_SEAL_GROW));
	OK(15, CALL(fcntl, fd, F_GET_SEALS, 0));
	OK(0, CALL(close, fd));
}

static void test_xattr(void **state)
{
	(void)state;
	make("f", "");
	OK(0, CALL(setxattr, "f", "user.one", "1", 1, 0));
	OK(-EEXIST, CALL(setxattr, "f", "user.one", "2", 1, 1));
	OK(-ENODATA, CALL(setxattr, "f", "user.two", "2", 1, 2));
	OK(0, CALL(setxattr, "f", "trusted.t", "22", 2, 0));
	OK(-EOPNOTSUPP, CALL(setxattr, "f", "odd.t", "22", 2, 0));
	OK(1, CALL(getxattr, "f", "user.one", 0, 0));
	OK(1, CALL(getxattr, "f", "user.one", buf, 10));
	OK(-ENODATA, CALL(getxattr, "f", "user.none", buf, 10));
	OK(2, CALL(getxattr, "f", "trusted.t", buf, 10));
	OK(-ERANGE, CALL(getxattr, "f", "trusted.t", buf, 1));
	OK(19, CALL(listxattr, "f", buf, 100));
	OK(0, CALL(removexattr, "f", "user.one"));
	OK(10, CALL(listxattr, "f", buf, 100));
	OK(0, CALL(unlink, "f"));
}

static void test_limits(void **state)
{
	int fd = (int)CALL(open, "f", O_CREAT | O_RDWR, 0644);

	(void)state;
	stub_proc.process.rlimits[1].cur = 10;
	OK(10, CALL(write, fd, buf, 20));
	OK(-EFBIG, CALL(write, fd, buf, 20));
	assert_int_equal(stub_proc.signal, LINUX_SIGXFSZ);
	OK(-EFBIG, CALL(ftruncate, fd, 11));
	assert_int_equal(stub_proc.nsignals, 2);
	OK(0, CALL(close, fd));
	OK(0, CALL(unlink, "f"));
}

static void test_mounts(void **state)
{
	struct path at;
	int fd;

	(void)state;
	OK(0, CALL(mkdir, "m", 0755));
	assert_int_equal(path_lookup(CWD, "m", 0, &at), 0);
	assert_int_equal(mount_add(fs_type_find("tmpfs"), "x",
				   "size=8k,mode=700", 2, &at),
			 0);
	path_put(&at);
	OK(0, CALL(stat, "m", &st));
	assert_int_equal(st.st_mode & 07777, 0700);
	fd = (int)CALL(open, "m/f", O_CREAT | O_RDWR, 0600);
	OK(8192, CALL(write, fd, buf, 8192));
	OK(-ENOSPC, CALL(write, fd, buf, 1));
	OK(8192, CALL(pwrite64, fd, buf, 8192, 0));
	OK(-EXDEV, CALL(rename, "m/f", "f"));
	OK(-EXDEV, CALL(link, "m/f", "f"));
	OK(-EBUSY, CALL(rmdir, "m"));
	assert_int_equal(path_lookup(CWD, "m", 0, &at), 0);
	assert_int_equal(mount_remove(&at, 0), -EBUSY);
	OK(0, CALL(stat, "m/..", &st));
	OK(0, CALL(close, fd));
	OK(0, CALL(unlink, "m/f"));
	assert_int_equal(mount_change(&at, 1), 0);
	OK(-EROFS, CALL(open, "m/f", O_CREAT | O_RDWR, 0600));
	OK(0, mount_remove(&at, 0));
	path_put(&at);
	OK(0, CALL(rmdir, "m"));
}

static void test_copy(void **state)
{
	int a, b;

	(void)state;
	make("a", "0123456789");
	a = (int)CALL(open, "a", O_RDONLY, 0);
	b = (int)CALL(open, "b", O_CREAT | O_RDWR, 0600);
	OK(10, CALL(sendfile, b, a, 0, 100));
	OK(0, CALL(sendfile, b, a, 0, 100));
	*(u64 *)buf = 5;
	OK(5, CALL(copy_file_range, a, buf, b, 0, 100, 0));
	expect("b", "012345678956789");
	OK(0, CALL(close, a));
	OK(0, CALL(close, b));
	OK(0, CALL(unlink, "a"));
	OK(0, CALL(unlink, "b"));
}

/* --- Many threads -------------------------------------------------------- */

#define ROUNDS 20000

/* Names come and go, directories move and swap, while others walk. */
static void *changer(void *arg)
{
	long id = (long)arg;
	static const char names[2][4][24] = {
		{ "/t/a/one", "/t/b/one", "/t/a/dir", "/t/b/dir" },
		{ "/t/a/two", "/t/b/two", "/t/a/dir", "/t/b/dir" },
	};
	const char(*n)[24] = names[id];
	struct file *f;

	for (int i = 0; i < ROUNDS; i++) {
		if (!path_open(CWD, n[0], O_CREAT | O_RDWR, 0644, 0, &f))
			file_put(f);
		(void)path_rename(CWD, n[0], CWD, n[1], 0);
		(void)path_rename(CWD, n[2], CWD, n[3], 0);
		(void)path_mkdir(CWD, "/t/a/dir/sub", 0755);
		(void)path_rmdir(CWD, "/t/a/dir/sub");
		(void)path_rename(CWD, n[3], CWD, n[2], 0);
		(void)path_rename(CWD, "/t/a", CWD, "/t/b", 2);
		(void)path_unlink(CWD, n[1]);
	}
	return NULL;
}

static void *walker(void *arg)
{
	struct inode_id id;
	struct attr a;
	struct file *f;

	(void)arg;
	for (int i = 0; i < 4 * ROUNDS; i++) {
		(void)path_stat(CWD, "/t/a/dir/../one", LOOKUP_FOLLOW, &a, &id);
		(void)path_stat(CWD, "/t/b/dir/sub/..", LOOKUP_FOLLOW, &a, &id);
		assert_int_equal(path_stat(CWD, "/t/fix/file", 0, &a, &id), 0);
		if (!path_open(CWD, "/t/l/dir/..", O_RDONLY, 0, 0, &f))
			file_put(f);
		if (!path_open(CWD, "/t/b/two", O_RDWR, 0, 0, &f))
			file_put(f);
	}
	return NULL;
}

static void test_races(void **state)
{
	pthread_t threads[4];

	(void)state;
	OK(0, CALL(mkdir, "a", 0755));
	OK(0, CALL(mkdir, "b", 0755));
	OK(0, CALL(mkdir, "fix", 0755));
	OK(0, CALL(mkdir, "a/dir", 0755));
	OK(0, CALL(symlink, "a", "l"));
	make("fix/file", "x");
	stub_proc.process.nthreads = 4;
	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i < 2 ? changer : walker,
			       (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	stub_proc.process.nthreads = 1;
	(void)CALL(unlink, "a/one");
	(void)CALL(unlink, "a/two");
	(void)CALL(unlink, "b/one");
	(void)CALL(unlink, "b/two");
	(void)CALL(rmdir, "a/dir/sub");
	(void)CALL(rmdir, "b/dir/sub");
	(void)CALL(rmdir, "a/dir");
	(void)CALL(rmdir, "b/dir");
	OK(0, CALL(rmdir, "a"));
	OK(0, CALL(rmdir, "b"));
	OK(0, CALL(unlink, "l"));
	OK(0, CALL(unlink, "fix/file"));
	OK(0, CALL(rmdir, "fix"));
}

/* Numbers are handed out once: who has one finds its own file there until it
 * closes it. Past 64 at a time, so segments are made meanwhile. */
static void *opener(void *arg)
{
	enum { HELD = 40 };
	struct file *mine = arg;
	int fds[HELD];

	for (int i = 0; i < ROUNDS; i++) {
		int n = 1 + i % HELD;

		for (int k = 0; k < n; k++) {
			struct fdref r;

			file_get(mine);
			fds[k] = fd_install(mine, 0, k % 2);
			assert_in_range(fds[k], 0, 4 * HELD);
			r = fd_get(fds[k]);
			assert_ptr_equal(r.file, mine);
			fd_put(r);
			assert_int_equal(fd_get_flags(fds[k]), k % 2);
		}
		file_get(mine);
		assert_int_equal(fd_replace(fds[0], mine, true), fds[0]);
		for (int k = 0; k < n; k++)
			assert_int_equal(fd_close(fds[k]), 0);
	}
	return NULL;
}

static void test_open_races(void **state)
{
	pthread_t threads[4];
	struct file *f[4];

	(void)state;
	stub_proc.process.nthreads = 4;
	for (int i = 0; i < 4; i++) {
		OK(0, path_open(CWD, "f", O_CREAT | O_RDWR, 0644, 0, &f[i]));
		pthread_create(&threads[i], NULL, opener, f[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		file_put(f[i]);
	}
	stub_proc.process.nthreads = 1;
	for (int i = 0; i < 70; i++)
		OK(i, CALL(open, "f", O_RDWR, 0));
	OK(0, CALL(close, 68));
	OK(0, CALL(close, 3));
	OK(3, CALL(open, "f", O_RDWR, 0));
	OK(68, CALL(open, "f", O_RDWR, 0));
	OK(70, CALL(open, "f", O_RDWR, 0));
	OK(0, CALL(close_range, 0, ~0U, 0));
	OK(0, CALL(open, "f", O_RDWR, 0));
	OK(0, CALL(close, 0));
	OK(0, CALL(unlink, "f"));
}

/* dup3() puts a file with the flag and one without it in turns into a place:
 * a copy of the table never has the first without it. */
static void *replacer(void *arg)
{
	struct file **f = arg;

	for (int i = 0; i < 4 * ROUNDS; i++) {
		int odd = i % 2;

		file_get(f[odd]);
		assert_int_equal(fd_replace(1, f[odd], odd), 1);
		if (i % 3 == 0)
			assert_int_equal(fd_close(1), 0);
	}
	return NULL;
}

static void check_copy(const struct file *secret)
{
	struct fdtable *copy = fdtable_copy(stub_proc.process.files);

	if (copy->first_files[1] == secret)
		assert_int_equal(copy->first_cloexec, 2);
	fdtable_put(copy);
}

static void test_copy_races(void **state)
{
	pthread_t thread;
	struct file *f[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		OK(0, path_open(CWD, "f", O_CREAT | O_RDWR, 0644, 0, &f[i]));
	stub_proc.process.nthreads = 2;
	pthread_create(&thread, NULL, replacer, f);
	for (int i = 0; i < ROUNDS; i++)
		check_copy(f[1]);
	pthread_join(thread, NULL);
	stub_proc.process.nthreads = 1;
	(void)CALL(close, 1);
	file_put(f[0]);
	file_put(f[1]);
	OK(0, CALL(unlink, "f"));
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(read_write),
		T(sparse),
		T(open_flags),
		cmocka_unit_test_setup_teardown(test_paths, setup,
						paths_cleanup),
		T(long_links),
		T(openat2),
		T(remove),
		T(links),
		T(rename),
		T(readdir),
		T(permissions),
		T(times),
		T(descriptors),
		T(shared_table),
		T(record_locks),
		T(flock),
		T(memfd),
		T(xattr),
		T(limits),
		T(mounts),
		T(copy),
		T(races),
		T(open_races),
		T(copy_races),
	};

	stub_plat_start();
	heap_init();
	if (vfs_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
