/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing and checking files: access, chmod, chown, times, size, syncing,
 * advice, flock, ioctl.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/fadvise.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/ioctl.h"
#include "kernel/linux/socket.h"
#include "kernel/linux/mount.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/object.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

/* --- access -------------------------------------------------------------- */

static int check_access(const struct path *p, int mode, bool real_ids)
{
	struct inode *i = p->dentry->inode;
	int err = 0;

	if (mode == 0)
		return 0;
	if ((mode & MAY_EXEC) && inode_is(i, TYPE_REG) &&
	    (p->mount->flags & LINUX_MS_NOEXEC))
		return -EACCES;
	if (i->ops->permission)
		err = i->ops->permission(i, mode);
	else
		err = inode_permission_cred(i, mode, vfs_cred(), real_ids);
	if (!err && (mode & MAY_WRITE) &&
	    (inode_is(i, TYPE_REG) || inode_is(i, TYPE_DIR)))
		err = path_want_write(p);
	return err;
}

static long do_access(int dirfd, uaddr_t name, int mode, int flags)
{
	u32 lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	long err;

	if (mode & ~7)
		return -EINVAL;
	if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return syscall_unsupported("faccessat2 flags", (u64)flags,
					   EINVAL);
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = path_lookup_user(dirfd, name, lookup, &p);
	if (err)
		return err;
	err = check_access(&p, mode, !(flags & AT_EACCESS));
	path_put(&p);
	return err;
}

SYSCALL2(access, uaddr_t, name, int, mode)
{
	return do_access(AT_FDCWD, name, mode, 0);
}

SYSCALL3(faccessat, int, dirfd, uaddr_t, name, int, mode)
{
	return do_access(dirfd, name, mode, 0);
}

SYSCALL4(faccessat2, int, dirfd, uaddr_t, name, int, mode, int, flags)
{
	return do_access(dirfd, name, mode, flags);
}

/* --- Attributes ---------------------------------------------------------- */

static long change(const struct path *p, struct attr *a)
{
	long err = path_want_write(p);

	if (!err)
		err = inode_change(p->dentry->inode, a);
	if (!err)
		vfs_notify(p->dentry, NOTIFY_ATTRIB);
	return err;
}

static long change_name(int dirfd, uaddr_t name, u32 lookup, struct attr *a)
{
	struct path p;
	long err = path_lookup_user(dirfd, name, lookup, &p);

	if (err)
		return err;
	err = change(&p, a);
	path_put(&p);
	return err;
}

