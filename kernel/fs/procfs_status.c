/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/{stat,statm,status,limits,io}: what ps, top and run-times read.
 */
#include "kernel/dev/tty.h"
#include "kernel/fs/procfs_int.h"
#include "kernel/proc/cputime.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/mm.h"

/* One look at a process or thread, for the formats below. */
struct view {
	struct thread *thread; /* reference, or NULL: gone */
	struct cred *cred;     /* reference, or NULL */
	char comm[16];
	char state; /* R S T Z */
	s32 ppid, pgid, sid;
	u32 nthreads;
	struct plat_times times;
	struct mm_usage mem;
	u64 peak_rss;
	u64 start_code, end_code, start_stack;
	u64 ignored, caught, blocked, pending, shared_pending;
	u32 umask;
	u32 tty_rdev;
	s32 tty_pgid;
};

static char state_of(const struct process *p, const struct thread *t)
{
	if (p->is_zombie || !t)
		return 'Z';
	if (p->is_stopped)
		return 'T';
	return atomic_load(&t->sleep_mode) == SLEEP_NONE ? 'R' : 'S';
}

static void view_signals(struct view *v, struct process *p)
{
	mutex_lock(&p->sig_lock);
	for (int i = 0; p->sighand && i < SIG_MAX; i++) {
		uaddr_t handler = p->sighand->action[i].handler;

		if (handler == LINUX_SIG_IGN)
			v->ignored |= 1UL << i;
		else if (handler != LINUX_SIG_DFL)
			v->caught |= 1UL << i;
	}
	v->shared_pending = p->pending.set;
	if (v->thread) {
		v->blocked = v->thread->sig_blocked;
		v->pending = v->thread->pending.set;
	}
	mutex_unlock(&p->sig_lock);
}

static void view_tree(struct view *v, struct process *p)
{
	process_tree_lock();
	v->ppid = p->parent ? p->parent->pid : 0;
	v->pgid = p->pgid;
	v->sid = p->sid;
	process_tree_unlock();
}

static void view_memory(struct view *v, struct process *p)
{
	struct mm *mm = procfs_mm(p);

	if (!mm)
		return;
	procfs_usage(mm, &v->mem);
	v->peak_rss = MAX(mm->peak_rss, v->mem.rss);
	v->start_stack = p->stack_start;
	mm_put(mm);
}

static void view_get(struct view *v, const struct pseudo_node *n)
{
	struct process *p = n->proc;
	struct fs_context *fs = procfs_fs(p);

	memset(v, 0, sizeof(*v));
	if (fs) {
		v->umask = fs->umask;
		fs_context_put(fs);
	}
	v->thread = procfs_thread(n);
	if (v->thread) {
		v->cred = cred_get_thread(v->thread);
		memcpy(v->comm, v->thread->comm, sizeof(v->comm));
		v->comm[15] = '\0';
	} else {
		process_comm(p, v->comm);
	}
	v->state = state_of(p, v->thread);
	mutex_lock(&p->lock);
	v->nthreads = p->nthreads;
	if (n->tid && v->thread)
		plat_thread_times(v->thread, &v->times);
	else
		process_times(p, &v->times);
	mutex_unlock(&p->lock);
	view_tree(v, p);
	view_signals(v, p);
	view_memory(v, p);
	tty_of_process(p, &v->tty_rdev, &v->tty_pgid);
}

static void view_put(struct view *v)
{
	if (v->cred)
		cred_put(v->cred);
	if (v->thread)
		thread_put(v->thread);
}

/* --- stat, statm
 * -------------------------------------------------------------------- */

static void put_stat_head(struct fmt_buf *out, const struct view *v,
			  const struct process *p, s32 id)
{
	const struct rusage_sum *kids = &p->child_usage;

	fmt_buf_add(out, "%d (%s) %c %d %d %d %d %d %u ", id, v->comm, v->state,
		    v->ppid, v->pgid, v->sid, (s32)v->tty_rdev, v->tty_pgid,
		    0x400000U /* PF_RANDOMIZE */);
	fmt_buf_add(out, "%lu %lu 0 %lu ", v->thread ? v->thread->min_flt : 0,
		    kids->min_flt, kids->maj_flt);
	fmt_buf_add(out, "%lu %lu %lu %lu ", ticks(v->times.user),
		    ticks(v->times.system), ticks(kids->utime),
		    ticks(kids->stime));
}

