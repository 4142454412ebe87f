/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve and execveat.
 */
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/exec.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/inode.h"

/* The name the program gets to see as its own. */
static char *exec_name(int dirfd, const char *name)
{
	size_t size = strlen(name) + 32;
	char *out;

	if (dirfd == AT_FDCWD || name[0] == '/')
		return kstrdup(name);
	out = kmalloc(size);
	if (out)
		fmt_format(out, size,
			   name[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d%s", dirfd,
			   name);
	return out;
}

static long do_exec(struct frame *frame, int dirfd, uaddr_t name_at, u32 lookup,
		    uaddr_t argv, uaddr_t envp)
{
	struct file *f;
	char *name, *shown;
	long err = path_name_in(name_at, lookup, &name);

	if (err)
		return err;
	shown = exec_name(dirfd, name);
	err = shown ? exec_open(dirfd, name, lookup, &f) : -ENOMEM;
	path_name_free(name);
	if (!err) /* takes file and name over; may not return */
		return process_exec(frame, f, shown, argv, envp);
	kfree(shown);
	return err;
}

SYSCALL3(execve, uaddr_t, name, uaddr_t, argv, uaddr_t, envp)
{
	return do_exec(frame, AT_FDCWD, name, LOOKUP_FOLLOW, argv, envp);
}

SYSCALL5(execveat, int, dirfd, uaddr_t, name, uaddr_t, argv, uaddr_t, envp, u32,
	 flags)
{
	u32 lookup = LOOKUP_FOLLOW;

	if (flags & ~(u32)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return syscall_unsupported("execveat flags", flags, EINVAL);
	if (flags & AT_SYMLINK_NOFOLLOW)
		lookup &= ~(u32)LOOKUP_FOLLOW;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return do_exec(frame, dirfd, name, lookup, argv, envp);
}
