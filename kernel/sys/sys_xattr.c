/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: who may, and which names; the filesystem keeps them.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/fs/xattr.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/xattr.h"
#include "kernel/mm/heap.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int check_name(struct inode *i, const char *name, bool is_write)
{
	if (starts_with(name, XATTR_TRUSTED_PREFIX)) {
		if (vfs_capable(CAP_SYS_ADMIN))
			return 0;
		return is_write ? -EPERM : -ENODATA;
	}
	if (starts_with(name, XATTR_SECURITY_PREFIX))
		return is_write && !vfs_capable(CAP_SYS_ADMIN) ? -EPERM : 0;
	if (!starts_with(name, XATTR_USER_PREFIX))
		return -EOPNOTSUPP; /* system.*: ACLs are not kept */
	if (!name[strlen(XATTR_USER_PREFIX)])
		return -EINVAL;
	if (!inode_is(i, TYPE_REG) && !inode_is(i, TYPE_DIR))
		return is_write ? -EPERM : -ENODATA;
	return inode_permission(i, is_write ? MAY_WRITE : MAY_READ);
}

static int name_arg(char *name, uaddr_t addr)
{
	s64 n = user_string_in(name, addr, XATTR_NAME_LIMIT + 1);

	if (n == 0 || n == -ENAMETOOLONG)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

/* --- Operations on an inode ---------------------------------------------- */

static long xattr_get(struct inode *i, uaddr_t name_addr, uaddr_t buf, u64 n)
{
	char name[XATTR_NAME_LIMIT + 1];
	void *value = NULL;
	long err = name_arg(name, name_addr);

	if (!err)
		err = check_name(i, name, false);
	if (err)
		return err;
	if (!i->ops->getxattr)
		return -EOPNOTSUPP;
	n = MIN(n, (u64)XATTR_SIZE_LIMIT);
	if (n && !(value = kmalloc(n)))
		return -ENOMEM;
	rw_read_lock(&i->lock);
	err = i->ops->getxattr(i, name, value, n);
	rw_read_unlock(&i->lock);
	if (err > 0 && n && user_copy_out(buf, value, (size_t)err))
		err = -EFAULT;
	kfree(value);
	return err;
}

static long xattr_set(const struct path *p, uaddr_t name_addr, uaddr_t buf,
		      u64 n, int flags)
{
	struct inode *i = p->dentry->inode;
	char name[XATTR_NAME_LIMIT + 1];
	void *value;
	long err = name_arg(name, name_addr);

	if (!err && (flags & ~(XATTR_CREATE | XATTR_REPLACE)))
		err = -EINVAL;
	if (!err && n > XATTR_SIZE_LIMIT)
		err = -E2BIG;
	if (err)
		return err;
	value = kmalloc(n ? n : 1);
	if (!value)
		return -ENOMEM;
	if (n && user_copy_in(value, buf, n))
		err = -EFAULT;
	if (!err)
		err = path_want_write(p);
	if (!err)
		err = check_name(i, name, true);
	if (!err && !i->ops->setxattr)
		err = -EOPNOTSUPP;
	if (!err) {
		rw_write_lock(&i->lock);
		err = i->ops->setxattr(i, name, value, n, flags);
		if (!err)
			inode_touch(i, ATTR_CTIME);
		rw_write_unlock(&i->lock);
	}
	kfree(value);
	if (!err)
		vfs_notify(p->dentry, NOTIFY_ATTRIB);
	return err;
}

/* trusted.* is not shown to those who may not read it. */
static long hide_trusted(char *names, long len)
{
	long kept = 0;

	if (vfs_capable(CAP_SYS_ADMIN))
		return len;
	for (long at = 0; at < len;) {
		long n = (long)strlen(names + at) + 1;

		if (!starts_with(names + at, XATTR_TRUSTED_PREFIX)) {
			memmove(names + kept, names + at, (size_t)n);
			kept += n;
		}
		at += n;
	}
	return kept;
}

static long xattr_list(struct inode *i, uaddr_t buf, u64 size)
{
	char *names;
	long n;

	if (!i->ops->listxattr)
		return 0;
	names = kmalloc(XATTR_SIZE_LIMIT);
	if (!names)
		return -ENOMEM;
	rw_read_lock(&i->lock);
	n = i->ops->listxattr(i, names, XATTR_SIZE_LIMIT);
	rw_read_unlock(&i->lock);
	if (n == -ERANGE)
		n = -E2BIG;
	if (n > 0)
		n = hide_trusted(names, n);
	if (n > 0 && size) {
		if ((u64)n > size)
			n = -ERANGE;
		else if (user_copy_out(buf, names, (size_t)n))
			n = -EFAULT;
	}
	kfree(names);
	return n;
}

static long xattr_remove(const struct path *p, uaddr_t name_addr)
{
	struct inode *i = p->dentry->inode;
	char name[XATTR_NAME_LIMIT + 1];
	long err = name_arg(name, name_addr);

	if (!err)
		err = path_want_write(p);
	if (!err)
		err = check_name(i, name, true);
	if (!err && !i->ops->removexattr)
		err = -EOPNOTSUPP;
	if (err)
		return err;
	rw_write_lock(&i->lock);
	err = i->ops->removexattr(i, name);
	if (!err)
		inode_touch(i, ATTR_CTIME);
	rw_write_unlock(&i->lock);
	if (!err)
		vfs_notify(p->dentry, NOTIFY_ATTRIB);
	return err;
}

/* --- Calls: by name, by name of a link, by descriptor -------------------- */

struct xattr_call {
	enum { CALL_GET, CALL_SET, CALL_LIST, CALL_REMOVE } what;
	uaddr_t name, buf;
	u64 size;
	int flags;
};

static long call_on(const struct path *p, const struct xattr_call *c)
{
	struct inode *i = p->dentry->inode;

	switch (c->what) {
	case CALL_GET:
		return xattr_get(i, c->name, c->buf, c->size);
	case CALL_SET:
		return xattr_set(p, c->name, c->buf, c->size, c->flags);
	case CALL_LIST:
		return xattr_list(i, c->buf, c->size);
	default:
		return xattr_remove(p, c->name);
	}
}

static long call_name(uaddr_t name, u32 lookup, const struct xattr_call *c)
{
	struct path p;
	long err = path_lookup_user(AT_FDCWD, name, lookup, &p);

	if (err)
		return err;
	err = call_on(&p, c);
	path_put(&p);
	return err;
}

static long call_fd(int fd, const struct xattr_call *c)
{
	struct fdref r = fd_get(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = call_on(&r.file->path, c);
	fd_put(r);
	return err;
}

#define GET_CALL(n, b, s)                                              \
	{                                                              \
		.what = CALL_GET, .name = (n), .buf = (b), .size = (s) \
	}
#define SET_CALL(n, b, s, f)                                            \
	{                                                               \
		.what = CALL_SET, .name = (n), .buf = (b), .size = (s), \
		.flags = (f)                                            \
	}

SYSCALL4(getxattr, uaddr_t, path, uaddr_t, name, uaddr_t, buf, u64, size)
{
	const struct xattr_call c = GET_CALL(name, buf, size);

	return call_name(path, LOOKUP_FOLLOW, &c);
}

SYSCALL4(lgetxattr, uaddr_t, path, uaddr_t, name, uaddr_t, buf, u64, size)
{
	const struct xattr_call c = GET_CALL(name, buf, size);

	return call_name(path, 0, &c);
}

SYSCALL4(fgetxattr, int, fd, uaddr_t, name, uaddr_t, buf, u64, size)
{
	const struct xattr_call c = GET_CALL(name, buf, size);

	return call_fd(fd, &c);
}

SYSCALL5(setxattr, uaddr_t, path, uaddr_t, name, uaddr_t, buf, u64, size, int,
	 flags)
{
	const struct xattr_call c = SET_CALL(name, buf, size, flags);

	return call_name(path, LOOKUP_FOLLOW, &c);
}

SYSCALL5(lsetxattr, uaddr_t, path, uaddr_t, name, uaddr_t, buf, u64, size, int,
	 flags)
{
	const struct xattr_call c = SET_CALL(name, buf, size, flags);

	return call_name(path, 0, &c);
}

SYSCALL5(fsetxattr, int, fd, uaddr_t, name, uaddr_t, buf, u64, size, int, flags)
{
	const struct xattr_call c = SET_CALL(name, buf, size, flags);

	return call_fd(fd, &c);
}

SYSCALL3(listxattr, uaddr_t, path, uaddr_t, buf, u64, size)
{
	const struct xattr_call c = { .what = CALL_LIST,
				      .buf = buf,
				      .size = size };

	return call_name(path, LOOKUP_FOLLOW, &c);
}

SYSCALL3(llistxattr, uaddr_t, path, uaddr_t, buf, u64, size)
{
	const struct xattr_call c = { .what = CALL_LIST,
				      .buf = buf,
				      .size = size };

	return call_name(path, 0, &c);
}

SYSCALL3(flistxattr, int, fd, uaddr_t, buf, u64, size)
{
	const struct xattr_call c = { .what = CALL_LIST,
				      .buf = buf,
				      .size = size };

	return call_fd(fd, &c);
}

SYSCALL2(removexattr, uaddr_t, path, uaddr_t, name)
{
	const struct xattr_call c = { .what = CALL_REMOVE, .name = name };

	return call_name(path, LOOKUP_FOLLOW, &c);
}

SYSCALL2(lremovexattr, uaddr_t, path, uaddr_t, name)
{
	const struct xattr_call c = { .what = CALL_REMOVE, .name = name };

	return call_name(path, 0, &c);
}

SYSCALL2(fremovexattr, int, fd, uaddr_t, name)
{
	const struct xattr_call c = { .what = CALL_REMOVE, .name = name };

	return call_fd(fd, &c);
}
