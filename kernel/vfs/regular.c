/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files whose data is a memory object: reading, writing, seeking, mapping. For
 * tmpfs, the overlay and memfds. Readers take no lock; writers hold the
 * inode's.
 */
#include "kernel/linux/capability.h"
#include "kernel/linux/falloc.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/vfs_int.h"

#define RLIM_FSIZE 1
#define FILE_MAX ((u64)INT64_MAX)

/* --- Reading ------------------------------------------------------------- */

static s64 regular_read(struct file *f, struct uio *u, u64 *pos)
{
	struct inode *i = f->inode;
	struct object *o = atomic_load_acquire(&i->object);
	s64 n;

	if (!o)
		return 0;
	if (o->backing == PLAT_IMAGE)
		mm_look_at_image(mm_current());
	n = object_read(o, u, *pos);
	if (n > 0)
		*pos += (u64)n;
	inode_accessed(i, f->path.mount, f);
	return n;
}

static s64 regular_lseek(struct file *f, s64 offset, int whence)
{
	struct inode *i = f->inode;
	u64 size = inode_size(i);
	s64 base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (s64)f->pos;
		break;
	case SEEK_END:
		base = (s64)size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0 || (u64)offset >= size)
			return -ENXIO;
		if (i->object)
			base = object_seek(i->object, (u64)offset,
					   whence == SEEK_DATA);
		if (base < 0)
			return base;
		offset = 0;
		break;
	default:
		return -EINVAL;
	}
	if (ckd_add(&offset, base, offset))
		return -EOVERFLOW;
	if (offset < 0)
		return -EINVAL;
	f->pos = (u64)offset;
	return offset;
}

/* --- Limits -------------------------------------------------------------- */

static void signal_file_size(void)
{
	struct linux_siginfo info;

	siginfo_kernel(&info, LINUX_SIGXFSZ);
	(void)signal_send_thread(current(), LINUX_SIGXFSZ, &info);
}

static u64 file_size_limit(void)
{
	if (!current() || !process_current())
		return FILE_MAX;
	return MIN(atomic_load(&process_current()->rlimits[RLIM_FSIZE].cur),
		   FILE_MAX);
}

int inode_size_limit(const struct inode *i, u64 size)
{
	if (size <= inode_size(i) || size <= file_size_limit())
		return 0;
	signal_file_size();
	return -EFBIG;
}

int inode_write_limit(u64 pos, u64 *n)
{
	u64 limit = file_size_limit();

	if (likely(pos <= FILE_MAX - *n && pos + *n <= limit))
		return 0;
	if (pos >= limit) {
		if (limit < FILE_MAX)
			signal_file_size();
		return -EFBIG;
	}
	*n = MIN(*n, limit - pos);
	return 0;
}

static int write_seals(const struct inode *i, u64 end)
{
	if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if ((i->seals & F_SEAL_GROW) && end > inode_size(i))
		return -EPERM;
	return 0;
}

/* tmpfs size limit: room for what the range may need. */
static int write_room(const struct inode *i, u64 pos, u64 n)
{
	const struct fs *fs = i->fs;
	u64 pages = PAGE_UP(pos + n) / PAGE_SIZE - pos / PAGE_SIZE;

	if (atomic_load(&fs->used_pages) + pages <= fs->max_pages)
		return 0;
	/* Nearly full: what is there already needs no room. */
	if (pos + n <= inode_size(i) &&
	    i->object->npages >= PAGE_UP(inode_size(i)) / PAGE_SIZE)
		return 0;
	return -ENOSPC;
}

static void account(struct inode *i, u64 before)
{
	if (i->fs->max_pages)
		atomic_fetch_add(&i->fs->used_pages,
				 i->object->npages - before);
}

/* --- Writing ------------------------------------------------------------- */

static s64 write_locked(struct inode *i, struct uio *u, u64 pos)
{
	u64 n = u->left, before;
	s64 done;
	int err = inode_write_limit(pos, &n);

	if (!err && unlikely(i->seals))
		err = write_seals(i, pos + n);
	if (!err && unlikely(i->fs->max_pages))
		err = write_room(i, pos, n);
	if (err)
		return err;
	u->left = n;
	before = i->object->npages;
	done = object_write(i->object, u, pos);
	account(i, before);
	if (done <= 0)
		return done;
	if (unlikely(i->mode & (MODE_SUID | MODE_SGID)))
		inode_drop_suid(i);
	i->mtime = time_now();
	i->ctime = i->mtime;
	return done;
}

static s64 regular_write(struct file *f, struct uio *u, u64 *pos)
{
	struct inode *i = f->inode;
	s64 n;

	if (u->left == 0)
		return 0;
	rw_write_lock(&i->lock);
	if ((f->flags & O_APPEND) || u->append)
		*pos = inode_size(i);
	n = i->object ? write_locked(i, u, *pos) : -EIO;
	rw_write_unlock(&i->lock);
	if (n > 0)
		*pos += (u64)n;
	return n;
}

