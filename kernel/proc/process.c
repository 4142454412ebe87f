/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process and thread objects: how they are made, what they hold, how they are
 * freed. Life itself is in clone.c, exec.c, exit.c.
 */
#include "kernel/proc/process.h"

#include "kernel/proc/cputime.h"

#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/coredump.h"
#include "kernel/proc/proc_int.h"
#include "kernel/vfs/vfs.h"

struct mutex process_tree;
struct process_hooks process_hooks;
struct process *process_kernel;
struct thread thread_boot;

void process_tree_lock(void)
{
	mutex_lock(&process_tree);
}

void process_tree_unlock(void)
{
	mutex_unlock(&process_tree);
}

/* --- References ---------------------------------------------------------- */

void process_get(struct process *p)
{
	ref_get(&p->ref);
}

static void process_free(struct process *p)
{
	exe_set(p, NULL);
	session_put(p->session);
	if (p->sighand)
		sighand_put(p->sighand);
	signal_drop_pending(NULL, &p->pending);
	kfree(p->cmdline);
	kfree(p);
}

void process_put(struct process *p)
{
	if (p && ref_put(&p->ref))
		process_free(p);
}

void thread_get(struct thread *t)
{
	ref_get(&t->ref);
}

void thread_free(struct thread *t)
{
	struct process *p = t->proc;

	signal_drop_pending(NULL, &t->pending);
	cred_put(t->cred);
	if (t->fs)
		fs_context_put(t->fs);
	kfree(t);
	process_put(p);
}

void thread_put(struct thread *t)
{
	if (t && ref_put(&t->ref))
		thread_free(t);
}

/* --- Construction -------------------------------------------------------- */

static void process_init(struct process *p)
{
	ref_init(&p->ref);
	list_init(&p->all_node);
	list_init(&p->pid_node);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->threads);
	list_init(&p->shm_attaches);
	waitq_init(&p->thread_wait);
	waitq_init(&p->sig_waitq);
	waitq_init(&p->child_wait);
	waitq_init(&p->stop_wait);
	waitq_init(&p->exit_wait);
	sigpending_init(&p->pending);
	p->exit_signal = LINUX_SIGCHLD;
	p->is_dumpable = true;
	p->coredump_filter = CORE_FILTER_DEFAULT;
	p->cont_reported = true;
	p->start_time = plat_clock(PLAT_MONOTONIC);
}

struct process *process_alloc(void)
{
	struct process *p = kzalloc(sizeof(*p));

	if (p)
		process_init(p);
	return p;
}

static void thread_init(struct thread *t, struct process *p)
{
	ref_init(&t->ref);
	list_init(&t->proc_node);
	list_init(&t->tid_node);
	list_init(&t->dying_node);
	list_init(&t->remote_work);
	sigpending_init(&t->pending);
	t->altstack.flags = LINUX_SS_DISABLE;
	t->affinity = kernel.ncpus >= 64 ? ~0UL : (1UL << kernel.ncpus) - 1;
	t->timer_slack = 50 * NSEC_PER_USEC;
	t->start_time = (u64)plat_clock(PLAT_MONOTONIC);
	t->proc = p;
	process_get(p);
}

struct thread *thread_alloc(struct process *p)
{
	struct thread *t = kzalloc(sizeof(*t));

	if (t)
		thread_init(t, p);
	return t;
}

int process_add_thread(struct process *p, struct thread *t)
{
	int err = 0;

	mutex_lock(&p->lock);
	mutex_lock(&p->sig_lock);
	if (p->is_exiting || p->exec_thread || p->core) {
		err = -EAGAIN;
	} else {
		list_append(&p->threads, &t->proc_node);
		p->nthreads++;
		p->nlive++;
		t->state = THREAD_ALIVE;
		if (!p->leader) {
			thread_get(t);
			p->leader = t;
		}
		if (p->is_stopped)
			atomic_fetch_or(&t->work, WORK_STOP);
	}
	mutex_unlock(&p->sig_lock);
	mutex_unlock(&p->lock);
	return err;
}

