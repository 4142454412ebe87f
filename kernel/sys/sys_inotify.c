/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify_init, inotify_init1, inotify_add_watch, inotify_rm_watch.
 */
#include "kernel/ipc/inotify.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/inode.h"

static long do_init(u32 flags)
{
	struct file *f;
	int err;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = inotify_new(flags & O_NONBLOCK, &f);
	if (err)
		return err;
	return fd_install(f, 0, flags & O_CLOEXEC);
}

SYSCALL0(inotify_init)
{
	return do_init(0);
}

SYSCALL1(inotify_init1, u32, flags)
{
	return do_init(flags);
}

SYSCALL3(inotify_add_watch, int, fd, uaddr_t, name, u32, mask)
{
	u32 lookup = (mask & INOTIFY_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) |
		     (mask & INOTIFY_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct fdref r = fd_get(fd);
	struct path p;
	int ret = mask & INOTIFY_EVENTS ? 0 : -EINVAL;

	if (!ret && !r.file)
		ret = -EBADF;
	if (!ret && (mask & INOTIFY_MASK_ADD) && (mask & INOTIFY_MASK_CREATE))
		ret = -EINVAL;
	if (!ret)
		ret = path_lookup_user(AT_FDCWD, name, lookup, &p);
	if (!ret) {
		ret = inode_permission(p.dentry->inode, MAY_READ);
		if (!ret)
			ret = inotify_add(r.file, &p, mask);
		path_put(&p);
	}
	fd_put(r);
	return ret;
}

SYSCALL2(inotify_rm_watch, int, fd, int, wd)
{
	struct fdref r = fd_get(fd);
	int ret = r.file ? inotify_remove(r.file, wd) : -EBADF;

	fd_put(r);
	return ret;
}
