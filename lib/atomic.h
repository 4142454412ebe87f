/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Atomics. All orderings are named here; code elsewhere uses only these. Every
 * use names, in a comment, the access it pairs with unless it is a counter.
 */
#ifndef JIFFY_LIB_ATOMIC_H
#define JIFFY_LIB_ATOMIC_H

#include "lib/compiler.h"

#define atomic_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define atomic_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Full-barrier read-modify-write; the value before the operation. */
#define atomic_xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define atomic_fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)

/* Compare and exchange: true if *p was *expected and now is v; else *expected
 * holds what was there. */
#define atomic_cmpxchg(p, expected, v)                           \
	__atomic_compare_exchange_n((p), (expected), (v), false, \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Two words changed as one: list heads with a generation. */
struct atomic_pair {
	u64 a, b;
} ALIGNED(16);

/* Full barrier: true if *p was *expected and now is v; else *expected holds
 * what was there. */
static inline bool atomic_cmpxchg_pair(struct atomic_pair *p,
				       struct atomic_pair *expected,
				       struct atomic_pair v)
{
	bool ok;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(ok), "+m"(*p), "+a"(expected->a),
			   "+d"(expected->b)
			 : "b"(v.a), "c"(v.b)
			 : "memory");
	return ok;
}
/* Earlier loads happen before later loads. */
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)

/* A reference count that starts at 1. */
struct ref {
	u32 count;
};

static inline void ref_init(struct ref *r)
{
	atomic_store(&r->count, 1);
}

static inline void ref_get(struct ref *r)
{
	atomic_fetch_add(&r->count, 1);
}

/* False if the count was already zero (the object is being freed). */
static inline bool ref_tryget(struct ref *r)
{
	u32 n = atomic_load(&r->count);

	while (n != 0) {
		if (atomic_cmpxchg(&r->count, &n, n + 1))
			return true;
	}
	return false;
}

/* True if this was the last reference: the caller frees the object. */
static inline bool ref_put(struct ref *r)
{
	return atomic_fetch_sub(&r->count, 1) == 1;
}

#endif
