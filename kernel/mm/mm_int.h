/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of kernel/mm alone: where the metadata of heap and page
 * cache lies (sparse tables at the start of the heap region, touched only
 * where in use) and the window allocator.
 */
#ifndef JIFFY_KERNEL_MM_INT_H
#define JIFFY_KERNEL_MM_INT_H

#include "kernel/layout.h"
#include "kernel/mm/heap.h"

#define CACHE_TOUCHED_BASE KERNEL_HEAP_BASE		   /* 32 MiB */
#define CACHE_MAPPED_BASE (KERNEL_HEAP_BASE + 0x2000000UL) /* 32 MiB */
#define WINDOW_DESC_BASE (KERNEL_HEAP_BASE + 0x8000000UL)  /* 192 MiB */
/* Page descriptors (up to 1.25 GiB) go down from the pages, so that those of
 * the first pages lie in one large page with them. */
#define HEAP_DATA_BASE (KERNEL_HEAP_BASE + 0x80040000UL)
#define HEAP_NPAGES \
	((KERNEL_HEAP_BASE + KERNEL_HEAP_SIZE - HEAP_DATA_BASE) >> PAGE_SHIFT)

#define WINDOW_SHIFT 16
#define WINDOW_UNIT (1UL << WINDOW_SHIFT)

/* Take or give back a range of the page cache; units of WINDOW_UNIT bytes, both
 * offsets in the cache object. A window taken reads as zero, none of its pages
 * is marked; before it is given back it must be so again (cache_clear()). */
int window_alloc(u64 len, u64 *offset);
void window_free(u64 offset, u64 len);
/* Is a window of that length to be kept resident when freed? */
bool window_wants_warm(u64 len);

/* Per page of the cache: does it hold data (touched), may a writable shared
 * mapping have changed it (mapped). */
bool cache_page_has_data(u64 page);
/* Length, up to max, of the run of pages from `page` on that all hold data
 * (*data true) or all are holes. */
u64 cache_run(u64 page, u64 max, bool *data);
/* Mark as touched: 0, or -ENOSPC when that would pass the memory limit. *fresh
 * is the number of pages newly marked. */
int cache_touch(u64 page, u64 n, u64 *fresh);
/* all: also the touched ones; else only holes. */
void cache_mark_mapped(u64 page, u64 n, bool all);
bool cache_any_mapped(u64 page, u64 n);
/* Make pages holes again: zero, unmarked. The number of touched ones. Up to
 * zero_max touched pages are zeroed by hand and stay resident; more go back to
 * the platform. */
u64 cache_clear(u64 page, u64 n, u64 zero_max);
u64 cache_total_pages(void);

/* Bytes of kernel memory taken from the platform (heap). */
u64 heap_reserved(void);
/* Would `bytes` more pass the instance's memory limit? */
bool heap_over_limit(u64 bytes);

#endif
