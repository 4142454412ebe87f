/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of asynchronous I/O: reads, writes and syncs are done at once, as
 * Linux does where no disk is waited for; polls wait on their file's queues.
 * A wake only notes that a poll is worth a look: process 0 looks, as the waker
 * may hold locks of the file.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/aio_int.h"
#include "kernel/ipc/event.h"
#include "kernel/linux/aio.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/errno.h"
#include "kernel/linux/sched.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/sys/rw.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define FAST_IOV 8
#define POLL_QUEUES 3
#define POLL_ALWAYS (EV_ERR | EV_HUP)

struct aio_poll {
	struct late late;
	struct list node; /* active or done, under the context's lock */
	struct aio_ctx *ctx;
	struct file *file, *resfd; /* references, or NULL */
	uaddr_t obj;
	u64 data;
	u32 events;
	bool is_done;
	bool is_woken;	 /* atomic: have a look */
	bool is_outside; /* waits for the outside, too */
	u32 nwaiters;
	struct waiter waiters[POLL_QUEUES];
};

struct aio_table {
	struct poll_table pt;
	struct aio_poll *p;
};

/* --- Polls --------------------------------------------------------------- */

static void poll_put(struct aio_poll *p)
{
	if (!ref_put(&p->late.ref))
		return;
	aio_put(p->ctx);
	kfree(p);
}

static void poll_woken(struct late *late, UNUSED u32 events)
{
	struct aio_poll *p = container_of(late, struct aio_poll, late);
	struct aio_ctx *c = p->ctx;

	mutex_lock(&c->lock);
	if (!p->is_done && !c->is_dead) {
		p->is_woken = true;
		timer_arm(&c->work, 0);
	}
	mutex_unlock(&c->lock);
	poll_put(p);
}

static void add_queue(struct poll_table *pt, struct waitq *q)
{
	struct aio_poll *p = container_of(pt, struct aio_table, pt)->p;

	if (p->nwaiters == POLL_QUEUES)
		return;
	waiter_init_late(&p->waiters[p->nwaiters], &p->late);
	waitq_add(q, &p->waiters[p->nwaiters++]);
}

static void note_outside(struct poll_table *pt, UNUSED int hfd,
			 UNUSED u32 events)
{
	container_of(pt, struct aio_table, pt)->p->is_outside = true;
}

/* What is ready, the outside left out. */
static u32 poll_ready(struct aio_poll *p, bool is_first)
{
	struct aio_table table = {
		.pt = { .add_queue = is_first ? add_queue : NULL,
			.add_hfd = note_outside,
			.wanted = p->events },
		.p = p,
	};

	return file_poll(p->file, &table.pt) & p->events;
}

/* Lock held: the poll has its event. */
static void poll_end_locked(struct aio_ctx *c, struct aio_poll *p, u32 mask)
{
	p->is_done = true;
	list_del(&p->node);
	list_append(&c->done, &p->node);
	if (p->is_outside)
		c->noutside--;
	aio_complete_locked(c, p->obj, p->data, mask);
}

static void poll_end(struct aio_ctx *c, struct aio_poll *p, u32 mask)
{
	bool now;

	mutex_lock(&c->lock);
	now = !p->is_done;
	if (now)
		poll_end_locked(c, p, mask);
	mutex_unlock(&c->lock);
	if (now)
		aio_tell(c, p->resfd);
}

/* An active one that was woken, or NULL. */
static struct aio_poll *next_to_look(struct aio_ctx *c)
{
	struct aio_poll *p, *found = NULL;

	mutex_lock(&c->lock);
	list_for_each (p, &c->active, node) {
		if (p->is_woken) {
			found = p;
			p->is_woken = false;
			break;
		}
	}
	mutex_unlock(&c->lock);
	return found;
}

/* A file stays no longer than until its event. The last reference is left to
 * the process: letting a file go may take time, which process 0 has not. */
