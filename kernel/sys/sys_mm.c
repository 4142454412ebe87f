/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory mapping calls: mmap and relatives, locking, and the NUMA policies of a
 * machine that has one node.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/mempolicy.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

SYSCALL6(mmap, uaddr_t, addr, u64, len, int, prot, int, flags, int, fd, u64,
	 offset)
{
	struct map_request r = { .addr = addr,
				 .len = len,
				 .prot = prot,
				 .flags = flags,
				 .offset = offset };
	struct fdref ref = { 0 };
	s64 ret;

	if (offset % PAGE_SIZE)
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		ref = fd_get(fd);
		if (!ref.file)
			return -EBADF;
		r.file = ref.file;
	} else {
		r.offset = 0;
	}
	ret = mm_map(&r);
	fd_put(ref);
	return ret;
}

SYSCALL2(munmap, uaddr_t, addr, u64, len)
{
	rseq_drop_range(addr, len);
	return mm_unmap(addr, len);
}

static long protect(uaddr_t addr, u64 len, int prot)
{
	if (!(prot & PROT_WRITE))
		rseq_drop_range(addr, len);
	return mm_protect(addr, len, prot);
}

SYSCALL3(mprotect, uaddr_t, addr, u64, len, int, prot)
{
	return protect(addr, len, prot);
}

SYSCALL4(pkey_mprotect, uaddr_t, addr, u64, len, int, prot, int, pkey)
{
	/* Key -1 is plain mprotect(); no other key can have been allocated. */
	return pkey == -1 ? protect(addr, len, prot) : -EINVAL;
}

SYSCALL2(pkey_alloc, u64, flags, u64, rights)
{
	if (flags || rights & ~3UL)
		return -EINVAL;
	return -ENOSPC; /* as on a processor without protection keys */
}

SYSCALL1(pkey_free, UNUSED int, pkey)
{
	return -EINVAL;
}

SYSCALL1(brk, uaddr_t, brk)
{
	return (long)mm_brk(brk);
}

SYSCALL5(mremap, uaddr_t, old, u64, old_len, u64, new_len, int, flags, uaddr_t,
	 new)
{
	return mm_remap(old, old_len, new_len, flags, new);
}

SYSCALL5(remap_file_pages, uaddr_t, start, u64, len, int, prot, u64, pgoff, int,
	 flags)
{
	if (prot)
		return -EINVAL;
	start = PAGE_DOWN(start);
	len = PAGE_DOWN(len);
	if (start + len <= start || pgoff + (len >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	return mm_remap_file(start, len, pgoff, flags);
}

SYSCALL3(madvise, uaddr_t, addr, u64, len, int, advice)
{
	return mm_advise(addr, len, advice);
}

SYSCALL3(msync, uaddr_t, addr, u64, len, int, flags)
{
	return mm_sync(addr, len, flags);
}

SYSCALL3(mincore, uaddr_t, addr, u64, len, uaddr_t, vec)
{
	return mm_resident(addr, len, vec);
}

static long lock_range(uaddr_t addr, u64 len, int flags)
{
	int err = mm_lock(addr, len, true);

	return err || (flags & MLOCK_ONFAULT) ? err : mm_populate(addr, len);
}

SYSCALL2(mlock, uaddr_t, addr, u64, len)
{
	return lock_range(addr, len, 0);
}

SYSCALL3(mlock2, uaddr_t, addr, u64, len, int, flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return lock_range(addr, len, flags);
}

SYSCALL2(munlock, uaddr_t, addr, u64, len)
{
	return mm_lock(addr, len, false);
}

SYSCALL1(mlockall, int, flags)
{
	return flags ? mm_lock_all(flags) : -EINVAL;
}

SYSCALL0(munlockall)
{
	return mm_lock_all(0);
}

/* --- NUMA policies: one node, so that none has an effect
 * ------------------------- */

#define NODE_BITS_MAX (PAGE_SIZE * 8)

/* Read a node mask: *mask is its first word. -EINVAL if it names nodes that do
 * not exist. */
static int nodes_in(uaddr_t nodes, u64 maxnode, u64 *mask)
{
	*mask = 0;
	maxnode--; /* Linux counts one too many, and 0 as very many */
	if (!nodes || maxnode == 0)
		return 0;
	if (maxnode > NODE_BITS_MAX)
		return -EINVAL;
	for (u64 bit = 0; bit < maxnode; bit += 64) {
		u64 word;
		int err = user_load_u64(&word, nodes + bit / 8);

		if (err)
			return err;
		if (maxnode - bit < 64)
			word &= (1UL << (maxnode - bit)) - 1;
		if (bit == 0)
			*mask = word;
		if (word & ~(bit ? 0UL : 1UL))
			return -EINVAL;
	}
	return 0;
}

static int check_policy(int mode, uaddr_t nodes, u64 maxnode)
{
	int flags = mode & MPOL_MODE_FLAGS;
	u64 mask;
	int err;

	mode &= ~MPOL_MODE_FLAGS;
	if (mode < 0 || mode >= MPOL_MAX ||
	    (flags & MPOL_F_STATIC_NODES && flags & MPOL_F_RELATIVE_NODES))
		return -EINVAL;
	err = nodes_in(nodes, maxnode, &mask);
	if (err)
		return err;
	switch (mode) {
	case MPOL_DEFAULT:
		return mask || flags ? -EINVAL : 0;
	case MPOL_LOCAL:
	case MPOL_PREFERRED:
		return (mode == MPOL_LOCAL && mask) || (!mask && flags)
			       ? -EINVAL
			       : 0;
	default:
		return mask ? 0 : -EINVAL;
	}
}

SYSCALL3(set_mempolicy, int, mode, uaddr_t, nodes, u64, maxnode)
{
	return check_policy(mode, nodes, maxnode);
}

SYSCALL6(mbind, uaddr_t, addr, u64, len, int, mode, uaddr_t, nodes, u64,
	 maxnode, u32, flags)
{
	int err;

	if (flags & ~(u32)MPOL_MF_VALID || addr % PAGE_SIZE ||
	    !user_range_ok(addr, len))
		return -EINVAL;
	err = check_policy(mode, nodes, maxnode);
	if (err || len == 0)
		return err;
	return mm_check_range(addr, len) ? -EFAULT : 0;
}

SYSCALL5(get_mempolicy, uaddr_t, mode, uaddr_t, nodes, u64, maxnode, uaddr_t,
	 addr, u64, flags)
{
	u64 mask = flags & MPOL_F_MEMS_ALLOWED ? 1 : 0;
	int err = 0;

	if (flags & ~(u64)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (nodes && maxnode < 1)
		return -EINVAL;
	if ((flags & MPOL_F_MEMS_ALLOWED) && (flags & ~MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (flags & MPOL_F_ADDR) {
		if (mm_check_range(PAGE_DOWN(addr), 1))
			return -EFAULT;
	} else if (addr || (flags & MPOL_F_NODE)) {
		return -EINVAL;
	}
	if (mode) /* the node, or MPOL_DEFAULT: both are 0 */
		err = user_store_u32(mode, 0);
	for (u64 bit = 0; !err && nodes && bit + 1 < maxnode; bit += 64) {
		if (bit >= NODE_BITS_MAX)
			return -EINVAL;
		err = user_store_u64(nodes + bit / 8, bit ? 0 : mask);
	}
	return err;
}
