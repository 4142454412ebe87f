/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for children, and telling parents that a child stopped or went on.
 */
#include "kernel/linux/wait.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

#define TICKS(nsec) ((nsec) / (NSEC_PER_SEC / 100))

static u32 process_uid(const struct process *p)
{
	return p->leader ? atomic_load(&p->leader->uid) : 0;
}

void child_siginfo(struct linux_siginfo *info, int sig, const struct process *p,
		   int code, int status)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->u.chld.pid = p->pid;
	info->u.chld.uid = process_uid(p);
	info->u.chld.status = status;
	info->u.chld.utime = TICKS(p->cpu_times.user);
	info->u.chld.stime = TICKS(p->cpu_times.system);
}

void notify_parent_stop(struct process *p, int code)
{
	struct linux_siginfo info;
	struct linux_sigaction sa;
	struct process *parent;
	int status = code == LINUX_CLD_CONTINUED ? LINUX_SIGCONT : p->stop_sig;

	process_tree_lock();
	parent = p->parent;
	if (parent && parent != process_kernel) {
		mutex_lock(&parent->sig_lock);
		sa = parent->sighand->action[LINUX_SIGCHLD - 1];
		mutex_unlock(&parent->sig_lock);
		if (sa.handler != LINUX_SIG_IGN &&
		    !(sa.flags & LINUX_SA_NOCLDSTOP)) {
			child_siginfo(&info, LINUX_SIGCHLD, p, code, status);
			(void)signal_send_process(parent, LINUX_SIGCHLD, &info);
		}
		waitq_wake(&parent->child_wait);
	}
	process_tree_unlock();
}

static bool is_eligible(const struct wait_request *req,
			const struct process *child)
{
	bool is_clone = child->exit_signal != LINUX_SIGCHLD;

	if (req->type == WAIT_PID && child->pid != req->id)
		return false;
	if (req->type == WAIT_PGID && child->pgid != req->id)
		return false;
	return (req->options & __WALL) ||
	       is_clone == ((req->options & __WCLONE) != 0);
}

static void usage_add(struct rusage_sum *to, const struct rusage_sum *from)
{
	to->utime += from->utime;
	to->stime += from->stime;
	to->min_flt += from->min_flt;
	to->maj_flt += from->maj_flt;
	to->nvcsw += from->nvcsw;
	to->nivcsw += from->nivcsw;
	to->max_rss_kib = MAX(to->max_rss_kib, from->max_rss_kib);
}

static void fill_result(struct wait_result *r, struct process *c, int code,
			s32 status)
{
	r->pid = c->pid;
	r->uid = process_uid(c);
	r->code = code;
	r->status = status;
	process_usage(c, &r->usage);
	usage_add(&r->usage, &c->child_usage);
}

/* Tree lock held: does the child have something to report? */
static bool take_zombie(struct process *self, struct process *c,
			const struct wait_request *req, struct wait_result *r)
{
	if (!c->is_zombie || !(req->options & WEXITED))
		return false;
	fill_result(r, c, exit_code(c->exit_status), c->exit_status);
	if (req->options & WNOWAIT)
		return true;
	usage_add(&self->child_usage, &r->usage);
	process_reap(c);
	return true;
}

static bool take_stop(struct process *c, const struct wait_request *req,
		      struct wait_result *r)
{
	bool keep = req->options & WNOWAIT;
	int code = 0;

	if (c->is_zombie)
		return false;
	mutex_lock(&c->sig_lock);
	if ((req->options & WSTOPPED) && c->is_stopped && !c->stop_reported) {
		code = LINUX_CLD_STOPPED;
		c->stop_reported = !keep;
	} else if ((req->options & WCONTINUED) && !c->is_stopped &&
		   !c->cont_reported) {
		code = LINUX_CLD_CONTINUED;
		c->cont_reported = !keep;
	}
	mutex_unlock(&c->sig_lock);
	if (!code)
		return false;
	fill_result(r, c, code,
		    code == LINUX_CLD_STOPPED ? c->stop_sig << 8 | 0x7f
					      : 0xffff);
	return true;
}

/* The pid, 0: none has anything to say yet, -ECHILD. */
static long wait_scan(struct process *self, const struct wait_request *req,
		      struct wait_result *r)
{
	struct process *c, *next;
	long result = -ECHILD;

	process_tree_lock();
	list_for_each_safe (c, next, &self->children, sibling) {
		if (!is_eligible(req, c))
			continue;
		result = 0;
		if (take_zombie(self, c, req, r) || take_stop(c, req, r)) {
			result = r->pid;
			break;
		}
	}
	process_tree_unlock();
	return result;
}

long process_wait(const struct wait_request *req, struct wait_result *result)
{
	struct process *self = process_current();
	struct waiter w;
	long pid;

	thread_reap();
	waiter_init(&w);
	waitq_add(&self->child_wait, &w);
	while ((pid = wait_scan(self, req, result)) == 0) {
		if (req->options & WNOHANG)
			break;
		if (thread_sleep(NSEC_MAX, true) == -EINTR) {
			/* A child may have come to its end meanwhile. */
			pid = wait_scan(self, req, result);
			if (pid == 0)
				pid = -ERESTARTSYS;
			break;
		}
	}
	waitq_remove(&w);
	return pid;
}
