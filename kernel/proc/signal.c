/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending signals, masks, and taking signals without a handler (sigtimedwait,
 * signalfd). Called by any thread; delivery to handlers is in deliver.c.
 */
#include "kernel/proc/signal.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_int.h"

#define UNBLOCKABLE (SIG_BIT(LINUX_SIGKILL) | SIG_BIT(LINUX_SIGSTOP))
#define STOP_SIGNALS                                       \
	(SIG_BIT(LINUX_SIGSTOP) | SIG_BIT(LINUX_SIGTSTP) | \
	 SIG_BIT(LINUX_SIGTTIN) | SIG_BIT(LINUX_SIGTTOU))

void siginfo_kernel(struct linux_siginfo *info, int sig)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = LINUX_SI_KERNEL;
}

void siginfo_user(struct linux_siginfo *info, int sig)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = LINUX_SI_USER;
	info->u.rt.pid = process_current()->pid;
	info->u.rt.uid = cred_current()->uid;
}

bool signal_permitted(struct process *p, int sig)
{
	const struct cred *c = cred_current();
	struct thread *leader = NULL;
	struct cred *target;
	bool ok;

	if (cred_has(c, CAP_KILL) || p == process_current())
		return true;
	if (sig == LINUX_SIGCONT && p->sid == process_current()->sid)
		return true;
	mutex_lock(&p->lock);
	leader = p->leader;
	target = leader && leader->cred ? cred_get(leader->cred) : NULL;
	mutex_unlock(&p->lock);
	if (!target)
		return true; /* reaped: the send does nothing */
	ok = c->euid == target->uid || c->euid == target->suid ||
	     c->uid == target->uid || c->uid == target->suid;
	cred_put(target);
	return ok;
}

/* --- Sending; all with sig_lock held ------------------------------------- */

static bool is_ignored(struct process *p, const struct thread *t, int sig)
{
	u64 bit = SIG_BIT(sig);

	/* A blocked signal is kept: its handler may change meanwhile. */
	if (t && ((t->sig_blocked | t->sigwait_mask) & bit))
		return false;
	return signal_action_ignores(&p->sighand->action[sig - 1], sig);
}

void signal_flush_process(struct process *p, u64 set)
{
	struct thread *t;

	p->nsigqueue -= sigpending_flush(&p->pending, set);
	list_for_each (t, &p->threads, proc_node)
		p->nsigqueue -= sigpending_flush(&t->pending, set);
}

/* A continue undoes stops and the other way round, blocked or not. Returns true
 * if stopped threads are to be woken (after the lock is dropped). */
static bool prepare_job_control(struct process *p, int sig)
{
	struct thread *t;

	if (STOP_SIGNALS & SIG_BIT(sig)) {
		signal_flush_process(p, SIG_BIT(LINUX_SIGCONT));
		return false;
	}
	if (sig != LINUX_SIGCONT)
		return false;
	signal_flush_process(p, STOP_SIGNALS);
	list_for_each (t, &p->threads, proc_node)
		atomic_fetch_and(&t->work, ~(u32)WORK_STOP);
	if (!p->is_stopped)
		return false;
	p->is_stopped = false;
	p->cont_reported = false;
	p->cont_notify = true;
	return true;
}

static int queue_signal(struct process *p, struct sigpending *pending, int sig,
			const struct linux_siginfo *info)
{
	struct sigqueue *q = NULL;

	/* An ordinary signal is pending once. */
	if (sig < LINUX_SIGRTMIN && (pending->set & SIG_BIT(sig)))
		return 0;
	if (p->nsigqueue < p->rlimits[RLIMIT_SIGPENDING].cur)
		q = kmalloc(sizeof(*q));
	if (q) {
		list_init(&q->node);
		q->owner = p;
		q->info = *info;
		q->info.si_signo = sig;
		p->nsigqueue++;
	} else if (sig >= LINUX_SIGRTMIN && info->si_code != LINUX_SI_USER) {
		return -EAGAIN;
	}
	sigpending_add(pending, sig, q);
	return 0;
}

static bool wants_signal(const struct thread *t, int sig)
{
	return !(t->sig_blocked & SIG_BIT(sig));
}

/* The thread that a signal to the whole process shall interrupt, or NULL. */
static struct thread *choose_thread(struct process *p, int sig)
{
	struct thread *t, *busy = NULL;