static long change_fd(int fd, struct attr *a)
{
	struct fdref r = fd_get(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = change(&r.file->path, a);
	fd_put(r);
	return err;
}

static struct attr mode_attr(u32 mode)
{
	struct attr a = { .valid = ATTR_MODE, .mode = mode & MODE_PERM };

	return a;
}

SYSCALL2(chmod, uaddr_t, name, u32, mode)
{
	struct attr a = mode_attr(mode);

	return change_name(AT_FDCWD, name, LOOKUP_FOLLOW, &a);
}

SYSCALL2(fchmod, int, fd, u32, mode)
{
	struct attr a = mode_attr(mode);

	return change_fd(fd, &a);
}

SYSCALL3(fchmodat, int, dirfd, uaddr_t, name, u32, mode)
{
	struct attr a = mode_attr(mode);

	return change_name(dirfd, name, LOOKUP_FOLLOW, &a);
}

static struct attr owner_attr(u32 uid, u32 gid)
{
	struct attr a = { .uid = uid, .gid = gid };

	if (uid != ~0U)
		a.valid |= ATTR_UID;
	if (gid != ~0U)
		a.valid |= ATTR_GID;
	return a;
}

SYSCALL3(chown, uaddr_t, name, u32, uid, u32, gid)
{
	struct attr a = owner_attr(uid, gid);

	return change_name(AT_FDCWD, name, LOOKUP_FOLLOW, &a);
}

SYSCALL3(lchown, uaddr_t, name, u32, uid, u32, gid)
{
	struct attr a = owner_attr(uid, gid);

	return change_name(AT_FDCWD, name, 0, &a);
}

SYSCALL3(fchown, int, fd, u32, uid, u32, gid)
{
	struct attr a = owner_attr(uid, gid);

	return change_fd(fd, &a);
}

SYSCALL5(fchownat, int, dirfd, uaddr_t, name, u32, uid, u32, gid, int, flags)
{
	struct attr a = owner_attr(uid, gid);
	u32 lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return syscall_unsupported("fchownat flags", (u64)flags,
					   EINVAL);
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return change_name(dirfd, name, lookup, &a);
}

/* --- Times --------------------------------------------------------------- */

#define LOCK_MAND 32 /* share modes, long gone */
#define UTIME_NOW_ 0x3fffffffL
#define UTIME_OMIT_ 0x3ffffffeL

/* One time of utimensat: set, now, or left alone. */
static int time_arg(const struct ltimespec *t, const struct ltimespec *now,
		    u32 bit, struct attr *a, struct ltimespec *field)
{
	if (t->nsec == UTIME_OMIT_)
		return 0;
	a->valid |= bit;
	*field = *now;
	if (t->nsec == UTIME_NOW_)
		return 0;
	if (t->nsec < 0 || t->nsec >= NSEC_PER_SEC)
		return -EINVAL;
	*field = *t;
	return 0;
}

/* t NULL: both now. */
static long do_utimes(int dirfd, uaddr_t name, const struct ltimespec *t,
		      int flags)
{
	static const struct ltimespec both_now[2] = { { 0, UTIME_NOW_ },
						      { 0, UTIME_NOW_ } };
	u32 lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct ltimespec now = time_now();
	struct attr a = { .valid = 0 };
	int err;

	if (!t)
		t = both_now;
	if (t[0].nsec == UTIME_NOW_ && t[1].nsec == UTIME_NOW_)
		a.valid |= ATTR_TIMES_NOW;
	err = time_arg(&t[0], &now, ATTR_ATIME, &a, &a.atime);
	if (!err)
		err = time_arg(&t[1], &now, ATTR_MTIME, &a, &a.mtime);
	if (err)
		return err;
	if (!(a.valid & (ATTR_ATIME | ATTR_MTIME)))
		return 0;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	if (!name) {
		if (dirfd == AT_FDCWD)
			return -EFAULT;
		return flags ? -EINVAL : change_fd(dirfd, &a);
	}
	return change_name(dirfd, name, lookup, &a);
}

SYSCALL4(utimensat, int, dirfd, uaddr_t, name, uaddr_t, times, int, flags)
{
	struct ltimespec t[2];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return syscall_unsupported("utimensat flags", (u64)flags,
					   EINVAL);
	if (times && user_copy_in(t, times, sizeof(t)))
		return -EFAULT;
	return do_utimes(dirfd, name, times ? t : NULL, flags);
}

/* times is an array of two struct timeval. */
static long utimes_micro(int dirfd, uaddr_t name, uaddr_t times)
{
	struct ltimespec t[2];

	if (!times)
		return do_utimes(dirfd, name, NULL, 0);
	if (user_copy_in(t, times, sizeof(t)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (t[i].nsec < 0 || t[i].nsec >= 1000000)
			return -EINVAL;
		t[i].nsec *= NSEC_PER_USEC;
	}
	return do_utimes(dirfd, name, t, 0);
}

SYSCALL2(utimes, uaddr_t, name, uaddr_t, times)
{
	return utimes_micro(AT_FDCWD, name, times);
}

SYSCALL3(futimesat, int, dirfd, uaddr_t, name, uaddr_t, times)
{
	return utimes_micro(dirfd, name, times);
}

SYSCALL2(utime, uaddr_t, name, uaddr_t, times)
{
	struct ltimespec t[2] = { { 0, 0 }, { 0, 0 } };
	s64 secs[2];

	if (!times)
		return do_utimes(AT_FDCWD, name, NULL, 0);
	if (user_copy_in(secs, times, sizeof(secs)))
		return -EFAULT;
	t[0].sec = secs[0];
	t[1].sec = secs[1];
	return do_utimes(AT_FDCWD, name, t, 0);
}

/* --- Size and space ------------------------------------------------------ */

SYSCALL2(truncate, uaddr_t, name, s64, size)
{
	struct inode *i;
	struct path p;
	long err;

	if (size < 0)
		return -EINVAL;
	err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	i = p.dentry->inode;
	if (!inode_is(i, TYPE_REG))
		err = inode_is(i, TYPE_DIR) ? -EISDIR : -EINVAL;
	if (!err)
		err = path_want_write(&p);
	if (!err)
		err = inode_permission(i, MAY_WRITE);
	if (!err)
		err = inode_get_write(i);
	if (!err) {
		err = inode_truncate(i, (u64)size, NULL);
		inode_put_write(i);
		if (!err)
			vfs_notify(p.dentry, NOTIFY_MODIFY);
	}
	path_put(&p);
	return err;
}

SYSCALL2(ftruncate, int, fd, s64, size)
{
	struct fdref r;
	long err;

	if (size < 0)
		return -EINVAL;
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	if (!r.file->can_write || !inode_is(r.file->inode, TYPE_REG))
		err = -EINVAL;
	else
		err = inode_truncate(r.file->inode, (u64)size, r.file);
	fd_put(r);
	return err;
}

static long do_fallocate(struct file *f, int mode, s64 offset, s64 len)
{
	s64 end;

	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (!f->can_write)
		return -EBADF;
	if (inode_is(f->inode, TYPE_FIFO))
		return -ESPIPE;
	if (inode_is(f->inode, TYPE_DIR))
		return -EISDIR;
	if (!inode_is(f->inode, TYPE_REG))
		return -ENODEV;
	if (ckd_add(&end, offset, len))
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	return f->ops->fallocate(f, mode, (u64)offset, (u64)len);
}

SYSCALL4(fallocate, int, fd, int, mode, s64, offset, s64, len)
{
	struct fdref r = fd_get(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = do_fallocate(r.file, mode, offset, len);
	if (err == -EOPNOTSUPP)
		(void)syscall_unsupported("fallocate mode", (u64)mode,
					  EOPNOTSUPP);
	fd_put(r);
	return err;
}

/* --- Syncing and advice -------------------------------------------------- */

static long do_fsync(int fd, bool data_only)
{
	struct fdref r = fd_get(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = r.file->ops->fsync ? r.file->ops->fsync(r.file, data_only)
				 : -EINVAL;
	/* Also what went wrong behind our back. */
	if (r.file->inode->object) {
		int lost = object_error(r.file->inode->object,
					&r.file->error_seen);

		err = err ? err : lost;
	}
	fd_put(r);
	return err;
}

SYSCALL1(fsync, int, fd)
{
	return do_fsync(fd, false);
}

SYSCALL1(fdatasync, int, fd)
{
	return do_fsync(fd, true);
}

SYSCALL0(sync)
{
	struct mount *m = NULL;

	while ((m = mount_next(m)))
		if (m->fs->type->sync)
			(void)m->fs->type->sync(m->fs);
	return 0;
}

SYSCALL1(syncfs, int, fd)
{
	struct fdref r = fd_get(fd);
	struct fs *fs;
	long err;

	if (!r.file)
		return -EBADF;
	fs = r.file->path.mount->fs;
	err = fs->type->sync ? fs->type->sync(fs) : 0;
	fd_put(r);
	return err;
}

static int sync_range(struct file *f, u64 offset, u64 len)
{
	int err = f->ops->sync_range(f, offset, len), lost = 0;

	if (f->inode->object)
		lost = object_error(f->inode->object, &f->error_seen);
	return err ? err : lost;
}

SYSCALL4(sync_file_range, int, fd, s64, offset, s64, len, u32, flags)
{
	struct fdref r = fd_get(fd);
	long err = 0;
	s64 end;

	if (!r.file)
		return -EBADF;
	if ((flags & ~7U) || offset < 0 || len < 0 ||
	    ckd_add(&end, offset, len))
		err = -EINVAL;
	else if (!inode_is(r.file->inode, TYPE_REG) &&
		 !inode_is(r.file->inode, TYPE_DIR))
		err = -ESPIPE;
	else if (r.file->ops->sync_range && flags)
		err = sync_range(r.file, (u64)offset, len ? (u64)len : ~0UL);
	fd_put(r);
	return err;
}

static long advise(struct file *f, s64 offset, s64 len, int advice)
{
	if (inode_is(f->inode, TYPE_FIFO))
		return -ESPIPE;
	if (len < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE)
		return -EINVAL;
	if (!f->ops->advise)
		return 0; /* it is in memory anyway */
	return f->ops->advise(f, (u64)MAX(offset, 0), len ? (u64)len : ~0UL,
			      advice);
}

SYSCALL4(fadvise64, int, fd, s64, offset, s64, len, int, advice)
{
	struct fdref r = fd_get(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = advise(r.file, offset, len, advice);
	fd_put(r);
	return err;
}

SYSCALL3(readahead, int, fd, s64, offset, s64, count)
{
	struct fdref r = fd_get(fd);
	long err = 0;

	if (!r.file || !r.file->can_read)
		err = -EBADF;
	else if (!inode_is(r.file->inode, TYPE_REG) || count < 0)
		err = -EINVAL;
	else if (offset >= 0)
		err = advise(r.file, offset, count, POSIX_FADV_WILLNEED);
	fd_put(r);
	return err;
}

/* --- flock --------------------------------------------------------------- */

SYSCALL2(flock, int, fd, int, op)
{
	bool wait = !(op & LOCK_NB);
	struct fdref r;
	long err;
	int type;

	if (op & LOCK_MAND)
		return 0; /* Linux ignores these since 5.15 */
	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		type = F_RDLCK;
		break;
	case LOCK_EX:
		type = F_WRLCK;
		break;
	case LOCK_UN:
		type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	err = flock_set(r.file, type, wait);
	fd_put(r);
	return err;
}

/* --- ioctl --------------------------------------------------------------- */

static long set_flag(struct file *f, u32 flag, uaddr_t arg)
{
	u32 on, flags;
	int err;

	if (user_load_u32(&on, arg))
		return -EFAULT;
	flags = on ? f->flags | flag : f->flags & ~flag;
	err = f->ops->set_flags ? f->ops->set_flags(f, flags) : 0;
	if (err)
		return err;
	atomic_store(&f->flags, flags);
	return 0;
}

static long set_async(struct file *f, int fd, uaddr_t arg)
{
	u32 on;
	int err;

	if (user_load_u32(&on, arg))
		return -EFAULT;
	if (!file_can_async(f))
		return -ENOTTY;
	err = file_set_async(f, fd, on != 0);
	if (err)
		return err;
	if (on)
		atomic_fetch_or(&f->flags, (u32)FASYNC);
	else
		atomic_fetch_and(&f->flags, ~(u32)FASYNC);
	return 0;
}

static long owner_ioctl(struct file *f, u32 cmd, uaddr_t arg)
{
	u32 owner;

	if (cmd == FIOGETOWN || cmd == SIOCGPGRP)
		return user_store_u32(arg, (u32)file_get_owner(f));
	if (user_load_u32(&owner, arg))
		return -EFAULT;
	return file_set_owner(f, (s32)owner, false);
}

static long do_ioctl(struct file *f, int fd, u32 cmd, uaddr_t arg)
{
	long err = -ENOTTY;

	switch (cmd) {
	case FIOCLEX:
		return fd_set_flags(fd, true);
	case FIONCLEX:
		return fd_set_flags(fd, false);
	case FIONBIO:
		return set_flag(f, O_NONBLOCK, arg);
	case FIOASYNC:
		return set_async(f, fd, arg);
	case FIOSETOWN:
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		if (inode_is(f->inode, TYPE_SOCK))
			return owner_ioctl(f, cmd, arg);
		break;
	case FIONREAD:
		if (inode_is(f->inode, TYPE_REG)) {
			u64 size = inode_size(f->inode);

			return user_store_u32(
				arg, size > f->pos ? (u32)(size - f->pos) : 0);
		}
		break;
	default:
		break;
	}
	if (f->ops->ioctl)
		err = f->ops->ioctl(f, cmd, arg);
	/* Asking whether a file is a terminal is no lack of ours. */
	if (err == -ENOTTY && (cmd >> 8 & 0xff) != 'T')
		return syscall_unsupported("ioctl", cmd, ENOTTY);
	return err;
}

SYSCALL3(ioctl, int, fd, u32, cmd, uaddr_t, arg)
{
	struct fdref r = fd_get(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = do_ioctl(r.file, fd, cmd, arg);
	fd_put(r);
	return err;
}
