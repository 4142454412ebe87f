/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the instance has to do with the outside, counted in the status block
 * (abi/status.h), from which the monitor decides whether it may sleep. No lock
 * and no host call, but to tell a monitor that waits for it (tell).
 */
#ifndef JIFFY_KERNEL_NET_ACTIVITY_H
#define JIFFY_KERNEL_NET_ACTIVITY_H

#include "abi/boot.h"
#include "kernel/cpu/current.h"
#include "kernel/layout.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/thread.h"
#include "lib/atomic.h"

enum activity_kind {
	ACTIVITY_NONE,
	ACTIVITY_SERVED, /* a connection from outside */
	ACTIVITY_ASKING, /* to the outside */
};

enum activity_bits {
	/* An answer is owed: by us, or by the other end. What came last went
	 * the other way. */
	ACTIVITY_OWED = 1,
	ACTIVITY_TRANSACTION = 2, /* the server said so */
};

/* Of a connection. */
struct activity {
	u8 kind;	  /* enum activity_kind; set when it is made */
	bool is_postgres; /* the port says so; ... */
	bool is_told; /* ... and the server has once said that it is ready */
	u32 port;     /* index of status_block.connections */
	u32 bits;     /* enum activity_bits; atomic */
	u8 last[6];   /* sent: the writer's, who come one after the other */
};

static inline struct status_block *activity_status(void)
{
	return &((struct boot_block *)KERNEL_BOOT_BASE)->status;
}

/* The instance is about to stop: what comes now is for the next one. */
static inline bool activity_is_closed(void)
{
	return atomic_load(&activity_status()->is_closed);
}

static inline struct status_shard *activity_shard(void)
{
	struct thread *t = current();

	return &activity_status()->shards[t ? (u32)t->tid % STATUS_SHARDS : 0];
}

/* Something came or went. When is of interest only if that decides about its
 * sleep: the clock is most of what counting costs. */
static inline void activity_note(void)
{
	const struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	if (!(b->flags & BOOT_SLEEPS))
		return;
	atomic_store(&activity_shard()->active_ns, (u64)plat_clock_coarse());
}

/* A connection from outside to published port `guest`; one to the outside, for
 * whose first answer the program waits. Closed: once for each. */
void activity_served(struct activity *a, u16 guest);
void activity_asking(struct activity *a);
void activity_closed(struct activity *a);
/* The connection is there, or the other end has said its last. */
void activity_answered(struct activity *a);

void activity_turn(struct activity *a, u32 bits);
void activity_sent_postgres(struct activity *a, const struct plat_iovec *iov,
			    u64 n, bool is_kernel);

/* Bytes came in. */
static inline void activity_received(struct activity *a)
{
	u32 bits = a->kind == ACTIVITY_SERVED ? ACTIVITY_OWED : 0;

	activity_note();
	if (atomic_load(&a->bits) != bits)
		activity_turn(a, bits);
}

/* The first n bytes of iov went out. */
static inline void activity_sent(struct activity *a,
				 const struct plat_iovec *iov, u64 n,
				 bool is_kernel)
{
	u32 bits = a->kind == ACTIVITY_ASKING ? ACTIVITY_OWED : 0;

	activity_note();
	if (unlikely(a->is_postgres))
		activity_sent_postgres(a, iov, n, is_kernel);
	else if (atomic_load(&a->bits) != bits)
		activity_turn(a, bits);
}

/* A number went down: tell a monitor that waits for it. Pairs with its look
 * after it has set `tell`: full barriers on both sides. */
void activity_tell(void);
static inline void activity_less(void)
{
	if (unlikely(atomic_load(&activity_status()->tell)))
		activity_tell();
}

#endif
