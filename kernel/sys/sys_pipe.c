/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe and pipe2.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/pipe.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

static long do_pipe(uaddr_t fds, u32 flags)
{
	bool cloexec = flags & O_CLOEXEC;
	struct file *ends[2];
	int fd[2], err;

	if (flags & O_DIRECT)
		return syscall_unsupported("pipe2 O_DIRECT", flags, EINVAL);
	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	fd[0] = fd_reserve(0, cloexec);
	if (fd[0] < 0)
		return fd[0];
	fd[1] = fd_reserve(0, cloexec);
	err = fd[1] < 0 ? fd[1] : user_put(fds, &fd);
	if (!err)
		err = pipe_new(flags & O_NONBLOCK, ends);
	if (err) {
		fd_unreserve(fd[0]);
		if (fd[1] >= 0)
			fd_unreserve(fd[1]);
		return err;
	}
	fd_publish(fd[0], ends[0]);
	fd_publish(fd[1], ends[1]);
	return 0;
}

SYSCALL1(pipe, uaddr_t, fds)
{
	return do_pipe(fds, 0);
}

SYSCALL2(pipe2, uaddr_t, fds, u32, flags)
{
	return do_pipe(fds, flags);
}
