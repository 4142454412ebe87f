/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of a space: filling an entry at the first touch, copy on write, and
 * what is done to whole ranges. All under the space's lock. A frame is given
 * back only when no CPU can have it in its TLB any more.
 */
#include "kernel/plat/pc/pc.h"

#define BATCH 64

static paddr_t zero_page; /* what untouched memory reads */

/* Frames that wait for the others to forget them. */
struct batch {
	struct plat_space *space;
	u32 n;
	u64 start, end; /* of what changed; start >= end: nothing did */
	paddr_t frames[BATCH];
};
#define BATCH_OF(s)                          \
	(struct batch)                       \
	{                                    \
		.space = (s), .start = ~0UL, \
	}

static void batch_end(struct batch *b)
{
	if (b->start < b->end)
		cpus_flush_space(b->space, b->start, b->end);
	for (u32 i = 0; i < b->n; i++)
		frame_put(b->frames[i], 0);
	*b = BATCH_OF(b->space);
}

static bool is_there(u64 pte)
{
	return pte & (PTE_PRESENT | PTE_HIDDEN);
}

/* The entry of va was `old`. */
static void forget(struct plat_space *s, u64 va, u64 old, struct batch *b)
{
	u64 size = old & PTE_LARGE ? LARGE_PAGE : PAGE_SIZE;

	if (old & PTE_PRIVATE)
		s->nprivate -= size / PAGE_SIZE;
	if (old & PTE_PRESENT) {
		b->start = MIN(b->start, va);
		b->end = MAX(b->end, va + size);
	}
	if (old & PTE_COUNTED)
		b->frames[b->n++] = old & PTE_ADDRESS;
	if (b->n == BATCH)
		batch_end(b);
}

/* Which entry of its table a page has. */
static u64 at_in(u64 va)
{
	return va / PAGE_SIZE % (LARGE_PAGE / PAGE_SIZE);
}

/* All of [va, stop) in one table. */
static void drop_table(struct plat_space *s, u64 *table, u64 va, u64 stop,
		       struct batch *b)
{
	for (; va < stop; va += PAGE_SIZE) {
		u64 *pte = &table[at_in(va)];
		u64 old = *pte;

		*pte = 0;
		if (old)
			forget(s, va, old, b);
	}
}

/* No large page crosses start or end. A table that is empty then goes, too, so
 * that there can be a large page in its place. */
void pages_drop(struct plat_space *s, u64 start, u64 end)
{
	struct batch b = BATCH_OF(s);
	u64 *pde;

	for (u64 va = start, stop; (pde = pde_next(s->root, &va, end));
	     va = stop) {
		u64 block = ROUND_DOWN(va, LARGE_PAGE), old = *pde;

		stop = MIN(block + LARGE_PAGE, end);
		if (!(old & PTE_LARGE))
			drop_table(s, physical(old & PTE_ADDRESS), va, stop,
				   &b);
		if (block < start || stop - block < LARGE_PAGE)
			continue;
		*pde = 0;
		/* The table's frame is given up as a page's. */
		forget(s, block, old & PTE_LARGE ? old : old | PTE_COUNTED, &b);
	}
	batch_end(&b);
}

void pages_resident(struct plat_space *s, u64 start, u64 n, u8 *vec)
{
	u64 end = start + n * PAGE_SIZE, *pde;

	memset(vec, 0, n);
	for (u64 va = start, stop; (pde = pde_next(s->root, &va, end));
	     va = stop) {
		const u64 *table = physical(*pde & PTE_ADDRESS);

		stop = MIN(ROUND_DOWN(va, LARGE_PAGE) + LARGE_PAGE, end);
		for (u64 at = va; at < stop; at += PAGE_SIZE)
			vec[(at - start) / PAGE_SIZE] = is_there(
				*pde & PTE_LARGE ? *pde : table[at_in(at)]);
	}
}

