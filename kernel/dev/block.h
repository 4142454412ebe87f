/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices: what filesystems read and write. The calls here wait; several
 * threads may be in them at once. A device's operations are the platform's, or
 * a test's (one that loses power, fails or fills up).
 */
#ifndef JIFFY_KERNEL_DEV_BLOCK_H
#define JIFFY_KERNEL_DEV_BLOCK_H

#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"

struct block_device;

struct block_ops {
	/* As plat_block_submit(): calls io->done() exactly once. */
	void (*submit)(struct block_device *d, struct plat_block_io *io);
	/* The size now, in bytes (online growth). */
	u64 (*size)(struct block_device *d);
};

struct block_device {
	const struct block_ops *ops;
	u32 number; /* the platform's */
	bool is_readonly;
	char name[16];	 /* "vda": in the log, /proc/partitions, mountinfo */
	void *data;	 /* of the ops */
	bool is_claimed; /* atomic: block_claim() */
	int flush_error; /* of the first flush that failed; atomic */
	struct mutex flush_lock;
	u64 nflushes_begun, nflushes_done;
	u32 flush_event; /* atomic: one is done */
	struct mutex reserve_lock;
	u64 *reserved; /* bit per chunk: block_reserve() was there */
	u64 nreserved; /* chunks that the bits are for */
};

/* Devices of the platform, made at boot: NULL past the last. */
struct block_device *block_device(u32 number);
u64 block_size(struct block_device *d); /* bytes */
void block_init(void);			/* at boot */
/* What stands for a platform's device: itself (wrap.c), or what a test kernel
 * puts on top of it. Called once for each, at boot. */
struct block_device *block_wrapped(struct block_device *d);
/* The device that "/dev/vda" or "vda" names, or NULL. */
struct block_device *block_find(const char *source);
/* Whoever mounts a device has it alone: 0, -EBUSY. */
int block_claim(struct block_device *d);
void block_release(struct block_device *d);

/* Wait for one request: 0, -EIO, -ENOSPC, -EROFS (writes to a read-only
 * device), -EINVAL (past the end). buf is kernel memory. Offsets and lengths
 * in bytes, multiples of 512. */
int block_read(struct block_device *d, u64 offset, void *buf, u64 len);
int block_write(struct block_device *d, u64 offset, const void *buf, u64 len);
/* The same for several buffers (kernel's or, in its own space, the
 * program's), one request. */
int block_rw(struct block_device *d, enum plat_block_op op, u64 offset,
	     const struct plat_iovec *iov, u32 niov);
/* All writes that returned before the call are on stable storage: 0, -EIO. The
 * platform tells of a loss once and forgets what was lost: after one failure
 * all flushes fail, until the device is claimed anew. One is under way at a
 * time, so that whose writes it lost learns of it; who comes meanwhile shares
 * the next. */
int block_flush(struct block_device *d);
/* Later writes to the range will not fail for lack of room: 0, -ENOSPC. Cheap
 * when repeated. */
int block_reserve(struct block_device *d, u64 offset, u64 len);
/* A hint: the contents no longer matter. */
void block_discard(struct block_device *d, u64 offset, u64 len);

#endif
