/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pager: states of pages, reading in, dropping. Writing back is in
 * pager_dirty.c, the file operations in vfs/paged.c.
 *
 * Theory of operation. Reading takes no lock: it looks whether all pages are
 * present, copies, and looks at `removals` again; if pages were taken away
 * meanwhile it starts anew. Who takes pages away clears their bits, advances
 * `removals`, and then clears the memory. Writers announce themselves in
 * `nwriters` before they look at bits; who reclaims looks at it under the lock
 * and keeps off. Dirty bits are set again after the copy: whoever wrote back
 * in between has cleared them before it read the memory.
 */
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm_int.h"
#include "kernel/mm/pager_int.h"
#include "kernel/plat/plat.h"
#include "kernel/vfs/inode.h"
#include "lib/bits.h"

struct pager_state pagers = {
	.all = LIST_INIT(pagers.all),
	.dirty = LIST_INIT(pagers.dirty),
	.max = GIB(1) / PAGE_SIZE,
	.dirty_max = MIB(64) / PAGE_SIZE,
	.stream_max = MIB(16) / PAGE_SIZE,
};

/* --- Bits ---------------------------------------------------------------- */

bool pager_all(const struct pager *p, u64 page, u64 n, enum pager_bit bit)
{
	while (n > 0) {
		struct pager_chunk *c = pager_chunk(p, page);
		u64 step = n, mask = pager_mask(page, &step);

		if (!c || (atomic_load(&c->bits[bit]) & mask) != mask)
			return false;
		page += step;
		n -= step;
	}
	return true;
}

bool pager_any(const struct pager *p, u64 page, u64 n, enum pager_bit bit)
{
	return pager_find(p, page, page + n, bit) < page + n;
}

u64 pager_find(const struct pager *p, u64 page, u64 end, enum pager_bit bit)
{
	u64 limit = MIN(end, (u64)atomic_load(&p->max) * CHUNK_PAGES);

	while (page < limit) {
		struct pager_chunk *c = pager_chunk(p, page);
		u64 step = limit - page, mask = pager_mask(page, &step), hit;

		hit = c ? atomic_load(&c->bits[bit]) & mask : 0;
		if (hit)
			return ROUND_DOWN(page, CHUNK_PAGES) +
			       (u64)__builtin_ctzl(hit);
		page += step;
	}
	return end;
}

static int table_grow(struct pager *p, u64 index)
{
	u64 max = MAX(p->max * 2UL, ROUND_UP(index + 1, 8));
	struct pager_chunk **table = kzalloc(max * sizeof(*table));
	struct pager_old_table *old = NULL;

	if (p->table != p->first_table) {
		old = kmalloc(sizeof(*old));
		if (!old) {
			kfree(table);
			return -ENOMEM;
		}
	}
	if (!table) {
		kfree(old);
		return -ENOMEM;
	}
	memcpy(table, p->table, p->max * sizeof(*table));
	if (old) {
		*old = (struct pager_old_table){ p->old_tables, p->table };
		p->old_tables = old;
	}
	atomic_store_release(&p->table, table);
	atomic_store_release(&p->max, (u32)max);
	return 0;
}

struct pager_chunk *pager_chunk_new(struct pager *p, u64 page)
{
	u64 index = page / CHUNK_PAGES;
	struct pager_chunk *c;

	if (index >= p->max && table_grow(p, index))
		return NULL;
	c = p->table[index];
	if (c)
		return c;
	c = kzalloc(sizeof(*c));
	if (c)
		atomic_store_release(&p->table[index], c);
	return c;
}

int pager_chunks(struct pager *p, u64 page, u64 n)
{
	u64 end = page + n;

	for (; page < end; page = ROUND_DOWN(page, CHUNK_PAGES) + CHUNK_PAGES)
		if (!pager_chunk_new(p, page))
			return -ENOMEM;
	return 0;
}

u64 pager_set(struct pager *p, u64 page, u64 n, enum pager_bit bit)
{
	u64 changed = 0;

	while (n > 0) {
		struct pager_chunk *c = pager_chunk(p, page);
		u64 step = n, mask = pager_mask(page, &step);

		if (c)
			changed += (u64)bits_count(
				mask & ~atomic_fetch_or(&c->bits[bit], mask));
		page += step;
		n -= step;
	}
	return changed;
}

