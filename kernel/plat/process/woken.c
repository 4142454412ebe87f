/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of host processes that are made again from a checkpoint
 * (docs/design/007-snapshots.md): their mappings as they were, the pages that
 * are read into them, the runs that are mapped from the file. Where the latter
 * still are is in a list that each host process has for itself, in private
 * memory, which fork copies; how long it is, in its plat_space. Who changes
 * mappings holds the lock of the mm.
 */
#include <linux/mman.h>

#include "abi/boot.h"
#include "abi/checkpoint.h"
#include "kernel/cpu/crc32c.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

/* Where the file's tables are mapped while processes are made, where the list
 * is, and where memory is prepared that is to take the place of a run. */
#define TABLES (KERNEL_BOOT_BASE + GIB(2))
#define LIST (KERNEL_BOOT_BASE + GIB(1))
#define SCRATCH (LIST + MIB(512))

#define LIST_MAX (1u << 20)
#define SETTLE_MAX MIB(16) /* at a time */

_Static_assert(TABLES + GIB(1) < KERNEL_SLOTS_BASE, "layout");
_Static_assert(sizeof(struct checkpoint_piece) == sizeof(struct plat_iovec),
	       "pieces are given to the host as they are");

static struct {
	const u32 *sums; /* of the private pages */
	const struct checkpoint_map *maps;
	const struct checkpoint_piece *pieces;
	const struct checkpoint_read *reads;
	const struct checkpoint_run *runs;
	const struct checkpoint_space *spaces;
	u64 nsums, nmaps, npieces, nreads, nruns, nspaces;
	u64 offset, len; /* of all in the file */
	u64 pages;	 /* offset of the first private one */
	s32 fd;
	u32 nusers; /* host processes that still need the file. atomic */
} tables;

static struct range {
	u64 start, end;
} *const list = (struct range *)LIST;

/* --- The tables ---------------------------------------------------------- */

void woken_open(const struct boot_block *b)
{
	/* Side by side, in this order. */
	u64 start = PAGE_DOWN(b->checkpoint_sums.offset);
	u64 end = b->checkpoint_spaces.offset +
		  b->checkpoint_spaces.count * sizeof(*tables.spaces);

	tables.offset = start;
	tables.len = PAGE_UP(end) - start;
#define TABLE(name)                                                           \
	do {                                                                  \
		tables.name = (void *)(TABLES + b->checkpoint_##name.offset - \
				       start);                                \
		tables.n##name = b->checkpoint_##name.count;                  \
	} while (0)
	TABLE(sums);
	TABLE(maps);
	TABLE(pieces);
	TABLE(reads);
	TABLE(runs);
	TABLE(spaces);
#undef TABLE
	tables.pages = b->checkpoint_pages;
	tables.fd = b->checkpoint_fd;
}

int woken_map(void)
{
	s64 at = hostcall(__NR_mmap, TABLES, tables.len, PROT_READ,
			  MAP_PRIVATE | MAP_FIXED, tables.fd, tables.offset);

	return at < 0 ? (int)at : 0;
}

void woken_unmap(void)
{
	hostcall(__NR_munmap, TABLES, tables.len);
}

void woken_expect(u32 n)
{
	tables.nusers = n;
}

/* Descriptors are common to all. */
void woken_put(void)
{
	if (atomic_fetch_sub(&tables.nusers, 1) == 1)
		hostcall(__NR_close, tables.fd);
}

u32 woken_find(s32 key, u32 *next)
{
	u32 n = (u32)tables.nspaces;

	for (u32 k = 0; k < n; k++) {
		u32 i = *next < n ? *next : 0;

		*next = i + 1;
		if (tables.spaces[i].host_pid == key)
			return i;
	}
	return ~0U;
}

/* --- Making -------------------------------------------------------------- */

static int make_map(const struct checkpoint_map *m)
{
	u64 flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, prot = m->prot;
	s32 fd = -1;
	s64 at;

	if (m->start < USER_START || m->len > USER_END - m->start)
		return -EINVAL;
	if (m->is_filled)
		prot |= PROT_READ | PROT_WRITE;
	switch ((enum checkpoint_backing)m->backing) {
	case CHECKPOINT_ANON:
		flags |= MAP_ANONYMOUS;
		break;
	case CHECKPOINT_IMAGE:
		fd = plat_state.image_fd;
		break;
	case CHECKPOINT_CACHE_SHARED:
		flags ^= MAP_PRIVATE | MAP_SHARED;
		fd = plat_state.cache_fd;
		break;
	case CHECKPOINT_CACHE_COW:
		fd = plat_state.cache_fd;
		lazy_take(m->offset, m->len);
		break;
	}
	at = hostcall(__NR_mmap, m->start, m->len, prot, flags, fd, m->offset);
	if (at >= 0 && m->backing == CHECKPOINT_CACHE_SHARED && nlazy)
		at = lazy_hide(m->start, m->offset, m->len, m->prot);
	return at < 0 ? (int)at : 0;
}

/* What was read of the file from `offset` on, against its sums. */
static int check_pages(const struct checkpoint_read *r)
{
	const struct checkpoint_piece *p = tables.pieces + r->first_piece;
	u64 first = (r->offset - tables.pages) / PAGE_SIZE;
	const u32 *sum = tables.sums + first;

	if (first > tables.nsums || r->len / PAGE_SIZE > tables.nsums - first)
		return -EINVAL;
	for (const struct checkpoint_piece *end = p + r->npieces; p < end; p++)
		for (u64 at = 0; at < p->len; at += PAGE_SIZE)
			if (~crc32c(~0U, (const u8 *)p->start + at,
				    PAGE_SIZE) != *sum++)
				return -EBADMSG;
	return 0;
}