bool process_remove_thread(struct process *p, struct thread *t)
{
	bool last;

	mutex_lock(&p->lock);
	mutex_lock(&p->sig_lock);
	list_del(&t->proc_node);
	p->nthreads--;
	p->nlive--;
	p->own_usage.nvcsw += t->nvcsw;
	p->own_usage.min_flt += t->min_flt;
	last = p->nlive == 0;
	t->state = THREAD_DEAD;
	mutex_unlock(&p->sig_lock);
	mutex_unlock(&p->lock);
	return last;
}

struct thread *process_next_thread(struct process *p, s32 after_tid)
{
	struct thread *t, *found = NULL;

	mutex_lock(&p->lock);
	list_for_each (t, &p->threads, proc_node) {
		if (t->tid > after_tid && (!found || t->tid < found->tid))
			found = t;
	}
	if (found)
		thread_get(found);
	mutex_unlock(&p->lock);
	return found;
}

/* --- Sessions ------------------------------------------------------------ */

struct session *session_new(s32 sid)
{
	struct session *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	ref_init(&s->ref);
	s->sid = sid;
	return s;
}

void session_get(struct session *s)
{
	ref_get(&s->ref);
}

void session_put(struct session *s)
{
	if (s && ref_put(&s->ref))
		kfree(s);
}

bool process_group_exists(s32 pgid, const struct session *s)
{
	struct process *p = NULL;

	while ((p = pid_walk(p))) {
		if (p->pgid == pgid && (!s || p->session == s))
			return true;
	}
	return false;
}

bool process_group_is_orphaned(s32 pgid, const struct process *without)
{
	struct process *p = NULL;

	while ((p = pid_walk(p))) {
		if (p->pgid == pgid && p != without && !p->is_zombie &&
		    p->parent && p->parent != process_kernel &&
		    p->parent->pgid != pgid && p->parent->sid == p->sid)
			return false;
	}
	return true;
}

/* --- The executable ------------------------------------------------------ */

int exe_deny_write(struct file *f)
{
	s32 n = atomic_load(&f->inode->writers);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_cmpxchg(&f->inode->writers, &n, n - 1));
	return 0;
}

void exe_set(struct process *p, struct file *f)
{
	struct file *old;

	mutex_lock(&p->lock);
	old = p->exe;
	p->exe = f;
	mutex_unlock(&p->lock);
	if (!old)
		return;
	atomic_fetch_add(&old->inode->writers, 1);
	file_put(old);
}

void exe_copy(struct process *to, struct process *from)
{
	struct file *f;

	mutex_lock(&from->lock);
	f = from->exe;
	if (f) {
		file_get(f);
		atomic_fetch_sub(&f->inode->writers, 1);
	}
	mutex_unlock(&from->lock);
	to->exe = f;
}

void thread_set_fs(struct thread *t, struct fs_context *fs, bool for_all)
{
	struct process *p = t->proc;
	struct fs_context *old = t->fs, *old_shared = NULL;

	mutex_lock(&p->lock);
	t->fs = for_all ? NULL : fs;
	if (for_all && fs) {
		old_shared = p->fs;
		p->fs = fs;
	}
	mutex_unlock(&p->lock);
	if (old && old != fs)
		fs_context_put(old);
	if (old_shared)
		fs_context_put(old_shared);
}

void process_set_space(struct process *p)
{
	atomic_store_release(&p->space, p->mm->space);
}

/* --- The end of a process's parts ---------------------------------------- */

void process_release_parts(struct process *p)
{
	struct fdtable *files;
	struct fs_context *fs;
	struct mm *mm;

	if (p->mm && !(p->leader && p->leader->is_borrowed))
		mm_measure(p->mm);
	mutex_lock(&p->lock);
	if (p->mm) {
		process_times(p, &p->cpu_times);
		atomic_store_release(&p->space, NULL);
		p->own_usage.max_rss_kib = p->mm->peak_rss >> 10;
	}
	files = p->files;
	fs = p->fs;
	mm = p->mm;
	p->files = NULL;
	p->mm = NULL;
	mutex_unlock(&p->lock);
	if (process_hooks.sem_exit)
		process_hooks.sem_exit(p);
	if (process_hooks.shm_exit)
		process_hooks.shm_exit(p);
	if (files)
		fdtable_put(files);
	if (mm)
		mm_put(mm);
	exe_set(p, NULL);
	mutex_lock(&p->lock);
	p->fs = NULL;
	mutex_unlock(&p->lock);
	if (fs)
		fs_context_put(fs);
}

