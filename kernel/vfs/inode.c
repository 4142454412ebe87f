/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: life, attributes, and who may change them.
 */
#include "kernel/linux/capability.h"
#include "kernel/vfs/vfs_int.h"
#include "kernel/fs/xattr.h"

static struct cred boot_cred = { .ref = { 1 }, .cap_effective = ~0UL };
static u64 ninodes;
static u32 next_dev = 20; /* minor of the next filesystem; atomic */

const struct cred *vfs_cred(void)
{
	const struct thread *t = current();

	return t && t->cred ? t->cred : &boot_cred;
}

bool vfs_capable(int cap)
{
	return (vfs_cred()->cap_effective >> cap & 1) != 0;
}

u64 inode_count(void)
{
	return atomic_load(&ninodes);
}

void vfs_counts(u64 *files, u64 *inodes, u64 *dentries)
{
	if (files)
		*files = file_count();
	if (inodes)
		*inodes = inode_count();
	if (dentries)
		*dentries = dentry_count();
}

/* --- Filesystems --------------------------------------------------------- */

struct fs *fs_new(const struct fs_type *type, u64 magic)
{
	struct fs *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	ref_init(&fs->ref);
	fs->type = type;
	fs->magic = magic;
	fs->next_ino = 1;
	fs->dev = dev_make(0, atomic_fetch_add(&next_dev, 1));
	return fs;
}

void fs_put(struct fs *fs)
{
	if (!ref_put(&fs->ref))
		return;
	if (fs->root)
		dentry_drop_tree(fs->root);
	if (fs->type->unmount)
		fs->type->unmount(fs);
	kfree(fs);
}

/* --- Life ---------------------------------------------------------------- */

struct ltimespec time_now(void)
{
	nsec_t now = plat_clock(PLAT_REALTIME);
	struct ltimespec ts = { .sec = now / NSEC_PER_SEC,
				.nsec = now % NSEC_PER_SEC };

	return ts;
}

struct inode *inode_new(struct fs *fs, struct inode *dir, u32 mode)
{
	const struct cred *c = vfs_cred();
	struct inode *i = kzalloc(sizeof(*i));

	if (!i)
		return NULL;
	ref_init(&i->ref);
	i->fs = fs;
	i->ino = atomic_fetch_add(&fs->next_ino, 1);
	i->mode = mode;
	i->uid = c->fsuid;
	i->gid = c->fsgid;
	if (dir && (dir->mode & MODE_SGID)) {
		i->gid = dir->gid;
		if ((mode & TYPE_MASK) == TYPE_DIR)
			i->mode |= MODE_SGID;
	}
	i->nlink = 1;
	i->mtime = time_now();
	i->atime = i->mtime;
	i->ctime = i->mtime;
	i->btime = i->mtime;
	list_init(&i->fs_node);
	atomic_fetch_add(&ninodes, 1);
	atomic_fetch_add(&fs->ninodes, 1);
	return i;
}

void inode_get(struct inode *i)
{
	ref_get(&i->ref);
}

static void inode_free(struct inode *i)
{
	if (i->watches)
		inotify_gone(i);
	if (i->locks)
		lockf_inode_gone(i);
	if (i->fifo)
		fifo_gone(i);
	if (i->ops && i->ops->evict)
		i->ops->evict(i);
	if (i->object) {
		if (i->fs->max_pages && i->object->backing == PLAT_CACHE)
			atomic_fetch_sub(&i->fs->used_pages, i->object->npages);
		object_put(i->object);
	}
	if (i->xattrs)
		xattr_list_free(i);
	kfree(i->link);
	atomic_fetch_sub(&i->fs->ninodes, 1);
	atomic_fetch_sub(&ninodes, 1);
	kfree(i);
}

void inode_put(struct inode *i)
{
	if (ref_put(&i->ref))
		inode_free(i);
}

/* --- Attributes ---------------------------------------------------------- */

u64 inode_size(const struct inode *i)
{
	const struct object *o = atomic_load_acquire(&i->object);

	return o ? atomic_load(&o->size) : i->size;
}

void inode_touch(struct inode *i, u32 which)
{
	struct ltimespec now = time_now();

	if (which & ATTR_ATIME)
		i->atime = now;
	if (which & ATTR_MTIME)
		i->mtime = now;
	if (which & ATTR_CTIME)
		i->ctime = now;
}

