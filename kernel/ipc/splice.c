/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice, tee and vmsplice. Between two pipes bytes move under both locks;
 * between a pipe and a file that may sleep the pipe's end is claimed, and the
 * file reads or writes the pipe's pages without its lock.
 */
#include "kernel/ipc/splice.h"

#include "kernel/ipc/pipe.h"
#include "kernel/ipc/pipe_int.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/net/sock.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/vfs.h"

#define CHUNK_PAGES 16

bool file_is_pipe(const struct file *f)
{
	return inode_is(f->inode, TYPE_FIFO);
}

static bool is_nonblock(struct file *f)
{
	return atomic_load(&f->flags) & O_NONBLOCK;
}

bool file_can_splice(const struct file *f)
{
	switch (f->inode->mode & TYPE_MASK) {
	case TYPE_REG:
	case TYPE_SOCK:
	case TYPE_CHR:
	case TYPE_FIFO:
		return true;
	default:
		return false;
	}
}

/* --- Between pipes ------------------------------------------------------- */

static void lock_both(struct pipe *a, struct pipe *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock_nested(a < b ? &b->lock : &a->lock);
}

/* Sleep until both ends may be ready: 1, locks held; else none is. */
static int wait_both(struct pipe *in, struct pipe *out, bool nonblock)
{
	int n;

	for (;;) {
		mutex_lock(&in->lock);
		n = pipe_wait_data(in, nonblock);
		mutex_unlock(&in->lock);
		if (n <= 0)
			return n;
		mutex_lock(&out->lock);
		n = pipe_wait_room(out, nonblock);
		mutex_unlock(&out->lock);
		if (n > 0) {
			lock_both(in, out);
			if (pipe_can_read(in) && pipe_can_write(out))
				return 1;
			mutex_unlock(&in->lock);
			mutex_unlock(&out->lock);
		}
		/* What woke us may be for others. */
		pipe_wake_readers(in);
		pipe_wake_writers(out);
		if (n <= 0)
			return n;
	}
}

static s64 copy_between(struct pipe *in, struct pipe *out, u64 len)
{
	u64 at = in->tail, end = at + MIN(len, pipe_used(in));
	struct uio u;
	s64 n = 0;

	while (at < end) {
		u64 offset = at & (PAGE_SIZE - 1);
		u64 step = MIN(end - at, PAGE_SIZE - offset);

		uio_init_kernel(&u, pipe_page(in, at) + offset, step);
		n = pipe_fill(out, &u);
		if (n <= 0)
			break;
		at += (u64)n;
	}
	return at > in->tail ? (s64)(at - in->tail) : n;
}

static s64 pipe_to_pipe(struct pipe *in, struct pipe *out, u64 len,
			bool nonblock, bool consume)
{
	s64 n;

	if (in == out)
		return -EINVAL;
	n = wait_both(in, out, nonblock);
	if (n <= 0)
		return n;
	n = copy_between(in, out, len);
	if (n > 0 && consume)
		pipe_skip(in, (u64)n);
	if (pipe_used(in))
		pipe_wake_readers(in);
	mutex_unlock(&in->lock);
	mutex_unlock(&out->lock);
	pipe_wake_writers(in);
	pipe_wake_writers(out);
	pipe_wake_readers(out);
	return n;
}

s64 splice_tee(struct file *in, struct file *out, u64 len, u32 flags)
{
	struct pipe *from = pipe_of(in), *to = pipe_of(out);

	if (!in->can_read || !out->can_write)
		return -EBADF;
	if (!from || !to)
		return -EINVAL;
	return pipe_to_pipe(from, to, len,
			    (flags & SPLICE_NONBLOCK) || is_nonblock(in) ||
				    is_nonblock(out),
			    false);
}

/* --- From a pipe --------------------------------------------------------- */

/* The pages with the next n bytes, for one write. */
static u32 pipe_vector(struct pipe *p, u64 n, struct plat_iovec *iov)
{
	u64 at = p->tail;
	u32 used = 0;

	while (n && used < CHUNK_PAGES) {
		u64 offset = at & (PAGE_SIZE - 1);

		iov[used].base = (u64)(pipe_page(p, at) + offset);
		iov[used].len = MIN(n, PAGE_SIZE - offset);
		n -= iov[used].len;
		at += iov[used].len;
		used++;
	}
	return used;
}

/* One write of what is in the pipe. *want is how much that was. */
static s64 pipe_write_out(struct pipe *p, struct file *out, u64 *pos, u64 len,
			  bool nonblock, u64 *want)
{
	struct plat_iovec iov[CHUNK_PAGES];
	struct uio u;
	s64 n;

	mutex_lock(&p->lock);
	n = pipe_wait_data(p, nonblock);
	if (n <= 0) {
		mutex_unlock(&p->lock);
		return n;
	}
	uio_init_iov(&u, iov, pipe_vector(p, MIN(len, pipe_used(p)), iov));
	u.is_kernel = true;
	*want = u.left;
	p->read_claimed = true;
	mutex_unlock(&p->lock);
	n = file_write(out, &u, pos);
	mutex_lock(&p->lock);
	p->read_claimed = false;
	if (n > 0)
		pipe_skip(p, (u64)n);
	mutex_unlock(&p->lock);
	pipe_wake_readers(p);
	if (n > 0)
		pipe_wake_writers(p);
	return n;
}

