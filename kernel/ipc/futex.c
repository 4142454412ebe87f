/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes. Theory of operation: sleepers hang in hash buckets by the key of
 * their word. A sleeper counts itself in the bucket, then looks at the word
 * under the bucket's lock; a waker has changed the word, then looks at the
 * count: one sees the other, so a wake without sleepers takes no lock. Who
 * takes a sleeper off the list sets `woken` last and does not touch it again.
 */
#include "kernel/ipc/futex.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/futex.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"

#define BUCKETS 1024
#define WAKE_BATCH 16
#define ROBUST_LIMIT 2048

/* Neither straddles two cache lines: a hand-over moves them between
 * processors. */
struct bucket {
	struct mutex lock;
	u32 nwaiters;	     /* atomic; read without the lock by wakers */
	struct list waiters; /* struct futex_waiter.node, see waiter_link() */
} ALIGNED(32);

struct ALIGNED(64) futex_waiter {
	struct list node;
	struct futex_key key;
	struct bucket *bucket; /* changed under the locks of both buckets */
	struct thread *thread;
	u32 bitset;
	u32 priority; /* real-time, when it began to wait; 0: none */
	u32 woken;    /* atomic; 1: off the list, not touched any more */
	bool is_pi;
	bool is_to_pi;	 /* has a pi_key: a waker need not look there */
	bool is_private; /* sleeps on `woken`: the wakers are its process's */
	/* It waits to be moved to this lock (WAIT_REQUEUE_PI), or NULL. The
	 * rest is one cache line. */
	const struct futex_key *pi_key;
};

struct wake_batch { /* threads to unpark once the lock is dropped */
	struct thread *threads[WAKE_BATCH];
	/* Of private waits: only to tell the host, may be gone. */
	u32 *words[WAKE_BATCH];
	u32 n;
};

static struct bucket buckets[BUCKETS];

/* b->lock held. Made when first used: a start touches few. */
static struct list *waiters_of(struct bucket *b)
{
	if (!b->waiters.next)
		list_init(&b->waiters);
	return &b->waiters;
}

static struct bucket *bucket_of(const struct futex_key *k)
{
	u64 h = (k->a ^ (k->b >> 2)) * 0x9e3779b97f4a7c15UL;

	return &buckets[h >> 54];
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->a == b->a && a->b == b->b;
}

/* Waiters with and without the private flag do not meet, as on Linux. */
static int get_key(uaddr_t addr, bool is_private, struct futex_key *key)
{
	int err = mm_futex_key(addr, is_private, key);

	if (!err && !is_private)
		key->b |= 1; /* words are aligned: the bit is free */
	return err;
}

static int get_two_keys(uaddr_t addr, uaddr_t addr2, bool is_private,
			struct futex_key *key, struct futex_key *key2)
{
	int err = get_key(addr, is_private, key);

	return err ? err : get_key(addr2, is_private, key2);
}

/* From a condition to a lock: they are two words. */
static int get_pi_keys(uaddr_t addr, uaddr_t addr2, bool is_private,
		       struct futex_key *key, struct futex_key *key2)
{
	int err = get_two_keys(addr, addr2, is_private, key, key2);

	return !err && key_equal(key, key2) ? -EINVAL : err;
}

/* b->lock held: only wakers look without it. */
static void count_waiter(struct bucket *b, u32 change)
{
	atomic_store(&b->nwaiters, b->nwaiters + change);
}

/* Put w, counted, on b's list, b->lock held: by priority, then in order of
 * arrival. Almost all have none and go to the end. */
static void waiter_link(struct futex_waiter *w, struct bucket *b)
{
	struct futex_waiter *at;

	if (w->priority) {
		list_for_each (at, waiters_of(b), node) {
			if (at->priority < w->priority) {
				list_append(&at->node, &w->node);
				return;
			}
		}
	}
	list_append(waiters_of(b), &w->node);
}

/* --- Waking -------------------------------------------------------------- */

static void batch_flush(struct wake_batch *batch)
{
	for (u32 i = 0; i < batch->n; i++) {
		if (batch->words[i]) {
			plat_wake_own(batch->words[i]);
			continue;
		}
		thread_unpark(batch->threads[i]);
		thread_put(batch->threads[i]);
	}
	batch->n = 0;
}

