/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving bytes from file to file: sendfile, copy_file_range, splice, tee,
 * vmsplice.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/ipc/pipe_int.h"
#include "kernel/ipc/splice.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/proc/thread.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/vfs.h"

#define COPY_PAGES 16
#define COPY_MAX 0x7ffff000UL /* MAX_RW_COUNT */
#define FAST_IOV 8

/* --- sendfile ------------------------------------------------------------ */

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

/* offset: given by the caller. */
static int check_sendfile(struct file *in, struct file *out, const u64 *offset)
{
	if (!in->can_read)
		return -EBADF;
	if (offset && !file_has_position(in))
		return -ESPIPE;
	if (offset && (s64)*offset < 0)
		return -EINVAL;
	if (!out->can_write)
		return -EBADF;
	if (!file_has_position(in) || !in->ops->read || in->ops->no_splice ||
	    !file_can_splice(in))
		return -EINVAL;
	if (!out->ops->write || !file_can_splice(out) ||
	    (!file_is_pipe(out) && (out->flags & O_APPEND)))
		return -EINVAL;
	return 0;
}

/* offset NULL: at the file's position. */
static s64 do_sendfile(int out_fd, int in_fd, u64 *offset, u64 len)
{
	struct fdref in = fd_get(in_fd), out = fd_get(out_fd);
	u64 pos;
	s64 n = -EBADF;

	if (in.file && out.file)
		n = check_sendfile(in.file, out.file, offset);
	if (n == 0 && (s64)len < 0)
		n = -EINVAL;
	if (n == 0 && len) {
		pos = offset ? *offset : in.file->pos;
		len = MIN(len, COPY_MAX);
		if (pipe_of(out.file))
			n = splice_files(in.file, &pos, out.file, NULL, len, 0);
		else
			n = copy_file(in.file, out.file, &pos, &out.file->pos,
				      len);
		if (n > 0)
			*(offset ? offset : &in.file->pos) = pos;
	}
	fd_put(in);
	fd_put(out);
	return n;
}

SYSCALL4(sendfile, int, out_fd, int, in_fd, uaddr_t, offset, u64, len)
{
	u64 pos;
	s64 n;

	if (!offset)
		return do_sendfile(out_fd, in_fd, NULL, len);
	if (user_load_u64(&pos, offset))
		return -EFAULT;
	n = do_sendfile(out_fd, in_fd, &pos, len);
	return user_store_u64(offset, pos) ? -EFAULT : n;
}

/* --- copy_file_range ----------------------------------------------------- */

static int check_copy(struct file *in, struct file *out)
{
	if (inode_is(in->inode, TYPE_DIR) || inode_is(out->inode, TYPE_DIR))
		return -EISDIR;
	if (!inode_is(in->inode, TYPE_REG) || !inode_is(out->inode, TYPE_REG))
		return -EINVAL;
	if (!in->can_read || !out->can_write || (out->flags & O_APPEND))
		return -EBADF;
	if (in->ops->no_splice || out->ops->no_splice)
		return -EXDEV;
	return in->inode->fs == out->inode->fs ? 0 : -EXDEV;
}

/* Cut *len at the end of the input; ranges of one file must not meet. */
static int check_ranges(struct file *in, u64 in_pos, struct file *out,
			u64 out_pos, u64 *len)
{
	u64 size = inode_size(in->inode);
	u64 end;

	if (ckd_add(&end, in_pos, *len) || ckd_add(&end, out_pos, *len))
		return -EOVERFLOW;
	*len = in_pos < size ? MIN(*len, size - in_pos) : 0;
	if (in->inode == out->inode && in_pos < out_pos + *len &&
	    out_pos < in_pos + *len)
		return -EINVAL;
	*len = MIN(*len, COPY_MAX);
	return (s64)in_pos < 0 || (s64)out_pos < 0 ? -EINVAL : 0;
}

