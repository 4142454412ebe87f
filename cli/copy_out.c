/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an instance to a tar or to the disk. Everything about the files is what
 * a hostile guest may say: names were checked (guest_files.c), libarchive is
 * told to stay below the current directory.
 */
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cli/copy.h"
#include "host/cleanup.h"
#include "host/log.h"
#include "host/xmalloc.h"

#define SECURE                                                               \
	(ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT | \
	 ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS)

static int archive_failed(struct copy_out *o, const char *name, struct err *e)
{
	const char *why = archive_error_string(o->a);

	return err_set(e, EIO, "%s: %s", name, why ? why : "cannot be written");
}

int copy_out_begin(struct copy_out *o, int fd, struct err *e)
{
	int flags = ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | SECURE;

	if (o->keeps_owner)
		flags |= ARCHIVE_EXTRACT_OWNER;
	o->a = o->is_disk ? archive_write_disk_new() : archive_write_new();
	if (!o->a)
		return err_sys(e, ENOMEM, "copy");
	if (o->is_disk)
		return archive_write_disk_set_options(o->a, flags)
			       ? archive_failed(o, "copy", e)
			       : 0;
	if (archive_write_set_format_pax(o->a) ||
	    archive_write_set_bytes_per_block(o->a, 65536) ||
	    archive_write_set_bytes_in_last_block(o->a, 1) ||
	    archive_write_open_fd(o->a, fd))
		return archive_failed(o, "tar", e);
	return 0;
}

static int write_data(struct copy_out *o, const char *path, uint64_t size,
		      struct err *e)
{
	cleanup_free char *buf = xmalloc(FILES_BYTES_MAX);
	uint64_t at = 0;
	ssize_t n;

	if (guest_open(o->g, path, 0, 0, e))
		return -e->code;
	while (at < size) {
		n = guest_read(o->g, at, buf,
			       MIN(size - at, (uint64_t)FILES_BYTES_MAX), e);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0; /* it was cut meanwhile */
		if (archive_write_data(o->a, buf, (size_t)n) < 0)
			return archive_failed(o, path, e);
		at += (uint64_t)n;
	}
	return 0;
}

static bool is_left_out(const struct copy_out *o, mode_t type)
{
	return type == S_IFSOCK ||
	       (o->is_disk && (type == S_IFCHR || type == S_IFBLK));
}

static int describe(struct copy_out *o, struct archive_entry *entry,
		    const char *path, const char *name,
		    const struct files_attr *a, struct err *e)
{
	char target[FILES_PATH_MAX];
	uint32_t bits = o->keeps_owner ? 07777 : 01777;

	archive_entry_set_pathname(entry, name);
	archive_entry_set_mode(entry, (a->mode & S_IFMT) | (a->mode & bits));
	archive_entry_set_mtime(entry, a->mtime_s, (long)a->mtime_ns);
	archive_entry_set_uid(entry, a->uid);
	archive_entry_set_gid(entry, a->gid);
	archive_entry_set_size(entry, S_ISREG(a->mode) ? (int64_t)a->size : 0);
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		archive_entry_set_rdev(entry, a->rdev);
	if (!S_ISLNK(a->mode))
		return 0;
	if (guest_readlink(o->g, path, target, e))
		return -e->code;
	archive_entry_set_symlink(entry, target);
	return 0;
}

struct parent {
	struct copy_out *o;
	const char *path, *name;
};

static int copy_child(void *arg, const char *name, uint32_t type, struct err *e)
{
	const struct parent *p = arg;
	cleanup_free char *path =
		xasprintf("%s/%s", strcmp(p->path, "/") ? p->path : "", name);
	cleanup_free char *to = xasprintf("%s/%s", p->name, name);

	(void)type;
	if (strlen(path) >= FILES_PATH_MAX)
		return err_set(e, ENAMETOOLONG, "%.100s...: too deep", path);
	return copy_out_tree(p->o, path, to, e);
}

int copy_out_tree(struct copy_out *o, const char *path, const char *name,
		  struct err *e)
{
	struct parent p = { o, path, name };
	struct archive_entry *entry;
	struct files_attr a;
	int r;

	if (guest_stat(o->g, path, false, &a, e))
		return -e->code;
	if (a.size > INT64_MAX || is_left_out(o, a.mode & S_IFMT)) {
		log_warning("%s:%s is left out", o->g->name, path);
		return 0;
	}
	entry = archive_entry_new();
	r = describe(o, entry, path, name, &a, e);
	if (!r && archive_write_header(o->a, entry) < ARCHIVE_OK)
		r = archive_failed(o, name, e);
	archive_entry_free(entry);
	if (!r && S_ISREG(a.mode) && a.size)
		r = write_data(o, path, a.size, e);
	if (!r && archive_write_finish_entry(o->a) < ARCHIVE_WARN)
		r = archive_failed(o, name, e);
	if (!r && S_ISDIR(a.mode))
		r = guest_list(o->g, path, copy_child, &p, e);
	return r;
}

int copy_out_end(struct copy_out *o, struct err *e)
{
	int r = 0;

	if (o->a && archive_write_close(o->a) && !e->code)
		r = archive_failed(o, "copy", e);
	if (o->a)
		archive_write_free(o->a);
	o->a = NULL;
	return r;
}
