/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify: watches hang on inodes, events queue in sets. One lock covers the
 * watches of all inodes: events reach it only for inodes that are watched.
 * A watch holds the dentry it was set on, so that the inode stays the one that
 * lookups find. Locks: `inotify_lock`, then set->lock.
 */
#include "kernel/ipc/inotify.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/inotify_int.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/vfs.h"

#define EVENTS_MAX 16384  /* fs.inotify.max_queued_events */
#define WATCHES_MAX 65536 /* fs.inotify.max_user_watches */

struct linux_inotify_event {
	s32 wd;
	u32 mask, cookie, len; /* len: of the padded name that follows */
};

struct event {
	struct list node;
	struct linux_inotify_event e;
	char name[];
};

struct inotify {
	struct ref ref;	   /* the file, each watch */
	struct mutex lock; /* events */
	struct list events;
	u32 nevents;
	u64 bytes;
	struct waitq wait;
	/* Under inotify_lock. */
	struct list watches; /* struct inode_watch.set_node */
	s32 next_wd;
};

struct inode_watch {
	struct list inode_node;
	struct list set_node;
	struct list dead_node;
	struct inotify *set;   /* reference */
	struct dentry *dentry; /* reference */
	u32 mask;
	s32 wd;
};

struct mutex inotify_lock;
static u32 nwatches;

static const struct file_ops inotify_fops;

static void set_put(struct inotify *n)
{
	struct event *e, *tmp;

	if (!ref_put(&n->ref))
		return;
	list_for_each_safe (e, tmp, &n->events, node)
		kfree(e);
	kfree(n);
}

/* --- Queueing ----------------------------------------------------------------
 */

static bool same_event(const struct event *a, const struct event *b)
{
	return a->e.wd == b->e.wd && a->e.mask == b->e.mask &&
	       a->e.cookie == b->e.cookie && a->e.len == b->e.len &&
	       (a->e.len == 0 || strcmp(a->name, b->name) == 0);
}

static struct event *event_new(s32 wd, u32 mask, u32 cookie, const char *name)
{
	u32 n = name ? (u32)ROUND_UP(strlen(name) + 1, 16) : 0;
	struct event *e = kzalloc(sizeof(*e) + n);

	if (!e)
		return NULL;
	e->e.wd = wd;
	e->e.mask = mask;
	e->e.cookie = cookie;
	e->e.len = n;
	if (n)
		str_copy(e->name, n, name);
	return e;
}

static void set_queue(struct inotify *n, s32 wd, u32 mask, u32 cookie,
		      const char *name)
{
	struct event *e, *last = NULL;

	mutex_lock(&n->lock);
	if (!list_empty(&n->events))
		last = list_last(&n->events, struct event, node);
	if (n->nevents >= EVENTS_MAX) {
		wd = -1;
		mask = INOTIFY_Q_OVERFLOW;
		cookie = 0;
		name = NULL;
	}
	e = event_new(wd, mask, cookie, name);
	if (!e || (last && same_event(last, e))) {
		kfree(e);
	} else {
		list_append(&n->events, &e->node);
		n->nevents++;
		n->bytes += sizeof(e->e) + e->e.len;
	}
	mutex_unlock(&n->lock);
	waitq_wake_events(&n->wait, EV_IN | EV_RDNORM, 1);
}

/* inotify_lock held: the watch ends; finished by watches_free(). */
static void watch_unlink(struct inode_watch *w, struct list *dead)
{
	list_del(&w->inode_node);
	list_del(&w->set_node);
	list_append(dead, &w->dead_node);
	nwatches--;
}

/* No lock of ours held. */
static void watches_free(struct list *dead)
{
	struct inode_watch *w, *tmp;

	list_for_each_safe (w, tmp, dead, dead_node) {
		dentry_put(w->dentry);
		set_put(w->set);
		kfree(w);
	}
}