/* The entry with what is allowed by prot taken away that is not. */
static u64 restricted(u64 pte, int prot)
{
	pte &= ~(PTE_PRESENT | PTE_HIDDEN | PTE_NOEXEC);
	pte |= prot ? PTE_PRESENT : PTE_HIDDEN;
	if (!(prot & PLAT_WRITE))
		pte &= ~PTE_WRITE;
	return prot & PLAT_EXEC ? pte : pte | PTE_NOEXEC;
}

void pages_protect(struct plat_space *s, u64 start, u64 end, int prot)
{
	bool is_changed = false;
	u64 *pte, size;

	for (u64 va = start; (pte = pte_next(s->root, &va, end, &size));
	     va += size) {
		u64 now = restricted(*pte, prot);

		is_changed |= now != *pte;
		*pte = now;
	}
	if (is_changed)
		cpus_flush_space(s, start, end);
}

int pages_share(struct plat_space *s, struct plat_space *to,
		const struct region *r)
{
	u64 *pte, *copy, size;

	/* The other finds the cache's pages again by itself. */
	if (r->backing == PLAT_CACHE)
		return 0;
	for (u64 va = r->start; (pte = pte_next(s->root, &va, r->end, &size));
	     va += size) {
		copy = size == LARGE_PAGE ? pde_find(to->root, va, true)
					  : pte_find(to->root, va, true);
		if (!copy)
			return -ENOMEM;
		*pte &= ~PTE_WRITE;
		*copy = *pte;
		if (*pte & PTE_COUNTED)
			frame_get(*pte & PTE_ADDRESS);
		if (*pte & PTE_PRIVATE)
			to->nprivate += size / PAGE_SIZE;
	}
	return 0;
}

/* Where the large page at va goes, if it can stay one; else it is cut. */
static int place_large(struct plat_space *s, u64 *pde, u64 va, u64 to)
{
	u64 *place;

	if (!IS_ALIGNED(to, LARGE_PAGE))
		return large_cut(s, pde, va);
	place = pde_find(s->root, to, true);
	if (!place)
		return -ENOMEM;
	return *place ? large_cut(s, pde, va) : 0;
}

/* All tables first: then nothing can fail half-way. */
static int prepare_move(struct plat_space *s, u64 from, u64 len, u64 to)
{
	u64 *pte, size;
	int err = 0;

	for (u64 va = from;
	     !err && (pte = pte_next(s->root, &va, from + len, &size));) {
		u64 at = to + (va - from);

		if (size == LARGE_PAGE) {
			err = place_large(s, pte, va, at);
			if (!err && *pte & PTE_LARGE)
				va += size;
			continue; /* or its small ones */
		}
		if (!pte_find(s->root, at, true))
			err = -ENOMEM;
		va += size;
	}
	return err;
}

int pages_move(struct plat_space *s, u64 from, u64 len, u64 to)
{
	u64 *pte, *place, size;
	int err = prepare_move(s, from, len, to);

	if (err)
		return err;
	for (u64 va = from; (pte = pte_next(s->root, &va, from + len, &size));
	     va += size) {
		u64 at = to + (va - from);

		place = size == LARGE_PAGE ? pde_find(s->root, at, false)
					   : pte_find(s->root, at, false);
		*place = *pte;
		*pte = 0;
	}
	cpus_flush_space(s, from, from + len);
	return 0;
}

/* --- Faults -----------------------------------------------------------------
 */

static u64 bits(const struct region *r)
{
	u64 flags = PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY;

	return r->prot & PLAT_EXEC ? flags : flags | PTE_NOEXEC;
}

void zero_page_init(void)
{
	zero_page = frame_alloc_zeroed();
	if (zero_page == FRAME_NONE)
		kpanic("no memory for the page of zeros");
}

static bool is_counted(const struct region *r)
{
	return r->backing != PLAT_ANON;
}

/* What backs va: a frame that is not the space's; 0: no memory. With one more
 * owner if they are counted. */
static paddr_t backing_frame(const struct region *r, u64 va)
{
	u64 offset = r->offset + (va - r->start);

	if (r->backing == PLAT_ANON)
		return zero_page;
	return r->backing == PLAT_IMAGE
		       ? image_hold(offset)
		       : kernel_hold(KERNEL_CACHE_BASE + offset);
}

