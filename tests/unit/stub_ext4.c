/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stub_ext4.h says: user copies of the test's own memory, objects that
 * know their size only, the pager, mounting.
 */
#include "tests/unit/stub_ext4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu/usercopy.h"
#include "kernel/dev/random.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/mm/pager.h"
#include "kernel/vfs/vfs_int.h"
#include "tests/unit/stub_proc.h"

/* --- Copies --------------------------------------------------------------- */

size_t user_copy_in_some(void *dst, uaddr_t src, size_t n)
{
	const char *s = (const char *)src;

	/* Strings are asked for in long pieces: stop at their ends. */
	if (n == 4096 || n == 512 || n == 256)
		n = strnlen(s, n - 1) + 1;
	memcpy(dst, s, n);
	return n;
}

size_t user_copy_out_some(uaddr_t dst, const void *src, size_t n)
{
	memcpy((void *)dst, src, n);
	return n;
}

int user_load_u32(u32 *value, uaddr_t src)
{
	memcpy(value, (const void *)src, sizeof(*value));
	return 0;
}

size_t user_zero_some(uaddr_t dst, size_t n)
{
	memset((void *)dst, 0, n);
	return n;
}

int user_zero(uaddr_t dst, size_t n)
{
	memset((void *)dst, 0, n);
	return 0;
}

/* --- Small things --------------------------------------------------------- */

char *kstrndup(const char *s, size_t n)
{
	return strndup(s, n);
}

char *kstrdup(const char *s)
{
	return strdup(s);
}

void random_bytes(void *buf, size_t n)
{
	memset(buf, 7, n);
}

void plat_yield(void)
{
}

void plat_entropy(void *buf, size_t n)
{
	memset(buf, 7, n);
}

/* --- Objects: a size, no data --------------------------------------------- */

int object_new_cache(u64 size, struct object **out)
{
	struct object *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	ref_init(&o->ref);
	o->backing = PLAT_CACHE;
	o->size = size;
	list_init(&o->mappings);
	*out = o;
	return 0;
}

int object_new_image(u64 offset, u64 size, struct object **obj)
{
	(void)offset;
	return object_new_cache(size, obj);
}

void object_get(struct object *o)
{
	ref_get(&o->ref);
}

void object_put(struct object *o)
{
	if (ref_put(&o->ref))
		free(o);
}

s64 object_read(struct object *o, struct uio *u, u64 offset)
{
	(void)o;
	(void)u;
	(void)offset;
	return 0;
}

s64 object_write(struct object *o, struct uio *u, u64 offset)
{
	(void)o;
	(void)u;
	(void)offset;
	return -EIO;
}

int object_resize(struct object *o, u64 size)
{
	o->size = size;
	return 0;
}

int object_punch(struct object *o, u64 offset, u64 len)
{
	(void)o;
	(void)offset;
	(void)len;
	return 0;
}

int object_allocate(struct object *o, u64 offset, u64 len, bool keep_size)
{
	if (!keep_size && offset + len > o->size)
		o->size = offset + len;
	return 0;
}

s64 object_seek(struct object *o, u64 offset, bool data)
{
	return data ? (s64)offset : (s64)o->size;
}

void *object_address(struct object *o, u64 offset, u64 *run)
{
	(void)o;
	(void)offset;
	(void)run;
	return NULL;
}

u64 object_total_pages(void)
{
	return 0;
}

/* --- The pager: nothing is kept ------------------------------------------- */

static const struct pager_ops *data_ops;

int pager_attach(struct inode *i, const struct pager_ops *ops, u64 size)
{
	data_ops = ops;
	return object_new_cache(size, &i->object);
}

int pager_drop(struct inode *i, u64 offset, u64 len)
{
	(void)i;
	(void)offset;
	(void)len;
	return 0;
}

int pager_zero(struct inode *i, u64 offset, u64 len)
{
	u8 data[PAGE_SIZE] = { 0 };
	u64 page = offset / PAGE_SIZE;
	int err = data_ops->read(i, page, 1, data);

	memset(data + offset % PAGE_SIZE, 0, len);
	return err ? err : data_ops->write(i, page, 1, data);
}

