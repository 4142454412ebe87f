/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes: a ring of bytes over pages that exist only while they hold data (one
 * stays, for the next write). Writes of up to PIPE_BUF are atomic; larger ones
 * go as room comes. Both ends of a pipe and all opens of a FIFO share one
 * struct pipe.
 */
#include "kernel/ipc/pipe.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/pipe_int.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/ioctl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define EV_READ (EV_IN | EV_RDNORM)
#define EV_WRITE (EV_OUT | EV_WRNORM)

static struct pipe *pipe_create(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->npages = PIPE_DEFAULT_PAGES;
	p->pages = kzalloc(p->npages * sizeof(p->pages[0]));
	if (!p->pages) {
		kfree(p);
		return NULL;
	}
	waitq_init(&p->read_wait);
	waitq_init(&p->write_wait);
	waitq_init(&p->open_wait);
	return p;
}

static void pipe_destroy(struct pipe *p)
{
	for (u32 i = 0; i < p->npages; i++) {
		if (p->pages[i])
			kpages_free(p->pages[i], 1);
	}
	if (p->spare)
		kpages_free(p->spare, 1);
	kfree(p->pages);
	kfree(p);
}

/* The page slot that byte number `at` of the stream lies in. */
static u8 **pipe_slot(struct pipe *p, u64 at)
{
	return &p->pages[(at >> PAGE_SHIFT) & (p->npages - 1)];
}

static void pipe_page_done(struct pipe *p, u64 at)
{
	u8 **slot = pipe_slot(p, at);

	if (!*slot)
		return;
	if (p->spare)
		kpages_free(*slot, 1);
	else
		p->spare = *slot;
	*slot = NULL;
}

static u8 *pipe_page_get(struct pipe *p, u64 at)
{
	u8 **slot = pipe_slot(p, at);

	if (!*slot) {
		*slot = p->spare ? p->spare : kpages_alloc(1);
		p->spare = NULL;
	}
	return *slot;
}

u8 *pipe_page(struct pipe *p, u64 at)
{
	return *pipe_slot(p, at);
}

/* n bytes of one page have been read. */
static void pipe_advance(struct pipe *p, u64 n)
{
	p->tail += n;
	if ((p->tail & (PAGE_SIZE - 1)) == 0)
		pipe_page_done(p, p->tail - 1);
}

/* Empty: the next write starts this page anew. */
static void pipe_rewind(struct pipe *p)
{
	if (pipe_used(p) == 0)
		p->head = p->tail = ROUND_DOWN(p->tail, PAGE_SIZE);
}

void pipe_skip(struct pipe *p, u64 n)
{
	while (n) {
		u64 step = MIN(n, PAGE_SIZE - (p->tail & (PAGE_SIZE - 1)));

		pipe_advance(p, step);
		n -= step;
	}
	pipe_rewind(p);
}

/* Move bytes out to u under the lock; bytes, or -EFAULT if none. */
static s64 pipe_drain(struct pipe *p, struct uio *u)
{
	s64 total = 0;

	while (u->left && pipe_used(p)) {
		u64 at = p->tail & (PAGE_SIZE - 1);
		u64 n = MIN(MIN(PAGE_SIZE - at, pipe_used(p)), u->left);
		s64 done = uio_put(u, pipe_page(p, p->tail) + at, n);

		if (done <= 0)
			return total ? total : -EFAULT;
		pipe_advance(p, (u64)done);
		total += done;
		if ((u64)done < n)
			break;
	}
	pipe_rewind(p);
	return total;
}

s64 pipe_fill(struct pipe *p, struct uio *u)
{
	s64 total = 0;

	while (u->left && pipe_room(p)) {
		u64 at = p->head & (PAGE_SIZE - 1);
		u64 n = MIN(MIN(PAGE_SIZE - at, pipe_room(p)), u->left);
		u8 *page = pipe_page_get(p, p->head);
		s64 done;

		if (!page)
			return total ? total : -ENOMEM;
		done = uio_get(u, page + at, n);
		if (done <= 0)
			return total ? total : -EFAULT;
		p->head += (u64)done;
		total += done;
		if ((u64)done < n)
			break;
	}
	return total;
}

