/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping locks on plat_wait()/plat_wake(). The kernel never spins. A mutex is
 * one word, zero when free, so zeroed memory is an initialised mutex. Lock
 * order is one list in docs/locking.md.
 */
#ifndef JIFFY_KERNEL_PROC_LOCK_H
#define JIFFY_KERNEL_PROC_LOCK_H

#include "kernel/cpu/current.h"
#include "lib/atomic.h"

#ifdef JIFFY_DEBUG
#include "kernel/proc/lockdep.h"
#endif

struct mutex {
	u32 state; /* 0 free, 1 held, 2 held and perhaps waited for */
#ifdef JIFFY_DEBUG
	struct lock_tag tag;
#endif
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
#ifdef JIFFY_DEBUG
	struct lock_tag tag;
#endif
};

void rw_read_lock(struct rwlock *l);
void rw_read_unlock(struct rwlock *l);
void rw_write_lock(struct rwlock *l);
void rw_write_unlock(struct rwlock *l);

/* Take a lock of a class of which one is held already, by an order that the
 * caller keeps (docs/locking.md): only debug builds see a difference. */
#define mutex_lock_nested(m) mutex_lock(m)
#define rw_write_lock_nested(l) rw_write_lock(l)
/* For helpers that take locks of several classes. */
#define mutex_lock_again(m) mutex_lock(m)
/* Checks of debug builds (lockdep.h). */
#define lock_might_take(m) \
	do {               \
	} while (0)
#define lock_check_sleep(what) \
	do {                   \
	} while (0)
/* Another thread will unlock it. */
#define lock_hand_over(m) \
	do {              \
	} while (0)

#ifdef JIFFY_DEBUG

static inline void mutex_lock_plain(struct mutex *m)
{
	mutex_lock(m);
}

#define LOCK_SITE_(m, how)                                                     \
	({                                                                     \
		static struct lock_site lock_site_ = { __FILE__, #m, __LINE__, \
						       (how), 0 };             \
		&lock_site_;                                                   \
	})
#define LOCK_TAKE_(take, m, how)                                       \
	({                                                             \
		__typeof__(m) m_ = (m);                                \
		lockdep_take(m_, &m_->tag, LOCK_SITE_(m, how), false); \
		take(m_);                                              \
		m_->tag.owner = current();                             \
	})
#define LOCK_DROP_(drop, m)                 \
	({                                  \
		__typeof__(m) m_ = (m);     \
		lockdep_drop(m_, &m_->tag); \
		drop(m_);                   \
	})
#define mutex_lock(m) LOCK_TAKE_(mutex_lock, m, LOCK_PLAIN)
#define mutex_unlock(m) LOCK_DROP_(mutex_unlock, m)
#define mutex_trylock(m)                                                      \
	({                                                                    \
		__typeof__(m) m_ = (m);                                       \
		bool got_ = mutex_trylock(m_);                                \
		if (got_)                                                     \
			lockdep_take(m_, &m_->tag, LOCK_SITE_(m, LOCK_PLAIN), \
				     true);                                   \
		got_;                                                         \
	})
#ifndef LOCK_IMPLEMENTATION
#define rw_read_lock(l) LOCK_TAKE_(rw_read_lock, l, LOCK_PLAIN)
#define rw_read_unlock(l) LOCK_DROP_(rw_read_unlock, l)
#define rw_write_lock(l) LOCK_TAKE_(rw_write_lock, l, LOCK_PLAIN)
#define rw_write_unlock(l) LOCK_DROP_(rw_write_unlock, l)
#endif
#undef mutex_lock_nested
#undef mutex_lock_again
#undef rw_write_lock_nested
#undef lock_might_take
#undef lock_check_sleep
#undef lock_hand_over
#define lock_hand_over(m) lockdep_drop((m), &(m)->tag)
#define mutex_lock_nested(m) LOCK_TAKE_(mutex_lock_plain, m, LOCK_NESTED)
#define mutex_lock_again(m) LOCK_TAKE_(mutex_lock_plain, m, LOCK_AGAIN)
#define rw_write_lock_nested(l) LOCK_TAKE_((rw_write_lock), l, LOCK_NESTED)
#define lock_might_take(m) \
	lockdep_might_take((m), &(m)->tag, LOCK_SITE_(m, LOCK_PLAIN))
#define lock_check_sleep(what) lockdep_sleep(what)

#endif

#endif
