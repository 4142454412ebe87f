/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mqueue filesystem: one flat directory of message queues. All mounts show
 * the same queues, and mq_open() needs none of them.
 */
#include "kernel/ipc/mqueue_int.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/vfs_int.h"

#define MQUEUE_MAGIC 0x19800202
#define MQUEUE_FILE_SIZE 80 /* what stat says, as on Linux */
#define MQUEUE_DIRENT_SIZE 20

static struct {
	struct mutex lock;
	struct fs *fs;
	struct mount *mount; /* no part of the tree */
} mqueue_fs;

/* --- Files --------------------------------------------------------------- */

static s64 mqueue_read(struct file *f, struct uio *u, u64 *pos)
{
	struct mqueue *q = f->inode->data;
	char text[MQUEUE_FILE_SIZE];
	const struct mq_notice *n = &q->notice;
	s64 done;
	int len;

	mutex_lock(&q->lock);
	len = fmt_format(
		text, sizeof(text),
		"QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
		(unsigned long)q->bytes, n->owner ? n->how : 0,
		n->owner ? n->signo : 0, n->owner ? n->owner->pid : 0);
	mutex_unlock(&q->lock);
	if (*pos >= (u64)len)
		return 0;
	done = uio_put(u, text + *pos, (u64)len - *pos);
	if (done > 0) {
		*pos += (u64)done;
		inode_touch(f->inode, ATTR_ATIME | ATTR_CTIME);
	}
	return done;
}

static s64 mqueue_lseek(struct file *f, s64 offset, int whence)
{
	return file_seek(f, offset, whence, MQUEUE_FILE_SIZE, INT64_MAX);
}

static u32 mqueue_poll(struct file *f, struct poll_table *pt)
{
	struct mqueue *q = f->inode->data;
	u32 ev = 0;

	poll_wait(pt, &q->poll_wait);
	mutex_lock(&q->lock);
	if (q->curmsgs)
		ev |= EV_IN | EV_RDNORM;
	if (q->curmsgs < q->maxmsg)
		ev |= EV_OUT | EV_WRNORM;
	mutex_unlock(&q->lock);
	return ev;
}

static void mqueue_flush(struct file *f)
{
	mqueue_forget(f->inode->data, process_current());
}

static const struct file_ops mqueue_fops = {
	.name = "mqueue",
	.no_splice = true,
	.read = mqueue_read,
	.lseek = mqueue_lseek,
	.poll = mqueue_poll,
	.flush = mqueue_flush,
};

struct mqueue *mqueue_of(struct file *f)
{
	return f->ops == &mqueue_fops ? f->inode->data : NULL;
}

static void mqueue_evict(struct inode *i)
{
	mqueue_destroy(i->data);
}

/* A queue has no data to cut or to grow. */
static int mqueue_setattr(struct inode *i, const struct attr *a)
{
	struct attr rest = *a;

	rest.valid &= ~(u32)ATTR_SIZE;
	return inode_setattr_fields(i, &rest);
}

static const struct inode_ops mqueue_file_iops = {
	.setattr = mqueue_setattr,
	.evict = mqueue_evict,
};

/* --- The directory ------------------------------------------------------- */

