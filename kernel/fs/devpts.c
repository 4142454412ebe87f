/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/pts: the slaves of open pseudo-terminals, by number, and ptmx. The pairs
 * themselves are dev/pty.c's; names come and go with them.
 */
#include "kernel/dev/chrdev.h"
#include "kernel/dev/pty.h"
#include "kernel/fs/pseudo.h"
#include "kernel/kernel.h"
#include "kernel/vfs/vfs.h"

#define DEVPTS_MAGIC 0x1cd1
#define PTMX_INO 2
#define SLAVE_INO 3 /* + index */
#define DOTS 2

static const struct inode_ops slave_iops;

static int slave_index(const struct inode *i)
{
	return (int)(i->ino - SLAVE_INO);
}

static int slave_inode(struct inode *dir, u32 index, struct inode **out)
{
	struct pty_info info;
	struct inode *i;

	if (!pty_find(index, &info))
		return -ENOENT;
	i = inode_new(dir->fs, dir, TYPE_CHR | info.mode);
	if (!i)
		return -ENOMEM;
	i->ops = &slave_iops;
	i->ino = SLAVE_INO + index;
	i->rdev = RDEV(MAJOR_PTS, index);
	i->uid = info.uid;
	i->gid = info.gid;
	*out = i;
	return 0;
}

static int devpts_lookup(struct inode *dir, const char *name, u32 len,
			 struct inode **out)
{
	struct inode *i;
	u32 index;

	if (pseudo_number(name, len, &index))
		return slave_inode(dir, index, out);
	if (len != 4 || memcmp(name, "ptmx", 4) != 0)
		return -ENOENT;
	i = inode_new(dir->fs, dir, TYPE_CHR | 0666);
	if (!i)
		return -ENOMEM;
	i->ops = &slave_iops;
	i->ino = PTMX_INO;
	i->rdev = RDEV_PTMX;
	i->uid = 0;
	i->gid = 0;
	*out = i;
	return 0;
}

/* Permissions live in the pair, as inodes are made at each lookup. */
static int slave_setattr(struct inode *i, const struct attr *a)
{
	if (a->valid & ATTR_MODE)
		i->mode = TYPE_CHR | (a->mode & 07777);
	if (a->valid & ATTR_UID)
		i->uid = a->uid;
	if (a->valid & ATTR_GID)
		i->gid = a->gid;
	if (i->ino >= SLAVE_INO)
		pty_set_owner((u32)slave_index(i), i->uid, i->gid, i->mode);
	return 0;
}

static int devpts_readdir(struct file *f, struct dir_context *ctx)
{
	char name[12];

	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos == DOTS) {
		if (!ctx->emit(ctx, "ptmx", 4, PTMX_INO, TYPE_CHR, DOTS + 1))
			return 0;
		ctx->pos = DOTS + 1;
	}
	for (;;) {
		int index = pty_next((u32)(ctx->pos - DOTS - 1));
		u64 next = (u64)index + DOTS + 2;
		int len;

		if (index < 0)
			return 0;
		len = fmt_format(name, sizeof(name), "%d", index);
		if (!ctx->emit(ctx, name, (u32)len, SLAVE_INO + (u64)index,
			       TYPE_CHR, next))
			return 0;
		ctx->pos = next;
	}
}

static const struct inode_ops slave_iops = {
	.setattr = slave_setattr,
};

static const struct inode_ops devpts_iops = {
	.lookup = devpts_lookup,
};

static const struct file_ops devpts_fops = {
	.name = "devpts",
	.lseek = file_seek_endless,
	.readdir = devpts_readdir,
};

static int devpts_mount(UNUSED const char *source, UNUSED const char *options,
			struct fs **out)
{
	struct fs *fs = fs_new(&devpts_type, DEVPTS_MAGIC);
	struct inode *i;

	if (!fs)
		return -ENOMEM;
	i = inode_new(fs, NULL, TYPE_DIR | 0755);
	if (!i)
		goto out_put_fs;
	i->ops = &devpts_iops;
	i->fops = &devpts_fops;
	i->ino = 1;
	i->nlink = 2;
	i->flags |= INODE_NOCACHE;
	fs->root = dentry_new_root(i);
	if (!fs->root) {
		inode_put(i);
		goto out_put_fs;
	}
	*out = fs;
	return 0;
out_put_fs:
	fs_put(fs);
	return -ENOMEM;
}

const struct fs_type devpts_type = {
	.name = "devpts",
	.mount = devpts_mount,
	.unmount = pseudo_unmount,
	.statfs = pseudo_statfs,
};
