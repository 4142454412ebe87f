/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks: POSIX record locks (owner: the descriptor table), open file
 * description locks (owner: the file) and flock (owner: the file). Lists hang
 * on the inode; one mutex guards them all, as they are few and held briefly.
 */
#include "kernel/linux/flock.h"
#include "kernel/proc/waitq.h"
#include "kernel/vfs/vfs_int.h"

#define LOCK_END ((u64)INT64_MAX) /* last byte of all files */

struct lock {
	struct list node;
	void *owner;
	u64 start, end; /* end is included */
	s32 pid;	/* -1: of a file */
	s16 type;	/* F_RDLCK or F_WRLCK */
};

struct inode_locks {
	struct list posix; /* record locks, by start within an owner */
	struct list flock;
	struct waitq changed;
};

struct blocked { /* a POSIX waiter, for deadlock detection */
	struct list node;
	void *owner, *on;
};

static struct {
	struct mutex lock;
	struct list blocked;
} lockf = { .blocked = LIST_INIT(lockf.blocked) };

/* --- Memory -------------------------------------------------------------- */

static struct inode_locks *locks_get(struct inode *i)
{
	struct inode_locks *l = i->locks;

	if (l)
		return l;
	l = kzalloc(sizeof(*l));
	if (!l)
		return NULL;
	list_init(&l->posix);
	list_init(&l->flock);
	waitq_init(&l->changed);
	atomic_store_release(&i->locks, (void *)l);
	return l;
}

static void list_free(struct list *head)
{
	struct lock *l, *next;

	list_for_each_safe (l, next, head, node) {
		list_del(&l->node);
		kfree(l);
	}
}

void lockf_inode_gone(struct inode *i)
{
	struct inode_locks *l = i->locks;

	list_free(&l->posix);
	list_free(&l->flock);
	kfree(l);
	i->locks = NULL;
}

/* --- Record locks -------------------------------------------------------- */

static struct lock *find_conflict(struct inode_locks *locks, void *owner,
				  const struct lock *want)
{
	struct lock *l;

	list_for_each (l, &locks->posix, node) {
		if (l->owner == owner || l->start > want->end ||
		    l->end < want->start)
			continue;
		if (l->type == F_WRLCK || want->type == F_WRLCK)
			return l;
	}
	return NULL;
}

/* Take [start, end] away from the owner's locks. spare is used when one is cut
 * in two; true if it was. */
static bool cut_range(struct inode_locks *locks, void *owner, u64 start,
		      u64 end, struct lock *spare)
{
	struct lock *l, *next;

	list_for_each_safe (l, next, &locks->posix, node) {
		if (l->owner != owner || l->start > end || l->end < start)
			continue;
		if (l->start < start && l->end > end) {
			struct list *place = &l->node;

			*spare = *l;
			spare->start = end + 1;
			l->end = start - 1;
			list_push(place, &spare->node);
			return true;
		}
		if (l->start < start) {
			l->end = start - 1;
		} else if (l->end > end) {
			l->start = end + 1;
		} else {
			list_del(&l->node);
			kfree(l);
		}
	}
	return false;
}

/* Grow `want` over neighbours of the same owner and type, which go. */
static void merge(struct inode_locks *locks, struct lock *want)
{
	struct lock *l, *next;

	list_for_each_safe (l, next, &locks->posix, node) {
		if (l->owner != want->owner || l->type != want->type)
			continue;
		if (l->end + 1 != want->start && want->end + 1 != l->start)
			continue;
		want->start = MIN(want->start, l->start);
		want->end = MAX(want->end, l->end);
		list_del(&l->node);
		kfree(l);
	}
}

/* Does waiting for `on` close a circle back to owner? */
static bool is_deadlock(void *owner, void *on)
{
	struct blocked *b;

	for (int depth = 0; depth < 64; depth++) {
		void *next = NULL;

		if (on == owner)
			return true;
		list_for_each (b, &lockf.blocked, node)
			if (b->owner == on)
				next = b->on;
		if (!next)
			return false;
		on = next;
	}
	return false;
}

