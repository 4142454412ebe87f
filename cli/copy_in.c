/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the disk or a tar into an instance.
 */
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/copy.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/log.h"
#include "host/xmalloc.h"

struct copy_late {
	char *path;
	struct files_attr attr;
};

static int set_attributes(struct copy_in *c, const char *path,
			  struct files_attr *a, struct err *e)
{
	if (!c->keeps_owner)
		a->uid = a->gid = 0;
	return guest_set(c->g, path, a,
			 FILES_HAS_MODE | FILES_HAS_OWNER | FILES_HAS_TIME, e);
}

/* Files that come into a directory change its time, and it may not be writable
 * in the end. */
static void set_later(struct copy_in *c, const char *path,
		      const struct files_attr *a)
{
	c->late = xreallocarray(c->late, c->nlate + 1, sizeof(*c->late));
	c->late[c->nlate++] = (struct copy_late){ xstrdup(path), *a };
}

int copy_in_end(struct copy_in *c, struct err *e)
{
	int r = 0;

	while (c->nlate) {
		struct copy_late *l = &c->late[--c->nlate];

		if (!r && !e->code)
			r = set_attributes(c, l->path, &l->attr, e);
		free(l->path);
	}
	free(c->late);
	c->late = NULL;
	return r;
}

/* What is there gives way, but for directories. */
static int make_room(struct copy_in *c, const char *path, struct err *e)
{
	struct files_attr a;
	struct err none = ERR_INIT;

	if (guest_stat(c->g, path, false, &a, &none))
		return none.code == ENOENT ? 0 : (*e = none, -e->code);
	if (S_ISDIR(a.mode))
		return err_set(e, EISDIR, "%s:%s is a directory", c->g->name,
			       path);
	return guest_remove(c->g, path, e);
}

static int make_directory(struct copy_in *c, const char *path, struct err *e)
{
	struct files_attr a;

	if (!guest_mkdir(c->g, path, 0755, e))
		return 0;
	if (e->code != EEXIST)
		return -e->code;
	*e = (struct err)ERR_INIT;
	if (guest_stat(c->g, path, true, &a, e))
		return -e->code;
	return S_ISDIR(a.mode) ? 0
			       : err_set(e, ENOTDIR, "%s:%s is no directory",
					 c->g->name, path);
}

static int make_file(struct copy_in *c, const char *path, struct err *e)
{
	if (make_room(c, path, e))
		return -e->code;
	return guest_open(c->g, path, FILES_WRITES | FILES_NEW, 0600, e);
}

static int make_link(struct copy_in *c, const char *path, const char *target,
		     struct files_attr *a, struct err *e)
{
	if (make_room(c, path, e) || guest_symlink(c->g, path, target, e))
		return -e->code;
	return set_attributes(c, path, a, e);
}

/* --- From the disk
 * -------------------------------------------------------------- */

static int copy_data(struct copy_in *c, int fd, const char *path, struct err *e)
{
	cleanup_free char *buf = xmalloc(FILES_BYTES_MAX);
	uint64_t at = 0;
	ssize_t n;

	if (make_file(c, path, e))
		return -e->code;
	while ((n = read(fd, buf, FILES_BYTES_MAX)) > 0) {
		if (guest_write(c->g, at, buf, (size_t)n, e))
			return -e->code;
		at += (uint64_t)n;
	}
	return n < 0 ? err_sys(e, errno, "read") : 0;
}

static int copy_directory(struct copy_in *c, int fd, const char *path,
			  struct err *e)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *d;

	if (make_directory(c, path, e))
		return -e->code;
	dir = fdopendir(dup(fd));
	if (!dir)
		return err_sys(e, errno, "directory");
	while ((d = readdir(dir))) {
		cleanup_free char *to = NULL;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		to = xasprintf("%s/%s", strcmp(path, "/") ? path : "",
			       d->d_name);
		if (copy_in_tree(c, fd, d->d_name, to, e))
			return -e->code;
	}
	return 0;
}

static int copy_symlink(struct copy_in *c, int dirfd, const char *name,
			const char *path, struct files_attr *a, struct err *e)
{
	char target[FILES_PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_sys(e, errno, "%s", name);
	target[n] = '\0';
	return make_link(c, path, target, a, e);
}

int copy_in_tree(struct copy_in *c, int dirfd, const char *name,
		 const char *path, struct err *e)
{
	cleanup_close int fd = -1;
	struct files_attr a;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW))
		return err_sys(e, errno, "%s", name);
	a = (struct files_attr){ .mode = st.st_mode,
				 .uid = st.st_uid,
				 .gid = st.st_gid,
				 .mtime_s = st.st_mtim.tv_sec,
				 .mtime_ns = (uint32_t)st.st_mtim.tv_nsec };
	if (S_ISLNK(st.st_mode))
		return copy_symlink(c, dirfd, name, path, &a, e);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		log_warning("%s is left out", name);
		return 0;
	}
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "%s", name);
	if (S_ISREG(st.st_mode))
		return copy_data(c, fd, path, e) ||
				       set_attributes(c, path, &a, e)
			       ? -e->code
			       : 0;
	set_later(c, path, &a);
	return copy_directory(c, fd, path, e);
}

