/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices as files. Nothing is cached: each call goes to the device
 * through a buffer of the kernel's, so that any offset and length will do.
 */
#include "kernel/dev/blkdev.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/dev/block.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/thread.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define SECTOR 512UL
#define BUFFER (64UL << 10)

enum { /* linux/fs.h */
       BLKROGET_ = 0x125e,
       BLKGETSIZE_ = 0x1260,
       BLKFLSBUF_ = 0x1261,
       BLKSSZGET_ = 0x1268,
       BLKPBSZGET_ = 0x127b,
};
#define BLKBSZGET_ 0x80081270U
#define BLKGETSIZE64_ 0x80081272U

static struct block_device *device_of(const struct file *f)
{
	return f->data;
}

/* One piece of at most BUFFER bytes: moved, or -errno. */
static s64 move_piece(struct block_device *d, struct uio *u, u64 pos, u64 n,
		      u8 *buf, bool is_write)
{
	u64 start = ROUND_DOWN(pos, SECTOR), skip = pos - start;
	u64 len = ROUND_UP(skip + n, SECTOR);
	int err = 0;
	s64 moved;

	if (!is_write || len != n)
		err = block_read(d, start, buf, len);
	if (err)
		return err;
	if (!is_write)
		return uio_put(u, buf + skip, n);
	moved = uio_get(u, buf + skip, n);
	if (moved > 0)
		err = block_write(d, start, buf,
				  ROUND_UP(skip + (u64)moved, SECTOR));
	return err ? err : moved;
}

static s64 move(struct file *f, struct uio *u, u64 *pos, bool is_write)
{
	struct block_device *d = device_of(f);
	u64 size = block_size(d);
	s64 total = 0, n = 0;
	u8 *buf;

	if (u->left == 0)
		return 0;
	if (*pos >= size)
		return is_write ? -ENOSPC : 0;
	buf = kmalloc(BUFFER);
	if (!buf)
		return -ENOMEM;
	while (u->left > 0 && *pos < size) {
		u64 want = MIN(u->left, size - *pos);

		want = MIN(want, BUFFER - *pos % SECTOR);
		n = move_piece(d, u, *pos, want, buf, is_write);
		if (n <= 0)
			break;
		total += n;
		*pos += (u64)n;
		if ((u64)n < want || thread_interrupted())
			break;
	}
	kfree(buf);
	return total ? total : n;
}

static s64 blkdev_read(struct file *f, struct uio *u, u64 *pos)
{
	return move(f, u, pos, false);
}

static s64 blkdev_write(struct file *f, struct uio *u, u64 *pos)
{
	return device_of(f)->is_readonly ? -EPERM : move(f, u, pos, true);
}

static s64 blkdev_lseek(struct file *f, s64 offset, int whence)
{
	s64 size = (s64)block_size(device_of(f));

	return file_seek(f, offset, whence, size, size);
}

static long blkdev_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	struct block_device *d = device_of(f);

	switch (cmd) {
	case BLKGETSIZE64_:
		return user_store_u64(arg, block_size(d));
	case BLKGETSIZE_:
		return user_store_u64(arg, block_size(d) / SECTOR);
	case BLKSSZGET_:
		return user_store_u32(arg, SECTOR);
	case BLKPBSZGET_:
	case BLKBSZGET_:
		return user_store_u32(arg, PAGE_SIZE);
	case BLKROGET_:
		return user_store_u32(arg, d->is_readonly);
	case BLKFLSBUF_:
		return block_flush(d);
	default:
		return -ENOTTY;
	}
}

static int blkdev_fsync(struct file *f, UNUSED bool data_only)
{
	return block_flush(device_of(f));
}

static const struct file_ops blkdev_fops = {
	.name = "block device",
	.read = blkdev_read,
	.write = blkdev_write,
	.lseek = blkdev_lseek,
	.ioctl = blkdev_ioctl,
	.fsync = blkdev_fsync,
};

int blkdev_open(struct inode *inode, struct file *f)
{
	u32 minor = RDEV_MINOR(inode->rdev);
	struct block_device *d;

	if (RDEV_MAJOR(inode->rdev) != MAJOR_VIRTBLK || minor % BLKDEV_MINORS)
		return -ENXIO;
	d = block_device(minor / BLKDEV_MINORS);
	if (!d)
		return -ENXIO;
	if (f->can_write && d->is_readonly)
		return -EACCES;
	f->ops = &blkdev_fops;
	f->data = d;
	return 0;
}
