/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root filesystem: the image below, memory above. As the upper layer dies
 * with the instance, there are no two inodes to reconcile: an inode found in
 * the image is one in memory that remembers where its data is, and becomes an
 * ordinary tmpfs one when it is written to. What was removed or moved away
 * from a directory of the image is a set of hidden names in its inode.
 * The same code without an upper layer is the type "erofs".
 */
#include "kernel/fs/overlay.h"

#include "abi/boot.h"
#include "kernel/fs/erofs_image.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/vfs/vfs.h"

#define OVERLAY_MAGIC 0x794c7630
#define HIDDEN_BUCKETS 16U
#define LINK_BUCKETS 64U
#define UPPER_BASE (1UL << 40) /* readdir positions of the upper part */

struct hidden {
	struct hidden *next;
	u32 len;
	char name[];
};

struct overlay_node { /* inode->data of what comes from the image */
	u64 nid;
	bool is_copied;		   /* data is in memory */
	bool has_own_xattrs;	   /* they are in memory */
	bool is_linked;		   /* has more names: in overlay_sb.links */
	struct object *lower;	   /* image object that was replaced, or NULL */
	struct hidden **hidden;	   /* HIDDEN_BUCKETS chains, or NULL */
	struct overlay_node *next; /* in links */
	struct inode *inode;
};

struct overlay_sb {
	struct tmpfs_sb ops; /* first */
	struct erofs_image image;
	struct mutex lock; /* links */
	struct overlay_node *links[LINK_BUCKETS];
};

static struct overlay_sb *sb_of(const struct fs *fs)
{
	return fs->data;
}

static const struct erofs_image *image_of(const struct inode *i)
{
	return &sb_of(i->fs)->image;
}

/* --- Hidden names -------------------------------------------------------- */

static struct hidden **hidden_bucket(const struct overlay_node *node,
				     const char *name, u32 len)
{
	return &node->hidden[str_hash(name, len) % HIDDEN_BUCKETS];
}

static bool is_hidden(const struct overlay_node *node, const char *name,
		      u32 len)
{
	if (!node->hidden)
		return false;
	for (const struct hidden *h = *hidden_bucket(node, name, len); h;
	     h = h->next)
		if (h->len == len && memcmp(h->name, name, len) == 0)
			return true;
	return false;
}

/* The image's entry d of dir is gone or will be hidden by another. */
static int hide(struct inode *dir, const struct dentry *d)
{
	struct overlay_node *node = dir->data;
	struct hidden *h, **bucket;

	if ((d->flags & DENTRY_PINNED) || !node)
		return 0;
	if (!node->hidden)
		node->hidden = kzalloc(HIDDEN_BUCKETS * sizeof(*node->hidden));
	h = node->hidden ? kmalloc(sizeof(*h) + d->name_len) : NULL;
	if (!h)
		return -ENOMEM;
	h->len = d->name_len;
	memcpy(h->name, d->name, d->name_len);
	bucket = hidden_bucket(node, d->name, d->name_len);
	h->next = *bucket;
	*bucket = h;
	return 0;
}

static void hidden_free(struct overlay_node *node)
{
	struct hidden *h, *next;

	if (!node->hidden)
		return;
	for (u32 i = 0; i < HIDDEN_BUCKETS; i++) {
		for (h = node->hidden[i]; h; h = next) {
			next = h->next;
			kfree(h);
		}
	}
	kfree(node->hidden);
}

/* --- Inodes from the image ----------------------------------------------- */

static struct inode *links_find(struct overlay_sb *sb, u64 nid)
{
	struct overlay_node *n = sb->links[nid % LINK_BUCKETS];

	while (n && n->nid != nid)
		n = n->next;
	return n ? n->inode : NULL;
}

/* The table keeps a reference: what was changed must be found again. */
static void links_add(struct overlay_sb *sb, struct overlay_node *node)
{
	struct overlay_node **bucket = &sb->links[node->nid % LINK_BUCKETS];

	inode_get(node->inode);
	node->is_linked = true;
	node->next = *bucket;
	*bucket = node;
}

static void links_remove(struct overlay_sb *sb, struct overlay_node *node)
{
	struct overlay_node **p = &sb->links[node->nid % LINK_BUCKETS];

	mutex_lock(&sb->lock);
	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	node->is_linked = false;
	mutex_unlock(&sb->lock);
	inode_put(node->inode);
}