static void watch_tell(struct inode_watch *w, u32 mask, u32 cookie,
		       const char *name, struct list *dead)
{
	u32 events = mask & INOTIFY_EVENTS;
	bool ends = (events & NOTIFY_DELETE_SELF) && !name;

	if (events & w->mask) {
		set_queue(w->set, w->wd, mask, cookie, name);
		ends |= (w->mask & INOTIFY_ONESHOT) != 0;
	}
	if (ends) {
		set_queue(w->set, w->wd, INOTIFY_IGNORED, 0, NULL);
		watch_unlink(w, dead);
	}
}

void inotify_event(struct inode *inode, u32 mask, u32 cookie, const char *name)
{
	struct inode_watches *all;
	struct inode_watch *w, *tmp;
	struct list dead;

	list_init(&dead);
	mutex_lock(&inotify_lock);
	all = inode->watches;
	if (all) {
		list_for_each_safe (w, tmp, &all->list, inode_node)
			watch_tell(w, mask, cookie, name, &dead);
		if (!list_empty(&all->dnotify))
			dnotify_tell(all, mask);
	}
	mutex_unlock(&inotify_lock);
	watches_free(&dead);
}

void inotify_gone(struct inode *inode)
{
	struct inode_watches *all = inode->watches;

	/* Watches hold the dentry, which holds the inode. */
	kassert(list_empty(&all->list) && list_empty(&all->dnotify));
	inode->watches = NULL;
	kfree(all);
}

/* --- Watches
 * -------------------------------------------------------------------- */

static struct inode_watch *find_watch(struct inotify *n, struct inode *inode)
{
	struct inode_watches *all = inode->watches;
	struct inode_watch *w;

	if (!all)
		return NULL;
	list_for_each (w, &all->list, inode_node) {
		if (w->set == n)
			return w;
	}
	return NULL;
}

struct inode_watches *inode_watches(struct inode *inode)
{
	struct inode_watches *all = inode->watches;

	if (all)
		return all;
	all = kzalloc(sizeof(*all));
	if (all) {
		list_init(&all->list);
		list_init(&all->dnotify);
		atomic_store_release(&inode->watches, (void *)all);
	}
	return all;
}

static int watch_new(struct inotify *n, const struct path *p, u32 mask)
{
	struct inode *inode = p->dentry->inode;
	struct inode_watches *all;
	struct inode_watch *w;

	if (nwatches >= WATCHES_MAX)
		return -ENOSPC;
	all = inode_watches(inode);
	w = all ? kzalloc(sizeof(*w)) : NULL;
	if (!w)
		return -ENOMEM;
	list_init(&w->dead_node);
	ref_get(&n->ref);
	w->set = n;
	dentry_get(p->dentry);
	w->dentry = p->dentry;
	w->mask = mask;
	w->wd = ++n->next_wd;
	list_append(&all->list, &w->inode_node);
	list_append(&n->watches, &w->set_node);
	nwatches++;
	vfs_has_watches = true;
	return w->wd;
}

int inotify_add(struct file *f, const struct path *p, u32 mask)
{
	u32 keep = mask &
		   (INOTIFY_EVENTS | INOTIFY_ONESHOT | INOTIFY_EXCL_UNLINK);
	struct inode_watch *w;
	int ret;

	if (f->ops != &inotify_fops)
		return -EINVAL;
	mutex_lock(&inotify_lock);
	w = find_watch(f->data, p->dentry->inode);
	if (!w) {
		ret = watch_new(f->data, p, keep);
	} else if (mask & INOTIFY_MASK_CREATE) {
		ret = -EEXIST;
	} else {
		w->mask = mask & INOTIFY_MASK_ADD ? w->mask | keep : keep;
		ret = w->wd;
	}
	mutex_unlock(&inotify_lock);
	return ret;
}

