/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts of asynchronous I/O and their rings. A ring is shared memory with
 * Linux's layout: libraries read it without a call and may take events out.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/aio_int.h"
#include "kernel/ipc/event.h"
#include "kernel/linux/aio.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"

#define RING_MAGIC 0xa10a10a1
#define RING_MAX (0x10000000U / sizeof(struct io_event))

struct ring {
	u32 id, nr;
	u32 head; /* may be written by the program */
	u32 tail;
	u32 magic, compat_features, incompat_features, header_length;
};
_Static_assert(sizeof(struct ring) == sizeof(struct io_event), "Linux ABI");

static struct mutex aio_lock; /* every process's list, and: */
static u64 total;

u64 aio_total(void)
{
	return atomic_load(&total);
}

static struct ring *ring_of(const struct aio_ctx *c)
{
	return (struct ring *)c->pages[0];
}

/* The header takes the place of one event, so none crosses pages. */
static struct io_event *event_at(const struct aio_ctx *c, u32 i)
{
	u64 at = (u64)(i + 1) * sizeof(struct io_event);

	return (struct io_event *)(c->pages[at >> PAGE_SHIFT] + at % PAGE_SIZE);
}

/* Where the program has read to: its word, so any number. */
static u32 head_of(const struct aio_ctx *c)
{
	return atomic_load(&ring_of(c)->head) % c->nr;
}

u32 aio_capacity(const struct aio_ctx *c)
{
	return c->nr;
}

/* --- Events -------------------------------------------------------------- */

int aio_reserve(struct aio_ctx *c)
{
	int err = 0;
	u32 used;

	mutex_lock(&c->lock);
	used = (c->tail + c->nr - head_of(c)) % c->nr;
	if (c->is_dead)
		err = -EINVAL;
	else if (c->in_flight + used >= c->nr - 1)
		err = -EAGAIN;
	else
		c->in_flight++;
	mutex_unlock(&c->lock);
	return err;
}

void aio_unreserve(struct aio_ctx *c)
{
	mutex_lock(&c->lock);
	c->in_flight--;
	mutex_unlock(&c->lock);
	waitq_wake(&c->wait);
}

void aio_complete_locked(struct aio_ctx *c, uaddr_t obj, u64 data, s64 res)
{
	*event_at(c, c->tail) = (struct io_event){
		.data = data,
		.obj = obj,
		.res = res,
	};
	c->in_flight--;
	atomic_store_release(&c->tail, (c->tail + 1) % c->nr);
	atomic_store_release(&ring_of(c)->tail, c->tail);
}

void aio_tell(struct aio_ctx *c, struct file *resfd)
{
	waitq_wake(&c->wait);
	if (resfd)
		eventfd_signal(resfd);
}

/* Up to max events to the program. How many, -EFAULT. */
static long take_events(struct aio_ctx *c, long max, uaddr_t to)
{
	u32 head, tail;
	long n = 0;

	mutex_lock(&c->read_lock);
	head = head_of(c);
	tail = atomic_load_acquire(&c->tail);
	while (head != tail && n < max) {
		if (user_copy_out(to + (u64)n * sizeof(struct io_event),
				  event_at(c, head), sizeof(struct io_event))) {
			n = -EFAULT;
			break;
		}
		head = (head + 1) % c->nr;
		n++;
	}
	if (n > 0)
		atomic_store_release(&ring_of(c)->head, head);
	mutex_unlock(&c->read_lock);
	return n;
}

static long wait_events(struct aio_ctx *c, long min, long max, uaddr_t to,
			nsec_t deadline)
{
	long got = 0, n;
	int err = 0;

	for (;;) {
		aio_look_outside(c);
		aio_reap(c);
		n = take_events(c, max - got,
				to + (u64)got * sizeof(struct io_event));
		if (n > 0)
			got += n;
		if (atomic_load(&c->is_dead))
			n = -EINVAL;
		if (n < 0)
			return got ? got : n;
		if (got >= min || err || deadline == 0)
			return got || err != -EINTR ? got : -EINTR;
		err = aio_sleep(c, deadline);
	}
}

long aio_events(struct aio_ctx *c, long min, long max, uaddr_t to,
		nsec_t deadline)
{
	struct waiter w;
	long ret;

	if (min < 0 || min > max)
		return -EINVAL;
	waiter_init(&w);
	waitq_add(&c->wait, &w);
	ret = wait_events(c, min, max, to, deadline);
	waitq_remove(&w);
	return ret;
}

/* --- Contexts ------------------------------------------------------------ */

void aio_put(struct aio_ctx *c)
{
	if (!ref_put(&c->ref))
		return;
	object_put(c->object);
	kfree(c);
}

static struct aio_ctx *find_locked(const struct process *p, uaddr_t id)
{
	struct aio_ctx *c;

	if (!p->aio.next)
		return NULL;
	list_for_each (c, &p->aio, node) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

struct aio_ctx *aio_get(uaddr_t id)
{
	struct aio_ctx *c;
	u32 word;

