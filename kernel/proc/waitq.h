/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues: threads (and epoll sets) that want to know when something
 * changes. Pattern of a waiter:
 *
 *	struct waiter w;
 *	waiter_init(&w);
 *	waitq_add(&q, &w);
 *	while (!(condition)) {
 *		err = thread_sleep(deadline, true);
 *		if (err)
 *			break;	   // -EINTR: signal pending; -ETIMEDOUT
 *	}
 *	waitq_remove(&w);
 *
 * The one who makes the condition true calls waitq_wake() after it. A wake
 * between the check and thread_sleep() is not lost (park token).
 */
#ifndef JIFFY_KERNEL_PROC_WAITQ_H
#define JIFFY_KERNEL_PROC_WAITQ_H

#include "kernel/proc/lock.h"
#include "lib/list.h"

struct thread;
struct waiter;

/* Called with the queue's lock held: must not sleep on that queue nor call
 * back into it. events: which poll bits (EPOLLIN ...) became true, ~0 unknown.
 * True if the wake counts against `n` of waitq_wake (an exclusive waiter that
 * took it). */
typedef bool waiter_fn(struct waiter *w, u32 events);

/* What a wake calls once the queue's lock is dropped, for callbacks that take
 * locks: run() gets a reference, which it gives back. */
struct late {
	struct ref ref;
	void (*run)(struct late *l, u32 events);
};

struct waitq {
	struct mutex lock;
	u32 nwaiters;	     /* read without the lock to skip an empty queue */
	struct list waiters; /* struct waiter.node */
};

struct waiter {
	struct list node;
	struct waitq *queue; /* NULL when not queued */
	waiter_fn *fn;
	struct thread *thread; /* for the default fn */
	struct late *late;     /* instead of fn; or NULL */
	bool is_exclusive; /* at the tail; a wake of n stops after n of these */
};

void waitq_init(struct waitq *q);

/* A waiter that unparks the current thread. */
void waiter_init(struct waiter *w);
/* A waiter with its own callback. */
void waiter_init_fn(struct waiter *w, waiter_fn *fn);
/* One whose callback runs without the lock, also just after removal. */
void waiter_init_late(struct waiter *w, struct late *late);

void waitq_add(struct waitq *q, struct waiter *w);
void waitq_add_exclusive(struct waitq *q, struct waiter *w);
/* Harmless if it is not queued. After it returns, fn is not running. */
void waitq_remove(struct waiter *w);

void waitq_wake_slow(struct waitq *q, u32 events, u32 n);
/* Wake all non-exclusive waiters and up to n exclusive ones. For callers that
 * have done an atomic read-modify-write or mutex_unlock(), full barriers both,
 * since the condition came true. */
static inline void waitq_wake_after(struct waitq *q, u32 events, u32 n)
{
	/* Pairs with waitq_insert(): the condition before nwaiters. */
	if (unlikely(atomic_load(&q->nwaiters) != 0))
		waitq_wake_slow(q, events, n);
}
/* The same for all others: it is the barrier itself. */
static inline void waitq_wake_events(struct waitq *q, u32 events, u32 n)
{
	smp_mb();
	waitq_wake_after(q, events, n);
}
static inline void waitq_wake(struct waitq *q)
{
	waitq_wake_events(q, ~0U, ~0U);
}

/* Sleep until unparked, the deadline (CLOCK_MONOTONIC, NSEC_MAX none), or, if
 * interruptible, pending work (signal, stop, exit). 0, -ETIMEDOUT, -EINTR.
 * Spurious 0 is possible. Runs remote work (mm) while asleep. */
int thread_sleep(nsec_t deadline, bool interruptible);
/* Interruptible, also until *word is not 0: who sets it calls plat_wake_own()
 * in a thread of the same process, and need not look at the sleeper. */
int thread_sleep_own(u32 *word, nsec_t deadline);
/* Let t's current or next thread_sleep()/thread_sleep_poll() return. */
void thread_unpark(struct thread *t);
/* Like thread_sleep(), also until one of the outside descriptors is ready:
 * count of ready ones, 0 unparked, -ETIMEDOUT, -EINTR. Interruptible. */
struct plat_pollfd;
int thread_sleep_poll(struct plat_pollfd *fds, int n, nsec_t deadline);

#endif
