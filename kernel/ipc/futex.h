/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: sleeping on words of the program's memory. Called by sys_futex.c
 * and by the exit of threads.
 */
#ifndef JIFFY_KERNEL_IPC_FUTEX_H
#define JIFFY_KERNEL_IPC_FUTEX_H

#include "lib/compiler.h"

struct thread;

#define FUTEX_BITSET_ALL (~0U)

/* Sleep while *addr == value. deadline: CLOCK_MONOTONIC, NSEC_MAX none. 0,
 * -EAGAIN (other value), -EFAULT, -EINVAL, -ETIMEDOUT, -EINTR. */
int futex_wait(uaddr_t addr, bool is_private, u32 value, u32 bitset,
	       nsec_t deadline);
/* Wake up to n sleepers whose bitset meets ours: how many, or -errno. */
long futex_wake(uaddr_t addr, bool is_private, s32 n, u32 bitset);
/* Wake n, move up to nmove others to addr2. check: only if *addr == value. */
long futex_requeue(uaddr_t addr, bool is_private, s32 n, s32 nmove,
		   uaddr_t addr2, bool check, u32 value);
/* FUTEX_WAKE_OP. */
long futex_wake_op(uaddr_t addr, bool is_private, s32 n, s32 n2, uaddr_t addr2,
		   u32 encoded);
/* Priority-inheritance locks (owner's tid in the word; no inheritance). */
int futex_lock_pi(uaddr_t addr, bool is_private, nsec_t deadline, bool try);
int futex_unlock_pi(uaddr_t addr, bool is_private);

/* Sleep while *addr == value, to be moved to the lock at addr2 by the other: 0
 * with that lock held, or as futex_wait(). */
int futex_wait_requeue_pi(uaddr_t addr, bool is_private, u32 value,
			  nsec_t deadline, uaddr_t addr2);
/* If *addr == value: the first sleeper gets the lock at addr2 if it is free;
 * the others, up to nmove, wait for it. How many in all. n: 1. */
long futex_requeue_pi(uaddr_t addr, bool is_private, s32 n, s32 nmove,
		      uaddr_t addr2, u32 value);

struct futex_waitv_entry {
	uaddr_t addr;
	u32 value;
	bool is_private;
};
#define FUTEX_WAITV_LIMIT 128
/* Sleep on several words at once: the index of one that was woken, or as
 * futex_wait(). */
int futex_wait_many(const struct futex_waitv_entry *entries, u32 n,
		    nsec_t deadline);

/* The current thread goes (exit, exec): mark and wake what its robust list
 * names. */
void futex_exit(struct thread *t);

#endif
