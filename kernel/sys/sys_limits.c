/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits and usage.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/cputime.h"
#include "kernel/proc/itimer.h"
#include "kernel/proc/process.h"
#include "kernel/proc/rusage.h"
#include "kernel/sys/syscall.h"

#define NR_OPEN 1048576 /* fs.nr_open */
#define TICKS(nsec) ((nsec) / (NSEC_PER_SEC / 100))

static int check_limit(u32 which, const struct rlimit64 *old,
		       const struct rlimit64 *new)
{
	if (new->cur > new->max)
		return -EINVAL;
	if (which == RLIMIT_NOFILE && new->max > NR_OPEN)
		return -EPERM;
	if (new->max > old->max && !cred_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	return 0;
}

static int change_limit(struct process *p, u32 which,
			const struct rlimit64 *new, struct rlimit64 *old)
{
	int err = 0;

	mutex_lock(&p->lock);
	*old = p->rlimits[which];
	if (new) {
		err = check_limit(which, old, new);
		if (!err) {
			atomic_store(&p->rlimits[which].cur, new->cur);
			atomic_store(&p->rlimits[which].max, new->max);
		}
	}
	mutex_unlock(&p->lock);
	if (!err && new &&which == RLIMIT_CPU)
		itimer_limit_cpu(p);
	return err;
}

/* Other processes' limits: all ids must agree, or CAP_SYS_RESOURCE. */
static bool may_change(struct process *p)
{
	const struct cred *c = cred_current();
	struct thread *t;
	struct cred *target;
	bool ok;

	if (p == process_current() || cred_has(c, CAP_SYS_RESOURCE))
		return true;
	t = process_next_thread(p, 0);
	if (!t)
		return false;
	target = cred_get_thread(t);
	ok = c->uid == target->uid && c->uid == target->euid &&
	     c->uid == target->suid && c->gid == target->gid &&
	     c->gid == target->egid && c->gid == target->sgid;
	cred_put(target);
	thread_put(t);
	return ok;
}

SYSCALL4(prlimit64, s32, pid, u32, which, uaddr_t, new_at, uaddr_t, old_at)
{
	struct process *self = process_current();
	struct process *p = self;
	struct rlimit64 new, old;
	int err;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (new_at && user_get(&new, new_at))
		return -EFAULT;
	if (pid != 0 && pid != self->pid) {
		p = process_find(pid);
		if (!p)
			return -ESRCH;
	}
	err = may_change(p) ? change_limit(p, which, new_at ? &new : NULL, &old)
			    : -EPERM;
	if (p != self)
		process_put(p);
	if (!err && old_at && user_put(old_at, &old))
		return -EFAULT;
	return err;
}

SYSCALL2(getrlimit, u32, which, uaddr_t, at)
{
	struct rlimit64 old;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	(void)change_limit(process_current(), which, NULL, &old);
	return user_put(at, &old);
}

SYSCALL2(setrlimit, u32, which, uaddr_t, at)
{
	struct rlimit64 new, old;

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (user_get(&new, at))
		return -EFAULT;
	return change_limit(process_current(), which, &new, &old);
}

/* --- Usage --------------------------------------------------------------- */

static void thread_usage(struct rusage_sum *sum)
{
	struct thread *t = current();
	struct rusage_sum whole;
	struct plat_times times;

	process_usage(t->proc, &whole);
	memset(sum, 0, sizeof(*sum));
	plat_thread_times(t, &times);
	sum->utime = times.user;
	sum->stime = times.system;
	sum->nvcsw = t->nvcsw;
	sum->min_flt = t->min_flt;
	sum->max_rss_kib = whole.max_rss_kib;
}

SYSCALL2(getrusage, int, who, uaddr_t, at)
{
	struct process *p = process_current();
	struct rusage_sum sum;
	struct linux_rusage ru;

	switch (who) {
	case LINUX_RUSAGE_SELF:
		mm_measure(p->mm);
		process_usage(p, &sum);
		break;
	case LINUX_RUSAGE_CHILDREN:
		process_tree_lock();
		sum = p->child_usage;
		process_tree_unlock();
		break;
	case LINUX_RUSAGE_THREAD:
		thread_usage(&sum);
		break;
	default:
		return -EINVAL;
	}
	rusage_fill(&ru, &sum);
	return user_put(at, &ru);
}

SYSCALL1(times, uaddr_t, at)
{
	struct process *p = process_current();
	struct plat_times times;
	s64 tms[4];

	process_times(p, &times);
	tms[0] = TICKS(times.user);
	tms[1] = TICKS(times.system);
	tms[2] = TICKS(p->child_usage.utime);
	tms[3] = TICKS(p->child_usage.stime);

	if (at && user_copy_out(at, tms, sizeof(tms)))
		return -EFAULT;
	return TICKS(plat_clock(PLAT_MONOTONIC));
}
