/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving bytes: read, write, their vector and positional forms, lseek.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/splice.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/proc/thread.h"
#include "kernel/sys/rw.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define FAST_IOV 8
enum {
	FLAG_HIPRI = 1,
	FLAG_DSYNC = 2,
	FLAG_SYNC = 4,
	FLAG_NOWAIT = 8,
	FLAG_APPEND = 16,
	FLAG_KNOWN = 31, /* RWF_* */
};

/* --- One buffer
 * --------------------------------------------------------------------- */

/* The file's own position is shared by all who have the file. */
static bool pos_lock(struct fdref r)
{
	if (!r.file->has_pos ||
	    (!r.has_ref && atomic_load(&r.file->ref.count) == 1))
		return false;
	mutex_lock(&r.file->pos_lock);
	return true;
}

static void pos_unlock(struct fdref r, bool is_locked)
{
	if (is_locked)
		mutex_unlock(&r.file->pos_lock);
}

static inline s64 move_at_pos(struct fdref r, struct uio *u, bool is_write)
{
	bool is_locked = pos_lock(r);
	s64 n = is_write ? file_write(r.file, u, &r.file->pos)
			 : file_read(r.file, u, &r.file->pos);

	pos_unlock(r, is_locked);
	return n;
}

SYSCALL3(read, int, fd, uaddr_t, buf, u64, len)
{
	struct fdref r = fd_get(fd);
	struct uio u;
	s64 n;

	if (unlikely(!r.file))
		return -EBADF;
	if (unlikely(!user_range_ok(buf, len))) {
		fd_put(r);
		return -EFAULT;
	}
	uio_init_user(&u, buf, len);
	n = move_at_pos(r, &u, false);
	fd_put(r);
	return n;
}

SYSCALL3(write, int, fd, uaddr_t, buf, u64, len)
{
	struct fdref r = fd_get(fd);
	struct uio u;
	s64 n;

	if (unlikely(!r.file))
		return -EBADF;
	if (unlikely(!user_range_ok(buf, len))) {
		fd_put(r);
		return -EFAULT;
	}
	uio_init_user(&u, buf, len);
	n = move_at_pos(r, &u, true);
	fd_put(r);
	return n;
}

static s64 move_at(struct fdref r, struct uio *u, s64 offset, bool is_write)
{
	u64 pos = (u64)offset;

	if (offset < 0)
		return -EINVAL;
	if (!file_has_position(r.file))
		return -ESPIPE;
	return is_write ? file_write(r.file, u, &pos)
			: file_read(r.file, u, &pos);
}

static long do_pmove(int fd, uaddr_t buf, u64 len, s64 offset, bool is_write)
{
	struct fdref r = fd_get(fd);
	struct uio u;
	s64 n;

	if (unlikely(!r.file))
		return -EBADF;
	if (likely(user_range_ok(buf, len))) {
		uio_init_user(&u, buf, len);
		n = move_at(r, &u, offset, is_write);
	} else {
		n = -EFAULT;
	}
	fd_put(r);
	return n;
}

SYSCALL4(pread64, int, fd, uaddr_t, buf, u64, len, s64, offset)
{
	return do_pmove(fd, buf, len, offset, false);
}

SYSCALL4(pwrite64, int, fd, uaddr_t, buf, u64, len, s64, offset)
{
	return do_pmove(fd, buf, len, offset, true);
}

/* --- Vectors
 * ----------------------------------------------------------------------------
 */

/* offset NULL: at the file's position. flags: RWF_*. */
static long do_vector(int fd, uaddr_t iov_addr, u64 niov, const s64 *offset,
		      bool is_write, int flags)
{
	struct plat_iovec fast[FAST_IOV], *alloc = NULL;
	struct fdref r = fd_get(fd);
	struct uio u;
	s64 n;

	if (unlikely(!r.file))
		return -EBADF;
	n = niov > UIO_MAX_IOV
		    ? -EINVAL
		    : uio_import(&u, iov_addr, (u32)niov, fast, &alloc);
	if (n == 0) {
		rw_set_flags(&u, flags);
		n = offset ? move_at(r, &u, *offset, is_write)
			   : move_at_pos(r, &u, is_write);
	}
	if (alloc)
		kfree(alloc);
	fd_put(r);
	return n;
}

SYSCALL3(readv, int, fd, uaddr_t, iov, u64, niov)
{
	return do_vector(fd, iov, niov, NULL, false, 0);
}

SYSCALL3(writev, int, fd, uaddr_t, iov, u64, niov)
{
	return do_vector(fd, iov, niov, NULL, true, 0);
}

SYSCALL4(preadv, int, fd, uaddr_t, iov, u64, niov, s64, offset)
{
	return do_vector(fd, iov, niov, &offset, false, 0);
}

SYSCALL4(pwritev, int, fd, uaddr_t, iov, u64, niov, s64, offset)
{
	return do_vector(fd, iov, niov, &offset, true, 0);
}

/* Files whose operations look at uio.nowait, or never wait. */
static bool heeds_nowait(const struct file *f)
{
	return f->ops == &regular_fops || file_is_pipe(f) ||
	       inode_is(f->inode, TYPE_SOCK) ||
	       (f->inode->object && f->inode->object->pager);
}

/* HIPRI has nothing to do; APPEND and the sync flags are heeded by regular
 * files, and mean nothing to streams. */
long rw_check_flags(const struct file *f, int flags)
{
	if ((flags & ~FLAG_KNOWN) ||
	    (f && (flags & FLAG_NOWAIT) && !heeds_nowait(f)))
		return syscall_unsupported("preadv2 flags", (u64)flags,
					   EOPNOTSUPP);
	return 0;
}

void rw_set_flags(struct uio *u, int flags)
{
	u->append = flags & FLAG_APPEND;
	u->nowait = flags & FLAG_NOWAIT;
	u->sync = flags & FLAG_SYNC ? 2 : flags & FLAG_DSYNC ? 1 : 0;
}

static long check_flags(int fd, int flags)
{
	struct fdref r;
	long err = rw_check_flags(NULL, flags);

	if (err || !(flags & FLAG_NOWAIT))
		return err;
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	err = rw_check_flags(r.file, flags);
	fd_put(r);
	return err;
}

SYSCALL6(preadv2, int, fd, uaddr_t, iov, u64, niov, s64, offset, u64,
	 high UNUSED, int, flags)
{
	long err = niov ? check_flags(fd, flags) : 0;

	if (err)
		return err;
	return do_vector(fd, iov, niov, offset == -1 ? NULL : &offset, false,
			 flags);
}

SYSCALL6(pwritev2, int, fd, uaddr_t, iov, u64, niov, s64, offset, u64,
	 high UNUSED, int, flags)
{
	long err = niov ? check_flags(fd, flags) : 0;

	if (err)
		return err;
	return do_vector(fd, iov, niov, offset == -1 ? NULL : &offset, true,
			 flags);
}

SYSCALL3(lseek, int, fd, s64, offset, int, whence)
{
	struct fdref r = fd_get(fd);
	bool is_locked;
	s64 n;

	if (!r.file)
		return -EBADF;
	is_locked = pos_lock(r);
	n = r.file->ops->lseek ? r.file->ops->lseek(r.file, offset, whence)
			       : -ESPIPE;
	pos_unlock(r, is_locked);
	fd_put(r);
	return n;
}
