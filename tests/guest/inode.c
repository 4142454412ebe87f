// SPDX-License-Identifier: Apache-2.0
/* Metadata and rights: stat, statx, statfs, chmod, chown, umask, access as
 * root and as a user, sticky directories, set-id bits, times, sizes,
 * fallocate, FIFO and device nodes. */
#include "tap.h"

#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <time.h>

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE 1
#define FALLOC_FL_PUNCH_HOLE 2
#endif
#define UID 12345

static void touch(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	fchmod(fd, mode);
	close(fd);
}

static struct stat st_of(const char *path)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	lstat(path, &st);
	return st;
}

static int mode_of(const char *path)
{
	return (int)(st_of(path).st_mode & 07777);
}

static void check_stat(void)
{
	struct stat st, st2;
	int fd, fds[2];

	tap_group("stat");
	fd = open("f", O_RDWR | O_CREAT, 0640);
	(void)!write(fd, "0123456789", 10);
	is_int(stat("f", &st), 0, "stat");
	ok(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640, "type, mode");
	ok(st.st_size == 10 && st.st_nlink == 1 && st.st_uid == getuid() &&
		   st.st_gid == getgid(),
	   "size, links, owner");
	ok(st.st_blksize >= 512 && st.st_ino > 0 && st.st_blocks < 1000,
	   "block size, inode, blocks");
	fstat(fd, &st2);
	ok(st2.st_ino == st.st_ino && st2.st_dev == st.st_dev, "fstat agrees");
	(void)!symlink("f", "ln");
	lstat("ln", &st2);
	ok(S_ISLNK(st2.st_mode) && st2.st_size == 1 &&
		   (st2.st_mode & 07777) == 0777,
	   "lstat of a link");
	stat("ln", &st2);
	is_int(st2.st_ino, st.st_ino, "stat follows it");
	stat(".", &st2);
	ok(S_ISDIR(st2.st_mode) && st2.st_dev == st.st_dev, "directory");
	(void)!pipe(fds);
	fstat(fds[0], &st2);
	ok(S_ISFIFO(st2.st_mode), "pipe");
	stat("/dev/null", &st2);
	ok(S_ISCHR(st2.st_mode) && st2.st_rdev == makedev(1, 3), "/dev/null");
	is_int(fstatat(AT_FDCWD, "ln", &st2, AT_SYMLINK_NOFOLLOW), 0,
	       "fstatat");
	is_int(syscall(SYS_newfstatat, fd, "", &st2, AT_EMPTY_PATH), 0,
	       "AT_EMPTY_PATH");
	is_int(st2.st_ino, st.st_ino, "is the file itself");
	is_errno(syscall(SYS_newfstatat, fd, "", &st2, 0), ENOENT, "empty");
	is_errno(syscall(SYS_newfstatat, AT_FDCWD, "f", &st2, 0x40000), EINVAL,
		 "bad flag");
	is_errno(syscall(SYS_fstat, 9999, &st2), EBADF, "closed");
	is_errno(stat("none", &st2), ENOENT, "nothing");
	is_errno(stat("f/x", &st2), ENOTDIR, "below a file");
	is_efault(syscall(SYS_stat, "f", bp), "to bad addresses");
	is_efault(syscall(SYS_stat, bp, &st2), "path at bad addresses");
	is_efault(syscall(SYS_fstat, fd, bp), "fstat to bad addresses");
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

struct sx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attr_mask;
	uint64_t rest[24];
};

