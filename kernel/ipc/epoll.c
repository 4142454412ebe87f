/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll sets.
 *
 * Theory of operation. A watch ties (file, descriptor number) to a set. Sources
 * inside the kernel call watch_fired() when something may have become ready; it
 * puts the watch on the ready list and wakes one waiter. Collecting asks each
 * ready file again, so the list may hold false alarms but never misses one.
 * Level-triggered watches go back to the end of the list, edge-triggered ones
 * leave it.
 * Outside descriptors are watched by a set of the platform's (`hset`), made
 * when the first one is added, with the guest's own flags. A waiter then sleeps
 * in it, and a bell in that set tells of readiness inside. Its event data
 * carries slot and generation of the watch: a late event of a removed watch
 * finds another generation and is dropped.
 *
 * Locks: set->lock (watches; held while collecting and controlling), then a
 * source's queue lock, then set->ready_lock, then the queue locks of set->wait
 * and set->poll_wait (then, for nested sets, the same again one level up; loops
 * are refused).
 */
#include "kernel/ipc/epoll.h"

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

#define WATCH_QUEUES 4 /* wait queues a file may name */
#define WATCH_HFDS 8   /* outside descriptors a file may name */
#define NESTING_MAX 5
#define BELL_DATA UINT64_MAX
#define EPOLL_ALWAYS (EV_ERR | EV_HUP)
#define EPOLL_FLAGS (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

struct epoll;

struct watch_source {
	struct waiter waiter; /* first: watch_fired() casts back */
	struct watch *watch;
};

struct watch {
	struct list node;	/* in its bucket */
	struct list file_node;	/* in file->epoll_watches, watches_lock */
	struct list ready_node; /* in set->ready, ready_lock */
	struct epoll *set;
	struct file *file; /* not referenced: epoll_file_gone() comes first */
	int fd;
	u32 events;	  /* wanted, with EPOLL flags */
	bool is_disabled; /* one-shot that has fired; ready_lock */
	u64 data;
	struct watch_source sources[WATCH_QUEUES];
	u32 nsources;
	int hfds[WATCH_HFDS];
	u32 nhfds;
	/* A set around hfds[0], which another watch of the set has already: a
	 * set outside takes a descriptor once. -1: none. */
	int twin_hset;
	u32 slot, generation; /* in set->slots, if nhfds */
	u32 out_index;	      /* where it stands in the output being made */
	u64 out_call;
	u32 pass; /* of the last epoll_file_rearm() that did it; 0 none */
};

#define BUCKETS_MIN 16

struct epoll {
	struct mutex lock;
	struct list *buckets; /* by file and fd */
	u32 nbuckets, nwatches;
	struct watch **slots; /* of watches with outside descriptors */
	u32 nslots;
	u32 next_generation;
	int hset, bell; /* -1: none yet */
	u64 call;	/* number of the latest collection */
	u32 depth;	/* nesting below it, under nesting_lock */

	struct mutex ready_lock;
	struct list ready;
	u32 nsleepers; /* in hset: ring the bell for them */
	bool is_rung;
	struct waitq wait;	/* epoll_wait() */
	struct waitq poll_wait; /* whoever polls the set */
};

static struct {
	struct mutex files;   /* every file->epoll_watches */
	struct mutex nesting; /* adding a set to a set */
	u32 pass;	      /* epoll_file_rearm() calls, times two */
} locks;

static const struct file_ops epoll_fops;

bool file_is_epoll(const struct file *f)
{
	return f->ops == &epoll_fops;
}

/* --- Readiness -------------------------------------------------------------
 */

static void wake_waiters(struct epoll *e)
{
	bool ring;

	mutex_lock(&e->ready_lock);
	ring = e->nsleepers && !e->is_rung;
	if (ring)
		e->is_rung = true;
	mutex_unlock(&e->ready_lock);
	if (ring)
		plat_bell_ring(e->bell);
	waitq_wake_events(&e->wait, EV_IN, 1);
	waitq_wake_events(&e->poll_wait, EV_IN | EV_RDNORM, ~0U);
}

