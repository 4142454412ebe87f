/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving bytes: read, write, their vector and positional forms, lseek,
 * sendfile, copy_file_range.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/proc/thread.h"
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

/* Streams have no position: -ESPIPE. */
static bool has_position(const struct file *f)
{
	return f->has_pos || (f->ops->lseek && f->ops->lseek != file_stay &&
			      !inode_is(f->inode, TYPE_FIFO) &&
			      !inode_is(f->inode, TYPE_SOCK));
}

static s64 move_at(struct fdref r, struct uio *u, s64 offset, bool is_write)
{
	u64 pos = (u64)offset;

	if (offset < 0)
		return -EINVAL;
	if (!has_position(r.file))
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
		u.append = flags & FLAG_APPEND;
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

/* Data in memory never makes a reader wait, so NOWAIT, HIPRI and the sync
 * flags have nothing to do on regular files; elsewhere they are refused. */
static long check_flags(int fd, int flags)
{
	struct fdref r;
	long err = 0;

	if (flags & ~FLAG_KNOWN)
		return syscall_unsupported("preadv2 flags", (u64)flags,
					   EOPNOTSUPP);
	if (!(flags & (FLAG_NOWAIT | FLAG_APPEND)))
		return 0;
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	if (r.file->ops != &regular_fops)
		err = syscall_unsupported("preadv2 flags", (u64)flags,
					  EOPNOTSUPP);
	fd_put(r);
	return err;
}

SYSCALL6(preadv2, int, fd, uaddr_t, iov, u64, niov, s64, offset, u64,
	 high UNUSED, int, flags)
{
	long err = check_flags(fd, flags);

	if (err)
		return err;
	return do_vector(fd, iov, niov, offset == -1 ? NULL : &offset, false,
			 flags);
}

SYSCALL6(pwritev2, int, fd, uaddr_t, iov, u64, niov, s64, offset, u64,
	 high UNUSED, int, flags)
{
	long err = check_flags(fd, flags);

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

/* --- From file to file
 * ---------------------------------------------------------------------- */

#define COPY_PAGES 16

/* Write n bytes at src; what the output took. */
static s64 write_kernel(struct file *out, void *src, u64 n, u64 *pos)
{
	struct uio u;

	uio_init_kernel(&u, src, n);
	return file_write(out, &u, pos);
}

/* The next piece, straight out of the file's memory where it has such. */
static s64 copy_direct(struct file *out, struct object *o, u64 *in_pos,
		       u64 *out_pos, u64 len)
{
	u64 size = atomic_load(&o->size), run;
	void *src;
	s64 n;

	if (*in_pos >= size)
		return 0;
	if (out->ops->splice_from_object) {
		n = out->ops->splice_from_object(out, o, *in_pos,
						 MIN(len, size - *in_pos));
		if (n > 0)
			*in_pos += (u64)n;
		if (n != -EOPNOTSUPP)
			return n;
	}
	src = object_address(o, *in_pos, &run);
	if (!src)
		return -EIO;
	n = write_kernel(out, src, MIN(MIN(len, run), size - *in_pos), out_pos);
	if (n > 0)
		*in_pos += (u64)n;
	return n;
}

static s64 copy_buffered(struct file *in, struct file *out, u64 *in_pos,
			 u64 *out_pos, u64 len, void *buf)
{
	u64 at = *in_pos;
	struct uio u;
	s64 got, n;

	uio_init_kernel(&u, buf, MIN(len, COPY_PAGES * PAGE_SIZE));
	got = file_read(in, &u, &at);
	if (got <= 0)
		return got;
	n = write_kernel(out, buf, (u64)got, out_pos);
	if (n > 0)
		*in_pos += (u64)n;
	return n;
}

static s64 copy_file(struct file *in, struct file *out, u64 *in_pos,
		     u64 *out_pos, u64 len)
{
	bool is_direct = in->ops == &regular_fops && in->inode->object;
	void *buf = is_direct ? NULL : kpages_alloc(COPY_PAGES);
	u64 done = 0;
	s64 n = 0;

	if (!is_direct && !buf)
		return -ENOMEM;
	while (done < len) {
		n = is_direct ? copy_direct(out, in->inode->object, in_pos,
					    out_pos, len - done)
			      : copy_buffered(in, out, in_pos, out_pos,
					      len - done, buf);
		if (n <= 0)
			break;
		done += (u64)n;
		if (thread_interrupted())
			break;
	}
	if (buf)
		kpages_free(buf, COPY_PAGES);
	return done ? (s64)done : n;
}

static int check_sendfile(struct file *in, struct file *out, bool has_offset)
{
	if (!in->can_read || !out->can_write)
		return -EBADF;
	if (!in->ops->read || !out->ops->write || (out->flags & O_APPEND))
		return -EINVAL;
	if (!has_position(in))
		return has_offset ? -ESPIPE : -EINVAL;
	/* Copying on until the end would hold a terminal's lines back. */
	return inode_is(in->inode, TYPE_REG) ? 0 : -EINVAL;
}

static s64 do_sendfile(struct file *in, struct file *out, uaddr_t offset_addr,
		       u64 len)
{
	u64 pos = in->pos;
	s64 n;
	int err = check_sendfile(in, out, offset_addr != 0);

	if (err)
		return err;
	if (offset_addr && user_load_u64(&pos, offset_addr))
		return -EFAULT;
	if ((s64)pos < 0)
		return -EINVAL;
	n = copy_file(in, out, &pos, &out->pos, MIN(len, 0x7ffff000UL));
	if (n <= 0)
		return n;
	if (!offset_addr)
		in->pos = pos;
	else if (user_store_u64(offset_addr, pos))
		return -EFAULT;
	return n;
}

SYSCALL4(sendfile, int, out_fd, int, in_fd, uaddr_t, offset, u64, len)
{
	struct fdref in = fd_get(in_fd), out = fd_get(out_fd);
	s64 n = in.file && out.file
			? do_sendfile(in.file, out.file, offset, len)
			: -EBADF;

	fd_put(in);
	fd_put(out);
	return n;
}

static int check_copy(struct file *in, struct file *out)
{
	if (!in->can_read || !out->can_write || (out->flags & O_APPEND))
		return -EBADF;
	if (inode_is(in->inode, TYPE_DIR) || inode_is(out->inode, TYPE_DIR))
		return -EISDIR;
	if (!inode_is(in->inode, TYPE_REG) || !inode_is(out->inode, TYPE_REG))
		return -EINVAL;
	return 0;
}

static s64 do_copy_range(struct file *in, uaddr_t in_addr, struct file *out,
			 uaddr_t out_addr, u64 len)
{
	u64 in_pos = in->pos, out_pos = out->pos;
	s64 n;
	int err = check_copy(in, out);

	if (err)
		return err;
	if ((in_addr && user_load_u64(&in_pos, in_addr)) ||
	    (out_addr && user_load_u64(&out_pos, out_addr)))
		return -EFAULT;
	len = MIN(len, 0x7ffff000UL);
	if ((s64)in_pos < 0 || (s64)out_pos < 0)
		return -EINVAL;
	if (in->inode == out->inode && in_pos < out_pos + len &&
	    out_pos < in_pos + len)
		return -EINVAL;
	n = copy_file(in, out, &in_pos, &out_pos, len);
	if (n <= 0)
		return n;
	if (!in_addr)
		in->pos = in_pos;
	else if (user_store_u64(in_addr, in_pos))
		return -EFAULT;
	if (!out_addr)
		out->pos = out_pos;
	else if (user_store_u64(out_addr, out_pos))
		return -EFAULT;
	return n;
}

SYSCALL6(copy_file_range, int, in_fd, uaddr_t, in_pos, int, out_fd, uaddr_t,
	 out_pos, u64, len, u32, flags)
{
	struct fdref in, out;
	s64 n = -EBADF;

	if (flags)
		return -EINVAL;
	in = fd_get(in_fd);
	out = fd_get(out_fd);
	if (in.file && out.file)
		n = do_copy_range(in.file, in_pos, out.file, out_pos, len);
	fd_put(in);
	fd_put(out);
	return n;
}
