/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tables: the kernel's own ranges, which all spaces have in common, and
 * finding an entry in anybody's. The top-level entries from KERNEL_BASE up are
 * made once, before the first space, and never change.
 */
#include "abi/boot.h"
#include "kernel/plat/pc/pc.h"

#define TABLE_ENTRIES 512u
#define LARGE_1G (1UL << 30)
#define DEVICE_BASE 0x7d0030000000UL

paddr_t kernel_root;
static struct spin kernel_lock; /* of the kernel's tables below the top */
static u64 device_next = DEVICE_BASE;

static unsigned int index_at(u64 va, unsigned int level)
{
	return (va >> (PAGE_SHIFT + 9 * level)) & (TABLE_ENTRIES - 1);
}

/* The table that *entry points to. */
static u64 *table_of(u64 *entry, bool make)
{
	paddr_t pa;

	if (*entry)
		return *entry & PTE_LARGE ? NULL
					  : physical(*entry & PTE_ADDRESS);
	if (!make)
		return NULL;
	pa = frame_alloc_zeroed();
	if (pa == FRAME_NONE)
		return NULL;
	*entry = pa | PTE_PRESENT | PTE_WRITE;
	return physical(pa);
}

static u64 *entry_find(paddr_t root, u64 va, unsigned int at, bool make)
{
	u64 *table = physical(root);

	for (unsigned int level = 3; level > at; level--) {
		table = table_of(&table[index_at(va, level)], make);
		if (!table)
			return NULL;
	}
	return &table[index_at(va, at)];
}

u64 *pte_find(paddr_t root, u64 va, bool make)
{
	return entry_find(root, va, 0, make);
}

u64 *pde_find(paddr_t root, u64 va, bool make)
{
	return entry_find(root, va, 1, make);
}

/* Down to that level, or to where there is no table; its level in *level. */
static u64 *entry_lowest(paddr_t root, u64 va, unsigned int *level)
{
	u64 *table = physical(root), *next;
	unsigned int at = 3;

	while (at > *level &&
	       (next = table_of(&table[index_at(va, at)], false))) {
		table = next;
		at--;
	}
	*level = at;
	return &table[index_at(va, at)];
}

u64 *pte_next(paddr_t root, u64 *va, u64 end, u64 *size)
{
	while (*va < end) {
		unsigned int level = 0;
		u64 *entry = entry_lowest(root, *va, &level);

		*size = PAGE_SIZE << (9 * level);
		if (*entry)
			return entry;
		/* Past all that the missing entry stands for. */
		*va = (*va | (*size - 1)) + 1;
	}
	return NULL;
}

u64 *pde_next(paddr_t root, u64 *va, u64 end)
{
	while (*va < end) {
		unsigned int level = 1;
		u64 *entry = entry_lowest(root, *va, &level);

		if (*entry)
			return entry;
		*va = (*va | ((PAGE_SIZE << (9 * level)) - 1)) + 1;
	}
	return NULL;
}

static void must_have(const void *p)
{
	if (!p)
		kpanic("no memory for page tables");
}

/* All memory and the 4 GiB of the devices, in pages of 2 MiB. */
static void map_physical(paddr_t end)
{
	u64 *root = physical(kernel_root);
	u64 *pdpt = table_of(&root[PHYSICAL_SLOT], false);

	for (paddr_t at = GIB(4); at < end; at += MIB(2)) {
		u64 *pd = table_of(&pdpt[index_at(at, 2)], true);

		must_have(pd);
		pd[index_at(at, 1)] = at | PTE_PRESENT | PTE_WRITE | PTE_LARGE |
				      PTE_NOEXEC;
	}
}

/* Text can be run, data be written, nothing both. */
static void protect_kernel(void)
{
	u64 *pdpt = table_of((u64 *)physical(kernel_root) + KERNEL_SLOT, false);
	u64 *pd = table_of(&pdpt[0], false);

	pd[0] = (pd[0] & ~PTE_WRITE) | PTE_GLOBAL;
	for (u32 i = 4; i < 8; i++)
		pd[i] |= PTE_NOEXEC | PTE_GLOBAL;
}

