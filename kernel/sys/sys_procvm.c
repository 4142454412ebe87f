/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_vm_readv and process_vm_writev: a thread of the other process copies
 * to or from a buffer of the kernel's, a page at a time.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/fs/procfs.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/uio.h"

#define FAST_IOV 8

/* One piece, at most a page. Bytes, 0 or -errno. */
static s64 copy_piece(struct mm *mm, struct uio *u, uaddr_t at, u32 n, u8 *buf,
		      bool is_write)
{
	s64 got;

	if (!user_range_ok(at, n))
		return -EFAULT;
	if (is_write) {
		got = uio_get(u, buf, n);
		if (got <= 0)
			return got;
		got = mm_remote(mm, MM_REMOTE_WRITE, at, buf, (u32)got);
	} else {
		got = mm_remote(mm, MM_REMOTE_READ, at, buf, n);
		if (got > 0)
			got = uio_put(u, buf, (u64)got);
	}
	return got == 0 || got == -EIO ? -EFAULT : got;
}

static s64 copy_range(struct mm *mm, struct uio *u, struct plat_iovec far,
		      u8 *buf, bool is_write)
{
	s64 total = 0;

	while (far.len && u->left) {
		u64 want = MIN(far.len, u->left);
		s64 n;

		want = MIN(want, (u64)MM_REMOTE_MAX);
		n = copy_piece(mm, u, far.base, (u32)want, buf, is_write);
		if (n < 0)
			return total ? total : n;
		total += n;
		far.base += (u64)n;
		far.len -= (u64)n;
		if ((u64)n < want)
			break;
	}
	return total;
}

static s64 copy_all(struct mm *mm, struct uio *u, uaddr_t iov, u64 niov,
		    bool is_write)
{
	u8 *buf = kmalloc(MM_REMOTE_MAX);
	struct plat_iovec far;
	s64 total = 0, n = 0;

	if (!buf)
		return -ENOMEM;
	for (u64 i = 0; i < niov && u->left; i++) {
		n = user_get(&far, iov + i * sizeof(far)) ? -EFAULT : 0;
		if (!n)
			n = copy_range(mm, u, far, buf, is_write);
		if (n < 0)
			break;
		total += n;
		if ((u64)n < far.len)
			break;
	}
	kfree(buf);
	return total ? total : n;
}

/* The space of a process that the caller may look into, with a reference. */
static int space_of(s32 pid, struct mm **mm)
{
	struct process *p = process_find(pid);

	if (!p)
		return -ESRCH;
	if (procfs_may_inspect(p)) {
		process_put(p);
		return -EPERM;
	}
	*mm = procfs_mm(p);
	process_put(p);
	return *mm ? 0 : -ESRCH;
}

struct far_iov {
	uaddr_t at;
	u64 n;
};

static s64 transfer(s32 pid, uaddr_t near, u64 nnear, struct far_iov far,
		    bool is_write)
{
	struct plat_iovec fast[FAST_IOV], *alloc = NULL;
	struct mm *mm = NULL;
	struct uio u;
	s64 ret;

	if (nnear > UIO_MAX_IOV)
		return -EINVAL;
	ret = uio_import(&u, near, (u32)nnear, fast, &alloc);
	/* With nothing to copy Linux does not look at the far side at all. */
	if (!ret && u.left && far.n)
		ret = far.n > UIO_MAX_IOV ? -EINVAL : space_of(pid, &mm);
	if (!ret && mm)
		ret = copy_all(mm, &u, far.at, far.n, is_write);
	if (mm)
		mm_put(mm);
	kfree(alloc);
	return ret;
}

SYSCALL6(process_vm_readv, s32, pid, uaddr_t, near, u64, nnear, uaddr_t, far,
	 u64, nfar, u64, flags)
{
	struct far_iov f = { far, nfar };

	return flags ? -EINVAL : transfer(pid, near, nnear, f, false);
}

SYSCALL6(process_vm_writev, s32, pid, uaddr_t, near, u64, nnear, uaddr_t, far,
	 u64, nfar, u64, flags)
{
	struct far_iov f = { far, nfar };

	return flags ? -EINVAL : transfer(pid, near, nnear, f, true);
}
