/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk ro|rw DIR: look at everything below a directory whose file system may
 * be broken; rw: change some of it, too. Errors are expected and counted; the
 * line at the end says that there was an end.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES_MAX 20000U /* directories may contain each other */
#define DEPTH_MAX 40U
#define READ_MAX (1L << 20)

static char data[1 << 16];
static unsigned long nnames, nbytes, nerrors;
static bool writes;

static long count(long ret)
{
	if (ret < 0)
		nerrors++;
	return ret;
}

static void read_file(int fd, const struct stat *st)
{
	for (long at = 0; at < READ_MAX; at += (long)sizeof(data)) {
		long n = count(pread(fd, data, sizeof(data), at));

		if (n <= 0)
			break;
		nbytes += (unsigned long)n;
	}
	count(pread(fd, data, 5000, st->st_size / 2));
	count(pread(fd, data, 5000, st->st_size - 2500));
	(void)lseek(fd, 0, SEEK_DATA);
	(void)lseek(fd, 0, SEEK_HOLE);
}

static void change_file(int fd, const struct stat *st)
{
	count(pwrite(fd, data, 9000, 5000));
	count(pwrite(fd, data, 100, st->st_size));
	count(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3000,
			6000));
	count(fsync(fd));
	if (nnames % 2)
		count(ftruncate(fd, 100));
}

static void visit_attributes(const char *name)
{
	char list[4096];
	long n = count(llistxattr(name, list, sizeof(list)));

	for (long at = 0; at < n; at += (long)strlen(list + at) + 1)
		count(lgetxattr(name, list + at, data, sizeof(data)));
	if (writes)
		count(lsetxattr(name, "trusted.walk", data, 40, 0));
}

static void visit_file(const char *name, const struct stat *st)
{
	int fd = open(name, (writes ? O_RDWR : O_RDONLY) | O_NONBLOCK);

	if (count(fd) < 0)
		return;
	read_file(fd, st);
	if (writes)
		change_file(fd, st);
	close(fd);
}

static void make_some(const char *dir)
{
	char name[4200];

	for (int i = 0; i < 20; i++) {
		int fd;

		snprintf(name, sizeof(name), "%s/a_new_file_with_number_%d",
			 dir, i);
		fd = open(name, O_WRONLY | O_CREAT, 0644);
		if (count(fd) < 0)
			continue;
		count(write(fd, data, 3000));
		close(fd);
	}
	snprintf(name, sizeof(name), "%s/a_new_directory", dir);
	count(mkdir(name, 0755));
	count(rmdir(name));
	snprintf(name, sizeof(name), "%s/a_new_link", dir);
	count(symlink("nowhere", name));
}

static void visit(const char *name, unsigned int depth);

static void visit_dir(const char *name, unsigned int depth)
{
	DIR *d = depth < DEPTH_MAX ? opendir(name) : NULL;
	struct dirent *e;
	char child[4200];

	if (!d) {
		nerrors++;
		return;
	}
	while (nnames < NAMES_MAX && (errno = 0, e = readdir(d)) != NULL) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(child, sizeof(child), "%s/%s", name, e->d_name);
		visit(child, depth + 1);
	}
	nerrors += errno != 0;
	closedir(d);
	if (writes)
		make_some(name);
}

static void visit(const char *name, unsigned int depth)
{
	struct stat st;

	nnames++;
	if (count(lstat(name, &st)) < 0)
		return;
	visit_attributes(name);
	if (S_ISREG(st.st_mode))
		visit_file(name, &st);
	else if (S_ISLNK(st.st_mode))
		count(readlink(name, data, sizeof(data)));
	else if (S_ISDIR(st.st_mode))
		visit_dir(name, depth);
	if (writes && nnames % 3 == 0)
		count(unlink(name));
	if (writes && nnames % 7 == 0)
		count(rename(name, "/volume/elsewhere"));
}

int main(int argc, char **argv)
{
	struct statvfs fs;

	if (argc != 3)
		return 2;
	writes = !strcmp(argv[1], "rw");
	count(statvfs(argv[2], &fs));
	visit(argv[2], 0);
	if (writes)
		sync();
	printf("%lu names, %lu bytes, %lu errors\n", nnames, nbytes, nerrors);
	return 0;
}
