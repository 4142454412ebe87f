/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of threads and processes: what they hold is given back, children get
 * a new parent, the parent is told. A thread's object is freed by others once
 * its host thread has gone (thread_reap).
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/aio.h"
#include "kernel/ipc/futex.h"
#include "kernel/kernel.h"
#include "kernel/proc/cputime.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

static struct {
	struct mutex lock;
	struct list list;     /* struct thread.dying_node */
	struct process *init; /* pid 1, once it has ended: nobody waits */
} dying = { .list = LIST_INIT(dying.list) };

/* --- Threads ------------------------------------------------------------- */

static struct thread *reap_one(void)
{
	struct thread *t, *found = NULL;

	mutex_lock(&dying.lock);
	list_for_each (t, &dying.list, dying_node) {
		/* Pairs with the platform's release in plat_thread_exit(). */
		if (atomic_load_acquire(&t->exit_done)) {
			found = t;
			list_del(&t->dying_node);
			break;
		}
	}
	mutex_unlock(&dying.lock);
	return found;
}

void thread_reap(void)
{
	struct thread *t;

	if (list_empty(&dying.list))
		return;
	while ((t = reap_one()))
		thread_put(t);
}

/* The caller is the last to run in the space. */
static bool has_own_space(const struct process *p)
{
	return atomic_load(&p->nlive) == 1 &&
	       atomic_load(&p->mm->ref.count) == 1;
}

void thread_release_user(struct thread *t)
{
	struct process *p = t->proc;
	uaddr_t addr = t->clear_child_tid;

	if (!p->mm)
		return;
	futex_exit(t);
	t->clear_child_tid = 0;
	if (!addr || has_own_space(p)) /* nobody is left to see it */
		return;
	if (user_store_u32(addr, 0) == 0)
		(void)futex_wake(addr, false, 1, FUTEX_BITSET_ALL);
}

/* Signals to the process that this thread was to take. */
static void pass_on_signals(struct process *p)
{
	struct thread *t;

	mutex_lock(&p->sig_lock);
	if (p->pending.set && !p->is_exiting) {
		list_for_each (t, &p->threads, proc_node) {
			if (p->pending.set & ~t->sig_blocked)
				thread_set_work(t, WORK_SIGNAL);
		}
	}
	mutex_unlock(&p->sig_lock);
}

static NORETURN void thread_leave(struct thread *t, bool last_in_space)
{
	bool borrowed = t->is_borrowed;

	thread_reap();
	mutex_lock(&dying.lock);
	list_append(&dying.list, &t->dying_node);
	if (borrowed) /* the parent's reference outlives the borrowing */
		atomic_store_release(&t->exit_done, 1);
	mutex_unlock(&dying.lock);
	if (borrowed)
		plat_thread_unborrow();
	plat_thread_exit(&t->exit_done, last_in_space);
}

/* --- The process --------------------------------------------------------- */

static struct process *find_reaper(struct process *p)
{
	struct process *r;

	for (r = p->has_subreaper ? p->parent : NULL; r && r->pid > 1;
	     r = r->parent) {
		if (r->is_subreaper && !r->is_zombie && !r->is_exiting)
			return r;
	}
	r = process_find(1);
	if (!r)
		return process_kernel;
	process_put(r); /* pid 1 is reaped by nobody */
	return r;
}

/* The process after c below top: children first, then siblings, then the
 * siblings of its parents. Tree lock held. */
static struct process *tree_next(struct process *c, struct process *top,
				 bool skip_children)
{
	if (!skip_children && !list_empty(&c->children))
		return list_first(&c->children, struct process, sibling);
	while (c != top && c->sibling.next == &c->parent->children)
		c = c->parent;
	return c == top ? NULL
			: list_entry(c->sibling.next, struct process, sibling);
}

void process_set_subreaper(bool on)
{
	struct process *top = process_current(), *c;

	process_tree_lock();
	top->is_subreaper = on;
	c = on ? tree_next(top, top, false) : NULL;
	while (c) {
		bool known = c->has_subreaper;

		c->has_subreaper = true;
		c = tree_next(c, top, known);
	}
	process_tree_unlock();
}

static bool group_has_stopped(s32 pgid)
{
	struct process *p = NULL;

	while ((p = pid_walk(p))) {
		if (p->pgid == pgid && p->is_stopped && !p->is_zombie)
			return true;
	}
	return false;
}

void orphan_group_signal(s32 pgid, const struct process *without)
{
	struct linux_siginfo info;
	struct process *p = NULL;

	if (!group_has_stopped(pgid) ||
	    !process_group_is_orphaned(pgid, without))
		return;
	while ((p = pid_walk(p))) {
		if (p->pgid != pgid || p->is_zombie)
			continue;
		siginfo_kernel(&info, LINUX_SIGHUP);
		(void)signal_send_process(p, LINUX_SIGHUP, &info);
		siginfo_kernel(&info, LINUX_SIGCONT);
		(void)signal_send_process(p, LINUX_SIGCONT, &info);
	}
}

int exit_code(s32 status)
{
	if (!(status & 0x7f))
		return LINUX_CLD_EXITED;
	return status & 0x80 ? LINUX_CLD_DUMPED : LINUX_CLD_KILLED;
}

