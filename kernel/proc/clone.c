/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork, vfork and clone: new threads and processes as copies of the caller.
 * A vfork child with the parent's memory runs on the parent's own host thread
 * (plat_thread_borrow) until it ends or execs.
 */
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/resource.h"
#include "kernel/linux/sched.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/cputime.h"
#include "kernel/proc/itimer.h"
#include "kernel/proc/pidfd.h"
#include "kernel/proc/proc_int.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

/* --- First steps of the child -------------------------------------------- */

void thread_enter_user(struct thread *t)
{
	struct frame *f = plat_thread_frame(t);

	plat_set_fs_base(t->fs_base);
	if (thread_work(t))
		thread_work_run(f);
	plat_return_to_user(f);
}

static void child_entry(struct thread *t)
{
	if (t->set_child_tid)
		(void)user_store_u32(t->set_child_tid, (u32)t->tid);
	thread_enter_user(t);
}

static void fork_entry(struct thread *t)
{
	process_set_space(t->proc);
	mm_fork_finish(t->proc->mm);
	child_entry(t);
}

/* --- Checks -------------------------------------------------------------- */

static bool flags_conflict(u64 flags, u64 a, u64 b)
{
	return (flags & a) && (flags & b);
}

static int check_flags(u64 flags)
{
	if (flags_conflict(flags, CLONE_NEWNS | CLONE_NEWUSER, CLONE_FS))
		return -EINVAL;
	if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	if (flags_conflict(flags, CLONE_THREAD, CLONE_NEWUSER | CLONE_NEWPID))
		return -EINVAL;
	if (flags_conflict(flags, CLONE_PIDFD, CLONE_THREAD | CLONE_DETACHED))
		return -EINVAL;
	if (flags_conflict(flags, CLONE_CLEAR_SIGHAND, CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_PARENT) && process_current()->pid == 1)
		return -EINVAL;
	if (flags & CLONE_NAMESPACES)
		return (int)syscall_unsupported("clone namespace", flags,
						EPERM);
	if (flags & CLONE_INTO_CGROUP)
		return (int)syscall_unsupported("clone cgroup", flags, EINVAL);
	if ((flags & CLONE_SYSVSEM) && !(flags & CLONE_THREAD))
		return (int)syscall_unsupported("clone flag CLONE_SYSVSEM",
						flags, EINVAL);
	return 0;
}

/* How many threads the caller's user may have. */
static u64 nproc_limit(void)
{
	const struct cred *c = cred_current();

	if (c->uid == 0 || cred_has(c, CAP_SYS_RESOURCE) ||
	    cred_has(c, CAP_SYS_ADMIN))
		return LINUX_RLIM_INFINITY;
	return rlimit_current(RLIMIT_NPROC);
}

/* --- Building the child -------------------------------------------------- */

