/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over user or kernel buffers: what read and write operations get.
 */
#ifndef JIFFY_KERNEL_VFS_UIO_H
#define JIFFY_KERNEL_VFS_UIO_H

#include "kernel/cpu/usercopy.h"
#include "kernel/plat/plat.h"

#define UIO_MAX_IOV 1024 /* UIO_MAXIOV */
#define MAX_RW_COUNT (0x7fffffffUL & PAGE_MASK)

struct uio {
	const struct plat_iovec *iov; /* current one first */
	u32 niov;
	bool is_kernel;	       /* bases are kernel addresses */
	bool append;	       /* a write goes to the end, as with O_APPEND */
	bool nowait;	       /* as with O_NONBLOCK */
	u8 sync;	       /* a write as with O_DSYNC (1), O_SYNC (2) */
	u64 done;	       /* bytes already used of iov[0] */
	u64 left;	       /* bytes left in all */
	struct plat_iovec one; /* storage for the single-buffer case */
};

static inline void uio_init_user(struct uio *u, uaddr_t buf, u64 len)
{
	u->one.base = buf;
	u->one.len = MIN(len, MAX_RW_COUNT);
	u->iov = &u->one;
	u->niov = 1;
	u->is_kernel = false;
	u->append = false;
	u->nowait = false;
	u->sync = 0;
	u->done = 0;
	u->left = u->one.len;
}

void uio_init_kernel(struct uio *u, void *buf, u64 len);
void uio_init_iov(struct uio *u, const struct plat_iovec *iov, u32 niov);
/* Copy to (read) or from (write) the buffers and advance; bytes moved, less
 * than n only at the end or a bad page; -EFAULT if nothing could be moved. */
static inline s64 uio_put(struct uio *u, const void *src, u64 n);
static inline s64 uio_get(struct uio *u, void *dst, u64 n);
s64 uio_zero(struct uio *u, u64 n);
void uio_advance(struct uio *u, u64 n);
/* Take back the last n bytes of progress (single and vector cursors). */
void uio_revert(struct uio *u, u64 n);
/* Import an iovec array of the program: *iov is kmalloc'ed (or `fast`, of 8
 * entries, when it fits). 0, -EINVAL, -EFAULT, -ENOMEM. Lengths are clamped to
 * MAX_RW_COUNT as Linux does. */
int uio_import(struct uio *u, uaddr_t iov, u32 niov, struct plat_iovec *fast,
	       struct plat_iovec **alloc);
/* The remaining buffers as an array for the platform (at most max). */
int uio_to_iov(const struct uio *u, struct plat_iovec *out, int max);

s64 uio_put_slow(struct uio *u, const void *src, u64 n);
s64 uio_get_slow(struct uio *u, void *dst, u64 n);

/* All of n lies in one buffer of the program. */
static inline bool uio_is_simple(const struct uio *u, u64 n)
{
	return likely(u->niov == 1 && !u->is_kernel && n <= u->left);
}

static inline void uio_step(struct uio *u, u64 n)
{
	u->done += n;
	u->left -= n;
}

/* What the simple case could not copy whole is tried again, piece by piece. */
static inline s64 uio_put(struct uio *u, const void *src, u64 n)
{
	if (uio_is_simple(u, n) &&
	    likely(!user_copy_out(u->iov->base + u->done, src, n))) {
		uio_step(u, n);
		return (s64)n;
	}
	return uio_put_slow(u, src, n);
}

static inline s64 uio_get(struct uio *u, void *dst, u64 n)
{
	if (uio_is_simple(u, n) &&
	    likely(!user_copy_in(dst, u->iov->base + u->done, n))) {
		uio_step(u, n);
		return (s64)n;
	}
	return uio_get_slow(u, dst, n);
}

#endif
