/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of kernel/vfs: no pipes to splice with, no signals at readiness.
 */
#include "kernel/ipc/pipe_int.h"
#include "kernel/ipc/splice.h"
#include "kernel/linux/errno.h"
#include "kernel/linux/signal.h"
#include "kernel/vfs/vfs.h"

struct pipe *pipe_of(UNUSED const struct file *f)
{
	return NULL;
}

bool file_is_pipe(const struct file *f)
{
	return inode_is(f->inode, TYPE_FIFO);
}

bool file_can_splice(const struct file *f)
{
	return inode_is(f->inode, TYPE_REG) || inode_is(f->inode, TYPE_CHR);
}

s64 splice_files(UNUSED struct file *in, UNUSED u64 *in_pos,
		 UNUSED struct file *out, UNUSED u64 *out_pos, UNUSED u64 len,
		 UNUSED u32 flags)
{
	return -EINVAL;
}

s64 splice_tee(UNUSED struct file *in, UNUSED struct file *out, UNUSED u64 len,
	       UNUSED u32 flags)
{
	return -EINVAL;
}

s64 splice_user(UNUSED struct file *f, UNUSED struct uio *u, UNUSED u32 flags)
{
	return -EBADF;
}

int file_set_owner(struct file *f, s32 owner, UNUSED bool is_thread)
{
	f->owner = owner;
	return 0;
}

s32 file_get_owner(struct file *f)
{
	return f->owner;
}

bool file_can_async(UNUSED const struct file *f)
{
	return false;
}

int file_set_async(UNUSED struct file *f, UNUSED int fd, UNUSED bool on)
{
	return 0;
}

void file_async_gone(UNUSED struct file *f)
{
}

void file_signal_owner(UNUSED struct file *f, UNUSED int sig,
		       UNUSED const struct linux_siginfo *info)
{
}

int dnotify_set(UNUSED struct file *f, UNUSED int fd, UNUSED u32 mask)
{
	return -EINVAL;
}