nsec_t process_cputime(struct process *p)
{
	struct plat_space *space = atomic_load_acquire(&p->space);

	if (!space)
		return p->cpu_times.user + p->cpu_times.system;
	return plat_space_cputime(space);
}

void process_usage(struct process *p, struct rusage_sum *sum)
{
	struct plat_times times;
	struct thread *t;

	mutex_lock(&p->lock);
	*sum = p->own_usage;
	process_times(p, &times);
	sum->utime = times.user;
	sum->stime = times.system;
	if (p->mm)
		sum->max_rss_kib = p->mm->peak_rss >> 10;
	list_for_each (t, &p->threads, proc_node) {
		sum->nvcsw += t->nvcsw;
		sum->min_flt += t->min_flt;
	}
	mutex_unlock(&p->lock);
}

void process_comm(struct process *p, char comm[16])
{
	mutex_lock(&p->lock);
	if (p->leader)
		memcpy(comm, p->leader->comm, 16);
	else
		comm[0] = '\0';
	mutex_unlock(&p->lock);
	comm[15] = '\0';
}

u64 rlimit_current(unsigned int which)
{
	return atomic_load(&process_current()->rlimits[which].cur);
}

/* --- Process 0 and pid 1 ------------------------------------------------- */

int proc_init(void)
{
	struct thread *t = current();

	pid_init();
	process_kernel = process_alloc();
	if (!process_kernel)
		return -ENOMEM;
	thread_init(t, process_kernel);
	t->is_kernel = true;
	t->cred = cred_new_root();
	process_kernel->sighand = sighand_new();
	if (!t->cred || !process_kernel->sighand)
		return -ENOMEM;
	str_copy(t->comm, sizeof(t->comm), "kernel");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		process_kernel->rlimits[i].cur = LINUX_RLIM_INFINITY;
		process_kernel->rlimits[i].max = LINUX_RLIM_INFINITY;
	}
	return process_add_thread(process_kernel, t);
}

static const struct {
	u64 cur, max;
} default_rlimits[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
	[RLIMIT_FSIZE] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
	[RLIMIT_DATA] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
	[RLIMIT_STACK] = { MIB(8), LINUX_RLIM_INFINITY },
	[RLIMIT_CORE] = { 0, LINUX_RLIM_INFINITY },
	[RLIMIT_RSS] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
	[RLIMIT_NPROC] = { 63000, 63000 },
	[RLIMIT_NOFILE] = { 65536, 524288 },
	[RLIMIT_MEMLOCK] = { MIB(8), MIB(8) },
	[RLIMIT_AS] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
	[RLIMIT_LOCKS] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
	[RLIMIT_SIGPENDING] = { 63000, 63000 },
	[RLIMIT_MSGQUEUE] = { 819200, 819200 },
	[RLIMIT_NICE] = { 0, 0 },
	[RLIMIT_RTPRIO] = { 0, 0 },
	[RLIMIT_RTTIME] = { LINUX_RLIM_INFINITY, LINUX_RLIM_INFINITY },
};

static bool fill_new(struct process *p, struct thread *t)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		p->rlimits[i].cur = i == RLIMIT_CORE && core_goes_outside()
					    ? LINUX_RLIM_INFINITY
					    : default_rlimits[i].cur;
		p->rlimits[i].max = default_rlimits[i].max;
	}
	p->sighand = sighand_new();
	p->session = session_new(0);
	p->files = fdtable_new();
	p->fs = fs_context_new();
	p->mm = mm_new();
	t->cred = cred_new_root();
	return p->sighand && p->session && p->files && p->fs && p->mm &&
	       t->cred;
}

/* As a child of process 0, leader of its own group and session. */
static int place_new(struct process *p, struct thread *t)
{
	int err;

	process_tree_lock();
	err = pid_link(t, p, LINUX_RLIM_INFINITY);
	if (!err) {
		p->pgid = p->pid;
		p->sid = p->pid;
		p->session->sid = p->pid;
		p->parent = process_kernel;
		list_append(&process_kernel->children, &p->sibling);
	}
	process_tree_unlock();
	return err;
}