static void check_statx(void)
{
	struct sx sx;
	struct statfs sf;
	struct stat st = st_of("f");
	int fd = open("f", O_RDONLY);

	tap_group("statx and statfs");
	memset(&sx, 0, sizeof(sx));
	is_int(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x7ff, &sx), 0, "statx");
	is_int(sx.mask & 0x7ff, 0x7ff, "has all the basic fields");
	ok(sx.mode == st.st_mode && sx.size == 10 && sx.ino == st.st_ino &&
		   sx.nlink == 1 && sx.uid == getuid(),
	   "they are right");
	is_int(syscall(SYS_statx, fd, "", 0x1000, 0x7ff, &sx), 0,
	       "AT_EMPTY_PATH");
	is_errno(syscall(SYS_statx, AT_FDCWD, "f", 0x6000, 0x7ff, &sx), EINVAL,
		 "both syncs");
	is_errno(syscall(SYS_statx, AT_FDCWD, "f", 0x40000, 0x7ff, &sx), EINVAL,
		 "bad flag");
	is_errno(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x80000000, &sx), EINVAL,
		 "bad mask");
	is_efault(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x7ff, bp),
		  "bad addresses");
	is_int(statfs(".", &sf), 0, "statfs");
	ok(sf.f_bsize >= 512 && sf.f_blocks >= sf.f_bfree &&
		   sf.f_bfree >= sf.f_bavail && sf.f_namelen == 255,
	   "sane values");
	is_int(fstatfs(fd, &sf), 0, "fstatfs");
	is_errno(fstatfs(9999, &sf), EBADF, "closed");
	is_errno(statfs("none", &sf), ENOENT, "nothing");
	is_efault(syscall(SYS_statfs, ".", bp), "statfs to bad addresses");
	is_int(statfs("/proc", &sf) == 0 && sf.f_type == 0x9fa0, 1,
	       "/proc is procfs");
	close(fd);
}

static int umask_child(void)
{
	must(umask(027) == 022 && umask(01777) == 027);
	must(umask(0) == 0777);
	umask(077);
	close(open("u1", O_CREAT | O_WRONLY, 0777));
	mkdir("u2", 0777);
	must(mode_of("u1") == 0700 && mode_of("u2") == 0700);
	return 0;
}

static int chmod_user(void)
{
	must(chmod("rootfile", 0777) == -1 && errno == EPERM);
	must(chown("rootfile", UID, UID) == -1 && errno == EPERM);
	must(chown("mine", 0, -1) == -1 && errno == EPERM);
	must(chown("mine", -1, 0) == -1 && errno == EPERM);
	must(chown("mine", UID, UID) == 0);
	must(chmod("mine", 04755) == 0 && mode_of("mine") == 04755);
	must(chown("mine", -1, UID) == 0 && mode_of("mine") == 0755);
	must(chmod("mine", 0644) == 0);
	return 0;
}

static void check_chmod(void)
{
	int fd;

	tap_group("chmod, chown, umask");
	umask(022);
	is_int(tap_child(umask_child), 0, "umask");
	touch("m", 0600);
	is_int(chmod("m", 07751), 0, "chmod");
	is_int(mode_of("m"), 07751, "with all bits");
	fd = open("m", O_RDONLY);
	is_int(fchmod(fd, 0444), 0, "fchmod");
	is_int(fchmodat(AT_FDCWD, "m", 0640, 0), 0, "fchmodat");
	is_int(mode_of("m"), 0640, "worked");
	is_int(chown("m", UID, 54321), 0, "chown");
	ok(st_of("m").st_uid == UID && st_of("m").st_gid == 54321, "worked");
	is_int(fchown(fd, -1, 7), 0, "fchown of the group");
	ok(st_of("m").st_uid == UID && st_of("m").st_gid == 7, "only that");
	is_int(lchown("ln", 5, 6), 0, "lchown");
	ok(st_of("ln").st_uid == 5 && st_of("f").st_uid == 0, "of the link");
	chmod("m", 06755);
	chown("m", UID, UID);
	is_int(mode_of("m"), 0755, "chown takes the set-id bits");
	is_errno(chmod("none", 0), ENOENT, "chmod of nothing");
	is_errno(fchmod(9999, 0), EBADF, "fchmod of a closed one");
	is_errno(fchownat(AT_FDCWD, "m", 0, 0, 0x7), EINVAL, "bad flag");
	is_efault(syscall(SYS_chmod, bp, 0), "chmod at bad addresses");
	is_efault(syscall(SYS_chown, bp, 0, 0), "chown at bad addresses");
	touch("rootfile", 0600);
	touch("mine", 0644);
	chown("mine", UID, UID);
	is_int(tap_user_child(chmod_user), 0, "as a user");
	close(fd);
}