static void waiter_wake(struct futex_waiter *w, struct wake_batch *batch)
{
	if (batch->n == WAKE_BATCH)
		batch_flush(batch);
	list_del(&w->node);
	count_waiter(w->bucket, -1U);
	/* The thread's own cache line can stay where it is. */
	batch->words[batch->n] = w->is_private ? &w->woken : NULL;
	if (!w->is_private)
		thread_get(w->thread);
	batch->threads[batch->n++] = w->thread;
	/* Pairs with the acquire in is_woken(): w may vanish now. */
	atomic_store_release(&w->woken, 1);
}

static bool is_woken(struct futex_waiter *w)
{
	return atomic_load_acquire(&w->woken) != 0;
}

/* b->lock held. How many, -EINVAL: a waiter for a lock is in the way. */
static s32 wake_in(struct bucket *b, const struct futex_key *key, s32 n,
		   u32 bitset, struct wake_batch *batch)
{
	struct futex_waiter *w, *next;
	s32 count = 0;

	list_for_each_safe (w, next, waiters_of(b), node) {
		if (count >= n)
			break;
		if (!key_equal(&w->key, key))
			continue;
		if (w->is_pi || w->is_to_pi)
			return -EINVAL;
		if (!(w->bitset & bitset))
			continue;
		waiter_wake(w, batch);
		count++;
	}
	return count;
}

long futex_wake(uaddr_t addr, bool is_private, s32 n, u32 bitset)
{
	struct wake_batch batch = { .n = 0 };
	struct futex_key key;
	struct bucket *b;
	s32 count;
	int err = get_key(addr, is_private, &key);

	if (err)
		return err;
	if (!bitset)
		return -EINVAL;
	b = bucket_of(&key);
	smp_mb(); /* the program's store before nwaiters; see waiter_queue() */
	if (atomic_load(&b->nwaiters) == 0)
		return 0;
	mutex_lock(&b->lock);
	count = wake_in(b, &key, MAX(n, 1), bitset, &batch);
	mutex_unlock(&b->lock);
	batch_flush(&batch);
	return count;
}

/* Lock the buckets of two keys, lower address first. */
static void lock_two(struct bucket *a, struct bucket *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		mutex_lock_nested(a < b ? &b->lock : &a->lock);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

static void move_waiter(struct futex_waiter *w, const struct futex_key *key,
			struct bucket *to)
{
	list_del(&w->node);
	count_waiter(w->bucket, -1U);
	w->key = *key;
	atomic_store(&w->bucket, to);
	count_waiter(to, 1);
	waiter_link(w, to);
}

static long requeue_locked(struct bucket *b, const struct futex_key *key, s32 n,
			   s32 nmove, struct bucket *b2,
			   const struct futex_key *key2,
			   struct wake_batch *batch)
{
	struct futex_waiter *w, *next;
	long count = wake_in(b, key, n, FUTEX_BITSET_ALL, batch);

	if (count < 0 || key_equal(key, key2))
		return count;
	list_for_each_safe (w, next, waiters_of(b), node) {
		if (nmove <= 0)
			break;
		if (!key_equal(&w->key, key))
			continue;
		if (w->is_pi || w->is_to_pi)
			return -EINVAL;
		move_waiter(w, key2, b2);
		nmove--;
		count++;
	}
	return count;
}

long futex_requeue(uaddr_t addr, bool is_private, s32 n, s32 nmove,
		   uaddr_t addr2, bool check, u32 value)
{
	struct wake_batch batch = { .n = 0 };
	struct futex_key key, key2;
	struct bucket *b, *b2;
	u32 now = value;
	long count;
	int err;

	if (n < 0 || nmove < 0)
		return -EINVAL;
	err = get_two_keys(addr, addr2, is_private, &key, &key2);
	if (err)
		return err;
	b = bucket_of(&key);
	b2 = bucket_of(&key2);
	lock_two(b, b2);
	if (check && user_load_u32(&now, addr))
		count = -EFAULT;
	else if (check && now != value)
		count = -EAGAIN;
	else
		count = requeue_locked(b, &key, n, nmove, b2, &key2, &batch);
	unlock_two(b, b2);
	batch_flush(&batch);
	return count;
}

/* FUTEX_OP_CMP_*: < 0 unknown. */
static int compare_op(int cmp, s32 old, s32 arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	case FUTEX_OP_CMP_GT:
		return old > arg;
	default:
		return -ENOSYS;
	}
}

