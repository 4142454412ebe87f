/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of character devices, and the open that dispatches by it.
 */
#include "kernel/dev/chrdev.h"

#include "kernel/dev/blkdev.h"
#include "kernel/dev/block.h"
#include "kernel/dev/console.h"
#include "kernel/dev/generation.h"
#include "kernel/dev/pty.h"
#include "kernel/dev/sleep.h"
#include "kernel/dev/tty.h"
#include "kernel/kernel.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/vfs.h"

/* A row serves minors [first, first+count) of a major: a driver without state
 * gives its operations, others an open function. */
struct chrdev_row {
	u32 major, first, count;
	const char *name; /* of the major, for /proc/devices */
	const struct file_ops *fops;
	int (*open)(struct file *f);
};

/* To add a device: one row. */
/* clang-format off */
static const struct chrdev_row chrdevs[] = {
	{ 1, 3, 1, "mem", &null_fops, NULL },
	{ 1, 5, 1, "mem", &zero_fops, NULL },
	{ 1, 7, 1, "mem", &full_fops, NULL },
	{ 1, 8, 2, "mem", &random_fops, NULL },
	{ 4, 0, 1, "tty", NULL, console_open },
	{ 5, 0, 1, "/dev/tty", NULL, tty_open_controlling },
	{ 5, 1, 1, "/dev/console", NULL, console_open },
	{ 5, 2, 1, "/dev/ptmx", NULL, pty_open_master },
	{ 10, 60, 1, "misc", NULL, keepawake_open },
	{ 10, 61, 1, "misc", NULL, notify_open },
	{ 10, 62, 1, "misc", NULL, generation_open },
	{ 136, 0, 1U << 20, "pts", NULL, pty_open_slave },
};
/* clang-format on */

int chrdev_open(struct inode *inode, struct file *f)
{
	u32 major = RDEV_MAJOR(inode->rdev), minor = RDEV_MINOR(inode->rdev);

	for (size_t i = 0; i < ARRAY_SIZE(chrdevs); i++) {
		const struct chrdev_row *row = &chrdevs[i];

		if (row->major != major || minor - row->first >= row->count)
			continue;
		if (row->open)
			return row->open(f);
		f->ops = row->fops;
		return 0;
	}
	return -ENXIO;
}

int device_open(struct inode *inode, struct file *f)
{
	if (inode_is(inode, TYPE_CHR))
		return chrdev_open(inode, f);
	return blkdev_open(inode, f);
}

void chrdev_show(struct fmt_buf *out)
{
	const char *last = NULL;

	fmt_buf_add(out, "Character devices:\n");
	for (size_t i = 0; i < ARRAY_SIZE(chrdevs); i++) {
		const struct chrdev_row *row = &chrdevs[i];

		if (!last || strcmp(last, row->name) != 0)
			fmt_buf_add(out, "%3u %s\n", row->major, row->name);
		last = row->name;
	}
	fmt_buf_add(out, "\nBlock devices:\n");
	if (block_device(0))
		fmt_buf_add(out, "%3u virtblk\n", MAJOR_VIRTBLK);
}
