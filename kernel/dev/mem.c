/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory devices: null, zero, full, random and urandom. None has state of
 * its own.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/dev/chrdev.h"
#include "kernel/dev/random.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/mman.h"
#include "kernel/linux/random.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/cred.h"
#include "kernel/proc/thread.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

/* A read moves this much between looks for a signal. */
#define ZERO_CHUNK MIB(1)

static s64 null_read(UNUSED struct file *f, UNUSED struct uio *u,
		     UNUSED u64 *pos)
{
	return 0;
}

static s64 null_write(UNUSED struct file *f, struct uio *u, UNUSED u64 *pos)
{
	u64 n = u->left;

	uio_advance(u, n);
	return (s64)n;
}

static s64 mem_lseek(struct file *f, UNUSED s64 offset, UNUSED int whence)
{
	f->pos = 0;
	return 0;
}

static u32 mem_poll(UNUSED struct file *f, UNUSED struct poll_table *pt)
{
	return EV_IN | EV_RDNORM | EV_OUT | EV_WRNORM;
}

static s64 zero_read(UNUSED struct file *f, struct uio *u, UNUSED u64 *pos)
{
	s64 total = 0;

	while (u->left > 0) {
		u64 want = MIN(u->left, ZERO_CHUNK);
		s64 n = uio_zero(u, want);

		if (n < 0)
			return total ? total : n;
		total += n;
		if ((u64)n < want || thread_interrupted())
			break;
	}
	return total;
}

/* A private mapping of /dev/zero is anonymous memory; a shared one is a memory
 * object of its own. */
static int zero_mmap(UNUSED struct file *f, struct map_request *req)
{
	req->offset = 0;
	if (!(req->flags & MAP_SHARED)) {
		req->file = NULL;
		req->flags |= MAP_ANONYMOUS;
	}
	return 0; /* shared without an object: mm_map() makes one */
}

static s64 full_write(UNUSED struct file *f, UNUSED struct uio *u,
		      UNUSED u64 *pos)
{
	return -ENOSPC;
}

static s64 random_read(UNUSED struct file *f, struct uio *u, UNUSED u64 *pos)
{
	return random_to_uio(u);
}

static s64 random_write(UNUSED struct file *f, struct uio *u, UNUSED u64 *pos)
{
	u8 buf[256];
	s64 total = 0;

	while (u->left > 0) {
		u64 want = MIN(u->left, sizeof(buf));
		s64 n = uio_get(u, buf, want);

		if (n < 0)
			return total ? total : n;
		random_mix(buf, (size_t)n);
		total += n;
		if ((u64)n < want || thread_interrupted())
			break;
	}
	return total;
}

static long random_ioctl(UNUSED struct file *f, u32 cmd, uaddr_t arg)
{
	switch (cmd) {
	case RNDGETENTCNT:
		return user_store_u32(arg, 256);
	case RNDRESEEDCRNG:
		if (!cred_capable(CAP_SYS_ADMIN))
			return -EPERM;
		random_reseed();
		return 0;
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDZAPENTCNT:
	case RNDCLEARPOOL:
		return -EPERM;
	default:
		return syscall_unsupported("ioctl of random", cmd, ENOTTY);
	}
}

const struct file_ops null_fops = {
	.name = "null",
	.no_splice = true,
	.read = null_read,
	.write = null_write,
	.lseek = mem_lseek,
	.poll = mem_poll,
};

const struct file_ops zero_fops = {
	.name = "zero",
	.read = zero_read,
	.write = null_write,
	.lseek = mem_lseek,
	.poll = mem_poll,
	.mmap = zero_mmap,
};

const struct file_ops full_fops = {
	.name = "full",
	.read = zero_read,
	.write = full_write,
	.lseek = mem_lseek,
	.poll = mem_poll,
};

const struct file_ops random_fops = {
	.name = "random",
	.read = random_read,
	.write = random_write,
	.lseek = mem_lseek,
	.poll = mem_poll,
	.ioctl = random_ioctl,
};
