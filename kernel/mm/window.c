/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of the page cache: which part of the cache's address range belongs
 * to which object (a buddy system over units of 64 KiB; a window may be any
 * number of units, the rest of its block goes back), and which of its pages
 * hold data (two bitmaps over the whole cache, sparse like the cache itself).
 * Called by object.c.
 *
 * Invariant: a page marked neither touched nor mapped reads as zero.
 */
#include "kernel/kernel.h"
#include "kernel/mm/mm_int.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"
#include "lib/bits.h"

#define NORDERS 25 /* 64 KiB ... 1 TiB */
#define NUNITS (KERNEL_CACHE_SIZE >> WINDOW_SHIFT)
#define NWARM 32 /* zeroed single units kept resident */

/* Of a free block's first unit. Zeroed memory: not a free block. */
struct unit_desc {
	u32 next, prev;	 /* unit + 1, or 0 */
	u8 order_plus_1; /* 0: not the start of a free block */
};

static struct window {
	struct mutex lock;
	u32 free[NORDERS]; /* unit + 1, or 0 */
	u32 top;	   /* units from here on were never used */
	u32 warm[NWARM];   /* units, zero and perhaps resident */
	u32 nwarm;
	u64 npages; /* touched pages of all windows; atomic */
} window;

_Static_assert(sizeof(struct unit_desc) * NUNITS <= 0x0c000000UL, "layout");

static struct unit_desc *unit_desc(u32 unit)
{
	return (struct unit_desc *)WINDOW_DESC_BASE + unit;
}

static void block_add(u32 unit, unsigned int order)
{
	struct unit_desc *d = unit_desc(unit);

	d->prev = 0;
	d->next = window.free[order];
	d->order_plus_1 = (u8)(order + 1);
	if (d->next)
		unit_desc(d->next - 1)->prev = unit + 1;
	window.free[order] = unit + 1;
}

static void block_remove(u32 unit)
{
	struct unit_desc *d = unit_desc(unit);

	if (d->prev)
		unit_desc(d->prev - 1)->next = d->next;
	else
		window.free[d->order_plus_1 - 1] = d->next;
	if (d->next)
		unit_desc(d->next - 1)->prev = d->prev;
	d->order_plus_1 = 0;
}

/* Free an aligned block, joining it with its buddy while that is free. */
static void block_free(u32 unit, unsigned int order)
{
	while (order + 1 < NORDERS) {
		u32 buddy = unit ^ (1U << order);

		if (unit_desc(buddy)->order_plus_1 != order + 1)
			break;
		block_remove(buddy);
		unit &= ~(1U << order);
		order++;
	}
	block_add(unit, order);
}

/* Free any range, as the aligned blocks it is made of. */
static void range_free(u32 unit, u32 n)
{
	while (n > 0) {
		unsigned int order = 31 - (unsigned int)__builtin_clz(n);

		if (unit)
			order = MIN(order, (unsigned int)__builtin_ctz(unit));
		block_free(unit, order);
		unit += 1U << order;
		n -= 1U << order;
	}
}

static unsigned int order_for(u32 n)
{
	return n == 1 ? 0 : 32 - (unsigned int)__builtin_clz(n - 1);
}

/* A block of the order: its unit + 1, or 0. */
static u32 block_take(unsigned int order)
{
	u32 size = 1U << order;
	u32 unit;

	for (unsigned int o = order; o < NORDERS; o++) {
		if (!window.free[o])
			continue;
		unit = window.free[o] - 1;
		block_remove(unit);
		range_free(unit + size, (1U << o) - size);
		return unit + 1;
	}
	unit = ROUND_UP(window.top, size);
	if (unit > NUNITS - size)
		return 0;
	if (unit > window.top)
		range_free(window.top, unit - window.top);
	window.top = unit + size;
	return unit + 1;
}

int window_alloc(u64 len, u64 *offset)
{
	u32 n, unit;
	unsigned int order;

	if (len == 0 || len > KERNEL_CACHE_SIZE)
		return -ENOSPC;
	n = (u32)((len + WINDOW_UNIT - 1) >> WINDOW_SHIFT);
	order = order_for(n);
	mutex_lock(&window.lock);
	if (n == 1 && window.nwarm > 0) {
		unit = window.warm[--window.nwarm] + 1;
	} else {
		unit = block_take(order);
		if (unit && n < 1U << order)
			range_free(unit - 1 + n, (1U << order) - n);
	}
	mutex_unlock(&window.lock);
	if (!unit)
		return -ENOSPC;
	*offset = (u64)(unit - 1) << WINDOW_SHIFT;
	return 0;
}

void window_free(u64 offset, u64 len)
{
	u32 unit = (u32)(offset >> WINDOW_SHIFT);
	u32 n = (u32)((len + WINDOW_UNIT - 1) >> WINDOW_SHIFT);

	mutex_lock(&window.lock);
	if (n == 1 && window.nwarm < NWARM)
		window.warm[window.nwarm++] = unit;
	else
		range_free(unit, n);
	mutex_unlock(&window.lock);
}

