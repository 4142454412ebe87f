/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcntl.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/flock.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define SETFL_MASK (O_APPEND | O_NONBLOCK | FASYNC | O_DIRECT | O_NOATIME)
#define RLIM_NOFILE 7
#define ALL_SEALS                                                   \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
	 F_SEAL_FUTURE_WRITE)

struct owner_ex { /* struct f_owner_ex */
	s32 type; /* 0 thread, 1 process, 2 group */
	s32 pid;
};

static long fcntl_dup(struct file *f, u64 min, bool cloexec)
{
	if (min >= rlimit_current(RLIM_NOFILE))
		return -EINVAL;
	file_get(f);
	return fd_install(f, (int)min, cloexec);
}

static long set_flags(struct file *f, int fd, u32 arg)
{
	u32 flags = (f->flags & ~(u32)SETFL_MASK) | (arg & SETFL_MASK);
	long err;

	if ((arg & ~f->flags & O_NOATIME) &&
	    vfs_cred()->fsuid != f->inode->uid && !vfs_capable(3))
		return -EPERM; /* 3: CAP_FOWNER */
	err = f->ops->set_flags ? f->ops->set_flags(f, flags) : 0;
	if (!err && ((arg ^ f->flags) & FASYNC))
		err = file_set_async(f, fd, (arg & FASYNC) != 0);
	if (err)
		return err;
	atomic_store(&f->flags, flags);
	return 0;
}

static long fcntl_lock(struct file *f, u32 cmd, uaddr_t arg)
{
	bool is_ofd = cmd >= F_OFD_GETLK;
	enum lock_kind kind = is_ofd ? LOCK_KIND_OFD : LOCK_KIND_POSIX;
	struct linux_flock l;
	long err;

	if (user_get(&l, arg))
		return -EFAULT;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		err = lockf_get(f, &l, kind);
		return err ? err : user_put(arg, &l);
	}
	return lockf_set(f, &l, kind, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

static long set_owner_ex(struct file *f, uaddr_t arg)
{
	struct owner_ex o;

	if (user_get(&o, arg))
		return -EFAULT;
	if (o.type < 0 || o.type > 2)
		return -EINVAL;
	if (o.pid < 0)
		return -EINVAL;
	return file_set_owner(f, o.type == 2 ? -o.pid : o.pid, o.type == 0);
}

static long get_owner_ex(struct file *f, uaddr_t arg)
{
	struct owner_ex o = { .type = f->owner_is_thread ? 0 : 1,
			      .pid = file_get_owner(f) };

	if (f->owner < 0) {
		o.type = 2;
		o.pid = -o.pid;
	}
	return user_put(arg, &o);
}

static long fcntl_seals(struct file *f, u32 cmd, u64 arg)
{
	if (!inode_is_memfd(f->inode))
		return -EINVAL;
	if (cmd == F_GET_SEALS)
		return f->inode->seals;
	if (arg & ~(u64)ALL_SEALS)
		return -EINVAL;
	if (!f->can_write)
		return -EPERM;
	return inode_add_seals(f->inode, (u32)arg);
}

static long fcntl_other(struct file *f, u32 cmd, u64 arg)
{
	long err = -EINVAL;

	if (f->ops->fcntl)
		err = f->ops->fcntl(f, cmd, arg);
	else if (cmd == F_SETPIPE_SZ || cmd == F_GETPIPE_SZ)
		return -EBADF;
	if (err == -EINVAL && cmd != F_SETPIPE_SZ)
		return syscall_unsupported("fcntl", cmd, EINVAL);
	return err;
}

/* Leases are not given, as where a file is open in a way that forbids one. */
static long set_lease(const struct file *f, u64 type)
{
	if (type > F_UNLCK || !inode_is(f->inode, TYPE_REG))
		return -EINVAL;
	if (type == F_UNLCK)
		return -EAGAIN;
	return syscall_unsupported("fcntl F_SETLEASE", type, EAGAIN);
}

/* Commands that O_PATH descriptors refuse with EBADF. */
static long fcntl_open(struct file *f, int fd, u32 cmd, u64 arg)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(f, fd, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_lock(f, cmd, arg);
	case F_GETOWN:
		return file_get_owner(f);
	case F_SETOWN:
		return file_set_owner(f, (s32)arg, false);
	case F_GETOWN_EX:
		return get_owner_ex(f, arg);
	case F_SETOWN_EX:
		return set_owner_ex(f, arg);
	case F_GETSIG:
		return f->owner_sig;
	case F_SETSIG:
		if (arg > SIG_MAX)
			return -EINVAL;
		f->owner_sig = (s32)arg;
		return 0;
	case F_GETLEASE:
		return F_UNLCK; /* nobody ever gets one */
	case F_SETLEASE:
		return set_lease(f, arg);
	case F_NOTIFY:
		return dnotify_set(f, fd, (u32)arg);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return fcntl_seals(f, cmd, arg);
	default:
		return fcntl_other(f, cmd, arg);
	}
}

SYSCALL3(fcntl, int, fd, u32, cmd, u64, arg)
{
	struct fdref r = fd_get_any(fd);
	long ret;

	if (!r.file)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		ret = fcntl_dup(r.file, (u32)arg, cmd == F_DUPFD_CLOEXEC);
		break;
	case F_GETFD:
		ret = fd_get_flags(fd);
		break;
	case F_SETFD:
		ret = fd_set_flags(fd, (arg & FD_CLOEXEC) != 0);
		break;
	case F_GETFL:
		ret = (long)r.file->flags;
		if (!r.file->is_path_only &&
		    !(r.file->inode->flags & INODE_ANON))
			ret |= O_LARGEFILE; /* what open() adds */
		break;
	default:
		ret = r.file->is_path_only ? -EBADF
					   : fcntl_open(r.file, fd, cmd, arg);
	}
	fd_put(r);
	return ret;
}
