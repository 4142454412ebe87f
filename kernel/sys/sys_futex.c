/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex, futex_waitv, robust lists and restartable sequences.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/futex.h"
#include "kernel/kernel.h"
#include "kernel/linux/futex.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

/* An interrupted wait goes on until the deadline it had. */
static long restart_wait(struct thread *t)
{
	u64 *arg = t->restart.arg;
	int err = futex_wait(arg[0], arg[1], (u32)arg[2], (u32)arg[3],
			     (nsec_t)arg[4]);

	if (err != -EINTR)
		return err;
	t->restart.fn = restart_wait;
	return -ERESTART_RESTARTBLOCK;
}

static long wait(uaddr_t addr, bool is_private, u32 value, u32 bitset,
		 nsec_t deadline)
{
	struct thread *t = current();
	int err = futex_wait(addr, is_private, value, bitset, deadline);

	if (err != -EINTR)
		return err;
	if (deadline == NSEC_MAX)
		return -ERESTARTSYS;
	t->restart.fn = restart_wait;
	t->restart.arg[0] = addr;
	t->restart.arg[1] = is_private;
	t->restart.arg[2] = value;
	t->restart.arg[3] = bitset;
	t->restart.arg[4] = (u64)deadline;
	return -ERESTART_RESTARTBLOCK;
}

static int read_deadline(uaddr_t timeout, u32 op, nsec_t *deadline)
{
	u32 cmd = op & FUTEX_CMD_MASK;
	s32 clock = CLOCK_MONOTONIC;
	nsec_t value;
	int err;

	*deadline = NSEC_MAX;
	if (!timeout)
		return 0;
	err = timespec_in(&value, timeout);
	if (err)
		return err;
	if ((op & FUTEX_CLOCK_REALTIME) || cmd == FUTEX_LOCK_PI)
		clock = CLOCK_REALTIME;
	if (cmd != FUTEX_WAIT)
		clock_wait_begin(clock);
	*deadline = clock_deadline(clock, value, cmd != FUTEX_WAIT);
	return 0;
}

static long lock_pi(uaddr_t addr, bool is_private, nsec_t deadline, bool try)
{
	int err = futex_lock_pi(addr, is_private, deadline, try);

	return err == -EINTR ? -ERESTARTNOINTR : err;
}

static bool clock_flag_ok(u32 op)
{
	u32 cmd = op & FUTEX_CMD_MASK;

	return !(op & FUTEX_CLOCK_REALTIME) || cmd == FUTEX_WAIT_BITSET ||
	       cmd == FUTEX_WAIT || cmd == FUTEX_LOCK_PI2 ||
	       cmd == FUTEX_WAIT_REQUEUE_PI;
}