static int read_pages(const struct checkpoint_read *r)
{
	s64 n;

	if (r->first_piece > tables.npieces ||
	    r->npieces > tables.npieces - r->first_piece)
		return -EINVAL;
	n = hostcall(__NR_preadv2, tables.fd, tables.pieces + r->first_piece,
		     r->npieces, r->offset, 0, 0);
	if (n < 0)
		return (int)n;
	return (u64)n == r->len ? check_pages(r) : -EIO;
}

static int map_run(struct plat_space *space, const struct checkpoint_run *r,
		   u32 prot)
{
	s64 at = hostcall(__NR_mmap, r->start, r->len, prot,
			  MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, tables.fd,
			  r->offset);

	if (at < 0)
		return (int)at;
	if (space->nwoken == LIST_MAX)
		return -ENOMEM;
	list[space->nwoken++] = (struct range){ r->start, r->start + r->len };
	return 0;
}

static int map_runs(struct plat_space *space, const struct checkpoint_space *s)
{
	const struct checkpoint_map *m = tables.maps + s->first_map;
	const struct checkpoint_map *end = m + s->nmaps;
	const struct checkpoint_run *r = tables.runs + s->first_run;
	s64 at;

	if (!s->nruns)
		return 0;
	at = hostcall(__NR_mmap, LIST, LIST_MAX * sizeof(*list),
		      PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		      -1, 0);
	for (u32 i = 0; i < s->nruns && at >= 0; i++, r++) {
		while (m < end && m->start + m->len <= r->start)
			m++;
		at = m < end ? map_run(space, r, m->prot) : -EINVAL;
	}
	return at < 0 ? (int)at : 0;
}

static int make(struct plat_space *space, const struct checkpoint_space *s)
{
	const struct checkpoint_map *m = tables.maps + s->first_map;
	s64 err = 0;

	if (s->first_map > tables.nmaps ||
	    s->nmaps > tables.nmaps - s->first_map ||
	    s->first_read > tables.nreads ||
	    s->nreads > tables.nreads - s->first_read ||
	    s->first_run > tables.nruns ||
	    s->nruns > tables.nruns - s->first_run)
		return -EINVAL;
	for (u32 i = 0; i < s->nmaps && !err; i++)
		err = make_map(&m[i]);
	for (u32 i = 0; i < s->nreads && !err; i++)
		err = read_pages(&tables.reads[s->first_read + i]);
	for (u32 i = 0; i < s->nmaps && !err; i++)
		if (m[i].is_filled && (~m[i].prot & (PROT_READ | PROT_WRITE)))
			err = hostcall(__NR_mprotect, m[i].start, m[i].len,
				       m[i].prot);
	return err ? (int)err : map_runs(space, s);
}

int woken_make(struct plat_space *space, u32 entry)
{
	space->nwoken = 0;
	if (entry == ~0U)
		return 0; /* a shell: it has none */
	return make(space, &tables.spaces[entry]);
}

/* --- The list ------------------------------------------------------------ */

/* The first range that ends after addr. */
static u32 find(u32 n, uaddr_t addr)
{
	u32 low = 0;

	while (low < n) {
		u32 mid = low + (n - low) / 2;

		if (list[mid].end > addr)
			n = mid;
		else
			low = mid + 1;
	}
	return low;
}

void woken_cut_slow(struct plat_space *space, uaddr_t start, uaddr_t end)
{
	u32 n = space->nwoken, i = find(n, start), k;

	if (i < n && list[i].start < start && list[i].end > end) {
		if (n == LIST_MAX)
			return; /* more than there is does no harm */
		memmove(list + i + 1, list + i, (n - i) * sizeof(*list));
		list[i].end = start;
		list[i + 1].start = end;
		space->nwoken = n + 1;
		return;
	}
	if (i < n && list[i].start < start)
		list[i++].end = start;
	for (k = i; k < n && list[k].end <= end;)
		k++;
	if (k < n && list[k].start < end)
		list[k].start = end;
	memmove(list + i, list + k, (n - k) * sizeof(*list));
	space->nwoken = n - (k - i);
}

bool plat_woken_part(uaddr_t *start, uaddr_t *end)
{
	u32 n = slot_of_host()->space->nwoken, i;

	if (likely(!n))
		return false;
	i = find(n, *start);
	if (*start >= *end || i >= n || list[i].start >= *end)
		return false;
	*start = MAX(*start, list[i].start);
	*end = MIN(*end, list[i].end);
	return true;
}

/* While it is copied nobody can write to it: whoever tries faults, and waits
 * for the lock of the mm. */
static int settle_part(uaddr_t at, u64 len, int prot)
{
	s64 err = hostcall(
		__NR_mmap, SCRATCH, len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	if (err >= 0)
		err = plat_protect(at, len, PROT_READ);
	if (!err)
		err = user_copy_in_locked((void *)SCRATCH, at, len);
	if (!err)
		err = hostcall(__NR_mprotect, SCRATCH, len, prot);
	if (!err)
		err = hostcall(__NR_mremap, SCRATCH, len, len,
			       MREMAP_MAYMOVE | MREMAP_FIXED, at);
	if (err >= 0) {
		woken_cut(at, len);
		return 0;
	}
	(void)hostcall(__NR_munmap, SCRATCH, len);
	(void)plat_protect(at, len, prot);
	return (int)err;
}

int plat_woken_settle(uaddr_t addr, u64 len, int prot)
{
	uaddr_t end = addr + len, to = end;

	for (; plat_woken_part(&addr, &to); to = end) {
		u64 n = MIN(to - addr, SETTLE_MAX);
		int err = settle_part(addr, n, prot);

		if (err)
			return err;
		addr += n;
	}
	return 0;
}