static void put_stat_tail(struct fmt_buf *out, const struct view *v,
			  const struct process *p)
{
	const struct thread *t = v->thread;
	s32 nice = t ? t->nice : 0;
	bool may = !procfs_may_inspect((struct process *)(uintptr_t)p);
	nsec_t start =
		(t ? (nsec_t)t->start_time : p->start_time) - kernel.boot_time;

	fmt_buf_add(out, "%d %d %u 0 %lu ", 20 + nice, nice, v->nthreads,
		    ticks(MAX(start, 0)));
	fmt_buf_add(out, "%lu %lu %lu 1 1 %lu 0 0 ", v->mem.size,
		    v->mem.rss / PAGE_SIZE, p->rlimits[RLIMIT_RSS].cur,
		    may ? v->start_stack : 0);
	fmt_buf_add(out, "%lu %lu %lu %lu 0 0 0 17 0 ", v->pending & 0x7fffffff,
		    v->blocked & 0x7fffffff, v->ignored & 0x7fffffff,
		    v->caught & 0x7fffffff);
	fmt_buf_add(out, "%u %u 0 0 0 0 0 0 ", t ? t->sched_priority : 0,
		    t ? t->sched_policy : 0);
	fmt_buf_add(out, "%lu %lu %lu %lu %d\n", may ? p->arg_start : 0,
		    may ? p->arg_end : 0, may ? p->env_start : 0,
		    may ? p->env_end : 0, may ? p->exit_status : 0);
}

int procfs_show_stat(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct view v;

	if (n->proc->is_reaped)
		return -ESRCH;
	view_get(&v, n);
	put_stat_head(out, &v, n->proc, n->tid ? n->tid : n->proc->pid);
	put_stat_tail(out, &v, n->proc);
	view_put(&v);
	return 0;
}

int procfs_show_statm(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct mm *mm = procfs_mm(n->proc);
	struct mm_usage u = { 0 };

	if (mm) {
		procfs_usage(mm, &u);
		mm_put(mm);
	}
	fmt_buf_add(out, "%lu %lu %lu %lu 0 %lu 0\n", u.size / PAGE_SIZE,
		    u.rss / PAGE_SIZE, u.shared / PAGE_SIZE, u.text / PAGE_SIZE,
		    (u.data + u.stack) / PAGE_SIZE);
	return 0;
}

/* --- status
 * ---------------------------------------------------------------------------
 */

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'T':
		return "stopped";
	case 'Z':
		return "zombie";
	default:
		return "sleeping";
	}
}

static void put_ids(struct fmt_buf *out, const struct view *v)
{
	const struct cred *c = v->cred;

	if (!c)
		return;
	fmt_buf_add(out, "Uid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid,
		    c->fsuid);
	fmt_buf_add(out, "Gid:\t%u\t%u\t%u\t%u\n", c->gid, c->egid, c->sgid,
		    c->fsgid);
}

static void put_groups(struct fmt_buf *out, const struct view *v)
{
	fmt_buf_add(out, "Groups:\t");
	for (u32 i = 0; v->cred && i < v->cred->ngroups; i++)
		fmt_buf_add(out, "%u ", v->cred->groups[i]);
	fmt_buf_add(out, "\n");
}

static void put_kib(struct fmt_buf *out, const char *name, u64 bytes)
{
	fmt_buf_add(out, "%s:\t%8lu kB\n", name, bytes >> 10);
}

static void put_memory(struct fmt_buf *out, const struct view *v)
{
	const struct mm_usage *m = &v->mem;
	u64 anon = m->rss > m->shared ? m->rss - m->shared : 0;

	put_kib(out, "VmPeak", m->size);
	put_kib(out, "VmSize", m->size);
	put_kib(out, "VmLck", m->locked);
	put_kib(out, "VmPin", 0);
	put_kib(out, "VmHWM", v->peak_rss);
	put_kib(out, "VmRSS", m->rss);
	put_kib(out, "RssAnon", anon);
	put_kib(out, "RssFile", m->rss - anon);
	put_kib(out, "RssShmem", 0);
	put_kib(out, "VmData", m->data);
	put_kib(out, "VmStk", m->stack);
	put_kib(out, "VmExe", m->text);
	put_kib(out, "VmLib", 0);
	put_kib(out, "VmPTE", 0);
	put_kib(out, "VmSwap", 0);
	put_kib(out, "HugetlbPages", 0);
	fmt_buf_add(out, "CoreDumping:\t0\nTHP_enabled:\t1\n");
}

