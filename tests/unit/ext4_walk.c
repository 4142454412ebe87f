/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ext4_walk.h says, through the system calls.
 */
#include "tests/unit/ext4_walk.h"

#include <stdio.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/linux/falloc.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/vfs/vfs.h"
#include "tests/unit/stub_proc.h"

#define DIRS_MAX 64U

static char dirs[DIRS_MAX][600];
static u32 ndirs;
static char data[70000], list[4000], name[1200];
static struct linux_stat st;

static void use_file(bool is_writing)
{
	int fd = (int)CALL(open, name, is_writing ? O_RDWR : O_RDONLY, 0);

	if (fd < 0)
		return;
	(void)CALL(read, fd, data, sizeof(data));
	(void)CALL(pread64, fd, data, 5000, (u64)st.st_size / 2);
	(void)CALL(lseek, fd, 0, 3 /* SEEK_DATA */);
	(void)CALL(lseek, fd, 1, 4 /* SEEK_HOLE */);
	if (is_writing) {
		(void)CALL(pwrite64, fd, data, 9000, 5000);
		(void)CALL(fallocate, fd,
			   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3000,
			   6000);
		(void)CALL(fallocate, fd, 0, 20000, 3000);
		(void)CALL(ftruncate, fd, 100);
		(void)CALL(fsync, fd);
	}
	(void)CALL(close, fd);
}

static void use_name(bool is_writing)
{
	char attribute[200];

	if (CALL(lstat, name, &st))
		return;
	(void)CALL(listxattr, name, data, sizeof(data));
	(void)CALL(getxattr, name, "user.test", data, sizeof(data));
	if (is_writing) {
		memset(attribute, 'x', sizeof(attribute));
		(void)CALL(setxattr, name, "user.test", attribute,
			   sizeof(attribute), 0);
		(void)CALL(chmod, name, 0700);
	}
	switch (st.st_mode & TYPE_MASK) {
	case TYPE_REG:
		use_file(is_writing);
		break;
	case TYPE_LNK:
		(void)CALL(readlink, name, data, 5000);
		break;
	case TYPE_DIR:
		if (ndirs < DIRS_MAX && strlen(name) < sizeof(dirs[0]))
			strcpy(dirs[ndirs++], name);
		break;
	default:
		break;
	}
}

/* All names of a directory; with is_writing, many are removed. */
static void use_dir(const char *dir, bool is_writing, u32 *left)
{
	int fd = (int)CALL(open, dir, O_RDONLY | O_DIRECTORY, 0);
	u32 rounds = 200;
	long n;

	if (fd < 0)
		return;
	while (*left && rounds-- &&
	       (n = CALL(getdents64, fd, list, sizeof(list))) > 0) {
		for (long at = 0; at < n && *left; --*left) {
			struct linux_dirent64 *e =
				(struct linux_dirent64 *)(list + at);

			at += e->reclen;
			snprintf(name, sizeof(name), "%s/%s", dir, e->name);
			if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
				continue;
			use_name(is_writing);
			if (is_writing && *left % 3 == 0)
				(void)CALL(unlink, name);
			if (is_writing && *left % 7 == 0)
				(void)CALL(rename, name, "/mnt/elsewhere");
		}
	}
	(void)CALL(close, fd);
}

static void make_some(const char *dir)
{
	int fd;

	snprintf(name, sizeof(name), "%s/new_dir", dir);
	(void)CALL(mkdir, name, 0755);
	for (u32 k = 0; k < 40; k++) {
		snprintf(name, sizeof(name), "%s/a_new_file_of_number_%u", dir,
			 k);
		fd = (int)CALL(open, name, O_RDWR | O_CREAT, 0644);
		if (fd < 0)
			continue;
		(void)CALL(write, fd, data, 3000);
		(void)CALL(close, fd);
	}
	memset(data, 'l', 300);
	data[300] = '\0';
	snprintf(name, sizeof(name), "%s/new_link", dir);
	(void)CALL(symlink, data, name);
	snprintf(name, sizeof(name), "%s/new_dir", dir);
	(void)CALL(rmdir, name);
}

bool ext4_walk(struct block_device *d, const char *options, unsigned int max)
{
	u32 left = max;

	if (stub_ext4_mount(d, options))
		return false;
	for (int is_writing = 0; is_writing < 2; is_writing++) {
		ndirs = 0;
		strcpy(dirs[ndirs++], "/mnt");
		for (u32 k = 0; k < ndirs; k++) {
			use_dir(dirs[k], is_writing, &left);
			if (is_writing)
				make_some(dirs[k]);
		}
		left = max;
		if (atomic_load(&stub_ext4_fs()->is_readonly))
			break;
	}
	(void)stub_ext4_unmount();
	return true;
}