	if (p->leader && p->leader->state == THREAD_ALIVE &&
	    wants_signal(p->leader, sig) &&
	    !(thread_work(p->leader) & WORK_SIGNAL))
		return p->leader;
	list_for_each (t, &p->threads, proc_node) {
		if (!wants_signal(t, sig))
			continue;
		if (!(thread_work(t) & WORK_SIGNAL))
			return t;
		busy = t;
	}
	return busy;
}

/* Does the signal end the process at once, whoever takes it? */
static bool is_kill(int sig)
{
	return sig == LINUX_SIGKILL;
}

bool signal_spares_init(const struct process *p, s32 from,
			const struct linux_sigaction *sa)
{
	return p->pid == 1 && from > 1 && sa->handler == LINUX_SIG_DFL;
}

/* Nobody but the operator and itself can end or stop pid 1. */
static bool is_spared(struct process *p, const struct thread *t, int sig)
{
	if (t && ((t->sig_blocked | t->sigwait_mask) & SIG_BIT(sig)))
		return false;
	return signal_spares_init(p, process_current()->pid,
				  &p->sighand->action[sig - 1]);
}

/* t NULL: to the process. */
static int send_locked(struct process *p, struct thread *t, int sig,
		       const struct linux_siginfo *info, bool *wake_stopped)
{
	struct thread *target;
	int err;

	if (p->is_zombie || p->nlive == 0 || (t && t->state == THREAD_DEAD))
		return 0;
	*wake_stopped = prepare_job_control(p, sig);
	if (is_ignored(p, t ? t : p->leader, sig) ||
	    is_spared(p, t ? t : p->leader, sig))
		return 0;
	err = queue_signal(p, t ? &t->pending : &p->pending, sig, info);
	if (err)
		return err;
	target = t ? (wants_signal(t, sig) ? t : NULL) : choose_thread(p, sig);
	if (target)
		thread_set_work(target, WORK_SIGNAL);
	return 0;
}

static int send(struct process *p, struct thread *t, int sig,
		const struct linux_siginfo *info)
{
	bool wake_stopped = false;
	int err;

	if (sig == 0)
		return 0;
	if (sig < 0 || sig > SIG_MAX) /* clone() takes any as exit signal */
		return -EINVAL;
	if (p == process_kernel)
		return 0;
	if (is_kill(sig)) {
		if (p->pid != 1 || process_current()->pid <= 1)
			process_kill(p, sig);
		return 0;
	}
	mutex_lock(&p->sig_lock);
	err = send_locked(p, t, sig, info, &wake_stopped);
	mutex_unlock(&p->sig_lock);
	if (wake_stopped)
		waitq_wake(&p->stop_wait);
	waitq_wake_events(&p->sig_waitq, 1 /* EV_IN */, ~0U);
	return err;
}

int signal_send_thread(struct thread *t, int sig,
		       const struct linux_siginfo *info)
{
	return send(t->proc, t, sig, info);
}

int signal_send_process(struct process *p, int sig,
			const struct linux_siginfo *info)
{
	return send(p, NULL, sig, info);
}

int signal_send_group(s32 pgid, int sig, const struct linux_siginfo *info)
{
	struct process *p = NULL;
	int result = -ESRCH, err;

	process_tree_lock();
	while ((p = pid_walk(p))) {
		if (p->pgid != pgid)
			continue;
		err = signal_send_process(p, sig, info);
		if (result != 0)
			result = err;
	}
	process_tree_unlock();
	return result;
}

void signal_force(int sig, const struct linux_siginfo *info)
{
	struct thread *t = current();
	struct process *p = t->proc;
	struct linux_sigaction *sa = &p->sighand->action[sig - 1];
	u64 bit = SIG_BIT(sig);

	if (is_kill(sig)) {
		process_kill(p, sig);
		return;
	}
	mutex_lock(&p->sig_lock);
	if ((t->sig_blocked & bit) || sa->handler == LINUX_SIG_IGN) {
		sa->handler = LINUX_SIG_DFL;
		t->sig_blocked &= ~bit;
	}
	(void)queue_signal(p, &t->pending, sig, info);
	atomic_fetch_or(&t->work, WORK_SIGNAL);
	mutex_unlock(&p->sig_lock);
}

/* --- Masks --------------------------------------------------------------- */

void signal_recalc(struct thread *t)
{
	u64 pending = t->pending.set | t->proc->pending.set;

	if (pending & ~t->sig_blocked)
		atomic_fetch_or(&t->work, WORK_SIGNAL);
	else
		atomic_fetch_and(&t->work, ~(u32)WORK_SIGNAL);
}