/* Sleep until the locks of the inode change. lockf.lock is held. */
static int wait_change(struct inode_locks *locks, void *owner, void *on)
{
	struct blocked b = { .owner = owner, .on = on };
	struct waiter w;
	int err;

	waiter_init(&w);
	waitq_add(&locks->changed, &w);
	if (on)
		list_append(&lockf.blocked, &b.node);
	mutex_unlock(&lockf.lock);
	err = thread_sleep(NSEC_MAX, true);
	mutex_lock(&lockf.lock);
	if (on)
		list_del(&b.node);
	waitq_remove(&w);
	return err == -EINTR ? -ERESTARTSYS : 0;
}

static int wait_record(struct inode_locks *locks, const struct lock *want,
		       bool is_posix, bool wait)
{
	struct lock *l;
	int err = 0;

	while (!err && (l = find_conflict(locks, want->owner, want))) {
		if (!wait)
			return -EAGAIN;
		if (is_posix && is_deadlock(want->owner, l->owner))
			return -EDEADLK;
		err = wait_change(locks, want->owner,
				  is_posix ? l->owner : NULL);
	}
	return err;
}

static int set_record(struct inode *i, struct lock *want, struct lock *spare,
		      bool is_posix, bool wait, bool *kept, bool *split)
{
	struct inode_locks *locks = locks_get(i);
	int err;

	if (!locks)
		return -ENOMEM;
	if (want->type != F_UNLCK) {
		err = wait_record(locks, want, is_posix, wait);
		if (err)
			return err;
	}
	*split = cut_range(locks, want->owner, want->start, want->end, spare);
	if (want->type != F_UNLCK) {
		merge(locks, want);
		list_append(&locks->posix, &want->node);
		*kept = true;
	}
	waitq_wake(&locks->changed);
	return 0;
}

/* Byte range of a request: -EINVAL, -EOVERFLOW. */
static int lock_range(struct file *f, const struct linux_flock *l,
		      struct lock *want)
{
	s64 base = 0, start, end;

