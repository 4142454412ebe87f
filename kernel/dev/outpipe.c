/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files over pipes of the outside. The hfd is used under a lock, so that when
 * the pipe ends nobody is in a call on it: from then on its number stands for
 * something else until the last file is gone, since sets of the outside
 * may still name it.
 */
#include "kernel/dev/outpipe.h"

#include "kernel/dev/hostfile.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define OUTPIPE_IOV 16

struct outpipe {
	struct ref ref; /* one per file and inode, one of the owner */
	int hfd;
	bool has_ended; /* under lock */
	struct mutex lock;
	struct waitq wait; /* woken at the end */
};

struct outpipe *outpipe_new(int hfd)
{
	struct outpipe *o = kzalloc(sizeof(*o));

	if (!o) {
		plat_hfd_close(hfd);
		return NULL;
	}
	ref_init(&o->ref);
	waitq_init(&o->wait);
	o->hfd = hfd;
	return o;
}

static void outpipe_put(struct outpipe *o)
{
	if (!ref_put(&o->ref))
		return;
	plat_hfd_close(o->hfd);
	kfree(o);
}

void outpipe_end(struct outpipe *o)
{
	mutex_lock(&o->lock);
	o->has_ended = true;
	plat_hfd_end(o->hfd);
	mutex_unlock(&o->lock);
	waitq_wake(&o->wait);
	outpipe_put(o);
}

/* One call that does not wait, at most all of u: bytes, or what is `end` when
 * there is no pipe any more. */
static s64 move_some(struct outpipe *o, struct uio *u, bool is_write, s64 end)
{
	struct plat_iovec iov[OUTPIPE_IOV];
	int niov = uio_to_iov(u, iov, OUTPIPE_IOV);
	s64 n;

	do {
		mutex_lock(&o->lock);
		n = end;
		if (!o->has_ended)
			n = is_write ? plat_hfd_writev(o->hfd, iov, niov)
				     : plat_hfd_readv(o->hfd, iov, niov);
		mutex_unlock(&o->lock);
	} while (n == -EINTR ||
		 (n == -EFAULT && (is_write ? mm_expect_reads(iov, niov)
					    : mm_expect_writes(iov, niov))));
	if (n > 0)
		uio_advance(u, (u64)n);
	return n;
}

/* As move_some(); waits for the first byte unless the file does not block. */
static s64 move(struct file *f, struct uio *u, bool is_write, s64 end)
{
	struct outpipe *o = f->data;
	struct plat_pollfd p = { .hfd = o->hfd,
				 .events = is_write ? EV_OUT : EV_IN };
	struct waiter w;
	s64 n = move_some(o, u, is_write, end);

	if (n != -EAGAIN || (f->flags & O_NONBLOCK))
		return n;
	waiter_init(&w);
	waitq_add(&o->wait, &w);
	while ((n = move_some(o, u, is_write, end)) == -EAGAIN) {
		if (thread_sleep_poll(&p, 1, NSEC_MAX) == -EINTR) {
			n = -ERESTARTSYS;
			break;
		}
	}
	waitq_remove(&w);
	return n;
}

static s64 outpipe_read(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	return u->left ? move(f, u, false, 0) : 0;
}

static s64 broken(void)
{
	struct linux_siginfo info;

	siginfo_user(&info, LINUX_SIGPIPE);
	signal_send_thread(current(), LINUX_SIGPIPE, &info);
	return -EPIPE;
}

static s64 outpipe_write(struct file *f, struct uio *u, UNUSED u64 *pos)
{
	s64 n = 0, total = 0;

	while (u->left > 0) {
		n = move(f, u, true, -EIO);
		if (n <= 0)
			break;
		total += n;
	}
	if (total)
		return total;
	return n == -EPIPE ? broken() : n;
}

static u32 outpipe_poll(struct file *f, struct poll_table *pt)
{
	struct outpipe *o = f->data;
	u32 events = f->can_write ? EV_OUT : EV_IN | EV_RDHUP;
	struct plat_pollfd p = { .hfd = o->hfd, .events = (s16)events };

	poll_wait(pt, &o->wait);
	if (atomic_load(&o->has_ended))
		return (events & ~(u32)EV_RDHUP) | EV_HUP;
	if (!pt)
		return plat_hfd_poll(&p, 1, 0) > 0 ? (u16)p.revents : 0;
	poll_hfd(pt, o->hfd, events);
	return 0;
}

static long outpipe_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct outpipe *o = f->data;

	return hostfile_ioctl_hfd(atomic_load(&o->has_ended) ? -1 : o->hfd, cmd,
				  arg);
}

static void outpipe_release(struct file *f)
{
	outpipe_put(f->data);
}

static const struct file_ops outpipe_fops = {
	.name = "outpipe",
	.read = outpipe_read,
	.write = outpipe_write,
	.ioctl = outpipe_ioctl,
	.poll = outpipe_poll,
	.release = outpipe_release,
};

/* Opened again by name: /dev/stdout, /proc/self/fd/1. */
static int outpipe_reopen(struct inode *inode, struct file *f)
{
	struct outpipe *o = inode->data;

	ref_get(&o->ref);
	f->ops = &outpipe_fops;
	f->data = o;
	return 0;
}

static void outpipe_evict(struct inode *inode)
{
	outpipe_put(inode->data);
}

static const struct inode_ops outpipe_iops = {
	.open = outpipe_reopen,
	.evict = outpipe_evict,
};

int outpipe_open(struct outpipe *o, u32 flags, struct file **f)
{
	int err = file_new_anon("pipe", TYPE_FIFO | 0666, &outpipe_fops, o,
				flags, f);

	if (err)
		return err;
	ref_get(&o->ref);
	ref_get(&o->ref);
	(*f)->inode->ops = &outpipe_iops;
	(*f)->inode->data = o;
	return 0;
}
