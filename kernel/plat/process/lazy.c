/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page cache that a wake has left in the checkpoint
 * (docs/design/007-snapshots.md). Wherever such a part would be mapped, the
 * cache object is mapped past its end instead, with the same rights: a touch
 * gives SIGBUS, the host's calls give -EFAULT, and whoever looks at the host's
 * list of mappings finds all there is to know. A chunk is taken out of the file
 * by the first who needs it, under one lock, before anybody maps it.
 *
 * Invariant: who has a chunk mapped for use has seen it taken.
 */
#include <linux/mman.h>

#include "abi/checkpoint.h"
#include "kernel/cpu/crc32c.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

#define FILE_BASE 0x00007f0000000000UL /* of the file's mapping, read-only */
#define FILE_MAX TIB(1)
/* Past the end of the cache object, which is as large as its window. */
#define PAST KERNEL_CACHE_SIZE
#define CHUNK ((u64)CHECKPOINT_CHUNK)
#define RANGES_MAX 128
#define GAP_MIN KIB(256) /* hidden with its neighbours */
#define TRIES 16

_Static_assert(FILE_BASE >= KERNEL_IMAGE_BASE + KERNEL_IMAGE_SIZE, "layout");

u32 nlazy;

static struct {
	const struct checkpoint_extent *extents;
	u64 size; /* of the file */
	u32 lock; /* 0: free, 1: taken, 2: and waited for. atomic */
	u32 nranges;
	struct range {
		u64 start, end;
	} ranges[RANGES_MAX]; /* of the object, in order: hidden */
} lazy;

static struct boot_block *boot(void)
{
	return (struct boot_block *)KERNEL_BOOT_BASE;
}

/* --- Taking --------------------------------------------------------------- */

static void lock(void)
{
	u32 free = 0;

	if (likely(atomic_cmpxchg(&lazy.lock, &free, 1)))
		return;
	while (atomic_xchg(&lazy.lock, 2))
		host_wait(&lazy.lock, 2);
}

static void unlock(void)
{
	if (unlikely(atomic_xchg(&lazy.lock, 0) == 2))
		plat_wake(&lazy.lock, 1);
}

static bool is_taken(u32 i)
{
	return atomic_load_acquire(&boot()->taken[i / 64]) >> i % 64 & 1;
}

static void note_taken(u32 i)
{
	atomic_fetch_or(&boot()->taken[i / 64], 1UL << i % 64);
}