/* Put w on the ready list; false if it was there or is disabled. */
static bool watch_ready(struct watch *w)
{
	bool added = false;

	mutex_lock(&w->set->ready_lock);
	if (!w->is_disabled && !list_linked(&w->ready_node)) {
		list_append(&w->set->ready, &w->ready_node);
		added = true;
	}
	mutex_unlock(&w->set->ready_lock);
	return added;
}

/* A source inside the kernel changed. Its queue's lock is held. */
static bool watch_fired(struct waiter *waiter, u32 events)
{
	struct watch_source *s =
		container_of(waiter, struct watch_source, waiter);
	struct watch *w = s->watch;

	if (events != ~0U &&
	    !(events & (atomic_load(&w->events) | EPOLL_ALWAYS)))
		return false;
	if (!watch_ready(w))
		return false;
	wake_waiters(w->set);
	return true;
}

struct watch_table {
	struct poll_table pt;
	struct watch *watch;
	int err;
};

static void watch_add_queue(struct poll_table *pt, struct waitq *q)
{
	struct watch_table *t = container_of(pt, struct watch_table, pt);
	struct watch *w = t->watch;
	struct watch_source *s;

	if (w->nsources == WATCH_QUEUES) {
		t->err = -ENOSPC;
		return;
	}
	s = &w->sources[w->nsources++];
	s->watch = w;
	waiter_init_fn(&s->waiter, watch_fired);
	if (w->events & EPOLLEXCLUSIVE)
		waitq_add_exclusive(q, &s->waiter);
	else
		waitq_add(q, &s->waiter);
}

static void ignore_hfd(struct poll_table *pt UNUSED, int hfd UNUSED,
		       u32 events UNUSED)
{
}

/* What the inside of the file says now; outside descriptors are hset's. */
static u32 watch_poll(struct watch *w)
{
	struct poll_table pt = {
		.add_hfd = ignore_hfd,
		.wanted = w->events | EPOLL_ALWAYS,
	};

	return file_poll(w->file, &pt) & pt.wanted;
}

/* --- Outside descriptors -----------------------------------------------------
 */

static int set_open_hset(struct epoll *e)
{
	int err;

	if (e->hset >= 0)
		return 0;
	e->hset = plat_hset_new();
	if (e->hset < 0)
		return e->hset;
	e->bell = plat_bell_new();
	err = e->bell < 0 ? e->bell
			  : plat_hset_add(e->hset, e->bell, EV_IN, BELL_DATA);
	if (!err)
		return 0;
	if (e->bell >= 0)
		plat_hfd_close(e->bell);
	plat_hfd_close(e->hset);
	e->hset = e->bell = -1;
	return err;
}

static int set_take_slot(struct epoll *e, struct watch *w)
{
	struct watch **slots;
	u32 i, n;

	for (i = 0; i < e->nslots && e->slots[i]; i++)
		;
	if (i == e->nslots) {
		n = e->nslots ? e->nslots * 2 : 16;
		slots = krealloc(e->slots, n * sizeof(*slots));
		if (!slots)
			return -ENOMEM;
		memset(slots + e->nslots, 0, (n - e->nslots) * sizeof(*slots));
		e->slots = slots;
		e->nslots = n;
	}
	e->slots[i] = w;
	w->slot = i;
	w->generation = ++e->next_generation;
	return 0;
}

static u64 watch_hdata(const struct watch *w)
{
	return (u64)w->generation << 32 | w->slot;
}

/* Flags of w that its entry in the set outside has. */
static u32 hset_flags(const struct watch *w)
{
	return w->events & (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE);
}

/* Add hfd, which is in the set already, by a set of its own. */
static int watch_add_twin(struct watch *w, int hfd, u32 events)
{
	int err;

	if (w->nhfds)
		return -EEXIST;
	w->twin_hset = plat_hset_new();
	if (w->twin_hset < 0)
		return w->twin_hset;
	err = plat_hset_add(w->twin_hset, hfd, events & ~(u32)EPOLL_FLAGS, 0);
	if (!err)
		err = plat_hset_add(w->set->hset, w->twin_hset,
				    EV_IN | hset_flags(w), watch_hdata(w));
	if (err) {
		plat_hfd_close(w->twin_hset);
		w->twin_hset = -1;
	}
	return err;
}