bool window_wants_warm(u64 len)
{
	return len <= WINDOW_UNIT && atomic_load(&window.nwarm) < NWARM;
}

/* --- Page marks
 * ---------------------------------------------------------------- */

static u64 *touched_map(void)
{
	return (u64 *)CACHE_TOUCHED_BASE;
}

static u64 *mapped_map(void)
{
	return (u64 *)CACHE_MAPPED_BASE;
}

/* Bits of one word that [page, page+n) covers. */
static u64 word_mask(u64 page, u64 n)
{
	u64 first = page % 64;

	return (n >= 64 ? ~0UL : (1UL << n) - 1) << first;
}

bool cache_page_has_data(u64 page)
{
	u64 bit = 1UL << (page % 64);

	return ((atomic_load(&touched_map()[page / 64]) |
		 atomic_load(&mapped_map()[page / 64])) &
		bit) != 0;
}

u64 cache_run(u64 page, u64 max, bool *data)
{
	u64 n = 0;

	*data = cache_page_has_data(page);
	while (n < max) {
		u64 w = (page + n) / 64;
		u64 bits = atomic_load(&touched_map()[w]) |
			   atomic_load(&mapped_map()[w]);
		u64 left = 64 - (page + n) % 64;

		if (*data)
			bits = ~bits;
		bits >>= (page + n) % 64;
		if (bits) {
			n += (u64)__builtin_ctzl(bits);
			break;
		}
		n += left;
	}
	return MIN(n, max);
}

u64 cache_total_pages(void)
{
	return atomic_load(&window.npages);
}

/* Set bits; the number that were clear. */
static u64 touch_bits(u64 page, u64 n)
{
	u64 fresh = 0;

	while (n > 0) {
		u64 step = MIN(n, 64 - page % 64);
		u64 mask = word_mask(page, step);
		u64 *word = &touched_map()[page / 64];

		if ((atomic_load(word) & mask) != mask) {
			u64 old = atomic_fetch_or(word, mask);

			fresh += (u64)bits_count(mask & ~old);
		}
		page += step;
		n -= step;
	}
	return fresh;
}

static bool all_touched(u64 page, u64 n)
{
	while (n > 0) {
		u64 step = MIN(n, 64 - page % 64);

		if (~atomic_load(&touched_map()[page / 64]) &
		    word_mask(page, step))
			return false;
		page += step;
		n -= step;
	}
	return true;
}

int cache_touch(u64 page, u64 n, u64 *fresh)
{
	*fresh = 0;
	if (likely(all_touched(page, n)))
		return 0;
	if (heap_over_limit(n << PAGE_SHIFT))
		return -ENOSPC;
	*fresh = touch_bits(page, n);
	atomic_fetch_add(&window.npages, *fresh);
	return 0;
}

void cache_mark_mapped(u64 page, u64 n, bool all)
{
	while (n > 0) {
		u64 step = MIN(n, 64 - page % 64);
		u64 mask = word_mask(page, step);
		u64 *word = &mapped_map()[page / 64];

		if (!all)
			mask &= ~atomic_load(&touched_map()[page / 64]);
		if (mask & ~atomic_load(word))
			atomic_fetch_or(word, mask);
		page += step;
		n -= step;
	}
}

bool cache_any_mapped(u64 page, u64 n)
{
	while (n > 0) {
		u64 step = MIN(n, 64 - page % 64);

		if (atomic_load(&mapped_map()[page / 64]) &
		    word_mask(page, step))
			return true;
		page += step;
		n -= step;
	}
	return false;
}

static void zero_touched(u64 page, u64 n)
{
	for (u64 i = page; i < page + n; i++) {
		if (atomic_load(&touched_map()[i / 64]) & (1UL << (i % 64)))
			memset((void *)(KERNEL_CACHE_BASE + (i << PAGE_SHIFT)),
			       0, PAGE_SIZE);
	}
}

u64 cache_clear(u64 page, u64 n, u64 zero_max)
{
	bool mapped = cache_any_mapped(page, n);
	u64 count = 0;

	for (u64 i = page, left = n; left > 0;) {
		u64 step = MIN(left, 64 - i % 64);

		count += (u64)bits_count(atomic_load(&touched_map()[i / 64]) &
					 word_mask(i, step));
		i += step;
		left -= step;
	}
	if (mapped || count > zero_max)
		plat_kernel_discard(
			(void *)(KERNEL_CACHE_BASE + (page << PAGE_SHIFT)),
			n << PAGE_SHIFT);
	else if (count > 0)
		zero_touched(page, n);
	for (u64 i = page, left = n; left > 0 && (mapped || count);) {
		u64 step = MIN(left, 64 - i % 64);
		u64 mask = word_mask(i, step);

		atomic_fetch_and(&touched_map()[i / 64], ~mask);
		if (mapped)
			atomic_fetch_and(&mapped_map()[i / 64], ~mask);
		i += step;
		left -= step;
	}
	atomic_fetch_sub(&window.npages, count);
	return count;
}
