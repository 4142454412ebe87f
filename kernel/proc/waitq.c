/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues. Callbacks run under the queue's lock, which is what lets
 * waitq_remove() promise that none is running; plain waiters are unparked
 * after the lock is dropped, so that they do not wake only to wait for it.
 */
#include "kernel/proc/waitq.h"

#include "kernel/proc/thread.h"

#define WAKE_BATCH 8
#define LATE_BATCH 16 /* more on one queue are not heard */

void waitq_init(struct waitq *q)
{
	q->lock.state = 0;
	q->nwaiters = 0;
	list_init(&q->waiters);
}

static bool waiter_unpark(struct waiter *w, UNUSED u32 events)
{
	thread_unpark(w->thread);
	return true;
}

void waiter_init_fn(struct waiter *w, waiter_fn *fn)
{
	list_init(&w->node);
	w->queue = NULL;
	w->fn = fn;
	w->thread = NULL;
	w->late = NULL;
	w->is_exclusive = false;
}

void waiter_init(struct waiter *w)
{
	waiter_init_fn(w, waiter_unpark);
	w->thread = current();
}

void waiter_init_late(struct waiter *w, struct late *late)
{
	waiter_init_fn(w, NULL);
	w->late = late;
}

static void waitq_insert(struct waitq *q, struct waiter *w, bool exclusive)
{
	mutex_lock(&q->lock);
	w->queue = q;
	w->is_exclusive = exclusive;
	if (exclusive)
		list_append(&q->waiters, &w->node);
	else
		list_push(&q->waiters, &w->node);
	/* Full barrier: pairs with the one in waitq_wake_after(). */
	atomic_fetch_add(&q->nwaiters, 1);
	mutex_unlock(&q->lock);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
	waitq_insert(q, w, false);
}

void waitq_add_exclusive(struct waitq *q, struct waiter *w)
{
	waitq_insert(q, w, true);
}

void waitq_remove(struct waiter *w)
{
	struct waitq *q = w->queue;

	if (!q)
		return;
	mutex_lock(&q->lock);
	list_del(&w->node);
	atomic_fetch_sub(&q->nwaiters, 1);
	w->queue = NULL;
	mutex_unlock(&q->lock);
}

void waitq_wake_slow(struct waitq *q, u32 events, u32 n)
{
	struct thread *batch[WAKE_BATCH];
	struct late *late[LATE_BATCH];
	struct waiter *w, *next;
	u32 count = 0, nlate = 0;

	/* A callback may wake the queue of the epoll set that it is for. */
	mutex_lock_nested(&q->lock);
	list_for_each_safe (w, next, &q->waiters, node) {
		bool took = true;

		if (w->is_exclusive && n == 0)
			break;
		if (w->fn == waiter_unpark && count < WAKE_BATCH) {
			thread_get(w->thread);
			batch[count++] = w->thread;
		} else if (unlikely(w->late)) {
			took = false;
			if (nlate < LATE_BATCH && ref_tryget(&w->late->ref))
				late[nlate++] = w->late;
		} else {
			took = w->fn(w, events);
		}
		if (w->is_exclusive && took)
			n--;
	}
	mutex_unlock(&q->lock);
	for (u32 i = 0; i < count; i++) {
		thread_unpark(batch[i]);
		thread_put(batch[i]);
	}
	for (u32 i = 0; i < nlate; i++)
		late[i]->run(late[i], events);
}