static int watch_modify_twin(struct watch *w, u32 events)
{
	int err = plat_hset_mod(w->twin_hset, w->hfds[0],
				events & ~(u32)EPOLL_FLAGS, 0);

	if (err)
		return err;
	return plat_hset_mod(w->set->hset, w->twin_hset,
			     EV_IN | (hset_flags(w) & ~(u32)EPOLLEXCLUSIVE),
			     watch_hdata(w));
}

/* What is ready of a watch that the set outside has named. */
static u32 watch_outside_events(struct watch *w, u32 events)
{
	struct plat_event ev;

	if (likely(w->twin_hset < 0))
		return events;
	return plat_hset_wait(w->twin_hset, &ev, 1, 0) == 1 ? ev.events : 0;
}

static void watch_add_hfd(struct poll_table *pt, int hfd, u32 events)
{
	struct watch_table *t = container_of(pt, struct watch_table, pt);
	struct watch *w = t->watch;

	events = (events & (w->events | EPOLL_ALWAYS)) |
		 (w->events & (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE));
	if (!t->err)
		t->err = set_open_hset(w->set);
	if (!t->err && w->nhfds == 0)
		t->err = set_take_slot(w->set, w);
	if (!t->err && w->nhfds == WATCH_HFDS)
		t->err = -ENOSPC;
	if (!t->err)
		t->err = plat_hset_add(w->set->hset, hfd, events,
				       watch_hdata(w));
	if (unlikely(t->err == -EEXIST))
		t->err = watch_add_twin(w, hfd, events);
	if (!t->err)
		w->hfds[w->nhfds++] = hfd;
}

static void watch_modify_hfd(struct poll_table *pt, int hfd, u32 events)
{
	struct watch_table *t = container_of(pt, struct watch_table, pt);
	struct watch *w = t->watch;

	for (u32 i = 0; i < w->nhfds; i++) {
		if (w->hfds[i] != hfd)
			continue;
		events = (events & (w->events | EPOLL_ALWAYS)) |
			 (w->events & (EPOLLET | EPOLLONESHOT));
		if (unlikely(w->twin_hset >= 0))
			t->err = watch_modify_twin(w, events);
		else
			t->err = plat_hset_mod(w->set->hset, hfd, events,
					       watch_hdata(w));
		return;
	}
	watch_add_hfd(pt, hfd, events);
}

/* --- Watches
 * ------------------------------------------------------------------- */

static struct list *set_bucket(struct epoll *e, const struct file *f, int fd)
{
	u64 h = ((u64)(uintptr_t)f >> 6) ^ ((u64)(u32)fd * 0x9e3779b1u);

	return &e->buckets[h & (e->nbuckets - 1)];
}

static struct watch *set_find(struct epoll *e, const struct file *f, int fd)
{
	struct list *b = set_bucket(e, f, fd);
	struct watch *w;

	list_for_each (w, b, node) {
		if (w->file == f && w->fd == fd)
			return w;
	}
	return NULL;
}

static int set_resize(struct epoll *e, u32 n)
{
	struct list *old = e->buckets;
	struct watch *w, *tmp;
	u32 nold = e->nbuckets;

	e->buckets = kmalloc(n * sizeof(*e->buckets));
	if (!e->buckets) {
		e->buckets = old;
		return -ENOMEM;
	}
	e->nbuckets = n;
	for (u32 i = 0; i < n; i++)
		list_init(&e->buckets[i]);
	for (u32 i = 0; i < nold; i++) {
		list_for_each_safe (w, tmp, &old[i], node) {
			list_del(&w->node);
			list_append(set_bucket(e, w->file, w->fd), &w->node);
		}
	}
	kfree(old);
	return 0;
}

