/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests of kernel/mm need of the rest of the kernel: user copies (of the
 * test's own memory, bad addresses give -EFAULT) and locks.
 */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"

struct thread *unit_current;

static size_t copy_some(bool out, void *buf, uaddr_t user, size_t n)
{
	struct iovec here = { buf, n };
	struct iovec there = { (void *)user, n };
	ssize_t ret;

	if (n == 0 || !user_range_ok(user, n))
		return 0;
	if (out)
		ret = process_vm_writev(getpid(), &here, 1, &there, 1, 0);
	else
		ret = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
	return ret < 0 ? 0 : (size_t)ret;
}

size_t user_copy_in_some(void *dst, uaddr_t src, size_t n)
{
	return copy_some(false, dst, src, n);
}

size_t user_copy_out_some(uaddr_t dst, const void *src, size_t n)
{
	return copy_some(true, (void *)(uintptr_t)src, dst, n);
}

int user_copy_in(void *dst, uaddr_t src, size_t n)
{
	return user_copy_in_some(dst, src, n) == n ? 0 : -EFAULT;
}

int user_copy_out(uaddr_t dst, const void *src, size_t n)
{
	return user_copy_out_some(dst, src, n) == n ? 0 : -EFAULT;
}

size_t user_zero_some(uaddr_t dst, size_t n)
{
	static const char zeros[65536];
	size_t done = 0;

	while (done < n) {
		size_t step = MIN(n - done, sizeof(zeros));
		size_t ok = user_copy_out_some(dst + done, zeros, step);

		done += ok;
		if (ok < step)
			break;
	}
	return done;
}

int user_zero(uaddr_t dst, size_t n)
{
	return user_zero_some(dst, n) == n ? 0 : -EFAULT;
}

int user_load_u32(u32 *value, uaddr_t src)
{
	return user_copy_in(value, src, sizeof(*value));
}

int user_atomic_op_u32(uaddr_t dst, int op, u32 operand, u32 *old)
{
	(void)op;
	(void)operand;
	if (user_copy_in(old, dst, sizeof(*old)))
		return -EFAULT;
	return user_copy_out(dst, old, sizeof(*old));
}