static int rights_user(void)
{
	int fd;

	must(open("rootfile", O_RDONLY) == -1 && errno == EACCES);
	must(open("ro", O_WRONLY) == -1 && errno == EACCES);
	must((fd = open("ro", O_RDONLY)) >= 0);
	close(fd);
	must(access("ro", R_OK) == 0);
	must(access("ro", R_OK | W_OK) == -1 && errno == EACCES);
	must(access("ro", X_OK) == -1 && errno == EACCES);
	must(open("new", O_CREAT | O_WRONLY, 0600) == -1 && errno == EACCES);
	must(mkdir("new", 0700) == -1 && errno == EACCES);
	must(symlink("x", "new") == -1 && errno == EACCES);
	must(unlink("ro") == -1 && errno == EACCES);
	must(rename("ro", "ro2") == -1 && errno == EACCES);
	must(open("shut/f", O_RDONLY) == -1 && errno == EACCES);
	must(chdir("shut") == -1 && errno == EACCES);
	must(open("list", O_RDONLY) >= 0);
	must(open("list/f", O_RDONLY) == -1 && errno == EACCES);
	must(open("pass", O_RDONLY) == -1 && errno == EACCES);
	must(open("pass/f", O_RDONLY) >= 0);
	must(truncate("ro", 0) == -1 && errno == EACCES);
	must(open("notmine", O_RDONLY) == -1 && errno == EACCES);
	must(open("group", O_RDONLY) == -1 && errno == EACCES);
	must(mkdir("all/mine", 0700) == 0);
	must(rmdir("all/mine") == 0);
	must(unlink("all/f") == 0);
	must(unlink("sticky/f") == -1 && errno == EPERM);
	must(rename("sticky/f", "sticky/g") == -1 && errno == EPERM);
	must((fd = open("sticky/own", O_CREAT | O_WRONLY, 0600)) >= 0);
	must(unlink("sticky/own") == 0);
	must(mkdir("sgid/d", 0755) == 0);
	must(st_of("sgid/d").st_gid == 777 && (mode_of("sgid/d") & 02000));
	must(mknod("all/null", S_IFCHR | 0600, makedev(1, 3)) == -1 &&
	     errno == EPERM);
	must(mkfifo("all/fifo", 0600) == 0);
	must(chroot("all") == -1 && errno == EPERM);
	return 0;
}

/* Effective and real ids differ: access() asks for the real one. */
static int access_child(void)
{
	must(setresgid(12345, 12345, 12345) == 0);
	must(setresuid(UID, 0, 0) == 0);
	must(access("rootfile", R_OK) == -1 && errno == EACCES);
	must(syscall(SYS_faccessat2, AT_FDCWD, "rootfile", R_OK, 0x200) == 0);
	must(setresuid(0, UID, 0) == 0);
	must(access("rootfile", R_OK) == 0);
	must(syscall(SYS_faccessat2, AT_FDCWD, "rootfile", R_OK, 0x200) == -1 &&
	     errno == EACCES);
	must(open("rootfile", O_RDONLY) == -1 && errno == EACCES);
	return 0;
}

static void check_rights(void)
{
	tap_group("rights");
	touch("ro", 0644);
	touch("notmine", 0077);
	chown("notmine", UID, 0);
	touch("group", 0704);
	chown("group", 0, 12345);
	mkdir("shut", 0700);
	touch("shut/f", 0666);
	mkdir("list", 0700);
	touch("list/f", 0666);
	chmod("list", 0744);
	mkdir("pass", 0700);
	touch("pass/f", 0666);
	chmod("pass", 0711);
	mkdir("all", 0700);
	touch("all/f", 0600);
	chmod("all", 0777);
	mkdir("sticky", 0700);
	touch("sticky/f", 0666);
	chmod("sticky", 01777);
	mkdir("sgid", 0700);
	chown("sgid", 0, 777);
	chmod("sgid", 02777);
	is_int(tap_user_child(rights_user), 0, "what a user may not do");
	is_int(tap_child(access_child), 0, "real and effective ids");
	is_int(access("rootfile", R_OK | W_OK), 0, "root may read and write");
	is_errno(access("rootfile", X_OK), EACCES, "not run without any x");
	touch("x", 0001);
	is_int(access("x", X_OK), 0, "one x is enough");
	is_int(access("shut", X_OK), 0, "directories always");
	is_errno(access("none", F_OK), ENOENT, "F_OK of nothing");
	is_errno(access("f", 8), EINVAL, "bad mode");
	is_errno(syscall(SYS_faccessat2, AT_FDCWD, "f", 0, 0x8000), EINVAL,
		 "bad flag");
	is_errno(syscall(SYS_faccessat2, 9999, "f", 0, 0), EBADF, "closed");
	is_efault(syscall(SYS_access, bp, 0), "bad addresses");
}