long futex_wake_op(uaddr_t addr, bool is_private, s32 n, s32 n2, uaddr_t addr2,
		   u32 encoded)
{
	struct wake_batch batch = { .n = 0 };
	int op = (int)(encoded >> 28) & 7;
	int cmp = (int)(encoded >> 24) & 15;
	s32 operand = (s32)(encoded << 8) >> 20;
	s32 arg = (s32)(encoded << 20) >> 20;
	struct futex_key key, key2;
	struct bucket *b, *b2;
	u32 old = 0;
	long count;
	int err;

	err = get_two_keys(addr, addr2, is_private, &key, &key2);
	if (err)
		return err;
	if (op > FUTEX_OP_XOR || cmp > FUTEX_OP_CMP_GE)
		return -ENOSYS;
	if (encoded & (FUTEX_OP_OPARG_SHIFT << 28))
		operand = (s32)(1U << (operand & 31));
	b = bucket_of(&key);
	b2 = bucket_of(&key2);
	lock_two(b, b2);
	if (user_atomic_op_u32(addr2, op, (u32)operand, &old)) {
		count = -EFAULT;
	} else {
		/* As Linux: a count of 0 wakes one, too. */
		count = wake_in(b, &key, MAX(n, 1), FUTEX_BITSET_ALL, &batch);
		if (count >= 0 && compare_op(cmp, (s32)old, arg) > 0) {
			s32 more = wake_in(b2, &key2, MAX(n2, 1),
					   FUTEX_BITSET_ALL, &batch);

			count = more < 0 ? more : count + more;
		}
	}
	unlock_two(b, b2);
	batch_flush(&batch);
	return count;
}

/* --- Sleeping ------------------------------------------------------------ */

static void waiter_fill(struct futex_waiter *w, const struct futex_key *key,
			u32 bitset)
{
	list_init(&w->node);
	w->key = *key;
	w->bucket = bucket_of(key);
	w->thread = current();
	w->bitset = bitset;
	w->priority = w->thread->sched_priority;
	w->woken = 0;
	w->is_pi = false;
	w->is_to_pi = false;
	w->is_private = !(key->b & 1);
	w->pi_key = NULL;
}

/* Queue if the word still has the value: 0, -EAGAIN, -EFAULT. */
static int waiter_queue(struct futex_waiter *w, uaddr_t addr, u32 value)
{
	struct bucket *b = w->bucket;
	u32 now;
	int err = 0;

	mutex_lock(&b->lock);
	/* Full barrier: counted before the look; pairs with futex_wake(). */
	atomic_fetch_add(&b->nwaiters, 1);
	if (user_load_u32(&now, addr))
		err = -EFAULT;
	else if (now != value)
		err = -EAGAIN;
	if (!err)
		waiter_link(w, b);
	else
		count_waiter(b, -1U);
	mutex_unlock(&b->lock);
	return err;
}

/* False if somebody has woken it already. */
static bool waiter_unqueue(struct futex_waiter *w)
{
	struct bucket *b;
	bool queued;

	for (;;) {
		b = atomic_load(&w->bucket);
		mutex_lock(&b->lock);
		if (b == w->bucket)
			break;
		mutex_unlock(&b->lock); /* it was moved meanwhile */
	}
	queued = !is_woken(w);
	if (queued) {
		list_del(&w->node);
		count_waiter(b, -1U);
	}
	mutex_unlock(&b->lock);
	return queued;
}

/* Sleep until woken: 0, or -ETIMEDOUT, -EINTR; off the list in any case. */
static int waiter_sleep(struct futex_waiter *w, nsec_t deadline)
{
	int err = 0;

	while (!is_woken(w) && !err) {
		if (w->is_private)
			err = thread_sleep_own(&w->woken, deadline);
		else
			err = thread_sleep(deadline, true);
	}
	if (!is_woken(w) && waiter_unqueue(w))
		return err;
	return 0;
}