int inode_getattr(struct inode *i, struct attr *a)
{
	if (i->ops && i->ops->getattr)
		return i->ops->getattr(i, a);
	a->mode = i->mode;
	a->uid = i->uid;
	a->gid = i->gid;
	a->size = inode_size(i);
	a->atime = i->atime;
	a->mtime = i->mtime;
	a->ctime = i->ctime;
	a->btime = i->btime;
	return 0;
}

void inode_identify(struct inode *i, struct inode_id *id)
{
	const struct object *o = atomic_load_acquire(&i->object);

	id->ino = i->ino;
	id->nlink = i->nlink;
	id->rdev = i->rdev;
	id->dev = i->fs->dev;
	if (i->flags & INODE_BLOCKS)
		id->blocks = i->blocks;
	else if (o && o->backing == PLAT_CACHE)
		id->blocks = atomic_load(&o->npages) * (PAGE_SIZE / 512);
	else if (inode_is(i, TYPE_REG))
		id->blocks = PAGE_UP(inode_size(i)) / 512;
	else
		id->blocks = 0;
}

int inode_setattr_fields(struct inode *i, const struct attr *a)
{
	if (a->valid & ATTR_MODE)
		i->mode = (i->mode & TYPE_MASK) | (a->mode & MODE_PERM);
	if (a->valid & ATTR_UID)
		i->uid = a->uid;
	if (a->valid & ATTR_GID)
		i->gid = a->gid;
	if (a->valid & ATTR_ATIME)
		i->atime = a->atime;
	if (a->valid & ATTR_MTIME)
		i->mtime = a->mtime;
	if (a->valid & ATTR_CTIME)
		i->ctime = a->ctime;
	if ((a->valid & ATTR_SIZE) && i->object)
		return object_resize(i->object, a->size);
	return 0;
}

int inode_setattr(struct inode *i, const struct attr *a)
{
	if (i->ops && i->ops->setattr)
		return i->ops->setattr(i, a);
	return inode_setattr_fields(i, a);
}

void inode_drop_suid(struct inode *i)
{
	u32 drop = i->mode & MODE_SUID;

	if (!inode_is(i, TYPE_REG))
		return;
	if ((i->mode & (MODE_SGID | MODE_XGRP)) == (MODE_SGID | MODE_XGRP))
		drop |= MODE_SGID;
	if (drop && !vfs_capable(CAP_FSETID))
		i->mode &= ~drop;
}

void inode_accessed(struct inode *i, struct mount *m, struct file *f)
{
	struct ltimespec now;

	if (m->flags & (LINUX_MS_NOATIME | LINUX_MS_RDONLY))
		return;
	if (i->fs->is_readonly || (f && (f->flags & O_NOATIME)))
		return;
	if (inode_is(i, TYPE_DIR) && (m->flags & LINUX_MS_NODIRATIME))
		return;
	if (!(m->flags & LINUX_MS_STRICTATIME)) {
		bool is_older = i->atime.sec < i->mtime.sec ||
				i->atime.sec < i->ctime.sec ||
				(i->atime.sec == i->mtime.sec &&
				 i->atime.nsec <= i->mtime.nsec) ||
				(i->atime.sec == i->ctime.sec &&
				 i->atime.nsec <= i->ctime.nsec);

		if (!is_older && f && f->atime_checked)
			return;
		now = time_now();
		if (f)
			f->atime_checked = true;
		if (!is_older && now.sec - i->atime.sec < 24 * 3600)
			return;
	} else {
		now = time_now();
	}
	i->atime = now;
}

/* --- Permission ---------------------------------------------------------- */