	/* As on Linux, not without the ring where it was. */
	if (user_load_u32(&word, id))
		return NULL;
	mutex_lock(&aio_lock);
	c = find_locked(process_current(), id);
	if (c)
		ref_get(&c->ref);
	mutex_unlock(&aio_lock);
	return c;
}

static void forget_total(const struct aio_ctx *c)
{
	mutex_lock(&aio_lock);
	total -= c->max_reqs;
	mutex_unlock(&aio_lock);
}

/* What is left is cancelled, and what runs in other threads waited for. */
static void kill_ctx(struct aio_ctx *c)
{
	struct waiter w;

	mutex_lock(&c->lock);
	atomic_store(&c->is_dead, true);
	mutex_unlock(&c->lock);
	aio_cancel_all(c);
	waitq_wake(&c->wait);
	waiter_init(&w);
	waitq_add(&c->wait, &w);
	while (atomic_load(&c->in_flight))
		(void)thread_sleep(NSEC_MAX, false);
	waitq_remove(&w);
	timer_cancel(&c->work);
	aio_reap(c);
	forget_total(c);
	aio_put(c);
}

static struct aio_ctx *unlink_ctx(struct process *p, uaddr_t id)
{
	struct aio_ctx *c;

	mutex_lock(&aio_lock);
	c = find_locked(p, id);
	if (c)
		list_del(&c->node);
	mutex_unlock(&aio_lock);
	return c;
}

long aio_destroy(uaddr_t id)
{
	struct aio_ctx *c = unlink_ctx(process_current(), id);
	u64 len;

	if (!c)
		return -EINVAL;
	len = c->map_len;
	kill_ctx(c);
	(void)mm_unmap(id, len);
	return 0;
}

void aio_exit(struct process *p)
{
	struct aio_ctx *c;

	for (;;) {
		c = NULL;
		mutex_lock(&aio_lock);
		if (p->aio.next && !list_empty(&p->aio)) {
			c = list_first(&p->aio, struct aio_ctx, node);
			list_del(&c->node);
		}
		mutex_unlock(&aio_lock);
		if (!c)
			return;
		kill_ctx(c);
	}
}

static int reserve_total(u32 nr)
{
	int err = 0;

	mutex_lock(&aio_lock);
	if (total + nr > AIO_MAX)
		err = -EAGAIN;
	else
		total += nr;
	mutex_unlock(&aio_lock);
	return err;
}

/* Memory for the ring, and its header. */
static int ring_new(struct aio_ctx *c, u32 npages)
{
	u64 size = (u64)npages * PAGE_SIZE, run;
	int err = object_new_cache(size, &c->object);

	if (err)
		return err;
	for (u32 i = 0; i < npages && !err; i++) {
		c->pages[i] =
			object_address(c->object, (u64)i * PAGE_SIZE, &run);
		if (!c->pages[i])
			err = -ENOMEM;
	}
	if (err) {
		object_put(c->object);
		return err;
	}
	c->map_len = size;
	c->nr = (u32)(size / sizeof(struct io_event) - 1);
	*ring_of(c) = (struct ring){
		.nr = c->nr,
		.magic = RING_MAGIC,
		.compat_features = 1,
		.header_length = sizeof(struct ring),
	};
	return 0;
}

static struct aio_ctx *ctx_new(u32 nr)
{
	u32 events = MAX(nr, kernel.ncpus * 4) * 2 + 2;
	u32 npages = (u32)(PAGE_UP((events + 1) * sizeof(struct io_event)) >>
			   PAGE_SHIFT);
	struct aio_ctx *c = kzalloc(sizeof(*c) + npages * sizeof(c->pages[0]));

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->max_reqs = nr;
	list_init(&c->active);
	list_init(&c->done);
	waitq_init(&c->wait);
	timer_init(&c->work, aio_work);
	if (ring_new(c, npages)) {
		kfree(c);
		return NULL;
	}
	return c;
}

static s64 map_ring(struct aio_ctx *c)
{
	struct map_request r = {
		.len = c->map_len,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED,
		.object = c->object,
	};

	return mm_map(&r);
}

long aio_setup(u32 nr, uaddr_t *id)
{
	struct process *p = process_current();
	struct aio_ctx *c;
	s64 at;
	int err;

	if (nr * 2 > RING_MAX) /* Linux's sum, which wraps */
		return -EINVAL;
	err = nr > AIO_MAX ? -EAGAIN : reserve_total(nr);
	if (err)
		return err;
	c = ctx_new(nr);
	at = c ? map_ring(c) : -ENOMEM;
	if (at < 0) {
		mutex_lock(&aio_lock);
		total -= nr;
		mutex_unlock(&aio_lock);
		if (c)
			aio_put(c);
		return at;
	}
	c->id = (uaddr_t)at;
	mutex_lock(&aio_lock);
	if (!p->aio.next)
		list_init(&p->aio);
	list_append(&p->aio, &c->node);
	mutex_unlock(&aio_lock);
	*id = c->id;
	return 0;
}
