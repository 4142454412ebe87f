/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories and names: where we are, making, removing, linking, renaming,
 * listing.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

/* --- Current directory and root ------------------------------------------ */

static long getcwd_text(char *text, u64 text_size, uaddr_t buf, u64 size)
{
	struct path cwd, root;
	char *name;
	long n;

	path_cwd(&cwd);
	path_root(&root);
	if (cwd.dentry->flags & DENTRY_UNLINKED)
		n = -ENOENT;
	else if (!(name = path_name(&cwd, &root, text, text_size)))
		n = -ENAMETOOLONG;
	else if ((n = (long)strlen(name) + 1) > (long)size)
		n = -ERANGE;
	else if (user_copy_out(buf, name, (size_t)n))
		n = -EFAULT;
	path_put(&root);
	path_put(&cwd);
	return n;
}

SYSCALL2(getcwd, uaddr_t, buf, u64, size)
{
	char fast[NAME_FAST], *text;
	long n;

	size = MIN(size, (u64)INT32_MAX);
	n = getcwd_text(fast, sizeof(fast), buf, size);
	if (likely(n != -ENAMETOOLONG))
		return n;
	text = kmalloc(PATH_MAX_LEN);
	if (!text)
		return -ENOMEM;
	n = getcwd_text(text, PATH_MAX_LEN, buf, size);
	kfree(text);
	return n;
}

static long set_cwd(const struct path *p)
{
	long err;

	if (!inode_is(p->dentry->inode, TYPE_DIR))
		return -ENOTDIR;
	err = inode_permission(p->dentry->inode, MAY_EXEC);
	if (!err)
		fs_context_set_cwd(fs_context_current(), p);
	return err;
}

