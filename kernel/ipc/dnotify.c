/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnotify (F_NOTIFY): a signal when something happens in a directory. What the
 * program asked for goes with the first descriptor of the file that it closes.
 */
#include "kernel/cpu/current.h"
#include "kernel/ipc/inotify_int.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/poll.h"
#include "kernel/vfs/vfs.h"

enum { CODE_MSG = 3 }; /* si_code: POLL_MSG */

struct dnotify {
	struct list node; /* inode_watches.dnotify */
	struct file *f;	  /* borrowed: dnotify_close() comes first */
	struct fdtable *owner;
	int fd;
	u32 mask; /* DN_* */
};

/* The DN_* bits that an event answers. */
static u32 event_bits(u32 mask)
{
	static const struct {
		u32 events, bit;
	} map[] = {
		{ NOTIFY_ACCESS, DN_ACCESS },
		{ NOTIFY_MODIFY, DN_MODIFY },
		{ NOTIFY_ATTRIB, DN_ATTRIB },
		{ NOTIFY_CREATE | NOTIFY_MOVED_TO, DN_CREATE },
		{ NOTIFY_DELETE | NOTIFY_MOVED_FROM, DN_DELETE },
		{ NOTIFY_RENAME, DN_RENAME },
	};
	u32 bits = 0;

	for (u32 i = 0; i < ARRAY_SIZE(map); i++) {
		if (mask & map[i].events)
			bits |= map[i].bit;
	}
	return bits;
}

void dnotify_tell(struct inode_watches *all, u32 mask)
{
	u32 bits = event_bits(mask);
	struct dnotify *d, *tmp;

	list_for_each_safe (d, tmp, &all->dnotify, node) {
		if (!(d->mask & bits))
			continue;
		file_signal_io(d->f, d->fd, CODE_MSG,
			       EV_IN | EV_RDNORM | EV_MSG);
		if (!(d->mask & DN_MULTISHOT)) {
			list_del(&d->node);
			kfree(d);
		}
	}
}

static struct dnotify *find(struct inode_watches *all, const struct file *f,
			    const struct fdtable *owner)
{
	struct dnotify *d;

	list_for_each (d, &all->dnotify, node) {
		if (d->f == f && d->owner == owner)
			return d;
	}
	return NULL;
}

void dnotify_close(struct file *f, struct fdtable *owner)
{
	struct dnotify *d;

	mutex_lock(&inotify_lock);
	d = find(f->inode->watches, f, owner);
	if (d)
		list_del(&d->node);
	mutex_unlock(&inotify_lock);
	kfree(d);
}

static int dnotify_add(struct file *f, int fd, u32 mask)
{
	struct fdtable *owner = process_current()->files;
	struct inode_watches *all;
	struct dnotify *d;

	all = inode_watches(f->inode);
	if (!all)
		return -ENOMEM;
	d = find(all, f, owner);
	if (!d) {
		d = kzalloc(sizeof(*d));
		if (!d)
			return -ENOMEM;
		d->f = f;
		d->owner = owner;
		list_append(&all->dnotify, &d->node);
	}
	d->fd = fd;
	d->mask |= mask;
	vfs_has_watches = true;
	return 0;
}

int dnotify_set(struct file *f, int fd, u32 mask)
{
	int err;

	if (!(mask & ~DN_MULTISHOT)) {
		if (f->inode->watches)
			dnotify_close(f, process_current()->files);
		return 0;
	}
	if (!inode_is(f->inode, TYPE_DIR))
		return -ENOTDIR;
	mutex_lock(&inotify_lock);
	err = dnotify_add(f, fd, mask);
	mutex_unlock(&inotify_lock);
	if (!err && file_get_owner(f) == 0)
		err = file_set_owner(f, process_current()->pid, false);
	return err;
}
