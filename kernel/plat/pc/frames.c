/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory: a buddy allocator of blocks of 4 KiB to 2 MiB, with a count
 * of owners for each block. The table of frames is taken out of the memory that
 * it describes.
 */
#include "kernel/plat/pc/pc.h"

#define RANGES_MAX 32
#define STOCK_MAX 64u
#define LARGE_ORDER (FRAME_ORDERS - 1)
_Static_assert(PAGE_SIZE << LARGE_ORDER == LARGE_PAGE, "larges");
#define STOCK_WORTH (MIB(64) / PAGE_SIZE)

struct range {
	paddr_t start, end;
};
static struct range ranges[RANGES_MAX];
static u32 nranges;

/* Of the first frame of a block; the others' are not looked at. */
struct frame_info {
	u32 count;     /* owners; 0: free, or no memory of ours */
	u8 order;      /* of a free block */
	bool is_large; /* in a block of 2 MiB, whose first one counts */
	bool is_free;
	bool is_ours;
};
static struct frame_info *infos;
static u64 ninfos;

/* In the block itself; of the largest ones in a table, so that memory that was
 * never used is not touched: the host need not have it. */
struct free_block {
	struct list node;
};
static struct free_block *larges;
static struct {
	struct spin lock;
	struct list free[FRAME_ORDERS];
	u64 nfree, ntotal;
} frames;

/* Single frames that a CPU has at hand. */
struct stock {
	u32 n; /* written by its CPU */
	paddr_t frames[STOCK_MAX];
} ALIGNED(64);
static struct stock stocks[CPUS_MAX];
static u32 stock_size; /* 0: memory is too small for stocks */

static void range_add(paddr_t start, paddr_t end)
{
	if (start < end && nranges < RANGES_MAX)
		ranges[nranges++] = (struct range){ start, end };
}

void frames_add(paddr_t start, paddr_t end)
{
	range_add(PAGE_UP(start), PAGE_DOWN(end));
}

void frames_reserve(paddr_t start, paddr_t end)
{
	u32 n = nranges;

	start = PAGE_DOWN(start);
	end = PAGE_UP(end);
	for (u32 i = 0; i < n; i++) {
		struct range r = ranges[i];

		if (end <= r.start || start >= r.end)
			continue;
		ranges[i].end = MAX(r.start, start);
		if (start <= r.start)
			ranges[i] = (struct range){ MIN(end, r.end), r.end };
		else
			range_add(end, r.end);
	}
}

static u64 index_of(paddr_t pa)
{
	return pa >> PAGE_SHIFT;
}

static struct free_block *block_at(paddr_t pa, unsigned int order)
{
	return order == LARGE_ORDER ? &larges[pa / LARGE_PAGE] : physical(pa);
}

static paddr_t block_address(const struct free_block *b, unsigned int order)
{
	return order == LARGE_ORDER ? (u64)(b - larges) * LARGE_PAGE
				    : (u64)b - PHYSICAL_BASE;
}

static void push_free(paddr_t pa, unsigned int order)
{
	struct free_block *b = block_at(pa, order);
	struct frame_info *f = &infos[index_of(pa)];

	f->is_free = true;
	f->order = (u8)order;
	list_push(&frames.free[order], &b->node);
	frames.nfree += 1UL << order;
}

static void take_free(paddr_t pa)
{
	struct frame_info *f = &infos[index_of(pa)];

	f->is_free = false;
	list_del(&block_at(pa, f->order)->node);
	frames.nfree -= 1UL << f->order;
}

/* Under the lock. */
static void give(paddr_t pa, unsigned int order)
{
	while (order < LARGE_ORDER) {
		paddr_t other = pa ^ (PAGE_SIZE << order);
		struct frame_info *f;

		if (index_of(other) >= ninfos)
			break;
		f = &infos[index_of(other)];
		if (!f->is_free || f->order != order)
			break;
		take_free(other);
		pa = MIN(pa, other);
		order++;
	}
	push_free(pa, order);
}

/* In blocks as large as they fit. */
static void add_range(struct range r)
{
	for (paddr_t pa = r.start; pa < r.end; pa += PAGE_SIZE)
		infos[index_of(pa)].is_ours = true;
	frames.ntotal += (r.end - r.start) >> PAGE_SHIFT;
	while (r.start < r.end) {
		unsigned int order = LARGE_ORDER;

		while (r.start % (PAGE_SIZE << order) ||
		       r.end - r.start < PAGE_SIZE << order)
			order--;
		give(r.start, order);
		r.start += PAGE_SIZE << order;
	}
}

/* Room for the table, out of the ranges themselves. */
static paddr_t take_table(u64 size)
{
	for (u32 i = 0; i < nranges; i++) {
		struct range *r = &ranges[i];

		if (r->end - r->start >= size && r->start >= MIB(1)) {
			r->end -= PAGE_UP(size);
			return r->end;
		}
	}
	return FRAME_NONE;
}

void frames_init(void)
{
	paddr_t table;
	u64 nlarges;

	for (u32 i = 0; i < nranges; i++)
		ninfos = MAX(ninfos, index_of(ranges[i].end));
	nlarges = ninfos * PAGE_SIZE / LARGE_PAGE + 1;
	table = take_table(ninfos * sizeof(*infos) + nlarges * sizeof(*larges));
	if (table == FRAME_NONE)
		kpanic("no memory for the table of frames");
	infos = physical(table);
	memset(infos, 0, ninfos * sizeof(*infos));
	larges = (struct free_block *)(infos + ninfos);
	for (u32 i = 0; i < FRAME_ORDERS; i++)
		list_init(&frames.free[i]);
	for (u32 i = 0; i < nranges; i++)
		add_range(ranges[i]);
	if (frames.ntotal >= STOCK_WORTH)
		stock_size = STOCK_MAX;
}