static long futex_call(uaddr_t addr, u32 op, u32 value, u64 timeout,
		       uaddr_t addr2, u32 value3)
{
	u32 cmd = op & FUTEX_CMD_MASK;
	bool is_private = op & FUTEX_PRIVATE_FLAG;
	nsec_t deadline;
	int err;

	if (!clock_flag_ok(op))
		return syscall_unsupported("futex flags", op, ENOSYS);
	switch (cmd) {
	case FUTEX_WAIT:
		value3 = FUTEX_BITSET_ALL;
		/* fallthrough */
	case FUTEX_WAIT_BITSET:
		err = read_deadline(timeout, op, &deadline);
		return err ? err
			   : wait(addr, is_private, value, value3, deadline);
	case FUTEX_WAKE:
		return futex_wake(addr, is_private, (s32)value,
				  FUTEX_BITSET_ALL);
	case FUTEX_WAKE_BITSET:
		return futex_wake(addr, is_private, (s32)value, value3);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(addr, is_private, (s32)value, (s32)timeout,
				     addr2, cmd == FUTEX_CMP_REQUEUE, value3);
	case FUTEX_WAKE_OP:
		return futex_wake_op(addr, is_private, (s32)value, (s32)timeout,
				     addr2, value3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		err = read_deadline(timeout, op, &deadline);
		return err ? err : lock_pi(addr, is_private, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return lock_pi(addr, is_private, NSEC_MAX, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(addr, is_private);
	case FUTEX_WAIT_REQUEUE_PI:
		err = read_deadline(timeout, op, &deadline);
		if (!err)
			err = futex_wait_requeue_pi(addr, is_private, value,
						    deadline, addr2);
		return err == -EINTR ? -ERESTARTNOINTR : err;
	case FUTEX_CMP_REQUEUE_PI:
		return futex_requeue_pi(addr, is_private, (s32)value,
					(s32)timeout, addr2, value3);
	default:
		return syscall_unsupported("futex operation", cmd, ENOSYS);
	}
}

SYSCALL6(futex, uaddr_t, addr, u32, op, u32, value, u64, timeout, uaddr_t,
	 addr2, u32, value3)
{
	long result = futex_call(addr, op, value, timeout, addr2, value3);

	if (unlikely(current()->counts_sleep))
		clock_wait_end();
	return result;
}

static long read_entries(struct futex_waitv_entry *entries, uaddr_t waiters,
			 u32 n)
{
	struct linux_futex_waitv v;

	for (u32 i = 0; i < n; i++) {
		if (user_get(&v, waiters + i * sizeof(v)))
			return -EFAULT;
		if ((v.flags & ~(u32)FUTEX_PRIVATE_FLAG) != FUTEX_32 ||
		    v.reserved || v.val > UINT32_MAX)
			return -EINVAL;
		entries[i].addr = v.uaddr;
		entries[i].value = (u32)v.val;
		entries[i].is_private = v.flags & FUTEX_PRIVATE_FLAG;
	}
	return 0;
}

SYSCALL5(futex_waitv, uaddr_t, waiters, u32, n, u32, flags, uaddr_t, timeout,
	 s32, clock)
{
	struct futex_waitv_entry *entries;
	nsec_t deadline = NSEC_MAX, value;
	long result = 0;

	if (flags || !n || n > FUTEX_WAITV_LIMIT || !waiters)
		return -EINVAL;
	if (timeout) {
		if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
			return -EINVAL;
		result = timespec_in(&value, timeout);
		if (result)
			return result;
		clock_wait_begin(clock);
		deadline = clock_deadline(clock, value, true);
	}
	entries = kmalloc(n * sizeof(*entries));
	if (entries)
		result = read_entries(entries, waiters, n);
	else
		result = -ENOMEM;
	if (!result)
		result = futex_wait_many(entries, n, deadline);
	kfree(entries);
	clock_wait_end();
	return result == -EINTR ? -ERESTARTSYS : result;
}

#define ROBUST_HEAD_SIZE 24

SYSCALL2(set_robust_list, uaddr_t, head, u64, size)
{
	if (size != ROBUST_HEAD_SIZE)
		return -EINVAL;
	current()->robust_list = head;
	return 0;
}

SYSCALL3(get_robust_list, s32, tid, uaddr_t, head, uaddr_t, size)
{
	struct thread *t;
	uaddr_t list;

	if (tid == 0)
		tid = current()->tid;
	t = thread_find(tid);
	if (!t)
		return -ESRCH;
	list = t->robust_list;
	if (t->proc != process_current() && !signal_permitted(t->proc, 0)) {
		thread_put(t);
		return -EPERM;
	}
	thread_put(t);
	if (user_store_u64(size, ROBUST_HEAD_SIZE))
		return -EFAULT;
	return user_store_u64(head, list);
}

#define RSEQ_FLAG_UNREGISTER 1

SYSCALL4(rseq, uaddr_t, area, u32, len, int, flags, u32, sig)
{
	if (flags == RSEQ_FLAG_UNREGISTER)
		return rseq_unregister(area, len, sig);
	if (flags)
		return syscall_unsupported("rseq flags", flags, EINVAL);
	return rseq_register(area, len, sig);
}
