/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in other address spaces: a mapping can only be changed by a thread that
 * runs in its space. Called by object.c when an object shrinks; the work is
 * run by any thread of that space on its way to the program or out of a sleep.
 *
 * Theory of operation. The one who shrinks queues an item on a thread of each
 * space that maps the object and waits for it, but not for ever: all threads of
 * that space may be waiting for a lock that it holds. Then the item stays
 * queued, and whoever runs it late also drops what the program wrote past the
 * end in the meantime.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"

#define PATIENCE (50 * NSEC_PER_MSEC)
#define LOOK_AGAIN (5 * NSEC_PER_MSEC) /* has the thread exited? */

enum remote_state { REMOTE_QUEUED, REMOTE_DONE, REMOTE_LATE };

struct remote_work {
	struct list node;      /* in thread.remote_work, under remote_lock */
	struct ref ref;	       /* the one who waits, the queue */
	struct mm *mm;	       /* only compared */
	struct object *object; /* reference held; NULL: it is about `addr` */
	u32 state;	       /* enum remote_state, atomic */
	u32 kind;	       /* enum mm_remote */
	uaddr_t addr;
	u32 len, done;
	u8 buf[]; /* MM_REMOTE_MAX bytes without an object */
};

static void work_put(struct remote_work *w)
{
	if (!ref_put(&w->ref))
		return;
	if (w->object)
		object_put(w->object);
	kfree(w);
}

/* In the current space: nothing past the object's end stays mapped. */
static void cut_mappings(struct mm *mm, struct object *o)
{
	struct area *a;

	mutex_lock(&mm->lock);
	mutex_lock(&o->map_lock);
	list_for_each (a, &o->mappings, object_node) {
		if (a->mm == mm)
			(void)area_cut_backing(a);
	}
	mutex_unlock(&o->map_lock);
	mutex_unlock(&mm->lock);
}

/* In the current space, for somebody who cannot reach it. */
static void access_run(struct remote_work *w)
{
	if (atomic_load(&w->state) != REMOTE_QUEUED)
		return;
	switch ((enum mm_remote)w->kind) {
	case MM_REMOTE_READ:
		w->done = (u32)user_copy_in_some(w->buf, w->addr, w->len);
		break;
	case MM_REMOTE_WRITE:
		w->done = (u32)user_copy_out_some(w->addr, w->buf, w->len);
		break;
	case MM_REMOTE_RESIDENT:
		if (plat_resident(w->addr, w->len, w->buf) == 0)
			w->done = w->len;
		break;
	}
}

static void work_run(struct remote_work *w)
{
	u32 state = REMOTE_QUEUED;

	if (w->mm == mm_current() && !w->object)
		access_run(w);
	else if (w->mm == mm_current())
		cut_mappings(w->mm, w->object);
	if (!w->object)
		(void)atomic_cmpxchg(&w->state, &state, REMOTE_DONE);
	else if (!atomic_cmpxchg(&w->state, &state, REMOTE_DONE))
		object_trim(w->object);
	plat_wake(&w->state, ~0U);
	work_put(w);
}

void mm_run_remote(struct thread *t)
{
	for (;;) {
		struct remote_work *w = NULL;

		mutex_lock(&t->remote_lock);
		if (!list_empty(&t->remote_work)) {
			w = list_first(&t->remote_work, struct remote_work,
				       node);
			list_del(&w->node);
		}
		mutex_unlock(&t->remote_lock);
		if (!w)
			return;
		work_run(w);
	}
}

/* A thread that runs in mm, with a reference, or NULL: the space is gone. */
static struct thread *thread_of(struct mm *mm)
{
	struct process *p = process_next(0);

	while (p) {
		s32 pid = p->pid;
		struct thread *t = NULL;

		if (p->mm == mm)
			t = process_next_thread(p, 0);
		while (t && atomic_load(&t->state) != THREAD_ALIVE) {
			s32 tid = t->tid;

			thread_put(t);
			t = process_next_thread(p, tid);
		}
		process_put(p);
		if (t)
			return t;
		p = process_next(pid);
	}
	return NULL;
}

/* Wait until w is done, t is gone or patience is at its end. */
static void work_wait(struct remote_work *w, struct thread *t)
{
	nsec_t end = plat_clock(PLAT_MONOTONIC) + PATIENCE;
	u32 state = REMOTE_QUEUED;
	nsec_t now;

	while (atomic_load(&w->state) == REMOTE_QUEUED) {
		now = plat_clock(PLAT_MONOTONIC);
		if (now >= end || atomic_load(&t->state) == THREAD_DEAD)
			break;
		/* The other one may be waiting for us in the same way. */
		mm_run_remote(current());
		(void)plat_wait(&w->state, REMOTE_QUEUED, now + LOOK_AGAIN);
	}
	(void)atomic_cmpxchg(&w->state, &state, REMOTE_LATE);
}

static void work_do(struct remote_work *w, struct thread *t)
{
	ref_get(&w->ref);
	mutex_lock(&t->remote_lock);
	list_append(&t->remote_work, &w->node);
	mutex_unlock(&t->remote_lock);
	thread_set_work(t, WORK_REMOTE);
	work_wait(w, t);
}

int mm_remote(struct mm *mm, enum mm_remote kind, uaddr_t addr, void *buf,
	      u32 len)
{
	struct remote_work *w;
	struct thread *t;
	int n = -ESRCH;

	if (len > MM_REMOTE_MAX)
		return -EINVAL;
	w = kzalloc(sizeof(*w) + MM_REMOTE_MAX);
	if (!w)
		return -ENOMEM;
	ref_init(&w->ref);
	w->mm = mm;
	w->kind = kind;
	w->addr = addr;
	w->len = len;
	if (kind == MM_REMOTE_WRITE)
		memcpy(w->buf, buf, len);
	t = thread_of(mm);
	if (t) {
		work_do(w, t);
		thread_put(t);
		n = atomic_load_acquire(&w->state) == REMOTE_DONE ? (int)w->done
								  : -EIO;
		if (n > 0 && kind != MM_REMOTE_WRITE)
			memcpy(buf, w->buf, (u32)n);
	}
	work_put(w);
	return n;
}

static void cut_remotely(struct mm *mm, struct object *o)
{
	struct thread *t = thread_of(mm);
	struct remote_work *w;

	if (!t)
		return;
	w = kzalloc(sizeof(*w));
	if (w) {
		ref_init(&w->ref);
		w->mm = mm;
		w->object = o;
		object_get(o);
		work_do(w, t);
		work_put(w);
	}
	thread_put(t);
}

/* A space that maps something past the object's end and lies after `after` in
 * memory, with a reference; or NULL. */
static struct mm *next_mm(struct object *o, const struct mm *after)
{
	struct mm *best = NULL;
	struct area *a;

	mutex_lock(&o->map_lock);
	list_for_each (a, &o->mappings, object_node) {
		u64 size = PAGE_UP(atomic_load(&o->size));

		if (a->offset + (a->backed_end - a->start) > size &&
		    a->mm > after && (!best || a->mm < best))
			best = a->mm;
	}
	if (best && !ref_tryget(&best->ref))
		best = NULL;
	mutex_unlock(&o->map_lock);
	return best;
}

void mm_object_shrunk(struct object *o, UNUSED u64 new_size)
{
	struct mm *mm = NULL;

	if (list_empty(&o->mappings))
		return;
	while ((mm = next_mm(o, mm)) != NULL) {
		if (mm == mm_current())
			cut_mappings(mm, o);
		else
			cut_remotely(mm, o);
		mm_put(mm);
	}
}
