/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open(2): from a name to an open file, creating it where asked.
 */
#include "kernel/linux/capability.h"
#include "kernel/vfs/vfs_int.h"

#define FMODE_KEPT (~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC))

/* Opened, but nothing can be done with it (sockets by O_PATH, links). */
const struct file_ops empty_fops = { .name = "path" };

/* What an access mode asks of the inode. */
static int mode_mask(u32 flags)
{
	static const u8 masks[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
				    MAY_READ | MAY_WRITE };
	int mask = masks[flags & O_ACCMODE];

	return flags & O_TRUNC ? mask | MAY_WRITE : mask;
}

int path_want_write(const struct path *p)
{
	if ((p->mount->flags & LINUX_MS_RDONLY) || p->mount->fs->is_readonly)
		return -EROFS;
	return 0;
}

static int check_type(struct inode *i, const struct path *p, u32 flags)
{
	switch (i->mode & TYPE_MASK) {
	case TYPE_LNK:
		return -ELOOP;
	case TYPE_DIR:
		if ((mode_mask(flags) & MAY_WRITE) || (flags & O_CREAT))
			return -EISDIR;
		return 0;
	case TYPE_CHR:
	case TYPE_BLK:
		if (p->mount->flags & LINUX_MS_NODEV)
			return -EACCES;
		return 0;
	case TYPE_REG:
		if (mode_mask(flags) & MAY_WRITE)
			return path_want_write(p);
		return 0;
	default:
		return 0;
	}
}

static int check_open(struct inode *i, const struct path *p, u32 flags,
		      bool created)
{
	int err = 0;

	if ((flags & O_DIRECTORY) && !inode_is(i, TYPE_DIR))
		return -ENOTDIR;
	err = check_type(i, p, flags);
	if (err)
		return err;
	if (!created)
		err = inode_permission(i, mode_mask(flags));
	if (err)
		return err;
	if ((flags & O_NOATIME) && vfs_cred()->fsuid != i->uid &&
	    !vfs_capable(CAP_FOWNER))
		return -EPERM;
	return 0;
}

/* Let the owner of the kind of inode set up f. */
static int open_node(struct inode *i, struct file *f)
{
	if (i->ops->open)
		return i->ops->open(i, f);
	switch (i->mode & TYPE_MASK) {
	case TYPE_CHR:
	case TYPE_BLK:
		return device_open(i, f);
	case TYPE_FIFO: /* outside descriptors look like FIFOs, too */
		return i->ops->open ? i->ops->open(i, f) : fifo_open(i, f);
	case TYPE_SOCK:
		return -ENXIO;
	default: /* eventfds and the like cannot be opened by name */
		return i->flags & INODE_ANON ? -ENXIO : 0;
	}
}

/* f could not be opened: its release() runs only if an owner gave it ops. */
static void discard(struct file *f)
{
	const struct inode *i = f->inode;

	if (f->ops == (i->fops ? i->fops : &empty_fops))
		f->is_path_only = true;
	file_put(f);
}

static int finish_open(struct file *f, u32 flags, bool created)
{
	struct inode *i = f->inode;
	int err;

	if (inode_is(i, TYPE_REG) && (mode_mask(flags) & MAY_WRITE)) {
		err = inode_get_write(i);
		if (err)
			return err;
		f->has_write = true;
	}
	if (i->ops->open || !inode_is(i, TYPE_REG)) {
		f->flags = flags; /* open() may take O_TRUNC away */
		err = open_node(i, f);
		flags = f->flags;
		f->flags = flags & FMODE_KEPT;
		if (err)
			return err;
	}
	if ((flags & O_TRUNC) && !created && inode_is(i, TYPE_REG)) {
		err = inode_truncate(i, 0, NULL);
		if (err)
			return err;
		vfs_notify(f->path.dentry, NOTIFY_MODIFY);
	}
	return 0;
}

int open_path_owned(const struct path *p, u32 flags, bool created,
		    struct file **out)
{
	struct inode *i = p->dentry->inode;
	struct path owned = *p;
	struct file *f;
	int err;

	if (flags & O_PATH) {
		if ((flags & O_DIRECTORY) && !inode_is(i, TYPE_DIR)) {
			path_put(&owned);
			return -ENOTDIR;
		}
		return file_new_owned(
			p, &empty_fops,
			flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), out);
	}
	err = check_open(i, p, flags, created);
	if (err) {
		path_put(&owned);
		return err;
	}
	err = file_new_owned(p, i->fops ? i->fops : &empty_fops,
			     flags & FMODE_KEPT, &f);
	if (err)
		return err;
	err = finish_open(f, flags, created);
	if (err) {
		discard(f);
		return err;
	}
	vfs_notify(f->path.dentry, NOTIFY_OPEN);
	*out = f;
	return 0;
}

int path_open_at(const struct path *p, u32 flags, struct file **f)
{
	path_get(p);
	return open_path_owned(p, flags & ~(u32)O_CREAT, false, f);
}

/* --- Creating ------------------------------------------------------------ */

static int create_locked(struct walk *w, u32 mode, struct dentry **out)
{
	struct dentry *dir = w->at.dentry, *d;
	struct inode *i;
	int err = path_want_write(&w->at);

	if (!err)
		err = may_create(dir->inode);
	if (err)
		return err;
	if (!dir->inode->ops->create)
		return -EACCES;
	d = dentry_new(dir, w->last, w->last_len, NULL);
	if (!d)
		return -ENOMEM;
	d->flags |= DENTRY_PINNED;
	err = dir->inode->ops->create(
		dir->inode, d, TYPE_REG | (mode & ~path_umask() & MODE_PERM), 0,
		&i);
	if (!err) {
		d->inode = i;
		err = dentry_link(d);
	}
	if (err) {
		dentry_put(d);
		return err;
	}
	vfs_notify_dir(dir->inode, NOTIFY_CREATE, d->name, false);
	*out = d;
	return 0;
}