static void free_new(struct process *p, struct thread *t)
{
	process_release_parts(p);
	if (t)
		thread_free(t);
	process_put(p);
}

struct process *process_new(void)
{
	struct process *p = process_alloc();
	struct thread *t = p ? thread_alloc(p) : NULL;

	if (!p)
		return NULL;
	if (!t || !fill_new(p, t) || plat_thread_prepare(t)) {
		free_new(p, t);
		return NULL;
	}
	/* Before anybody can find it, and end it. */
	(void)process_add_thread(p, t);
	if (place_new(p, t)) {
		process_undo(p, t);
		return NULL;
	}
	return p;
}

static void start_entry(struct thread *t)
{
	void (*begin)(struct frame * f, void *arg) = (void *)t->restart.arg[0];
	struct frame *f = plat_thread_frame(t);

	process_set_space(t->proc);
	memset(f, 0, sizeof(*f));
	f->orig_rax = FRAME_NO_SYSCALL;
	begin(f, (void *)t->restart.arg[1]);
	thread_enter_user(t);
}

int process_start(struct process *p, void (*begin)(struct frame *f, void *arg),
		  void *arg)
{
	struct thread *t = p->leader;
	int err;

	t->restart.arg[0] = (u64)begin;
	t->restart.arg[1] = (u64)arg;
	err = plat_thread_spawn(t, start_entry, &p->mm->space);
	if (err)
		process_undo(p, t);
	return err;
}

bool process_collect(struct process *p, s32 *status)
{
	if (!atomic_load_acquire(&p->is_zombie))
		return false;
	process_tree_lock();
	*status = p->exit_status;
	if (!p->is_reaped)
		process_reap(p);
	process_tree_unlock();
	return true;
}

struct process *process_init_get(void)
{
	return process_find(1);
}

struct init_args {
	const char *path;
	const char *const *argv;
	const char *const *envp;
};

static s32 init_refuse(struct exec_outside *o, const char *path, int err)
{
	boot_refuse_program(path, o->blame, err);
}

static void init_begin(struct frame *f, void *arg)
{
	struct exec_outside outside = { .refuse = init_refuse };
	struct init_args args;
	long err;

	memcpy(&args, arg, sizeof(args));
	kfree(arg);
	err = process_exec_kernel(f, args.path, args.argv, args.envp, &outside);
	if (err < 0)
		boot_refuse_program(args.path, outside.blame, (int)err);
	boot_program_ready();
}

int process_start_init(struct process *p, const char *path,
		       const char *const *argv, const char *const *envp)
{
	struct init_args *args = kmalloc(sizeof(*args));

	if (!args)
		return -ENOMEM;
	args->path = path;
	args->argv = argv;
	args->envp = envp;
	return process_start(p, init_begin, args);
}

/* --- Threads of the kernel ----------------------------------------------- */

static void kernel_thread_entry(struct thread *t)
{
	void (*fn)(void *arg) = (void (*)(void *))t->restart.arg[0];

	fn((void *)t->restart.arg[1]);
	thread_exit(0);
}

int kernel_thread_start(const char *name, void (*fn)(void *arg), void *arg)
{
	struct thread *t;
	int err;

	/* Only process 0's own threads start others: the space is inherited. */
	kassert(process_current() == process_kernel);
	t = thread_alloc(process_kernel);
	if (!t)
		return -ENOMEM;
	t->is_kernel = true;
	t->cred = cred_get(current()->cred);
	str_copy(t->comm, sizeof(t->comm), name);
	t->restart.arg[0] = (u64)fn;
	t->restart.arg[1] = (u64)arg;
	err = plat_thread_prepare(t);
	if (err) {
		thread_free(t);
		return err;
	}
	err = process_add_thread(process_kernel, t);
	if (!err) {
		err = plat_thread_start(t, kernel_thread_entry);
		if (err)
			process_remove_thread(process_kernel, t);
	}
	if (err) {
		plat_thread_discard(t);
		thread_free(t);
	}
	return err;
}