/* A frame of its own with what is at `from` (0: zero). */
static int set_private(struct plat_space *s, const struct region *r, u64 *pte,
		       paddr_t from)
{
	paddr_t pa = frame_alloc_user();

	if (pa == FRAME_NONE)
		return -ENOMEM;
	if (from)
		memcpy(physical(pa), physical(from), PAGE_SIZE);
	else
		memset(physical(pa), 0, PAGE_SIZE);
	*pte = pa | bits(r) | PTE_WRITE | PTE_COUNTED | PTE_PRIVATE;
	s->nprivate++;
	return 0;
}

static int fill(struct plat_space *s, const struct region *r, u64 *pte, u64 va,
		bool is_write)
{
	bool is_shared = r->backing == PLAT_CACHE;
	paddr_t pa;
	int err;

	if (is_write && r->backing == PLAT_ANON)
		return set_private(s, r, pte, 0);
	pa = backing_frame(r, va);
	if (!pa)
		return -ENOMEM;
	if (is_write && !is_shared) {
		err = set_private(s, r, pte, pa);
		if (is_counted(r))
			frame_put(pa, 0);
		return err;
	}
	*pte = pa | bits(r) | (is_counted(r) ? PTE_COUNTED : 0) |
	       (is_shared && r->prot & PLAT_WRITE ? PTE_WRITE : 0);
	return 0;
}

/* It is there, but may not be written yet. */
static int unshare(struct plat_space *s, const struct region *r, u64 *pte,
		   u64 va)
{
	struct batch b = BATCH_OF(s);
	u64 old = *pte;
	int err;

	if (r->backing == PLAT_CACHE ||
	    (old & PTE_COUNTED && frame_is_own(old & PTE_ADDRESS))) {
		if (r->backing != PLAT_CACHE && !(old & PTE_PRIVATE)) {
			s->nprivate++;
			old |= PTE_PRIVATE;
		}
		*pte = old | PTE_WRITE;
		return 0;
	}
	err = set_private(s, r, pte, old & PTE_ADDRESS);
	if (err)
		return err;
	forget(s, va, old, &b);
	batch_end(&b);
	return 0;
}

/* In a large page. It may be cut: then there is a table now. */
static int large_fault(struct plat_space *s, const struct region *r, u64 *pde,
		       u64 va, bool is_write)
{
	if (*pde & PTE_HIDDEN)
		*pde = restricted(*pde, r->prot & ~PLAT_WRITE);
	if (is_write && !(*pde & PTE_WRITE) && !large_unshare(s, r, pde, va))
		return large_cut(s, pde, va);
	if (r->prot & PLAT_EXEC)
		*pde &= ~PTE_NOEXEC;
	return 0;
}

static int small_fault(struct plat_space *s, const struct region *r, u64 va,
		       bool is_write)
{
	u64 *pte = pte_find(s->root, va, true);
	int err = 0;

	if (!pte)
		return -ENOMEM;
	if (!is_there(*pte))
		err = fill(s, r, pte, va, is_write);
	else if (*pte & PTE_HIDDEN)
		*pte = restricted(*pte, r->prot & ~PLAT_WRITE);
	if (!err && is_write && !(*pte & PTE_WRITE))
		err = unshare(s, r, pte, va);
	if (!err && r->prot & PLAT_EXEC)
		*pte &= ~PTE_NOEXEC;
	return err;
}

int page_fault(struct plat_space *s, const struct region *r, u64 va,
	       bool is_write)
{
	u64 *pde = pde_find(s->root, va, true);
	int err = 0;

	if (!pde)
		return -ENOMEM;
	if (*pde & PTE_LARGE)
		err = large_fault(s, r, pde, va, is_write);
	else if (is_write)
		large_fill(s, r, pde, va, bits(r));
	if (!err && !(*pde & PTE_LARGE))
		err = small_fault(s, r, va, is_write);
	invlpg(va);
	return err;
}
