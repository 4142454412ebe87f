/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd: pending signals of the reader, as records. It looks at whoever
 * reads or polls, not at who made it. See signalfd(2).
 */
#include "kernel/ipc/event.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/inode.h"

#define WATCHED_MAX 16

struct signalfd {
	struct mutex lock;
	u64 mask; /* signals of interest */
	/* Processes whose queues a poller was put on: kept until the file
	 * goes, since an epoll set may hold its place in the queue as long. */
	struct process *watched[WATCHED_MAX];
	u32 nwatched;
};

struct linux_signalfd_siginfo { /* linux/signalfd.h */
	u32 signo;
	s32 error, code;
	u32 pid, uid;
	s32 fd;
	u32 tid, band, overrun, trapno;
	s32 status, sival_int;
	u64 sival_ptr, utime, stime, addr;
	u16 addr_lsb, pad2;
	s32 syscall;
	u64 call_addr;
	u32 arch;
	u8 pad[28];
};
_Static_assert(sizeof(struct linux_signalfd_siginfo) == 128, "Linux ABI");

static void fill_record(struct linux_signalfd_siginfo *r,
			const struct linux_siginfo *si)
{
	memset(r, 0, sizeof(*r));
	r->signo = (u32)si->si_signo;
	r->error = si->si_errno;
	r->code = si->si_code;
	if (si->si_signo == LINUX_SIGCHLD && si->si_code > 0) {
		r->pid = (u32)si->u.chld.pid;
		r->uid = si->u.chld.uid;
		r->status = si->u.chld.status;
		r->utime = (u64)si->u.chld.utime;
		r->stime = (u64)si->u.chld.stime;
	} else if (si->si_code == LINUX_SI_TIMER) {
		r->tid = (u32)si->u.timer.tid;
		r->overrun = (u32)si->u.timer.overrun;
		r->sival_int = si->u.timer.value.sival_int;
		r->sival_ptr = si->u.timer.value.sival_ptr;
	} else if (si->si_code > 0 && si->si_code != LINUX_SI_KERNEL) {
		r->addr = si->u.fault.addr;
	} else {
		r->pid = (u32)si->u.rt.pid;
		r->uid = si->u.rt.uid;
		r->sival_int = si->u.rt.value.sival_int;
		r->sival_ptr = si->u.rt.value.sival_ptr;
	}
}

/* The first record may be waited for; 0 when there is none (any more). */
static int take_signal(struct file *f, struct linux_siginfo *si, bool may_wait)
{
	struct signalfd *s = f->data;
	u64 mask = atomic_load(&s->mask);
	struct waiter w;
	int sig, err = 0;

	sig = signal_take(mask, si);
	if (sig || !may_wait)
		return sig;
	if (atomic_load(&f->flags) & O_NONBLOCK)
		return -EAGAIN;
	waiter_init(&w);
	waitq_add(signal_waitq(process_current()), &w);
	while (!(sig = signal_take(mask, si)) && !err)
		err = thread_sleep(NSEC_MAX, true);
	waitq_remove(&w);
	return sig ? sig : err == -EINTR ? -ERESTARTSYS : err;
}

static s64 signalfd_read(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct linux_signalfd_siginfo record;
	struct linux_siginfo si;
	s64 total = 0;
	int sig;

	if (u->left < sizeof(record))
		return -EINVAL;
	while (u->left >= sizeof(record)) {
		sig = take_signal(f, &si, total == 0);
		if (sig <= 0)
			return total ? total : sig;
		fill_record(&record, &si);
		if (uio_put(u, &record, sizeof(record)) != sizeof(record))
			return total ? total : -EFAULT;
		total += sizeof(record);
	}
	return total;
}

/* Keep the process whose queue is about to be registered. */
static bool watch_process(struct signalfd *s, struct process *p)
{
	bool found = false;

	mutex_lock(&s->lock);
	for (u32 i = 0; i < s->nwatched && !found; i++)
		found = s->watched[i] == p;
	if (!found && s->nwatched < WATCHED_MAX) {
		process_get(p);
		s->watched[s->nwatched++] = p;
		found = true;
	}
	mutex_unlock(&s->lock);
	return found;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct signalfd *s = f->data;
	struct process *p = process_current();

	if (pt && watch_process(s, p))
		poll_wait(pt, signal_waitq(p));
	return signal_pending_set() & atomic_load(&s->mask) ? EV_IN | EV_RDNORM
							    : 0;
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->data;

	for (u32 i = 0; i < s->nwatched; i++)
		process_put(s->watched[i]);
	kfree(s);
}

static void signalfd_show(struct file *f, struct fmt_buf *out)
{
	struct signalfd *s = f->data;

	fmt_buf_add(out, "sigmask:\t%016lx\n", atomic_load(&s->mask));
}

static const struct file_ops signalfd_fops = {
	.name = "signalfd",
	.lseek = file_stay,
	.read = signalfd_read,
	.poll = signalfd_poll,
	.release = signalfd_release,
	.show_fdinfo = signalfd_show,
};

static u64 allowed(u64 mask)
{
	return mask & ~(SIG_BIT(LINUX_SIGKILL) | SIG_BIT(LINUX_SIGSTOP));
}

int signalfd_new(u64 mask, u32 flags, struct file **f)
{
	struct signalfd *s = kzalloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->mask = allowed(mask);
	err = file_new_anon("[signalfd]", 0600, &signalfd_fops, s,
			    O_RDWR | flags, f);
	if (err)
		kfree(s);
	return err;
}

int signalfd_set(struct file *f, u64 mask)
{
	struct signalfd *s = f->data;

	if (f->ops != &signalfd_fops)
		return -EINVAL;
	atomic_store(&s->mask, allowed(mask));
	/* Somebody may wait for what is of interest only now. */
	waitq_wake(signal_waitq(process_current()));
	return 0;
}