/* --- Size ---------------------------------------------------------------- */

static int truncate_locked(struct inode *i, u64 size)
{
	struct attr a = { .valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME,
			  .size = size };
	u64 old = inode_size(i), before;
	int err;

	if ((i->seals & F_SEAL_SHRINK) && size < old)
		return -EPERM;
	if ((i->seals & F_SEAL_GROW) && size > old)
		return -EPERM;
	a.mtime = time_now();
	a.ctime = a.mtime;
	before = i->object && i->object->backing == PLAT_CACHE
			 ? i->object->npages
			 : 0;
	err = inode_setattr(i, &a);
	if (!err && i->object)
		account(i, before);
	if (!err)
		inode_drop_suid(i);
	return err;
}

int inode_truncate(struct inode *i, u64 size, struct file *f)
{
	int err;

	if (inode_is(i, TYPE_DIR))
		return -EISDIR;
	if (!inode_is(i, TYPE_REG))
		return -EINVAL;
	if (size > FILE_MAX)
		return -EINVAL;
	err = inode_size_limit(i, size);
	if (err)
		return err;
	rw_write_lock(&i->lock);
	err = truncate_locked(i, size);
	rw_write_unlock(&i->lock);
	if (!err && f)
		vfs_notify(f->path.dentry, NOTIFY_MODIFY);
	return err;
}

/* Zero a range: what is there is freed, what is not becomes a hole. */
static int zero_range(struct inode *i, int mode, u64 offset, u64 len)
{
	u64 end = PAGE_UP(inode_size(i)); /* the last page may go whole */
	int err = 0;

	if (offset < end)
		err = object_punch(i->object, offset, MIN(len, end - offset));
	if (err || (mode & FALLOC_FL_PUNCH_HOLE))
		return err;
	return object_allocate(i->object, offset, len,
			       (mode & FALLOC_FL_KEEP_SIZE) != 0);
}

static int fallocate_locked(struct inode *i, int mode, u64 offset, u64 len)
{
	bool is_keep = (mode & FALLOC_FL_KEEP_SIZE) != 0;
	u64 before, end = offset + len;
	int err = 0;

	if ((i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) &&
	    (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return -EPERM;
	if ((i->seals & F_SEAL_GROW) && !is_keep && end > inode_size(i))
		return -EPERM;
	if (i->fs->max_pages && !(mode & FALLOC_FL_PUNCH_HOLE))
		err = write_room(i, offset, len);
	if (err)
		return err;
	before = i->object->npages;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = zero_range(i, mode, offset, len);
	else
		err = object_allocate(i->object, offset, len, is_keep);
	account(i, before);
	if (!err)
		inode_touch(i, ATTR_MTIME | ATTR_CTIME);
	return err;
}

static int regular_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			  FALLOC_FL_ZERO_RANGE;
	struct inode *i = f->inode;
	int err;

	if ((mode & ~known) ||
	    ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE)))
		return -EOPNOTSUPP;
	err = mode & FALLOC_FL_KEEP_SIZE ? 0
					 : inode_size_limit(i, offset + len);
	if (err)
		return err;
	rw_write_lock(&i->lock);
	err = i->object ? fallocate_locked(i, mode, offset, len) : -EIO;
	rw_write_unlock(&i->lock);
	return err;
}

static int regular_fsync(struct file *f UNUSED, bool data_only UNUSED)
{
	return 0; /* memory is all there is below */
}

/* --- Mapping and seals --------------------------------------------------- */

static int regular_mmap(struct file *f, struct map_request *req)
{
	struct inode *i = f->inode;
	bool is_shared = (req->flags & MAP_TYPE) != MAP_PRIVATE;

	if (!i->object)
		return -ENODEV;
	if (is_shared && (req->prot & PROT_WRITE) &&
	    (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return -EPERM;
	if (is_shared && (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		req->deny_prot |= PROT_WRITE;
	req->object = i->object;
	inode_accessed(i, f->path.mount, f);
	return 0;
}

static bool has_writable_mapping(struct object *o)
{
	const u32 mask = AREA_SHARED | AREA_WRITE;
	struct area *a;
	bool found = false;

	mutex_lock(&o->map_lock);
	list_for_each (a, &o->mappings, object_node)
		if ((a->flags & mask) == mask)
			found = true;
	mutex_unlock(&o->map_lock);
	return found;
}

int inode_add_seals(struct inode *i, u32 seals)
{
	int err = 0;

	rw_write_lock(&i->lock);
	if (i->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if ((seals & F_SEAL_WRITE) && !(i->seals & F_SEAL_WRITE) &&
		 has_writable_mapping(i->object))
		err = -EBUSY;
	else
		i->seals |= seals;
	rw_write_unlock(&i->lock);
	return err;
}

const struct file_ops regular_fops = {
	.name = "file",
	.read = regular_read,
	.write = regular_write,
	.lseek = regular_lseek,
	.mmap = regular_mmap,
	.fallocate = regular_fallocate,
	.fsync = regular_fsync,
};
