/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling parameters. The platform schedules; what programs set is checked,
 * kept and reported.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/resource.h"
#include "kernel/linux/sched.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define RT_PRIORITY_MAX 99

SYSCALL0(sched_yield)
{
	plat_yield();
	return 0;
}

/* tid 0 is the caller. With a reference; NULL: none. */
static struct thread *find_or_self(s32 tid)
{
	if (tid != 0)
		return thread_find(tid);
	thread_get(current());
	return current();
}

/* May the caller change t's parameters? */
static bool may_change(struct thread *t)
{
	const struct cred *c = cred_current();
	struct cred *target;
	bool ok;

	if (cred_has(c, CAP_SYS_NICE) || t == current())
		return true;
	target = cred_get_thread(t);
	ok = c->euid == target->uid || c->euid == target->euid;
	cred_put(target);
	return ok;
}

/* --- Affinity ------------------------------------------------------------ */

static u64 all_cpus(void)
{
	return kernel.ncpus >= 64 ? ~0UL : (1UL << kernel.ncpus) - 1;
}

SYSCALL3(sched_setaffinity, s32, tid, u32, len, uaddr_t, mask_at)
{
	struct thread *t;
	u64 mask = 0;
	long err = 0;

	if (user_copy_in(&mask, mask_at, MIN((u64)len, sizeof(mask))))
		return -EFAULT;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	mask &= all_cpus();
	if (!may_change(t))
		err = -EPERM;
	else if (!mask)
		err = -EINVAL;
	else
		atomic_store(&t->affinity, mask);
	thread_put(t);
	return err;
}

SYSCALL3(sched_getaffinity, s32, tid, u32, len, uaddr_t, mask_at)
{
	struct thread *t;
	u64 mask;

	/* Bits, counted in 32 of them, as Linux does. */
	if (len * 8 < 64 || len % sizeof(u64))
		return -EINVAL;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	mask = atomic_load(&t->affinity) & all_cpus();
	thread_put(t);
	if (user_store_u64(mask_at, mask))
		return -EFAULT;
	return sizeof(mask);
}

SYSCALL3(getcpu, uaddr_t, cpu, uaddr_t, node, uaddr_t, unused)
{
	(void)unused;
	if (cpu && user_store_u32(cpu, plat_cpu() % kernel.ncpus))
		return -EFAULT;
	if (node && user_store_u32(node, 0))
		return -EFAULT;
	return 0;
}

/* --- Policies ------------------------------------------------------------ */