SYSCALL1(chdir, uaddr_t, name)
{
	struct path p;
	long err = path_lookup_user(AT_FDCWD, name,
				    LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = set_cwd(&p);
	path_put(&p);
	return err;
}

SYSCALL1(fchdir, int, fd)
{
	struct fdref r = fd_get_any(fd);
	long err;

	if (!r.file)
		return -EBADF;
	err = set_cwd(&r.file->path);
	fd_put(r);
	return err;
}

SYSCALL1(chroot, uaddr_t, name)
{
	struct path p;
	long err = path_lookup_user(AT_FDCWD, name,
				    LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->inode, MAY_EXEC);
	if (!err && !vfs_capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (!err)
		fs_context_set_root(fs_context_current(), &p);
	path_put(&p);
	return err;
}

SYSCALL1(umask, u32, mask)
{
	return (long)atomic_xchg(&fs_context_current()->umask, mask & 0777);
}

/* --- Making and removing ------------------------------------------------- */

static long do_mkdir(int dirfd, uaddr_t name, u32 mode)
{
	struct name_in n;
	long err = name_in_get(&n, name, 0);

	if (err)
		return err;
	err = path_mkdir(dirfd, n.name, mode);
	name_in_put(&n);
	return err;
}

SYSCALL2(mkdir, uaddr_t, name, u32, mode)
{
	return do_mkdir(AT_FDCWD, name, mode);
}

SYSCALL3(mkdirat, int, dirfd, uaddr_t, name, u32, mode)
{
	return do_mkdir(dirfd, name, mode);
}

static long do_mknod(int dirfd, uaddr_t name, u32 mode, u32 dev)
{
	struct name_in n;
	struct path p;
	long err;

	switch (mode & TYPE_MASK) {
	case 0:
	case TYPE_REG:
	case TYPE_FIFO:
	case TYPE_SOCK:
		dev = 0;
		break;
	case TYPE_CHR:
	case TYPE_BLK:
		if (!vfs_capable(CAP_MKNOD))
			return -EPERM;
		break;
	default:
		return (mode & TYPE_MASK) == TYPE_DIR ? -EPERM : -EINVAL;
	}
	err = name_in_get(&n, name, 0);
	if (err)
		return err;
	err = path_mknod(dirfd, n.name, mode, dev, &p);
	if (!err)
		path_put(&p);
	name_in_put(&n);
	return err;
}

SYSCALL3(mknod, uaddr_t, name, u32, mode, u32, dev)
{
	return do_mknod(AT_FDCWD, name, mode, dev);
}

SYSCALL4(mknodat, int, dirfd, uaddr_t, name, u32, mode, u32, dev)
{
	return do_mknod(dirfd, name, mode, dev);
}

static long do_unlink(int dirfd, uaddr_t name, bool is_dir)
{
	struct name_in n;
	long err = name_in_get(&n, name, 0);

	if (err)
		return err;
	err = is_dir ? path_rmdir(dirfd, n.name) : path_unlink(dirfd, n.name);
	name_in_put(&n);
	return err;
}

SYSCALL1(unlink, uaddr_t, name)
{
	return do_unlink(AT_FDCWD, name, false);
}

SYSCALL1(rmdir, uaddr_t, name)
{
	return do_unlink(AT_FDCWD, name, true);
}

SYSCALL3(unlinkat, int, dirfd, uaddr_t, name, int, flags)
{
	if (flags & ~AT_REMOVEDIR)
		return syscall_unsupported("unlinkat flags", (u64)flags,
					   EINVAL);
	return do_unlink(dirfd, name, (flags & AT_REMOVEDIR) != 0);
}

/* --- Links --------------------------------------------------------------- */

static long do_symlink(uaddr_t target, int dirfd, uaddr_t name)
{
	struct name_in n;
	char *text;
	long err = path_name_in(target, 0, &text);

	if (err)
		return err;
	err = name_in_get(&n, name, 0);
	if (!err) {
		err = path_symlink(text, dirfd, n.name);
		name_in_put(&n);
	}
	path_name_free(text);
	return err;
}

SYSCALL2(symlink, uaddr_t, target, uaddr_t, name)
{
	return do_symlink(target, AT_FDCWD, name);
}

SYSCALL3(symlinkat, uaddr_t, target, int, dirfd, uaddr_t, name)
{
	return do_symlink(target, dirfd, name);
}

/* A link to what a descriptor names asks for CAP_DAC_READ_SEARCH. */
static long do_link(int old_dirfd, uaddr_t old, int new_dirfd, uaddr_t name,
		    u32 lookup)
{
	struct name_in n;
	struct path p;
	long err;

	if ((lookup & LOOKUP_EMPTY) && !vfs_capable(CAP_DAC_READ_SEARCH))
		return -ENOENT;
	err = path_lookup_user(old_dirfd, old, lookup, &p);
	if (err)
		return err;
	err = name_in_get(&n, name, 0);
	if (!err) {
		err = path_link(&p, new_dirfd, n.name);
		name_in_put(&n);
	}
	path_put(&p);
	return err;
}

SYSCALL2(link, uaddr_t, old, uaddr_t, name)
{
	return do_link(AT_FDCWD, old, AT_FDCWD, name, 0);
}

SYSCALL5(linkat, int, old_dirfd, uaddr_t, old, int, new_dirfd, uaddr_t, name,
	 int, flags)
{
	u32 lookup = 0;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return syscall_unsupported("linkat flags", (u64)flags, EINVAL);
	if (flags & AT_SYMLINK_FOLLOW)
		lookup |= LOOKUP_FOLLOW;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return do_link(old_dirfd, old, new_dirfd, name, lookup);
}

static long readlink_at(const struct path *p, uaddr_t buf, u64 size)
{
	struct inode *i = p->dentry->inode;
	char *text;
	long n;

	if (!inode_is(i, TYPE_LNK) || !i->ops->readlink)
		return -EINVAL;
	text = kmalloc(PATH_MAX_LEN);
	if (!text)
		return -ENOMEM;
	n = i->ops->readlink(i, text, PATH_MAX_LEN);
	if (n > (long)size)
		n = (long)size;
	if (n > 0 && user_copy_out(buf, text, (size_t)n))
		n = -EFAULT;
	kfree(text);
	inode_accessed(i, p->mount, NULL);
	return n;
}

static long do_readlink(int dirfd, uaddr_t name, uaddr_t buf, int size)
{
	struct path p;
	long n;

	if (size <= 0)
		return -EINVAL;
	n = path_lookup_user(dirfd, name, LOOKUP_EMPTY, &p);
	if (n)
		return n;
	n = readlink_at(&p, buf, (u64)size);
	/* readlink("") of something that is no link does not exist. */
	if (n == -EINVAL && !inode_is(p.dentry->inode, TYPE_LNK)) {
		char first = '/';

		if (!user_copy_in(&first, name, 1) && first == '\0')
			n = -ENOENT;
	}
	path_put(&p);
	return n;
}

SYSCALL3(readlink, uaddr_t, name, uaddr_t, buf, int, size)
{
	return do_readlink(AT_FDCWD, name, buf, size);
}

SYSCALL4(readlinkat, int, dirfd, uaddr_t, name, uaddr_t, buf, int, size)
{
	return do_readlink(dirfd, name, buf, size);
}

/* --- Renaming ------------------------------------------------------------ */

static long do_rename(int old_dirfd, uaddr_t old, int new_dirfd, uaddr_t name,
		      u32 flags)
{
	struct name_in a;
	char *b;
	long err = name_in_get(&a, old, 0);

	if (err)
		return err;
	err = path_name_in(name, 0, &b);
	if (!err) {
		err = path_rename(old_dirfd, a.name, new_dirfd, b, flags);
		path_name_free(b);
	}
	name_in_put(&a);
	return err;
}

SYSCALL2(rename, uaddr_t, old, uaddr_t, name)
{
	return do_rename(AT_FDCWD, old, AT_FDCWD, name, 0);
}

SYSCALL4(renameat, int, old_dirfd, uaddr_t, old, int, new_dirfd, uaddr_t, name)
{
	return do_rename(old_dirfd, old, new_dirfd, name, 0);
}

SYSCALL5(renameat2, int, old_dirfd, uaddr_t, old, int, new_dirfd, uaddr_t, name,
	 u32, flags)
{
	if (flags & ~3U)
		return syscall_unsupported("renameat2 flags", flags, EINVAL);
	return do_rename(old_dirfd, old, new_dirfd, name, flags);
}

/* --- Listing ------------------------------------------------------------- */

struct dents { /* a getdents buffer being filled */
	struct dir_context ctx;
	uaddr_t buf;
	u64 size, used;
	bool is_old; /* getdents(): type behind the name */
	int err;
};

static u8 dirent_type(u32 mode_type)
{
	return (u8)(mode_type >> 12);
}

static bool emit_entry(struct dir_context *ctx, const char *name, u32 len,
		       u64 ino, u32 mode_type, u64 next_pos)
{
	struct dents *d = container_of(ctx, struct dents, ctx);
	u32 header = d->is_old ? 18 : 19;
	u32 reclen = ROUND_UP(header + len + (d->is_old ? 2 : 1), 8U);
	struct { /* the larger of both forms, with the name */
		u64 ino;
		u64 off;
		u16 reclen;
		char rest[NAME_MAX_LEN + 16];
	} PACKED e;

	if (d->used + reclen > d->size) {
		if (d->used == 0)
			d->err = -EINVAL;
		return false;
	}
	memset(&e, 0, sizeof(e));
	e.ino = ino;
	e.off = next_pos;
	e.reclen = (u16)reclen;
	if (!d->is_old)
		e.rest[0] = (char)dirent_type(mode_type);
	memcpy(e.rest + (header - 18), name, len);
	if (d->is_old)
		((char *)&e)[reclen - 1] = (char)dirent_type(mode_type);
	if (user_copy_out(d->buf + d->used, &e, reclen)) {
		d->err = -EFAULT;
		return false;
	}
	d->used += reclen;
	return true;
}

static long list_dir(struct file *f, struct dents *d)
{
	int err;

	if (!inode_is(f->inode, TYPE_DIR) || !f->ops->readdir)
		return -ENOTDIR;
	if (f->inode->flags & INODE_DEAD)
		return -ENOENT;
	mutex_lock(&f->pos_lock);
	d->ctx.pos = f->pos;
	err = f->ops->readdir(f, &d->ctx);
	f->pos = d->ctx.pos;
	mutex_unlock(&f->pos_lock);
	if (d->used)
		return (long)d->used;
	return d->err ? d->err : err;
}

static long do_getdents(int fd, uaddr_t buf, u32 size, bool is_old)
{
	struct dents d = { .ctx.emit = emit_entry,
			   .buf = buf,
			   .size = size,
			   .is_old = is_old };
	struct fdref r = fd_get(fd);
	long n;

	if (!r.file)
		return -EBADF;
	n = list_dir(r.file, &d);
	fd_put(r);
	return n;
}

SYSCALL3(getdents, int, fd, uaddr_t, buf, u32, size)
{
	return do_getdents(fd, buf, size, true);
}

SYSCALL3(getdents64, int, fd, uaddr_t, buf, u32, size)
{
	return do_getdents(fd, buf, size, false);
}