void pagetable_init(paddr_t end_of_memory)
{
	u64 *root;

	kernel_root = read_cr3() & PTE_ADDRESS;
	root = physical(kernel_root);
	map_physical(end_of_memory);
	for (u32 i = KERNEL_SLOT; i < TABLE_ENTRIES / 2; i++)
		must_have(table_of(&root[i], true));
	protect_kernel();
	write_cr3(kernel_root);
}

void pagetable_forget_start(void)
{
	u64 *root = physical(kernel_root);

	root[0] = 0;
	cpus_flush_kernel();
}

/* What is filled at the first touch. */
bool is_filled(u64 va)
{
	if (va >= KERNEL_SLOTS_BASE &&
	    va < KERNEL_SLOTS_BASE + KERNEL_SLOTS_MAX * KERNEL_SLOT_SIZE) {
		u64 at = va % SLOT_SIZE;

		return at >= SLOT_STACK ||
		       (at >= SLOT_FPU && at < SLOT_FPU + PAGE_SIZE);
	}
	return (va >= KERNEL_HEAP_BASE &&
		va < KERNEL_HEAP_BASE + KERNEL_HEAP_SIZE) ||
	       (va >= KERNEL_CACHE_BASE &&
		va < KERNEL_CACHE_BASE + KERNEL_CACHE_SIZE);
}

/* Under the lock. The frame that va has then: pa, or, if another CPU was first,
 * its; 0: none. */
static paddr_t fill(u64 va, paddr_t pa)
{
	u64 *pte = pte_find(kernel_root, va, pa != FRAME_NONE);

	if (!pte)
		return 0;
	if (*pte & PTE_PRESENT)
		return *pte & PTE_ADDRESS;
	if (pa == FRAME_NONE)
		return 0;
	*pte = pa | PTE_PRESENT | PTE_WRITE | PTE_NOEXEC | PTE_GLOBAL |
	       PTE_ACCESSED | PTE_DIRTY;
	return pa;
}

bool kernel_page(u64 va)
{
	paddr_t pa, got;

	if (!is_filled(va))
		return false;
	if (kernel_frame(va))
		return true;
	pa = frame_alloc_zeroed();
	spin_take(&kernel_lock);
	got = fill(va, pa);
	spin_give(&kernel_lock);
	if (pa != FRAME_NONE && got != pa)
		frame_put(pa, 0);
	return got != 0;
}

paddr_t kernel_hold(u64 va)
{
	paddr_t pa = 0;
	u64 flags = irq_save();

	/* Not given back, by plat_kernel_discard(), between the two. */
	for (u32 i = 0; !pa && i < 2; i++) {
		spin_take(&kernel_lock);
		pa = fill(va, FRAME_NONE);
		if (pa)
			frame_get(pa);
		spin_give(&kernel_lock);
		if (!pa && !kernel_page(va))
			break;
	}
	irq_restore(flags);
	return pa;
}

paddr_t kernel_frame(u64 va)
{
	const u64 *pte = pte_find(kernel_root, va, false);

	return pte && *pte & PTE_PRESENT ? *pte & PTE_ADDRESS : 0;
}

int kernel_map(u64 va, paddr_t pa, u64 len, u64 flags)
{
	u64 irq = spin_lock(&kernel_lock);
	int err = 0;

	for (u64 at = 0; at < len && !err; at += PAGE_SIZE) {
		u64 *pte = pte_find(kernel_root, va + at, true);

		if (pte)
			*pte = (pa + at) | flags | PTE_PRESENT | PTE_NOEXEC |
			       PTE_GLOBAL;
		else
			err = -ENOMEM;
	}
	spin_unlock(&kernel_lock, irq);
	return err;
}

