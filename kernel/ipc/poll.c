/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll_items(): a pass that asks every file; if none is ready and the caller
 * would wait, one that also registers with their wait queues; then it sleeps
 * and asks again. Outside descriptors are noted in the first two. The files are
 * held for the whole wait.
 */
#include "kernel/ipc/poll.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/file.h"

#define POLL_FAST 16 /* items and registrations without allocation */
#define POLL_ALWAYS (EV_ERR | EV_HUP)

struct poll_chunk { /* more waiters than the fast ones */
	struct poll_chunk *next;
	struct waiter waiters[32];
	u32 used;
};

struct poll_call {
	struct poll_table pt; /* first: callbacks cast back */
	struct waiter fast[POLL_FAST];
	u32 nfast;
	struct poll_chunk *chunks;
	struct plat_pollfd fast_hfds[POLL_FAST];
	u32 fast_owner[POLL_FAST]; /* item of each hfd */
	struct plat_pollfd *hfds;
	u32 *owner;
	u32 nhfds, hfds_max;
	u32 item; /* being asked */
	bool is_out_of_memory;
};

static struct waiter *new_waiter(struct poll_call *c)
{
	struct poll_chunk *k = c->chunks;

	if (c->nfast < POLL_FAST)
		return &c->fast[c->nfast++];
	if (!k || k->used == ARRAY_SIZE(k->waiters)) {
		k = kzalloc(sizeof(*k));
		if (!k)
			return NULL;
		k->next = c->chunks;
		c->chunks = k;
	}
	return &k->waiters[k->used++];
}

static void add_queue(struct poll_table *pt, struct waitq *q)
{
	struct poll_call *c = container_of(pt, struct poll_call, pt);
	struct waiter *w = new_waiter(c);

	if (!w) {
		c->is_out_of_memory = true;
		return;
	}
	waiter_init(w);
	waitq_add(q, w);
}

static bool grow_hfds(struct poll_call *c)
{
	u32 max = c->hfds_max * 2;
	struct plat_pollfd *hfds = kmalloc(max * sizeof(*hfds));
	u32 *owner = kmalloc(max * sizeof(*owner));

	if (!hfds || !owner) {
		kfree(hfds);
		kfree(owner);
		return false;
	}
	memcpy(hfds, c->hfds, c->nhfds * sizeof(*hfds));
	memcpy(owner, c->owner, c->nhfds * sizeof(*owner));
	if (c->hfds != c->fast_hfds) {
		kfree(c->hfds);
		kfree(c->owner);
	}
	c->hfds = hfds;
	c->owner = owner;
	c->hfds_max = max;
	return true;
}

static void add_hfd(struct poll_table *pt, int hfd, u32 events)
{
	struct poll_call *c = container_of(pt, struct poll_call, pt);

	if (c->nhfds == c->hfds_max && !grow_hfds(c)) {
		c->is_out_of_memory = true;
		return;
	}
	c->hfds[c->nhfds].hfd = hfd;
	c->hfds[c->nhfds].events = (s16)events;
	c->hfds[c->nhfds].revents = 0;
	c->owner[c->nhfds++] = c->item;
}

/* Later passes only ask. */
static void ignore_hfd(struct poll_table *pt UNUSED, int hfd UNUSED,
		       u32 events UNUSED)
{
}

static void call_init(struct poll_call *c)
{
	c->pt.add_queue = NULL;
	c->pt.add_hfd = add_hfd;
	c->nfast = 0;
	c->chunks = NULL;
	c->hfds = c->fast_hfds;
	c->owner = c->fast_owner;
	c->nhfds = 0;
	c->hfds_max = POLL_FAST;
	c->is_out_of_memory = false;
}

static void call_fini(struct poll_call *c)
{
	struct poll_chunk *k, *next;

	for (u32 i = 0; i < c->nfast; i++)
		waitq_remove(&c->fast[i]);
	for (k = c->chunks; k; k = next) {
		next = k->next;
		for (u32 i = 0; i < k->used; i++)
			waitq_remove(&k->waiters[i]);
		kfree(k);
	}
	if (c->hfds != c->fast_hfds) {
		kfree(c->hfds);
		kfree(c->owner);
	}
}

/* Ask every file once. Returns how many items are ready. */
static int ask_all(struct poll_call *c, struct poll_item *items, u32 n)
{
	int count = 0;

	for (u32 i = 0; i < n; i++) {
		struct poll_item *it = &items[i];

		if (it->fd < 0)
			continue;
		it->revents = EV_NVAL;
		if (likely(it->ref.file)) {
			c->item = i;
			c->pt.wanted = it->events | POLL_ALWAYS;
			it->revents = file_poll(it->ref.file, &c->pt) &
				      c->pt.wanted;
		}
		count += it->revents != 0;
		if (count) /* no need to register any more */
			c->pt.add_queue = NULL;
	}
	return count;
}

/* Add what the outside descriptors report. Returns the new count. */
static int merge_hfds(struct poll_call *c, struct poll_item *items, int count)
{
	for (u32 i = 0; i < c->nhfds; i++) {
		struct poll_item *it = &items[c->owner[i]];
		u32 ev = (u16)c->hfds[i].revents & (it->events | POLL_ALWAYS);

		if (ev && !it->revents)
			count++;
		it->revents |= ev;
	}
	return count;
}

static int wait_all(struct poll_call *c, struct poll_item *items, u32 n,
		    nsec_t deadline)
{
	int count = ask_all(c, items, n);
	int r = 0;

	if (!count && deadline) {
		c->nhfds = 0;
		c->pt.add_queue = add_queue;
		count = ask_all(c, items, n);
	}
	c->pt.add_queue = NULL;
	c->pt.add_hfd = ignore_hfd;
	for (;;) {
		if (c->is_out_of_memory)
			return -ENOMEM;
		if (count || deadline == 0) {
			if (c->nhfds)
				plat_hfd_poll(c->hfds, (int)c->nhfds, 0);
			return merge_hfds(c, items, count);
		}
		if (r == -ETIMEDOUT)
			return 0;
		r = c->nhfds ? thread_sleep_poll(c->hfds, (int)c->nhfds,
						 deadline)
			     : thread_sleep(deadline, true);
		count = ask_all(c, items, n);
		if (r > 0)
			count = merge_hfds(c, items, count);
		if (r == -EINTR && count == 0)
			return -EINTR;
		if (count)
			return count;
	}
}

int poll_items(struct poll_item *items, u32 n, nsec_t deadline)
{
	struct poll_call c;
	int ret;

	for (u32 i = 0; i < n; i++) {
		items[i].revents = 0;
		items[i].ref = (struct fdref){ NULL, false };
		if (likely(items[i].fd >= 0))
			items[i].ref = fd_get(items[i].fd);
	}
	call_init(&c);
	ret = wait_all(&c, items, n, deadline);
	call_fini(&c);
	for (u32 i = 0; i < n; i++)
		fd_put(items[i].ref);
	return ret;
}
