/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive unpacker of image builds.
 *
 * Theory of operation. Every entry's parent directory is opened relative to
 * the root with openat2(RESOLVE_IN_ROOT): symbolic links in the path work as
 * they would inside the image, and no path leaves it. Names with ".." are
 * refused. The last part of a name is never followed: what stands there is
 * removed first (a directory may stay when a directory comes). Hard links are
 * resolved the same way.
 *
 * A layer's whiteouts may only remove what earlier layers left, in whatever
 * order the entries come, so the unpacker remembers what this layer wrote.
 */
#include "image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/log.h"
#include "host/proc.h"
#include "host/xmalloc.h"
#include "image/seen.h"

#define DEPTH_MAX 256
#define PATH_SIZE_MAX 4096
#define CHUNK (1 << 18)
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

/* A directory whose times are set last. */
struct unpack_dir {
	char *path;
	struct timespec times[2];
};

/* Where libarchive's bytes come from: fd, hashed as they pass. */
struct feed {
	int fd;
	struct sha256 hash;
	unsigned char *buf;
};

/* The entry being unpacked. */
struct item {
	struct unpack *u;
	struct archive *a;
	struct archive_entry *entry;
	char *path;	  /* cleaned: no leading slash, no "." parts */
	const char *name; /* its last part */
	int parent;	  /* descriptor of the directory it is in */
};

void unpack_init(struct unpack *u, int root)
{
	memset(u, 0, sizeof(*u));
	u->root = root;
	u->is_root = geteuid() == 0;
	u->seen = seen_new();
}

void unpack_fini(struct unpack *u)
{
	for (size_t i = 0; i < u->ndirs; i++)
		free(u->dirs[i].path);
	free(u->dirs);
	seen_free(u->seen);
	memset(u, 0, sizeof(*u));
}

static int open_in_root(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* Bring an archive's name into the form "a/b/c"; "" is the root itself. */
static int clean_path(const char *raw, char **out, struct err *e)
{
	cleanup_free char *path = NULL;
	unsigned depth = 0;
	size_t len, n = 0;

	if (!raw || strlen(raw) >= PATH_SIZE_MAX)
		return err_set(e, EINVAL, "an entry's name is %s",
			       raw ? "too long" : "missing");
	path = xmalloc(strlen(raw) + 1);
	for (;; raw += len) {
		raw += strspn(raw, "/");
		len = strcspn(raw, "/");
		if (!len)
			break;
		if (len == 1 && raw[0] == '.')
			continue;
		if (len == 2 && raw[0] == '.' && raw[1] == '.')
			return err_set(e, EINVAL, "its name leaves the image");
		if (len > 255 || ++depth > DEPTH_MAX)
			return err_set(e, ENAMETOOLONG, "its name is too %s",
				       len > 255 ? "long" : "deep");
		if (n)
			path[n++] = '/';
		memcpy(path + n, raw, len);
		n += len;
	}
	path[n] = '\0';
	*out = take_ptr(path);
	return 0;
}

/* Open the directory path, which is changed on the way and back, making it and
 * those above it if they are missing. */
static int make_dirs(int root, char *path)
{
	int fd, r;

	fd = open_in_root(root, path, O_RDONLY | O_DIRECTORY);
	if (fd != -ENOENT)
		return fd;
	for (char *p = path;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		fd = open_in_root(root, path, O_RDONLY | O_DIRECTORY);
		if (fd == -ENOENT) {
			char *last = strrchr(path, '/');
			int up;

			if (last)
				*last = '\0';
			up = open_in_root(root, last ? path : "",
					  O_RDONLY | O_DIRECTORY);
			if (last)
				*last = '/';
			if (up < 0)
				return up;
			r = mkdirat(up, last ? last + 1 : path, 0755);
			r = r < 0 ? -errno : 0;
			close(up);
			if (r < 0)
				return r;
			fd = open_in_root(root, path, O_RDONLY | O_DIRECTORY);
		}
		if (fd < 0 || c == '\0')
			return fd;
		close(fd);
		*p = c;
	}
}

/* Open path's directory, making directories that the archive does not list. */
static int open_parents(struct unpack *u, const char *path)
{
	cleanup_free char *copy = xstrdup(path);
	char *slash = strrchr(copy, '/');

	if (!slash)
		return open_in_root(u->root, "", O_RDONLY | O_DIRECTORY);
	*slash = '\0';
	return make_dirs(u->root, copy);
}

int unpack_open_dir(int root, const char *path, struct err *e)
{
	cleanup_free char *copy = NULL;
	int r;

	r = clean_path(path, &copy, e);
	if (r < 0)
		return r;
	r = make_dirs(root, copy);
	return r < 0 ? err_sys(e, -r, "%s", path) : r;
}

static int set_xattrs(const struct item *it, int fd, struct err *e)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(it->entry);
	while (archive_entry_xattr_next(it->entry, &name, &value, &size) ==
	       ARCHIVE_OK) {
		if (fsetxattr(fd, name, value, size, 0) == 0)
			continue;
		if (!it->u->is_root || errno == ENOTSUP || errno == EPERM) {
			log_info("%s: attribute %s not kept", it->path, name);
			continue;
		}
		return err_sys(e, errno, "attribute %.64s", name);
	}
	return 0;
}