/* The last component was not found: make it, unless somebody was quicker. */
static int create_last(struct walk *w, u32 mode, bool *created)
{
	struct inode *dir;
	struct dentry *d;
	int err = walk_unlazy(w);

	if (err)
		return err;
	dir = w->at.dentry->inode;
	rw_write_lock(&dir->lock);
	err = dentry_lookup_locked(w->at.dentry, w->last, w->last_len, &d);
	if (err == -ENOENT) {
		err = create_locked(w, mode, &d);
		*created = !err;
	}
	rw_write_unlock(&dir->lock);
	if (err)
		return err;
	if (!*created) {
		dentry_put(d);
		return -EAGAIN; /* it is there now: look again */
	}
	dentry_put(w->at.dentry);
	w->at.dentry = d;
	return 0;
}

/* w stands at the parent: find or make the last component. 1: again. */
static int open_last(struct walk *w, u32 flags, u32 mode, bool *created)
{
	bool follow = !(flags & O_NOFOLLOW) && !(flags & O_EXCL);
	int err;

	if (w->last_dot) {
		if (flags & O_EXCL)
			return -EEXIST;
		/* The end of a magic link may be any file. */
		return inode_is(w->at.dentry->inode, TYPE_DIR) ? -EISDIR : 0;
	}
	if (w->last_slash)
		return -EISDIR;
	do {
		err = walk_last(w, follow);
		if (err == -ENOENT)
			err = create_last(w, mode, created);
	} while (err == -EAGAIN);
	if (err == 0 && !*created && (flags & O_EXCL))
		return -EEXIST;
	return err;
}

static int open_create_once(struct walk *w, u32 flags, u32 mode, bool *created)
{
	int err;

	for (;;) {
		err = open_last(w, flags, mode, created);
		if (err != 1)
			return err;
		err = walk_on(w); /* through a link at the end */
		if (err)
			return err;
	}
}

static int open_create(int dirfd, const char *name, u32 flags, u32 mode,
		       u32 lookup, struct file **f)
{
	struct walk w;
	struct path p;
	bool created = false;
	int err = walk_path(&w, dirfd, name, lookup | LOOKUP_PARENT);

	if (!err)
		err = open_create_once(&w, flags, mode, &created);
	if (!err)
		err = walk_take(&w, &p);
	if (unlikely(err == -ESTALE)) {
		err = walk_retry(&w, dirfd, name, lookup | LOOKUP_PARENT);
		if (!err)
			err = open_create_once(&w, flags, mode, &created);
		if (!err)
			err = walk_take(&w, &p);
	}
	walk_end(&w);
	if (err)
		return err;
	return open_path_owned(&p, flags, created, f);
}

static int open_tmpfile(int dirfd, const char *name, u32 flags, u32 mode,
			u32 lookup, struct file **f)
{
	struct path dir, p;
	struct inode *i;
	int err;

	if (!(mode_mask(flags) & MAY_WRITE))
		return -EINVAL;
	err = path_lookup(dirfd, name, lookup | LOOKUP_DIRECTORY, &dir);
	if (err)
		return err;
	err = path_want_write(&dir);
	if (!err)
		err = inode_permission(dir.dentry->inode, MAY_WRITE | MAY_EXEC);
	if (!err && !dir.dentry->inode->ops->tmpfile)
		err = -EOPNOTSUPP;
	if (!err)
		err = dir.dentry->inode->ops->tmpfile(
			dir.dentry->inode,
			TYPE_REG | (mode & ~path_umask() & MODE_PERM), &i);
	if (err)
		goto out_put_dir;
	if (!(flags & O_EXCL))
		i->flags |= INODE_LINKABLE;
	err = -ENOMEM;
	p.mount = dir.mount;
	p.dentry = dentry_new(dir.dentry, "#", 1, i);
	if (!p.dentry) {
		inode_put(i);
		goto out_put_dir;
	}
	p.dentry->flags |= DENTRY_UNLINKED;
	mount_get(p.mount);
	err = open_path_owned(&p, flags & ~(u32)O_TMPFILE, true, f);
out_put_dir:
	path_put(&dir);
	return err;
}

static int open_existing(int dirfd, const char *name, u32 flags, u32 lookup,
			 struct file **f)
{
	struct walk w;
	struct path p;
	int err;

	if (!(flags & O_NOFOLLOW))
		lookup |= LOOKUP_FOLLOW;
	err = walk_path(&w, dirfd, name, lookup);
	if (!err)
		err = walk_take(&w, &p);
	if (unlikely(err == -ESTALE)) {
		err = walk_retry(&w, dirfd, name, lookup);
		if (!err)
			err = walk_take(&w, &p);
	}
	walk_end(&w);
	return err ? err : open_path_owned(&p, flags, false, f);
}

int path_open(int dirfd, const char *name, u32 flags, u32 mode, u32 lookup,
	      struct file **f)
{
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return open_tmpfile(dirfd, name, flags, mode,
				    lookup | LOOKUP_FOLLOW, f);
	if (flags & O_TMPFILE & ~(u32)O_DIRECTORY)
		return -EINVAL;
	if (flags & O_CREAT) {
		if (flags & O_DIRECTORY)
			return -EINVAL;
		return open_create(dirfd, name, flags, mode, lookup, f);
	}
	return open_existing(dirfd, name, flags, lookup, f);
}