u64 pager_clear(struct pager *p, u64 page, u64 n, enum pager_bit bit)
{
	u64 changed = 0;

	while (n > 0) {
		struct pager_chunk *c = pager_chunk(p, page);
		u64 step = n, mask = pager_mask(page, &step);

		if (c && (atomic_load(&c->bits[bit]) & mask))
			changed += (u64)bits_count(
				mask & atomic_fetch_and(&c->bits[bit], ~mask));
		page += step;
		n -= step;
	}
	return changed;
}

u64 pager_absent_run(const struct pager *p, u64 page, u64 max)
{
	u64 n = 0;

	while (n < max) {
		struct pager_chunk *c = pager_chunk(p, page + n);
		u64 step = max - n, mask = pager_mask(page + n, &step), hit;

		hit = c ? (c->bits[PAGER_PRESENT] | c->bits[PAGER_BUSY]) & mask
			: 0;
		if (hit)
			return n + (u64)__builtin_ctzl(hit) -
			       (page + n) % CHUNK_PAGES;
		n += step;
	}
	return n;
}

/* --- Waiting ------------------------------------------------------------- */

void pager_wait(struct pager *p)
{
	u32 event = atomic_load(&p->event);

	p->nwaiting++;
	mutex_unlock(&p->lock);
	(void)plat_wait(&p->event, event, NSEC_MAX);
	mutex_lock(&p->lock);
	p->nwaiting--;
}

void pager_wake(struct pager *p)
{
	atomic_fetch_add(&p->event, 1U);
	if (p->nwaiting)
		plat_wake(&p->event, ~0U);
}

void pager_wait_range(struct pager *p, u64 page, u64 n, enum pager_bit bit)
{
	while (pager_any(p, page, n, bit))
		pager_wait(p);
}

/* --- Reading in ---------------------------------------------------------- */

/* What came in behind the end of the file (it was cut meanwhile) goes again.
 * Under the lock. */
static void clear_behind_end(struct pager *p, u64 page, u64 n, u8 *data)
{
	u64 size = atomic_load(&p->object->size), start = page * PAGE_SIZE;
	u64 len = n * PAGE_SIZE;

	if (start + len > size) {
		u64 keep = size > start ? size - start : 0;

		memset(data + keep, 0, len - keep);
	}
}

#define POPULATE_MIN 8

/* Read pages that are marked busy; *n is cut to what lies in one piece. */
static int fill_run(struct pager *p, u64 page, u64 *n, u8 **data)
{
	u64 run;
	int err;

	*data = object_window(p->object, page * PAGE_SIZE, *n * PAGE_SIZE,
			      &run);
	if (!*data)
		return -ENOMEM;
	*n = run / PAGE_SIZE;
	pager_make_room(*n);
	err = object_touch(p->object, page * PAGE_SIZE, run);
	/* The platform would make them one by one as they are written to. */
	if (!err && *n >= POPULATE_MIN)
		plat_kernel_populate(*data, run);
	if (!err)
		err = p->ops->read(p->inode, page, (u32)*n, *data);
	return err;
}

/* Have n absent pages, marked busy, read. Called and returns with the lock. */
static int fill(struct pager *p, u64 page, u64 n)
{
	u64 done = n;
	u8 *data;
	int err;

	pager_set(p, page, n, PAGER_BUSY);
	mutex_unlock(&p->lock);
	err = fill_run(p, page, &done, &data);
	mutex_lock(&p->lock);
	if (err) {
		object_clear(p->object, page * PAGE_SIZE, n * PAGE_SIZE);
	} else {
		clear_behind_end(p, page, done, data);
		atomic_fetch_add(&pagers.present,
				 pager_set(p, page, done, PAGER_PRESENT));
	}
	pager_clear(p, page, n, PAGER_BUSY);
	pager_wake(p);
	return err;
}

int pager_read_in(struct pager *p, u64 page, u64 n)
{
	u64 end = PAGE_UP(atomic_load(&p->object->size)) / PAGE_SIZE;
	int err = 0;

	end = MIN(end, page + n);
	if (page >= end)
		return 0;
	mutex_lock(&p->lock);
	while (!err && page < end) {
		u64 run;

		if (pager_all(p, page, 1, PAGER_PRESENT)) {
			page++;
			continue;
		}
		if (pager_any(p, page, 1, PAGER_BUSY)) {
			pager_wait(p);
			continue;
		}
		run = pager_absent_run(p, page,
				       MIN(end - page, PAGER_FILL_MAX));
		err = pager_chunks(p, page, run);
		if (!err)
			err = fill(p, page, run);
	}
	mutex_unlock(&p->lock);
	return err;
}