/* --- From a tar
 * ----------------------------------------------------------------- */

/* The path of an entry below base; NULL: it leads elsewhere. The caller frees
 * it. "." is base itself. */
static char *entry_path(const char *base, const char *name)
{
	cleanup_free char *copy = name ? xstrdup(name) : NULL;
	char *path = xstrdup(strcmp(base, "/") ? base : "");
	char *rest = copy, *part;

	while (rest && (part = strsep(&rest, "/"))) {
		char *longer;

		if (!part[0] || !strcmp(part, "."))
			continue;
		if (!strcmp(part, "..")) {
			free(path);
			return NULL;
		}
		longer = xasprintf("%s/%s", path, part);
		free(path);
		path = longer;
	}
	if (path[0])
		return path;
	free(path);
	return xstrdup("/");
}

/* The directories above a path that is below base. */
static int make_parents(struct copy_in *c, const char *base, const char *path,
			struct err *e)
{
	size_t from = strcmp(base, "/") ? strlen(base) + 1 : 1;
	cleanup_free char *copy = xstrdup(path);

	if (strlen(copy) <= from)
		return 0;
	for (char *p = copy + from; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (make_directory(c, copy, e))
			return -e->code;
		*p = '/';
	}
	return 0;
}

static int copy_entry_data(struct copy_in *c, struct archive *tar,
			   const char *path, struct err *e)
{
	const void *block;
	int64_t offset;
	size_t size;
	int r;

	if (make_file(c, path, e))
		return -e->code;
	for (;;) {
		r = archive_read_data_block(tar, &block, &size, &offset);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return err_set(e, EINVAL, "tar: %s",
				       archive_error_string(tar));
		if (guest_write(c->g, (uint64_t)offset, block, size, e))
			return -e->code;
	}
}

static int copy_hardlink(struct copy_in *c, const char *base, const char *path,
			 const char *target, struct err *e)
{
	cleanup_free char *to = entry_path(base, target);

	if (!to)
		return err_set(e, EINVAL, "tar: a link to %.200s", target);
	if (!strcmp(to, path))
		return 0;
	return make_room(c, path, e) || guest_link(c->g, path, to, e) ? -e->code
								      : 0;
}

static int copy_entry(struct copy_in *c, struct archive *tar,
		      struct archive_entry *entry, const char *base,
		      struct err *e)
{
	const char *name = archive_entry_pathname(entry);
	cleanup_free char *path = entry_path(base, name);
	mode_t type = archive_entry_filetype(entry);
	struct files_attr a = {
		.mode = archive_entry_mode(entry),
		.uid = (uint32_t)archive_entry_uid(entry),
		.gid = (uint32_t)archive_entry_gid(entry),
		.mtime_s = archive_entry_mtime(entry),
		.mtime_ns = (uint32_t)archive_entry_mtime_nsec(entry),
	};

	if (!path)
		return err_set(e, EINVAL, "tar: the path %.200s", name);
	if (make_parents(c, base, path, e))
		return -e->code;
	if (archive_entry_hardlink(entry))
		return copy_hardlink(c, base, path,
				     archive_entry_hardlink(entry), e);
	if (type == AE_IFLNK)
		return make_link(c, path, archive_entry_symlink(entry), &a, e);
	if (type == AE_IFDIR) {
		if (strcmp(path, base))
			set_later(c, path, &a);
		return make_directory(c, path, e);
	}
	if (type != AE_IFREG) {
		log_warning("%s is left out", name);
		return 0;
	}
	return copy_entry_data(c, tar, path, e) ||
			       set_attributes(c, path, &a, e)
		       ? -e->code
		       : 0;
}

int copy_in_tar(struct copy_in *c, int fd, const char *path, struct err *e)
{
	struct archive *tar = archive_read_new();
	struct archive_entry *entry;
	int r = 0;

	archive_read_support_filter_gzip(tar);
	archive_read_support_filter_bzip2(tar);
	archive_read_support_filter_xz(tar);
	archive_read_support_filter_zstd(tar);
	archive_read_support_format_tar(tar);
	archive_read_support_format_empty(tar);
	if (archive_read_open_fd(tar, fd, 65536))
		r = err_set(e, EINVAL, "tar: %s", archive_error_string(tar));
	while (!r) {
		int got = archive_read_next_header(tar, &entry);

		if (got == ARCHIVE_EOF)
			break;
		r = got < ARCHIVE_WARN ? err_set(e, EINVAL, "tar: %s",
						 archive_error_string(tar))
				       : copy_entry(c, tar, entry, path, e);
	}
	archive_read_free(tar);
	return r;
}
