/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files over the outside's standard input and output: console.c has what they
 * all do, hostreg.c what those do that are regular files outside.
 */
#ifndef JIFFY_KERNEL_DEV_HOSTFILE_H
#define JIFFY_KERNEL_DEV_HOSTFILE_H

#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

/* Which of the three a file is; its data says so. */
static inline unsigned int hostfile_stdio(const struct file *f)
{
	return (unsigned int)(uintptr_t)f->data;
}

/* At the position outside, which others share; pos is not looked at. */
s64 hostfile_read(struct file *f, struct uio *u, u64 *pos);
s64 hostfile_write(struct file *f, struct uio *u, u64 *pos);
u32 hostfile_poll(struct file *f, struct poll_table *pt);
long hostfile_ioctl(struct file *f, u32 cmd, uaddr_t arg);
/* The same of any pipe of the outside; -1: it has ended. */
long hostfile_ioctl_hfd(int hfd, u32 cmd, uaddr_t arg);
void hostfile_release(struct file *f);
/* Opened again by name: another file over the same descriptor. */
int hostfile_open(struct inode *inode, struct file *f);

extern const struct file_ops hostreg_fops;
extern const struct inode_ops hostreg_iops;
/* Is descriptor n of the outside a regular file? */
bool hostreg_is(unsigned int n);
/* O_APPEND if it was opened so. */
u32 hostreg_flags(unsigned int n);

#endif