static int read_link(struct inode *i, const struct erofs_inode *lower)
{
	s64 n;

	if (lower->size == 0 || lower->size >= PATH_MAX_LEN)
		return -EUCLEAN;
	i->link = kzalloc(lower->size + 1);
	if (!i->link)
		return -ENOMEM;
	n = erofs_read(image_of(i), lower, i->link, 0, lower->size);
	if (n < 0)
		return (int)n;
	i->link_len = (u32)strlen(i->link);
	return i->link_len == lower->size ? 0 : -EUCLEAN;
}

static int inode_from_image(struct fs *fs, const struct erofs_inode *lower,
			    struct inode **out)
{
	struct overlay_node *node = kzalloc(sizeof(*node));
	struct inode *i = node ? inode_new(fs, NULL, lower->mode) : NULL;
	int err = 0;

	if (!i) {
		kfree(node);
		return -ENOMEM;
	}
	node->nid = lower->nid;
	node->inode = i;
	i->data = node;
	i->ino = lower->nid;
	i->uid = lower->uid;
	i->gid = lower->gid;
	i->nlink = lower->nlink;
	i->rdev = lower->rdev;
	i->size = lower->size;
	i->mtime.sec = (s64)lower->mtime_sec;
	i->mtime.nsec = lower->mtime_nsec;
	i->atime = i->mtime;
	i->ctime = i->mtime;
	i->btime = i->mtime;
	tmpfs_set_ops(i);
	if (inode_is(i, TYPE_LNK))
		err = read_link(i, lower);
	if (err) {
		inode_put(i);
		return err;
	}
	*out = i;
	return 0;
}

static int inode_find(struct fs *fs, u64 nid, struct inode **out)
{
	struct overlay_sb *sb = sb_of(fs);
	struct erofs_inode lower;
	int err = erofs_inode_read(&sb->image, nid, &lower);

	if (err)
		return err;
	if (lower.nlink < 2 || (lower.mode & TYPE_MASK) == TYPE_DIR)
		return inode_from_image(fs, &lower, out);
	mutex_lock(&sb->lock);
	*out = links_find(sb, nid);
	if (*out) {
		inode_get(*out);
	} else {
		err = inode_from_image(fs, &lower, out);
		if (!err)
			links_add(sb, (*out)->data);
	}
	mutex_unlock(&sb->lock);
	return err;
}

static void overlay_evict(struct inode *i)
{
	struct overlay_node *node = i->data;

	if (!node)
		return;
	if (node->lower)
		object_put(node->lower);
	hidden_free(node);
	kfree(node);
}

/* --- Data ---------------------------------------------------------------- */

static int copy_runs(const struct inode *i, const struct erofs_inode *lower,
		     struct object *o)
{
	u64 at, run;

	for (u64 done = 0; done < lower->size; done += run) {
		struct uio u;
		s64 n;
		int err = erofs_map(image_of(i), lower, done, &at, &run);

		if (err)
			return err;
		if (at == EROFS_HOLE)
			continue;
		uio_init_kernel(&u, (void *)(uintptr_t)(image_of(i)->base + at),
				run);
		n = object_write(o, &u, done);
		if (n != (s64)run)
			return n < 0 ? (int)n : -ENOSPC;
	}
	return o->size == lower->size ? 0 : object_resize(o, lower->size);
}

/* A cache object with the first `keep` (all or none) bytes of the file. */
static int copy_data(struct inode *i, const struct erofs_inode *lower,
		     bool keep, struct object **out)
{
	struct object *o;
	int err = object_new_cache(0, &o);

	if (err)
		return err;
	if (keep)
		err = copy_runs(i, lower, o);
	if (err) {
		object_put(o);
		return err;
	}
	*out = o;
	return 0;
}

/* Make i->object, for reading. Lock held for writing. */
static int load_object(struct inode *i, const struct erofs_inode *lower)
{
	struct overlay_node *node = i->data;
	struct object *o;
	u64 offset;
	int err;

	if (i->object)
		return 0;
	if (erofs_is_mappable(image_of(i), lower, &offset)) {
		err = object_new_image(offset, lower->size, &o);
	} else {
		err = copy_data(i, lower, true, &o);
		node->is_copied = !err;
	}
	if (!err)
		atomic_store_release(&i->object, o);
	return err;
}

/* Bring the data into memory. Readers go on with the old object, which
 * therefore stays as long as the inode. Lock held for writing. */
static int copy_up(struct inode *i, const struct erofs_inode *lower, bool keep)
{
	struct overlay_node *node = i->data;
	struct object *o;
	int err;

	if (node->is_copied)
		return 0;
	err = copy_data(i, lower, keep, &o);
	if (err)
		return err;
	node->lower = i->object;
	node->is_copied = true;
	atomic_store_release(&i->object, o);
	return 0;
}

