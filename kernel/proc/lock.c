/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slow paths of mutexes, and reader-writer locks. Everything sleeps in
 * plat_wait() on the lock's own word.
 */
#define LOCK_IMPLEMENTATION
#include "kernel/proc/lock.h"

#include "kernel/plat/plat.h"

#define RW_READERS ((1U << 30) - 1)
#define RW_WRITER (1U << 30)
#define RW_WAITED (1U << 31)

void mutex_lock_slow(struct mutex *m)
{
	/* 2 tells the holder to wake someone; pairs with mutex_unlock(). */
	while (atomic_xchg(&m->state, 2) != 0)
		plat_wait(&m->state, 2, NSEC_MAX);
}

void mutex_unlock_slow(struct mutex *m)
{
	plat_wake(&m->state, 1);
}

/* Wait for a release while the state is `seen`. The release of the last holder
 * wakes all, so nobody has to be chosen. */
static void rw_wait(struct rwlock *l, u32 seen)
{
	if (!(seen & RW_WAITED)) {
		if (!atomic_cmpxchg(&l->state, &seen, seen | RW_WAITED))
			return;
		seen |= RW_WAITED;
	}
	plat_wait(&l->state, seen, NSEC_MAX);
}

void rw_read_lock(struct rwlock *l)
{
	u32 s;

	for (;;) {
		s = atomic_load(&l->state);
		if (!(s & RW_WRITER) && atomic_load(&l->writers_waiting) == 0) {
			if (atomic_cmpxchg(&l->state, &s, s + 1))
				return;
			continue;
		}
		rw_wait(l, s);
	}
}

void rw_read_unlock(struct rwlock *l)
{
	u32 s = atomic_fetch_sub(&l->state, 1) - 1;

	if ((s & RW_READERS) != 0 || !(s & RW_WAITED))
		return;
	/* If someone takes it now, RW_WAITED stays and he wakes the rest. */
	if (atomic_cmpxchg(&l->state, &s, 0))
		plat_wake(&l->state, ~0U);
}

void rw_write_lock(struct rwlock *l)
{
	u32 s = 0;

	if (atomic_cmpxchg(&l->state, &s, RW_WRITER))
		return;
	atomic_fetch_add(&l->writers_waiting, 1);
	for (;;) {
		s = atomic_load(&l->state);
		if (s & (RW_WRITER | RW_READERS)) {
			rw_wait(l, s);
			continue;
		}
		if (atomic_cmpxchg(&l->state, &s, s | RW_WRITER))
			break;
	}
	atomic_fetch_sub(&l->writers_waiting, 1);
}

void rw_write_unlock(struct rwlock *l)
{
	if (atomic_xchg(&l->state, 0) & RW_WAITED)
		plat_wake(&l->state, ~0U);
}
