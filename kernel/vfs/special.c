/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What special files do where nothing in this build serves them: an honest
 * "no such device". Their owners (kernel/dev, kernel/ipc) define the real ones.
 */
#include "kernel/vfs/vfs_int.h"

#define FALLBACK __attribute__((weak))

FALLBACK int device_open(struct inode *inode UNUSED, struct file *f UNUSED)
{
	return -ENXIO;
}

FALLBACK int fifo_open(struct inode *inode UNUSED, struct file *f UNUSED)
{
	return -ENXIO;
}

FALLBACK void fifo_gone(struct inode *inode UNUSED)
{
}

FALLBACK void epoll_file_gone(struct file *f UNUSED)
{
}

FALLBACK void inotify_event(struct inode *inode UNUSED, u32 mask UNUSED,
			    u32 cookie UNUSED, const char *name UNUSED)
{
}

FALLBACK void inotify_gone(struct inode *inode UNUSED)
{
}

FALLBACK void dnotify_close(struct file *f UNUSED, struct fdtable *owner UNUSED)
{
}

FALLBACK const struct fs_type ext4_type = { .name = "ext4" };
/* Types without mount() are unknown to mount(2). */
FALLBACK const struct fs_type mqueue_type = { .name = "mqueue" };
FALLBACK const struct fs_type cgroup2_type = { .name = "cgroup2" };
FALLBACK const struct fs_type devpts_type = { .name = "devpts" };
FALLBACK const struct fs_type devfs_type = { .name = "devtmpfs" };
FALLBACK const struct fs_type sysfs_type = { .name = "sysfs" };
FALLBACK const struct fs_type proc_type = { .name = "proc" };
