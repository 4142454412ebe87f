/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing directories: make, remove, link and rename entries. A directory's
 * lock guards its entries; ancestors are locked before descendants, others in
 * the order of their addresses, and moves between directories one at a time.
 */
#include "kernel/linux/capability.h"
#include "kernel/vfs/vfs_int.h"

#define LINK_MAX 65000

static struct mutex rename_lock; /* moves between directories */

int may_create(struct inode *dir)
{
	if (dir->flags & INODE_DEAD)
		return -ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, struct inode *victim, bool is_dir)
{
	const struct cred *c = vfs_cred();
	int err = inode_permission(dir, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if ((dir->mode & MODE_STICKY) && c->fsuid != victim->uid &&
	    c->fsuid != dir->uid && !vfs_capable(CAP_FOWNER))
		return -EPERM;
	if (is_dir && !inode_is(victim, TYPE_DIR))
		return -ENOTDIR;
	if (!is_dir && inode_is(victim, TYPE_DIR))
		return -EISDIR;
	return 0;
}

/* --- Making -------------------------------------------------------------- */

struct make {	  /* what to make */
	u32 mode; /* with S_IF* */
	u32 rdev;
	const char *target; /* symlink */
	struct inode *link; /* hard link: to this inode */
};

static int make_inode(struct inode *dir, struct dentry *d, const struct make *m,
		      struct inode **i)
{
	const struct inode_ops *ops = dir->ops;

	if (m->link) {
		if (!ops->link)
			return -EPERM;
		*i = m->link;
		inode_get(*i);
		return ops->link(dir, d, *i);
	}
	switch (m->mode & TYPE_MASK) {
	case TYPE_DIR:
		return ops->mkdir ? ops->mkdir(dir, d, m->mode, i) : -EPERM;
	case TYPE_LNK:
		return ops->symlink ? ops->symlink(dir, d, m->target, i)
				    : -EPERM;
	default:
		return ops->create ? ops->create(dir, d, m->mode, m->rdev, i)
				   : -EPERM;
	}
}

/* dir is locked. The new dentry has a reference for the caller. */
static int make_locked(const struct path *at, const struct path_last *last,
		       const struct make *m, struct dentry **out)
{
	struct dentry *dir = at->dentry, *d;
	struct inode *i = NULL;
	int err = dentry_lookup_locked(dir, last->name, last->len, &d);

	if (err == 0) {
		dentry_put(d);
		return -EEXIST;
	}
	if (err != -ENOENT)
		return err;
	if (last->has_slash && (m->mode & TYPE_MASK) != TYPE_DIR)
		return -ENOENT;
	err = path_want_write(at);
	if (!err)
		err = may_create(dir->inode);
	if (err)
		return err;
	d = dentry_new(dir, last->name, last->len, NULL);
	if (!d)
		return -ENOMEM;
	d->flags |= DENTRY_PINNED;
	err = make_inode(dir->inode, d, m, &i);
	d->inode = i;
	if (!err)
		err = dentry_link(d);
	if (err) {
		dentry_put(d);
		return err;
	}
	if (unlikely(i->watches) && m->link) /* its link count */
		inotify_event(i, NOTIFY_ATTRIB, 0, NULL);
	vfs_notify_dir(dir->inode, NOTIFY_CREATE, d->name,
		       inode_is(i, TYPE_DIR));
	*out = d;
	return 0;
}

/* Make an entry; *made, if wanted, is its path with references. */
static int make_at(int dirfd, const char *name, const struct make *m,
		   struct path *made)
{
	struct path_last last;
	struct path dir;
	struct dentry *d;
	int err = path_lookup_parent(dirfd, name, 0, &dir, &last);

	if (err)
		return err;
	if (last.is_dot) {
		path_put(&dir);
		return -EEXIST;
	}
	rw_write_lock(&dir.dentry->inode->lock);
	err = make_locked(&dir, &last, m, &d);
	rw_write_unlock(&dir.dentry->inode->lock);
	if (err) {
		path_put(&dir);
		return err;
	}
	dentry_put(dir.dentry);
	dir.dentry = d;
	if (made)
		*made = dir;
	else
		path_put(&dir);
	return 0;
}

int path_mkdir(int dirfd, const char *name, u32 mode)
{
	struct make m = { .mode = TYPE_DIR | (mode & 01777 & ~path_umask()) };

	return make_at(dirfd, name, &m, NULL);
}

int path_mknod(int dirfd, const char *name, u32 mode, u32 rdev, struct path *p)
{
	struct make m = { .rdev = rdev };

	if ((mode & TYPE_MASK) == 0)
		mode |= TYPE_REG;
	m.mode = (mode & TYPE_MASK) | (mode & MODE_PERM & ~path_umask());
	return make_at(dirfd, name, &m, p);
}

int path_symlink(const char *target, int dirfd, const char *name)
{
	struct make m = { .mode = TYPE_LNK | 0777, .target = target };

	return make_at(dirfd, name, &m, NULL);
}

int path_link(const struct path *old, int dirfd, const char *name)
{
	struct inode *i = old->dentry->inode;
	struct make m = { .mode = i->mode, .link = i };
	struct path made;
	int err;

	if (inode_is(i, TYPE_DIR))
		return -EPERM;
	if (i->nlink == 0 && !(i->flags & INODE_LINKABLE))
		return -ENOENT;
	if (i->nlink >= LINK_MAX)
		return -EMLINK;
	err = make_at(dirfd, name, &m, &made);
	if (err)
		return err;
	i->flags &= ~(u32)INODE_LINKABLE;
	if (made.mount->fs != old->mount->fs)
		err = -EXDEV; /* cannot be: link() of the filesystem checks */
	path_put(&made);
	return err;
}

/* --- Removing ------------------------------------------------------------ */

static bool is_mountpoint(const struct path *dir, struct dentry *d)
{
	struct mount *m;

	if (!(d->flags & DENTRY_MOUNTED))
		return false;
	m = mount_find(dir->mount, d);
	if (m)
		mount_put(m);
	return m != NULL;
}

static int remove_dir(struct inode *dir, struct dentry *d)
{
	int err;

	if (!dir->ops->rmdir)
		return -EPERM;
	rw_write_lock_nested(&d->inode->lock);
	err = dir->ops->rmdir(dir, d);
	if (!err)
		d->inode->flags |= INODE_DEAD;
	rw_write_unlock(&d->inode->lock);
	return err;
}

static int remove_locked(const struct path *at, const struct path_last *last,
			 bool is_dir, struct dentry **removed)
{
	struct inode *dir = at->dentry->inode;
	struct dentry *d;
	int err = dentry_lookup_locked(at->dentry, last->name, last->len, &d);

	if (err)
		return err;
	err = path_want_write(at);
	if (!err)
		err = may_delete(dir, d->inode, is_dir);
	if (!err && last->has_slash && !is_dir)
		err = -ENOTDIR;
	if (!err && is_mountpoint(at, d))
		err = -EBUSY;
	if (!err && is_dir)
		err = remove_dir(dir, d);
	else if (!err)
		err = dir->ops->unlink ? dir->ops->unlink(dir, d) : -EPERM;
	if (err) {
		dentry_put(d);
		return err;
	}
	/* Not all filesystems keep their names here (procfs). */
	if (dentry_find(at->dentry, d->name, d->name_len) == d)
		dentry_unlink(d);
	*removed = d;
	return 0;
}

static int remove_at(int dirfd, const char *name, bool is_dir)
{
	struct path_last last;
	struct path dir;
	struct dentry *d;
	int err = path_lookup_parent(dirfd, name, 0, &dir, &last);

	if (err)
		return err;
	if (last.is_dot) {
		path_put(&dir);
		if (!is_dir)
			return -EISDIR;
		if (last.len == 1)
			return -EINVAL;
		return last.len == 2 ? -ENOTEMPTY : -EBUSY;
	}
	rw_write_lock(&dir.dentry->inode->lock);
	err = remove_locked(&dir, &last, is_dir, &d);
	rw_write_unlock(&dir.dentry->inode->lock);
	if (!err) {
		if (unlikely(d->inode->watches) && !is_dir)
			inotify_event(d->inode, NOTIFY_ATTRIB, 0, NULL);
		if (unlikely(d->inode->watches) && d->inode->nlink == 0)
			inotify_event(d->inode, NOTIFY_DELETE_SELF, 0, NULL);
		vfs_notify_dir(dir.dentry->inode, NOTIFY_DELETE, d->name,
			       is_dir);
		dentry_put(d);
	}
	path_put(&dir);
	return err;
}

int path_unlink(int dirfd, const char *name)
{
	return remove_at(dirfd, name, false);
}

int path_rmdir(int dirfd, const char *name)
{
	return remove_at(dirfd, name, true);
}

/* --- Renaming ------------------------------------------------------------ */

enum { RENAME_NOREPLACE_ = 1, RENAME_EXCHANGE_ = 2, RENAME_WHITEOUT_ = 4 };

struct rename {
	struct path old_dir, new_dir;
	struct path_last old, new;
	struct dentry *d;      /* what moves */
	struct dentry *target; /* what is at the new name, or NULL */
	u32 flags;
};

static void lock_two(struct dentry *a, struct dentry *b)
{
	if (a == b) {
		rw_write_lock(&a->inode->lock);
		return;
	}
	mutex_lock(&rename_lock);
	if (dentry_is_ancestor(b, a) ||
	    (!dentry_is_ancestor(a, b) && a->inode > b->inode)) {
		struct dentry *swap = a;

		a = b;
		b = swap;
	}
	rw_write_lock(&a->inode->lock);
	rw_write_lock_nested(&b->inode->lock);
}

static void unlock_two(struct dentry *a, struct dentry *b)
{
	rw_write_unlock(&a->inode->lock);
	if (a == b)
		return;
	rw_write_unlock(&b->inode->lock);
	mutex_unlock(&rename_lock);
}

static int rename_find(struct rename *r)
{
	int err = dentry_lookup_locked(r->old_dir.dentry, r->old.name,
				       r->old.len, &r->d);

	if (err)
		return err;
	err = dentry_lookup_locked(r->new_dir.dentry, r->new.name, r->new.len,
				   &r->target);
	if (err == -ENOENT) {
		r->target = NULL;
		err = r->flags & RENAME_EXCHANGE_ ? -ENOENT : 0;
	} else if (!err && (r->flags & RENAME_NOREPLACE_)) {
		err = -EEXIST;
	}
	return err;
}

static int check_dirs(struct rename *r)
{
	bool is_dir = inode_is(r->d->inode, TYPE_DIR);

	if (!is_dir && r->old.has_slash)
		return -ENOTDIR;
	if (r->flags & RENAME_EXCHANGE_) {
		if (!inode_is(r->target->inode, TYPE_DIR) && r->new.has_slash)
			return -ENOTDIR;
		if (dentry_is_ancestor(r->target, r->old_dir.dentry))
			return -EINVAL;
	} else if (!is_dir && r->new.has_slash) {
		return -ENOTDIR;
	}
	if (dentry_is_ancestor(r->d, r->new_dir.dentry))
		return -EINVAL;
	if (r->target && !(r->flags & RENAME_EXCHANGE_) &&
	    dentry_is_ancestor(r->target, r->old_dir.dentry))
		return -ENOTEMPTY;
	if (is_mountpoint(&r->old_dir, r->d) ||
	    (r->target && is_mountpoint(&r->new_dir, r->target)))
		return -EBUSY;
	return 0;
}

static int rename_check(struct rename *r)
{
	struct inode *old_dir = r->old_dir.dentry->inode;
	struct inode *new_dir = r->new_dir.dentry->inode;
	bool is_dir = inode_is(r->d->inode, TYPE_DIR);
	int err = check_dirs(r);

	if (!err)
		err = path_want_write(&r->new_dir);
	if (!err)
		err = may_delete(old_dir, r->d->inode, is_dir);
	if (err)
		return err;
	if (!r->target)
		err = may_create(new_dir);
	else if (r->flags & RENAME_EXCHANGE_)
		err = may_delete(new_dir, r->target->inode,
				 inode_is(r->target->inode, TYPE_DIR));
	else
		err = may_delete(new_dir, r->target->inode, is_dir);
	if (err)
		return err;
	/* A directory that moves changes its "..". */
	if (is_dir && old_dir != new_dir)
		err = inode_permission(r->d->inode, MAY_WRITE);
	return err;
}

static int rename_do(struct rename *r)
{
	struct inode *old_dir = r->old_dir.dentry->inode;
	struct inode *new_dir = r->new_dir.dentry->inode;
	struct dentry *new_d = r->target;
	bool is_replaced = new_d && !(r->flags & RENAME_EXCHANGE_);
	bool is_rmdir = is_replaced && inode_is(new_d->inode, TYPE_DIR);
	int err;

	if (!old_dir->ops->rename)
		return -EPERM;
	if (!new_d)
		new_d = dentry_new(r->new_dir.dentry, r->new.name, r->new.len,
				   NULL);
	if (!new_d)
		return -ENOMEM;
	if (is_rmdir)
		rw_write_lock_nested(&new_d->inode->lock);
	err = old_dir->ops->rename(old_dir, r->d, new_dir, new_d, r->flags);
	if (!err && is_rmdir)
		new_d->inode->flags |= INODE_DEAD;
	if (is_rmdir)
		rw_write_unlock(&new_d->inode->lock);
	if (!err && is_replaced)
		dentry_unlink(new_d);
	if (!err && (r->flags & RENAME_EXCHANGE_))
		err = dentry_exchange(r->d, new_d);
	else if (!err)
		err = dentry_move(r->d, r->new_dir.dentry, r->new.name,
				  r->new.len);
	if (!r->target)
		dentry_put(new_d);
	return err;
}

static void rename_notify(struct rename *r)
{
	static u32 next_cookie;
	bool is_dir = inode_is(r->d->inode, TYPE_DIR);
	char name[NAME_MAX_LEN + 1];
	u32 cookie;

	if (likely(!vfs_has_watches))
		return;
	cookie = atomic_fetch_add(&next_cookie, 1) + 1;
	memcpy(name, r->old.name, r->old.len);
	name[r->old.len] = '\0';
	if (r->old_dir.dentry == r->new_dir.dentry)
		vfs_notify_dir_slow(r->old_dir.dentry->inode, NOTIFY_RENAME, 0,
				    name, is_dir);
	vfs_notify_dir_slow(r->old_dir.dentry->inode, NOTIFY_MOVED_FROM, cookie,
			    name, is_dir);
	vfs_notify_dir_slow(r->new_dir.dentry->inode, NOTIFY_MOVED_TO, cookie,
			    r->d->name, is_dir);
	if (r->d->inode->watches)
		inotify_event(r->d->inode, NOTIFY_MOVE_SELF, 0, NULL);
	if (r->target && !(r->flags & RENAME_EXCHANGE_) &&
	    r->target->inode->watches && r->target->inode->nlink == 0)
		inotify_event(r->target->inode, NOTIFY_DELETE_SELF, 0, NULL);
}

static int rename_in(struct rename *r)
{
	int err;

	if (r->old_dir.mount != r->new_dir.mount)
		return -EXDEV;
	if (r->old.is_dot || r->new.is_dot)
		return r->flags & RENAME_NOREPLACE_ && r->new.is_dot ? -EEXIST
								     : -EBUSY;
	lock_two(r->old_dir.dentry, r->new_dir.dentry);
	err = rename_find(r);
	/* Two names of one inode: nothing to do, and success. */
	if (!err && !(r->target && r->target->inode == r->d->inode)) {
		err = rename_check(r);
		if (!err)
			err = rename_do(r);
		if (!err)
			rename_notify(r);
	}
	unlock_two(r->old_dir.dentry, r->new_dir.dentry);
	if (r->d)
		dentry_put(r->d);
	if (r->target)
		dentry_put(r->target);
	return err;
}

int path_rename(int old_dirfd, const char *old_name, int new_dirfd,
		const char *new_name, u32 flags)
{
	struct rename r = { .flags = flags };
	int err;

	if (flags & ~(u32)(RENAME_NOREPLACE_ | RENAME_EXCHANGE_))
		return -EINVAL; /* RENAME_WHITEOUT is for overlays on disk */
	if ((flags & RENAME_NOREPLACE_) && (flags & RENAME_EXCHANGE_))
		return -EINVAL;
	err = path_lookup_parent(old_dirfd, old_name, 0, &r.old_dir, &r.old);
	if (err)
		return err;
	err = path_lookup_parent(new_dirfd, new_name, 0, &r.new_dir, &r.new);
	if (!err) {
		err = rename_in(&r);
		path_put(&r.new_dir);
	}
	path_put(&r.old_dir);
	return err;
}