static bool file_put_unless_last(struct file *f)
{
	u32 n = atomic_load(&f->ref.count);

	while (n > 1) {
		if (atomic_cmpxchg(&f->ref.count, &n, n - 1))
			return true;
	}
	return false;
}

static void remove_waiters(struct aio_poll *p)
{
	for (u32 i = 0; i < p->nwaiters; i++)
		waitq_remove(&p->waiters[i]);
	p->nwaiters = 0;
}

void aio_work(struct ktimer *t)
{
	struct aio_ctx *c = container_of(t, struct aio_ctx, work);
	struct aio_poll *p;
	u32 mask;

	mutex_lock(&c->reap_lock);
	while ((p = next_to_look(c))) {
		mask = poll_ready(p, false);
		if (!mask)
			continue;
		poll_end(c, p, mask);
		remove_waiters(p);
		if (file_put_unless_last(p->file))
			p->file = NULL;
	}
	mutex_unlock(&c->reap_lock);
}

void aio_reap(struct aio_ctx *c)
{
	struct aio_poll *p;

	for (;;) {
		p = NULL;
		mutex_lock(&c->reap_lock);
		mutex_lock(&c->lock);
		if (!list_empty(&c->done)) {
			p = list_first(&c->done, struct aio_poll, node);
			list_del(&p->node);
		}
		mutex_unlock(&c->lock);
		mutex_unlock(&c->reap_lock);
		if (!p)
			return;
		remove_waiters(p);
		if (p->file)
			file_put(p->file);
		if (p->resfd)
			file_put(p->resfd);
		poll_put(p);
	}
}

void aio_cancel_all(struct aio_ctx *c)
{
	mutex_lock(&c->reap_lock);
	mutex_lock(&c->lock);
	while (!list_empty(&c->active))
		poll_end_locked(
			c, list_first(&c->active, struct aio_poll, node), 0);
	mutex_unlock(&c->lock);
	mutex_unlock(&c->reap_lock);
}

long aio_cancel(struct aio_ctx *c, uaddr_t at)
{
	struct aio_poll *p, *found = NULL;

	mutex_lock(&c->reap_lock);
	mutex_lock(&c->lock);
	list_for_each (p, &c->active, node) {
		if (p->obj == at) {
			found = p;
			break;
		}
	}
	mutex_unlock(&c->lock);
	if (found)
		poll_end(c, found, 0);
	mutex_unlock(&c->reap_lock);
	aio_reap(c);
	return found ? -EINPROGRESS : -EINVAL;
}

static struct aio_poll *poll_new(struct aio_ctx *c, const struct iocb *cb,
				 uaddr_t at, struct file *f, struct file *resfd)
{
	struct aio_poll *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	ref_init(&p->late.ref);
	p->late.run = poll_woken;
	p->ctx = c;
	ref_get(&c->ref);
	p->file = f;
	file_get(f);
	p->resfd = resfd;
	if (resfd)
		file_get(resfd);
	p->obj = at;
	p->data = cb->aio_data;
	p->events = (u32)cb->aio_buf | POLL_ALWAYS;
	return p;
}

/* reap_lock held. In a context that dies meanwhile nobody would cancel p any
 * more: it has its event then. */
static void poll_begin(struct aio_ctx *c, struct aio_poll *p)
{
	bool is_dead;
	u32 mask;

	mutex_lock(&c->lock);
	list_append(&c->active, &p->node);
	is_dead = c->is_dead;
	mutex_unlock(&c->lock);
	mask = poll_ready(p, true);
	if (p->is_outside) {
		mutex_lock(&c->lock);
		c->noutside++;
		mutex_unlock(&c->lock);
	}
	if (mask || is_dead)
		poll_end(c, p, mask);
}

static long submit_poll(struct aio_ctx *c, const struct iocb *cb, uaddr_t at,
			struct file *f, struct file *resfd)
{
	struct aio_poll *p;

