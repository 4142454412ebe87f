/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character devices: which driver serves a device number. Any filesystem may
 * hold a node; opening one comes here.
 */
#ifndef JIFFY_KERNEL_DEV_CHRDEV_H
#define JIFFY_KERNEL_DEV_CHRDEV_H

#include "lib/compiler.h"

struct file;
struct file_ops;
struct inode;

/* Device numbers as stat() reports them (new_encode_dev). */
#define RDEV(major, minor)                               \
	((u32)(((minor)&0xff) | (((major)&0xfff) << 8) | \
	       (((minor) & ~0xffU) << 12)))
#define RDEV_MAJOR(rdev) (((rdev) >> 8) & 0xfff)
#define RDEV_MINOR(rdev) (((rdev)&0xff) | (((rdev) >> 12) & 0xfff00))

enum {
	MAJOR_MEM = 1,
	MAJOR_TTY_AUX = 5,
	MAJOR_PTS = 136,
	RDEV_NULL = RDEV(1, 3),
	RDEV_ZERO = RDEV(1, 5),
	RDEV_FULL = RDEV(1, 7),
	RDEV_RANDOM = RDEV(1, 8),
	RDEV_URANDOM = RDEV(1, 9),
	RDEV_TTY = RDEV(5, 0),
	RDEV_CONSOLE = RDEV(5, 1),
	RDEV_PTMX = RDEV(5, 2),
	RDEV_KEEPAWAKE = RDEV(10, 60),
	RDEV_NOTIFY = RDEV(10, 61),
	RDEV_GENERATION = RDEV(10, 62),
};

/* Open the device inode->rdev names: sets f->ops and f->data. 0, -ENXIO (no
 * such device), or the driver's error. Path open calls it as device_open()
 * (vfs/vfs.h). */
int chrdev_open(struct inode *inode, struct file *f);

/* Devices without state (mem.c). */
extern const struct file_ops null_fops, zero_fops, full_fops, random_fops;

/* Print the table's names for /proc/devices. */
struct fmt_buf;
void chrdev_show(struct fmt_buf *out);

#endif