static s64 do_copy_range(struct file *in, uaddr_t in_addr, struct file *out,
			 uaddr_t out_addr, u64 len, u32 flags)
{
	u64 in_pos = in->pos, out_pos = out->pos;
	s64 n;

	if ((in_addr && user_load_u64(&in_pos, in_addr)) ||
	    (out_addr && user_load_u64(&out_pos, out_addr)))
		return -EFAULT;
	if (flags)
		return -EINVAL;
	n = check_copy(in, out);
	if (!n)
		n = check_ranges(in, in_pos, out, out_pos, &len);
	if (n || !len)
		return n;
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
	struct fdref in = fd_get(in_fd), out = fd_get(out_fd);
	s64 n = -EBADF;

	if (in.file && out.file)
		n = do_copy_range(in.file, in_pos, out.file, out_pos, len,
				  flags);
	fd_put(in);
	fd_put(out);
	return n;
}

/* --- splice, tee, vmsplice ----------------------------------------------- */

/* A position of the caller's, which pipes have none of; NULL: none given. */
static int offset_in(struct file *f, uaddr_t addr, u64 *offset)
{
	if (!addr)
		return 0;
	if (file_is_pipe(f))
		return -ESPIPE;
	return user_load_u64(offset, addr);
}

static int check_offset(struct file *f, uaddr_t addr, u64 offset)
{
	if (!addr)
		return 0;
	return file_has_position(f) && (s64)offset >= 0 ? 0 : -EINVAL;
}

static s64 do_splice(struct file *in, uaddr_t in_addr, struct file *out,
		     uaddr_t out_addr, u64 len, u32 flags)
{
	u64 in_pos = 0, out_pos = 0;
	s64 n;
	int err = offset_in(in, in_addr, &in_pos);

	if (!err)
		err = offset_in(out, out_addr, &out_pos);
	if (err)
		return err;
	if (!in->can_read || !out->can_write)
		return -EBADF;
	if (!file_is_pipe(in) && !file_is_pipe(out))
		return -EINVAL;
	err = check_offset(in, in_addr, in_pos);
	if (!err)
		err = check_offset(out, out_addr, out_pos);
	if (err)
		return err;
	n = splice_files(in, in_addr ? &in_pos : &in->pos, out,
			 out_addr ? &out_pos : &out->pos, MIN(len, COPY_MAX),
			 flags);
	if (n >= 0 && ((in_addr && user_store_u64(in_addr, in_pos)) ||
		       (out_addr && user_store_u64(out_addr, out_pos))))
		return -EFAULT;
	return n;
}

SYSCALL6(splice, int, in_fd, uaddr_t, in_pos, int, out_fd, uaddr_t, out_pos,
	 u64, len, u32, flags)
{
	struct fdref in, out;
	s64 n = -EBADF;

	if (len == 0)
		return 0;
	if (flags & ~(u32)SPLICE_KNOWN)
		return -EINVAL;
	in = fd_get(in_fd);
	out = fd_get(out_fd);
	if (in.file && out.file)
		n = do_splice(in.file, in_pos, out.file, out_pos, len, flags);
	fd_put(in);
	fd_put(out);
	return n;
}

SYSCALL4(tee, int, in_fd, int, out_fd, u64, len, u32, flags)
{
	struct fdref in, out;
	s64 n = -EBADF;

	if (flags & ~(u32)SPLICE_KNOWN)
		return -EINVAL;
	if (len == 0)
		return 0;
	in = fd_get(in_fd);
	out = fd_get(out_fd);
	if (in.file && out.file)
		n = splice_tee(in.file, out.file, MIN(len, COPY_MAX), flags);
	fd_put(in);
	fd_put(out);
	return n;
}

SYSCALL4(vmsplice, int, fd, uaddr_t, iov_addr, u64, niov, u32, flags)
{
	struct plat_iovec fast[FAST_IOV], *alloc = NULL;
	struct fdref r;
	struct uio u;
	s64 n;

	if (flags & ~(u32)SPLICE_KNOWN)
		return -EINVAL;
	r = fd_get(fd);
	if (!r.file)
		return -EBADF;
	n = niov > UIO_MAX_IOV
		    ? -EINVAL
		    : uio_import(&u, iov_addr, (u32)niov, fast, &alloc);
	if (n == 0 && u.left)
		n = splice_user(r.file, &u, flags);
	if (alloc)
		kfree(alloc);
	fd_put(r);
	return n;
}
