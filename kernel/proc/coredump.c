/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When and where a core file is written. The thread that was hit asks the
 * others of its process for their registers; they hand them over on their way
 * back to the program and wait there for the end.
 */
#include "kernel/proc/coredump.h"

#include "kernel/cpu/fpu.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"
#include "kernel/vfs/vfs.h"

/* How long to wait for the registers of a thread that does not come, because
 * its vfork child lives, say. */
#define PATIENCE (2 * NSEC_PER_SEC)

char core_pattern[CORE_PATTERN_MAX] = "core";
u32 core_uses_pid;

bool signal_dumps_core(int sig)
{
	const u64 set = SIG_BIT(LINUX_SIGQUIT) | SIG_BIT(LINUX_SIGILL) |
			SIG_BIT(LINUX_SIGTRAP) | SIG_BIT(LINUX_SIGABRT) |
			SIG_BIT(LINUX_SIGBUS) | SIG_BIT(LINUX_SIGFPE) |
			SIG_BIT(LINUX_SIGSEGV) | SIG_BIT(LINUX_SIGXCPU) |
			SIG_BIT(LINUX_SIGXFSZ) | SIG_BIT(LINUX_SIGSYS);

	return (set & SIG_BIT(sig)) != 0;
}

/* --- Threads ------------------------------------------------------------- */

static struct core_thread *record(const struct frame *f)
{
	struct thread *t = current();
	struct core_thread *r = kzalloc(sizeof(*r) + fpu_dump_size());

	if (!r)
		return NULL;
	r->tid = t->tid;
	r->frame = *f;
	r->fs_base = plat_get_fs_base();
	r->sig_pending = t->pending.set;
	r->sig_blocked = t->sig_blocked;
	fpu_dump(r->xstate);
	return r;
}

/* The process's end is ordered once the file is written, or by SIGKILL. */
static void wait_for_end(void)
{
	while (!(thread_work(current()) & WORK_EXIT))
		(void)thread_sleep(NSEC_MAX, false);
}

void core_join(struct frame *f)
{
	struct thread *t = current();
	struct process *p = t->proc;
	struct core_thread *r = record(f);

	atomic_fetch_and(&t->work, ~(u32)WORK_DUMP);
	mutex_lock(&p->sig_lock);
	if (p->core && r) {
		list_append(&p->core->threads, &r->node);
		r = NULL;
	}
	t->in_dump = true;
	mutex_unlock(&p->sig_lock);
	kfree(r);
	waitq_wake(&p->thread_wait);
	wait_for_end();
}

/* sig_lock held: is a thread missing that can come? */
static bool is_missing(struct process *p)
{
	struct thread *t;

	list_for_each (t, &p->threads, proc_node)
		if (t != current() && !t->in_dump && !t->lent_to &&
		    t->state == THREAD_ALIVE)
			return true;
	return false;
}

static void gather(struct process *p)
{
	nsec_t end = plat_clock(PLAT_MONOTONIC) + PATIENCE;
	struct waiter w;
	bool missing;
	int err = 0;

	waiter_init(&w);
	waitq_add(&p->thread_wait, &w);
	for (;;) {
		mutex_lock(&p->sig_lock);
		missing = is_missing(p);
		mutex_unlock(&p->sig_lock);
		if (!missing || err || (thread_work(current()) & WORK_EXIT))
			break;
		err = thread_sleep(end, false);
	}
	waitq_remove(&w);
}

/* Become the one who dumps and call the others. False: another one does, or
 * the process ends already. */
static bool begin(struct process *p, struct core_dump *core)
{
	struct thread *t;
	bool ok;

	mutex_lock(&p->sig_lock);
	ok = !p->core && !p->is_exiting && !p->exec_thread;
	if (ok) {
		p->core = core;
		list_for_each (t, &p->threads, proc_node)
			if (t != current())
				thread_set_work(t, WORK_DUMP);
	}
	mutex_unlock(&p->sig_lock);
	return ok;
}

static void finish(struct process *p, struct core_dump *core)
{
	struct core_thread *r, *next;

	mutex_lock(&p->sig_lock);
	p->core = NULL;
	mutex_unlock(&p->sig_lock);
	list_for_each_safe (r, next, &core->threads, node)
		kfree(r);
}

/* --- The file ------------------------------------------------------------ */

static void add_name(struct fmt_buf *out, const char *name)
{
	for (; *name; name++)
		fmt_buf_add(out, "%c", *name == '/' ? '!' : *name);
}

