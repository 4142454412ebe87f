// SPDX-License-Identifier: Apache-2.0
/* Names: making, linking, renaming, removing; the walk with its symlinks
 * and errors; working directories; reading directories. Rights and metadata
 * have inode.c. */
#include "tap.h"

#include <dirent.h>

#define AT_BAD 0x40000000
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static void touch(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	(void)!write(fd, text, strlen(text));
	close(fd);
}

static const char *slurp(const char *path)
{
	static char buf[64];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return "(none)";
	buf[n] = '\0';
	return buf;
}

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static nlink_t links(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_nlink;
}

static int opens(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static void check_open(void)
{
	int d, fd;
	struct stat st;

	tap_group("open");
	mkdir("d", 0755);
	touch("d/f", "inside");
	(void)!symlink("d/f", "ln");
	(void)!symlink("d", "dln");
	(void)!symlink("missing", "dangling");
	d = open("d", O_RDONLY | O_DIRECTORY);
	fd = openat(d, "f", O_RDONLY);
	ok(fd >= 0, "openat");
	close(fd);
	is_errno(openat(9999, "f", O_RDONLY), EBADF, "openat a closed one");
	is_errno(openat(1, "f", O_RDONLY), ENOTDIR, "openat a non-directory");
	fd = openat(9999, tap_path, O_RDONLY);
	ok(fd >= 0, "an absolute path needs no directory");
	close(fd);
	is_errno(opens("none", O_RDONLY), ENOENT, "nothing there");
	is_errno(opens("", O_RDONLY), ENOENT, "empty");
	is_errno(opens("d/f", O_CREAT | O_EXCL | O_RDWR), EEXIST, "O_EXCL");
	is_errno(opens("dangling", O_CREAT | O_EXCL | O_RDWR), EEXIST,
		 "O_EXCL does not follow");
	is_errno(opens("dangling", O_RDONLY), ENOENT, "a dangling link");
	is_int(opens("dangling", O_CREAT | O_RDWR), 0, "made through it");
	ok(there("missing"), "is where the link points");
	unlink("missing");
	is_errno(opens("d", O_RDWR), EISDIR, "a directory for writing");
	is_errno(opens("d", O_CREAT | O_RDWR), EISDIR, "or creating");
	is_errno(opens("d/f", O_DIRECTORY), ENOTDIR, "O_DIRECTORY of a file");
	is_errno(opens("ln", O_NOFOLLOW), ELOOP, "O_NOFOLLOW of a link");
	is_int(opens("d/f", O_NOFOLLOW), 0, "O_NOFOLLOW of a file");
	is_errno(opens("dln", O_NOFOLLOW | O_DIRECTORY), ENOTDIR,
		 "O_NOFOLLOW, O_DIRECTORY of a link");
	is_int(opens("dln/f", O_NOFOLLOW), 0, "only the last part counts");
	is_errno(opens("d", 0x400000 | O_RDWR), EINVAL,
		 "O_TMPFILE bits without O_DIRECTORY");
	is_int(opens("d/f", 0x20000000), 0, "an unknown flag is ignored");
	fd = open("ln", O_PATH | O_NOFOLLOW);
	ok(fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode),
	   "O_PATH, O_NOFOLLOW: the link itself");
	is_errno(syscall(SYS_fchmod, fd, 0600), EBADF, "fchmod of O_PATH");
	is_errno(ftruncate(fd, 0), EBADF, "ftruncate of O_PATH");
	close(fd);
	fd = open("d", O_PATH);
	close(d);
	d = openat(fd, "f", O_RDONLY);
	ok(d >= 0, "O_PATH serves as a directory");
	close(d);
	close(fd);
	touch("t", "longer");
	is_int(opens("t", O_TRUNC | O_WRONLY), 0, "O_TRUNC");
	is_str(slurp("t"), "", "empties");
	is_efault(syscall(SYS_openat, AT_FDCWD, bp, 0), "bad addresses");
	unlink("t");
}

