/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl() of ext4's files and directories: growing (resize2fs).
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/vfs/vfs.h"

enum { IOC_RESIZE_FS = 0x40086610 }; /* EXT4_IOC_RESIZE_FS */

long ext4_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	u64 blocks;

	if (cmd != IOC_RESIZE_FS)
		return -ENOTTY;
	if (!vfs_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (user_copy_in(&blocks, arg, sizeof(blocks)))
		return -EFAULT;
	return ext4_resize(ext4_sb(f->inode), blocks);
}