/* Owner, mode, attributes and times of what fd refers to. */
static int set_meta(const struct item *it, int fd, struct err *e)
{
	mode_t mode = archive_entry_perm(it->entry) & 07777;
	struct timespec times[2] = {
		{ .tv_sec = archive_entry_mtime(it->entry),
		  .tv_nsec = archive_entry_mtime_nsec(it->entry) },
	};

	times[1] = times[0];
	if (it->u->is_root && fchown(fd, (uid_t)archive_entry_uid(it->entry),
				     (gid_t)archive_entry_gid(it->entry)) < 0)
		return err_sys(e, errno, "owner");
	if (fchmod(fd, mode) < 0)
		return err_sys(e, errno, "mode");
	futimens(fd, times);
	return set_xattrs(it, fd, e);
}

static int copy_data(const struct item *it, int fd, struct err *e)
{
	int64_t end = archive_entry_size(it->entry);
	const void *block;
	la_int64_t offset;
	size_t size;
	int r;

	for (;;) {
		r = archive_read_data_block(it->a, &block, &size, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN || proc_interrupted())
			return err_set(e, EIO, "%s",
				       proc_interrupted()
					       ? "interrupted"
					       : archive_error_string(it->a));
		while (size) {
			ssize_t n = pwrite(fd, block, size, offset);

			if (n < 0)
				return err_sys(e, errno, "write");
			block = (const char *)block + n;
			size -= (size_t)n;
			offset += n;
		}
	}
	return ftruncate(fd, end) < 0 ? err_sys(e, errno, "size") : 0;
}

static int make_file(const struct item *it, struct err *e)
{
	cleanup_close int fd = -1;
	int r;

	fd = openat(it->parent, it->name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, errno, "create");
	r = copy_data(it, fd, e);
	return r ? r : set_meta(it, fd, e);
}

