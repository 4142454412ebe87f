/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in memory: shared by tmpfs and by the overlay, whose upper layer this
 * is. The operations are those of struct inode_ops, with its locking.
 */
#ifndef JIFFY_KERNEL_FS_TMPFS_H
#define JIFFY_KERNEL_FS_TMPFS_H

#include "kernel/vfs/inode.h"

#define TMPFS_MAGIC 0x01021994
#define TMPFS_DIRENT_SIZE 20 /* what an entry adds to a directory's size */

/* First member of fs->data: which operations new inodes get. */
struct tmpfs_sb {
	const struct inode_ops *dir_ops, *file_ops, *link_ops, *node_ops;
	const struct file_ops *dir_fops;
};

/* A new inode of the right kind, accounted; -ENOSPC. */
int tmpfs_inode_new(struct fs *fs, struct inode *dir, u32 mode, u32 rdev,
		    struct inode **i);
/* Operations by the type in i->mode. */
void tmpfs_set_ops(struct inode *i);
int tmpfs_create(struct inode *dir, struct dentry *d, u32 mode, u32 rdev,
		 struct inode **i);
int tmpfs_mkdir(struct inode *dir, struct dentry *d, u32 mode,
		struct inode **i);
int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target,
		  struct inode **i);
int tmpfs_link(struct inode *dir, struct dentry *d, struct inode *i);
int tmpfs_unlink(struct inode *dir, struct dentry *d);
/* The caller has seen that it is empty. */
int tmpfs_rmdir_empty(struct inode *dir, struct dentry *d);
/* The same for a replaced directory. */
int tmpfs_rename_counts(struct inode *old_dir, struct dentry *old_d,
			struct inode *new_dir, struct dentry *new_d, u32 flags);
int tmpfs_tmpfile(struct inode *dir, u32 mode, struct inode **i);
int tmpfs_readlink(struct inode *i, char *buf, size_t size);
int tmpfs_dir_fsync(struct file *f, bool data_only);
int tmpfs_statfs(struct fs *fs, struct linux_statfs *st);
/* size=, nr_inodes=, mode=, uid=, gid= of mount(2). -EINVAL. */
int tmpfs_options(struct fs *fs, const char *options, struct attr *root);

#endif
