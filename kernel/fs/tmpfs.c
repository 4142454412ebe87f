/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: directories are their pinned dentries, files are cache objects.
 */
#include "kernel/fs/tmpfs.h"

#include "kernel/fs/xattr.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/vfs/vfs.h"

static const struct tmpfs_sb *sb_of(const struct fs *fs)
{
	return fs->data;
}

/* --- Inodes -------------------------------------------------------------- */

void tmpfs_set_ops(struct inode *i)
{
	const struct tmpfs_sb *sb = sb_of(i->fs);

	switch (i->mode & TYPE_MASK) {
	case TYPE_DIR:
		i->ops = sb->dir_ops;
		i->fops = sb->dir_fops;
		break;
	case TYPE_REG:
		i->ops = sb->file_ops;
		i->fops = &regular_fops;
		break;
	case TYPE_LNK:
		i->ops = sb->link_ops;
		break;
	default:
		i->ops = sb->node_ops;
	}
}

int tmpfs_inode_new(struct fs *fs, struct inode *dir, u32 mode, u32 rdev,
		    struct inode **out)
{
	struct inode *i;

	if (fs->max_inodes && atomic_load(&fs->ninodes) >= fs->max_inodes)
		return -ENOSPC;
	i = inode_new(fs, dir, mode);
	if (!i)
		return -ENOMEM;
	i->rdev = rdev;
	tmpfs_set_ops(i);
	if (inode_is(i, TYPE_DIR)) {
		i->nlink = 2;
		i->size = 2 * TMPFS_DIRENT_SIZE;
	}
	if (inode_is(i, TYPE_REG) && object_new_cache(0, &i->object) != 0) {
		i->object = NULL;
		inode_put(i);
		return -ENOMEM;
	}
	*out = i;
	return 0;
}

static void dir_changed(struct inode *dir, s64 entries)
{
	dir->size += (u64)(entries * TMPFS_DIRENT_SIZE);
	dir->mtime = time_now();
	dir->ctime = dir->mtime;
}

int tmpfs_create(struct inode *dir, struct dentry *d UNUSED, u32 mode, u32 rdev,
		 struct inode **i)
{
	int err = tmpfs_inode_new(dir->fs, dir, mode, rdev, i);

	if (!err)
		dir_changed(dir, 1);
	return err;
}

int tmpfs_mkdir(struct inode *dir, struct dentry *d UNUSED, u32 mode,
		struct inode **i)
{
	int err = tmpfs_inode_new(dir->fs, dir, mode, 0, i);

	if (err)
		return err;
	dir->nlink++;
	dir_changed(dir, 1);
	return 0;
}

int tmpfs_symlink(struct inode *dir, struct dentry *d UNUSED,
		  const char *target, struct inode **out)
{
	struct inode *i;
	int err = tmpfs_inode_new(dir->fs, dir, TYPE_LNK | 0777, 0, &i);

	if (err)
		return err;
	i->link_len = (u32)strlen(target);
	i->link = kstrndup(target, i->link_len);
	if (!i->link) {
		inode_put(i);
		return -ENOMEM;
	}
	i->size = i->link_len;
	dir_changed(dir, 1);
	*out = i;
	return 0;
}

int tmpfs_link(struct inode *dir, struct dentry *d UNUSED, struct inode *i)
{
	if (i->fs != dir->fs)
		return -EXDEV;
	atomic_fetch_add(&i->nlink, 1);
	inode_touch(i, ATTR_CTIME);
	dir_changed(dir, 1);
	return 0;
}

int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	atomic_fetch_sub(&d->inode->nlink, 1);
	dir_changed(dir, -1);
	d->inode->ctime = dir->ctime;
	return 0;
}

int tmpfs_rmdir_empty(struct inode *dir, struct dentry *d)
{
	d->inode->nlink = 0;
	dir->nlink--;
	dir_changed(dir, -1);
	d->inode->ctime = dir->ctime;
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (dentry_has_pinned(d))
		return -ENOTEMPTY;
	return tmpfs_rmdir_empty(dir, d);
}