/* Sleep on q until woken; the pipe's lock is dropped meanwhile. */
static int pipe_sleep(struct pipe *p, struct waitq *q)
{
	struct waiter w;
	int err;

	waiter_init(&w);
	waitq_add_exclusive(q, &w);
	mutex_unlock(&p->lock);
	err = thread_sleep(NSEC_MAX, true);
	waitq_remove(&w);
	mutex_lock(&p->lock);
	return err;
}

static bool is_nonblock(struct file *f, const struct uio *u)
{
	return u->nowait || (atomic_load(&f->flags) & O_NONBLOCK);
}

void pipe_wake_readers(struct pipe *p)
{
	waitq_wake_events(&p->read_wait, EV_READ, 1);
}

void pipe_wake_writers(struct pipe *p)
{
	waitq_wake_events(&p->write_wait, EV_WRITE, 1);
}

static s64 pipe_read(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct pipe *p = f->data;
	bool is_empty;
	s64 n = 0;

	if (u->left == 0)
		return 0;
	mutex_lock(&p->lock);
	if (!pipe_can_read(p)) {
		n = pipe_wait_data(p, is_nonblock(f, u));
		if (n <= 0) {
			mutex_unlock(&p->lock);
			return n;
		}
	}
	n = pipe_drain(p, u);
	is_empty = pipe_used(p) == 0;
	mutex_unlock(&p->lock);
	if (!is_empty)
		waitq_wake_after(&p->read_wait, EV_READ, 1);
	waitq_wake_after(&p->write_wait, EV_WRITE, 1);
	return n;
}

/* What a writer needs before it may go on: all of a small write, else a byte.
 */
static bool pipe_may_write(const struct pipe *p, const struct uio *u)
{
	u64 room = pipe_room(p);

	if (unlikely(p->write_claimed))
		return false;
	return u->left <= PIPE_BUF_SIZE ? room >= u->left : room > 0;
}

static s64 pipe_broken(void)
{
	struct linux_siginfo info;

	siginfo_user(&info, LINUX_SIGPIPE);
	signal_send_thread(current(), LINUX_SIGPIPE, &info);
	return -EPIPE;
}

int pipe_wait_data(struct pipe *p, bool nonblock)
{
	while (!pipe_can_read(p)) {
		if (!p->read_claimed && p->nwriters == 0)
			return 0;
		if (nonblock && !p->read_claimed)
			return -EAGAIN;
		if (pipe_sleep(p, &p->read_wait) && !pipe_can_read(p))
			return -ERESTARTSYS;
	}
	return 1;
}

int pipe_wait_room(struct pipe *p, bool nonblock)
{
	for (;;) {
		if (p->nreaders == 0)
			return (int)pipe_broken();
		if (pipe_can_write(p))
			return 1;
		if (nonblock && !p->write_claimed)
			return -EAGAIN;
		if (pipe_sleep(p, &p->write_wait) && !pipe_can_write(p) &&
		    p->nreaders)
			return -ERESTARTSYS;
	}
}

