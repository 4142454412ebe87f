/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events for inotify: told to a watched inode and to its watched directory.
 */
#include "kernel/vfs/vfs_int.h"

bool vfs_has_watches;

void vfs_notify_slow(struct dentry *d, u32 mask)
{
	struct inode *i = d->inode;
	struct dentry *parent = d->parent;

	if (inode_is(i, TYPE_DIR))
		mask |= NOTIFY_ISDIR;
	if (parent && atomic_load(&parent->inode->watches))
		inotify_event(parent->inode, mask, 0, d->name);
	if (atomic_load(&i->watches))
		inotify_event(i, mask, 0, NULL);
}

void vfs_notify_dir_slow(struct inode *dir, u32 mask, u32 cookie,
			 const char *name, bool is_dir)
{
	if (is_dir)
		mask |= NOTIFY_ISDIR;
	if (atomic_load(&dir->watches))
		inotify_event(dir, mask, cookie, name);
}
