/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes in the store: finding, locking, making and removing them, and reading
 * what is in them.
 */
#include "engine/volume_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/xmalloc.h"

#define VOLUMES "volumes"
#define DRAFT_PREFIX VOLUMES "/.tmp-"
#define RECORD_MAX 65536

char *volume_disk(const struct store *s, const char *name)
{
	return xasprintf("%s/" VOLUMES "/%s/disk", s->path, name);
}

static char *volume_dir(const char *name)
{
	return xasprintf(VOLUMES "/%s", name);
}

/* --- Opening ------------------------------------------------------------- */

static int open_disk(const struct store *s, const char *name, int flags,
		     struct err *e)
{
	cleanup_free char *path = volume_disk(s, name);
	cleanup_close int fd = -1;
	struct stat st;

	if (name_check(name, e) < 0)
		return -e->code;
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ENOENT, "there is no volume '%s'", name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "volume %s: %s", name, path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "volume %s: %s is no regular file",
			       name, path);
	return take_fd(&fd);
}

int volume_look(const struct store *s, const char *name, struct err *e)
{
	return open_disk(s, name, O_RDONLY, e);
}

int volume_open(const struct store *s, const char *name, int flags,
		struct err *e)
{
	cleanup_close int fd = open_disk(s, name, flags, e);
	struct stat st;
	int how = flags == O_RDONLY ? LOCK_SH : LOCK_EX;

	if (fd < 0)
		return fd;
	if (flock(fd, how | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(e, EBUSY, "volume %s is in use", name);
		return err_sys(e, errno, "volume %s: lock", name);
	}
	/* Removed between open and lock? */
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return err_set(e, ENOENT, "there is no volume '%s'", name);
	return take_fd(&fd);
}

/* --- Making and removing ------------------------------------------------- */

void volume_draft_free(struct volume_draft *d)
{
	if (d->dir)
		io_remove_tree(d->s->fd, d->dir, NULL);
	if (d->fd >= 0)
		close(d->fd);
	free(d->dir);
	free(d->disk);
	*d = (struct volume_draft)VOLUME_DRAFT_INIT;
}

/* Drafts of commands that were killed: nobody has them locked. */
static void sweep(const struct store *s)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(s->fd, VOLUMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd >= 0 ? fdopendir(fd) : NULL;
	while (dir && (entry = readdir(dir))) {
		cleanup_close int disk = -1;
		cleanup_free char *path = NULL;

		if (strncmp(entry->d_name, ".tmp-", 5))
			continue;
		path = xasprintf("%s/disk", entry->d_name);
		disk = openat(fd, path, O_RDONLY | O_CLOEXEC);
		if (disk >= 0 && flock(disk, LOCK_EX | LOCK_NB) == 0)
			io_remove_tree(fd, entry->d_name, NULL);
	}
}

static int taken(const char *name, struct err *e)
{
	return err_set(e, EEXIST, "volume '%s' exists already", name);
}

int volume_draft_new(const struct store *s, const char *name,
		     struct volume_draft *d, struct err *e)
{
	cleanup_free char *volumes = xasprintf("%s/" VOLUMES, s->path);
	cleanup_free char *dir = volume_dir(name);
	struct stat st;
	int r = name_check(name, e);