int futex_wait(uaddr_t addr, bool is_private, u32 value, u32 bitset,
	       nsec_t deadline)
{
	struct futex_waiter w;
	struct futex_key key;
	int err = get_key(addr, is_private, &key);

	if (err)
		return err;
	if (!bitset)
		return -EINVAL;
	waiter_fill(&w, &key, bitset);
	err = waiter_queue(&w, addr, value);
	return err ? err : waiter_sleep(&w, deadline);
}

/* Take the first n off their lists; the index of one that was woken, or -1. */
static int unqueue_many(struct futex_waiter *w, u32 n)
{
	int woken = -1;

	for (u32 i = 0; i < n; i++) {
		if (!waiter_unqueue(&w[i]) && woken < 0)
			woken = (int)i;
	}
	return woken;
}

static bool any_woken(struct futex_waiter *w, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		if (is_woken(&w[i]))
			return true;
	}
	return false;
}

int futex_wait_many(const struct futex_waitv_entry *entries, u32 n,
		    nsec_t deadline)
{
	struct futex_waiter *w = kmalloc(n * sizeof(*w));
	struct futex_key key;
	u32 queued = 0;
	int err = 0, woken;

	if (!w)
		return -ENOMEM;
	for (; queued < n && !err; queued++) {
		const struct futex_waitv_entry *e = &entries[queued];

		err = get_key(e->addr, e->is_private, &key);
		if (err)
			break;
		waiter_fill(&w[queued], &key, FUTEX_BITSET_ALL);
		w[queued].is_private = false; /* it sleeps for all of them */
		err = waiter_queue(&w[queued], e->addr, e->value);
		if (err)
			break;
	}
	while (!err && !any_woken(w, n))
		err = thread_sleep(deadline, true);
	woken = unqueue_many(w, queued);
	kfree(w);
	return woken >= 0 ? woken : err;
}

/* --- Locks with an owner (PI) -------------------------------------------- */

/* Bucket locked: the lock is free if its word names no owner; take it.
 * 0, -EAGAIN (word changed: look again), -EFAULT. */
static int pi_take(uaddr_t addr, u32 seen, u32 tid)
{
	u32 desired = (seen & (FUTEX_OWNER_DIED | FUTEX_WAITERS)) | tid;
	u32 old;

	if (user_cmpxchg_u32(addr, seen, desired, &old))
		return -EFAULT;
	return old == seen ? 0 : -EAGAIN;
}

static int pi_check_owner(u32 owner)
{
	struct thread *t;

	if (owner == (u32)current()->tid)
		return -EDEADLK;
	t = thread_find((s32)owner);
	if (!t)
		return -ESRCH;
	thread_put(t);
	return 0;
}

/* Bucket locked. 1: queued, 0: taken, -EAGAIN: look again, other errors. */
static int pi_try_or_queue(struct futex_waiter *w, uaddr_t addr, bool try)
{
	u32 v, old;
	int err;

	if (user_load_u32(&v, addr))
		return -EFAULT;
	if ((v & FUTEX_TID_MASK) == 0)
		return pi_take(addr, v, (u32)w->thread->tid);
	err = pi_check_owner(v & FUTEX_TID_MASK);
	if (err)
		return err;
	if (try)
		return -EBUSY; /* told apart from -EAGAIN by the caller */
	if (!(v & FUTEX_WAITERS)) {
		if (user_cmpxchg_u32(addr, v, v | FUTEX_WAITERS, &old))
			return -EFAULT;
		if (old != v)
			return -EAGAIN;
	}
	count_waiter(w->bucket, 1);
	waiter_link(w, w->bucket);
	return 1;
}

int futex_lock_pi(uaddr_t addr, bool is_private, nsec_t deadline, bool try)
{
	struct futex_waiter w;
	struct futex_key key;
	int err = get_key(addr, is_private, &key);

	if (err)
		return err;
	waiter_fill(&w, &key, FUTEX_BITSET_ALL);
	w.is_pi = true;
	do {
		mutex_lock(&w.bucket->lock);
		err = pi_try_or_queue(&w, addr, try);
		mutex_unlock(&w.bucket->lock);
	} while (err == -EAGAIN);
	if (err == -EBUSY)
		return -EAGAIN;
	if (err <= 0)
		return err;
	/* Who wakes us has made us the owner. */
	return waiter_sleep(&w, deadline);
}