static bool times_are(const char *path, long a_s, long a_n, long m_s, long m_n)
{
	struct stat st = st_of(path);

	return st.st_atim.tv_sec == a_s && st.st_atim.tv_nsec == a_n &&
	       st.st_mtim.tv_sec == m_s && st.st_mtim.tv_nsec == m_n;
}

static int times_user(void)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct timespec set[2] = { { 1, 2 }, { 3, 4 } };

	must(utimensat(AT_FDCWD, "ro", set, 0) == -1 && errno == EPERM);
	must(utimensat(AT_FDCWD, "ro", NULL, 0) == -1 && errno == EACCES);
	must(utimensat(AT_FDCWD, "ro", now, 0) == -1 && errno == EACCES);
	must(utimensat(AT_FDCWD, "mine", set, 0) == 0);
	return 0;
}

static void check_times(void)
{
	struct timespec ts[2] = { { 1000, 123 }, { 2000, 456 } };
	struct timespec now;
	struct stat st;
	int fd;

	tap_group("times");
	is_int(utimensat(AT_FDCWD, "f", ts, 0), 0, "utimensat");
	ok(times_are("f", 1000, 123, 2000, 456), "to the nanosecond");
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_sec = 3000;
	is_int(utimensat(AT_FDCWD, "f", ts, 0), 0, "UTIME_OMIT");
	ok(times_are("f", 1000, 123, 3000, 456), "leaves one");
	ts[0] = ts[1] = (struct timespec){ 7, 8 };
	is_int(utimensat(AT_FDCWD, "ln", ts, AT_SYMLINK_NOFOLLOW), 0,
	       "of a link itself");
	ok(times_are("ln", 7, 8, 7, 8) && times_are("f", 1000, 123, 3000, 456),
	   "and not of the file");
	fd = open("f", O_RDWR);
	is_int(futimens(fd, NULL), 0, "futimens to now");
	clock_gettime(CLOCK_REALTIME, &now);
	st = st_of("f");
	ok(now.tv_sec - st.st_mtim.tv_sec < 60, "is now");
	ts[0].tv_nsec = 1000000000;
	is_errno(utimensat(AT_FDCWD, "f", ts, 0), EINVAL, "bad nanoseconds");
	is_errno(utimensat(AT_FDCWD, "f", NULL, 0x5), EINVAL, "bad flag");
	is_errno(utimensat(AT_FDCWD, "none", NULL, 0), ENOENT, "nothing");
	is_efault(syscall(SYS_utimensat, AT_FDCWD, "f", bp, 0), "bad ones");
	is_int(tap_user_child(times_user), 0, "as a user");
	ts[0] = ts[1] = (struct timespec){ 50, 0 };
	futimens(fd, ts);
	(void)!write(fd, "w", 1);
	st = st_of("f");
	ok(st.st_mtim.tv_sec > 50 && st.st_atim.tv_sec == 50,
	   "a write moves mtime");
	utimensat(AT_FDCWD, ".", ts, 0);
	touch("dirtime", 0600);
	ok(st_of(".").st_mtim.tv_sec > 50, "a new name moves the directory's");
	futimens(fd, ts);
	(void)!ftruncate(fd, 3);
	ok(st_of("f").st_mtim.tv_sec > 50, "ftruncate too");
	close(fd);
}

