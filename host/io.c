/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File helpers of host programs. No state, any thread.
 */
#include "host/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"

#define TREE_DEPTH_MAX 4096

ssize_t io_read_full(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read(fd, (char *)buf + done, len - done);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_write_full(int fd, const void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, (const char *)buf + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int io_read_file(int dirfd, const char *path, size_t limit, char **text,
		 size_t *len, struct err *e)
{
	cleanup_free char *buf = NULL;
	cleanup_close int fd = -1;
	struct stat st;
	size_t want;
	ssize_t n;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", path);
	if (S_ISDIR(st.st_mode))
		return err_sys(e, EISDIR, "%s", path);
	want = st.st_size > 0 ? (size_t)st.st_size : limit;
	if (want > limit)
		return err_set(e, EFBIG, "%s: larger than %zu bytes", path,
			       limit);
	buf = xmalloc(want + 1);
	n = io_read_full(fd, buf, want);
	if (n < 0)
		return err_sys(e, (int)-n, "%s", path);
	buf[n] = '\0';
	if (len)
		*len = (size_t)n;
	*text = take_ptr(buf);
	return 0;
}

static int random_name(const char *prefix, char **name)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz012345";
	unsigned char bytes[10];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)digits[bytes[i] % 32];
	*name = xasprintf("%s%.10s", prefix, (const char *)bytes);
	return 0;
}

static int write_synced(int dirfd, const char *path, const void *buf,
			size_t len, mode_t mode)
{
	cleanup_close int fd = -1;
	int r;

	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, buf, len);
	if (!r && fsync(fd) < 0)
		r = -errno;
	return r;
}

int io_sync_dir(int dirfd, const char *path, struct err *e)
{
	cleanup_close int fd = -1;

	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "%s", path);
	return 0;
}

int io_write_atomic(int dirfd, const char *path, const void *buf, size_t len,
		    mode_t mode, struct err *e)
{
	cleanup_free char *prefix = xasprintf("%s.tmp-", path);
	cleanup_free char *parent = xstrdup(path);
	cleanup_free char *temp = NULL;
	char *slash = strrchr(parent, '/');
	int r;

	r = random_name(prefix, &temp);
	if (!r)
		r = write_synced(dirfd, temp, buf, len, mode);
	if (!r && renameat(dirfd, temp, dirfd, path) < 0)
		r = -errno;
	if (r < 0) {
		if (temp)
			unlinkat(dirfd, temp, 0);
		return err_sys(e, -r, "%s", path);
	}
	if (slash)
		*slash = '\0';
	return io_sync_dir(dirfd, slash ? parent : ".", e);
}

int io_copy_fd(int in, int out, struct err *e)
{
	cleanup_free char *buf = NULL;
	const size_t size = 1 << 16;
	ssize_t n;
	int r;

	for (;;) {
		n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
		if (n <= 0)
			break;
	}
	if (n == 0)
		return 0;
	buf = xmalloc(size);
	while ((n = io_read_full(in, buf, size)) > 0) {
		r = io_write_full(out, buf, (size_t)n);
		if (r < 0)
			return err_sys(e, -r, "write");
	}
	return n < 0 ? err_sys(e, (int)-n, "read") : 0;
}

int io_mkdirs(const char *path, mode_t mode, struct err *e)
{
	cleanup_free char *copy = xstrdup(path);
	struct stat st;

	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_sys(e, errno, "%s", copy);
		if (c == '\0')
			break;
		*p = c;
	}
	if (stat(path, &st) < 0)
		return err_sys(e, errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "%s", path);
	return 0;
}

static int remove_children(int fd, dev_t dev, unsigned depth);

static int remove_entry(int dirfd, const char *name, dev_t dev, unsigned depth)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		fchmodat(dirfd, name, 0700, 0);
		fd = openat(dirfd, name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != dev)
		return -EXDEV;
	r = remove_children(fd, dev, depth + 1);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_children(int fd, dev_t dev, unsigned depth)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;
	struct stat st;
	int copy;
	int r;

	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		fchmod(fd, 0700); /* ours, or the removal fails below */
	dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return -ENOMEM;
	}
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		r = remove_entry(fd, d->d_name, dev, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

int io_remove_tree(int dirfd, const char *name, struct err *e)
{
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", name);
	r = remove_entry(dirfd, name, st.st_dev, 0);
	return r < 0 ? err_sys(e, -r, "cannot remove %s", name) : 0;
}

int io_make_temp_dir(int dirfd, const char *prefix, char **name, struct err *e)
{
	cleanup_free char *made = NULL;
	int r;

	r = random_name(prefix, &made);
	if (!r && mkdirat(dirfd, made, 0700) < 0)
		r = -errno;
	if (r < 0)
		return err_sys(e, -r, "%s", prefix);
	*name = take_ptr(made);
	return 0;
}
