/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eventfd: a 64-bit counter that can be waited for. See eventfd(2).
 */
#include "kernel/ipc/event.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/inode.h"

#define EVENTFD_MAX (UINT64_MAX - 1)

struct eventfd {
	u64 count; /* atomic */
	bool is_semaphore;
	struct waitq wait;
};

/* Take from the counter: all of it, or one. 0: there is nothing. */
static u64 eventfd_take(struct eventfd *e)
{
	u64 count = atomic_load(&e->count), value;

	do {
		if (count == 0)
			return 0;
		value = e->is_semaphore ? 1 : count;
	} while (!atomic_cmpxchg(&e->count, &count, count - value));
	return value;
}

static bool eventfd_add(struct eventfd *e, u64 value)
{
	u64 count = atomic_load(&e->count);

	do {
		if (count > EVENTFD_MAX - value)
			return false;
	} while (!atomic_cmpxchg(&e->count, &count, count + value));
	return true;
}

/* Take (*value is what) or add *value as soon as the counter allows it. */
static int eventfd_wait(struct eventfd *e, bool is_write, u64 *value)
{
	struct waiter w;
	int err = 0;

	waiter_init(&w);
	waitq_add(&e->wait, &w);
	while (is_write ? !eventfd_add(e, *value)
			: !(*value = eventfd_take(e))) {
		err = thread_sleep(NSEC_MAX, true);
		if (err)
			break;
	}
	waitq_remove(&w);
	return err == -EINTR ? -ERESTARTSYS : err;
}

static bool is_nonblocking(const struct file *f)
{
	return (atomic_load(&f->flags) & O_NONBLOCK) != 0;
}

static s64 eventfd_read(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct eventfd *e = f->data;
	u64 value;

	if (u->left < sizeof(value))
		return -EINVAL;
	value = eventfd_take(e);
	if (unlikely(!value)) {
		int err = is_nonblocking(f) ? -EAGAIN
					    : eventfd_wait(e, false, &value);

		if (err)
			return err;
	}
	waitq_wake_after(&e->wait, EV_OUT | EV_WRNORM, ~0U);
	return uio_put(u, &value, sizeof(value)) == sizeof(value)
		       ? (s64)sizeof(value)
		       : -EFAULT;
}

static s64 eventfd_write(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct eventfd *e = f->data;
	u64 value;

	if (u->left < sizeof(value))
		return -EINVAL;
	if (uio_get(u, &value, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	if (unlikely(!eventfd_add(e, value))) {
		int err = is_nonblocking(f) ? -EAGAIN
					    : eventfd_wait(e, true, &value);

		if (err)
			return err;
	}
	waitq_wake_after(&e->wait, EV_IN | EV_RDNORM, ~0U);
	return sizeof(value);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->data;
	u64 count;

	poll_wait(pt, &e->wait);
	count = atomic_load(&e->count);
	return (count > 0 ? EV_IN | EV_RDNORM : 0) |
	       (count < EVENTFD_MAX ? EV_OUT | EV_WRNORM : 0);
}

static void eventfd_release(struct file *f)
{
	kfree(f->data);
}

static void eventfd_show(struct file *f, struct fmt_buf *out)
{
	struct eventfd *e = f->data;

	fmt_buf_add(out, "eventfd-count: %16lx\n", atomic_load(&e->count));
}

static const struct file_ops eventfd_fops = {
	.name = "eventfd",
	.lseek = file_stay,
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.show_fdinfo = eventfd_show,
};

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_fops;
}

void eventfd_signal(struct file *f)
{
	struct eventfd *e = f->data;

	if (eventfd_add(e, 1))
		waitq_wake_after(&e->wait, EV_IN | EV_RDNORM, ~0U);
}

int eventfd_new(u32 initial, bool is_semaphore, u32 flags, struct file **f)
{
	struct eventfd *e = kzalloc(sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->count = initial;
	e->is_semaphore = is_semaphore;
	waitq_init(&e->wait);
	err = file_new_anon("[eventfd]", 0600, &eventfd_fops, e, O_RDWR | flags,
			    f);
	if (err)
		kfree(e);
	return err;
}
