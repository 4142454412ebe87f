/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals when a file becomes ready (O_ASYNC): a waiter on the file's queues
 * that sends SIGIO, or the signal of F_SETSIG, to the file's owner.
 */
#include "kernel/linux/fcntl.h"
#include "kernel/vfs/vfs_int.h"

#define ASYNC_QUEUES 3
#define LINUX_SI_SIGIO (-5)
enum { CODE_IN = 1, CODE_OUT = 2, CODE_PRI = 5 }; /* si_code: POLL_* */

struct async {
	struct late late;
	struct mutex lock; /* f */
	struct file *f;	   /* borrowed; NULL: it does not want any more */
	int fd;		   /* si_fd */
	u32 n;
	struct waiter waiters[ASYNC_QUEUES];
};

struct async_table {
	struct poll_table pt;
	struct async *a;
};

static struct mutex async_lock; /* changes of file.async */

/* --- Owners -------------------------------------------------------------- */

static bool group_exists(s32 pgid)
{
	bool exists;

	process_tree_lock();
	exists = process_group_exists(pgid, NULL);
	process_tree_unlock();
	return exists;
}

static bool owner_exists(s32 owner, bool is_thread)
{
	struct process *p;
	struct thread *t;

	if (owner < 0)
		return group_exists(-owner);
	if (is_thread) {
		t = thread_find(owner);
		if (t)
			thread_put(t);
		return t != NULL;
	}
	p = process_find(owner);
	if (p)
		process_put(p);
	return p != NULL;
}

int file_set_owner(struct file *f, s32 owner, bool is_thread)
{
	if (owner == INT32_MIN)
		return -EINVAL;
	if (owner && !owner_exists(owner, is_thread))
		return -ESRCH;
	f->owner_uid = vfs_cred()->uid;
	f->owner_euid = vfs_cred()->euid;
	f->owner_is_thread = is_thread;
	atomic_store(&f->owner, owner);
	return 0;
}

s32 file_get_owner(struct file *f)
{
	s32 owner = atomic_load(&f->owner);

	return owner && owner_exists(owner, f->owner_is_thread) ? owner : 0;
}

/* May the one who named the owner signal a thread? */
static bool is_permitted(const struct file *f, const struct thread *t)
{
	return f->owner_euid == 0 || f->owner_euid == t->uid ||
	       f->owner_uid == t->uid;
}

static void send_thread(struct file *f, struct thread *t, bool whole, int sig,
			const struct linux_siginfo *info)
{
	int err;

	if (!is_permitted(f, t))
		return;
	err = whole ? signal_send_process(t->proc, sig, info)
		    : signal_send_thread(t, sig, info);
	if (err == -EAGAIN && sig != LINUX_SIGIO) { /* the queue is full */
		struct linux_siginfo plain;

		siginfo_kernel(&plain, LINUX_SIGIO);
		(void)signal_send_process(t->proc, LINUX_SIGIO, &plain);
	}
}

void file_signal_owner(struct file *f, int sig,
		       const struct linux_siginfo *info)
{
	s32 owner = atomic_load(&f->owner);
	struct thread *t;

	if (owner < 0) {
		(void)signal_send_group(-owner, sig, info);
		return;
	}
	t = owner ? thread_find(owner) : NULL;
	if (!t)
		return;
	send_thread(f, t, !f->owner_is_thread, sig, info);
	thread_put(t);
}

/* --- Readiness ----------------------------------------------------------- */

static void fill_info(struct linux_siginfo *info, int sig, int code, u32 band,
		      int fd)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	/* Some signals give the codes a meaning of their own. */
	info->si_code =
		sig == LINUX_SIGILL || sig == LINUX_SIGFPE ||
				sig == LINUX_SIGSEGV || sig == LINUX_SIGBUS ||
				sig == LINUX_SIGTRAP || sig == LINUX_SIGCHLD ||
				sig == LINUX_SIGSYS
			? LINUX_SI_SIGIO
			: code;
	info->u.poll.band = band;
	info->u.poll.fd = fd;
}

void file_signal_io(struct file *f, int fd, int code, u32 band)
{
	int sig = atomic_load(&f->owner_sig);
	struct linux_siginfo info;

	if (sig)
		fill_info(&info, sig, code, band, fd);
	else
		siginfo_kernel(&info, LINUX_SIGIO);
	file_signal_owner(f, sig ? sig : LINUX_SIGIO, &info);
}

static void async_put(struct async *a)
{
	if (ref_put(&a->late.ref))
		kfree(a);
}

static void async_run(struct late *late, u32 events)
{
	struct async *a = container_of(late, struct async, late);
	static const u16 bands[] = {
		[CODE_IN] = EV_IN | EV_RDNORM,
		[CODE_OUT] = EV_OUT | EV_WRNORM | EV_WRBAND,
		[CODE_PRI] = EV_PRI | EV_RDBAND,
	};
	int code = CODE_OUT;

	mutex_lock(&a->lock);
	if (a->f && atomic_load(&a->f->owner)) {
		if ((events & EV_PRI) && events != ~0U)
			code = CODE_PRI;
		else if ((events & (EV_IN | EV_HUP | EV_ERR)) && a->f->can_read)
			code = CODE_IN;
		file_signal_io(a->f, a->fd, code, bands[code]);
	}
	mutex_unlock(&a->lock);
	async_put(a);
}

static void add_queue(struct poll_table *pt, struct waitq *q)
{
	struct async *a = container_of(pt, struct async_table, pt)->a;

	if (a->n == ASYNC_QUEUES)
		return;
	waiter_init_late(&a->waiters[a->n], &a->late);
	waitq_add(q, &a->waiters[a->n++]);
}

/* What lies outside tells nobody but those who wait for it. */
static void ignore_hfd(UNUSED struct poll_table *pt, UNUSED int hfd,
		       UNUSED u32 events)
{
}

static struct async *async_new(struct file *f, int fd)
{
	struct async *a = kzalloc(sizeof(*a));
	struct async_table table = {
		.pt = { .add_queue = add_queue, .add_hfd = ignore_hfd },
		.a = a,
	};

	if (!a)
		return NULL;
	ref_init(&a->late.ref);
	a->late.run = async_run;
	a->f = f;
	a->fd = fd;
	(void)f->ops->poll(f, &table.pt);
	return a;
}

static void async_end(struct async *a)
{
	for (u32 i = 0; i < a->n; i++)
		waitq_remove(&a->waiters[i]);
	mutex_lock(&a->lock);
	a->f = NULL;
	mutex_unlock(&a->lock);
	async_put(a);
}

bool file_can_async(const struct file *f)
{
	return f->ops->poll &&
	       (inode_is(f->inode, TYPE_FIFO) ||
		inode_is(f->inode, TYPE_SOCK) || inode_is(f->inode, TYPE_CHR));
}

int file_set_async(struct file *f, int fd, bool on)
{
	struct async *old = NULL;
	int err = 0;

	if (!file_can_async(f))
		return 0;
	mutex_lock(&async_lock);
	if (!on) {
		old = f->async;
		f->async = NULL;
	} else if (f->async) {
		f->async->fd = fd;
	} else {
		f->async = async_new(f, fd);
		err = f->async ? 0 : -ENOMEM;
	}
	mutex_unlock(&async_lock);
	if (old)
		async_end(old);
	return err;
}

void file_async_gone(struct file *f)
{
	async_end(f->async);
	f->async = NULL;
}
