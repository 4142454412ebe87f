/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes out: stat family, statx, statfs.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/mount.h"
#include "kernel/linux/stat.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)

static int stat_file(struct file *f, struct attr *a, struct inode_id *id)
{
	int err = inode_getattr(f->inode, a);

	inode_identify(f->inode, id);
	id->mount_id = f->path.mount->id;
	id->is_mount_root = f->path.dentry == f->path.mount->root;
	return err;
}

static int stat_fd(int fd, struct attr *a, struct inode_id *id)
{
	struct fdref r = fd_get_any(fd);
	int err;

	if (!r.file)
		return -EBADF;
	err = stat_file(r.file, a, id);
	fd_put(r);
	return err;
}

static int stat_name(int dirfd, uaddr_t name, u32 lookup, struct attr *a,
		     struct inode_id *id)
{
	struct name_in n;
	int err = name_in_get(&n, name, lookup);

	if (err)
		return err;
	if (!*n.name && dirfd != AT_FDCWD)
		err = stat_fd(dirfd, a, id);
	else
		err = path_stat(dirfd, n.name, lookup, a, id);
	name_in_put(&n);
	return err;
}

static long put_stat(uaddr_t addr, const struct attr *a,
		     const struct inode_id *id)
{
	struct linux_stat st = {
		.st_dev = id->dev,
		.st_ino = id->ino,
		.st_nlink = id->nlink,
		.st_mode = a->mode,
		.st_uid = a->uid,
		.st_gid = a->gid,
		.st_rdev = id->rdev,
		.st_size = (s64)a->size,
		.st_blksize = PAGE_SIZE,
		.st_blocks = (s64)id->blocks,
		.st_atime_sec = a->atime.sec,
		.st_atime_nsec = a->atime.nsec,
		.st_mtime_sec = a->mtime.sec,
		.st_mtime_nsec = a->mtime.nsec,
		.st_ctime_sec = a->ctime.sec,
		.st_ctime_nsec = a->ctime.nsec,
	};

	return user_put(addr, &st);
}

static long do_stat(int dirfd, uaddr_t name, u32 lookup, uaddr_t st)
{
	struct inode_id id = { .ino = 0 };
	struct attr a;
	int err = stat_name(dirfd, name, lookup, &a, &id);

	return err ? err : put_stat(st, &a, &id);
}

SYSCALL2(stat, uaddr_t, name, uaddr_t, st)
{
	return do_stat(AT_FDCWD, name, LOOKUP_FOLLOW, st);
}

SYSCALL2(lstat, uaddr_t, name, uaddr_t, st)
{
	return do_stat(AT_FDCWD, name, 0, st);
}

SYSCALL2(fstat, int, fd, uaddr_t, st)
{
	struct inode_id id = { .ino = 0 };
	struct attr a;
	int err = stat_fd(fd, &a, &id);

	return err ? err : put_stat(st, &a, &id);
}

static u32 lookup_flags(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
	       (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

SYSCALL4(newfstatat, int, dirfd, uaddr_t, name, uaddr_t, st, int, flags)
{
	if (flags & ~STAT_FLAGS)
		return syscall_unsupported("newfstatat flags", (u64)flags,
					   EINVAL);
	return do_stat(dirfd, name, lookup_flags(flags), st);
}

static struct linux_statx_time statx_time(const struct ltimespec *t)
{
	struct linux_statx_time out = { .sec = t->sec, .nsec = (u32)t->nsec };

	return out;
}

static long put_statx(uaddr_t addr, const struct attr *a,
		      const struct inode_id *id)
{
	struct linux_statx st = {
		.mask = LINUX_STATX_BASIC | LINUX_STATX_BTIME |
			LINUX_STATX_MNT_ID,
		.blksize = PAGE_SIZE,
		.attributes = id->is_mount_root ? LINUX_STATX_ATTR_MOUNT_ROOT
						: 0,
		.attributes_mask = LINUX_STATX_ATTR_MOUNT_ROOT,
		.nlink = id->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.mode = (u16)a->mode,
		.ino = id->ino,
		.size = a->size,
		.blocks = id->blocks,
		.atime = statx_time(&a->atime),
		.btime = statx_time(&a->btime),
		.ctime = statx_time(&a->ctime),
		.mtime = statx_time(&a->mtime),
		.rdev_major = dev_major(id->rdev),
		.rdev_minor = dev_minor(id->rdev),
		.dev_major = dev_major(id->dev),
		.dev_minor = dev_minor(id->dev),
		.mnt_id = id->mount_id,
	};

	return user_put(addr, &st);
}

SYSCALL5(statx, int, dirfd, uaddr_t, name, int, flags, u32, mask, uaddr_t, st)
{
	struct inode_id id = { .ino = 0 };
	struct attr a;
	int err;

	if (flags & ~(STAT_FLAGS | AT_STATX_SYNC_TYPE))
		return syscall_unsupported("statx flags", (u64)flags, EINVAL);
	if ((mask & 0x80000000U) ||
	    (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	err = stat_name(dirfd, name, lookup_flags(flags), &a, &id);
	return err ? err : put_statx(st, &a, &id);
}

/* --- statfs -------------------------------------------------------------- */

static u32 statfs_flags(const struct mount *m)
{
	u32 flags = LINUX_ST_VALID | (m->flags & 0xf);

	if (m->fs->is_readonly)
		flags |= LINUX_MS_RDONLY;
	if (m->flags & LINUX_MS_NOATIME)
		flags |= 0x400;
	else if (!(m->flags & LINUX_MS_STRICTATIME))
		flags |= 0x1000; /* ST_RELATIME */
	return flags;
}

static long put_statfs(const struct mount *m, uaddr_t addr)
{
	struct fs *fs = m->fs;
	struct linux_statfs st = {
		.type = (s64)fs->magic,
		.bsize = PAGE_SIZE,
		.frsize = PAGE_SIZE,
		.namelen = NAME_MAX_LEN,
	};
	int err = fs->type->statfs ? fs->type->statfs(fs, &st) : 0;

	if (err)
		return err;
	st.fsid[0] = (s32)fs->dev;
	st.flags = statfs_flags(m);
	return user_put(addr, &st);
}

SYSCALL2(statfs, uaddr_t, name, uaddr_t, st)
{
	struct path p;
	long err = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = put_statfs(p.mount, st);
	path_put(&p);
	return err;
}

SYSCALL2(fstatfs, int, fd, uaddr_t, st)
{
	struct fdref r = fd_get_any(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = put_statfs(r.file->path.mount, st);
	fd_put(r);
	return err;
}