int pager_fill(struct inode *i, u64 offset, u64 len)
{
	u64 first = offset / PAGE_SIZE;
	u64 end;

	if (len == 0)
		return 0;
	if (ckd_add(&end, offset, len - 1))
		end = UINT64_MAX;
	return pager_read_in(pager_of(i), first, end / PAGE_SIZE - first + 1);
}

bool pager_has(const struct inode *i, u64 offset, u64 len)
{
	const struct pager *p = pager_of(i);
	u64 first = offset / PAGE_SIZE;
	u64 last = len ? (offset + len - 1) / PAGE_SIZE : first;

	return p && pager_any(p, first, last - first + 1, PAGER_PRESENT);
}

/* --- Mappings ------------------------------------------------------------ */

static bool is_mapped(const struct object *o)
{
	return !list_empty(&o->mappings);
}

/* Writes by a mapping are seen once, when they begin. */
static int begin_shared(struct pager *p, u64 page, u64 n, u32 removals)
{
	u64 size = atomic_load(&p->object->size), start = page * PAGE_SIZE;
	int err = 0;

	if (start >= size)
		return 0;
	if (!pager_all(p, page, n, PAGER_READY))
		err = p->ops->prepare(p->inode, start,
				      MIN(n * PAGE_SIZE, size - start));
	if (err)
		return err;
	mutex_lock(&p->lock);
	/* Truncated or punched meanwhile: the blocks may be gone again. */
	if (removals != p->removals) {
		mutex_unlock(&p->lock);
		return -EAGAIN;
	}
	err = pager_chunks(p, page, n);
	if (!err) {
		pager_set(p, page, n, PAGER_READY);
		p->nshared += pager_set(p, page, n, PAGER_SHARED);
		pager_set_dirty(p, page, n);
	}
	mutex_unlock(&p->lock);
	inode_touch(p->inode, ATTR_MTIME | ATTR_CTIME);
	return err;
}

static int pager_fault(struct object *o, u64 offset, u64 len, bool is_write)
{
	u64 end = PAGE_UP(MIN(offset + len, atomic_load(&o->size)));
	u64 page = offset / PAGE_SIZE;
	int err;

	if (end <= offset)
		return 0;
	do {
		u32 removals = atomic_load_acquire(&o->pager->removals);

		err = pager_read_in(o->pager, page, end / PAGE_SIZE - page);
		if (!err && is_write)
			err = begin_shared(o->pager, page,
					   end / PAGE_SIZE - page, removals);
	} while (err == -EAGAIN);
	return err;
}

static void pager_unshared(struct object *o)
{
	struct pager *p = o->pager;
	u64 end, page = 0;

	mutex_lock(&p->lock);
	end = (u64)p->max * CHUNK_PAGES;
	while (p->nshared &&
	       (page = pager_find(p, page, end, PAGER_SHARED)) < end) {
		p->nshared -= pager_clear(p, page, 1, PAGER_SHARED);
		pager_set_dirty(p, page++, 1);
	}
	mutex_unlock(&p->lock);
}

/* --- Dropping ------------------------------------------------------------ */

/* Pages that mappings show stay, but as zero. Those that one may write to are
 * written in each round, as before. */
static void zero_mapped(struct pager *p, u64 page, u64 n)
{
	u64 end = page + n, run;

	while ((page = pager_find(p, page, end, PAGER_PRESENT)) < end) {
		u8 *data = object_window(p->object, page * PAGE_SIZE, PAGE_SIZE,
					 &run);

		if (data)
			memset(data, 0, PAGE_SIZE);
		page++;
	}
	atomic_fetch_add(&p->removals, 1U); /* see begin_shared() */
}

/* Make the whole pages of a range absent; under the lock, nobody at them. */
static void remove_pages(struct pager *p, u64 page, u64 n)
{
	u64 npresent = pager_clear(p, page, n, PAGER_PRESENT);

	atomic_fetch_sub(&pagers.present, npresent);
	/* A full barrier: readers see it, or the memory as it was. */
	atomic_fetch_add(&p->removals, 1U);
	if (npresent)
		object_clear(p->object, page * PAGE_SIZE, n * PAGE_SIZE);
}