static int open_data(struct inode *i, bool is_write, bool keep)
{
	struct overlay_node *node = i->data;
	struct erofs_inode lower;
	int err = erofs_inode_read(image_of(i), node->nid, &lower);

	if (err)
		return err;
	rw_write_lock(&i->lock);
	err = is_write ? copy_up(i, &lower, keep) : load_object(i, &lower);
	rw_write_unlock(&i->lock);
	return err;
}

static int overlay_open(struct inode *i, struct file *f)
{
	struct overlay_node *node = i->data;
	bool is_write = (f->flags & O_ACCMODE) != O_RDONLY ||
			(f->flags & O_TRUNC);

	if (!node || node->is_copied)
		return 0;
	if (!is_write && atomic_load(&i->object))
		return 0;
	return open_data(i, is_write, !(f->flags & O_TRUNC));
}

/* The lock is held for writing. */
static int overlay_setattr(struct inode *i, const struct attr *a)
{
	struct overlay_node *node = i->data;
	struct erofs_inode lower;
	int err;

	if ((a->valid & ATTR_SIZE) && node && !node->is_copied) {
		err = erofs_inode_read(image_of(i), node->nid, &lower);
		if (!err)
			err = copy_up(i, &lower, a->size > 0);
		if (err)
			return err;
	}
	return inode_setattr_fields(i, a);
}

/* --- Directories --------------------------------------------------------- */

static int overlay_lookup(struct inode *dir, const char *name, u32 len,
			  struct inode **i)
{
	const struct overlay_node *node = dir->data;
	struct erofs_inode lower;
	u64 nid;
	int err;

	if (!node || is_hidden(node, name, len))
		return -ENOENT;
	err = erofs_inode_read(image_of(dir), node->nid, &lower);
	if (!err)
		err = erofs_lookup(image_of(dir), &lower, name, len, &nid);
	return err ? err : inode_find(dir->fs, nid, i);
}

static bool is_dots(const struct erofs_entry *e)
{
	return e->name[0] == '.' &&
	       (e->len == 1 || (e->len == 2 && e->name[1] == '.'));
}

/* The next visible entry of the image at or after pos: 1, 0, -EUCLEAN. */
static int next_lower(const struct inode *dir, const struct erofs_inode *lower,
		      u64 pos, struct erofs_entry *e)
{
	int found;

	do {
		found = erofs_dir_entry(image_of(dir), lower, pos, e);
		pos = e->next;
	} while (found == 1 &&
		 (is_dots(e) || is_hidden(dir->data, e->name, e->len)));
	return found;
}

static int is_empty(struct dentry *d)
{
	const struct overlay_node *node = d->inode->data;
	struct erofs_inode lower;
	struct erofs_entry e;
	int found = 0;

	if (dentry_has_pinned(d))
		return -ENOTEMPTY;
	if (node) {
		found = erofs_inode_read(image_of(d->inode), node->nid, &lower);
		if (!found)
			found = next_lower(d->inode, &lower, 0, &e);
	}
	return found == 1 ? -ENOTEMPTY : found;
}

/* A name of i has gone. */
static void name_gone(struct inode *i)
{
	struct overlay_node *node = i->data;

	if (node && node->is_linked && i->nlink == 0)
		links_remove(sb_of(i->fs), node);
}

static int overlay_unlink(struct inode *dir, struct dentry *d)
{
	int err = hide(dir, d);

	if (!err)
		err = tmpfs_unlink(dir, d);
	if (!err)
		name_gone(d->inode);
	return err;
}

static int overlay_rmdir(struct inode *dir, struct dentry *d)
{
	int err = is_empty(d);

	if (!err)
		err = hide(dir, d);
	return err ? err : tmpfs_rmdir_empty(dir, d);
}

static int overlay_rename(struct inode *old_dir, struct dentry *old_d,
			  struct inode *new_dir, struct dentry *new_d,
			  u32 flags)
{
	bool is_replaced = new_d->inode && !(flags & 2);
	int err = 0;

	if (is_replaced && inode_is(new_d->inode, TYPE_DIR))
		err = is_empty(new_d);
	if (!err)
		err = hide(old_dir, old_d);
	if (!err && new_d->inode)
		err = hide(new_dir, new_d);
	if (!err)
		err = tmpfs_rename_counts(old_dir, old_d, new_dir, new_d,
					  flags);
	if (!err && is_replaced)
		name_gone(new_d->inode);
	return err;
}