/* True if the parent does not want to wait: the caller reaps. */
static bool notify_parent_exit(struct process *p)
{
	struct process *parent = p->parent;
	struct linux_sigaction sa;
	struct linux_siginfo info;
	s32 status = p->exit_status;
	int sig = (int)p->exit_signal;
	bool autoreap = false;

	if (parent == process_kernel || dying.init)
		return dying.init && p->pid != 1;
	mutex_lock(&parent->sig_lock);
	sa = parent->sighand->action[LINUX_SIGCHLD - 1];
	mutex_unlock(&parent->sig_lock);
	if (sig == LINUX_SIGCHLD &&
	    (sa.handler == LINUX_SIG_IGN || (sa.flags & LINUX_SA_NOCLDWAIT))) {
		autoreap = true;
		if (sa.handler == LINUX_SIG_IGN)
			sig = 0;
	}
	if (sig) {
		child_siginfo(&info, sig, p, exit_code(status),
			      status & 0x7f ? status & 0x7f : status >> 8);
		(void)signal_send_process(parent, sig, &info);
	}
	waitq_wake(&parent->child_wait);
	return autoreap;
}

void process_reap(struct process *p)
{
	struct thread *leader;

	cputime_keep(p);
	list_del(&p->sibling);
	pid_unlink_process(p);
	mutex_lock(&p->lock);
	p->is_reaped = true;
	leader = p->leader;
	p->leader = NULL;
	mutex_unlock(&p->lock);
	thread_put(leader);
	process_put(p);
}

static void send_pdeathsig(struct process *child)
{
	struct linux_siginfo info;
	struct thread *t;
	u32 sig = 0;

	mutex_lock(&child->lock);
	list_for_each (t, &child->threads, proc_node) {
		if (t->pdeathsig)
			sig = t->pdeathsig;
	}
	mutex_unlock(&child->lock);
	if (!sig)
		return;
	siginfo_user(&info, (int)sig);
	(void)signal_send_process(child, (int)sig, &info);
}

/* Tree lock held. */
static void reparent_children(struct process *p)
{
	struct process *reaper, *c, *next;

	if (list_empty(&p->children))
		return;
	reaper = find_reaper(p);
	list_for_each_safe (c, next, &p->children, sibling) {
		list_del(&c->sibling);
		list_append(&reaper->children, &c->sibling);
		c->parent = reaper;
		send_pdeathsig(c);
		c->exit_signal = LINUX_SIGCHLD;
		if (c->is_zombie && notify_parent_exit(c)) {
			process_reap(c);
			continue;
		}
		if (c->pgid != p->pgid && c->sid == p->sid)
			orphan_group_signal(c->pgid, p);
	}
}

static void exit_notify(struct process *p, s32 status)
{
	process_tree_lock();
	reparent_children(p);
	if (p->parent && p->parent->pgid != p->pgid && p->parent->sid == p->sid)
		orphan_group_signal(p->pgid, p);
	p->exit_status = status;
	atomic_store_release(&p->is_vfork_done, true);
	atomic_store_release(&p->is_zombie, true);
	waitq_wake(&p->exit_wait);
	if (notify_parent_exit(p))
		process_reap(p);
	process_tree_unlock();
	if (dying.init)
		waitq_wake(&dying.init->child_wait);
}

/* pid 1 has ended: so does the instance. */
static NORETURN void init_gone(struct process *init, s32 status)
{
	nsec_t deadline = plat_clock(PLAT_MONOTONIC) + NSEC_PER_SEC;
	struct process *p;
	struct waiter w;
	s32 after = 1;

	dying.init = init;
	while ((p = process_next(after))) {
		after = p->pid;
		process_kill(p, LINUX_SIGKILL);
		process_put(p);
	}
	waiter_init(&w);
	waitq_add(&init->child_wait, &w);
	while (process_count() > 1) {
		if (thread_sleep(deadline, false) == -ETIMEDOUT)
			break;
	}
	waitq_remove(&w);
#ifdef JIFFY_DEBUG
	lockdep_end();
#endif
	if (process_hooks.power_off)
		process_hooks.power_off(status);
	plat_power_off(status);
}

/* The last thread has come to its end. */
static void process_finish(struct process *p)
{
	s32 status = p->is_exiting ? p->group_exit_code : p->leader->exit_code;

	itimers_exit(p);
	posix_timers_exit(p);
	aio_exit(p);
	if (p->pid == p->sid && process_hooks.session_leader_exit)
		process_hooks.session_leader_exit(p);
	process_release_parts(p);
	if (p->pid == 1)
		init_gone(p, status);
	exit_notify(p, status);
}

static NORETURN void thread_finish(s32 status)
{
	struct thread *t = current();
	struct process *p = t->proc;
	bool last, last_in_space;

	t->exit_code = status;
	/* The area of the last one stays till the space goes. */
	if (p->mm && !has_own_space(p))
		rseq_drop(t);
	thread_release_user(t);
	if (t->fs)
		thread_set_fs(t, NULL, false);
	pid_unlink_thread(t);
	last = process_remove_thread(p, t);
	/* Nobody queues memory work for it any more: finish what there is. */
	if (p->mm)
		mm_run_remote(t);
	last_in_space = last && p->mm && !t->is_borrowed &&
			atomic_load(&p->mm->ref.count) == 1;
	if (last) {
		process_finish(p);
	} else {
		pass_on_signals(p);
		waitq_wake(&p->thread_wait);
	}
	thread_leave(t, last_in_space);
}

void thread_exit(int status)
{
	thread_finish(status);
}

void process_kill(struct process *p, int status)
{
	struct thread *t;

	mutex_lock(&p->sig_lock);
	if (!p->is_exiting) {
		p->is_exiting = true;
		p->group_exit_code = status;
	}
	p->is_stopped = false;
	list_for_each (t, &p->threads, proc_node)
		thread_set_work(t, WORK_EXIT);
	mutex_unlock(&p->sig_lock);
	waitq_wake(&p->stop_wait);
}

void process_exit(int status)
{
	struct process *p = process_current();

	process_kill(p, status);
	thread_finish(p->group_exit_code);
}

void thread_exit_ordered(void)
{
	struct process *p = process_current();

	thread_finish(p->is_exiting ? p->group_exit_code : 0);
}