int pager_write_back(struct inode *i, u64 offset, u64 len)
{
	(void)i;
	(void)offset;
	(void)len;
	return 0;
}

int pager_sync_fs(struct fs *fs)
{
	(void)fs;
	return 0;
}

static s64 page_read(struct inode *i, struct uio *u, u64 pos)
{
	u64 at = pos % PAGE_SIZE, n = MIN(PAGE_SIZE - at, u->left);
	static u8 page[PAGE_SIZE];
	int err = data_ops->read(i, pos / PAGE_SIZE, 1, page);

	if (err)
		return err;
	n = MIN(n, inode_size(i) - pos);
	return uio_put(u, page + at, n);
}

static s64 stub_read(struct file *f, struct uio *u, u64 *pos)
{
	struct inode *i = f->inode;
	s64 done = 0, n;

	while (u->left && *pos < inode_size(i)) {
		n = page_read(i, u, *pos);
		if (n <= 0)
			return done ? done : n;
		done += n;
		*pos += (u64)n;
	}
	return done;
}

static s64 page_write(struct inode *i, struct uio *u, u64 pos)
{
	u64 at = pos % PAGE_SIZE, n = MIN(PAGE_SIZE - at, u->left);
	static u8 page[PAGE_SIZE];
	int err = data_ops->prepare(i, pos, n);

	if (!err)
		err = data_ops->read(i, pos / PAGE_SIZE, 1, page);
	if (err)
		return err;
	(void)uio_get(u, page + at, n);
	if (pos + n > i->object->size)
		i->object->size = pos + n;
	err = data_ops->write(i, pos / PAGE_SIZE, 1, page);
	return err ? err : (s64)n;
}

static s64 stub_write(struct file *f, struct uio *u, u64 *pos)
{
	struct inode *i = f->inode;
	s64 done = 0, n = 0;

	rw_write_lock(&i->lock);
	if (f->flags & O_APPEND)
		*pos = inode_size(i);
	while (u->left) {
		n = page_write(i, u, *pos);
		if (n <= 0)
			break;
		done += n;
		*pos += (u64)n;
	}
	inode_touch(i, ATTR_MTIME | ATTR_CTIME);
	rw_write_unlock(&i->lock);
	return done ? done : n;
}

static s64 stub_lseek(struct file *f, s64 offset, int whence)
{
	return file_seek(f, offset, whence, (s64)inode_size(f->inode),
			 INT64_MAX);
}

const struct file_ops pager_fops = {
	.name = "file",
	.read = stub_read,
	.write = stub_write,
	.lseek = stub_lseek,
};

/* --- Mounting ------------------------------------------------------------- */

static struct block_device *next_device;
static struct fs *mounted;

static int stub_mount(const char *source, const char *options, struct fs **fs)
{
	(void)source;
	return ext4_mount_device(next_device, options, fs);
}

int stub_ext4_mount(struct block_device *d, const char *options)
{
	static struct fs_type type;
	struct path at;
	int err;

	next_device = d;
	type = ext4_type;
	type.mount = stub_mount;
	(void)path_mkdir(AT_FDCWD, "/mnt", 0755);
	err = path_lookup(AT_FDCWD, "/mnt", 0, &at);
	if (err)
		return err;
	err = mount_add(&type, "/dev/vda", options, 0, &at);
	path_put(&at);
	if (err)
		return err;
	err = path_lookup(AT_FDCWD, "/mnt", 0, &at);
	if (err)
		return err;
	mounted = at.mount->fs;
	path_put(&at);
	return 0;
}

struct fs *stub_ext4_fs(void)
{
	return mounted;
}

int stub_ext4_unmount(void)
{
	struct path at;
	int err = path_lookup(AT_FDCWD, "/mnt", 0, &at);

	if (err)
		return err;
	struct mount *m = at.mount;

	/* The reference of the path would keep it busy. */
	mount_get(m);
	path_put(&at);
	at.mount = m;
	at.dentry = m->root;
	err = mount_remove(&at, 2); /* MNT_DETACH: the next line's reference */
	mount_put(m);
	mounted = NULL;
	return err;
}

u32 object_error_start(UNUSED const struct object *o)
{
	return 0;
}

int object_error(UNUSED struct object *o, UNUSED u32 *seen)
{
	return 0;
}