static u32 entry_type(u32 type)
{
	static const u32 types[] = { 0,	       TYPE_REG,  TYPE_DIR,  TYPE_CHR,
				     TYPE_BLK, TYPE_FIFO, TYPE_SOCK, TYPE_LNK };

	return type < ARRAY_SIZE(types) ? types[type] : 0;
}

/* Positions 2 + those of the image. True: all emitted. */
static bool emit_lower(struct inode *dir, struct dir_context *ctx, int *err)
{
	const struct overlay_node *node = dir->data;
	struct erofs_inode lower;
	struct erofs_entry e;
	int found;

	if (!node || ctx->pos >= UPPER_BASE)
		return true;
	found = erofs_inode_read(image_of(dir), node->nid, &lower);
	while (found >= 0) {
		found = next_lower(dir, &lower, ctx->pos - 2, &e);
		if (found != 1)
			break;
		if (!ctx->emit(ctx, e.name, e.len, e.nid, entry_type(e.type),
			       2 + e.next))
			return false;
		ctx->pos = 2 + e.next;
	}
	*err = found;
	return found == 0;
}

static int overlay_readdir(struct file *f, struct dir_context *ctx)
{
	struct inode *dir = f->inode;
	int err = 0;
	bool is_done;

	if (!dir_emit_dots(f, ctx))
		return 0;
	rw_read_lock(&dir->lock);
	is_done = emit_lower(dir, ctx, &err);
	rw_read_unlock(&dir->lock);
	if (!is_done)
		return err;
	if (ctx->pos < UPPER_BASE)
		ctx->pos = UPPER_BASE;
	(void)dentry_emit_pinned(f->path.dentry, ctx, UPPER_BASE);
	inode_accessed(dir, f->path.mount, f);
	return 0;
}

/* --- Extended attributes ------------------------------------------------- */

#define XATTR_FULL_NAME 300

static bool xattrs_below(const struct inode *i)
{
	const struct overlay_node *node = i->data;

	return node && !node->has_own_xattrs;
}

/* The next attribute of the image with a name we know: 1, 0, -errno. */
static int next_xattr(const struct inode *i, u32 *index, struct erofs_xattr *x,
		      char *name)
{
	const struct overlay_node *node = i->data;
	struct erofs_inode lower;
	int found = erofs_inode_read(image_of(i), node->nid, &lower);

	if (found < 0)
		return found;
	do {
		found = erofs_xattr_at(image_of(i), &lower, (*index)++, x);
	} while (found == 1 && !erofs_xattr_name(x, name, XATTR_FULL_NAME));
	return found;
}

static s64 overlay_getxattr(struct inode *i, const char *name, void *buf,
			    size_t n)
{
	char full[XATTR_FULL_NAME];
	struct erofs_xattr x;
	u32 index = 0;
	int found;

	if (!xattrs_below(i))
		return xattr_list_get(i, name, buf, n);
	while ((found = next_xattr(i, &index, &x, full)) == 1) {
		if (strcmp(full, name) != 0)
			continue;
		if (n == 0)
			return x.value_len;
		if (n < x.value_len)
			return -ERANGE;
		memcpy(buf, x.value, x.value_len);
		return x.value_len;
	}
	return found < 0 ? found : -ENODATA;
}

static s64 overlay_listxattr(struct inode *i, char *buf, size_t n)
{
	char full[XATTR_FULL_NAME];
	struct erofs_xattr x;
	u32 index = 0;
	u64 total = 0;
	int found;

	if (!xattrs_below(i))
		return xattr_list_names(i, buf, n);
	while ((found = next_xattr(i, &index, &x, full)) == 1) {
		size_t len = strlen(full) + 1;

		if (n && total + len > n)
			return -ERANGE;
		if (n)
			memcpy(buf + total, full, len);
		total += len;
	}
	return found < 0 ? found : (s64)total;
}

static int xattrs_copy_up(struct inode *i)
{
	struct overlay_node *node = i->data;
	char full[XATTR_FULL_NAME];
	struct erofs_xattr x;
	u32 index = 0;
	int found, err;

	if (!xattrs_below(i))
		return 0;
	while ((found = next_xattr(i, &index, &x, full)) == 1) {
		err = xattr_list_set(i, full, x.value, x.value_len, 0);
		if (err) {
			xattr_list_free(i);
			return err;
		}
	}
	if (found == 0)
		node->has_own_xattrs = true;
	return found;
}

static int overlay_setxattr(struct inode *i, const char *name, const void *buf,
			    size_t n, int flags)
{
	int err = xattrs_copy_up(i);

	return err ? err : xattr_list_set(i, name, buf, n, flags);
}