int tmpfs_rename_counts(struct inode *old_dir, struct dentry *old_d,
			struct inode *new_dir, struct dentry *new_d, u32 flags)
{
	bool is_dir = inode_is(old_d->inode, TYPE_DIR);
	bool is_exchange = (flags & 2) != 0; /* RENAME_EXCHANGE */

	if (new_d->inode && is_exchange) {
		bool is_new_dir = inode_is(new_d->inode, TYPE_DIR);

		if (is_dir != is_new_dir && old_dir != new_dir) {
			old_dir->nlink += is_dir ? (u32)-1 : 1;
			new_dir->nlink += is_dir ? 1 : (u32)-1;
		}
		inode_touch(new_d->inode, ATTR_CTIME);
	} else {
		if (new_d->inode && is_dir)
			(void)tmpfs_rmdir_empty(new_dir, new_d);
		else if (new_d->inode)
			(void)tmpfs_unlink(new_dir, new_d);
		if (is_dir && old_dir != new_dir) {
			old_dir->nlink--;
			new_dir->nlink++;
		}
		dir_changed(old_dir, -1);
		dir_changed(new_dir, 1);
		inode_touch(old_d->inode, ATTR_CTIME);
		return 0;
	}
	dir_changed(old_dir, 0);
	dir_changed(new_dir, 0);
	inode_touch(old_d->inode, ATTR_CTIME);
	return 0;
}

static int tmpfs_rename(struct inode *old_dir, struct dentry *old_d,
			struct inode *new_dir, struct dentry *new_d, u32 flags)
{
	if (new_d->inode && !(flags & 2) && inode_is(new_d->inode, TYPE_DIR) &&
	    dentry_has_pinned(new_d))
		return -ENOTEMPTY;
	return tmpfs_rename_counts(old_dir, old_d, new_dir, new_d, flags);
}

int tmpfs_tmpfile(struct inode *dir, u32 mode, struct inode **i)
{
	int err = tmpfs_inode_new(dir->fs, dir, mode, 0, i);

	if (!err)
		(*i)->nlink = 0;
	return err;
}

int tmpfs_readlink(struct inode *i, char *buf, size_t size)
{
	if (i->link_len >= size)
		return -ENAMETOOLONG;
	memcpy(buf, i->link, i->link_len + 1);
	return (int)i->link_len;
}

/* --- Directories as files ------------------------------------------------ */

static int tmpfs_readdir(struct file *f, struct dir_context *ctx)
{
	if (dir_emit_dots(f, ctx))
		(void)dentry_emit_pinned(f->path.dentry, ctx, 0);
	inode_accessed(f->inode, f->path.mount, f);
	return 0;
}

int tmpfs_dir_fsync(struct file *f UNUSED, bool data_only UNUSED)
{
	return 0; /* memory is all there is below */
}

static const struct file_ops tmpfs_dir_fops = {
	.name = "directory",
	.lseek = file_seek_endless,
	.readdir = tmpfs_readdir,
	.fsync = tmpfs_dir_fsync,
};

/* --- Tables -------------------------------------------------------------- */

#define XATTR_OPS                                               \
	.getxattr = xattr_list_get, .setxattr = xattr_list_set, \
	.listxattr = xattr_list_names, .removexattr = xattr_list_remove

static const struct inode_ops tmpfs_dir_ops = {
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	XATTR_OPS,
};
static const struct inode_ops tmpfs_file_ops = { XATTR_OPS };
static const struct inode_ops tmpfs_link_ops = {
	.readlink = tmpfs_readlink,
	XATTR_OPS,
};

static const struct tmpfs_sb tmpfs_sb = {
	.dir_ops = &tmpfs_dir_ops,
	.file_ops = &tmpfs_file_ops,
	.link_ops = &tmpfs_link_ops,
	.node_ops = &tmpfs_file_ops,
	.dir_fops = &tmpfs_dir_fops,
};

/* --- Mounting ------------------------------------------------------------ */

