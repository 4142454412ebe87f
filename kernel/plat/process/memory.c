/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the program: plat.h group 1 by host mappings of the current host
 * process. The kernel's own ranges are the same shared objects everywhere.
 */
#include <linux/mman.h>

#include "abi/broker.h"
#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

static int host_prot(int prot)
{
	/* Same bits; what cannot be read cannot be run on x86 anyway. */
	return prot & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

int plat_map(uaddr_t addr, u64 len, int prot, enum plat_backing backing,
	     u64 offset)
{
	u64 flags = MAP_FIXED | MAP_NORESERVE;
	s64 fd = -1;
	s64 at;

	kassert(addr + len <= USER_END && addr + len > addr);
	switch (backing) {
	case PLAT_ANON:
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		offset = 0;
		break;
	case PLAT_CACHE:
		flags |= MAP_SHARED;
		fd = plat_state.cache_fd;
		lazy_take(offset, len);
		break;
	case PLAT_CACHE_COW:
		flags |= MAP_PRIVATE;
		fd = plat_state.cache_fd;
		lazy_take(offset, len);
		break;
	case PLAT_IMAGE:
		flags |= MAP_PRIVATE;
		fd = plat_state.image_fd;
		break;
	}
	at = hostcall(__NR_mmap, addr, len, host_prot(prot), flags, fd, offset);
	if (at < 0)
		return (int)at;
	woken_cut(addr, len);
	return 0;
}

int plat_unmap(uaddr_t addr, u64 len)
{
	s64 err;

	kassert(addr + len <= USER_END && addr + len > addr);
	err = hostcall(__NR_munmap, addr, len);
	if (!err)
		woken_cut(addr, len);
	return (int)err;
}

int plat_protect(uaddr_t addr, u64 len, int prot)
{
	kassert(addr + len <= USER_END && addr + len > addr);
	return (int)hostcall(__NR_mprotect, addr, len, host_prot(prot));
}

int plat_move(uaddr_t from, u64 len, uaddr_t to, u64 new_len)
{
	s64 at;

	kassert(from + len <= USER_END && to + new_len <= USER_END);
	if (from == to)
		at = hostcall(__NR_mremap, from, len, new_len, 0, 0);
	else
		at = hostcall(__NR_mremap, from, len, new_len,
			      MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (at < 0)
		return (int)at;
	if (from != to) {
		woken_cut(from, len);
		woken_cut(to, new_len);
	}
	return 0;
}

int plat_advise(uaddr_t addr, u64 len, enum plat_advice advice)
{
	static const u8 host_advice[] = {
		[PLAT_DONTNEED] = MADV_DONTNEED,
		[PLAT_FREE] = MADV_FREE,
		[PLAT_HUGE] = MADV_HUGEPAGE,
		[PLAT_NOHUGE] = MADV_NOHUGEPAGE,
		[PLAT_WIPEONFORK] = MADV_WIPEONFORK,
		[PLAT_KEEPONFORK] = MADV_KEEPONFORK,
		[PLAT_DONTFORK] = MADV_DONTFORK,
		[PLAT_DOFORK] = MADV_DOFORK,
		[PLAT_WILLNEED] = MADV_WILLNEED,
	};

	kassert(addr + len <= USER_END);
	return (int)hostcall(__NR_madvise, addr, len, host_advice[advice]);
}

int plat_resident(uaddr_t addr, u64 npages, u8 *vec)
{
	uaddr_t end = addr + npages * PAGE_SIZE, at = addr, to = end;
	s64 err = hostcall(__NR_mincore, addr, npages * PAGE_SIZE, vec);

	for (u64 i = 0; !err && i < npages; i++)
		vec[i] &= 1;
	/* Of the program's own pages none is ever away. */
	for (; !err && plat_woken_part(&at, &to); at = to, to = end)
		memset(vec + (at - addr) / PAGE_SIZE, 1, (to - at) / PAGE_SIZE);
	return (int)err;
}

void plat_kernel_discard(void *addr, u64 len)
{
	s64 err;

	/* A hole would break a large page up. */
	if (dense_overlaps((u64)addr, len)) {
		memset(addr, 0, len);
		return;
	}
	if (unlikely(nlazy) &&
	    (u64)addr - KERNEL_CACHE_BASE < KERNEL_CACHE_SIZE)
		lazy_drop((u64)addr - KERNEL_CACHE_BASE, len);
	err = hostcall(__NR_madvise, addr, len, MADV_REMOVE);

	/* Whoever relies on zeros must have them. */
	if (err)
		memset(addr, 0, len);
}

void plat_kernel_populate(void *addr, u64 len)
{
	(void)hostcall(__NR_madvise, addr, len, MADV_POPULATE_WRITE);
}

/* The host maps whole folios, up to 2 MiB each, around every byte looked at. */
void plat_image_forget(void)
{
	u64 size = ((struct boot_block *)KERNEL_BOOT_BASE)->image_size;

	if (size)
		(void)hostcall(__NR_madvise, KERNEL_IMAGE_BASE, PAGE_UP(size),
			       MADV_DONTNEED);
}

/* The host tells it only through /proc, which is out of reach behind the
 * filter: the monitor looks. 0 if it cannot. */
u64 plat_space_rss(struct plat_space *space)
{
	struct broker_request request = { .op = BROKER_MEMORY };
	struct broker_reply reply = { .error = 0 };
	s32 pid = atomic_load(&space->host_pid);

	if (!pid)
		return 0;
	request.arg = (u32)pid;
	if (plat_broker_call(&request, sizeof(request), &reply, sizeof(reply),
			     NULL, 0) != sizeof(reply) ||
	    reply.error)
		return 0;
	return KIB(reply.arg);
}