static int make_directory(const struct item *it, struct err *e)
{
	struct unpack *u = it->u;
	struct unpack_dir *late;
	cleanup_close int fd = -1;
	int r;

	if (*it->path && mkdirat(it->parent, it->name, 0700) < 0 &&
	    errno != EEXIST)
		return err_sys(e, errno, "mkdir");
	fd = openat(it->parent, *it->path ? it->name : ".",
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open");
	r = set_meta(it, fd, e);
	if (r < 0)
		return r;
	u->dirs = xreallocarray(u->dirs, u->ndirs + 1, sizeof(*u->dirs));
	late = &u->dirs[u->ndirs++];
	late->path = xstrdup(it->path);
	late->times[0].tv_sec = archive_entry_mtime(it->entry);
	late->times[0].tv_nsec = archive_entry_mtime_nsec(it->entry);
	late->times[1] = late->times[0];
	return 0;
}

/* Owner and times of an entry that cannot be opened. */
static int set_link_meta(const struct item *it, struct err *e)
{
	struct timespec times[2] = {
		{ .tv_sec = archive_entry_mtime(it->entry),
		  .tv_nsec = archive_entry_mtime_nsec(it->entry) },
	};

	times[1] = times[0];
	if (it->u->is_root &&
	    fchownat(it->parent, it->name, (uid_t)archive_entry_uid(it->entry),
		     (gid_t)archive_entry_gid(it->entry),
		     AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "owner");
	utimensat(it->parent, it->name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int make_symlink(const struct item *it, struct err *e)
{
	const char *target = archive_entry_symlink(it->entry);

	if (!target || !*target)
		return err_set(e, EINVAL, "a link without target");
	if (symlinkat(target, it->parent, it->name) < 0)
		return err_sys(e, errno, "symlink");
	return set_link_meta(it, e);
}

static int make_node(const struct item *it, struct err *e)
{
	mode_t mode = archive_entry_mode(it->entry);
	bool is_device = S_ISCHR(mode) || S_ISBLK(mode);

	if (S_ISSOCK(mode) || (is_device && !it->u->is_root)) {
		it->u->skipped++;
		return 0;
	}
	if (mknodat(it->parent, it->name, mode & (S_IFMT | 07777),
		    makedev(archive_entry_rdevmajor(it->entry),
			    archive_entry_rdevminor(it->entry))) < 0) {
		if (errno != EPERM)
			return err_sys(e, errno, "mknod");
		it->u->skipped++; /* a device, in a user namespace */
		return 0;
	}
	if (fchmodat(it->parent, it->name, mode & 07777, 0) < 0)
		return err_sys(e, errno, "mode");
	return set_link_meta(it, e);
}

static int make_hard_link(const struct item *it, struct err *e)
{
	cleanup_free char *target = NULL;
	cleanup_close int dir = -1;
	const char *name;
	int r;

	r = clean_path(archive_entry_hardlink(it->entry), &target, e);
	if (r < 0)
		return err_wrap(e, "link target");
	dir = open_parents(it->u, target);
	if (dir < 0)
		return err_sys(e, -dir, "link to %.100s", target);
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (linkat(dir, name, it->parent, it->name, 0) < 0)
		return err_sys(e, errno, "link to %.100s", target);
	return 0;
}

/* Remove what stands in the way; a directory stays for a directory. */
static int make_room(const struct item *it, bool is_dir, struct err *e)
{
	struct stat st;

	if (!*it->path)
		return is_dir ? 0 : err_set(e, EINVAL, "not a directory");
	if (fstatat(it->parent, it->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "stat");
	if (is_dir && S_ISDIR(st.st_mode))
		return 0;
	return io_remove_tree(it->parent, it->name, e);
}

static int make_entry(const struct item *it, struct err *e)
{
	mode_t type = archive_entry_filetype(it->entry);
	const char *link = archive_entry_hardlink(it->entry);
	struct stat here, there;
	int r;

	/* a link to itself would remove its own target */
	if (link &&
	    fstatat(it->parent, it->name, &here, AT_SYMLINK_NOFOLLOW) == 0) {
		int fd = open_in_root(it->u->root, link, O_PATH | O_NOFOLLOW);

		r = fd >= 0 && fstat(fd, &there) == 0 &&
		    here.st_ino == there.st_ino;
		if (fd >= 0)
			close(fd);
		if (r)
			return 0;
	}
	r = make_room(it, !link && type == AE_IFDIR, e);
	if (r < 0)
		return r;
	if (link)
		return make_hard_link(it, e);
	switch (type) {
	case AE_IFREG:
		return make_file(it, e);
	case AE_IFDIR:
		return make_directory(it, e);
	case AE_IFLNK:
		return make_symlink(it, e);
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
	case AE_IFSOCK:
		return make_node(it, e);
	default:
		return err_set(e, EINVAL, "a file of an unknown type");
	}
}

/* Delete what earlier layers left at name in dir, or below it. */
static int prune(const struct unpack *u, int dir, const char *name,
		 struct err *e)
{
	cleanup_close int fd = -1;
	cleanup_dir DIR *list = NULL;
	struct dirent *d;
	struct stat st;
	int r = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (!S_ISDIR(st.st_mode)) {
		if (!seen_has(u->seen, dir, name))
			unlinkat(dir, name, 0);
		return 0;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "%s", name);
	list = fdopendir(dup(fd));
	while (!r && list && (d = readdir(list)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = prune(u, fd, d->d_name, e);
	if (!r && strcmp(name, ".") != 0 && !seen_has(u->seen, dir, name))
		unlinkat(dir, name, AT_REMOVEDIR); /* kept if not empty */
	return r;
}

/* 1 when the entry was a whiteout, which is then done. */
static int apply_whiteout(const struct item *it, struct err *e)
{
	int r;

	if (strncmp(it->name, WHITEOUT, strlen(WHITEOUT)) != 0)
		return 0;
	if (!strcmp(it->name, OPAQUE))
		r = prune(it->u, it->parent, ".", e);
	else if (!strncmp(it->name, WHITEOUT WHITEOUT, 8))
		return 1; /* other AUFS bookkeeping */
	else if (!it->name[4] || !strcmp(it->name + 4, ".") ||
		 !strcmp(it->name + 4, ".."))
		return err_set(e, EINVAL, "a whiteout without name");
	else
		r = prune(it->u, it->parent, it->name + 4, e);
	return r < 0 ? r : 1;
}

static int unpack_item(struct item *it, bool is_layer, struct err *e)
{
	int r = 0;

	it->parent = open_parents(it->u, it->path);
	if (it->parent < 0)
		return err_sys(e, -it->parent, "its directory");
	if (is_layer)
		r = apply_whiteout(it, e);
	if (!r) {
		r = make_entry(it, e);
		if (!r && is_layer && *it->path)
			seen_add(it->u->seen, it->parent, it->name);
	}
	close(it->parent);
	return r < 0 ? r : 0;
}

static int unpack_entry(struct unpack *u, struct archive *a,
			struct archive_entry *entry, bool is_layer,
			struct err *e)
{
	struct item it = { .u = u, .a = a, .entry = entry };
	cleanup_free char *path = NULL;
	const char *slash;
	int r;

	r = clean_path(archive_entry_pathname(entry), &path, e);
	if (!r) {
		it.path = path;
		slash = strrchr(path, '/');
		it.name = slash ? slash + 1 : path;
		r = unpack_item(&it, is_layer, e);
	}
	if (r < 0)
		return err_wrap(e, "%.100s",
				archive_entry_pathname(entry)
					? archive_entry_pathname(entry)
					: "entry");
	u->entries++;
	if (archive_entry_mtime(entry) > u->newest)
		u->newest = archive_entry_mtime(entry);
	return 0;
}

static la_ssize_t feed_read(struct archive *a, void *context, const void **buf)
{
	struct feed *f = context;
	ssize_t n = io_read_full(f->fd, f->buf, CHUNK);

	if (n < 0) {
		archive_set_error(a, (int)-n, "read: %s", strerror((int)-n));
		return -1;
	}
	sha256_add(&f->hash, f->buf, (size_t)n);
	*buf = f->buf;
	return n;
}

static struct archive *open_archive(struct feed *f, struct err *e)
{
	struct archive *a = archive_read_new();

	/* not "filter_all": some of those run other programs */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_lz4(a);
	archive_read_support_format_tar(a);
	if (archive_read_open(a, f, NULL, feed_read, NULL) < ARCHIVE_WARN) {
		err_set(e, EINVAL, "not a tar archive: %s",
			archive_error_string(a));
		archive_read_free(a);
		return NULL;
	}
	return a;
}

static int unpack_all(struct unpack *u, struct archive *a, bool is_layer,
		      struct err *e)
{
	struct archive_entry *entry;
	uint64_t before = u->entries;
	int r;

	while ((r = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
		if (proc_interrupted())
			return err_set(e, EINTR, "interrupted");
		if (r < ARCHIVE_WARN)
			return err_set(e, EINVAL, "damaged archive: %s",
				       archive_error_string(a));
		r = unpack_entry(u, a, entry, is_layer, e);
		if (r < 0)
			return r;
	}
	if (u->entries == before && !is_layer)
		return err_set(e, EINVAL, "the archive is empty");
	return 0;
}

/* Hash what libarchive did not need to read, and compare. */
static int check_digest(struct feed *f, const char *digest, uint64_t size,
			struct err *e)
{
	char hex[SHA256_HEX_SIZE];
	ssize_t n;

	while ((n = io_read_full(f->fd, f->buf, CHUNK)) > 0)
		sha256_add(&f->hash, f->buf, (size_t)n);
	if (n < 0)
		return err_sys(e, (int)-n, "read");
	if (f->hash.total != size)
		return err_set(e, EINVAL, "%llu bytes, expected %llu",
			       (unsigned long long)f->hash.total,
			       (unsigned long long)size);
	sha256_hex(&f->hash, hex);
	if (strcmp(hex, digest) != 0)
		return err_set(e, EINVAL,
			       "digest mismatch: content is sha256:%.16s…, "
			       "expected %.16s…",
			       hex, digest);
	return 0;
}

int unpack_archive(struct unpack *u, int fd, bool is_layer, const char *digest,
		   uint64_t size, struct err *e)
{
	cleanup_free unsigned char *buf = xmalloc(CHUNK);
	struct feed f = { .fd = fd, .buf = buf };
	struct err mismatch = ERR_INIT;
	struct archive *a;
	int r;

	sha256_init(&f.hash);
	seen_clear(u->seen);
	a = open_archive(&f, e);
	r = a ? unpack_all(u, a, is_layer, e) : -e->code;
	if (a)
		archive_read_free(a);
	/* wrong bytes explain whatever else went wrong */
	if (digest && !proc_interrupted() &&
	    check_digest(&f, digest, size, &mismatch) < 0) {
		*e = mismatch;
		r = -e->code;
	}
	return r;
}

void unpack_finish(struct unpack *u)
{
	for (size_t i = u->ndirs; i > 0; i--) {
		struct unpack_dir *dir = &u->dirs[i - 1];
		int fd = open_in_root(u->root, dir->path,
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (fd < 0)
			continue; /* a later layer removed it */
		futimens(fd, dir->times);
		close(fd);
	}
}