	if (cb->aio_buf > UINT16_MAX || cb->aio_offset || cb->aio_nbytes ||
	    cb->aio_rw_flags)
		return -EINVAL;
	p = poll_new(c, cb, at, f, resfd);
	if (!p)
		return -EAGAIN;
	mutex_lock(&c->reap_lock);
	poll_begin(c, p);
	mutex_unlock(&c->reap_lock);
	aio_reap(c);
	return 0;
}

/* --- The outside --------------------------------------------------------- */

struct outside_table {
	struct poll_table pt;
	struct plat_pollfd *fds;
	u32 n, max;
};

static void take_hfd(struct poll_table *pt, int hfd, u32 events)
{
	struct outside_table *t = container_of(pt, struct outside_table, pt);

	if (t->n == t->max)
		return;
	t->fds[t->n++] =
		(struct plat_pollfd){ .hfd = hfd, .events = (s16)events };
}

void aio_look_outside(struct aio_ctx *c)
{
	struct aio_poll *p, *next;
	u32 mask;

	if (likely(!atomic_load(&c->noutside)))
		return;
	mutex_lock(&c->reap_lock);
	/* The list changes only by those who hold the lock, or grows. */
	list_for_each_safe (p, next, &c->active, node) {
		if (!p->is_outside)
			continue;
		mask = file_poll_now(p->file, p->events) & p->events;
		if (mask)
			poll_end(c, p, mask);
	}
	mutex_unlock(&c->reap_lock);
}

static u32 collect_outside(struct aio_ctx *c, struct outside_table *t)
{
	struct aio_poll *p;

	mutex_lock(&c->reap_lock);
	list_for_each (p, &c->active, node) {
		if (!p->is_outside)
			continue;
		t->pt.wanted = p->events;
		(void)file_poll(p->file, &t->pt);
	}
	mutex_unlock(&c->reap_lock);
	return t->n;
}

int aio_sleep(struct aio_ctx *c, nsec_t deadline)
{
	struct outside_table t = { .pt = { .add_hfd = take_hfd } };
	int err;

	t.max = atomic_load(&c->noutside) * 2;
	if (likely(!t.max))
		return thread_sleep(deadline, true);
	t.fds = kmalloc(t.max * sizeof(*t.fds));
	if (!t.fds)
		return -ENOMEM;
	err = collect_outside(c, &t)
		      ? thread_sleep_poll(t.fds, (int)t.n, deadline)
		      : thread_sleep(deadline, true);
	kfree(t.fds);
	return err > 0 ? 0 : err;
}

/* --- Reading, writing, syncing ------------------------------------------- */

static s64 plain_result(s64 n)
{
	switch (n) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return -EINTR;
	default:
		return n;
	}
}

