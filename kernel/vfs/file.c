/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: memory, references, and the checks before an operation.
 */
#include "kernel/vfs/vfs_int.h"

#define RW_MAX 0x7ffff000UL /* MAX_RW_COUNT */

static struct pool file_pool = {
	.size = sizeof(struct file),
	.link_offset = offsetof(struct file, pool_next),
};

u64 file_count(void)
{
	return pool_nlive(&file_pool);
}

struct file *file_alloc(void)
{
	return pool_alloc(&file_pool);
}

void file_free(struct file *f)
{
	pool_free(&file_pool, f);
}

static void file_set_mode(struct file *f, u32 flags)
{
	u32 acc = flags & O_ACCMODE;

	f->is_path_only = (flags & O_PATH) != 0;
	f->can_read = !f->is_path_only && acc != O_WRONLY;
	f->can_write = !f->is_path_only && acc != O_RDONLY;
}

int file_new_owned(const struct path *p, const struct file_ops *ops, u32 flags,
		   struct file **out)
{
	struct file *f = file_alloc();

	if (!f) {
		struct path owned = *p;

		path_put(&owned);
		return -ENFILE;
	}
	f->flags = flags;
	f->ops = ops;
	f->path = *p;
	f->inode = p->dentry->inode;
	f->pos = 0;
	f->data = NULL;
	f->owner = 0;
	f->owner_sig = 0;
	f->owner_is_thread = false;
	f->async = NULL;
	list_init(&f->epoll_watches);
	f->has_pos = inode_is(f->inode, TYPE_REG) ||
		     inode_is(f->inode, TYPE_DIR);
	f->has_write = false;
	f->atime_checked = false;
	f->error_seen = f->inode->object ? object_error_start(f->inode->object)
					 : 0;
	f->ra_pages = 0;
	f->ra_next = 0;
	f->ra_mark = 0;
	file_set_mode(f, flags);
	/* Pairs with ref_tryget() of stale lookups in fd.c. */
	atomic_store_release(&f->ref.count, 1);
	*out = f;
	return 0;
}

int file_new(const struct path *path, const struct file_ops *ops, u32 flags,
	     struct file **f)
{
	path_get(path);
	return file_new_owned(path, ops, flags, f);
}

void file_get(struct file *f)
{
	ref_get(&f->ref);
}

static NOINLINE void file_release_rest(struct file *f)
{
	if (f->async)
		file_async_gone(f);
	if (!list_empty(&f->epoll_watches))
		epoll_file_gone(f);
	if (f->inode->locks)
		lockf_release(f);
	if (f->has_write)
		inode_put_write(f->inode);
}

void file_put(struct file *f)
{
	if (!ref_put(&f->ref))
		return;
	if (unlikely(!list_empty(&f->epoll_watches) || f->inode->locks ||
		     f->has_write || f->async))
		file_release_rest(f);
	if (!f->is_path_only) {
		vfs_notify(f->path.dentry, f->can_write ? NOTIFY_CLOSE_WRITE
							: NOTIFY_CLOSE_NOWRITE);
		if (f->ops->release)
			f->ops->release(f);
	}
	path_put(&f->path);
	file_free(f);
}

/* --- Reading and writing
 * ------------------------------------------------------- */

s64 file_stay(UNUSED struct file *f, UNUSED s64 offset, UNUSED int whence)
{
	return 0;
}

s64 file_seek(struct file *f, s64 offset, int whence, s64 end, s64 max)
{
	s64 base = 0;

	if (whence == SEEK_CUR)
		base = (s64)f->pos;
	else if (whence == SEEK_END && end >= 0)
		base = end;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (ckd_add(&offset, base, offset) || offset < 0 || offset > max)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

s64 file_seek_endless(struct file *f, s64 offset, int whence)
{
	return file_seek(f, offset, whence, -1, INT64_MAX);
}

bool file_has_position(const struct file *f)
{
	return f->has_pos || (f->ops->lseek && f->ops->lseek != file_stay &&
			      !inode_is(f->inode, TYPE_FIFO) &&
			      !inode_is(f->inode, TYPE_SOCK));
}

s64 file_read(struct file *f, struct uio *u, u64 *pos)
{
	s64 n;

	if (!f->can_read)
		return -EBADF;
	if (!f->ops->read)
		return inode_is(f->inode, TYPE_DIR) ? -EISDIR : -EINVAL;
	if (u->left > RW_MAX)
		u->left = RW_MAX;
	n = f->ops->read(f, u, pos);
	if (n > 0)
		vfs_notify(f->path.dentry, NOTIFY_ACCESS);
	return n;
}

s64 file_write(struct file *f, struct uio *u, u64 *pos)
{
	s64 n;

	if (!f->can_write)
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	if (u->left > RW_MAX)
		u->left = RW_MAX;
	n = f->ops->write(f, u, pos);
	if (n > 0)
		vfs_notify(f->path.dentry, NOTIFY_MODIFY);
	return n;
}

s64 file_read_kernel(struct file *f, void *buf, u64 len, u64 pos)
{
	struct uio u;

	uio_init_kernel(&u, buf, len);
	return file_read(f, &u, &pos);
}
