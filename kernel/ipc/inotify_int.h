/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to inotify and dnotify: who watches an inode.
 */
#ifndef JIFFY_KERNEL_IPC_INOTIFY_INT_H
#define JIFFY_KERNEL_IPC_INOTIFY_INT_H

#include "kernel/proc/lock.h"
#include "lib/list.h"

struct inode;

struct inode_watches {	     /* inode->watches; lives as long as the inode */
	struct list list;    /* struct inode_watch */
	struct list dnotify; /* struct dnotify */
};

/* Of all inodes; then an inotify set's lock, or those of sending a signal. */
extern struct mutex inotify_lock;

/* Those of an inode, made if need be: NULL: no memory. inotify_lock held. */
struct inode_watches *inode_watches(struct inode *inode);
/* Signal for an event in a directory, mask NOTIFY_*. inotify_lock held. */
void dnotify_tell(struct inode_watches *all, u32 mask);

#endif
