/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors over the buffers of read and write calls: user or kernel memory, one
 * buffer or a vector. Used by every file's read and write on its own thread.
 */
#include "kernel/vfs/uio.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define FAST_IOV 8

void uio_init_kernel(struct uio *u, void *buf, u64 len)
{
	u->one.base = (u64)buf;
	u->one.len = len;
	u->iov = &u->one;
	u->niov = 1;
	u->is_kernel = true;
	u->append = false;
	u->nowait = false;
	u->sync = 0;
	u->done = 0;
	u->left = len;
}

void uio_init_iov(struct uio *u, const struct plat_iovec *iov, u32 niov)
{
	u->iov = iov;
	u->niov = niov;
	u->is_kernel = false;
	u->append = false;
	u->nowait = false;
	u->sync = 0;
	u->done = 0;
	u->left = 0;
	for (u32 i = 0; i < niov; i++)
		u->left += iov[i].len;
}

/* Step over buffers that are used up. */
static void skip_done(struct uio *u)
{
	while (u->niov > 1 && u->done == u->iov->len) {
		u->iov++;
		u->niov--;
		u->done = 0;
	}
}

void uio_advance(struct uio *u, u64 n)
{
	kassert(n <= u->left);
	u->left -= n;
	for (;;) {
		u64 step = MIN(n, u->iov->len - u->done);

		u->done += step;
		n -= step;
		if (n == 0)
			return;
		u->iov++;
		u->niov--;
		u->done = 0;
	}
}

void uio_revert(struct uio *u, u64 n)
{
	u->left += n;
	while (n > u->done) {
		n -= u->done;
		u->iov--;
		u->niov++;
		u->done = u->iov->len;
	}
	u->done -= n;
}

enum uio_op { UIO_PUT, UIO_GET, UIO_ZERO };

static u64 move_kernel(void *p, void *buf, u64 n, enum uio_op op)
{
	if (op == UIO_PUT)
		memcpy(p, buf, n);
	else if (op == UIO_GET)
		memcpy(buf, p, n);
	else
		memset(p, 0, n);
	return n;
}

static u64 move_user(uaddr_t p, void *buf, u64 n, enum uio_op op)
{
	if (op == UIO_PUT)
		return user_copy_out_some(p, buf, n);
	if (op == UIO_GET)
		return user_copy_in_some(buf, p, n);
	return user_zero_some(p, n);
}

static inline s64 uio_move(struct uio *u, char *buf, u64 n, enum uio_op op)
{
	u64 moved = 0;

	n = MIN(n, u->left);
	while (moved < n) {
		u64 base, step, ok;

		skip_done(u);
		base = u->iov->base + u->done;
		step = MIN(n - moved, u->iov->len - u->done);
		if (u->is_kernel)
			ok = move_kernel((void *)base, buf + moved, step, op);
		else
			ok = move_user(base, buf + moved, step, op);
		u->done += ok;
		u->left -= ok;
		moved += ok;
		if (ok < step)
			return moved ? (s64)moved : -EFAULT;
	}
	return (s64)moved;
}

s64 uio_put_slow(struct uio *u, const void *src, u64 n)
{
	return uio_move(u, (char *)(uintptr_t)src, n, UIO_PUT);
}

s64 uio_get_slow(struct uio *u, void *dst, u64 n)
{
	return uio_move(u, dst, n, UIO_GET);
}

s64 uio_zero(struct uio *u, u64 n)
{
	if (uio_is_simple(u, n) &&
	    likely(user_zero_some(u->iov->base + u->done, n) == n)) {
		uio_step(u, n);
		return (s64)n;
	}
	return uio_move(u, (char *)(uintptr_t)1, n, UIO_ZERO);
}

/* Check and clamp lengths as Linux's import_iovec(). */
static int check_vector(struct plat_iovec *v, u32 niov)
{
	u64 total = 0;

	for (u32 i = 0; i < niov; i++) {
		if ((s64)v[i].len < 0)
			return -EINVAL;
		if (!user_range_ok(v[i].base, v[i].len))
			return -EFAULT;
		v[i].len = MIN(v[i].len, MAX_RW_COUNT - total);
		total += v[i].len;
	}
	return 0;
}

int uio_import(struct uio *u, uaddr_t iov, u32 niov, struct plat_iovec *fast,
	       struct plat_iovec **alloc)
{
	struct plat_iovec *v = fast;
	int err;

	*alloc = NULL;
	if (niov > UIO_MAX_IOV)
		return -EINVAL;
	if (niov == 0) {
		uio_init_user(u, 0, 0);
		return 0;
	}
	if (niov > FAST_IOV) {
		v = kmalloc(niov * sizeof(*v));
		if (!v)
			return -ENOMEM;
		*alloc = v;
	}
	err = user_copy_in(v, iov, niov * sizeof(*v));
	if (!err)
		err = check_vector(v, niov);
	if (err) {
		kfree(*alloc);
		*alloc = NULL;
		return err;
	}
	uio_init_iov(u, v, niov);
	return 0;
}

int uio_to_iov(const struct uio *u, struct plat_iovec *out, int max)
{
	u64 left = u->left;
	u64 done = u->done;
	int n = 0;

	for (u32 i = 0; i < u->niov && n < max && left > 0; i++) {
		u64 len = MIN(u->iov[i].len - done, left);

		if (len > 0) {
			out[n].base = u->iov[i].base + done;
			out[n].len = len;
			n++;
			left -= len;
		}
		done = 0;
	}
	return n;
}