/* Undo everything watch_register() did. set->lock held. */
static void watch_unregister(struct watch *w)
{
	struct epoll *e = w->set;

	for (u32 i = 0; i < w->nsources; i++)
		waitq_remove(&w->sources[i].waiter);
	if (unlikely(w->twin_hset >= 0)) {
		plat_hset_del(e->hset, w->twin_hset);
		plat_hfd_close(w->twin_hset);
		w->twin_hset = -1;
	} else {
		for (u32 i = 0; i < w->nhfds; i++)
			plat_hset_del(e->hset, w->hfds[i]);
	}
	if (w->nhfds)
		e->slots[w->slot] = NULL;
	w->nsources = w->nhfds = 0;
	mutex_lock(&e->ready_lock);
	list_del(&w->ready_node);
	mutex_unlock(&e->ready_lock);
}

static void watch_free(struct watch *w)
{
	watch_unregister(w);
	list_del(&w->node);
	mutex_lock(&locks.files);
	list_del(&w->file_node);
	mutex_unlock(&locks.files);
	w->set->nwatches--;
	kfree(w);
}

/* Ask the file for its sources; if it is ready already, say so. */
static int watch_register(struct watch *w)
{
	struct watch_table t = {
		.pt = { .add_queue = watch_add_queue,
			.add_hfd = watch_add_hfd,
			.wanted = w->events | EPOLL_ALWAYS },
		.watch = w,
	};
	u32 ev = file_poll(w->file, &t.pt) & t.pt.wanted;

	if (t.err)
		return t.err;
	if (ev && watch_ready(w))
		wake_waiters(w->set);
	return 0;
}

