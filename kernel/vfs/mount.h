/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the mount tree beyond mount_add() and mount_remove() (inode.h).
 */
#ifndef JIFFY_KERNEL_VFS_MOUNT_H
#define JIFFY_KERNEL_VFS_MOUNT_H

#include "kernel/vfs/inode.h"

/* The anonymous mount, and nothing else yet. */
int mount_init(void);
/* Mounts below `from` are not copied: recursive is refused if there are any. */
int mount_bind(const struct path *from, bool recursive, const struct path *at);
int mount_change(const struct path *at, u32 flags);
int mount_move(const struct path *from, const struct path *to);
/* new_root becomes the root of the tree, the old one hangs at put_old. */
int mount_pivot(const struct path *new_root, const struct path *put_old);
const struct fs_type *fs_type_find(const char *name);
/* For /proc/filesystems: NULL at the end; types without mount() are not
 * served. */
const struct fs_type *fs_type_at(u32 i);
/* A mount of fs (reference taken over) that is no part of the tree and stays.
 * NULL: no memory. */
struct mount *mount_internal(struct fs *fs, const char *source);
/* The end of the instance: write everything back and unmount what lies on
 * devices, the last one first. No program runs any more. */
void mount_end(void);
bool mount_is_busy(struct mount *m);

#endif