/* Under the lock. */
static paddr_t take(unsigned int order)
{
	unsigned int at = order;
	paddr_t pa;

	while (at < FRAME_ORDERS && list_empty(&frames.free[at]))
		at++;
	if (at == FRAME_ORDERS)
		return FRAME_NONE;
	pa = block_address(
		list_first(&frames.free[at], struct free_block, node), at);
	take_free(pa);
	for (; at > order; at--)
		push_free(pa + (PAGE_SIZE << (at - 1)), at - 1);
	return pa;
}

/* --- Single frames: each CPU has some at hand, without a lock ---------------
 */

static void refill(struct stock *s)
{
	spin_take(&frames.lock);
	while (s->n < stock_size / 2) {
		paddr_t pa = take(0);

		if (pa == FRAME_NONE)
			break;
		s->frames[s->n++] = pa;
	}
	spin_give(&frames.lock);
}

static paddr_t take_single(void)
{
	u64 flags = irq_save();
	struct stock *s = &stocks[cpu_index()];
	paddr_t pa = FRAME_NONE;

	if (!s->n)
		refill(s);
	if (s->n)
		pa = s->frames[--s->n];
	irq_restore(flags);
	return pa;
}

static void give_single(paddr_t pa)
{
	u64 flags = irq_save();
	struct stock *s = &stocks[cpu_index()];

	if (s->n == stock_size) {
		spin_take(&frames.lock);
		while (s->n > stock_size / 2)
			give(s->frames[--s->n], 0);
		spin_give(&frames.lock);
	}
	s->frames[s->n++] = pa;
	irq_restore(flags);
}

paddr_t frame_alloc(unsigned int order)
{
	paddr_t pa;
	u64 flags;

	if (!order && stock_size) {
		pa = take_single();
	} else {
		flags = spin_lock(&frames.lock);
		pa = take(order);
		spin_unlock(&frames.lock, flags);
	}
	if (pa != FRAME_NONE)
		atomic_store(&infos[index_of(pa)].count, 1);
	return pa;
}

paddr_t frame_alloc_zeroed(void)
{
	paddr_t pa = frame_alloc(0);

	if (pa != FRAME_NONE)
		memset(physical(pa), 0, PAGE_SIZE);
	return pa;
}

/* What is kept for the kernel: a 64th, not less than 512 KiB, but of a small
 * machine not more than a 32nd. */
static u64 reserve(void)
{
	return MAX(frames.ntotal / 64, MIN(frames.ntotal / 32, 128UL));
}

bool plat_memory_short(u64 bytes)
{
	u64 want = bytes / PAGE_SIZE + reserve() / 2;

	return frames_free() < want && !image_reclaim(64) &&
	       frames_free() < want;
}

paddr_t frame_alloc_user(void)
{
	return frames_free() > reserve() ? frame_alloc(0) : FRAME_NONE;
}

static struct frame_info *info_of(paddr_t pa)
{
	struct frame_info *f = index_of(pa) < ninfos ? &infos[index_of(pa)]
						     : NULL;

	if (!f || !f->is_ours)
		return NULL;
	return f->is_large ? &infos[index_of(ROUND_DOWN(pa, LARGE_PAGE))] : f;
}

#define LARGE_FRAMES (LARGE_PAGE / PAGE_SIZE)

/* Its pages are counted together, or not. */
static void mark_large(struct frame_info *first, bool is_large)
{
	for (u64 i = 0; i < LARGE_FRAMES; i++)
		first[i].is_large = is_large;
}

paddr_t frame_alloc_large(void)
{
	paddr_t pa = frame_alloc(LARGE_ORDER);

	if (pa != FRAME_NONE)
		mark_large(&infos[index_of(pa)], true);
	return pa;
}

void frame_cut_large(paddr_t pa)
{
	struct frame_info *f = &infos[index_of(pa)];

	if (atomic_load(&f->count) > 1) {
		atomic_fetch_add(&f->count, LARGE_FRAMES - 1);
		return;
	}
	mark_large(f, false);
	for (u64 i = 0; i < LARGE_FRAMES; i++)
		atomic_store(&f[i].count, 1);
}

void frame_get(paddr_t pa)
{
	struct frame_info *f = info_of(pa);

	if (f)
		atomic_fetch_add(&f->count, 1);
}

void frame_put(paddr_t pa, unsigned int order)
{
	struct frame_info *f = info_of(pa);
	u64 flags;

	if (!f || atomic_fetch_sub(&f->count, 1) != 1)
		return;
	if (f->is_large) {
		mark_large(f, false);
		pa = ROUND_DOWN(pa, LARGE_PAGE);
		order = LARGE_ORDER;
	}
	if (!order && stock_size) {
		give_single(pa);
		return;
	}
	flags = spin_lock(&frames.lock);
	give(pa, order);
	spin_unlock(&frames.lock, flags);
}

bool frame_is_own(paddr_t pa)
{
	struct frame_info *f = info_of(pa);

	return f && atomic_load(&f->count) == 1;
}

u64 frames_free(void)
{
	u64 n = atomic_load(&frames.nfree);

	for (u32 i = 0; i < ncpus; i++)
		n += atomic_load(&stocks[i].n);
	return n;
}

u64 frames_total(void)
{
	return frames.ntotal;
}
