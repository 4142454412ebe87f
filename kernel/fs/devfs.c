/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: a tmpfs instance that starts with the usual nodes, so that programs may
 * add their own (syslog's socket, for one).
 */
#include "kernel/dev/blkdev.h"
#include "kernel/dev/block.h"
#include "kernel/dev/chrdev.h"
#include "kernel/kernel.h"
#include "kernel/vfs/inode.h"

#define DEVFS_OPTIONS "mode=755"

struct devfs_entry {
	const char *name;
	u32 mode; /* S_IF* and permissions */
	u32 rdev;
	const char *target; /* of a symbolic link */
};

/* clang-format off */
static const struct devfs_entry entries[] = {
	{ "null", TYPE_CHR | 0666, RDEV_NULL, NULL },
	{ "zero", TYPE_CHR | 0666, RDEV_ZERO, NULL },
	{ "full", TYPE_CHR | 0666, RDEV_FULL, NULL },
	{ "random", TYPE_CHR | 0666, RDEV_RANDOM, NULL },
	{ "urandom", TYPE_CHR | 0666, RDEV_URANDOM, NULL },
	{ "tty", TYPE_CHR | 0666, RDEV_TTY, NULL },
	{ "console", TYPE_CHR | 0666, RDEV_CONSOLE, NULL },
	{ "ptmx", TYPE_CHR | 0666, RDEV_PTMX, NULL },
	{ "generation", TYPE_CHR | 0444, RDEV_GENERATION, NULL },
	{ "fd", TYPE_LNK | 0777, 0, "/proc/self/fd" },
	{ "stdin", TYPE_LNK | 0777, 0, "/proc/self/fd/0" },
	{ "stdout", TYPE_LNK | 0777, 0, "/proc/self/fd/1" },
	{ "stderr", TYPE_LNK | 0777, 0, "/proc/self/fd/2" },
	{ "pts", TYPE_DIR | 0755, 0, NULL },
	{ "shm", TYPE_DIR | 01777, 0, NULL },
	{ "mqueue", TYPE_DIR | 01777, 0, NULL },
	{ "jiffy", TYPE_DIR | 0755, 0, NULL }, /* last: has entries */
};

static const struct devfs_entry jiffy_entries[] = {
	{ "keepawake", TYPE_CHR | 0666, RDEV_KEEPAWAKE, NULL },
	{ "notify", TYPE_CHR | 0444, RDEV_NOTIFY, NULL },
};
/* clang-format on */

static int make_inode(struct inode *dir, struct dentry *d,
		      const struct devfs_entry *e, struct inode **inode)
{
	switch (e->mode & TYPE_MASK) {
	case TYPE_DIR:
		return dir->ops->mkdir(dir, d, e->mode, inode);
	case TYPE_LNK:
		return dir->ops->symlink(dir, d, e->target, inode);
	default:
		return dir->ops->create(dir, d, e->mode, e->rdev, inode);
	}
}

/* The directory is not visible yet but is locked as its operations expect.
 * *made stays as long as the filesystem. */
static int make_entry(struct dentry *parent, const struct devfs_entry *e,
		      struct dentry **made)
{
	struct inode *dir = parent->inode;
	struct dentry *d;
	int err;

	d = dentry_new(parent, e->name, (u32)strlen(e->name), NULL);
	if (!d)
		return -ENOMEM;
	d->flags |= DENTRY_PINNED;
	rw_write_lock(&dir->lock);
	err = make_inode(dir, d, e, &d->inode);
	if (!err)
		err = dentry_link(d);
	rw_write_unlock(&dir->lock);
	*made = d;
	dentry_put(d);
	return err;
}

static int make_entries(struct dentry *root)
{
	struct dentry *d = NULL, *dir;
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(entries) && !err; i++)
		err = make_entry(root, &entries[i], &d);
	dir = d;
	for (size_t i = 0; i < ARRAY_SIZE(jiffy_entries) && !err; i++)
		err = make_entry(dir, &jiffy_entries[i], &d);
	return err;
}

/* A node for each volume. */
static int make_block_nodes(struct dentry *root)
{
	struct block_device *d;
	struct dentry *made;
	int err = 0;

	for (u32 i = 0; !err && (d = block_device(i)); i++) {
		struct devfs_entry e = { d->name, TYPE_BLK | 0660,
					 blkdev_rdev(i), NULL };

		err = make_entry(root, &e, &made);
	}
	return err;
}

static int devfs_mount(const char *source, UNUSED const char *options,
		       struct fs **out)
{
	struct fs *fs;
	int err = tmpfs_type.mount(source, DEVFS_OPTIONS, &fs);

	if (err)
		return err;
	fs->type = &devfs_type;
	err = make_entries(fs->root);
	if (!err)
		err = make_block_nodes(fs->root);
	if (err) {
		fs_put(fs);
		return err;
	}
	*out = fs;
	return 0;
}

static void devfs_unmount(struct fs *fs)
{
	if (tmpfs_type.unmount)
		tmpfs_type.unmount(fs);
}

static int devfs_statfs(struct fs *fs, struct linux_statfs *st)
{
	return tmpfs_type.statfs(fs, st);
}

const struct fs_type devfs_type = {
	.name = "devtmpfs",
	.mount = devfs_mount,
	.unmount = devfs_unmount,
	.statfs = devfs_statfs,
};
