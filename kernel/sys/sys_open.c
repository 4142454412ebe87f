/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open and close: open, openat, openat2, creat, close, close_range, dup,
 * memfd_create.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/memfd.h"
#include "kernel/linux/openat2.h"
#include "kernel/kernel.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define OPEN_FLAGS                                                         \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |    \
	 O_NONBLOCK | O_SYNC | O_DSYNC | FASYNC | O_DIRECT | O_LARGEFILE | \
	 O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH |       \
	 O_TMPFILE)

static long do_open(int dirfd, uaddr_t name, u32 flags, u32 mode, u32 lookup)
{
	struct name_in n;
	struct file *f;
	int fd, err = name_in_get(&n, name, 0);

	if (err)
		return err;
	fd = fd_reserve(0, (flags & O_CLOEXEC) != 0);
	if (fd < 0) {
		name_in_put(&n);
		return fd;
	}
	err = path_open(dirfd, n.name, flags, mode, lookup, &f);
	name_in_put(&n);
	if (err) {
		fd_unreserve(fd);
		return err;
	}
	fd_publish(fd, f);
	return fd;
}

SYSCALL3(open, uaddr_t, name, int, flags, u32, mode)
{
	return do_open(AT_FDCWD, name, (u32)flags & OPEN_FLAGS, mode, 0);
}

SYSCALL4(openat, int, dirfd, uaddr_t, name, int, flags, u32, mode)
{
	return do_open(dirfd, name, (u32)flags & OPEN_FLAGS, mode, 0);
}

SYSCALL2(creat, uaddr_t, name, u32, mode)
{
	return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode, 0);
}

static u32 resolve_flags(u64 resolve)
{
	u32 lookup = 0;

	if (resolve & RESOLVE_NO_XDEV)
		lookup |= LOOKUP_NO_XDEV;
	if (resolve & RESOLVE_NO_MAGICLINKS)
		lookup |= LOOKUP_NO_MAGICLINKS;
	if (resolve & RESOLVE_NO_SYMLINKS)
		lookup |= LOOKUP_NO_SYMLINKS;
	if (resolve & RESOLVE_BENEATH)
		lookup |= LOOKUP_BENEATH;
	if (resolve & RESOLVE_IN_ROOT)
		lookup |= LOOKUP_IN_ROOT;
	return lookup;
}

SYSCALL4(openat2, int, dirfd, uaddr_t, name, uaddr_t, how_addr, u64, size)
{
	const u64 known = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS |
			  RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
			  RESOLVE_IN_ROOT;
	struct open_how how;

	if (size < sizeof(how))
		return -EINVAL;
	if (size > sizeof(how))
		return syscall_unsupported("openat2 size", size, E2BIG);
	if (user_get(&how, how_addr))
		return -EFAULT;
	if (how.flags & ~(u64)OPEN_FLAGS)
		return syscall_unsupported("openat2 flags", how.flags, EINVAL);
	if (how.resolve & RESOLVE_CACHED)
		return -EAGAIN; /* the caller then asks without it */
	if (how.resolve & ~known)
		return syscall_unsupported("openat2 resolve", how.resolve,
					   EINVAL);
	if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (how.mode & ~07777UL)
		return -EINVAL;
	if (how.mode && !(how.flags & O_CREAT) &&
	    (how.flags & O_TMPFILE) != O_TMPFILE)
		return -EINVAL;
	return do_open(dirfd, name, (u32)how.flags, (u32)how.mode,
		       resolve_flags(how.resolve));
}

SYSCALL1(close, int, fd)
{
	return fd_close(fd);
}

SYSCALL3(close_range, u32, first, u32, last, u32, flags)
{
	if (flags & ~(u32)4) /* CLOSE_RANGE_CLOEXEC; UNSHARE is 2 */
		return syscall_unsupported("close_range flags", flags, EINVAL);
	return fd_close_range(first, last, (flags & 4) != 0);
}

static long dup_to(struct fdref r, int fd, bool cloexec)
{
	long ret;

	file_get(r.file);
	ret = fd_replace(fd, r.file, cloexec);
	if (ret < 0)
		file_put(r.file);
	return ret;
}

SYSCALL1(dup, int, fd)
{
	struct fdref r = fd_get_any(fd);
	long ret;

	if (!r.file)
		return -EBADF;
	file_get(r.file);
	ret = fd_install(r.file, 0, false);
	fd_put(r);
	return ret;
}

SYSCALL2(dup2, int, old, int, new)
{
	struct fdref r = fd_get_any(old);
	long ret;

	if (!r.file)
		return -EBADF;
	ret = old == new ? new : dup_to(r, new, false);
	fd_put(r);
	return ret;
}

SYSCALL3(dup3, int, old, int, new, int, flags)
{
	struct fdref r;
	long ret;

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	if (old == new)
		return -EINVAL;
	r = fd_get_any(old);
	if (!r.file)
		return -EBADF;
	ret = dup_to(r, new, (flags & O_CLOEXEC) != 0);
	fd_put(r);
	return ret;
}

#define MEMFD_NAME_MAX 249

SYSCALL2(memfd_create, uaddr_t, name_addr, u32, flags)
{
	u32 seals = flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL;
	char name[MEMFD_NAME_MAX + 1];
	struct file *f;
	s64 len;
	int err;

	if (flags & ~(u32)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return syscall_unsupported("memfd_create flags", flags, EINVAL);
	len = user_string_in(name, name_addr, sizeof(name));
	if (len < 0)
		return len == -ENAMETOOLONG ? -EINVAL : len;
	err = memfd_new(name, O_RDWR | O_LARGEFILE, seals, &f);
	if (err)
		return err;
	return fd_install(f, 0, (flags & MFD_CLOEXEC) != 0);
}