static s64 pipe_write(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct pipe *p = f->data;
	s64 total = 0, n;
	bool atomic = u->left <= PIPE_BUF_SIZE, has_room;

	if (u->left == 0)
		return 0;
	mutex_lock(&p->lock);
	while (u->left) {
		if (p->nreaders == 0) {
			mutex_unlock(&p->lock);
			return total ? total : pipe_broken();
		}
		if (atomic ? pipe_may_write(p, u) : pipe_can_write(p)) {
			n = pipe_fill(p, u);
			if (n < 0) {
				total = total ? total : n;
				break;
			}
			total += n;
			continue;
		}
		if (is_nonblock(f, u) && !p->write_claimed) {
			total = total ? total : -EAGAIN;
			break;
		}
		waitq_wake_events(&p->read_wait, EV_READ, 1);
		if (pipe_sleep(p, &p->write_wait) && u->left && p->nreaders &&
		    !pipe_may_write(p, u)) {
			total = total ? total : -ERESTARTSYS;
			break;
		}
	}
	has_room = pipe_room(p) >= PIPE_BUF_SIZE;
	mutex_unlock(&p->lock);
	if (total > 0)
		waitq_wake_after(&p->read_wait, EV_READ, 1);
	if (has_room)
		waitq_wake_after(&p->write_wait, EV_WRITE, 1);
	return total;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->data;
	u32 ev = 0;

	if (f->can_read)
		poll_wait(pt, &p->read_wait);
	if (f->can_write)
		poll_wait(pt, &p->write_wait);
	/* No lock: waitq_add() was a barrier, and so is what a change does
	 * before it looks for waiters. */
	if (f->can_read) {
		if (atomic_load(&p->head) != atomic_load(&p->tail))
			ev |= EV_READ;
		if (atomic_load(&p->nwriters) == 0 && p->writer_opens)
			ev |= EV_HUP;
	}
	if (f->can_write) {
		if (pipe_room(p) >= PIPE_BUF_SIZE)
			ev |= EV_WRITE;
		if (atomic_load(&p->nreaders) == 0)
			ev |= EV_ERR;
	}
	return ev;
}

static long pipe_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct pipe *p = f->data;
	u32 n;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&p->lock);
	n = (u32)pipe_used(p);
	mutex_unlock(&p->lock);
	return user_store_u32(arg, n);
}

static long pipe_resize(struct pipe *p, u64 size)
{
	u32 npages = 1;
	u8 **pages;
	long ret;

	if (size > (u64)PIPE_MAX_PAGES * PAGE_SIZE)
		return size > (1UL << 31) ? -EINVAL : -EPERM;
	while ((u64)npages * PAGE_SIZE < size)
		npages *= 2;
	pages = kzalloc(npages * sizeof(pages[0]));
	if (!pages)
		return -ENOMEM;
	mutex_lock(&p->lock);
	ret = (long)(npages * PAGE_SIZE);
	if (ROUND_UP(p->head, PAGE_SIZE) - ROUND_DOWN(p->tail, PAGE_SIZE) >
	    (u64)npages * PAGE_SIZE) {
		kfree(pages);
		ret = -EBUSY;
	} else {
		for (u64 at = ROUND_DOWN(p->tail, PAGE_SIZE); at < p->head;
		     at += PAGE_SIZE)
			pages[(at >> PAGE_SHIFT) & (npages - 1)] =
				*pipe_slot(p, at);
		kfree(p->pages);
		p->pages = pages;
		p->npages = npages;
		waitq_wake_events(&p->write_wait, EV_WRITE, 1);
	}
	mutex_unlock(&p->lock);
	return ret;
}

static long pipe_fcntl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = f->data;

	if (cmd == F_GETPIPE_SZ)
		return (long)(atomic_load(&p->npages) * PAGE_SIZE);
	if (cmd == F_SETPIPE_SZ)
		return pipe_resize(p, (u32)arg);
	return -EINVAL;
}

