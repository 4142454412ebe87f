/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices as files: /dev/vda and so on, for tools that look at or change
 * the raw device. What a filesystem mounted on it does beside them is its own.
 */
#ifndef JIFFY_KERNEL_DEV_BLKDEV_H
#define JIFFY_KERNEL_DEV_BLKDEV_H

#include "kernel/dev/chrdev.h"

enum { MAJOR_VIRTBLK = 254, BLKDEV_MINORS = 16 };

/* As chrdev_open(), for block nodes. */
int blkdev_open(struct inode *inode, struct file *f);
/* The device number of block device number n. */
static inline u32 blkdev_rdev(u32 n)
{
	return RDEV(MAJOR_VIRTBLK, n * BLKDEV_MINORS);
}

#endif