static void dir_changed(struct inode *dir, s64 entries)
{
	dir->size += (u64)(entries * MQUEUE_DIRENT_SIZE);
	inode_touch(dir, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
}

static int mqueue_inode_new(struct inode *dir, u32 mode,
			    const struct linux_mq_attr *attr,
			    struct inode **out)
{
	struct mqueue *q;
	struct inode *i;
	int err = mqueue_create(attr, &q);

	if (err)
		return err;
	i = inode_new(dir->fs, dir, mode);
	if (!i) {
		mqueue_destroy(q);
		return -ENOMEM;
	}
	i->ops = &mqueue_file_iops;
	i->fops = &mqueue_fops;
	i->size = MQUEUE_FILE_SIZE;
	i->data = q;
	dir_changed(dir, 1);
	*out = i;
	return 0;
}

static int dir_create(struct inode *dir, struct dentry *d UNUSED, u32 mode,
		      u32 rdev UNUSED, struct inode **i)
{
	if ((mode & TYPE_MASK) != TYPE_REG)
		return -EPERM;
	return mqueue_inode_new(dir, mode, NULL, i);
}

static int dir_unlink(struct inode *dir, struct dentry *d)
{
	atomic_fetch_sub(&d->inode->nlink, 1);
	inode_touch(d->inode, ATTR_CTIME);
	dir_changed(dir, -1);
	return 0;
}

static int dir_readdir(struct file *f, struct dir_context *ctx)
{
	if (dir_emit_dots(f, ctx))
		(void)dentry_emit_pinned(f->path.dentry, ctx, 0);
	return 0;
}

static const struct inode_ops mqueue_dir_iops = {
	.create = dir_create,
	.unlink = dir_unlink,
};

static const struct file_ops mqueue_dir_fops = {
	.name = "directory",
	.readdir = dir_readdir,
	.lseek = file_seek_endless,
};

/* --- Mounts -------------------------------------------------------------- */

static struct fs *fs_make(void)
{
	struct fs *fs = fs_new(&mqueue_type, MQUEUE_MAGIC);
	struct inode *i = fs ? inode_new(fs, NULL, TYPE_DIR | 01777) : NULL;

	if (!i)
		goto out_put_fs;
	i->ops = &mqueue_dir_iops;
	i->fops = &mqueue_dir_fops;
	i->nlink = 2;
	i->size = 2 * MQUEUE_DIRENT_SIZE;
	i->uid = 0;
	i->gid = 0;
	fs->root = dentry_new_root(i);
	if (fs->root)
		return fs;
	inode_put(i);
out_put_fs:
	if (fs)
		fs_put(fs);
	return NULL;
}

static int mqueue_mount(UNUSED const char *source, UNUSED const char *options,
			struct fs **out)
{
	int err = 0;

	mutex_lock(&mqueue_fs.lock);
	if (!mqueue_fs.fs)
		mqueue_fs.fs = fs_make();
	if (mqueue_fs.fs && !mqueue_fs.mount) {
		ref_get(&mqueue_fs.fs->ref);
		mqueue_fs.mount = mount_internal(mqueue_fs.fs, "mqueue");
	}
	if (!mqueue_fs.mount)
		err = -ENOMEM;
	else
		ref_get(&mqueue_fs.fs->ref);
	mutex_unlock(&mqueue_fs.lock);
	*out = mqueue_fs.fs;
	return err;
}

static int mqueue_statfs(struct fs *fs, struct linux_statfs *st)
{
	memset(st, 0, sizeof(*st));
	st->type = (s64)fs->magic;
	st->bsize = PAGE_SIZE;
	st->frsize = PAGE_SIZE;
	st->namelen = NAME_MAX_LEN;
	return 0;
}

const struct fs_type mqueue_type = {
	.name = "mqueue",
	.mount = mqueue_mount,
	.statfs = mqueue_statfs,
};

/* --- Names --------------------------------------------------------------- */

/* One component, and no special one. */
static int check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EACCES;
	return len > NAME_MAX_LEN ? -ENAMETOOLONG : 0;
}

/* The root directory, or NULL if the instance has no such filesystem. */
static struct dentry *root_dir(void)
{
	return mqueue_fs.mount ? mqueue_fs.mount->root : NULL;
}

static int create_queue(struct dentry *root, const char *name, u32 mode,
			const struct linux_mq_attr *attr, struct dentry **out)
{
	struct dentry *d;
	int err = may_create(root->inode);

	if (err)
		return err;
	d = dentry_new(root, name, (u32)strlen(name), NULL);
	if (!d)
		return -ENOMEM;
	d->flags |= DENTRY_PINNED;
	err = mqueue_inode_new(root->inode,
			       TYPE_REG | (mode & ~path_umask() & MODE_PERM),
			       attr, &d->inode);
	if (!err)
		err = dentry_link(d);
	if (err) {
		dentry_put(d);
		return err;
	}
	vfs_notify_dir(root->inode, NOTIFY_CREATE, d->name, false);
	*out = d;
	return 0;
}

/* root is locked. */
static int find_or_create(struct dentry *root, const char *name, u32 flags,
			  u32 mode, const struct linux_mq_attr *attr,
			  struct dentry **d)
{
	static const u8 masks[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE };
	u32 access = flags & O_ACCMODE;
	int err = dentry_lookup_locked(root, name, (u32)strlen(name), d);

	if (err == -ENOENT && (flags & O_CREAT))
		return create_queue(root, name, mode, attr, d);
	if (err)
		return err;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		err = -EEXIST;
	else if (access == O_ACCMODE)
		err = -EINVAL;
	else
		err = inode_permission((*d)->inode, masks[access]);
	if (err)
		dentry_put(*d);
	return err;
}

int mqueue_open(const char *name, u32 flags, u32 mode,
		const struct linux_mq_attr *attr, struct file **f)
{
	struct path p = { .mount = mqueue_fs.mount };
	struct dentry *root = root_dir();
	int err = check_name(name);

	if (!root)
		return -ENOSYS;
	if (err)
		return err;
	rw_write_lock(&root->inode->lock);
	err = find_or_create(root, name, flags, mode, attr, &p.dentry);
	rw_write_unlock(&root->inode->lock);
	if (err)
		return err;
	mount_get(p.mount);
	return open_path_owned(&p, flags & (O_ACCMODE | O_NONBLOCK), true, f);
}

int mqueue_unlink(const char *name)
{
	struct dentry *root = root_dir(), *d;
	int err = check_name(name);

	if (!root)
		return -ENOSYS;
	if (err)
		return err;
	rw_write_lock(&root->inode->lock);
	err = dentry_lookup_locked(root, name, (u32)strlen(name), &d);
	if (err) {
		rw_write_unlock(&root->inode->lock);
		return err;
	}
	err = may_delete(root->inode, d->inode, false);
	if (!err) {
		vfs_notify_dir(root->inode, NOTIFY_DELETE, d->name, false);
		err = dir_unlink(root->inode, d);
		dentry_unlink(d);
	}
	rw_write_unlock(&root->inode->lock);
	dentry_put(d);
	return err;
}