/* Bucket locked: give the lock whose word reads `seen` to the first waiter, or
 * free it. flags: bits to leave in the word. 0, -EAGAIN, -EFAULT. */
static int pi_hand_over(struct bucket *b, const struct futex_key *key,
			uaddr_t addr, u32 seen, u32 flags,
			struct wake_batch *batch)
{
	struct futex_waiter *w, *first = NULL;
	u32 desired = flags, old;

	list_for_each (w, waiters_of(b), node) {
		if (!w->is_pi || !key_equal(&w->key, key))
			continue;
		if (first) {
			desired |= FUTEX_WAITERS;
			break;
		}
		first = w;
	}
	if (first)
		desired |= (u32)first->thread->tid;
	if (user_cmpxchg_u32(addr, seen, desired, &old))
		return -EFAULT;
	if (old != seen)
		return -EAGAIN;
	if (first)
		waiter_wake(first, batch);
	return 0;
}

int futex_unlock_pi(uaddr_t addr, bool is_private)
{
	struct wake_batch batch = { .n = 0 };
	struct futex_key key;
	struct bucket *b;
	u32 v;
	int err = get_key(addr, is_private, &key);

	if (err)
		return err;
	b = bucket_of(&key);
	do {
		if (user_load_u32(&v, addr))
			return -EFAULT;
		if ((v & FUTEX_TID_MASK) != (u32)current()->tid)
			return -EPERM;
		mutex_lock(&b->lock);
		err = pi_hand_over(b, &key, addr, v, 0, &batch);
		mutex_unlock(&b->lock);
	} while (err == -EAGAIN);
	batch_flush(&batch);
	return err;
}

/* --- From a condition to a lock with an owner ---------------------------- */

int futex_wait_requeue_pi(uaddr_t addr, bool is_private, u32 value,
			  nsec_t deadline, uaddr_t addr2)
{
	struct futex_key key, key2;
	struct futex_waiter w;
	int err = get_pi_keys(addr, addr2, is_private, &key, &key2);

	if (err)
		return err;
	waiter_fill(&w, &key, FUTEX_BITSET_ALL);
	w.pi_key = &key2;
	w.is_to_pi = true;
	err = waiter_queue(&w, addr, value);
	if (err)
		return err;
	err = waiter_sleep(&w, deadline);
	/* Woken as the owner; else the word has changed since, so that there
	 * is nothing to restart once it was moved. */
	if (!err)
		return w.is_pi ? 0 : -EAGAIN;
	return err == -EINTR && w.is_pi ? -EAGAIN : err;
}

/* Buckets locked: w gets the lock at addr2, or waits for it. 1: it is the
 * owner, 0: it was moved, -EAGAIN: look again, other errors. */
static int pi_take_for(struct futex_waiter *w, const struct futex_key *key2,
		       struct bucket *b2, uaddr_t addr2)
{
	u32 v, old, owner;
	int err;

	if (!w->pi_key || !key_equal(w->pi_key, key2))
		return -EINVAL;
	if (user_load_u32(&v, addr2))
		return -EFAULT;
	owner = v & FUTEX_TID_MASK;
	if (owner == 0) {
		err = pi_take(addr2, v, (u32)w->thread->tid);
		w->is_pi = !err;
		return err ? err : 1;
	}
	if (owner == (u32)w->thread->tid)
		return -EDEADLK;
	err = owner == (u32)current()->tid ? 0 : pi_check_owner(owner);
	if (err)
		return err;
	if (!(v & FUTEX_WAITERS)) {
		if (user_cmpxchg_u32(addr2, v, v | FUTEX_WAITERS, &old))
			return -EFAULT;
		if (old != v)
			return -EAGAIN;
	}
	w->is_pi = true;
	move_waiter(w, key2, b2);
	return 0;
}