	if (r < 0)
		return r;
	if (fstatat(s->fd, dir, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return taken(name, e);
	r = io_mkdirs(volumes, 0700, e);
	if (r < 0)
		return r;
	sweep(s);
	d->s = s;
	r = io_make_temp_dir(s->fd, DRAFT_PREFIX, &d->dir, e);
	if (r < 0)
		return r;
	d->disk = xasprintf("%s/%s/disk", s->path, d->dir);
	d->fd = open(d->disk, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->fd < 0 || flock(d->fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "%s", d->disk);
	return 0;
}

static int write_record(const struct volume_draft *d, const char *from,
			struct err *e)
{
	cleanup_json json_t *record = NULL;
	cleanup_free char *path = xasprintf("%s/volume.json", d->dir);
	time_t now = time(NULL);
	struct tm tm;
	char created[32];

	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&now, &tm));
	record = json_pack("{s:i,s:s,s:o}", "version", 1, "created", created,
			   "from", json_text(from));
	return json_write(d->s->fd, path, record, e);
}

int volume_draft_publish(struct volume_draft *d, const char *name,
			 const char *from, struct err *e)
{
	cleanup_free char *dir = volume_dir(name);
	int r = write_record(d, from, e);

	if (r < 0)
		return r;
	if (fsync(d->fd) < 0)
		return err_sys(e, errno, "%s", d->disk);
	/* Fails if there is one: its directory is not empty. */
	if (renameat(d->s->fd, d->dir, d->s->fd, dir) < 0)
		return errno == EEXIST || errno == ENOTEMPTY
			       ? taken(name, e)
			       : err_sys(e, errno, "%s", dir);
	free(d->dir);
	d->dir = NULL;
	return io_sync_dir(d->s->fd, VOLUMES, e);
}

int volume_remove(const struct store *s, const char *name, struct err *e)
{
	cleanup_free char *dir = volume_dir(name);
	cleanup_free char *gone = NULL;
	char id[ID_SIZE];

	id_generate(id);
	gone = xasprintf(DRAFT_PREFIX "%s", id);
	if (renameat(s->fd, dir, s->fd, gone) < 0)
		return err_sys(e, errno, "%s/%s", s->path, dir);
	return io_remove_tree(s->fd, gone, e);
}

/* --- Listing ------------------------------------------------------------- */

int volume_names(const struct store *s, struct strv *names, struct err *e)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(s->fd, VOLUMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return err_sys(e, errno, "%s/" VOLUMES, s->path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    name_check(entry->d_name, NULL) == 0)
			strv_add(names, entry->d_name);
	strv_sort(names);
	return 0;
}

enum volume_use volume_use(int fd)
{
	enum volume_use use = VOLUME_FREE;
	cleanup_file FILE *f = fopen("/proc/locks", "re");
	unsigned int major_nr, minor_nr;
	unsigned long inode;
	struct stat st;
	char line[256], mode[16];

	if (!f || fstat(fd, &st) < 0)
		return use;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d: FLOCK ADVISORY %15s %*d %x:%x:%lu", mode,
			   &major_nr, &minor_nr, &inode) != 4)
			continue;
		if (inode != st.st_ino || major_nr != major(st.st_dev) ||
		    minor_nr != minor(st.st_dev))
			continue;
		if (!strcmp(mode, "WRITE"))
			return VOLUME_WRITTEN;
		use = VOLUME_READ;
	}
	return use;
}

/* --- The file system in it ----------------------------------------------- */

#define SUPER_OFFSET 1024
#define SUPER_SIZE 1024

static uint32_t le32(const unsigned char *super, size_t at)
{
	const unsigned char *p = super + at;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint32_t le16(const unsigned char *super, size_t at)
{
	return super[at] | (uint32_t)super[at + 1] << 8;
}

/* Offsets in ext4's superblock, and bits in its words. */
enum {
	S_INODES = 0x0,
	S_BLOCKS = 0x4,
	S_FREE_BLOCKS = 0xc,
	S_FREE_INODES = 0x10,
	S_LOG_BLOCK_SIZE = 0x18,
	S_MAGIC = 0x38,
	S_STATE = 0x3a,
	S_COMPAT = 0x5c,
	S_INCOMPAT = 0x60,
	S_UUID = 0x68,
	S_LABEL = 0x78,
	S_BLOCKS_HIGH = 0x150,
	S_FREE_BLOCKS_HIGH = 0x158,
	MAGIC = 0xef53,
	STATE_ERRORS = 2,
	COMPAT_JOURNAL = 4,
	INCOMPAT_RECOVER = 4,
	INCOMPAT_EXTENTS = 0x40,
	INCOMPAT_64BIT = 0x80,
};

/* What it is if it is not ext4, by the bytes at its beginning. */
static const char *other_fs(int fd)
{
	static const struct {
		off_t at;
		const char *magic, *name;
	} known[] = {
		{ 0, "XFSB", "XFS" },
		{ 0x10040, "_BHRfS_M", "btrfs" },
		{ 1024, "\xe2\xe1\xf5\xe0", "EROFS" },
		{ 0, "hsqs", "squashfs" },
		{ 3, "NTFS", "NTFS" },
		{ 0, "QFI\xfb", "a qcow2 image (convert it to raw first)" },
		{ 0x200, "EFI PART", "a disk with partitions" },
		{ 0x36, "FAT", "FAT" },
		{ 0x52, "FAT32", "FAT" },
		{ 0, "\x1f\x8b", "compressed data" },
		{ 0, "\x28\xb5\x2f\xfd", "compressed data" },
		{ 510, "\x55\xaa", "a disk with partitions" },
	};
	char buf[16];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].magic);

		if (pread(fd, buf, n, known[i].at) == (ssize_t)n &&
		    memcmp(buf, known[i].magic, n) == 0)
			return known[i].name;
	}
	return NULL;
}

static void format_uuid(const unsigned char *u, char text[37])
{
	char *p = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", u[i]);
	}
}