static s64 pipe_to_file(struct pipe *p, struct file *out, u64 *pos, u64 len,
			bool nonblock)
{
	u64 total = 0, want = 0;
	s64 n = 0;

	while (total < len) {
		n = pipe_write_out(p, out, pos, len - total,
				   nonblock || total > 0, &want);
		if (n <= 0)
			break;
		total += (u64)n;
		if ((u64)n < want)
			break;
	}
	return total ? (s64)total : n;
}

/* --- To a pipe ----------------------------------------------------------- */

/* Read n bytes and put them into the pipe, whose end is claimed. */
static s64 read_into(struct file *in, u64 *pos, struct pipe *p, u64 n,
		     bool nowait)
{
	u64 size = MIN(n, CHUNK_PAGES * PAGE_SIZE);
	u64 npages = PAGE_UP(size) / PAGE_SIZE;
	void *buf = kpages_alloc(npages);
	struct uio u;
	s64 got, put = 0;

	if (!buf)
		return -ENOMEM;
	uio_init_kernel(&u, buf, size);
	u.nowait = nowait;
	got = file_read(in, &u, pos);
	if (got > 0) {
		uio_init_kernel(&u, buf, (u64)got);
		mutex_lock(&p->lock);
		put = pipe_fill(p, &u);
		mutex_unlock(&p->lock);
		if (put < got)
			got = put;
	}
	kpages_free(buf, npages);
	return got;
}

/* Sockets of AF_UNIX heed the flag, others only their own. */
static bool heeds_nonblock(const struct file *in)
{
	struct sock *sk = sock_from_file(in);

	return sk && sk->domain == AF_UNIX;
}

static s64 file_to_pipe(struct file *in, u64 *pos, struct pipe *p, u64 len,
			u32 flags, bool nonblock)
{
	bool nowait = (flags & SPLICE_NONBLOCK) && heeds_nonblock(in);
	s64 n;

	mutex_lock(&p->lock);
	n = pipe_wait_room(p, nonblock);
	if (n <= 0) {
		mutex_unlock(&p->lock);
		return n;
	}
	len = MIN(len, pipe_room(p));
	p->write_claimed = true;
	mutex_unlock(&p->lock);
	n = read_into(in, pos, p, len, nowait);
	mutex_lock(&p->lock);
	p->write_claimed = false;
	mutex_unlock(&p->lock);
	if (n > 0)
		pipe_wake_readers(p);
	pipe_wake_writers(p);
	return n;
}

/* --- Any ----------------------------------------------------------------- */

/* One of them is a pipe outside, whose bytes cannot be looked at first. */
static s64 outside(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
		   u64 len)
{
	u64 size = MIN(len, CHUNK_PAGES * PAGE_SIZE), done = 0;
	void *buf = kpages_alloc(CHUNK_PAGES);
	struct uio u;
	s64 got, n = 0;

	if (!buf)
		return -ENOMEM;
	uio_init_kernel(&u, buf, size);
	got = file_read(in, &u, in_pos);
	while (got > 0 && done < (u64)got) {
		uio_init_kernel(&u, (u8 *)buf + done, (u64)got - done);
		n = file_write(out, &u, out_pos);
		if (n <= 0)
			break;
		done += (u64)n;
	}
	kpages_free(buf, CHUNK_PAGES);
	return got <= 0 || !done ? MIN(got, n < 0 ? n : got) : (s64)done;
}

s64 splice_files(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
		 u64 len, u32 flags)
{
	struct pipe *from = pipe_of(in), *to = pipe_of(out);
	bool nonblock = flags & SPLICE_NONBLOCK;

	if (from && to)
		return pipe_to_pipe(
			from, to, len,
			nonblock || is_nonblock(in) || is_nonblock(out), true);
	if (from && !file_is_pipe(out) && (out->flags & O_APPEND))
		return -EINVAL;
	if (from && out->ops->write && file_can_splice(out))
		return pipe_to_file(from, out, out_pos, len,
				    nonblock || is_nonblock(in));
	if (to && in->ops->read && !in->ops->no_splice && file_can_splice(in))
		return file_to_pipe(in, in_pos, to, len, flags,
				    nonblock || is_nonblock(out));
	if (!from && !to && file_can_splice(in) && file_can_splice(out) &&
	    in->ops->read && out->ops->write)
		return outside(in, in_pos, out, out_pos, len);
	return -EINVAL;
}

s64 splice_user(struct file *f, struct uio *u, u32 flags)
{
	struct pipe *p = pipe_of(f);
	u64 pos = 0;
	s64 n;

	if (!p || (!f->can_read && !f->can_write))
		return -EBADF;
	u->nowait = flags & SPLICE_NONBLOCK;
	if (u->left == 0)
		return 0;
	if (!f->can_write)
		return file_read(f, u, &pos);
	mutex_lock(&p->lock);
	n = pipe_wait_room(p, u->nowait || is_nonblock(f));
	if (n > 0)
		n = pipe_fill(p, u);
	mutex_unlock(&p->lock);
	if (n > 0)
		pipe_wake_readers(p);
	return n;
}
