/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back to the program: pending work, delivery of signals to handlers
 * or their default action, restart of interrupted calls, job-control stops.
 */
#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/coredump.h"
#include "kernel/proc/proc_int.h"

#define STOP_SIGNALS                                       \
	(SIG_BIT(LINUX_SIGSTOP) | SIG_BIT(LINUX_SIGTSTP) | \
	 SIG_BIT(LINUX_SIGTTIN) | SIG_BIT(LINUX_SIGTTOU))
#define NR_RESTART_SYSCALL 219
#define CORE_FLAG 0x80 /* of a wait status */

/* --- Restarting calls ---------------------------------------------------- */

static void restart_call(struct frame *f, u64 nr)
{
	f->rax = nr;
	f->rip -= 2; /* over the syscall instruction */
}

/* No handler runs: every restart code restarts. */
static void restart_quietly(struct frame *f)
{
	if (f->orig_rax == FRAME_NO_SYSCALL || !frame_wants_restart(f))
		return;
	restart_call(f, f->rax == (u64)-ERESTART_RESTARTBLOCK
				? NR_RESTART_SYSCALL
				: f->orig_rax);
	f->orig_rax = FRAME_NO_SYSCALL;
}

/* A handler runs: some calls restart after it, others return EINTR. */
static void restart_with_handler(struct frame *f,
				 const struct linux_sigaction *sa)
{
	if (f->orig_rax == FRAME_NO_SYSCALL)
		return;
	switch (-(s64)f->rax) {
	case ERESTARTNOINTR:
		restart_call(f, f->orig_rax);
		break;
	case ERESTARTSYS:
		if (sa->flags & LINUX_SA_RESTART)
			restart_call(f, f->orig_rax);
		else
			f->rax = (u64)-EINTR;
		break;
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		f->rax = (u64)-EINTR;
		break;
	default:
		break;
	}
	f->orig_rax = FRAME_NO_SYSCALL;
}

/* --- Job control --------------------------------------------------------- */

/* Stop the whole process because of sig, unless it was continued meanwhile. */
static void stop_process(struct process *p, int sig)
{
	struct thread *t;

	if (sig != LINUX_SIGSTOP) {
		bool orphaned;

		process_tree_lock();
		orphaned = process_group_is_orphaned(p->pgid, NULL);
		process_tree_unlock();
		if (orphaned)
			return;
	}
	mutex_lock(&p->sig_lock);
	if (p->is_exiting || (p->pending.set & SIG_BIT(LINUX_SIGCONT))) {
		mutex_unlock(&p->sig_lock);
		return;
	}
	p->is_stopped = true;
	p->stop_reported = false;
	p->cont_reported = true;
	p->stop_sig = sig;
	list_for_each (t, &p->threads, proc_node)
		thread_set_work(t, WORK_STOP);
	mutex_unlock(&p->sig_lock);
	notify_parent_stop(p, LINUX_CLD_STOPPED);
}

void signal_stop_wait(void)
{
	struct thread *t = current();
	struct process *p = t->proc;
	struct waiter w;
	bool notify;

	atomic_fetch_and(&t->work, ~(u32)WORK_STOP);
	waiter_init(&w);
	waitq_add(&p->stop_wait, &w);
	while (atomic_load(&p->is_stopped) && !(thread_work(t) & WORK_EXIT))
		(void)thread_sleep(NSEC_MAX, false);
	waitq_remove(&w);
	mutex_lock(&p->sig_lock);
	notify = p->cont_notify;
	p->cont_notify = false;
	mutex_unlock(&p->sig_lock);
	if (notify)
		notify_parent_stop(p, LINUX_CLD_CONTINUED);
}

/* --- Delivery ------------------------------------------------------------ */

/* The frame could not be written: the program's stack is gone. */
static void frame_failed(int sig)
{
	struct process *p = process_current();
	struct linux_siginfo info;

	if (sig == LINUX_SIGSEGV) {
		mutex_lock(&p->sig_lock);
		p->sighand->action[sig - 1].handler = LINUX_SIG_DFL;
		mutex_unlock(&p->sig_lock);
	}
	siginfo_kernel(&info, LINUX_SIGSEGV);
	signal_force(LINUX_SIGSEGV, &info);
}