/* The first extent that ends after `offset`. */
static u32 find(u64 offset)
{
	u32 low = 0, high = nlazy;

	while (low < high) {
		u32 mid = low + (high - low) / 2;

		if (lazy.extents[mid].at + lazy.extents[mid].len > offset)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* By a call of the host, so that nobody can see a part of it. */
static void take(u32 i)
{
	const struct checkpoint_extent *x = &lazy.extents[i];
	struct plat_iovec iov = { FILE_BASE + x->offset, x->len };

	if (x->offset > lazy.size || x->len > lazy.size - x->offset ||
	    ~crc32c(~0U, (const u8 *)iov.base, x->len) != x->sum)
		plat_crash("the checkpoint is damaged", NULL);
	if (hostcall(__NR_pwritev, plat_state.cache_fd, &iov, 1, x->at, 0, 0) !=
	    (s64)x->len)
		plat_crash("no memory for the page cache", NULL);
	note_taken(i);
}

void lazy_take_slow(u64 offset, u64 len)
{
	u64 end = ROUND_UP(offset + len, CHUNK);
	u32 i = find(ROUND_DOWN(offset, CHUNK));

	while (i < nlazy && lazy.extents[i].at < end && is_taken(i))
		i++;
	if (i == nlazy || lazy.extents[i].at >= end)
		return;
	lock();
	for (; i < nlazy && lazy.extents[i].at < end; i++)
		if (!is_taken(i))
			take(i);
	unlock();
}

/* --- The kernel's window -------------------------------------------------- */

static s64 map_window(u64 offset, u64 len)
{
	return hostcall(__NR_mmap, KERNEL_CACHE_BASE + offset, len,
			PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			plat_state.cache_fd, offset);
}

/* The part of [*start, *end) that range r hides. */
static bool cut(const struct range *r, u64 *start, u64 *end)
{
	*start = MAX(*start, r->start);
	*end = MIN(*end, r->end);
	return *start < *end;
}

static void show(u64 offset, u64 end)
{
	for (u32 i = 0; i < lazy.nranges; i++) {
		u64 from = ROUND_DOWN(offset, CHUNK), to = ROUND_UP(end, CHUNK);

		if (!cut(&lazy.ranges[i], &from, &to))
			continue;
		lazy_take_slow(from, to - from);
		if (map_window(from, to - from) < 0)
			plat_crash("cannot map the page cache", NULL);
	}
}

void lazy_touch_slow(const struct plat_iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		u64 offset = iov[i].base - KERNEL_CACHE_BASE;

		if (offset < KERNEL_CACHE_SIZE)
			show(offset, offset + iov[i].len);
	}
}

/* Whole chunks need not be taken first. */
void lazy_drop(u64 offset, u64 len)
{
	u64 end = offset + len, first = ROUND_UP(offset, CHUNK);
	u64 last = ROUND_DOWN(end, CHUNK);

	if (offset != first)
		lazy_take_slow(offset, 1);
	if (end != last)
		lazy_take_slow(end, 1);
	lock();
	for (u32 i = find(first); i < nlazy && lazy.extents[i].at < last; i++)
		note_taken(i);
	unlock();
	show(offset, end);
}

bool lazy_fault(struct plat_slot *slot, u64 addr)
{
	u64 offset = addr - KERNEL_CACHE_BASE;
	u32 chunk = (u32)(offset / CHUNK);

	if (!nlazy || offset >= KERNEL_CACHE_SIZE)
		return false;
	if (slot->lazy_chunk != chunk)
		slot->lazy_times = 0;
	slot->lazy_chunk = chunk;
	if (++slot->lazy_times > TRIES) /* the host means it */
		return false;
	show(offset, offset + 1);
	return true;
}

bool plat_memory_short(UNUSED u64 bytes)
{
	return false;
}

bool plat_cache_is_left(void)
{
	return nlazy != 0;
}

/* --- Hiding --------------------------------------------------------------- */

s64 lazy_hide(u64 addr, u64 offset, u64 len, u32 prot)
{
	s64 at = 0;

	for (u32 i = 0; i < lazy.nranges && at >= 0; i++) {
		u64 from = offset, to = offset + len;

		if (cut(&lazy.ranges[i], &from, &to))
			at = hostcall(__NR_mmap, addr + (from - offset),
				      to - from, prot,
				      MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
				      plat_state.cache_fd, PAST + from);
	}
	return at < 0 ? at : 0;
}

/* Few ranges, even if more is hidden than was left. */
static bool find_ranges(u64 gap)
{
	struct range *r = lazy.ranges;

	lazy.nranges = 0;
	for (u32 i = 0; i < nlazy; i++) {
		u64 start = ROUND_DOWN(lazy.extents[i].at, CHUNK);
		u64 end = start + CHUNK;

		if (lazy.nranges && start <= r[lazy.nranges - 1].end + gap) {
			r[lazy.nranges - 1].end = end;
			continue;
		}
		if (lazy.nranges == RANGES_MAX)
			return false;
		r[lazy.nranges++] = (struct range){ start, end };
	}
	return true;
}

void lazy_open(const struct boot_block *b)
{
	u64 gap = GAP_MIN;
	s64 at;

	memset(&lazy, 0, sizeof(lazy));
	nlazy = (u32)b->checkpoint_left.count;
	if (!nlazy)
		return;
	lazy.size = b->checkpoint_size;
	lazy.extents = (void *)(FILE_BASE + b->checkpoint_left.offset);
	at = hostcall(__NR_mmap, FILE_BASE, PAGE_UP(MIN(lazy.size, FILE_MAX)),
		      PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
		      b->checkpoint_fd, 0);
	while (at >= 0 && !find_ranges(gap))
		gap *= 2;
	if (at >= 0)
		at = lazy_hide(KERNEL_CACHE_BASE, 0, KERNEL_CACHE_SIZE,
			       PROT_READ | PROT_WRITE);
	if (at < 0)
		plat_crash("cannot wake: the page cache", NULL);
}
