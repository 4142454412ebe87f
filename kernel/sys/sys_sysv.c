/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SysV semaphore and message queue calls.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/sysv.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/sys/syscall.h"
#include "lib/ckd.h"

#define OPS_FAST 16 /* operations kept on the stack */

SYSCALL3(semget, s32, key, s32, nsems, u32, flags)
{
	return sem_get(key, nsems, flags);
}

static long do_semop(s32 id, uaddr_t ops, u32 nops, nsec_t deadline)
{
	struct linux_sembuf fast[OPS_FAST];
	struct linux_sembuf *v = fast;
	long ret;

	if (nops < 1 || id < 0)
		return -EINVAL;
	if (nops > SEM_OPS_MAX)
		return -E2BIG;
	if (nops > OPS_FAST) {
		v = kmalloc(nops * sizeof(*v));
		if (!v)
			return -ENOMEM;
	}
	ret = user_copy_in(v, ops, nops * sizeof(*v));
	if (!ret)
		ret = sem_operate(id, v, nops, deadline);
	if (v != fast)
		kfree(v);
	return ret;
}

SYSCALL3(semop, s32, id, uaddr_t, ops, u32, nops)
{
	return do_semop(id, ops, nops, NSEC_MAX);
}

SYSCALL4(semtimedop, s32, id, uaddr_t, ops, u32, nops, uaddr_t, timeout)
{
	struct {
		s64 sec, nsec;
	} ts;
	nsec_t now, deadline;

	if (!timeout)
		return do_semop(id, ops, nops, NSEC_MAX);
	if (user_get(&ts, timeout))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= NSEC_PER_SEC)
		return -EINVAL;
	now = plat_clock(PLAT_MONOTONIC);
	if (ckd_mul(&deadline, ts.sec, NSEC_PER_SEC) ||
	    ckd_add(&deadline, deadline, ts.nsec + now))
		deadline = NSEC_MAX;
	return do_semop(id, ops, nops, deadline);
}

SYSCALL4(semctl, s32, id, s32, num, int, cmd, u64, arg)
{
	return sem_control(id, num, cmd, arg);
}

SYSCALL2(msgget, s32, key, u32, flags)
{
	return msg_get(key, flags);
}

SYSCALL4(msgsnd, s32, id, uaddr_t, msg, u64, size, u32, flags)
{
	return msg_send(id, msg, size, flags);
}

SYSCALL5(msgrcv, s32, id, uaddr_t, msg, u64, size, s64, type, u32, flags)
{
	return msg_receive(id, msg, size, type, flags);
}

SYSCALL3(msgctl, s32, id, int, cmd, uaddr_t, buf)
{
	return msg_control(id, cmd, buf);
}