static struct thread *thread_copy(struct process *p,
				  const struct clone_request *req)
{
	struct thread *self = current();
	struct thread *t = thread_alloc(p);

	if (!t)
		return NULL;
	t->sig_blocked = self->sig_blocked;
	if ((req->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		t->altstack = self->altstack;
	t->cred = cred_get(self->cred);
	t->uid = self->uid;
	memcpy(t->comm, self->comm, sizeof(t->comm));
	t->affinity = self->affinity;
	t->timer_slack = self->timer_slack;
	t->nice = self->nice;
	t->ioprio = self->ioprio;
	if (!self->sched_reset_on_fork) {
		t->sched_policy = self->sched_policy;
		t->sched_priority = self->sched_priority;
	} else if (t->nice < 0) {
		t->nice = 0;
	}
	t->fs_base = req->flags & CLONE_SETTLS ? req->tls : plat_get_fs_base();
	if (req->flags & CLONE_CHILD_SETTID)
		t->set_child_tid = req->child_tid;
	if (req->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = req->child_tid;
	return t;
}

/* Stack and registers. */
static int thread_equip(struct thread *t, const struct frame *f,
			const struct clone_request *req)
{
	struct frame *child;
	int err = plat_thread_prepare(t);

	if (err)
		return err;
	child = plat_thread_frame(t);
	*child = *f;
	child->rax = 0;
	child->orig_rax = FRAME_NO_SYSCALL;
	if (req->stack)
		child->rsp = req->stack;
	return 0;
}

static void store_parent_tid(const struct clone_request *req, s32 tid)
{
	if (req->flags & CLONE_PARENT_SETTID)
		(void)user_store_u32(req->parent_tid, (u32)tid);
}

/* With CLONE_FS the caller's, else a copy. */
static int thread_copy_fs(struct thread *t, u64 flags)
{
	const struct thread *self = current();

	if (!(flags & CLONE_FS))
		t->fs = fs_context_copy(fs_context_current());
	else if (self->fs)
		t->fs = fs_context_get(self->fs);
	return t->fs || (flags & CLONE_FS) ? 0 : -ENOMEM;
}

int process_unshare_fs(void)
{
	struct thread *t = current();
	struct fs_context *c = fs_context_current();
	bool is_alone = atomic_load(&t->proc->nlive) == 1;

	if (atomic_load(&c->ref.count) == 1 && (is_alone || t->fs))
		return 0;
	c = fs_context_copy(c);
	if (!c)
		return -ENOMEM;
	thread_set_fs(t, c, is_alone);
	return 0;
}

static long clone_thread(struct frame *f, const struct clone_request *req)
{
	struct process *p = process_current();
	struct thread *t = thread_copy(p, req);
	s32 tid;
	int err;

	if (!t)
		return -ENOMEM;
	err = thread_copy_fs(t, req->flags);
	if (!err)
		err = thread_equip(t, f, req);
	if (err) {
		thread_free(t);
		return err;
	}
	err = pid_link(t, NULL, nproc_limit());
	if (err) {
		plat_thread_discard(t);
		thread_free(t);
		return err;
	}
	tid = t->tid;
	store_parent_tid(req, tid);
	err = process_add_thread(p, t);
	if (!err) {
		err = plat_thread_start(t, child_entry);
		if (err)
			process_remove_thread(p, t);
	}
	if (err) {
		pid_unlink_thread(t);
		plat_thread_discard(t);
		thread_put(t);
		return err;
	}
	return tid;
}

static char *copy_bytes(const char *from, size_t n)
{
	char *copy = from && n ? kmalloc(n) : NULL;

	if (copy)
		memcpy(copy, from, n);
	return copy;
}

static void process_copy_fields(struct process *p, struct process *from)
{
	mutex_lock(&from->lock);
	memcpy(p->rlimits, from->rlimits, sizeof(p->rlimits));
	p->cmdline = copy_bytes(from->cmdline, from->cmdline_len);
	p->cmdline_len = p->cmdline ? from->cmdline_len : 0;
	mutex_unlock(&from->lock);
	p->arg_start = from->arg_start;
	p->arg_end = from->arg_end;
	p->env_start = from->env_start;
	p->env_end = from->env_end;
	p->auxv_start = from->auxv_start;
	p->stack_start = from->stack_start;
	memcpy(p->auxv, from->auxv, sizeof(p->auxv));
	p->nauxv = from->nauxv;
	p->is_dumpable = from->is_dumpable;
	p->coredump_filter = from->coredump_filter;
	p->no_new_privs = from->no_new_privs;
	p->keep_caps = from->keep_caps;
	p->oom_score_adj = from->oom_score_adj;
	p->personality = from->personality;
	exe_copy(p, from);
}

static int process_copy_parts(struct process *p, struct process *from,
			      u64 flags)
{
	if (flags & CLONE_SIGHAND) {
		ref_get(&from->sighand->ref);
		p->sighand = from->sighand;
	} else {
		p->sighand = sighand_copy(from);
		if (!p->sighand)
			return -ENOMEM;
		if (flags & CLONE_CLEAR_SIGHAND)
			sighand_clear(p->sighand);
	}
	if (flags & CLONE_FILES) {
		p->files = fdtable_get(from->files);
		p->files_shared = true;
		from->files_shared = true;
	} else {
		p->files = fdtable_copy(from->files);
	}
	p->fs = flags & CLONE_FS ? fs_context_get(fs_context_current())
				 : fs_context_copy(fs_context_current());
	if (!p->files || !p->fs)
		return -ENOMEM;
	if (!(flags & CLONE_VM))
		return mm_fork(&p->mm);
	mm_get(from->mm);
	p->mm = from->mm;
	return 0;
}

/* Give the new process its place in the tree and an id. -ERESTARTNOINTR: the
 * caller must first take a signal, which might have been for its group, hence
 * for the child, too. */
static int process_place(struct process *p, struct process *from,
			 const struct clone_request *req)
{
	bool as_sibling = req->flags & CLONE_PARENT;
	int err = -ERESTARTNOINTR;

	process_tree_lock();
	if (!(thread_work(current()) & (WORK_SIGNAL | WORK_EXIT)))
		err = pid_link(p->leader, p, nproc_limit());
	if (!err) {
		p->parent = as_sibling ? from->parent : from;
		p->exit_signal = as_sibling ? from->exit_signal
					    : (u32)req->exit_signal;
		list_append(&p->parent->children, &p->sibling);
		p->has_subreaper = p->parent->has_subreaper ||
				   p->parent->is_subreaper;
		p->pgid = from->pgid;
		p->sid = from->sid;
		p->session = from->session;
		session_get(p->session);
	}
	process_tree_unlock();
	return err;
}

void process_undo(struct process *p, struct thread *t)
{
	process_tree_lock();
	list_del(&p->sibling);
	pid_unlink_process(p);
	process_tree_unlock();
	pid_unlink_thread(t);
	process_remove_thread(p, t);
	itimers_exit(p);
	plat_thread_discard(t);
	process_release_parts(p);
	thread_put(p->leader);
	p->leader = NULL;
	thread_put(t);
	process_put(p);
}

static int process_build(struct frame *f, const struct clone_request *req,
			 struct process **new_process)
{
	struct process *from = process_current();
	struct process *p = process_alloc();
	struct thread *t;
	int err;

	if (!p)
		return -ENOMEM;
	t = thread_copy(p, req);
	process_copy_fields(p, from);
	err = t ? process_copy_parts(p, from, req->flags) : -ENOMEM;
	if (!err)
		err = thread_equip(t, f, req);
	if (err) {
		process_release_parts(p);
		if (t)
			thread_free(t);
		process_put(p);
		return err;
	}
	/* Before anybody can find it, and end it. */
	(void)process_add_thread(p, t);
	err = process_place(p, from, req);
	if (err) {
		process_undo(p, t);
		return err;
	}
	if (p->rlimits[RLIMIT_CPU].cur != LINUX_RLIM_INFINITY)
		itimer_limit_cpu(p);
	*new_process = p;
	return 0;
}

/* --- Starting it --------------------------------------------------------- */

static void set_lent_to(struct thread *parent, struct thread *child)
{
	struct process *p = parent->proc;

	mutex_lock(&p->lock);
	mutex_lock(&p->sig_lock);
	parent->lent_to = child;
	mutex_unlock(&p->sig_lock);
	mutex_unlock(&p->lock);
}

static void start_borrowed(struct thread *t)
{
	struct thread *self = current();

	thread_get(t);
	t->is_borrowed = true;
	t->vfork_parent = self;
	set_lent_to(self, t);
	rseq_suspend(self);
	plat_thread_borrow(t, child_entry);
	rseq_resume(self);
	set_lent_to(self, NULL);
	thread_put(t);
}

/* vfork of a copy: wait until the child has its own program or is gone. */
static void wait_vfork_done(struct process *child)
{
	struct waiter w;

	waiter_init(&w);
	waitq_add(&child->exit_wait, &w);
	while (!atomic_load_acquire(&child->is_vfork_done) &&
	       !(thread_work(current()) & WORK_EXIT))
		(void)thread_sleep(NSEC_MAX, false);
	waitq_remove(&w);
}

static int start_child(struct process *p, const struct clone_request *req)
{
	struct thread *t = p->leader;
	int err = 0;

	if (!(req->flags & CLONE_VM)) {
		/* the machine's copy has it, too */
		t->rseq = current()->rseq;
		t->rseq_sig = current()->rseq_sig;
		err = plat_thread_fork(t, fork_entry, &p->mm->space);
	} else if (!(req->flags & CLONE_VFORK)) {
		process_set_space(p);
		err = plat_thread_start(t, child_entry);
	} else {
		start_borrowed(t);
	}
	return err;
}

static long clone_process(struct frame *f, const struct clone_request *req,
			  struct file **pidfd)
{
	struct process *p;
	struct thread *t;
	s32 pid;
	int err = process_build(f, req, &p);

	if (err)
		return err;
	if (pidfd) {
		err = pidfd_new(p, 0, pidfd);
		if (err) {
			process_undo(p, p->leader);
			return err;
		}
	}
	process_get(p);
	t = p->leader;
	pid = p->pid;
	if (req->flags & CLONE_VM)
		store_parent_tid(req, pid);
	err = start_child(p, req);
	if (err) {
		process_undo(p, t);
		process_put(p);
		return err;
	}
	if (!(req->flags & CLONE_VM)) {
		store_parent_tid(req, pid);
		if (req->flags & CLONE_VFORK)
			wait_vfork_done(p);
	}
	process_put(p);
	return pid;
}

/* With CLONE_PIDFD the number must be stored before a vfork child runs. */
static long clone_with_pidfd(struct frame *f, const struct clone_request *req)
{
	struct file *pidfd = NULL;
	int fd = fd_reserve(0, true);
	long pid;

	if (fd < 0)
		return fd;
	if (user_store_u32(req->pidfd, (u32)fd)) {
		fd_unreserve(fd);
		return -EFAULT;
	}
	pid = clone_process(f, req, &pidfd);
	if (pid < 0) {
		if (pidfd)
			file_put(pidfd);
		fd_unreserve(fd);
		return pid;
	}
	fd_publish(fd, pidfd);
	return pid;
}

long process_clone(struct frame *f, const struct clone_request *req)
{
	int err = check_flags(req->flags);

	if (err)
		return err;
	/* A signal to the group must reach the caller before there are two. */
	if (thread_work(current()) & (WORK_SIGNAL | WORK_EXIT))
		return -ERESTARTNOINTR;
	thread_reap();
	loadavg_sample();
	if (req->flags & CLONE_THREAD)
		return clone_thread(f, req);
	if (req->flags & CLONE_PIDFD)
		return clone_with_pidfd(f, req);
	return clone_process(f, req, NULL);
}