static int check_ioprio(const struct iocb *cb)
{
	const struct cred *c = cred_current();

	if (!(cb->aio_flags & IOCB_FLAG_IOPRIO))
		return 0;
	switch ((u16)cb->aio_reqprio >> IOPRIO_CLASS_SHIFT) {
	case IOPRIO_CLASS_RT:
		return cred_has(c, CAP_SYS_NICE) || cred_has(c, CAP_SYS_ADMIN)
			       ? 0
			       : -EPERM;
	case IOPRIO_CLASS_BE:
	case IOPRIO_CLASS_IDLE:
		return 0;
	case IOPRIO_CLASS_NONE:
		return cb->aio_reqprio & 7 ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int import(struct uio *u, const struct iocb *cb, bool is_vector,
		  struct plat_iovec *fast, struct plat_iovec **alloc)
{
	if (is_vector)
		return cb->aio_nbytes > UIO_MAX_IOV
			       ? -EINVAL
			       : uio_import(u, cb->aio_buf, (u32)cb->aio_nbytes,
					    fast, alloc);
	if (!user_range_ok(cb->aio_buf, MIN(cb->aio_nbytes, MAX_RW_COUNT)))
		return -EFAULT;
	uio_init_user(u, cb->aio_buf, cb->aio_nbytes);
	return 0;
}

/* 0 and *result, or an error of the submission itself. */
static long move(struct file *f, const struct iocb *cb, bool is_write,
		 bool is_vector, s64 *result)
{
	struct plat_iovec fast[FAST_IOV], *alloc = NULL;
	u64 pos = (u64)cb->aio_offset;
	struct uio u;
	long err = check_ioprio(cb);

	if (!err)
		err = rw_check_flags(f, (int)cb->aio_rw_flags);
	if (err)
		return err;
	if (is_write ? !f->can_write : !f->can_read)
		return -EBADF;
	if (is_write ? !f->ops->write : !f->ops->read)
		return -EINVAL;
	err = import(&u, cb, is_vector, fast, &alloc);
	if (!err && cb->aio_offset < 0)
		err = -EINVAL;
	if (!err) {
		rw_set_flags(&u, (int)cb->aio_rw_flags);
		*result = plain_result(is_write ? file_write(f, &u, &pos)
						: file_read(f, &u, &pos));
	}
	kfree(alloc);
	return err;
}

static long sync(struct file *f, const struct iocb *cb, bool data_only,
		 s64 *result)
{
	if (cb->aio_buf || cb->aio_offset || cb->aio_nbytes || cb->aio_rw_flags)
		return -EINVAL;
	if (!f->ops->fsync)
		return -EINVAL;
	*result = f->ops->fsync(f, data_only);
	return 0;
}

static long submit_file(struct aio_ctx *c, const struct iocb *cb, uaddr_t at,
			struct file *f, struct file *resfd)
{
	s64 result = 0;
	long err;

	if (user_store_u32(at + offsetof(struct iocb, aio_key), 0))
		return -EFAULT;
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PREADV:
		err = move(f, cb, false, cb->aio_lio_opcode == IOCB_CMD_PREADV,
			   &result);
		break;
	case IOCB_CMD_PWRITE:
	case IOCB_CMD_PWRITEV:
		err = move(f, cb, true, cb->aio_lio_opcode == IOCB_CMD_PWRITEV,
			   &result);
		break;
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		err = sync(f, cb, cb->aio_lio_opcode == IOCB_CMD_FDSYNC,
			   &result);
		break;
	case IOCB_CMD_POLL:
		return submit_poll(c, cb, at, f, resfd);
	default:
		return syscall_unsupported("io_submit command",
					   cb->aio_lio_opcode, EINVAL);
	}
	if (err)
		return err;
	mutex_lock(&c->lock);
	aio_complete_locked(c, at, cb->aio_data, result);
	mutex_unlock(&c->lock);
	aio_tell(c, resfd);
	return 0;
}

static long submit(struct aio_ctx *c, const struct iocb *cb, uaddr_t at)
{
	struct fdref r = fd_get((int)cb->aio_fildes), res = { NULL, false };
	long err = 0;

	if (!r.file)
		return -EBADF;
	if (cb->aio_flags & IOCB_FLAG_RESFD) {
		res = fd_get((int)cb->aio_resfd);
		if (!res.file)
			err = -EBADF;
		else if (!file_is_eventfd(res.file))
			err = -EINVAL;
	}
	if (!err)
		err = submit_file(c, cb, at, r.file, res.file);
	fd_put(res);
	fd_put(r);
	return err;
}

long aio_submit(struct aio_ctx *c, uaddr_t at)
{
	struct iocb cb;
	long err;

	if (user_get(&cb, at))
		return -EFAULT;
	if (cb.aio_reserved2 || (s64)cb.aio_nbytes < 0)
		return -EINVAL;
	err = aio_reserve(c);
	if (err)
		return err;
	err = submit(c, &cb, at);
	if (err)
		aio_unreserve(c);
	return err;
}