static int overlay_removexattr(struct inode *i, const char *name)
{
	int err = xattrs_copy_up(i);

	return err ? err : xattr_list_remove(i, name);
}

/* --- Tables and mounting ------------------------------------------------- */

#define COMMON_OPS                                                    \
	.evict = overlay_evict, .getxattr = overlay_getxattr,         \
	.setxattr = overlay_setxattr, .listxattr = overlay_listxattr, \
	.removexattr = overlay_removexattr

static const struct inode_ops overlay_dir_ops = {
	.lookup = overlay_lookup,
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = overlay_unlink,
	.rmdir = overlay_rmdir,
	.rename = overlay_rename,
	.tmpfile = tmpfs_tmpfile,
	COMMON_OPS,
};
static const struct inode_ops overlay_file_ops = {
	.open = overlay_open,
	.setattr = overlay_setattr,
	COMMON_OPS,
};
static const struct inode_ops overlay_link_ops = {
	.readlink = tmpfs_readlink,
	COMMON_OPS,
};
static const struct inode_ops overlay_node_ops = { COMMON_OPS };

static const struct file_ops overlay_dir_fops = {
	.name = "directory",
	.lseek = file_seek_endless,
	.readdir = overlay_readdir,
	.fsync = tmpfs_dir_fsync,
};

static const struct tmpfs_sb overlay_ops = {
	.dir_ops = &overlay_dir_ops,
	.file_ops = &overlay_file_ops,
	.link_ops = &overlay_link_ops,
	.node_ops = &overlay_node_ops,
	.dir_fops = &overlay_dir_fops,
};

/* On failure the caller puts fs. */
static int fill_root(struct fs *fs, struct overlay_sb *sb)
{
	struct inode *i;
	int err = inode_find(fs, sb->image.root_nid, &i);

	if (err)
		return err;
	fs->root = dentry_new_root(i);
	if (!fs->root) {
		inode_put(i);
		return -ENOMEM;
	}
	return 0;
}

int overlay_mount_image(const struct fs_type *type, u64 magic,
			const void *image, u64 size, struct fs **out)
{
	struct overlay_sb *sb = kzalloc(sizeof(*sb));
	struct fs *fs;
	int err;

	if (!sb)
		return -ENOMEM;
	err = erofs_image_open(&sb->image, image, size);
	fs = err ? NULL : fs_new(type, magic);
	if (!fs) {
		kfree(sb);
		return err ? err : -ENOMEM;
	}
	sb->ops = overlay_ops;
	fs->data = sb;
	fs->times_mappings = true;
	fs->next_ino = size / 32 + 1; /* above those of the image */
	err = fill_root(fs, sb);
	if (err) {
		fs_put(fs);
		return err;
	}
	*out = fs;
	return 0;
}

static void overlay_unmount(struct fs *fs)
{
	struct overlay_sb *sb = sb_of(fs);

	for (u32 i = 0; i < LINK_BUCKETS; i++)
		while (sb->links[i])
			links_remove(sb, sb->links[i]);
	kfree(sb);
}

static bool has_image(void)
{
	return kernel.boot && kernel.boot->image_fd >= 0 &&
	       kernel.boot->image_size <= KERNEL_IMAGE_SIZE;
}

static int overlay_mount(const char *source UNUSED, const char *options,
			 struct fs **fs)
{
	if (options && *options)
		return -EINVAL; /* other layers than ours: not supported */
	if (!has_image())
		return -ENODEV;
	return overlay_mount_image(&overlay_type, OVERLAY_MAGIC,
				   (const void *)KERNEL_IMAGE_BASE,
				   kernel.boot->image_size, fs);
}

static int erofs_mount(const char *source UNUSED, const char *options,
		       struct fs **fs)
{
	int err;

	if (options && *options)
		return -EINVAL;
	if (!has_image())
		return -ENODEV;
	err = overlay_mount_image(&erofs_type, EROFS_MAGIC,
				  (const void *)KERNEL_IMAGE_BASE,
				  kernel.boot->image_size, fs);
	if (!err)
		(*fs)->is_readonly = true;
	return err;
}

const struct fs_type overlay_type = {
	.name = "overlay",
	.mount = overlay_mount,
	.unmount = overlay_unmount,
	.statfs = tmpfs_statfs,
};

const struct fs_type erofs_type = {
	.name = "erofs",
	.needs_device = true,
	.mount = erofs_mount,
	.unmount = overlay_unmount,
	.statfs = tmpfs_statfs,
};
