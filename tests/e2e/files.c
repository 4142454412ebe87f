/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files make|check|change DIR: files of all kinds that a file system has, their
 * contents by rule. "check" finds them as "make" left them; "change" goes on
 * from what tests/e2e/volume-files.bats did to them on the host.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MIB (1L << 20)
#define HOLES 6
#define NAMES 10000

static char data[MIB], got[MIB];

static void need(bool is_ok, const char *what, ...)
{
	va_list ap;

	if (is_ok)
		return;
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	exit(1);
}

static void fill(int seed, long size)
{
	unsigned int x = (unsigned int)seed * 2654435761U + 1;

	for (long i = 0; i < size; i++) {
		x = x * 1664525U + 1013904223U;
		data[i] = (char)(x >> 24);
	}
}

static void put(int fd, int seed, long size, long at)
{
	fill(seed, size);
	need(pwrite(fd, data, (size_t)size, at) == size, "write at %ld", at);
}

static void same(int fd, int seed, long size, long at)
{
	fill(seed, size);
	if (seed == 0)
		memset(data, 0, (size_t)size);
	need(pread(fd, got, (size_t)size, at) == size, "read at %ld", at);
	need(!memcmp(data, got, (size_t)size), "contents at %ld of %d", at,
	     seed);
}

static void small(int fd, bool makes)
{
	(makes ? put : same)(fd, 1, 100, 0);
}

static void large(int fd, bool makes)
{
	for (int i = 0; i < 24; i++)
		(makes ? put : same)(fd, i + 10, MIB, i * MIB);
}

/* A piece each GiB. */
static void holes(int fd, bool makes)
{
	for (int i = 0; i < HOLES; i++)
		(makes ? put : same)(fd, i + 100, i < HOLES - 1 ? 5000 : 8192,
				     i * 1024L * MIB);
	if (!makes)
		same(fd, 0, MIB, 512 * MIB);
}

/* Most of the second of four MiB, not at the borders of blocks. */
static void punched(int fd, bool makes)
{
	for (int i = 0; i < 4; i++)
		if (makes || i != 1)
			(makes ? put : same)(fd, i + 200, MIB, i * MIB);
	if (makes) {
		need(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				MIB + 2, MIB - 3),
		     "punch");
		return;
	}
	same(fd, 201, 2, MIB);
	same(fd, 0, MIB - 3, MIB + 2);
}

static void empty(int fd, bool makes)
{
	struct stat st;

	need(makes || (!fstat(fd, &st) && st.st_size == 0), "size");
}

static void odd(int fd, bool makes)
{
	struct timespec times[2] = { { 1000000000, 123456789 },
				     { 2000000000, 987654321 } };
	struct stat st;

	if (makes) {
		put(fd, 300, 4097, 0);
		need(!fchown(fd, 1234, 70000), "chown");
		need(!fchmod(fd, 04751), "chmod");
		need(!futimens(fd, times), "times");
		return;
	}
	same(fd, 300, 4097, 0);
	need(!fstat(fd, &st) && st.st_size == 4097, "size");
	need(st.st_uid == 1234 && st.st_gid == 70000, "owner %u %u", st.st_uid,
	     st.st_gid);
	need((st.st_mode & 07777) == 04751, "mode %o", st.st_mode);
	need(st.st_mtim.tv_sec == 2000000000, "time %ld", st.st_mtim.tv_sec);
}

static const struct {
	const char *name;
	void (*use)(int fd, bool makes);
} files[] = { { "small", small },     { "large", large }, { "holes", holes },
	      { "punched", punched }, { "empty", empty }, { "odd", odd } };

static void use_files(bool makes)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i].name,
			      makes ? O_RDWR | O_CREAT : O_RDONLY, 0644);

		need(fd >= 0, "%s", files[i].name);
		files[i].use(fd, makes);
		need(!makes || !fsync(fd), "fsync");
		close(fd);
	}
}

static const char *name_of(int i)
{
	static char name[60];

	snprintf(name, sizeof(name), "many/a_name_of_some_length_%d", i);
	return name;
}

static int count_names(void)
{
	DIR *d = opendir("many");
	struct dirent *e;
	int n = 0;

	need(d, "many");
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void names(bool makes)
{
	need(!makes || !mkdir("many", 0755), "mkdir");
	for (int i = 0; i < NAMES; i++)
		need(!(makes ? mknod(name_of(i), S_IFREG | 0600, 0)
			     : access(name_of(i), F_OK)),
		     "%s", name_of(i));
	need(access("many/no_such_name", F_OK), "no_such_name");
	need(count_names() == NAMES, "%d names", count_names());
}

static void links(bool makes)
{
	char long_name[1001];
	struct stat st;

	memset(long_name, 'l', 1000);
	long_name[1000] = '\0';
	if (makes) {
		need(!symlink("small", "short_link"), "symlink");
		need(!symlink(long_name, "long_link"), "long symlink");
		need(!link("small", "hard_link"), "link");
		return;
	}
	need(readlink("short_link", got, 2000) == 5 && !memcmp(got, "small", 5),
	     "short link");
	need(readlink("long_link", got, 2000) == 1000 &&
		     !memcmp(got, long_name, 1000),
	     "long link");
	need(!stat("hard_link", &st) && st.st_nlink == 2, "hard link");
}

static void attributes(bool makes)
{
	char value[3000];

	memset(value, 'v', sizeof(value));
	if (makes) {
		need(!setxattr("small", "user.short", "value", 5, 0), "xattr");
		need(!setxattr("small", "user.long", value, 3000, 0), "xattr");
		return;
	}
	need(getxattr("small", "user.short", got, 100) == 5 &&
		     !memcmp(got, "value", 5),
	     "xattr");
	need(getxattr("small", "user.long", got, 5000) == 3000 &&
		     !memcmp(got, value, 3000),
	     "long xattr");
}

static void use_all(bool makes)
{
	use_files(makes);
	names(makes);
	links(makes);
	attributes(makes);
}

/* On from what the host changed. */
static void change(void)
{
	need(access(name_of(77), F_OK) && errno == ENOENT, "removed name");
	need(count_names() == NAMES - 1, "%d names", count_names());
	need(getxattr("small", "user.host", got, 100) == 3, "host's xattr");
	need(readlink("host_link", got, 100) == 5, "host's link");
	need(!unlink("from_host") && !unlink("host_link"), "unlink");
	need(!removexattr("small", "user.host"), "removexattr");
	need(!mknod(name_of(77), S_IFREG | 0600, 0), "%s", name_of(77));
	use_all(false);
	for (int i = 0; i < NAMES; i++)
		need(!unlink(name_of(i)), "%s", name_of(i));
	need(!rmdir("many"), "rmdir");
	puts("changed");
}

int main(int argc, char **argv)
{
	need(argc == 3 && !chdir(argv[2]), "usage");
	umask(0);
	if (!strcmp(argv[1], "change")) {
		change();
		return 0;
	}
	use_all(!strcmp(argv[1], "make"));
	puts(strcmp(argv[1], "make") ? "as made" : "made");
	return 0;
}
