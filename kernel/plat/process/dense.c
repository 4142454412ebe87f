/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel in large pages. Every host process has to fault in each page of
 * the kernel that it touches and to give it back at its end, which is much of
 * what a short-lived process costs. An instance that has started many pays once
 * for large pages of what all of them touch: data, the first slots, the
 * beginning of the heap, and a copy of the kernel's text.
 */
#include <linux/mman.h>

#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

#define AFTER 32u	   /* host processes: servers with workers need fewer */
#define LIMIT_MIN MIB(256) /* no 8 MiB off a small memory limit */

/* Where the mapping of the copy is prepared. */
#define STAGE (KERNEL_BASE + KERNEL_IMAGE_MAX / 2)

static struct {
	u32 nstarts;
	u32 is_made;  /* what follows is valid */
	bool has_hot; /* in a large page */
	bool has_text;
	u64 hot; /* large page of the heap */
} dense;

void plat_kernel_hot(void *addr)
{
	dense.hot = (u64)addr & ~(LARGE_PAGE - 1);
}

static bool collapse(u64 at)
{
	atomic_fetch_or((u32 *)at, 0); /* the host refuses a mere hole */
	return hostcall(__NR_madvise, at, LARGE_PAGE, MADV_COLLAPSE) == 0;
}

static void dense_make(void)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;
	u64 limit = b->memory_limit;
	u64 text = (u64)kernel_rodata_end - KERNEL_BASE;

	if (limit && limit < LIMIT_MIN)
		return;
	(void)collapse(KERNEL_DATA_BASE);
	(void)collapse(KERNEL_SLOTS_BASE);
	dense.has_hot = dense.hot && collapse(dense.hot);
	dense.has_text = text <= LARGE_PAGE && collapse(DENSE_COPY);
	if (dense.has_text) {
		memcpy((void *)DENSE_COPY, (const void *)KERNEL_BASE, text);
		b->unneeded.offset = DENSE_COPY - (u64)kernel_data_start;
		b->unneeded.len = LARGE_PAGE;
	}
	atomic_store_release(&dense.is_made, 1);
}

/* Its memory is in small pages, without the copy. */
void dense_forget(void)
{
	struct boot_block *b = (struct boot_block *)KERNEL_BOOT_BASE;

	dense.nstarts = 0;
	dense.is_made = 0;
	dense.has_hot = dense.has_text = false;
	b->unneeded.len = 0;
}

/* Move a mapping of the copy over the text: whoever runs there sees the same
 * instructions before and after. */
static void dense_adopt(struct plat_space *space)
{
	s64 err;

	if (atomic_xchg(&space->is_dense, true) || !dense.has_text)
		return;
	/* An old length of 0: a second mapping of the same pages. */
	err = hostcall(__NR_mremap, DENSE_COPY, 0, LARGE_PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED, STAGE);
	if (err < 0)
		return;
	err = hostcall(__NR_mprotect, STAGE, LARGE_PAGE, PROT_READ | PROT_EXEC);
	if (!err)
		err = hostcall(__NR_mremap, STAGE, LARGE_PAGE, LARGE_PAGE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, KERNEL_BASE);
	if (err < 0)
		(void)hostcall(__NR_munmap, STAGE, LARGE_PAGE);
}

void dense_start(struct plat_space *space)
{
	if (atomic_load_acquire(&dense.is_made)) {
		if (unlikely(!atomic_load(&space->is_dense)))
			dense_adopt(space);
	} else if (atomic_fetch_add(&dense.nstarts, 1) == AFTER) {
		dense_make();
	}
}

bool dense_overlaps(u64 at, u64 len)
{
	return atomic_load_acquire(&dense.is_made) && dense.has_hot &&
	       at < dense.hot + LARGE_PAGE && at + len > dense.hot;
}