int volume_fs_read(int fd, const char *what, struct volume_fs *fs,
		   struct err *e)
{
	unsigned char s[SUPER_SIZE];
	uint64_t blocks, nfree;
	const char *other;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", what);
	if (pread(fd, s, sizeof(s), SUPER_OFFSET) != (ssize_t)sizeof(s) ||
	    le16(s, S_MAGIC) != MAGIC) {
		other = other_fs(fd);
		if (other)
			return err_set(e, EINVAL, "%s is not ext4: it is %s",
				       what, other);
		return err_set(e, EINVAL, "%s holds no ext4 file system", what);
	}
	if (!(le32(s, S_COMPAT) & COMPAT_JOURNAL) ||
	    !(le32(s, S_INCOMPAT) & INCOMPAT_EXTENTS))
		return err_set(e, EINVAL,
			       "%s is not ext4: it is %s, which is not "
			       "supported",
			       what,
			       le32(s, S_COMPAT) & COMPAT_JOURNAL
				       ? "ext3"
				       : "ext2 or has no journal");
	blocks = le32(s, S_BLOCKS);
	nfree = le32(s, S_FREE_BLOCKS);
	if (le32(s, S_INCOMPAT) & INCOMPAT_64BIT) {
		blocks |= (uint64_t)le32(s, S_BLOCKS_HIGH) << 32;
		nfree |= (uint64_t)le32(s, S_FREE_BLOCKS_HIGH) << 32;
	}
	if (le32(s, S_LOG_BLOCK_SIZE) > 6 || blocks > UINT64_MAX >> 20)
		return err_set(e, EINVAL, "%s has an invalid superblock", what);
	fs->block_size = 1024U << le32(s, S_LOG_BLOCK_SIZE);
	fs->size = blocks * fs->block_size;
	fs->nfree = nfree * fs->block_size;
	fs->ninodes = le32(s, S_INODES);
	fs->nfree_inodes = le32(s, S_FREE_INODES);
	fs->needs_recovery = le32(s, S_INCOMPAT) & INCOMPAT_RECOVER;
	fs->has_errors = le16(s, S_STATE) & STATE_ERRORS;
	snprintf(fs->label, sizeof(fs->label), "%.16s", s + S_LABEL);
	format_uuid(s + S_UUID, fs->uuid);
	if ((uint64_t)st.st_size < fs->size)
		return err_set(e, EINVAL,
			       "%s is too small: %lld bytes, its file system "
			       "has %llu",
			       what, (long long)st.st_size,
			       (unsigned long long)fs->size);
	return 0;
}

/* --- What is known ------------------------------------------------------- */

static const char *use_name(enum volume_use use)
{
	return use == VOLUME_WRITTEN ? "read-write"
	       : use == VOLUME_READ  ? "read-only"
				     : "none";
}

static void add_fs(json_t *o, int fd, const char *name)
{
	struct err bad = ERR_INIT;
	struct volume_fs fs;

	if (volume_fs_read(fd, name, &fs, &bad) < 0) {
		json_object_set_new(o, "error", json_text(bad.msg));
		return;
	}
	json_object_set_new(
		o, "filesystem",
		json_pack("{s:s,s:o,s:s,s:i,s:I,s:I,s:I,s:I,s:b,s:b}", "type",
			  "ext4", "label", json_text(fs.label), "uuid", fs.uuid,
			  "block_size", (int)fs.block_size, "size",
			  (json_int_t)fs.size, "free", (json_int_t)fs.nfree,
			  "inodes", (json_int_t)fs.ninodes, "free_inodes",
			  (json_int_t)fs.nfree_inodes, "needs_recovery",
			  (int)fs.needs_recovery, "has_errors",
			  (int)fs.has_errors));
}

int volume_json(const struct store *s, const char *name, json_t **out,
		struct err *e)
{
	cleanup_free char *path = volume_disk(s, name);
	cleanup_free char *record = xasprintf(VOLUMES "/%s/volume.json", name);
	cleanup_json json_t *about = NULL;
	cleanup_close int fd = volume_look(s, name, e);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "%s", path);
	if (json_read(s->fd, record, RECORD_MAX, &about, NULL) < 0)
		about = json_object();
	*out = json_pack("{s:s,s:o,s:s,s:s,s:I,s:I,s:s}", "name", name, "path",
			 json_text(path), "created",
			 json_str_or(about, "created", ""), "from",
			 json_str_or(about, "from", ""), "size",
			 (json_int_t)st.st_size, "allocated",
			 (json_int_t)st.st_blocks * 512, "in_use",
			 use_name(volume_use(fd)));
	add_fs(*out, fd, name);
	return 0;
}
