/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of whole pages of the kernel heap, and the descriptor of each page.
 * Called by heap.c only; everybody else uses heap.h.
 */
#ifndef JIFFY_KERNEL_MM_PAGES_H
#define JIFFY_KERNEL_MM_PAGES_H

#include "kernel/mm/mm_int.h"

enum page_kind { PAGE_UNUSED, PAGE_FREE, PAGE_RUN, PAGE_SLAB };

/* What is known of a heap page. Of a run, the first page's descriptor counts;
 * the last page of a free run carries its length, too. */
struct page_desc {
	u32 next, prev; /* index + 1 in the list it is on, or 0 */
	u32 npages;	/* of the run */
	u8 kind;	/* enum page_kind */
	u8 class;	/* PAGE_SLAB: size class. PAGE_FREE: 1 if dirty */
	u16 free_head;	/* slab: first freed object in grains, + 1 */
	u16 nused;	/* slab: objects handed out */
	u16 ncarved;	/* slab: objects that were ever handed out */
};

static inline struct page_desc *page_desc(u32 index)
{
	return (struct page_desc *)HEAP_DATA_BASE - 1 - index;
}

static inline void *page_address(u32 index)
{
	return (void *)(HEAP_DATA_BASE + ((u64)index << PAGE_SHIFT));
}

static inline u32 page_index(const void *p)
{
	return (u32)(((u64)p - HEAP_DATA_BASE) >> PAGE_SHIFT);
}

void pages_init(void);
/* n adjacent pages, contents undefined; kind is PAGE_RUN. False: limit. */
bool pages_alloc(u32 n, u32 *index);
void pages_free(u32 index, u32 n);
/* Pages in PAGE_RUN runs, number of those runs, bytes taken from the platform
 * and not given back. */
void pages_stats(u64 *run_pages, u64 *nruns, u64 *reserved);

#endif
