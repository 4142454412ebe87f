/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block device that loses power. Writes go through to the device below at
 * once, with a copy of what was there before; a cut first takes all of them
 * back and then does some of them again.
 */
#include "tests/unit/powercut.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define SECTOR 512

struct write {
	struct list node;
	u64 offset, len;
	u8 *before, *after; /* one allocation each */
};

u64 powercut_random(struct powercut *p, u64 n)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (p->random * 0x2545f4914f6cdd1dUL >> 16) % n;
}

static void write_free(struct powercut *p, struct write *w)
{
	list_del(&w->node);
	p->nwrites--;
	p->nbytes -= w->len;
	kfree(w->before);
	kfree(w->after);
	kfree(w);
}

static void forget_all(struct powercut *p)
{
	struct write *w, *tmp;

	list_for_each_safe (w, tmp, &p->writes, node)
		write_free(p, w);
}

static void put(struct powercut *p, u64 offset, const u8 *from, u64 len)
{
	kassert(block_write(p->base, offset, from, len) == 0);
}

/* Part of a write: a run of its sectors, or all but a run. */
static void put_torn(struct powercut *p, struct write *w)
{
	u64 n = w->len / SECTOR;
	u64 from = powercut_random(p, n + 1);
	u64 to = from + powercut_random(p, n + 1 - from);
	bool is_inside = powercut_random(p, 2);

	for (u64 i = 0; i < n; i++)
		if ((i >= from && i < to) == is_inside)
			put(p, w->offset + i * SECTOR, w->after + i * SECTOR,
			    SECTOR);
}

static struct write *nth(struct powercut *p, u64 n)
{
	struct write *w;

	list_for_each (w, &p->writes, node)
		if (n-- == 0)
			break;
	return w;
}

static void cut(struct powercut *p)
{
	/* How many of a hundred survive: none, all, or something between. */
	u64 share = powercut_random(p, 5) * 25;
	u64 torn = p->nwrites ? powercut_random(p, p->nwrites) : 0;
	struct write *w;

	p->is_dead = true;
	for (struct list *n = p->writes.prev; n != &p->writes; n = n->prev) {
		w = list_entry(n, struct write, node);
		put(p, w->offset, w->before, w->len);
	}
	for (; p->nwrites > 0; write_free(p, w)) {
		w = nth(p, powercut_random(p, p->nwrites));
		if (p->nwrites == torn + 1)
			put_torn(p, w);
		else if (powercut_random(p, 100) < share)
			put(p, w->offset, w->after, w->len);
	}
	if (p->on_cut)
		p->on_cut(p);
}

/* --- Requests ------------------------------------------------------------ */

static int do_write(struct powercut *p, const struct plat_block_io *io)
{
	struct write *w = kzalloc(sizeof(*w));
	u64 at = 0;

	if (!w)
		return -ENOMEM;
	w->offset = io->offset;
	w->len = io->len;
	w->before = kmalloc(io->len);
	w->after = kmalloc(io->len);
	kassert(w->before && w->after);
	for (u32 i = 0; i < io->niov; at += io->iov[i++].len) {
		if (p->copy)
			p->copy(w->after + at, io->iov[i].base, io->iov[i].len);
		else
			memcpy(w->after + at, (const void *)io->iov[i].base,
			       io->iov[i].len);
	}
	list_append(&p->writes, &w->node);
	p->nwrites++;
	p->nbytes += w->len;
	while (p->max_bytes && p->nbytes > p->max_bytes && p->nwrites > 1)
		write_free(p, list_first(&p->writes, struct write, node));
	kassert(block_read(p->base, w->offset, w->before, w->len) == 0);
	put(p, w->offset, w->after, w->len);
	return 0;
}

static int do_op(struct powercut *p, const struct plat_block_io *io)
{
	if (io->op == PLAT_BLOCK_READ)
		return block_rw(p->base, PLAT_BLOCK_READ, io->offset, io->iov,
				io->niov);
	if (io->op == PLAT_BLOCK_RESERVE)
		return block_reserve(p->base, io->offset, io->len);
	if (io->op == PLAT_BLOCK_DISCARD)
		return 0; /* a hint */
	p->nops++;
	if (p->nops == p->fail_at)
		return p->fail_with;
	if (io->op == PLAT_BLOCK_WRITE) {
		int err = do_write(p, io);

		if (err)
			return err;
	}
	if (io->op == PLAT_BLOCK_FLUSH)
		p->nflushes++;
	/* The one that the power goes with is among those that may be lost. */
	if (p->nops == p->cut_at ||
	    (io->op == PLAT_BLOCK_FLUSH && p->nflushes == p->cut_at_flush)) {
		cut(p);
		return -EIO;
	}
	if (io->op == PLAT_BLOCK_FLUSH)
		forget_all(p);
	return 0;
}

static void submit(struct block_device *d, struct plat_block_io *io)
{
	struct powercut *p = d->data;

	if (p->on_write && io->op == PLAT_BLOCK_WRITE)
		p->on_write(p);
	if (p->on_op && io->op == PLAT_BLOCK_FLUSH)
		p->on_op(p);
	mutex_lock(&p->lock);
	io->result = p->is_dead ? -EIO : do_op(p, io);
	mutex_unlock(&p->lock);
	if (p->on_op && io->op == PLAT_BLOCK_WRITE)
		p->on_op(p);
	io->done(io);
}

static u64 size(struct block_device *d)
{
	struct powercut *p = d->data;

	return block_size(p->base);
}

static const struct block_ops powercut_ops = { .submit = submit, .size = size };

/* --- Power --------------------------------------------------------------- */

void powercut_init(struct powercut *p, struct block_device *base, u64 seed)
{
	memset(p, 0, sizeof(*p));
	p->device.ops = &powercut_ops;
	p->device.data = p;
	memcpy(p->device.name, "cut", 4);
	p->base = base;
	p->random = seed * 0x9e3779b97f4a7c15UL + 0x1234567;
	list_init(&p->writes);
}

void powercut_fini(struct powercut *p)
{
	mutex_lock(&p->lock);
	forget_all(p);
	mutex_unlock(&p->lock);
}

void powercut_cut(struct powercut *p)
{
	mutex_lock(&p->lock);
	if (!p->is_dead)
		cut(p);
	mutex_unlock(&p->lock);
}

void powercut_restore(struct powercut *p, u64 nops)
{
	mutex_lock(&p->lock);
	p->is_dead = false;
	p->device.flush_error = 0;
	p->fail_at = 0;
	p->cut_at_flush = 0;
	p->cut_at = nops ? p->nops + nops : 0;
	mutex_unlock(&p->lock);
}