/* A signal to the process that we were to take and now block: another may. */
static void retarget(struct process *p, u64 signals)
{
	struct thread *t;

	list_for_each (t, &p->threads, proc_node) {
		if (signals & ~t->sig_blocked)
			thread_set_work(t, WORK_SIGNAL);
	}
}

void signal_set_mask(u64 mask)
{
	struct thread *t = current();
	struct process *p = t->proc;
	u64 newly;

	mask &= ~UNBLOCKABLE;
	if (mask == t->sig_blocked)
		return;
	mutex_lock(&p->sig_lock);
	newly = mask & ~t->sig_blocked & p->pending.set;
	t->sig_blocked = mask;
	if (unlikely(newly) && p->nlive > 1)
		retarget(p, newly);
	signal_recalc(t);
	mutex_unlock(&p->sig_lock);
}

void signal_mask_begin(u64 mask)
{
	struct thread *t = current();

	t->saved_mask = t->sig_blocked;
	signal_set_mask(mask);
}

void signal_mask_end(bool interrupted)
{
	struct thread *t = current();

	if (interrupted)
		atomic_fetch_or(&t->work, WORK_RESTORE_MASK);
	else
		signal_set_mask(t->saved_mask);
}

int signal_read_mask(u64 *mask, uaddr_t set, u64 size)
{
	if (size != sizeof(*mask))
		return -EINVAL;
	return user_load_u64(mask, set);
}

int signal_read_mask_pair(u64 *mask, uaddr_t pair)
{
	struct {
		uaddr_t set;
		u64 size;
	} arg = { 0, 0 };
	int err;

	if (pair && user_get(&arg, pair))
		return -EFAULT;
	if (!arg.set)
		return 0;
	err = signal_read_mask(mask, arg.set, arg.size);
	return err ? err : 1;
}

/* --- Taking -------------------------------------------------------------- */

static bool take_from(struct process *p, struct sigpending *pending, u64 set,
		      struct linux_siginfo *info, int *sig)
{
	struct sigqueue *q;

	*sig = sigpending_next(pending, set);
	if (*sig == 0)
		return false;
	q = sigpending_take(pending, *sig);
	if (!q) { /* came without information: memory was short */
		memset(info, 0, sizeof(*info));
		info->si_signo = *sig;
		return true;
	}
	*info = q->info;
	p->nsigqueue--;
	kfree(q);
	return true;
}

int signal_dequeue(struct thread *t, u64 set, struct linux_siginfo *info)
{
	struct process *p = t->proc;
	int sig = 0;

	if (!take_from(p, &t->pending, set, info, &sig))
		(void)take_from(p, &p->pending, set, info, &sig);
	return sig;
}

/* A POSIX timer's signal has been taken: it may come again. */
static void after_take(struct process *p, int sig, struct linux_siginfo *info)
{
	if (sig && unlikely(info->si_code == LINUX_SI_TIMER))
		posix_timer_delivered(p, info);
}

int signal_take(u64 set, struct linux_siginfo *info)
{
	struct thread *t = current();
	struct process *p = t->proc;
	int sig;

	mutex_lock(&p->sig_lock);
	sig = signal_dequeue(t, set & ~UNBLOCKABLE, info);
	signal_recalc(t);
	mutex_unlock(&p->sig_lock);
	after_take(p, sig, info);
	return sig;
}

u64 signal_pending_set(void)
{
	struct thread *t = current();

	return atomic_load(&t->pending.set) |
	       atomic_load(&t->proc->pending.set);
}

struct waitq *signal_waitq(struct process *p)
{
	return &p->sig_waitq;
}

static void set_sigwait(struct thread *t, u64 set)
{
	mutex_lock(&t->proc->sig_lock);
	t->sigwait_mask = set;
	mutex_unlock(&t->proc->sig_lock);
}

int signal_wait(u64 set, struct linux_siginfo *info, nsec_t deadline)
{
	struct thread *t = current();
	struct waiter w;
	int sig, err = 0;

	set_sigwait(t, set);
	waiter_init(&w);
	waitq_add(&t->proc->sig_waitq, &w);
	while ((sig = signal_take(set, info)) == 0 && err == 0)
		err = thread_sleep(deadline, true);
	waitq_remove(&w);
	set_sigwait(t, 0);
	if (sig)
		return sig;
	return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

bool signal_on_altstack(const struct thread *t, u64 sp)
{
	/* AUTODISARM: the handler runs with the stack disarmed. */
	if (t->altstack.flags & LINUX_SS_AUTODISARM)
		return false;
	return sp > t->altstack.sp && sp - t->altstack.sp <= t->altstack.size;
}