static void check_size(void)
{
	int fd = open("s", O_RDWR | O_CREAT, 0600), rd = open("s", O_RDONLY);
	int fds[2];
	char buf[8192];

	tap_group("sizes");
	(void)!pipe(fds);
	(void)!write(fd, "0123456789", 10);
	is_int(truncate("s", 5), 0, "truncate");
	is_int(truncate("s", 20), 0, "and grow");
	is_int(pread(fd, buf, 30, 0), 20, "length");
	ok(memcmp(buf, "01234\0\0\0\0\0\0", 11) == 0, "zeros in the new part");
	is_errno(truncate("s", -1), EINVAL, "negative");
	is_errno(truncate("none", 0), ENOENT, "nothing");
	is_errno(truncate(".", 0), EISDIR, "directory");
	is_errno(ftruncate(rd, 0), EINVAL, "read-only");
	is_errno(ftruncate(9999, 0), EBADF, "closed");
	is_errno(ftruncate(fds[1], 0), EINVAL, "pipe");
	is_efault(syscall(SYS_truncate, bp, 0), "bad addresses");
	is_int(fallocate(fd, 0, 0, 10000), 0, "fallocate");
	is_int(st_of("s").st_size, 10000, "grows");
	is_int(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50000), 0, "KEEP_SIZE");
	is_int(st_of("s").st_size, 10000, "does not");
	memset(buf, 'p', sizeof(buf));
	(void)!pwrite(fd, buf, 8192, 0);
	is_int(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100,
			 5000),
	       0, "PUNCH_HOLE");
	(void)!pread(fd, buf, 8192, 0);
	ok(buf[99] == 'p' && buf[100] == 0 && buf[5099] == 0 &&
		   buf[5100] == 'p',
	   "zeros exactly there");
	is_errno(fallocate(fd, 0, 0, 0), EINVAL, "length zero");
	is_errno(fallocate(fd, 0, -1, 10), EINVAL, "negative offset");
	is_errno(fallocate(fd, 0, 0x7fffffffffffffff, 10), EFBIG, "too far");
	is_errno(fallocate(rd, 0, 0, 10), EBADF, "read-only");
	is_errno(fallocate(fds[1], 0, 0, 10), ESPIPE, "pipe");
	is_errno(fallocate(fd, 0x8000, 0, 10), EOPNOTSUPP, "unknown mode");
	is_int(fsync(fd), 0, "fsync");
	is_int(fdatasync(fd), 0, "fdatasync");
	is_errno(fsync(9999), EBADF, "of a closed one");
	is_errno(fsync(fds[0]), EINVAL, "of a pipe");
	close(rd);
	rd = open(".", O_RDONLY);
	is_int(fsync(rd), 0, "of a directory");
	close(fd);
	close(rd);
	close(fds[0]);
	close(fds[1]);
}

/* What a mapping writes to a hole that was punched under it is in the file. */
static void check_punch_mapped(void)
{
	int fd = open("p", O_RDWR | O_CREAT, 0600);
	char buf[100];
	char *map;

	tap_group("punched under a mapping");
	is_int(ftruncate(fd, 1 << 20), 0, "a file");
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(map != MAP_FAILED, "mapped");
	memset(map, 5, 300000);
	is_int(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100000,
			 100000),
	       0, "PUNCH_HOLE");
	is_int(map[150000], 0, "the mapping shows it");
	memset(map + 150000, 9, 100);
	is_int(pread(fd, buf, 100, 150000), 100, "pread");
	ok(buf[0] == 9 && buf[99] == 9, "sees what is written there");
	is_int(map[99999] + map[200000], 10, "nothing else is gone");
	munmap(map, 1 << 20);
	close(fd);
}

static void check_nodes(void)
{
	struct stat st;

	tap_group("nodes");
	is_int(mkfifo("fifo", 0640), 0, "mkfifo");
	ok(S_ISFIFO(st_of("fifo").st_mode), "is one");
	is_int(mknod("reg", S_IFREG | 0600, 0), 0, "mknod of a file");
	is_errno(mknod("reg", S_IFREG | 0600, 0), EEXIST, "again");
	is_errno(mknod("dir", S_IFDIR | 0600, 0), EPERM, "of a directory");
	is_errno(mknod("odd", S_IFLNK | 0600, 0), EINVAL, "of a link");
	is_int(mknod("null", S_IFCHR | 0666, makedev(1, 3)), 0, "of a device");
	stat("null", &st);
	ok(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3), "is one");
	is_efault(syscall(SYS_mknod, bp, S_IFREG, 0), "bad addresses");
}

int main(void)
{
	tap_start();
	tap_dir();
	umask(022);
	chmod(".", 0755);
	check_stat();
	check_statx();
	check_chmod();
	check_rights();
	check_times();
	check_size();
	check_punch_mapped();
	check_nodes();
	return tap_done();
}
