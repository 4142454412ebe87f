/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping locks on plat_wait()/plat_wake(). The kernel never spins. A mutex is
 * one word, zero when free, so zeroed memory is an initialised mutex. Lock
 * order is one list in docs/locking.md.
 */
#ifndef JIFFY_KERNEL_PROC_LOCK_H
#define JIFFY_KERNEL_PROC_LOCK_H

#include "lib/atomic.h"

struct mutex {
	u32 state; /* 0 free, 1 held, 2 held and perhaps waited for */
};

void mutex_lock_slow(struct mutex *m);
void mutex_unlock_slow(struct mutex *m);

static inline void mutex_lock(struct mutex *m)
{
	u32 free = 0;

	if (unlikely(!__atomic_compare_exchange_n(&m->state, &free, 1, false,
						  __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED)))
		mutex_lock_slow(m);
}

static inline bool mutex_trylock(struct mutex *m)
{
	u32 free = 0;

	return __atomic_compare_exchange_n(&m->state, &free, 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* A full barrier: waitq_wake_after() relies on it. */
static inline void mutex_unlock(struct mutex *m)
{
	if (unlikely(atomic_xchg(&m->state, 0) == 2))
		mutex_unlock_slow(m);
}

/* Somebody holds it (cheap debug check; not that it is the caller). */
static inline bool mutex_is_locked(struct mutex *m)
{
	return atomic_load(&m->state) != 0;
}

/* Many readers or one writer; writers are preferred over new readers. */
struct rwlock {
	u32 state; /* readers in bits 0-29; 30: writer holds; 31: waited for */
	u32 writers_waiting;
};

void rw_read_lock(struct rwlock *l);
void rw_read_unlock(struct rwlock *l);
void rw_write_lock(struct rwlock *l);
void rw_write_unlock(struct rwlock *l);

#endif