volatile void *device_map(paddr_t pa, u64 len)
{
	u64 first = PAGE_DOWN(pa), size = PAGE_UP(pa + len) - first;
	u64 va = atomic_fetch_add(&device_next, size);

	if (kernel_map(va, first, size, PTE_WRITE | PTE_NOCACHE))
		kpanic("no memory to map a device");
	return (void *)(va + (pa - first));
}

/* Zero from now on: without its frame, unless programs have that mapped. The
 * frame to be given up, or FRAME_NONE. */
static paddr_t discard_page(u64 va)
{
	u64 *pte = pte_find(kernel_root, va, false);
	paddr_t pa = pte ? *pte & PTE_ADDRESS : 0;

	if (!pte || !(*pte & PTE_PRESENT))
		return FRAME_NONE;
	if (!frame_is_own(pa)) {
		memset(physical(pa), 0, PAGE_SIZE);
		return FRAME_NONE;
	}
	*pte = 0;
	return pa;
}

#define BATCH 64u

void plat_kernel_discard(void *addr, u64 len)
{
	u64 end = (u64)addr + len, va = (u64)addr, size;
	paddr_t given[BATCH];
	u32 n;

	do {
		for (n = 0; n < BATCH && pte_next(kernel_root, &va, end, &size);
		     va += PAGE_SIZE) {
			u64 flags = spin_lock(&kernel_lock);

			given[n] = discard_page(va);
			n += given[n] != FRAME_NONE;
			spin_unlock(&kernel_lock, flags);
		}
		if (n)
			cpus_flush_kernel();
		for (u32 i = 0; i < n; i++)
			frame_put(given[i], 0);
	} while (n == BATCH);
}

/* Under the lock: unmapped, if it is idle; the frame to be given up. */
static paddr_t take_idle(u64 *pte)
{
	paddr_t pa = *pte & PTE_ADDRESS;

	if (!(*pte & PTE_PRESENT) || !frame_is_own(pa))
		return FRAME_NONE;
	if (*pte & PTE_ACCESSED) {
		atomic_fetch_and(pte, ~PTE_ACCESSED);
		return FRAME_NONE;
	}
	atomic_store(pte, 0UL);
	return pa;
}

u32 kernel_reclaim(u64 *va, u64 end, u32 want)
{
	paddr_t given[BATCH];
	u64 *pte, size;
	u32 n = 0;

	want = MIN(want, BATCH);
	for (; n < want && (pte = pte_next(kernel_root, va, end, &size));
	     *va += PAGE_SIZE) {
		u64 flags = spin_lock(&kernel_lock);

		given[n] = take_idle(pte);
		n += given[n] != FRAME_NONE;
		spin_unlock(&kernel_lock, flags);
	}
	/* Also for what is to be noticed from now on. */
	cpus_flush_kernel();
	for (u32 i = 0; i < n; i++)
		frame_put(given[i], 0);
	return n;
}

void plat_kernel_populate(void *addr, u64 len)
{
	u64 end = (u64)addr + len;

	for (u64 va = PAGE_DOWN((u64)addr); va < end; va += PAGE_SIZE) {
		u64 flags = irq_save();

		kernel_page(va);
		irq_restore(flags);
	}
}

paddr_t root_new(void)
{
	paddr_t pa = frame_alloc_zeroed();
	u64 *to, *from = physical(kernel_root);

	if (pa == FRAME_NONE)
		return pa;
	to = physical(pa);
	memcpy(to + KERNEL_SLOT, from + KERNEL_SLOT,
	       (TABLE_ENTRIES - KERNEL_SLOT) * sizeof(*to));
	return pa;
}

/* The tables themselves; the pages were given up before. */
static void free_tables(u64 *table, unsigned int level, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (!(table[i] & PTE_PRESENT) || table[i] & PTE_LARGE)
			continue;
		if (level > 1)
			free_tables(physical(table[i] & PTE_ADDRESS), level - 1,
				    TABLE_ENTRIES);
		frame_put(table[i] & PTE_ADDRESS, 0);
	}
}

void root_free(paddr_t root)
{
	free_tables(physical(root), 3, KERNEL_SLOT);
	frame_put(root, 0);
}
