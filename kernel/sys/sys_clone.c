/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork, vfork, clone, clone3; pidfds; namespaces are refused.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/fs/procfs.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/sched.h"
#include "kernel/proc/pidfd.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/inode.h"

#define EXIT_SIGNAL_MASK 0xffUL
#define PIDFD_FLAGS_NONBLOCK O_NONBLOCK

SYSCALL0(fork)
{
	const struct clone_request req = { .exit_signal = LINUX_SIGCHLD };

	return process_clone(frame, &req);
}

SYSCALL0(vfork)
{
	const struct clone_request req = {
		.flags = CLONE_VM | CLONE_VFORK,
		.exit_signal = LINUX_SIGCHLD,
	};

	return process_clone(frame, &req);
}

SYSCALL5(clone, u64, flags, uaddr_t, stack, uaddr_t, parent_tid, uaddr_t,
	 child_tid, u64, tls)
{
	const struct clone_request req = {
		.flags = (flags & 0xffffffff) & ~EXIT_SIGNAL_MASK,
		.exit_signal = (int)(flags & EXIT_SIGNAL_MASK),
		.stack = stack,
		.parent_tid = parent_tid,
		.child_tid = child_tid,
		.pidfd = parent_tid, /* the old interface has one pointer */
		.tls = tls,
	};

	if ((req.flags & CLONE_PIDFD) && (req.flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	return process_clone(frame, &req);
}

#define CLONE3_FLAGS (0xffffffffUL | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP)

static long clone3_check(const struct clone_args *a)
{
	if (a->set_tid || a->set_tid_size)
		return syscall_unsupported("clone3 set_tid", a->set_tid_size,
					   EPERM);
	if (a->flags & ~CLONE3_FLAGS)
		return syscall_unsupported("clone3 flags", a->flags, EINVAL);
	if (a->flags & (CLONE_DETACHED | (EXIT_SIGNAL_MASK & ~CLONE_NEWTIME)))
		return -EINVAL;
	if (a->exit_signal > SIG_MAX)
		return -EINVAL;
	if ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal)
		return -EINVAL;
	if ((a->stack == 0) != (a->stack_size == 0))
		return -EINVAL;
	if (a->stack && !user_range_ok(a->stack, a->stack_size))
		return -EINVAL;
	return 0;
}

SYSCALL2(clone3, uaddr_t, args, u64, size)
{
	struct clone_args a;
	struct clone_request req;
	long err;

	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	memset(&a, 0, sizeof(a));
	if (user_copy_in(&a, args, MIN(size, sizeof(a))))
		return -EFAULT;
	err = user_check_tail(args, size, sizeof(a));
	if (!err)
		err = clone3_check(&a);
	if (err)
		return err;
	req = (struct clone_request){
		.flags = a.flags,
		.exit_signal = (int)a.exit_signal,
		.stack = a.stack ? a.stack + a.stack_size : 0,
		.parent_tid = a.parent_tid,
		.child_tid = a.child_tid,
		.pidfd = a.pidfd,
		.tls = a.tls,
	};
	return process_clone(frame, &req);
}

SYSCALL1(unshare, u64, flags)
{
	const u64 shared_by_threads = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND;
	const u64 unsharable = shared_by_threads | CLONE_FS | CLONE_FILES |
			       CLONE_SYSVSEM;
	struct process *p = process_current();

	/* What is not shared needs no unsharing. */
	if (flags & ~(unsharable | CLONE_NAMESPACES))
		return -EINVAL;
	if (flags & CLONE_NAMESPACES)
		return syscall_unsupported("unshare", flags, EPERM);
	if ((flags & shared_by_threads) && p->nlive > 1)
		return -EINVAL;
	if ((flags & CLONE_FILES) && (p->nlive > 1 || p->files_shared))
		return syscall_unsupported("unshare of files", flags, EINVAL);
	return flags & CLONE_FS ? process_unshare_fs() : 0;
}

/* --- pidfds -------------------------------------------------------------- */

SYSCALL2(pidfd_open, s32, pid, u32, flags)
{
	struct process *p;
	struct file *f;
	int err;

	if (flags & ~(u32)PIDFD_FLAGS_NONBLOCK)
		return syscall_unsupported("pidfd_open flags", flags, EINVAL);
	if (pid <= 0)
		return -EINVAL;
	p = process_find(pid);
	if (!p) {
		struct thread *t = thread_find(pid);

		thread_put(t);
		return t ? -EINVAL : -ESRCH;
	}
	err = pidfd_new(p, flags, &f);
	process_put(p);
	if (err)
		return err;
	return fd_install(f, 0, true);
}

SYSCALL3(pidfd_getfd, int, pidfd, int, fd, u32, flags)
{
	struct file *f = NULL;
	struct process *p;
	struct fdref r;
	long err;

	if (flags)
		return -EINVAL;
	r = fd_get(pidfd);
	p = r.file ? pidfd_process(r.file) : NULL;
	fd_put(r);
	if (!p)
		return -EBADF;
	err = p->is_reaped ? -ESRCH : procfs_may_inspect(p) ? -EPERM : 0;
	if (!err)
		err = procfs_file_of(p, fd, &f);
	process_put(p);
	return err ? err : fd_install(f, 0, true);
}

SYSCALL4(pidfd_send_signal, int, fd, int, sig, uaddr_t, info_at, u32, flags)
{
	struct linux_siginfo info;
	struct fdref r;
	struct process *p;
	long err = 0;

	if (flags)
		return syscall_unsupported("pidfd_send_signal flags", flags,
					   EINVAL);
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	p = pidfd_process(r.file);
	if (!p)
		p = procfs_process(r.file);
	fd_put(r);
	if (!p)
		return -EBADF;
	if (sig < 0 || sig > SIG_MAX)
		err = -EINVAL;
	else if (!info_at)
		siginfo_user(&info, sig);
	else if (user_get(&info, info_at))
		err = -EFAULT;
	else if (info.si_signo != sig)
		err = -EINVAL;
	else if (p != process_current() &&
		 (info.si_code >= 0 || info.si_code == LINUX_SI_TKILL))
		err = -EPERM;
	if (!err && p->is_reaped)
		err = -ESRCH;
	if (!err && !signal_permitted(p, sig))
		err = -EPERM;
	if (!err)
		err = signal_send_process(p, sig, &info);
	process_put(p);
	return err;
}