static void check_walk(void)
{
	char name[300], deep[5000], buf[300];

	tap_group("the walk");
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	is_int(mkdir(name, 0755), 0, "a name of 255");
	is_int(rmdir(name), 0, "goes again");
	name[255] = 'n';
	name[256] = '\0';
	is_errno(mkdir(name, 0755), ENAMETOOLONG, "of 256");
	for (size_t i = 0; i < 4095; i += 2)
		memcpy(deep + i, "./", 3);
	memcpy(deep + 4090, "d/", 3);
	is_int(opens(deep, O_RDONLY), 0, "a path of 4,092");
	memcpy(deep + 4090, "./././d", 8);
	is_errno(opens(deep, O_RDONLY), ENAMETOOLONG, "of 4,097");
	(void)!symlink("l2", "l1");
	(void)!symlink("l1", "l2");
	is_errno(opens("l1", O_RDONLY), ELOOP, "a loop of two");
	is_errno(opens("l1/x", O_RDONLY), ELOOP, "within a path");
	(void)!symlink("d/f", "c0");
	for (int i = 1; i <= 41; i++) {
		char to[16], from[16];

		snprintf(to, sizeof(to), "c%d", i - 1);
		snprintf(from, sizeof(from), "c%d", i);
		(void)!symlink(to, from);
	}
	is_int(opens("c39", O_RDONLY), 0, "forty links in a row");
	is_errno(opens("c40", O_RDONLY), ELOOP, "forty-one");
	is_errno(opens("d/f/x", O_RDONLY), ENOTDIR, "below a file");
	is_errno(opens("d/f/", O_RDONLY), ENOTDIR, "a file with a slash");
	is_errno(opens("d/f/..", O_RDONLY), ENOTDIR, "the parent of a file");
	is_errno(opens("d/f/.", O_RDONLY), ENOTDIR, "the self of a file");
	is_errno(opens("ln/", O_RDONLY), ENOTDIR, "a link to it with a slash");
	is_int(opens("d/", O_RDONLY), 0, "a directory with a slash");
	is_int(opens("dln//.//../d/./f", O_RDONLY), 0, "dots and slashes");
	is_int(opens("/../../..", O_RDONLY), 0, "above the root is the root");
	is_errno(opens("new/", O_CREAT | O_RDWR), EISDIR, "O_CREAT, a slash");
	is_errno(opens("none/..", O_RDONLY), ENOENT, "through nothing");
	is_int(mkdir("new/", 0755), 0, "mkdir with a slash");
	is_errno(rmdir("new/."), EINVAL, "rmdir of dot");
	is_errno(rmdir("new/.."), ENOTEMPTY, "rmdir of dot dot");
	is_int(rmdir("new/"), 0, "rmdir with a slash");
	is_int(readlink("ln", buf, sizeof(buf)), 3, "readlink");
	is_int(readlink("ln", buf, 2), 2, "cut short");
	is_errno(syscall(SYS_readlink, "ln", buf, 0), EINVAL, "no room");
	is_errno(readlink("d/f", buf, sizeof(buf)), EINVAL, "of a file");
	is_errno(readlink("none", buf, sizeof(buf)), ENOENT, "of nothing");
	is_efault(syscall(SYS_readlink, "ln", bp, 100), "to bad addresses");
	is_efault(syscall(SYS_readlink, bp, buf, 100), "path at bad ones");
	is_errno(symlink("", "x"), ENOENT, "an empty link");
	is_errno(symlink("x", "ln"), EEXIST, "a link over something");
	is_errno(symlink("x", ""), ENOENT, "an empty name");
	memset(deep, 's', sizeof(deep));
	deep[4095] = '\0';
	is_errno(symlink(deep + 1, "d/none/x"), ENOENT, "in no directory");
	is_errno(symlink(deep, "d/f/x"), ENOTDIR, "in a file");
	deep[4095] = 's';
	deep[4096] = '\0';
	is_errno(symlink(deep, "x"), ENAMETOOLONG, "4,096 characters");
	for (int i = 0; i <= 41; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		unlink(name);
	}
	unlink("l1");
	unlink("l2");
}

static void check_remove(void)
{
	int fd, dir;
	char buf[8] = "";

	tap_group("mkdir, unlink, rmdir");
	is_errno(mkdir("d", 0755), EEXIST, "mkdir over a directory");
	is_errno(mkdir("dangling", 0755), EEXIST, "over a dangling link");
	is_errno(mkdir("none/x", 0755), ENOENT, "in nothing");
	is_errno(mkdir("/", 0755), EEXIST, "of the root");
	is_errno(rmdir("d"), ENOTEMPTY, "rmdir of a full one");
	is_errno(rmdir("d/f"), ENOTDIR, "rmdir of a file");
	is_errno(rmdir("dln"), ENOTDIR, "rmdir of a link");
	is_errno(rmdir("none"), ENOENT, "rmdir of nothing");
	is_errno(unlink("d"), EISDIR, "unlink of a directory");
	is_errno(unlink("d/f/"), ENOTDIR, "unlink of a file with a slash");
	is_errno(unlink("none"), ENOENT, "unlink of nothing");
	is_errno(unlinkat(AT_FDCWD, "d", 0x1), EINVAL, "unlinkat: bad flag");
	is_errno(unlinkat(9999, "d", 0), EBADF, "unlinkat: closed");
	is_efault(syscall(SYS_unlink, bp), "unlink at bad addresses");
	is_efault(syscall(SYS_mkdir, bp, 0), "mkdir at bad addresses");
	is_efault(syscall(SYS_rmdir, bp), "rmdir at bad addresses");
	fd = open("open", O_RDWR | O_CREAT, 0644);
	(void)!write(fd, "data", 4);
	is_int(unlink("open"), 0, "unlink of an open file");
	is_int(pread(fd, buf, 4, 0), 4, "which can still be read");
	is_int(pwrite(fd, "more", 4, 100000), 4, "and written");
	struct stat st;
	is_int(fstat(fd, &st) == 0 && st.st_nlink == 0, 1, "with no links");
	close(fd);
	mkdir("gone", 0755);
	dir = open("gone", O_RDONLY);
	is_int(unlinkat(AT_FDCWD, "gone", AT_REMOVEDIR), 0, "AT_REMOVEDIR");
	is_errno(openat(dir, "x", O_CREAT | O_RDWR, 0644), ENOENT,
		 "nothing new in a removed directory");
	close(dir);
	touch("d/x", "x");
	unlink("dangling");
	is_int(unlink("dln/x"), 0, "unlink through a link");
}