bool pager_give_up(struct pager *p, u64 page, u64 n)
{
	smp_mb(); /* as in reclaim_pager() */
	if (is_mapped(p->object) || pager_any(p, page, n, PAGER_DIRTY) ||
	    pager_any(p, page, n, PAGER_WRITING) ||
	    pager_any(p, page, n, PAGER_SHARED))
		return false;
	remove_pages(p, page, n);
	return true;
}

static void drop_pages(struct pager *p, u64 page, u64 end, bool keep)
{
	u64 limit = MIN(end, (u64)p->max * CHUNK_PAGES);

	while (page < limit) {
		u64 n = limit - page, ndirty;

		(void)pager_mask(page, &n);
		while (pager_any(p, page, n, PAGER_BUSY) ||
		       pager_any(p, page, n, PAGER_WRITING))
			pager_wait(p);
		ndirty = pager_clear(p, page, n, PAGER_DIRTY);
		p->ndirty -= ndirty;
		atomic_fetch_sub(&pagers.ndirty, ndirty);
		pager_clear(p, page, n, PAGER_READY);
		if (keep) {
			zero_mapped(p, page, n);
		} else {
			p->nshared -= pager_clear(p, page, n, PAGER_SHARED);
			remove_pages(p, page, n);
		}
		page += n;
	}
}

/* Zero [from, to) of one page, if it is present. */
static void drop_part(struct pager *p, u64 from, u64 to)
{
	u64 page = from / PAGE_SIZE, run;
	u8 *data;

	if (from >= to)
		return;
	while (pager_any(p, page, 1, PAGER_BUSY) ||
	       pager_any(p, page, 1, PAGER_WRITING))
		pager_wait(p);
	if (!pager_all(p, page, 1, PAGER_PRESENT))
		return;
	data = object_window(p->object, page * PAGE_SIZE, PAGE_SIZE, &run);
	if (data)
		memset(data + from % PAGE_SIZE, 0, to - from);
}

int pager_drop(struct inode *i, u64 offset, u64 len)
{
	struct pager *p = pager_of(i);
	bool keep;
	u64 end;

	if (!p)
		return 0;
	if (ckd_add(&end, offset, len))
		end = UINT64_MAX;
	/* Unless the file is being cut, mappings of it go on. */
	keep = end <= OBJECT_SIZE_MAX && is_mapped(p->object);
	if (end >= atomic_load(&p->object->size))
		end = ROUND_DOWN(UINT64_MAX, PAGE_SIZE);
	mutex_lock(&p->lock);
	if (PAGE_DOWN(offset) == PAGE_DOWN(end)) {
		drop_part(p, offset, end);
	} else {
		u64 first = offset / PAGE_SIZE + (offset % PAGE_SIZE != 0);

		drop_part(p, offset, first * PAGE_SIZE);
		drop_pages(p, first, end / PAGE_SIZE, keep);
		drop_part(p, PAGE_DOWN(end), end);
	}
	pager_update_list(p);
	mutex_unlock(&p->lock);
	return 0;
}

int pager_zero(struct inode *i, u64 offset, u64 len)
{
	struct pager *p = pager_of(i);
	u64 page = offset / PAGE_SIZE;
	int err = pager_read_in(p, page, 1);

	if (err)
		return err;
	mutex_lock(&p->lock);
	if (pager_all(p, page, 1, PAGER_PRESENT)) {
		/* Not given back from here on, as it is dirty. */
		pager_set_dirty(p, page, 1);
		drop_part(p, offset, offset + len);
		pager_set_dirty(p, page, 1);
	}
	mutex_unlock(&p->lock);
	return err;
}

/* --- Giving back --------------------------------------------------------- */

static u64 reclaim_chunk(struct pager *p, struct pager_chunk *c, u64 page)
{
	u64 mask, n = 0;

	if (c->used) {
		atomic_store(&c->used, 0U);
		return 0;
	}
	mask = c->bits[PAGER_PRESENT] &
	       ~(c->bits[PAGER_DIRTY] | c->bits[PAGER_BUSY] |
		 c->bits[PAGER_WRITING] | c->bits[PAGER_SHARED]);
	while (mask) {
		u64 at = (u64)__builtin_ctzl(mask), rest = ~(mask >> at);
		u64 run = rest ? (u64)__builtin_ctzl(rest) : 64 - at;

		remove_pages(p, page + at, run);
		n += run;
		if (at + run >= 64)
			break;
		mask &= ~0UL << (at + run);
	}
	return n;
}