static int watch_add(struct epoll *e, int fd, struct file *f,
		     const struct linux_epoll_event *ev)
{
	struct watch *w = kzalloc(sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	list_init(&w->node);
	list_init(&w->file_node);
	list_init(&w->ready_node);
	w->set = e;
	w->file = f;
	w->fd = fd;
	w->events = ev->events;
	w->data = ev->data;
	w->twin_hset = -1;
	if (e->nwatches >= e->nbuckets * 2)
		set_resize(e, e->nbuckets * 4);
	list_append(set_bucket(e, f, fd), &w->node);
	e->nwatches++;
	mutex_lock(&locks.files);
	list_append(&f->epoll_watches, &w->file_node);
	mutex_unlock(&locks.files);
	err = watch_register(w);
	if (err)
		watch_free(w);
	return err;
}

static int watch_modify(struct watch *w, const struct linux_epoll_event *ev)
{
	struct watch_table t = {
		.pt = { .add_hfd = watch_modify_hfd },
		.watch = w,
	};
	u32 now;

	if (w->is_disabled || (ev->events & ~w->events)) {
		mutex_lock(&w->set->ready_lock);
		w->is_disabled = false;
		w->events = ev->events;
		/* The barrier for watch_fired(): it sees the new events, or we
		 * below what has changed. Not needed if none is new. */
		mutex_unlock(&w->set->ready_lock);
	}
	atomic_store(&w->events, ev->events);
	w->data = ev->data;
	t.pt.wanted = w->events | EPOLL_ALWAYS;
	now = file_poll(w->file, &t.pt) & t.pt.wanted;
	if (t.err)
		return t.err;
	if (now && watch_ready(w))
		wake_waiters(w->set);
	return 0;
}

/* --- Nesting
 * ---------------------------------------------------------------------- */

/* Would adding set `inner` to `outer` make a loop or too deep a nest? Walks the
 * sets below inner; iterative with an explicit stack. nesting lock held. */
static int check_nesting(struct epoll *outer, struct epoll *inner)
{
	struct {
		struct epoll *e;
		u32 depth;
	} stack[64];
	u32 n = 0;

	stack[n].e = inner;
	stack[n++].depth = 1;
	while (n) {
		struct epoll *e = stack[--n].e;
		u32 depth = stack[n].depth;
		struct watch *w;

		if (e == outer)
			return -ELOOP;
		if (depth >= NESTING_MAX)
			return -EINVAL;
		mutex_lock(&e->lock);
		for (u32 i = 0; i < e->nbuckets; i++) {
			list_for_each (w, &e->buckets[i], node) {
				if (!file_is_epoll(w->file))
					continue;
				if (n == ARRAY_SIZE(stack)) {
					mutex_unlock(&e->lock);
					return -EINVAL;
				}
				stack[n].e = w->file->data;
				stack[n++].depth = depth + 1;
			}
		}
		mutex_unlock(&e->lock);
	}
	return 0;
}

/* --- Interface
 * ------------------------------------------------------------------------ */

static int control_locked(struct epoll *e, int op, int fd, struct file *f,
			  const struct linux_epoll_event *ev)
{
	struct watch *w = set_find(e, f, fd);

	if (op == EPOLL_CTL_ADD)
		return w ? -EEXIST : watch_add(e, fd, f, ev);
	if (!w)
		return -ENOENT;
	if (op == EPOLL_CTL_DEL) {
		watch_free(w);
		return 0;
	}
	if ((w->events | ev->events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	return watch_modify(w, ev);
}

int epoll_control(struct file *set, int op, int fd, struct file *target,
		  const struct linux_epoll_event *ev)
{
	struct epoll *e = set->data;
	bool nests = op == EPOLL_CTL_ADD && file_is_epoll(target);
	u32 exclusive_ok = EV_IN | EV_OUT | EV_ERR | EV_HUP | EPOLLWAKEUP |
			   EPOLLET | EPOLLEXCLUSIVE;
	int err = 0;

	if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (ev->events & EPOLLEXCLUSIVE) &&
	    (op == EPOLL_CTL_MOD || file_is_epoll(target) ||
	     (ev->events & ~exclusive_ok)))
		return -EINVAL;
	if (nests) {
		mutex_lock(&locks.nesting);
		err = check_nesting(e, target->data);
	}
	if (!err) {
		mutex_lock(&e->lock);
		err = control_locked(e, op, fd, target, ev);
		mutex_unlock(&e->lock);
	}
	if (nests)
		mutex_unlock(&locks.nesting);
	return err;
}

/* Add ready bits of a watch, once per watch and call. */
static void output_add(struct epoll_output *o, struct watch *w, u32 ev)
{
	if (w->out_call == o->call) {
		o->events[w->out_index].events |= ev;
		return;
	}
	w->out_call = o->call;
	w->out_index = (u32)o->n;
	o->events[o->n].events = ev;
	o->events[o->n++].data = w->data;
}

/* After reporting: a one-shot is done; a level stays on the list. ready_lock
 * held. */
static void watch_reported(struct watch *w)
{
	if (w->events & EPOLLONESHOT) {
		w->is_disabled = true;
		list_del(&w->ready_node);
	} else if (!(w->events & EPOLLET) && !list_linked(&w->ready_node)) {
		list_append(&w->set->ready, &w->ready_node);
	}
}

/* Report from the ready list. set->lock held. */
static void collect_inside(struct epoll *e, struct epoll_output *o,
			   bool is_more)
{
	struct list taken;

	if (list_empty(&e->ready))
		return;
	list_init(&taken);
	mutex_lock(&e->ready_lock);
	list_splice(&taken, &e->ready);
	while (o->n < o->max && !list_empty(&taken)) {
		struct watch *w = list_first(&taken, struct watch, ready_node);
		u32 ev;

		list_del(&w->ready_node);
		if (is_more && w->out_call == o->call) {
			/* The first part has put it back. */
			list_append(&e->ready, &w->ready_node);
			continue;
		}
		mutex_unlock(&e->ready_lock);
		ev = watch_poll(w);
		mutex_lock(&e->ready_lock);
		if (!ev)
			continue;
		output_add(o, w, ev);
		watch_reported(w);
	}
	/* What did not fit goes first next time. */
	list_splice(&taken, &e->ready);
	list_splice(&e->ready, &taken);
	mutex_unlock(&e->ready_lock);
}

/* Report what hset gave. set->lock held. */
static void collect_outside(struct epoll *e, struct epoll_output *o,
			    const struct plat_event *ev, int n)
{
	for (int i = 0; i < n; i++) {
		u32 slot = (u32)ev[i].data;
		struct watch *w;
		u32 ready;

		if (ev[i].data == BELL_DATA) {
			mutex_lock(&e->ready_lock);
			plat_bell_hush(e->bell);
			e->is_rung = false;
			mutex_unlock(&e->ready_lock);
			continue;
		}
		w = slot < e->nslots ? e->slots[slot] : NULL;
		if (!w || w->generation != ev[i].data >> 32 || o->n == o->max)
			continue;
		ready = watch_outside_events(w, ev[i].events) &
			(w->events | EPOLL_ALWAYS);
		if (unlikely(!ready))
			continue;
		output_add(o, w, ready);
		if (w->events & EPOLLONESHOT) {
			mutex_lock(&e->ready_lock);
			watch_reported(w);
			mutex_unlock(&e->ready_lock);
		}
	}
}

#define HSET_BATCH 64

/* Wait in hset until the deadline or an inside event, then report. */
static int wait_outside(struct epoll *e, struct epoll_output *o,
			nsec_t deadline)
{
	struct plat_event ev[HSET_BATCH];
	int room = MIN(o->max - o->n, HSET_BATCH - 1) + 1;
	int n;

	mutex_lock(&e->ready_lock);
	if (!list_empty(&e->ready))
		deadline = 0;
	if (deadline)
		e->nsleepers++;
	mutex_unlock(&e->ready_lock);
	n = plat_hset_wait(e->hset, ev, MIN(room, HSET_BATCH), deadline);
	if (deadline) {
		mutex_lock(&e->ready_lock);
		e->nsleepers--;
		mutex_unlock(&e->ready_lock);
	}
	if (n == -EINTR && !thread_interrupted()) {
		/* Woken for another space's sake, or to no purpose. */
		if (thread_work(current()) & WORK_REMOTE)
			mm_run_remote(current());
		n = 0;
	}
	if (n > 0) {
		mutex_lock(&e->lock);
		collect_outside(e, o, ev, n);
		mutex_unlock(&e->lock);
	}
	return n;
}

static int wait_inside(struct epoll *e, nsec_t deadline)
{
	struct waiter w;
	int err = 0;

	waiter_init(&w);
	waitq_add_exclusive(&e->wait, &w);
	mutex_lock(&e->ready_lock);
	if (!list_empty(&e->ready))
		deadline = 0;
	mutex_unlock(&e->ready_lock);
	if (deadline)
		err = thread_sleep(deadline, true);
	waitq_remove(&w);
	return err;
}

int epoll_collect(struct file *set, struct epoll_output *o, nsec_t deadline)
{
	struct epoll *e = set->data;
	bool is_last = false;
	int err = 0;

	for (;;) {
		mutex_lock(&e->lock);
		o->call = ++e->call;
		collect_inside(e, o, false);
		mutex_unlock(&e->lock);
		if (e->hset >= 0 && o->n < o->max)
			err = wait_outside(e, o, o->n ? 0 : deadline);
		else if (!o->n && deadline)
			err = wait_inside(e, deadline);
		if (o->n)
			return o->n;
		if (is_last || deadline == 0)
			return 0;
		if (err == -EINTR || (err < 0 && err != -ETIMEDOUT))
			return err;
		/* Once more after the time is up: something may have come. */
		is_last = deadline != NSEC_MAX &&
			  plat_clock(PLAT_MONOTONIC) >= deadline;
		if (is_last)
			deadline = 0;
	}
}

void epoll_collect_more(struct file *set, struct epoll_output *o)
{
	struct epoll *e = set->data;

	mutex_lock(&e->lock);
	collect_inside(e, o, true);
	mutex_unlock(&e->lock);
	if (e->hset >= 0 && o->n < o->max)
		(void)wait_outside(e, o, 0);
}

static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct epoll *e = f->data;
	struct plat_pollfd pfd = { .events = EV_IN };
	struct watch *w, *tmp;
	struct list taken;
	u32 ev = 0;

	poll_wait(pt, &e->poll_wait);
	if (e->hset >= 0) {
		poll_hfd(pt, e->hset, EV_IN);
		pfd.hfd = e->hset;
		if (!pt && plat_hfd_poll(&pfd, 1, 0) > 0)
			return EV_IN | EV_RDNORM;
	}
	list_init(&taken);
	mutex_lock_nested(&e->lock);
	mutex_lock_nested(&e->ready_lock);
	list_splice(&taken, &e->ready);
	mutex_unlock(&e->ready_lock);
	/* Under set->lock no watch goes; entries leave `taken` only here. */
	list_for_each_safe (w, tmp, &taken, ready_node) {
		if (watch_poll(w)) {
			ev = EV_IN | EV_RDNORM;
			break;
		}
		mutex_lock(&e->ready_lock);
		list_del(&w->ready_node);
		mutex_unlock(&e->ready_lock);
	}
	mutex_lock(&e->ready_lock);
	list_splice(&taken, &e->ready);
	list_splice(&e->ready, &taken);
	mutex_unlock(&e->ready_lock);
	mutex_unlock(&e->lock);
	return ev;
}

static void epoll_release(struct file *f)
{
	struct epoll *e = f->data;
	struct watch *w, *tmp;

	mutex_lock(&e->lock);
	for (u32 i = 0; i < e->nbuckets; i++) {
		list_for_each_safe (w, tmp, &e->buckets[i], node)
			watch_free(w);
	}
	mutex_unlock(&e->lock);
	if (e->hset >= 0) {
		plat_hfd_close(e->bell);
		plat_hfd_close(e->hset);
	}
	kfree(e->slots);
	kfree(e->buckets);
	kfree(e);
}

/* A watch of f that `wanted` accepts, its set locked; NULL when there is none.
 * Taking a set's lock under locks.files is the wrong order, hence the trial.
 * Set and watch cannot go meanwhile: removing a watch needs locks.files after
 * set->lock. */
static struct watch *file_next_watch(struct file *f, u32 pass)
{
	for (;;) {
		struct watch *w, *found = NULL;
		bool is_locked = false;

		mutex_lock(&locks.files);
		list_for_each (w, &f->epoll_watches, file_node) {
			if (pass && w->pass == pass)
				continue;
			found = w;
			is_locked = mutex_trylock(&w->set->lock);
			if (is_locked)
				break;
		}
		mutex_unlock(&locks.files);
		if (!found || is_locked)
			return is_locked ? w : NULL;
		plat_yield();
	}
}

void epoll_file_gone(struct file *f)
{
	struct watch *w;

	while ((w = file_next_watch(f, 0))) {
		struct epoll *e = w->set;

		watch_free(w);
		mutex_unlock(&e->lock);
	}
}

void epoll_file_rearm(struct file *f)
{
	u32 pass = atomic_fetch_add(&locks.pass, 2) + 1; /* odd: never 0 */
	struct watch *w;

	while ((w = file_next_watch(f, pass))) {
		struct epoll *e = w->set;

		w->pass = pass;
		watch_unregister(w);
		if (watch_register(w))
			klog("epoll: descriptor %d could not be watched again",
			     w->fd);
		mutex_unlock(&e->lock);
	}
}

static void epoll_show(struct file *f, struct fmt_buf *out)
{
	struct epoll *e = f->data;
	struct watch *w;

	mutex_lock(&e->lock);
	for (u32 i = 0; i < e->nbuckets; i++) {
		list_for_each (w, &e->buckets[i], node)
			fmt_buf_add(out, "tfd: %8d events: %8x data: %16lx\n",
				    w->fd, w->events, w->data);
	}
	mutex_unlock(&e->lock);
}

static const struct file_ops epoll_fops = {
	.name = "epoll",
	.lseek = file_stay,
	.poll = epoll_poll,
	.release = epoll_release,
	.show_fdinfo = epoll_show,
};

int epoll_new(struct file **f)
{
	struct epoll *e = kzalloc(sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->hset = e->bell = -1;
	list_init(&e->ready);
	waitq_init(&e->wait);
	waitq_init(&e->poll_wait);
	err = set_resize(e, BUCKETS_MIN);
	if (!err)
		err = file_new_anon("[eventpoll]", 0600, &epoll_fops, e, O_RDWR,
				    f);
	if (err) {
		kfree(e->buckets);
		kfree(e);
	}
	return err;
}
