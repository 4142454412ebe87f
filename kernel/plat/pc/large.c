/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of 2 MiB for private zero memory: given at the first write to a block
 * that lies in one region, while memory is plentiful. They stay whole over a
 * fork and are copied whole, or cut into small ones where memory is short or a
 * mapping begins or ends in the middle. All under the space's lock.
 */
#include "kernel/plat/pc/pc.h"

#define BLOCK_START(va) ROUND_DOWN((va), LARGE_PAGE)
#define PLENTY (MIB(64) / PAGE_SIZE)
#define PLENTY_ASKED (MIB(16) / PAGE_SIZE)

/* Much is left: who asked for large pages gets them longer. */
static bool is_plenty(const struct region *r)
{
	u64 left = frames_free(), total = frames_total();

	if (r->flags & REGION_HUGE)
		return left > MAX(total / 16, PLENTY_ASKED);
	return left > MAX(total / 4, PLENTY);
}

static paddr_t alloc(const struct region *r)
{
	return is_plenty(r) ? frame_alloc_large() : FRAME_NONE;
}

bool large_fill(struct plat_space *s, const struct region *r, u64 *pde, u64 va,
		u64 flags)
{
	u64 start = BLOCK_START(va);
	paddr_t pa;

	if (*pde || r->backing != PLAT_ANON || r->flags & REGION_NOHUGE ||
	    start < r->start || start + LARGE_PAGE > r->end)
		return false;
	pa = alloc(r);
	if (pa == FRAME_NONE)
		return false;
	memset(physical(pa), 0, LARGE_PAGE);
	*pde = pa | flags | PTE_WRITE | PTE_LARGE | PTE_COUNTED | PTE_PRIVATE;
	s->nprivate += LARGE_PAGE / PAGE_SIZE;
	return true;
}

bool large_unshare(struct plat_space *s, const struct region *r, u64 *pde,
		   u64 va)
{
	u64 old = *pde, start = BLOCK_START(va);
	paddr_t from = old & PTE_ADDRESS, pa;

	if (frame_is_own(from)) {
		*pde = old | PTE_WRITE;
		return true;
	}
	pa = alloc(r);
	if (pa == FRAME_NONE)
		return false;
	memcpy(physical(pa), physical(from), LARGE_PAGE);
	*pde = (old & ~PTE_ADDRESS) | pa | PTE_WRITE;
	cpus_flush_space(s, start, start + LARGE_PAGE);
	frame_put(from, 0);
	return true;
}

int large_cut(struct plat_space *s, u64 *pde, u64 va)
{
	u64 old = *pde, start = BLOCK_START(va);
	paddr_t pa = old & PTE_ADDRESS, table = frame_alloc(0);
	u64 flags = old & ~(PTE_ADDRESS | PTE_LARGE);
	u64 *entries;

	if (table == FRAME_NONE)
		return -ENOMEM;
	entries = physical(table);
	for (u64 i = 0; i < LARGE_PAGE / PAGE_SIZE; i++)
		entries[i] = (pa + i * PAGE_SIZE) | flags;
	/* No CPU may know it by both sizes. */
	*pde = 0;
	cpus_flush_space(s, start, start + LARGE_PAGE);
	frame_cut_large(pa);
	*pde = table | PTE_PRESENT | PTE_WRITE;
	return 0;
}

int large_cut_at(struct plat_space *s, u64 va)
{
	u64 *pde = IS_ALIGNED(va, LARGE_PAGE) ? NULL
					      : pde_find(s->root, va, false);

	return pde && *pde & PTE_LARGE ? large_cut(s, pde, va) : 0;
}
