/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page runs: free runs stand in bins by length, joined with their neighbours
 * when freed; what no bin can give is taken from the never used rest of the
 * heap region, which costs nothing until touched. Free memory goes back to the
 * platform in bulk, once a fair share of the heap lies idle.
 */
#include "kernel/mm/pages.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"

/* Lengths below LINEAR have a bin each, then SUB bins per power of two. */
#define LINEAR 32
#define LINEAR_SHIFT 5
#define SUB 4
#define SUB_SHIFT 2
#define NBINS (LINEAR + (32 - LINEAR_SHIFT) * SUB)
#define DIRTY_MIN 64 /* idle pages always worth keeping */

static struct pages {
	struct mutex lock;
	u32 top;			/* pages from here on were never used */
	u64 bin_map[(NBINS + 63) / 64]; /* bins that are not empty */
	u32 bins[NBINS];		/* first free run: index + 1 */
	u64 ntaken;			/* pages below top that are not free */
	u64 ndirty; /* pages of free runs that may still be resident */
} pages;

void pages_init(void)
{
	pages.top = 0;
	plat_kernel_hot(page_address(0));
}

static unsigned int bin_of(u32 n)
{
	unsigned int shift;

	if (n < LINEAR)
		return n;
	shift = 31 - (unsigned int)__builtin_clz(n);
	return LINEAR + (shift - LINEAR_SHIFT) * SUB +
	       ((n >> (shift - SUB_SHIFT)) & (SUB - 1));
}

static void bin_add(u32 index, u32 n, bool dirty)
{
	struct page_desc *d = page_desc(index);
	unsigned int bin = bin_of(n);

	d->kind = PAGE_FREE;
	d->class = dirty;
	d->npages = n;
	page_desc(index + n - 1)->kind = PAGE_FREE;
	page_desc(index + n - 1)->npages = n;
	d->prev = 0;
	d->next = pages.bins[bin];
	if (d->next)
		page_desc(d->next - 1)->prev = index + 1;
	pages.bins[bin] = index + 1;
	pages.bin_map[bin / 64] |= 1UL << (bin % 64);
	if (dirty)
		pages.ndirty += n;
}

static void bin_remove(u32 index)
{
	struct page_desc *d = page_desc(index);
	unsigned int bin = bin_of(d->npages);

	if (d->prev)
		page_desc(d->prev - 1)->next = d->next;
	else
		pages.bins[bin] = d->next;
	if (d->next)
		page_desc(d->next - 1)->prev = d->prev;
	if (!pages.bins[bin])
		pages.bin_map[bin / 64] &= ~(1UL << (bin % 64));
	if (d->class)
		pages.ndirty -= d->npages;
	page_desc(index + d->npages - 1)->kind = PAGE_UNUSED;
	d->kind = PAGE_UNUSED;
}

/* First bin >= bin that is not empty, or NBINS. */
static unsigned int bin_next(unsigned int bin)
{
	for (unsigned int w = bin / 64; w < ARRAY_SIZE(pages.bin_map); w++) {
		u64 map = pages.bin_map[w];

		if (w == bin / 64)
			map &= ~0UL << (bin % 64);
		if (map)
			return w * 64 + (unsigned int)__builtin_ctzl(map);
	}
	return NBINS;
}

/* A free run of at least n pages, still in its bin: index + 1, or 0. */
static u32 find_run(u32 n)
{
	unsigned int bin = bin_of(n);
	u32 run;

	/* In a bin of several lengths a run may be too short. */
	for (run = pages.bins[bin]; run && n >= LINEAR;
	     run = page_desc(run - 1)->next) {
		if (page_desc(run - 1)->npages >= n)
			break;
	}
	if (!run) {
		bin = bin_next(bin + 1);
		run = bin < NBINS ? pages.bins[bin] : 0;
	}
	return run;
}

u64 heap_reserved(void)
{
	return (atomic_load(&pages.ntaken) + atomic_load(&pages.ndirty))
	       << PAGE_SHIFT;
}

bool heap_over_limit(u64 bytes)
{
	if (plat_memory_short(bytes))
		return true;
	if (!kernel.memory_limit)
		return false;
	return heap_reserved() + (cache_total_pages() << PAGE_SHIFT) + bytes >
	       kernel.memory_limit;
}

static bool alloc_locked(u32 n, u32 *index)
{
	u32 run = find_run(n);

	if (run) {
		struct page_desc *d = page_desc(run - 1);
		u32 len = d->npages;
		bool dirty = d->class;

		*index = run - 1;
		bin_remove(*index);
		if (len > n)
			bin_add(*index + n, len - n, dirty);
	} else {
		if (n > HEAP_NPAGES - pages.top)
			return false;
		*index = pages.top;
		pages.top += n;
	}
	page_desc(*index)->kind = PAGE_RUN;
	page_desc(*index)->npages = n;
	pages.ntaken += n;
	return true;
}

bool pages_alloc(u32 n, u32 *index)
{
	bool ok;

	if (heap_over_limit((u64)n << PAGE_SHIFT))
		return false;
	mutex_lock(&pages.lock);
	ok = alloc_locked(n, index);
	mutex_unlock(&pages.lock);
	return ok;
}

/* Put a free run into its bin, joined with free neighbours of its kind: idle
 * dirty pages do not mix with those given back, which would be given back
 * again and again. */
static u32 join_and_add(u32 index, u32 n, bool dirty)
{
	if (index > 0 && page_desc(index - 1)->kind == PAGE_FREE) {
		u32 len = page_desc(index - 1)->npages;

		if (page_desc(index - len)->class == dirty) {
			bin_remove(index - len);
			index -= len;
			n += len;
		}
	}
	if (index + n < pages.top && page_desc(index + n)->kind == PAGE_FREE &&
	    page_desc(index + n)->class == dirty) {
		u32 len = page_desc(index + n)->npages;

		bin_remove(index + n);
		n += len;
	}
	bin_add(index, n, dirty);
	return index + n;
}

/* Give all idle pages back: one walk over all runs. */
static void discard_idle(void)
{
	u32 i = 0;

	while (i < pages.top) {
		struct page_desc *d = page_desc(i);
		u32 n = d->npages;

		if (d->kind == PAGE_FREE && d->class) {
			plat_kernel_discard(page_address(i),
					    (u64)n << PAGE_SHIFT);
			bin_remove(i);
			i = join_and_add(i, n, false);
		} else {
			i += n;
		}
	}
}

void pages_free(u32 index, u32 n)
{
	mutex_lock(&pages.lock);
	pages.ntaken -= n;
	page_desc(index)->kind = PAGE_UNUSED;
	join_and_add(index, n, true);
	if (pages.ndirty > DIRTY_MIN && pages.ndirty > pages.ntaken / 4)
		discard_idle();
	mutex_unlock(&pages.lock);
}

/* Walks the run heads below top. */
void pages_stats(u64 *run_pages, u64 *nruns, u64 *reserved)
{
	u32 i = 0;

	*run_pages = 0;
	*nruns = 0;
	mutex_lock(&pages.lock);
	while (i < pages.top) {
		struct page_desc *d = page_desc(i);

		if (d->kind == PAGE_RUN) {
			*run_pages += d->npages;
			(*nruns)++;
		}
		i += d->npages;
	}
	mutex_unlock(&pages.lock);
	*reserved = heap_reserved();
}