static void check_link(void)
{
	int fd;

	tap_group("link and rename");
	touch("a", "A");
	is_int(link("a", "b"), 0, "link");
	ok(links("a") == 2 && strcmp(slurp("b"), "A") == 0, "two names");
	is_errno(link("a", "b"), EEXIST, "over something");
	is_errno(link("d", "e"), EPERM, "of a directory");
	is_errno(link("none", "e"), ENOENT, "of nothing");
	is_int(link("ln", "ln2"), 0, "of a symlink");
	is_int(links("ln"), 2, "is of the link itself");
	is_int(linkat(AT_FDCWD, "ln", AT_FDCWD, "f2", AT_SYMLINK_FOLLOW), 0,
	       "AT_SYMLINK_FOLLOW");
	is_int(links("d/f"), 2, "is of what it points at");
	is_errno(linkat(AT_FDCWD, "a", AT_FDCWD, "e", AT_BAD), EINVAL, "flag");
	is_int(rename("a", "b"), 0, "rename between links of one file");
	ok(there("a") && there("b"), "does nothing");
	touch("c", "C");
	is_int(rename("c", "b"), 0, "rename over a file");
	ok(!there("c") && links("a") == 1, "took its place");
	is_str(slurp("b"), "C", "with its contents");
	mkdir("e", 0755);
	mkdir("full", 0755);
	touch("full/x", "x");
	is_errno(rename("a", "e"), EISDIR, "file over directory");
	is_errno(rename("e", "a"), ENOTDIR, "directory over file");
	is_errno(rename("e", "full"), ENOTEMPTY, "over a full directory");
	is_int(rename("full", "e"), 0, "over an empty directory");
	ok(there("e/x") && !there("full"), "moved");
	is_errno(rename("e", "e/sub"), EINVAL, "into itself");
	is_errno(rename("none", "x"), ENOENT, "of nothing");
	is_errno(rename("a", "none/x"), ENOENT, "into nothing");
	is_errno(rename("a/", "x"), ENOTDIR, "a file with a slash");
	is_errno(rename("e/.", "x"), EBUSY, "dot");
	is_int(rename("e", "e2/"), 0, "a directory to a name with a slash");
	is_int(rename("ln2", "ln3"), 0, "a symlink");
	is_int(readlink("ln3", (char[8]){ 0 }, 8), 3, "stays one");
	is_errno(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b",
			 RENAME_NOREPLACE),
		 EEXIST, "RENAME_NOREPLACE");
	is_int(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "e2",
		       RENAME_EXCHANGE),
	       0, "RENAME_EXCHANGE of file and directory");
	ok(there("a/x") && strcmp(slurp("e2"), "A") == 0, "exchanged");
	is_errno(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "no",
			 RENAME_EXCHANGE),
		 ENOENT, "needs both");
	is_errno(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "no", 0x80),
		 EINVAL, "bad flag");
	is_efault(syscall(SYS_rename, bp, "x"), "from bad addresses");
	is_efault(syscall(SYS_rename, "b", bp), "to bad addresses");
	is_efault(syscall(SYS_link, bp, "x"), "link from bad addresses");
	is_efault(syscall(SYS_symlink, "b", bp), "symlink to bad addresses");
	fd = open("b", O_RDONLY);
	touch("n", "N");
	rename("n", "b");
	is_int(pread(fd, (char[4]){ 0 }, 4, 0), 1,
	       "the replaced file lives on");
	close(fd);
	is_str(slurp("b"), "N", "under the name is the new one");
}