static bool in_groups(const struct cred *c, u32 gid)
{
	u32 lo = 0, hi = c->ngroups;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (c->groups[mid] == gid)
			return true;
		if (c->groups[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static bool cap_in(u64 caps, int cap)
{
	return (caps >> cap & 1) != 0;
}

int inode_permission_cred(struct inode *i, int mask, const struct cred *c,
			  bool real_ids)
{
	u32 uid = real_ids ? c->uid : c->fsuid;
	u32 gid = real_ids ? c->gid : c->fsgid;
	u64 caps = c->cap_effective;
	u32 mode = i->mode;

	if ((mask & MAY_WRITE) && i->fs->is_readonly &&
	    (inode_is(i, TYPE_REG) || inode_is(i, TYPE_DIR) ||
	     inode_is(i, TYPE_LNK)))
		return -EROFS;
	if (real_ids)
		caps = uid == 0 ? c->cap_permitted : 0;
	if (uid == i->uid)
		mode >>= 6;
	else if (gid == i->gid || in_groups(c, i->gid))
		mode >>= 3;
	if ((mask & ~(int)mode & 7) == 0)
		return 0;
	if (inode_is(i, TYPE_DIR)) {
		if (cap_in(caps, CAP_DAC_OVERRIDE))
			return 0;
		if (!(mask & MAY_WRITE) && cap_in(caps, CAP_DAC_READ_SEARCH))
			return 0;
		return -EACCES;
	}
	if (mask == MAY_READ && cap_in(caps, CAP_DAC_READ_SEARCH))
		return 0;
	if (cap_in(caps, CAP_DAC_OVERRIDE) &&
	    (!(mask & MAY_EXEC) || (i->mode & MODE_XANY)))
		return 0;
	return -EACCES;
}

int inode_permission(struct inode *i, int mask)
{
	if (i->ops && i->ops->permission)
		return i->ops->permission(i, mask);
	return inode_permission_cred(i, mask, vfs_cred(), false);
}

static bool is_owner(const struct inode *i)
{
	return vfs_cred()->fsuid == i->uid || vfs_capable(CAP_FOWNER);
}

static bool may_chown(const struct inode *i, const struct attr *a)
{
	const struct cred *c = vfs_cred();

	if (vfs_capable(CAP_CHOWN))
		return true;
	if (c->fsuid != i->uid)
		return false;
	if ((a->valid & ATTR_UID) && a->uid != i->uid)
		return false;
	return !(a->valid & ATTR_GID) || a->gid == i->gid ||
	       a->gid == c->fsgid || in_groups(c, a->gid);
}

static int change_check(struct inode *i, struct attr *a)
{
	const struct cred *c = vfs_cred();

	if (i->fs->is_readonly)
		return -EROFS;
	if ((a->valid & (ATTR_UID | ATTR_GID)) && !may_chown(i, a))
		return -EPERM;
	if (a->valid & ATTR_MODE) {
		u32 gid = a->valid & ATTR_GID ? a->gid : i->gid;

		if (!is_owner(i))
			return -EPERM;
		if (gid != c->fsgid && !in_groups(c, gid) &&
		    !vfs_capable(CAP_FSETID))
			a->mode &= ~(u32)MODE_SGID;
	}
	if (!(a->valid & (ATTR_ATIME | ATTR_MTIME)) || is_owner(i))
		return 0;
	if (!(a->valid & ATTR_TIMES_NOW))
		return -EPERM;
	return inode_permission(i, MAY_WRITE);
}

int inode_change(struct inode *i, struct attr *a)
{
	int err;

	rw_write_lock(&i->lock);
	err = change_check(i, a);
	if (err)
		goto out_unlock;
	if ((a->valid & (ATTR_UID | ATTR_GID)) && !(a->valid & ATTR_MODE) &&
	    !inode_is(i, TYPE_DIR)) {
		u32 drop = MODE_SUID;

		if (i->mode & MODE_XGRP)
			drop |= MODE_SGID;
		if (i->mode & drop) {
			a->mode = i->mode & ~drop;
			a->valid |= ATTR_MODE;
		}
	}
	if (!(a->valid & ATTR_CTIME)) {
		a->ctime = time_now();
		a->valid |= ATTR_CTIME;
	}
	err = inode_setattr(i, a);
out_unlock:
	rw_write_unlock(&i->lock);
	return err;
}

/* --- Writers against execution ------------------------------------------- */

int inode_get_write(struct inode *i)
{
	s32 n = atomic_load(&i->writers);

	do {
		if (n < 0)
			return -ETXTBSY;
	} while (!atomic_cmpxchg(&i->writers, &n, n + 1));
	return 0;
}

void inode_put_write(struct inode *i)
{
	atomic_fetch_sub(&i->writers, 1);
}

int inode_deny_write(struct inode *i)
{
	s32 n = atomic_load(&i->writers);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_cmpxchg(&i->writers, &n, n - 1));
	return 0;
}

void inode_allow_write(struct inode *i)
{
	atomic_fetch_add(&i->writers, 1);
}