int inotify_remove(struct file *f, int wd)
{
	struct inotify *n = f->data;
	struct inode_watch *w, *tmp;
	struct list dead;
	int ret = -EINVAL;

	if (f->ops != &inotify_fops)
		return -EINVAL;
	list_init(&dead);
	mutex_lock(&inotify_lock);
	list_for_each_safe (w, tmp, &n->watches, set_node) {
		if (w->wd != wd)
			continue;
		set_queue(n, wd, INOTIFY_IGNORED, 0, NULL);
		watch_unlink(w, &dead);
		ret = 0;
		break;
	}
	mutex_unlock(&inotify_lock);
	watches_free(&dead);
	return ret;
}

/* --- The file
 * ---------------------------------------------------------------------- */

/* Wait for an event, under n->lock. */
static int wait_event(struct inotify *n, bool nonblock)
{
	int err = 0;

	while (list_empty(&n->events)) {
		struct waiter w;

		if (err || nonblock)
			return err ? -ERESTARTSYS : -EAGAIN;
		waiter_init(&w);
		waitq_add_exclusive(&n->wait, &w);
		mutex_unlock(&n->lock);
		err = thread_sleep(NSEC_MAX, true);
		waitq_remove(&w);
		mutex_lock(&n->lock);
	}
	return 0;
}

static s64 put_event(const struct event *e, struct uio *u)
{
	u64 n = sizeof(e->e) + e->e.len;

	return uio_put(u, &e->e, n) == (s64)n ? (s64)n : -EFAULT;
}

static s64 inotify_read(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct inotify *n = f->data;
	s64 total = 0, ret;

	mutex_lock(&n->lock);
	ret = wait_event(n, atomic_load(&f->flags) & O_NONBLOCK);
	while (!ret && !list_empty(&n->events)) {
		struct event *e = list_first(&n->events, struct event, node);
		u64 size = sizeof(e->e) + e->e.len;

		if (size > u->left) {
			ret = -EINVAL;
			break;
		}
		ret = put_event(e, u);
		if (ret < 0)
			break;
		total += ret;
		ret = 0;
		list_del(&e->node);
		n->nevents--;
		n->bytes -= size;
		kfree(e);
	}
	mutex_unlock(&n->lock);
	return total ? total : ret;
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *n = f->data;

	poll_wait(pt, &n->wait);
	return atomic_load(&n->nevents) ? EV_IN | EV_RDNORM : 0;
}

static long inotify_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct inotify *n = f->data;

	if (cmd != FIONREAD)
		return -ENOTTY;
	return user_store_u32(arg, (u32)atomic_load(&n->bytes));
}

static void inotify_release(struct file *f)
{
	struct inotify *n = f->data;
	struct inode_watch *w, *tmp;
	struct list dead;

	list_init(&dead);
	mutex_lock(&inotify_lock);
	list_for_each_safe (w, tmp, &n->watches, set_node)
		watch_unlink(w, &dead);
	mutex_unlock(&inotify_lock);
	watches_free(&dead);
	set_put(n);
}

static void inotify_show(struct file *f, struct fmt_buf *out)
{
	struct inotify *n = f->data;
	struct inode_watch *w;

	mutex_lock(&inotify_lock);
	list_for_each (w, &n->watches, set_node)
		fmt_buf_add(out,
			    "inotify wd:%x ino:%lx sdev:%x mask:%x "
			    "ignored_mask:0\n",
			    (u32)w->wd, w->dentry->inode->ino,
			    w->dentry->inode->fs->dev, w->mask);
	mutex_unlock(&inotify_lock);
}

static const struct file_ops inotify_fops = {
	.name = "inotify",
	.lseek = file_stay,
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.show_fdinfo = inotify_show,
};

int inotify_new(u32 flags, struct file **f)
{
	struct inotify *n = kzalloc(sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	ref_init(&n->ref);
	list_init(&n->events);
	list_init(&n->watches);
	waitq_init(&n->wait);
	err = file_new_anon("inotify", 0600, &inotify_fops, n, O_RDONLY | flags,
			    f);
	if (err)
		kfree(n);
	return err;
}
