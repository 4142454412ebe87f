/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: dispositions, masks, sending, waiting, return from handlers.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/proc_int.h"
#include "kernel/sys/syscall.h"

#define MIN_SIGSTKSZ 2048
#define SA_KNOWN                                                      \
	(LINUX_SA_NOCLDSTOP | LINUX_SA_NOCLDWAIT | LINUX_SA_SIGINFO | \
	 LINUX_SA_RESTORER | LINUX_SA_ONSTACK | LINUX_SA_RESTART |    \
	 LINUX_SA_NODEFER | LINUX_SA_RESETHAND)
#define UNBLOCKABLE (SIG_BIT(LINUX_SIGKILL) | SIG_BIT(LINUX_SIGSTOP))

static bool is_signal(int sig)
{
	return sig > 0 && sig <= SIG_MAX;
}

SYSCALL4(rt_sigaction, int, sig, uaddr_t, act, uaddr_t, oact, u64, size)
{
	struct process *p = process_current();
	struct linux_sigaction new, old, *slot;

	if (size != sizeof(u64))
		return -EINVAL;
	if (act && user_get(&new, act))
		return -EFAULT;
	if (!is_signal(sig) || (act && (UNBLOCKABLE & SIG_BIT(sig))))
		return -EINVAL;
	slot = &p->sighand->action[sig - 1];
	mutex_lock(&p->sig_lock);
	old = *slot;
	if (act) {
		/* Flags we do not know read back as absent, as on Linux. */
		new.flags &= SA_KNOWN;
		new.mask &= ~UNBLOCKABLE;
		*slot = new;
		if (signal_action_ignores(&new, sig))
			signal_flush_process(p, SIG_BIT(sig));
	}
	mutex_unlock(&p->sig_lock);
	return oact ? user_put(oact, &old) : 0;
}

