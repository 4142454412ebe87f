/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that walk a path: on tmpfs, and in the image (an overlay on EROFS in an
 * instance, the host's file system natively).
 */
#include "bench/syscalls/bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fd;

static bool in_image(void)
{
	return fchdir(image_fd) == 0;
}

static void op_stat(void)
{
	struct stat st;

	MUST(stat(tmp_file, &st) == 0);
}

static void op_stat_1(void)
{
	struct stat st;

	MUST(stat("file", &st) == 0);
}

static void op_stat_6(void)
{
	struct stat st;

	MUST(stat("a/b/c/d/e/f", &st) == 0);
}

static void op_stat_missing(void)
{
	struct stat st;

	MUST(stat("missing", &st) == -1 && errno == ENOENT);
}

static void op_lstat_link(void)
{
	struct stat st;

	MUST(lstat("link", &st) == 0);
}

static void op_stat_link(void)
{
	struct stat st;

	MUST(stat("link", &st) == 0);
}

static void op_statx(void)
{
	struct statx st;

	MUST(statx(AT_FDCWD, tmp_file, 0, STATX_BASIC_STATS, &st) == 0);
}

static void op_access(void)
{
	MUST(access("file", R_OK) == 0);
}

static void op_readlink(void)
{
	MUST(readlink("link", buf, 64) == 4);
}

static void op_open_close(void)
{
	MUST(close(open(tmp_file, O_RDONLY)) == 0);
}

static void op_open_close_1(void)
{
	MUST(close(open("file", O_RDONLY)) == 0);
}

static void op_open_close_6(void)
{
	MUST(close(open("a/b/c/d/e/f", O_RDONLY)) == 0);
}

static void op_open_rw_close(void)
{
	MUST(close(open("file", O_RDWR)) == 0);
}

static void op_open_missing(void)
{
	MUST(open("missing", O_RDONLY) == -1);
}

static void op_create_unlink(void)
{
	MUST(close(open("new", O_CREAT | O_WRONLY, 0600)) == 0);
	MUST(unlink("new") == 0);
}

static void op_rename(void)
{
	MUST(rename("file", "moved") == 0 && rename("moved", "file") == 0);
}

static void op_mkdir(void)
{
	MUST(mkdir("dir", 0700) == 0 && rmdir("dir") == 0);
}

static void op_link(void)
{
	MUST(link("file", "hard") == 0 && unlink("hard") == 0);
}

static void op_symlink(void)
{
	MUST(symlink("file", "soft") == 0 && unlink("soft") == 0);
}

static void op_chmod(void)
{
	MUST(chmod("file", 0600) == 0);
}

static void op_utimens(void)
{
	MUST(utimensat(AT_FDCWD, "file", NULL, 0) == 0);
}

static void op_chdir(void)
{
	MUST(chdir(tmp_dir) == 0);
}

static void op_getcwd(void)
{
	MUST(getcwd(buf, 4096));
}

static bool open_dir(void)
{
	char name[16];

	MUST(mkdir("many", 0700) == 0);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		MUST(close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
	}
	fd = open("many", O_RDONLY | O_DIRECTORY);
	return fd >= 0;
}

static void close_dir(void)
{
	char name[16];

	close(fd);
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		unlink(name);
	}
	rmdir("many");
}

static void op_getdents(void)
{
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	MUST(syscall(SYS_getdents64, fd, buf, 8192) > 0);
}

static bool open_inotify(void)
{
	fd = inotify_init1(IN_NONBLOCK);
	return fd >= 0;
}

static void close_inotify(void)
{
	close(fd);
}

static void op_inotify(void)
{
	int wd = inotify_add_watch(fd, "a", IN_CREATE);

	MUST(wd >= 0 && inotify_rm_watch(fd, wd) == 0);
	MUST(read(fd, buf, 4096) > 0); /* IN_IGNORED */
}

const struct bench path_benches[] = {
	{ "stat", op_stat, NULL, NULL },
	{ "stat_1", op_stat_1, NULL, NULL },
	{ "stat_6", op_stat_6, NULL, NULL },
	{ "stat_image_1", op_stat_1, in_image, NULL },
	{ "stat_image_6", op_stat_6, in_image, NULL },
	{ "stat_missing", op_stat_missing, NULL, NULL },
	{ "stat_image_missing", op_stat_missing, in_image, NULL },
	{ "stat_through_link", op_stat_link, NULL, NULL },
	{ "lstat", op_lstat_link, NULL, NULL },
	{ "statx", op_statx, NULL, NULL },
	{ "access", op_access, NULL, NULL },
	{ "readlink", op_readlink, NULL, NULL },
	{ "getdents_64_files", op_getdents, open_dir, close_dir },
	{ "open_close", op_open_close, NULL, NULL },
	{ "open_close_1", op_open_close_1, NULL, NULL },
	{ "open_close_6", op_open_close_6, NULL, NULL },
	{ "open_close_image_6", op_open_close_6, in_image, NULL },
	{ "open_rw_close", op_open_rw_close, NULL, NULL },
	{ "open_missing", op_open_missing, NULL, NULL },
	{ "create_close_unlink", op_create_unlink, NULL, NULL },
	{ "rename_2", op_rename, NULL, NULL },
	{ "mkdir_rmdir", op_mkdir, NULL, NULL },
	{ "link_unlink", op_link, NULL, NULL },
	{ "symlink_unlink", op_symlink, NULL, NULL },
	{ "chmod", op_chmod, NULL, NULL },
	{ "utimensat", op_utimens, NULL, NULL },
	{ "chdir", op_chdir, NULL, NULL },
	{ "getcwd", op_getcwd, NULL, NULL },
	{ "inotify_add_rm", op_inotify, open_inotify, close_inotify },
	{ NULL, NULL, NULL, NULL },
};