void pager_release(struct inode *i, u64 offset, u64 len)
{
	struct pager *p = pager_of(i);
	u64 first = PAGE_UP(offset) / PAGE_SIZE, end;

	if (!p || ckd_add(&end, offset, len))
		end = UINT64_MAX;
	if (!p || is_mapped(p->object))
		return;
	mutex_lock(&p->lock);
	smp_mb(); /* as in reclaim_pager() */
	end = MIN(end / PAGE_SIZE, (u64)p->max * CHUNK_PAGES);
	first = ROUND_UP(first, CHUNK_PAGES);
	for (; first + CHUNK_PAGES <= end; first += CHUNK_PAGES) {
		struct pager_chunk *c = pager_chunk(p, first);

		if (!c || atomic_load(&p->nwriters) || is_mapped(p->object))
			continue;
		c->used = 0;
		(void)reclaim_chunk(p, c, first);
	}
	mutex_unlock(&p->lock);
}

static u64 reclaim_pager(struct pager *p, u64 want)
{
	u64 n = 0;

	if (is_mapped(p->object) || !mutex_trylock(&p->lock))
		return 0;
	/* Pairs with the increment in paged_write(): it sees what we do, or we
	 * see it. Who maps pages lists the area first, then takes the lock. */
	smp_mb();
	if (!atomic_load(&p->nwriters) && !is_mapped(p->object)) {
		for (u32 i = 0; i < p->max && n < want; i++)
			if (p->table[i])
				n += reclaim_chunk(p, p->table[i],
						   (u64)i * CHUNK_PAGES);
	}
	mutex_unlock(&p->lock);
	return n;
}

u64 pager_reclaim(u64 npages)
{
	u64 n = 0;

	mutex_lock(&pagers.lock);
	/* The first round may only find that all are in use. */
	for (int round = 0; round < 2 && n < npages; round++) {
		struct list *last = pagers.all.prev;
		struct pager *p;

		while (n < npages && !list_empty(&pagers.all)) {
			bool is_last;

			p = list_first(&pagers.all, struct pager, node);
			is_last = &p->node == last;
			list_del(&p->node);
			list_append(&pagers.all, &p->node);
			n += reclaim_pager(p, npages - n);
			if (is_last)
				break;
		}
	}
	mutex_unlock(&pagers.lock);
	return n;
}

bool pager_over_limit(u64 npages)
{
	return atomic_load(&pagers.present) + npages > pagers.max ||
	       heap_over_limit(npages << PAGE_SHIFT);
}

#define RECLAIM_MIN 64

void pager_make_room(u64 n)
{
	if (unlikely(pager_over_limit(n)))
		(void)pager_reclaim(MAX(n, RECLAIM_MIN));
}

/* --- Life ---------------------------------------------------------------- */

static void pager_free(struct object *o)
{
	struct pager *p = o->pager;
	struct pager_old_table *old = p->old_tables;

	pager_forget(p);
	for (u32 i = 0; i < p->max; i++) {
		struct pager_chunk *c = p->table[i];

		if (!c)
			continue;
		atomic_fetch_sub(&pagers.present,
				 (u64)bits_count(c->bits[PAGER_PRESENT]));
		if (c != &p->first)
			kfree(c);
	}
	while (old) {
		struct pager_old_table *next = old->next;

		kfree(old->table);
		kfree(old);
		old = next;
	}
	if (p->table != p->first_table)
		kfree(p->table);
	kfree(p);
}

static const struct object_ops pager_object_ops = {
	.fault = pager_fault,
	.unshared = pager_unshared,
	.free = pager_free,
};

int pager_attach(struct inode *i, const struct pager_ops *ops, u64 size)
{
	struct pager *p = kzalloc(sizeof(*p));
	struct object *o;
	int err;

	if (!p)
		return -ENOMEM;
	err = object_new_cache(size, &o);
	if (err) {
		kfree(p);
		return err;
	}
	p->object = o;
	p->inode = i;
	p->ops = ops;
	p->table = p->first_table;
	p->first_table[0] = &p->first;
	p->max = 1;
	list_init(&p->dirty_node);
	o->ops = &pager_object_ops;
	o->pager = p;
	mutex_lock(&pagers.lock);
	list_append(&pagers.all, &p->node);
	mutex_unlock(&pagers.lock);
	atomic_store_release(&i->object, o);
	return 0;
}

void pager_count(struct pager_counts *c)
{
	c->present = atomic_load(&pagers.present);
	c->dirty = atomic_load(&pagers.ndirty);
	c->writeback = atomic_load(&pagers.writing);
}