static bool is_realtime(u32 policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_fair(u32 policy)
{
	return policy == SCHED_NORMAL || policy == SCHED_BATCH ||
	       policy == SCHED_IDLE;
}

/* May the caller give t this real-time priority? */
static bool may_realtime(u32 priority)
{
	return cred_capable(CAP_SYS_NICE) ||
	       priority <= rlimit_current(RLIMIT_RTPRIO);
}

static u64 nice_limit(void)
{
	return rlimit_current(RLIMIT_NICE);
}

static bool may_nice(const struct thread *t, s32 nice)
{
	return nice >= t->nice || cred_capable(CAP_SYS_NICE) ||
	       (u64)(20 - nice) <= nice_limit();
}

static long set_policy(s32 tid, u32 policy, u32 priority, bool reset)
{
	struct thread *t;
	long err = 0;

	if (is_realtime(policy) ? !priority || priority > RT_PRIORITY_MAX
				: priority != 0)
		return -EINVAL;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	if (!may_change(t) ||
	    (is_realtime(policy) && !may_realtime(priority))) {
		err = -EPERM;
	} else {
		t->sched_policy = policy;
		t->sched_priority = priority;
		t->sched_reset_on_fork = reset;
	}
	thread_put(t);
	return err;
}

static long check_policy(u32 policy)
{
	if (policy == SCHED_DEADLINE)
		return syscall_unsupported("SCHED_DEADLINE", policy, EPERM);
	return is_realtime(policy) || is_fair(policy) ? 0 : -EINVAL;
}

SYSCALL3(sched_setscheduler, s32, tid, u32, policy, uaddr_t, param)
{
	bool reset = policy & SCHED_RESET_ON_FORK;
	u32 priority;
	long err;

	if (tid < 0 || !param)
		return -EINVAL;
	if (user_load_u32(&priority, param))
		return -EFAULT;
	policy &= ~(u32)SCHED_RESET_ON_FORK;
	err = check_policy(policy);
	return err ? err : set_policy(tid, policy, priority, reset);
}

SYSCALL1(sched_getscheduler, s32, tid)
{
	struct thread *t;
	long policy;

	if (tid < 0)
		return -EINVAL;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	policy = t->sched_policy |
		 (t->sched_reset_on_fork ? SCHED_RESET_ON_FORK : 0);
	thread_put(t);
	return policy;
}

SYSCALL2(sched_setparam, s32, tid, uaddr_t, param)
{
	struct thread *t;
	u32 priority, policy;
	bool reset;

	if (tid < 0 || !param)
		return -EINVAL;
	if (user_load_u32(&priority, param))
		return -EFAULT;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	policy = t->sched_policy;
	reset = t->sched_reset_on_fork;
	thread_put(t);
	return set_policy(tid, policy, priority, reset);
}

SYSCALL2(sched_getparam, s32, tid, uaddr_t, param)
{
	struct thread *t;
	u32 priority;

	if (tid < 0 || !param)
		return -EINVAL;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	priority = t->sched_priority;
	thread_put(t);
	return user_store_u32(param, priority);
}

SYSCALL1(sched_get_priority_max, u32, policy)
{
	if (is_realtime(policy))
		return RT_PRIORITY_MAX;
	return is_fair(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

SYSCALL1(sched_get_priority_min, u32, policy)
{
	if (is_realtime(policy))
		return 1;
	return is_fair(policy) || policy == SCHED_DEADLINE ? 0 : -EINVAL;
}

SYSCALL2(sched_rr_get_interval, s32, tid, uaddr_t, ts)
{
	struct thread *t;
	nsec_t slice;

	if (tid < 0)
		return -EINVAL;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	slice = t->sched_policy == SCHED_FIFO ? 0
		: t->sched_policy == SCHED_RR ? 100 * NSEC_PER_MSEC
					      : 4 * NSEC_PER_MSEC;
	thread_put(t);
	return timespec_out(ts, slice);
}

#define ATTR_FLAGS_KNOWN SCHED_FLAG_RESET_ON_FORK

SYSCALL3(sched_setattr, s32, tid, uaddr_t, attr_at, u32, flags)
{
	struct linux_sched_attr a;
	struct thread *t;
	u32 size;
	long err;

	if (tid < 0 || !attr_at || flags)
		return -EINVAL;
	if (user_load_u32(&size, attr_at))
		return -EFAULT;
	if (size == 0)
		size = sizeof(a);
	err = size < sizeof(a) || size > PAGE_SIZE
		      ? -E2BIG
		      : user_check_tail(attr_at, size, sizeof(a));
	if (err == -E2BIG)
		(void)user_store_u32(attr_at, sizeof(a));
	if (err)
		return err;
	if (user_get(&a, attr_at))
		return -EFAULT;
	if (a.sched_flags & ~(u64)ATTR_FLAGS_KNOWN)
		return syscall_unsupported("sched_setattr flags", a.sched_flags,
					   EINVAL);
	err = check_policy(a.sched_policy);
	if (err)
		return err;
	if (is_fair(a.sched_policy)) {
		t = find_or_self(tid);
		if (!t)
			return -ESRCH;
		a.sched_nice = MAX(-20, MIN(19, a.sched_nice));
		if (may_change(t) && may_nice(t, a.sched_nice))
			t->nice = a.sched_nice;
		else
			err = -EPERM;
		thread_put(t);
	}
	return err ? err
		   : set_policy(tid, a.sched_policy, a.sched_priority,
				a.sched_flags & SCHED_FLAG_RESET_ON_FORK);
}

SYSCALL4(sched_getattr, s32, tid, uaddr_t, attr_at, u32, size, u32, flags)
{
	struct linux_sched_attr a;
	struct thread *t;

	if (tid < 0 || !attr_at || flags || size < sizeof(a) ||
	    size > PAGE_SIZE)
		return -EINVAL;
	t = find_or_self(tid);
	if (!t)
		return -ESRCH;
	memset(&a, 0, sizeof(a));
	a.size = sizeof(a);
	a.sched_policy = t->sched_policy;
	a.sched_nice = is_fair(t->sched_policy) ? t->nice : 0;
	a.sched_priority = t->sched_priority;
	a.sched_flags = t->sched_reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	thread_put(t);
	return user_put(attr_at, &a);
}

/* --- Nice values --------------------------------------------------------- */

enum { WHO_PROCESS, WHO_GROUP, WHO_USER };

static bool is_meant(const struct process *p, const struct thread *t, int which,
		     s32 who)
{
	switch (which) {
	case WHO_PROCESS:
		return who ? t->tid == who : t == current();
	case WHO_GROUP:
		return p->pgid == (who ? who : process_current()->pgid);
	default:
		return t->uid == (who ? (u32)who : cred_current()->uid);
	}
}

/* Call fn for each thread meant; -ESRCH if there is none. */
static long for_each_meant(int which, s32 who,
			   void (*fn)(struct thread *t, s32 nice, long *result),
			   s32 nice)
{
	struct process *p;
	struct thread *t;
	long result = -ESRCH;
	s32 pid = 0;

	if (which < WHO_PROCESS || which > WHO_USER)
		return -EINVAL;
	while ((p = process_next(pid))) {
		s32 tid = 0;

		pid = p->pid;
		while ((t = process_next_thread(p, tid))) {
			tid = t->tid;
			if (is_meant(p, t, which, who))
				fn(t, nice, &result);
			thread_put(t);
		}
		process_put(p);
	}
	return result;
}

static void best_nice(struct thread *t, UNUSED s32 nice, long *result)
{
	*result = MAX(*result, 20 - t->nice);
}

static void set_nice(struct thread *t, s32 nice, long *result)
{
	if (!may_change(t)) {
		*result = -EPERM;
	} else if (!may_nice(t, nice)) {
		*result = -EACCES;
	} else {
		t->nice = nice;
		if (*result == -ESRCH)
			*result = 0;
	}
}

SYSCALL2(getpriority, int, which, s32, who)
{
	return for_each_meant(which, who, best_nice, 0);
}

SYSCALL3(setpriority, int, which, s32, who, s32, nice)
{
	return for_each_meant(which, who, set_nice, MAX(-20, MIN(19, nice)));
}

/* --- I/O priorities ------------------------------------------------------ */

/* What an unset one means, and how they compare: Linux's. */
static u32 effective_ioprio(const struct thread *t)
{
	u32 class = IOPRIO_CLASS_BE;

	if (t->ioprio)
		return t->ioprio;
	if (t->sched_policy == SCHED_IDLE)
		class = IOPRIO_CLASS_IDLE;
	else if (is_realtime(t->sched_policy))
		class = IOPRIO_CLASS_RT;
	return class << IOPRIO_CLASS_SHIFT | (u32)(t->nice + 20) / 5;
}

static void own_ioprio(struct thread *t, UNUSED s32 value, long *result)
{
	*result = t->ioprio;
}

static void best_ioprio(struct thread *t, UNUSED s32 value, long *result)
{
	long ioprio = effective_ioprio(t);

	*result = *result < 0 ? ioprio : MIN(*result, ioprio);
}

static void set_ioprio(struct thread *t, s32 value, long *result)
{
	if (!may_change(t)) {
		*result = -EPERM;
		return;
	}
	t->ioprio = (u16)value;
	if (*result == -ESRCH)
		*result = 0;
}

SYSCALL2(ioprio_get, int, which, s32, who)
{
	return for_each_meant(
		(int)((u32)which - 1), who,
		which == IOPRIO_WHO_PROCESS ? own_ioprio : best_ioprio, 0);
}

SYSCALL3(ioprio_set, int, which, s32, who, s32, ioprio)
{
	const struct cred *c = cred_current();

	switch ((u32)ioprio >> IOPRIO_CLASS_SHIFT & IOPRIO_CLASS_MASK) {
	case IOPRIO_CLASS_RT:
		if (!cred_has(c, CAP_SYS_NICE) && !cred_has(c, CAP_SYS_ADMIN))
			return -EPERM;
		break;
	case IOPRIO_CLASS_BE:
	case IOPRIO_CLASS_IDLE:
		break;
	case IOPRIO_CLASS_NONE:
		if (ioprio & 7)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	return for_each_meant((int)((u32)which - 1), who, set_ioprio, ioprio);
}