static void pipe_attach(struct pipe *p, const struct file *f)
{
	p->nopens++;
	if (f->can_read) {
		p->nreaders++;
		p->reader_opens++;
	}
	if (f->can_write) {
		p->nwriters++;
		p->writer_opens++;
	}
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->data;
	struct inode *fifo =
		inode_is(f->inode, TYPE_FIFO) && f->inode->fifo == p ? f->inode
								     : NULL;
	bool is_last;

	mutex_lock(&p->lock);
	p->nreaders -= f->can_read;
	p->nwriters -= f->can_write;
	mutex_unlock(&p->lock);
	/* f still counts in nopens: until below, p cannot go away. */
	waitq_wake_events(&p->read_wait, EV_READ | EV_HUP, ~0U);
	waitq_wake_events(&p->write_wait, EV_WRITE | EV_ERR, ~0U);
	if (fifo)
		rw_write_lock(&fifo->lock);
	mutex_lock(&p->lock);
	is_last = --p->nopens == 0;
	if (is_last && fifo)
		fifo->fifo = NULL;
	mutex_unlock(&p->lock);
	if (fifo)
		rw_write_unlock(&fifo->lock);
	if (is_last)
		pipe_destroy(p);
}

static const struct file_ops pipe_fops = {
	.name = "pipe",
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fcntl = pipe_fcntl,
	.release = pipe_release,
};

struct pipe *pipe_of(const struct file *f)
{
	return f->ops == &pipe_fops ? f->data : NULL;
}

int pipe_new(u32 flags, struct file *ends[2])
{
	struct pipe *p = pipe_create();
	int err;

	if (!p)
		return -ENOMEM;
	err = file_new_anon("pipe", TYPE_FIFO | 0600, &pipe_fops, p,
			    O_RDONLY | flags, &ends[0]);
	if (err) {
		pipe_destroy(p);
		return err;
	}
	ends[0]->inode->fifo = p; /* opened again by /proc/PID/fd/N */
	pipe_attach(p, ends[0]);
	err = file_new_peer(ends[0], &pipe_fops, p, O_WRONLY | flags, &ends[1]);
	if (err) {
		file_put(ends[0]);
		return err;
	}
	mutex_lock(&p->lock);
	pipe_attach(p, ends[1]);
	mutex_unlock(&p->lock);
	return 0;
}

/* Wait until the count of opens of the other side has moved on, as POSIX
 * says for open() of a FIFO. */
static int fifo_wait_peer(struct pipe *p, const u32 *opens, const u32 *live)
{
	u32 seen = *opens;

	while (*live == 0 && *opens == seen) {
		if (pipe_sleep(p, &p->open_wait) && *live == 0 &&
		    *opens == seen)
			return -ERESTARTSYS;
	}
	return 0;
}

int fifo_open(struct inode *inode, struct file *f)
{
	/* a pipe without a name: its ends have long met */
	bool nonblock = (inode->flags & INODE_ANON) ||
			(atomic_load(&f->flags) & O_NONBLOCK);
	struct pipe *p;
	int err = 0;

	rw_write_lock(&inode->lock);
	p = inode->fifo;
	if (!p)
		p = inode->fifo = pipe_create();
	if (!p) {
		rw_write_unlock(&inode->lock);
		return -ENOMEM;
	}
	mutex_lock(&p->lock);
	if (f->can_write && !f->can_read && nonblock && p->nreaders == 0 &&
	    !(inode->flags & INODE_ANON)) {
		if (p->nopens == 0) {
			inode->fifo = NULL;
			mutex_unlock(&p->lock);
			pipe_destroy(p);
		} else {
			mutex_unlock(&p->lock);
		}
		rw_write_unlock(&inode->lock);
		return -ENXIO;
	}
	f->ops = &pipe_fops;
	f->data = p;
	f->has_pos = false;
	pipe_attach(p, f);
	rw_write_unlock(&inode->lock);
	waitq_wake(&p->open_wait);
	if (f->can_read && !f->can_write && !nonblock)
		err = fifo_wait_peer(p, &p->writer_opens, &p->nwriters);
	else if (f->can_write && !f->can_read && !nonblock)
		err = fifo_wait_peer(p, &p->reader_opens, &p->nreaders);
	mutex_unlock(&p->lock);
	/* On failure the caller drops the file, which runs pipe_release(). */
	return err;
}

void fifo_gone(struct inode *inode)
{
	/* The last file holds the inode, so nothing can be open here. */
	kassert(inode->fifo == NULL);
}