static long requeue_pi_locked(struct bucket *b, const struct futex_key *key,
			      u32 nmove, struct bucket *b2,
			      const struct futex_key *key2, uaddr_t addr2,
			      struct wake_batch *batch)
{
	struct futex_waiter *w, *next;
	long count = 0;
	int got;

	list_for_each_safe (w, next, waiters_of(b), node) {
		if (count > (long)nmove) /* one more may become the owner */
			break;
		if (!key_equal(&w->key, key))
			continue;
		do {
			got = pi_take_for(w, key2, b2, addr2);
		} while (got == -EAGAIN);
		if (got < 0)
			return count ? count : got;
		if (got)
			waiter_wake(w, batch);
		count++;
	}
	return count;
}

long futex_requeue_pi(uaddr_t addr, bool is_private, s32 n, s32 nmove,
		      uaddr_t addr2, u32 value)
{
	struct wake_batch batch = { .n = 0 };
	struct futex_key key, key2;
	struct bucket *b, *b2;
	long count;
	u32 now;
	int err;

	if (n != 1 || nmove < 0)
		return -EINVAL;
	err = get_pi_keys(addr, addr2, is_private, &key, &key2);
	if (err)
		return err;
	b = bucket_of(&key);
	b2 = bucket_of(&key2);
	lock_two(b, b2);
	if (user_load_u32(&now, addr2) || user_load_u32(&now, addr))
		count = -EFAULT;
	else if (now != value)
		count = -EAGAIN;
	else
		count = requeue_pi_locked(b, &key, (u32)nmove, b2, &key2, addr2,
					  &batch);
	unlock_two(b, b2);
	batch_flush(&batch);
	return count;
}

/* --- Robust lists -------------------------------------------------------- */

static void pi_owner_died(uaddr_t addr, u32 seen)
{
	struct wake_batch batch = { .n = 0 };
	struct futex_key key;
	struct bucket *b;

	if (get_key(addr, false, &key))
		return;
	b = bucket_of(&key);
	mutex_lock(&b->lock);
	(void)pi_hand_over(b, &key, addr, seen, FUTEX_OWNER_DIED, &batch);
	mutex_unlock(&b->lock);
	batch_flush(&batch);
}

/* The owner of this word dies. False: stop walking. */
static bool robust_entry(uaddr_t addr, u32 tid, bool is_pi, bool is_pending)
{
	u32 v, old;

	if ((addr & 3) || user_load_u32(&v, addr))
		return false;
	if (is_pending && !is_pi && v == 0) {
		/* It died between unlocking and waking. */
		(void)futex_wake(addr, false, 1, FUTEX_BITSET_ALL);
		return true;
	}
	for (;;) {
		if ((v & FUTEX_TID_MASK) != tid)
			return true;
		if (is_pi) {
			pi_owner_died(addr, v);
			return true;
		}
		if (user_cmpxchg_u32(addr, v,
				     (v & FUTEX_WAITERS) | FUTEX_OWNER_DIED,
				     &old))
			return false;
		if (old == v)
			break;
		v = old;
	}
	if (v & FUTEX_WAITERS)
		(void)futex_wake(addr, false, 1, FUTEX_BITSET_ALL);
	return true;
}

static void robust_walk(uaddr_t head, u32 tid)
{
	u64 entry, next, offset, pending;

	if (user_load_u64(&entry, head) || user_load_u64(&offset, head + 8) ||
	    user_load_u64(&pending, head + 16))
		return;
	for (int i = 0; i < ROBUST_LIMIT && (entry & ~1UL) != head; i++) {
		int err = user_load_u64(&next, entry & ~1UL);

		if ((entry & ~1UL) != (pending & ~1UL) &&
		    !robust_entry((entry & ~1UL) + offset, tid, entry & 1,
				  false))
			return;
		if (err)
			break;
		entry = next;
	}
	if (pending & ~1UL)
		(void)robust_entry((pending & ~1UL) + offset, tid, pending & 1,
				   true);
}

void futex_exit(struct thread *t)
{
	uaddr_t head = t->robust_list;

	t->robust_list = 0;
	if (head)
		robust_walk(head, (u32)t->tid);
}