static void run_handler(struct frame *f, int sig,
			const struct linux_siginfo *info,
			const struct linux_sigaction *sa)
{
	struct thread *t = current();
	u64 old = t->sig_blocked;
	u64 mask;

	restart_with_handler(f, sa);
	if (thread_work(t) & WORK_RESTORE_MASK) {
		atomic_fetch_and(&t->work, ~(u32)WORK_RESTORE_MASK);
		old = t->saved_mask;
	}
	/* What the handler interrupted was masked by the current mask, what it
	 * returns to is masked by the old one. */
	mask = t->sig_blocked | sa->mask;
	if (!(sa->flags & LINUX_SA_NODEFER))
		mask |= SIG_BIT(sig);
	if (sigframe_setup(f, sig, info, sa, old) < 0) {
		signal_set_mask(old);
		frame_failed(sig);
		return;
	}
	signal_set_mask(mask);
}

/* Sent to pid 1 by another process while it was blocked: without a handler it
 * is lost now instead of then. */
static bool was_lost(const struct linux_siginfo *info)
{
	static const struct linux_sigaction no_handler;
	bool is_sent = info->si_code == LINUX_SI_USER ||
		       info->si_code == LINUX_SI_TKILL ||
		       info->si_code == LINUX_SI_QUEUE;

	return is_sent && signal_spares_init(process_current(), info->u.rt.pid,
					     &no_handler);
}

/* The default action of sig, or nothing if it is ignored. */
static void default_action(struct frame *f, int sig,
			   const struct linux_siginfo *info)
{
	if (signal_default_ignored(sig) || was_lost(info))
		return;
	if (STOP_SIGNALS & SIG_BIT(sig))
		stop_process(process_current(), sig);
	else if (signal_dumps_core(sig) && core_dump(f, info))
		process_exit(sig | CORE_FLAG);
	else if (!(thread_work(current()) & WORK_DUMP))
		process_exit(sig);
}

/* Take the next signal with its action. 0: there is none. */
static int next_signal(struct thread *t, struct linux_siginfo *info,
		       struct linux_sigaction *sa)
{
	struct process *p = t->proc;
	struct linux_sigaction *slot;
	int sig;

	mutex_lock(&p->sig_lock);
	sig = signal_dequeue(t, ~t->sig_blocked, info);
	if (sig) {
		slot = &p->sighand->action[sig - 1];
		*sa = *slot;
		if (sa->handler > LINUX_SIG_IGN &&
		    (sa->flags & LINUX_SA_RESETHAND))
			slot->handler = LINUX_SIG_DFL;
	}
	signal_recalc(t);
	mutex_unlock(&p->sig_lock);
	if (sig && unlikely(info->si_code == LINUX_SI_TIMER))
		posix_timer_delivered(p, info);
	return sig;
}

void signal_deliver(struct frame *f)
{
	struct thread *t = current();
	struct linux_siginfo info;
	struct linux_sigaction sa;
	int sig;

	/* A stop or an end comes before further signals. */
	while (!(thread_work(t) & (WORK_EXIT | WORK_STOP | WORK_DUMP))) {
		sig = next_signal(t, &info, &sa);
		if (!sig)
			break;
		if (sa.handler == LINUX_SIG_DFL)
			default_action(f, sig, &info);
		else if (sa.handler != LINUX_SIG_IGN)
			run_handler(f, sig, &info, &sa);
	}
	if (thread_work(t) & (WORK_EXIT | WORK_STOP | WORK_DUMP))
		return;
	if (thread_work(t) & WORK_RESTORE_MASK) {
		atomic_fetch_and(&t->work, ~(u32)WORK_RESTORE_MASK);
		signal_set_mask(t->saved_mask);
	}
}

void thread_work_run(struct frame *f)
{
	struct thread *t = current();
	u32 work;

	for (;;) {
		work = thread_work(t);
		if (work & WORK_EXIT)
			thread_exit_ordered();
		if (unlikely(work & WORK_DUMP)) {
			core_join(f);
			continue;
		}
		if (work & WORK_REMOTE)
			thread_run_remote();
		if (unlikely(work & WORK_QUIET)) {
			atomic_fetch_and(&t->work, ~(u32)WORK_QUIET);
			plat_quiet_point();
		}
		if (unlikely(work & WORK_CLONED))
			clone_tell(t);
		if (work & WORK_STOP)
			signal_stop_wait();
		if (work & (WORK_SIGNAL | WORK_RESTORE_MASK))
			signal_deliver(f);
		if (thread_work(t) == 0)
			break;
	}
	restart_quietly(f);
}