	switch (l->l_whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (s64)f->pos;
		break;
	case SEEK_END:
		base = (s64)inode_size(f->inode);
		break;
	default:
		return -EINVAL;
	}
	if (ckd_add(&start, base, l->l_start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	if (l->l_len > 0) {
		if (ckd_add(&end, start, l->l_len - 1))
			return -EOVERFLOW;
	} else if (l->l_len < 0) {
		end = start - 1;
		if (ckd_add(&start, start, l->l_len) || start < 0)
			return -EINVAL;
	} else {
		end = (s64)LOCK_END;
	}
	want->start = (u64)start;
	want->end = (u64)end;
	return 0;
}

static int lock_fill(struct file *f, const struct linux_flock *l,
		     enum lock_kind kind, struct lock *want)
{
	if (kind == LOCK_KIND_OFD && l->l_pid != 0)
		return -EINVAL;
	want->type = l->l_type;
	want->owner = kind == LOCK_KIND_POSIX ? (void *)process_current()->files
					      : (void *)f;
	want->pid = kind == LOCK_KIND_POSIX ? process_current()->pid : -1;
	return lock_range(f, l, want);
}

long lockf_get(struct file *f, struct linux_flock *l, enum lock_kind kind)
{
	struct lock want, *found = NULL;
	struct inode_locks *locks;
	int err;

	if (l->l_type != F_RDLCK && l->l_type != F_WRLCK)
		return -EINVAL;
	err = lock_fill(f, l, kind, &want);
	if (err)
		return err;
	mutex_lock(&lockf.lock);
	locks = f->inode->locks;
	if (locks)
		found = find_conflict(locks, want.owner, &want);
	if (found) {
		l->l_type = found->type;
		l->l_whence = SEEK_SET;
		l->l_start = (s64)found->start;
		l->l_len = found->end == LOCK_END
				   ? 0
				   : (s64)(found->end - found->start + 1);
		l->l_pid = found->pid;
	} else {
		l->l_type = F_UNLCK;
	}
	mutex_unlock(&lockf.lock);
	return 0;
}

long lockf_set(struct file *f, const struct linux_flock *l, enum lock_kind kind,
	       bool wait)
{
	struct lock *want, *spare;
	bool kept = false, split = false;
	int err;

	if ((l->l_type == F_RDLCK && !f->can_read) ||
	    (l->l_type == F_WRLCK && !f->can_write))
		return -EBADF;
	if (l->l_type != F_RDLCK && l->l_type != F_WRLCK &&
	    l->l_type != F_UNLCK)
		return -EINVAL;
	want = kzalloc(sizeof(*want));
	spare = kzalloc(sizeof(*spare));
	if (!want || !spare) {
		err = -ENOLCK;
		goto out_free;
	}
	err = lock_fill(f, l, kind, want);
	if (err)
		goto out_free;
	mutex_lock(&lockf.lock);
	err = set_record(f->inode, want, spare, kind == LOCK_KIND_POSIX, wait,
			 &kept, &split);
	mutex_unlock(&lockf.lock);
out_free:
	if (!kept)
		kfree(want);
	if (!split)
		kfree(spare);
	return err;
}

/* --- flock --------------------------------------------------------------- */

static struct lock *find_flock(struct inode_locks *locks, const void *owner)
{
	struct lock *l;

	list_for_each (l, &locks->flock, node)
		if (l->owner == owner)
			return l;
	return NULL;
}

static bool flock_conflicts(struct inode_locks *locks, const void *owner,
			    int type)
{
	struct lock *l;

	list_for_each (l, &locks->flock, node)
		if (l->owner != owner &&
		    (type == F_WRLCK || l->type == F_WRLCK))
			return true;
	return false;
}

static void flock_drop(struct inode_locks *locks, const void *owner)
{
	struct lock *l = find_flock(locks, owner);

	if (!l)
		return;
	list_del(&l->node);
	kfree(l);
	waitq_wake(&locks->changed);
}

static int flock_take(struct inode_locks *locks, struct file *f, int type,
		      bool wait)
{
	struct lock *l;
	int err = 0;

	l = find_flock(locks, f);
	if (l && l->type == type)
		return 0;
	flock_drop(locks, f); /* a conversion is not atomic on Linux either */
	while (!err && flock_conflicts(locks, f, type)) {
		if (!wait)
			return -EAGAIN;
		err = wait_change(locks, f, NULL);
	}
	if (err)
		return err;
	l = kzalloc(sizeof(*l));
	if (!l)
		return -ENOLCK;
	l->owner = f;
	l->type = (s16)type;
	l->pid = process_current()->pid;
	l->end = LOCK_END;
	list_append(&locks->flock, &l->node);
	return 0;
}

long flock_set(struct file *f, int type, bool wait)
{
	struct inode_locks *locks;
	long err = 0;

	mutex_lock(&lockf.lock);
	locks = locks_get(f->inode);
	if (!locks)
		err = -ENOLCK;
	else if (type == F_UNLCK)
		flock_drop(locks, f);
	else
		err = flock_take(locks, f, type, wait);
	mutex_unlock(&lockf.lock);
	return err;
}

/* --- Closing ------------------------------------------------------------- */

static bool has_record(const struct inode_locks *locks, const void *owner)
{
	struct lock *l;

	list_for_each (l, &locks->posix, node)
		if (l->owner == owner)
			return true;
	return false;
}

void lockf_close(struct file *f, void *owner)
{
	struct inode_locks *locks;
	struct lock unused;

	mutex_lock(&lockf.lock);
	locks = f->inode->locks;
	if (has_record(locks, owner)) {
		(void)cut_range(locks, owner, 0, LOCK_END, &unused);
		waitq_wake(&locks->changed);
	}
	mutex_unlock(&lockf.lock);
}

void lockf_release(struct file *f)
{
	struct inode_locks *locks;

	lockf_close(f, f);
	mutex_lock(&lockf.lock);
	locks = f->inode->locks;
	flock_drop(locks, f);
	mutex_unlock(&lockf.lock);
}