static void add_exe(struct fmt_buf *out, struct process *p, bool whole)
{
	char comm[16], *buf = kmalloc(PATH_MAX_LEN);
	struct path root;
	const char *name = NULL;

	path_root(&root);
	if (buf && p->exe)
		name = path_name(&p->exe->path, &root, buf, PATH_MAX_LEN);
	path_put(&root);
	process_comm(p, comm);
	if (!name)
		add_name(out, comm);
	else
		add_name(out, whole ? name : strrchr(name, '/') + 1);
	kfree(buf);
}

/* One %-letter of the pattern. True if it was the pid. */
static bool add_field(struct fmt_buf *out, struct process *p, char letter,
		      int sig)
{
	const struct cred *c = cred_current();
	char comm[16];

	switch (letter) {
	case '%':
		fmt_buf_add(out, "%%");
		break;
	case 'p':
	case 'P':
		fmt_buf_add(out, "%d", p->pid);
		return true;
	case 'i':
	case 'I':
		fmt_buf_add(out, "%d", current()->tid);
		break;
	case 'u':
		fmt_buf_add(out, "%u", c->uid);
		break;
	case 'g':
		fmt_buf_add(out, "%u", c->gid);
		break;
	case 'd':
		fmt_buf_add(out, "%d", p->is_dumpable);
		break;
	case 's':
		fmt_buf_add(out, "%d", sig);
		break;
	case 't':
		fmt_buf_add(out, "%ld",
			    (long)(plat_clock(PLAT_REALTIME) / NSEC_PER_SEC));
		break;
	case 'h':
		add_name(out, kernel.hostname);
		break;
	case 'e':
		process_comm(p, comm);
		add_name(out, comm);
		break;
	case 'f':
	case 'E':
		add_exe(out, p, letter == 'E');
		break;
	case 'c':
		fmt_buf_add(out, "%lu", rlimit_current(RLIMIT_CORE));
		break;
	default: /* unknown letters are left out */
		break;
	}
	return false;
}

/* The file's name out of the pattern; false if it is too long. */
static bool make_name(struct process *p, int sig, char *buf, size_t size)
{
	struct fmt_buf out;
	bool has_pid = false;

	fmt_buf_init(&out, buf, size);
	for (const char *s = core_pattern; *s; s++) {
		if (*s != '%')
			fmt_buf_put(&out, s, 1);
		else if (!*++s)
			break;
		else if (add_field(&out, p, *s, sig))
			has_pid = true;
	}
	if (core_uses_pid && !has_pid)
		fmt_buf_add(&out, ".%d", p->pid);
	fmt_buf_put(&out, "", 1);
	return !out.is_cut && buf[0];
}

/* Is f what we asked for, a fresh file of our own? */
static bool is_good_file(const struct file *f)
{
	const struct inode *i = f->inode;

	return inode_is(i, TYPE_REG) && i->nlink == 1 &&
	       i->uid == cred_current()->fsuid && (i->mode & 0677) == 0600;
}

static struct file *open_core(struct process *p, int sig)
{
	char *name = kmalloc(PATH_MAX_LEN);
	struct file *f = NULL;

	if (!name)
		return NULL;
	if (make_name(p, sig, name, PATH_MAX_LEN)) {
		(void)path_unlink(AT_FDCWD, name);
		if (path_open(AT_FDCWD, name,
			      O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600, 0,
			      &f))
			f = NULL;
	}
	kfree(name);
	if (f && !is_good_file(f)) {
		file_put(f);
		f = NULL;
	}
	return f;
}

static bool dump(struct process *p, struct core_dump *core, u64 limit)
{
	struct core_sink sink = { NULL, NULL };

	if (core_goes_outside())
		sink.outside = core_outside_open(p);
	else
		sink.file = open_core(p, core->info->si_signo);
	if (!sink.file && !sink.outside)
		return false;
	gather(p);
	(void)core_write(p, core, &sink, limit);
	if (sink.file)
		file_put(sink.file);
	return true;
}

bool core_dump(struct frame *f, const struct linux_siginfo *info)
{
	struct process *p = process_current();
	u64 limit = rlimit_current(RLIMIT_CORE);
	struct core_dump core = { .info = info };
	struct core_thread *own;
	bool done;

	if (limit < PAGE_SIZE || !p->is_dumpable || !p->mm)
		return false;
	own = record(f);
	if (!own)
		return false;
	list_init(&core.threads);
	list_append(&core.threads, &own->node);
	if (!begin(p, &core)) {
		kfree(own);
		return false;
	}
	done = dump(p, &core, limit);
	finish(p, &core);
	return done;
}