static void put_signals(struct fmt_buf *out, const struct view *v,
			const struct process *p)
{
	fmt_buf_add(out, "SigQ:\t%u/%lu\n", p->nsigqueue,
		    p->rlimits[RLIMIT_SIGPENDING].cur);
	fmt_buf_add(out, "SigPnd:\t%016lx\nShdPnd:\t%016lx\n", v->pending,
		    v->shared_pending);
	fmt_buf_add(out, "SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		    v->blocked, v->ignored, v->caught);
}

static void put_caps(struct fmt_buf *out, const struct view *v,
		     const struct process *p)
{
	const struct cred *c = v->cred;

	if (c) {
		fmt_buf_add(out, "CapInh:\t%016lx\nCapPrm:\t%016lx\n",
			    c->cap_inheritable, c->cap_permitted);
		fmt_buf_add(
			out,
			"CapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
			c->cap_effective, c->cap_bounding, c->cap_ambient);
	}
	fmt_buf_add(out, "NoNewPrivs:\t%d\nSeccomp:\t0\nSeccomp_filters:\t0\n",
		    p->no_new_privs);
	fmt_buf_add(out, "Speculation_Store_Bypass:\tthread vulnerable\n");
}

static void put_places(struct fmt_buf *out, const struct view *v)
{
	u64 mask = v->thread && v->thread->affinity ? v->thread->affinity
						    : ~0UL;
	u32 n = MIN(kernel.ncpus, 64U);
	bool is_first = true;

	if (n < 64)
		mask &= (1UL << n) - 1;
	fmt_buf_add(out, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", mask);
	for (u32 i = 0; i < n; i++) {
		u32 last = i;

		if (!(mask >> i & 1))
			continue;
		while (last + 1 < n && (mask >> (last + 1) & 1))
			last++;
		fmt_buf_add(out, is_first ? "%u" : ",%u", i);
		if (last > i)
			fmt_buf_add(out, "-%u", last);
		is_first = false;
		i = last;
	}
	fmt_buf_add(out, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
	fmt_buf_add(out,
		    "voluntary_ctxt_switches:\t%lu\n"
		    "nonvoluntary_ctxt_switches:\t0\n",
		    v->thread ? v->thread->nvcsw : 0);
}

int procfs_show_status(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct process *p = n->proc;
	struct view v;
	s32 id = n->tid ? n->tid : p->pid;

	if (p->is_reaped)
		return -ESRCH;
	view_get(&v, n);
	fmt_buf_add(out, "Name:\t%s\nUmask:\t%04o\nState:\t%c (%s)\n", v.comm,
		    v.umask, v.state, state_name(v.state));
	fmt_buf_add(out, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n", p->pid,
		    id, v.ppid);
	fmt_buf_add(out, "TracerPid:\t0\n");
	put_ids(out, &v);
	fmt_buf_add(out, "FDSize:\t256\n");
	put_groups(out, &v);
	fmt_buf_add(out, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n",
		    p->pid, id, v.pgid, v.sid);
	if (v.mem.size)
		put_memory(out, &v);
	fmt_buf_add(out, "Threads:\t%u\n", v.nthreads);
	put_signals(out, &v, p);
	put_caps(out, &v, p);
	put_places(out, &v);
	view_put(&v);
	return 0;
}

/* --- limits, io
 * -------------------------------------------------------------------------- */

static void put_limit(struct fmt_buf *out, u64 value)
{
	if (value == ~0UL)
		fmt_buf_add(out, "%-20s ", "unlimited");
	else
		fmt_buf_add(out, "%-20lu ", value);
}

int procfs_show_limits(struct fmt_buf *out, const struct pseudo_node *n)
{
	static const struct {
		const char *name, *unit;
	} limits[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};
	struct rlimit64 copy[RLIM_NLIMITS];

	mutex_lock(&n->proc->lock);
	memcpy(copy, n->proc->rlimits, sizeof(copy));
	mutex_unlock(&n->proc->lock);
	fmt_buf_add(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
		    "Hard Limit", "Units");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		fmt_buf_add(out, "%-25s ", limits[i].name);
		put_limit(out, copy[i].cur);
		put_limit(out, copy[i].max);
		fmt_buf_add(out, "%-10s\n", limits[i].unit);
	}
	return 0;
}

int procfs_show_io(struct fmt_buf *out, const struct pseudo_node *n)
{
	struct process *p = n->proc;
	int err = procfs_may_inspect(p);

	if (err)
		return err;
	fmt_buf_add(out, "rchar: %lu\nwchar: %lu\nsyscr: 0\nsyscw: 0\n",
		    p->io_read, p->io_written);
	fmt_buf_add(out, "read_bytes: 0\nwrite_bytes: 0\n"
			 "cancelled_write_bytes: 0\n");
	return 0;
}