/* "512m", "50%": bytes of it. */
static int parse_size(const char *s, size_t n, u64 *bytes)
{
	u64 shift = 0, value;
	char last = n ? s[n - 1] : '\0';

	switch (last | 0x20) {
	case 'k':
		shift = 10;
		break;
	case 'm':
		shift = 20;
		break;
	case 'g':
		shift = 30;
		break;
	default:
		break;
	}
	if (str_to_u64(s, shift || last == '%' ? n - 1 : n, 10, &value) != 0)
		return -EINVAL;
	if (last == '%')
		*bytes = (kernel.memory_limit ? kernel.memory_limit : GIB(1)) /
			 100 * MIN(value, 100UL);
	else if (value > UINT64_MAX >> shift)
		return -EINVAL;
	else
		*bytes = value << shift;
	return 0;
}

static bool key_is(const char *s, size_t n, const char *key)
{
	return strlen(key) == n && memcmp(s, key, n) == 0;
}

static int option(struct fs *fs, struct attr *root, const char *key,
		  size_t key_len, const char *value, size_t n)
{
	u64 number;
	int err;

	if (key_is(key, key_len, "size")) {
		err = parse_size(value, n, &number);
		fs->max_pages = PAGE_UP(number) / PAGE_SIZE;
		return err;
	}
	if (key_is(key, key_len, "nr_inodes")) {
		err = parse_size(value, n, &number);
		fs->max_inodes = number;
		return err;
	}
	if (key_is(key, key_len, "mode")) {
		err = str_to_u64(value, n, 8, &number);
		root->mode = (u32)number & MODE_PERM;
		return err;
	}
	if (key_is(key, key_len, "uid")) {
		err = str_to_u64(value, n, 10, &number);
		root->uid = (u32)number;
		return err;
	}
	if (key_is(key, key_len, "gid")) {
		err = str_to_u64(value, n, 10, &number);
		root->gid = (u32)number;
		return err;
	}
	return -EINVAL;
}

int tmpfs_options(struct fs *fs, const char *options, struct attr *root)
{
	const char *s = options ? options : "";

	while (*s) {
		const char *end = strchr(s, ','), *eq;
		size_t n = end ? (size_t)(end - s) : strlen(s);
		int err = 0;

		eq = memchr(s, '=', n);
		if (eq)
			err = option(fs, root, s, (size_t)(eq - s), eq + 1,
				     n - (size_t)(eq + 1 - s));
		else if (n)
			err = -EINVAL;
		if (err)
			return -EINVAL;
		s += n + (end ? 1 : 0);
	}
	return 0;
}

static int tmpfs_mount(const char *source UNUSED, const char *options,
		       struct fs **out)
{
	struct attr root = { .mode = 01777 };
	struct fs *fs = fs_new(&tmpfs_type, TMPFS_MAGIC);
	struct inode *i;
	int err;

	if (!fs)
		return -ENOMEM;
	fs->data = (void *)(uintptr_t)&tmpfs_sb;
	err = tmpfs_options(fs, options, &root);
	if (!err)
		err = tmpfs_inode_new(fs, NULL, TYPE_DIR | root.mode, 0, &i);
	if (err) {
		fs_put(fs);
		return err;
	}
	i->uid = root.uid;
	i->gid = root.gid;
	fs->root = dentry_new_root(i);
	if (!fs->root) {
		inode_put(i);
		fs_put(fs);
		return -ENOMEM;
	}
	*out = fs;
	return 0;
}

int tmpfs_statfs(struct fs *fs, struct linux_statfs *st)
{
	u64 pages = fs->max_pages ? fs->max_pages
				  : kernel.memory_limit / PAGE_SIZE;
	u64 used = fs->max_pages ? atomic_load(&fs->used_pages)
				 : object_total_pages();

	st->type = (s64)fs->magic;
	st->bsize = PAGE_SIZE;
	st->frsize = PAGE_SIZE;
	st->namelen = NAME_MAX_LEN;
	if (!pages)
		pages = GIB(16) / PAGE_SIZE;
	st->blocks = pages;
	st->bfree = used < pages ? pages - used : 0;
	st->bavail = st->bfree;
	st->files = fs->max_inodes ? fs->max_inodes : 1UL << 20;
	st->ffree = st->files - MIN(st->files, atomic_load(&fs->ninodes));
	return 0;
}

const struct fs_type tmpfs_type = {
	.name = "tmpfs",
	.mount = tmpfs_mount,
	.statfs = tmpfs_statfs,
};