SYSCALL4(rt_sigprocmask, int, how, uaddr_t, set, uaddr_t, oset, u64, size)
{
	u64 old = current()->sig_blocked;
	u64 mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (set) {
		if (user_load_u64(&mask, set))
			return -EFAULT;
		switch (how) {
		case 0: /* SIG_BLOCK */
			mask |= old;
			break;
		case 1: /* SIG_UNBLOCK */
			mask = old & ~mask;
			break;
		case 2: /* SIG_SETMASK */
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(mask);
	}
	if (oset && user_store_u64(oset, old))
		return -EFAULT;
	return 0;
}

SYSCALL0(rt_sigreturn)
{
	struct linux_siginfo info;
	u64 mask;

	if (sigframe_return(frame, &mask)) {
		siginfo_kernel(&info, LINUX_SIGSEGV);
		signal_force(LINUX_SIGSEGV, &info);
		return 0;
	}
	signal_set_mask(mask);
	return (long)frame->rax;
}

SYSCALL2(rt_sigpending, uaddr_t, set, u64, size)
{
	u64 pending = signal_pending_set() & current()->sig_blocked;

	if (size > sizeof(pending))
		return -EINVAL;
	return user_copy_out(set, &pending, size);
}

SYSCALL4(rt_sigtimedwait, uaddr_t, set_at, uaddr_t, info_at, uaddr_t, timeout,
	 u64, size)
{
	struct linux_siginfo info;
	nsec_t deadline = NSEC_MAX, wait;
	u64 set;
	int sig;
	int err = signal_read_mask(&set, set_at, size);

	if (!err && timeout) {
		err = timespec_in(&wait, timeout);
		if (!err)
			deadline = clock_deadline(CLOCK_MONOTONIC, wait, false);
	}
	if (err)
		return err;
	sig = signal_wait(set, &info, deadline);
	if (sig > 0 && info_at && user_put(info_at, &info))
		return -EFAULT;
	return sig;
}

SYSCALL2(rt_sigsuspend, uaddr_t, set, u64, size)
{
	u64 mask;
	int err = signal_read_mask(&mask, set, size);

	if (err)
		return err;
	signal_mask_begin(mask);
	while (thread_sleep(NSEC_MAX, true) != -EINTR)
		;
	signal_mask_end(true);
	return -ERESTARTNOHAND;
}

SYSCALL0(pause)
{
	while (thread_sleep(NSEC_MAX, true) != -EINTR)
		;
	return -ERESTARTNOHAND;
}

SYSCALL0(restart_syscall)
{
	struct thread *t = current();
	long (*fn)(struct thread *) = t->restart.fn;

	t->restart.fn = NULL;
	return fn ? fn(t) : -EINTR;
}

/* --- Alternate stack ----------------------------------------------------- */

struct linux_stack {
	u64 sp;
	s32 flags;
	s32 pad;
	u64 size;
};

static u32 stack_flags(const struct thread *t, u64 sp)
{
	if (!t->altstack.size)
		return LINUX_SS_DISABLE;
	return signal_on_altstack(t, sp) ? LINUX_SS_ONSTACK : 0;
}

static long set_altstack(struct thread *t, const struct linux_stack *ss, u64 sp)
{
	u32 mode = (u32)ss->flags & ~LINUX_SS_AUTODISARM;

	if (stack_flags(t, sp) == LINUX_SS_ONSTACK)
		return -EPERM;
	if (mode != LINUX_SS_DISABLE && mode != LINUX_SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (ss->sp == t->altstack.sp && ss->size == t->altstack.size &&
	    ((u32)ss->flags == t->altstack.flags || (!ss->flags && !ss->size)))
		return 0; /* no change: not checked */
	if (mode == LINUX_SS_DISABLE) {
		t->altstack.sp = 0;
		t->altstack.size = 0;
	} else {
		if (ss->size < MIN_SIGSTKSZ)
			return -ENOMEM;
		t->altstack.sp = ss->sp;
		t->altstack.size = ss->size;
	}
	t->altstack.flags = (u32)ss->flags &
			    (LINUX_SS_AUTODISARM | LINUX_SS_DISABLE);
	return 0;
}

SYSCALL2(sigaltstack, uaddr_t, ss_at, uaddr_t, old_at)
{
	struct thread *t = current();
	struct linux_stack ss, old;
	long err = 0;

	if (ss_at && user_get(&ss, ss_at))
		return -EFAULT;
	old.sp = t->altstack.sp;
	old.size = t->altstack.size;
	old.pad = 0;
	old.flags = (s32)(stack_flags(t, frame->rsp) |
			  (t->altstack.flags & LINUX_SS_AUTODISARM));
	if (ss_at)
		err = set_altstack(t, &ss, frame->rsp);
	if (!err && old_at && user_put(old_at, &old))
		return -EFAULT;
	return err;
}

/* --- Sending ------------------------------------------------------------- */

static long send_to(struct process *p, int sig,
		    const struct linux_siginfo *info)
{
	if (!signal_permitted(p, sig))
		return -EPERM;
	return signal_send_process(p, sig, info);
}

static long kill_one(s32 pid, int sig, const struct linux_siginfo *info)
{
	struct process *p = process_find(pid);
	struct thread *t;
	long err;

	if (!p) { /* a thread's id names its process, too */
		t = thread_find(pid);
		if (!t)
			return -ESRCH;
		err = send_to(t->proc, sig, info);
		thread_put(t);
		return err;
	}
	err = send_to(p, sig, info);
	process_put(p);
	return err;
}

/* To a group, or to all but pid 1 and the caller (pgid -1). The tree is locked,
 * so that a member that forks does so before or after, with its child. */
static long kill_many(s32 pgid, int sig, const struct linux_siginfo *info)
{
	struct process *p = NULL;
	long result = -ESRCH, err;

	process_tree_lock();
	while ((p = pid_walk(p))) {
		if (pgid == -1 ? p->pid == 1 || p == process_current()
			       : p->pgid != pgid)
			continue;
		err = send_to(p, sig, info);
		if (result == -ESRCH || err == 0)
			result = err;
	}
	process_tree_unlock();
	return result;
}

SYSCALL2(kill, s32, pid, int, sig)
{
	struct linux_siginfo info;

	if (sig < 0 || sig > SIG_MAX)
		return -EINVAL;
	siginfo_user(&info, sig);
	if (pid > 0)
		return kill_one(pid, sig, &info);
	if (pid == 0)
		return kill_many(process_current()->pgid, sig, &info);
	if (pid == INT32_MIN)
		return -ESRCH;
	return kill_many(pid == -1 ? -1 : -pid, sig, &info);
}

/* tgid 0: whatever process the thread is in. */
static long send_thread(s32 tgid, s32 tid, int sig,
			const struct linux_siginfo *info)
{
	struct thread *t;
	long err = 0;

	if (sig < 0 || sig > SIG_MAX)
		return -EINVAL;
	t = thread_find(tid);
	if (!t)
		return -ESRCH;
	if (tgid && t->proc->pid != tgid)
		err = -ESRCH;
	else if (!signal_permitted(t->proc, sig))
		err = -EPERM;
	else
		err = signal_send_thread(t, sig, info);
	thread_put(t);
	return err;
}

SYSCALL2(tkill, s32, tid, int, sig)
{
	struct linux_siginfo info;

	if (tid <= 0)
		return -EINVAL;
	siginfo_user(&info, sig);
	info.si_code = LINUX_SI_TKILL;
	return send_thread(0, tid, sig, &info);
}

SYSCALL3(tgkill, s32, tgid, s32, tid, int, sig)
{
	struct linux_siginfo info;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	siginfo_user(&info, sig);
	info.si_code = LINUX_SI_TKILL;
	return send_thread(tgid, tid, sig, &info);
}

/* The program fills siginfo in; it may not pose as the kernel to others. */
static long read_info(struct linux_siginfo *info, uaddr_t addr, int sig,
		      bool to_self)
{
	if (user_get(info, addr))
		return -EFAULT;
	info->si_signo = sig;
	if (!to_self && (info->si_code >= 0 || info->si_code == LINUX_SI_TKILL))
		return -EPERM;
	return 0;
}

SYSCALL3(rt_sigqueueinfo, s32, pid, int, sig, uaddr_t, info_at)
{
	struct linux_siginfo info;
	long err =
		read_info(&info, info_at, sig, pid == process_current()->pid);

	if (err)
		return err;
	if (sig < 0 || sig > SIG_MAX)
		return -EINVAL;
	return kill_one(pid, sig, &info);
}

SYSCALL4(rt_tgsigqueueinfo, s32, tgid, s32, tid, int, sig, uaddr_t, info_at)
{
	struct linux_siginfo info;
	long err =
		read_info(&info, info_at, sig, tgid == process_current()->pid);

	if (err)
		return err;
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	return send_thread(tgid, tid, sig, &info);
}