static void check_nlink(void)
{
	tap_group("links of directories");
	mkdir("p", 0755);
	is_int(links("p"), 2, "a new one has two");
	mkdir("p/q", 0755);
	mkdir("p/r", 0755);
	touch("p/f", "");
	is_int(links("p"), 4, "one more for each below");
	mkdir("o", 0755);
	rename("p/q", "o/q");
	ok(links("p") == 3 && links("o") == 3, "moved with a rename");
	rmdir("p/r");
	is_int(links("p"), 2, "one less after rmdir");
}

static void check_cwd(void)
{
	char buf[4200], want[300];
	int here = open(".", O_RDONLY), fd;

	tap_group("working directory");
	is_int(chdir("o/q"), 0, "chdir");
	snprintf(want, sizeof(want), "%s/o/q", tap_path);
	is_str(getcwd(buf, sizeof(buf)), want, "getcwd");
	is_int(syscall(SYS_getcwd, buf, sizeof(buf)), strlen(want) + 1,
	       "the call returns the length");
	is_errno(syscall(SYS_getcwd, buf, 3), ERANGE, "too small");
	is_efault(syscall(SYS_getcwd, bp, 4096), "bad addresses");
	rename("../q", "../moved");
	snprintf(want, sizeof(want), "%s/o/moved", tap_path);
	is_str(getcwd(buf, sizeof(buf)), want, "follows a rename");
	rmdir("../moved");
	is_errno(getcwd(buf, sizeof(buf)) ? 0 : -1, ENOENT, "removed: gone");
	is_errno(opens("x", O_CREAT | O_RDWR), ENOENT, "nothing made here");
	is_int(opens(".", O_RDONLY), 0, "but dot can be opened");
	is_int(fchdir(here), 0, "fchdir");
	fd = open("b", O_RDONLY);
	is_errno(fchdir(fd), ENOTDIR, "to a file");
	is_errno(fchdir(9999), EBADF, "to a closed one");
	is_errno(chdir("b"), ENOTDIR, "chdir to a file");
	is_errno(chdir("none"), ENOENT, "chdir to nothing");
	is_efault(syscall(SYS_chdir, bp), "chdir to bad addresses");
	close(fd);
	close(here);
}

struct dent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static void check_getdents(void)
{
	char buf[2048], name[300];
	int fd, n = 0, dots = 0, bad = 0, files = 0;
	bool found[200] = { false };
	DIR *d;
	struct dirent *e;

	tap_group("getdents64");
	mkdir("many", 0755);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		if (i % 2)
			touch(name, "");
		else
			mkdir(name, 0755);
	}
	fd = open("many", O_RDONLY | O_DIRECTORY);
	for (;;) {
		long len = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (len <= 0)
			break;
		for (long at = 0; at < len;) {
			struct dent *de = (struct dent *)(buf + at);
			int i = atoi(de->name);

			at += de->reclen;
			bad += de->reclen % 8 != 0 || de->ino == 0;
			if (de->name[0] == '.') {
				dots++;
				continue;
			}
			bad += found[i] ||
			       de->type != (i % 2 ? DT_REG : DT_DIR);
			found[i] = true;
			n++;
		}
	}
	is_int(n, 200, "200 names, in small pieces");
	is_int(dots, 2, "dot and dot dot");
	is_int(bad, 0, "each once, with its type");
	is_int(syscall(SYS_getdents64, fd, buf, sizeof(buf)), 0, "the end");
	lseek(fd, 0, SEEK_SET);
	ok(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0, "rewinds");
	lseek(fd, 0, SEEK_SET);
	is_errno(syscall(SYS_getdents64, fd, buf, 8), EINVAL, "too small");
	is_efault(syscall(SYS_getdents64, fd, bp, 2048), "bad addresses");
	is_errno(syscall(SYS_getdents64, 1, buf, 2048), ENOTDIR,
		 "no directory");
	is_errno(syscall(SYS_getdents64, 9999, buf, 2048), EBADF, "closed");
	close(fd);
	d = opendir("many");
	while ((e = readdir(d))) {
		snprintf(name, sizeof(name), "many/%s", e->d_name);
		if (e->d_name[0] != '.')
			files += remove(name) == 0;
	}
	closedir(d);
	is_int(files, 200, "all removed while reading");
	is_int(rmdir("many"), 0, "and nothing is left");
	mkdir("many", 0755);
	fd = open("many", O_RDONLY);
	rmdir("many");
	is_errno(syscall(SYS_getdents64, fd, buf, 2048), ENOENT, "removed");
	close(fd);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_open();
	check_walk();
	check_remove();
	check_link();
	check_nlink();
	check_cwd();
	check_getdents();
	return tap_done();
}
