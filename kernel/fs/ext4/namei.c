/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: looking up, making, removing, renaming. The VFS holds the locks of
 * the directories; each operation is one handle.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

#define LINKS_MAX 65000U
#define RENAME_EXCHANGE_FLAG 2U

static void dir_touch(struct inode *dir)
{
	dir->mtime = time_now();
	dir->ctime = dir->mtime;
}

/* --- Link counts ---------------------------------------------------------- */

/* Directories with too many children have a count of 1. */
static void dir_count(struct inode *dir, s32 by)
{
	if (by > 0 && dir->nlink != 1) {
		dir->nlink++;
		if (dir->nlink > LINKS_MAX)
			dir->nlink = 1;
	} else if (by < 0 && dir->nlink > 2) {
		dir->nlink--;
	}
}

static bool dir_is_full(const struct inode *dir)
{
	return dir->nlink >= LINKS_MAX &&
	       !(ext4_sb(dir)->ro_compat & EXT4_DIR_NLINK);
}

/* A name of the inode is gone. */
static int unlinked(struct handle *h, struct inode *i)
{
	struct ext4_node *n = ext4_node(i);
	int err = 0;

	mutex_lock(&n->lock);
	if (inode_is(i, TYPE_DIR))
		i->nlink = 0;
	else if (i->nlink)
		i->nlink--;
	mutex_unlock(&n->lock);
	inode_touch(i, ATTR_CTIME);
	if (i->nlink == 0)
		err = ext4_orphan_add(h, i);
	return err ? err : ext4_inode_store(h, i);
}

/* --- Lookup --------------------------------------------------------------- */

/* Two names of one directory, or a circle, would be the end of all locking:
 * only a corrupt filesystem has them. */
static int name_once(struct inode *i)
{
	struct ext4_node *n = ext4_node(i);
	bool was;

	if (!inode_is(i, TYPE_DIR))
		return 0;
	mutex_lock(&n->lock);
	was = n->is_named;
	n->is_named = true;
	mutex_unlock(&n->lock);
	return was ? ext4_corrupt(ext4_sb(i), "second name of directory",
				  i->ino)
		   : 0;
}

static int ext4_lookup(struct inode *dir, const char *name, u32 len,
		       struct inode **i)
{
	struct ext4_place p;
	u64 ino;
	int err = ext4_dir_find(dir, name, len, &p);

	if (err)
		return err;
	ino = p.e->inode;
	buffer_put(p.b);
	err = ext4_iget(dir->fs, ino, 0, i);
	if (err == -ESTALE)
		return ext4_corrupt(ext4_sb(dir), "entry of unused inode", ino);
	if (err)
		return err;
	err = name_once(*i);
	if (err)
		inode_put(*i);
	return err;
}

/* --- Making --------------------------------------------------------------- */

static u32 make_credits(const struct inode *dir)
{
	/* The new inode: bitmap, descriptor, table; for a directory, its first
	 * block; for a link, its target; the orphan list. */
	return ext4_insert_credits(dir) + 40;
}

/* Give the new inode its name, or give it up. */
static int finish(struct handle *h, struct inode *dir, struct dentry *d,
		  struct inode *i, int err, struct inode **out)
{
	if (!err)
		err = ext4_dir_insert(h, dir, d->name, d->name_len, i);
	if (!err) {
		if (inode_is(i, TYPE_DIR)) {
			dir_count(dir, 1);
			ext4_node(i)->is_named = true;
		}
		dir_touch(dir);
		err = ext4_inode_store(h, dir);
		*out = i;
		return err;
	}
	i->nlink = 0;
	if (ext4_orphan_add(h, i) == 0)
		(void)ext4_inode_store(h, i);
	return err;
}

static int create_once(struct inode *dir, struct dentry *d, u32 mode, u32 rdev,
		       struct inode **out)
{
	struct inode *i = NULL;
	struct handle h;
	int err = ext4_start(ext4_sb(dir), make_credits(dir), &h);

	if (err)
		return err;
	err = ext4_inode_new(&h, dir, mode, rdev, &i);
	if (!err)
		err = finish(&h, dir, d, i, 0, out);
	journal_stop(&h);
	if (err && i)
		inode_put(i);
	return err;
}

static int ext4_create(struct inode *dir, struct dentry *d, u32 mode, u32 rdev,
		       struct inode **out)
{
	int err = create_once(dir, d, mode, rdev, out);

	if (err == -ENOSPC && ext4_make_room(ext4_sb(dir)))
		err = create_once(dir, d, mode, rdev, out);
	return err;
}

static int mkdir_once(struct inode *dir, struct dentry *d, u32 mode,
		      struct inode **out)
{
	struct inode *i = NULL;
	struct handle h;
	int err;

	if (dir_is_full(dir))
		return -EMLINK;
	err = ext4_start(ext4_sb(dir), make_credits(dir), &h);
	if (err)
		return err;
	err = ext4_inode_new(&h, dir, mode, 0, &i);
	if (!err) {
		i->nlink = 2;
		err = ext4_dir_init(&h, i, dir->ino);
		if (!err)
			err = ext4_inode_store(&h, i);
		err = finish(&h, dir, d, i, err, out);
	}
	journal_stop(&h);
	if (err && i)
		inode_put(i);
	return err;
}

static int ext4_mkdir(struct inode *dir, struct dentry *d, u32 mode,
		      struct inode **out)
{
	int err = mkdir_once(dir, d, mode, out);

	if (err == -ENOSPC && ext4_make_room(ext4_sb(dir)))
		err = mkdir_once(dir, d, mode, out);
	return err;
}

static int symlink_once(struct inode *dir, struct dentry *d, const char *target,
			struct inode **out)
{
	u32 len = (u32)strlen(target);
	struct inode *i = NULL;
	struct handle h;
	int err;

	if (len >= ext4_sb(dir)->block_size)
		return -ENAMETOOLONG;
	err = ext4_start(ext4_sb(dir), make_credits(dir), &h);
	if (err)
		return err;
	err = ext4_inode_new(&h, dir, TYPE_LNK | 0777, 0, &i);
	if (!err) {
		err = ext4_symlink_store(&h, i, target, len);
		err = finish(&h, dir, d, i, err, out);
	}
	journal_stop(&h);
	if (err && i)
		inode_put(i);
	return err;
}

static int ext4_symlink(struct inode *dir, struct dentry *d, const char *target,
			struct inode **out)
{
	int err = symlink_once(dir, d, target, out);

	if (err == -ENOSPC && ext4_make_room(ext4_sb(dir)))
		err = symlink_once(dir, d, target, out);
	return err;
}

static int tmpfile_once(struct inode *dir, u32 mode, struct inode **out)
{
	struct inode *i = NULL;
	struct handle h;
	int err = ext4_start(ext4_sb(dir), make_credits(dir), &h);

	if (err)
		return err;
	err = ext4_inode_new(&h, dir, mode, 0, &i);
	if (!err) {
		i->nlink = 0;
		err = ext4_orphan_add(&h, i);
		if (!err)
			err = ext4_inode_store(&h, i);
	}
	journal_stop(&h);
	if (err && i)
		inode_put(i);
	else if (!err)
		*out = i;
	return err;
}

static int ext4_tmpfile(struct inode *dir, u32 mode, struct inode **out)
{
	int err = tmpfile_once(dir, mode, out);

	if (err == -ENOSPC && ext4_make_room(ext4_sb(dir)))
		err = tmpfile_once(dir, mode, out);
	return err;
}

static int link_once(struct inode *dir, struct dentry *d, struct inode *i)
{
	struct ext4_node *n;
	struct handle h;
	int err;

	if (i->fs != dir->fs)
		return -EXDEV;
	n = ext4_node(i);
	if (i->nlink >= LINKS_MAX)
		return -EMLINK;
	err = ext4_start(ext4_sb(dir), make_credits(dir), &h);
	if (err)
		return err;
	err = ext4_dir_insert(&h, dir, d->name, d->name_len, i);
	if (!err) {
		mutex_lock(&n->lock);
		i->nlink++;
		mutex_unlock(&n->lock);
		if (i->nlink == 1)
			err = ext4_orphan_del(&h, i);
		inode_touch(i, ATTR_CTIME);
		err = err ? err : ext4_inode_store(&h, i);
		dir_touch(dir);
		err = err ? err : ext4_inode_store(&h, dir);
	}
	journal_stop(&h);
	return err;
}

static int ext4_link(struct inode *dir, struct dentry *d, struct inode *i)
{
	int err = link_once(dir, d, i);

	if (err == -ENOSPC && ext4_make_room(ext4_sb(dir)))
		err = link_once(dir, d, i);
	return err;
}

/* --- Removing ------------------------------------------------------------- */

/* The entry of d, which must name its inode. */
static int find_entry(struct inode *dir, const struct dentry *d,
		      struct ext4_place *p)
{
	int err = ext4_dir_find(dir, d->name, d->name_len, p);

	if (err == -ENOENT)
		return ext4_corrupt(ext4_sb(dir), "entries of directory",
				    dir->ino);
	if (!err && p->e->inode != d->inode->ino) {
		buffer_put(p->b);
		err = ext4_corrupt(ext4_sb(dir), "entries of directory",
				   dir->ino);
	}
	return err;
}

static int remove_entry(struct handle *h, struct inode *dir,
			const struct dentry *d)
{
	struct ext4_place p;
	int err = find_entry(dir, d, &p);

	if (err)
		return err;
	err = ext4_dir_remove(h, dir, &p);
	buffer_put(p.b);
	return err;
}

/* Of a directory, too, once it is known to be empty. */
static int ext4_unlink(struct inode *dir, struct dentry *d)
{
	struct handle h;
	int err = ext4_start(ext4_sb(dir), 10, &h);

	if (err)
		return err;
	err = remove_entry(&h, dir, d);
	if (!err) {
		if (inode_is(d->inode, TYPE_DIR))
			dir_count(dir, -1);
		dir_touch(dir);
		err = ext4_inode_store(&h, dir);
	}
	if (!err)
		err = unlinked(&h, d->inode);
	journal_stop(&h);
	return err;
}

static int check_empty(struct inode *dir)
{
	int empty = ext4_dir_is_empty(dir);

	if (empty < 0)
		return empty;
	return empty ? 0 : -ENOTEMPTY;
}

static int ext4_rmdir(struct inode *dir, struct dentry *d)
{
	int err = check_empty(d->inode);

	return err ? err : ext4_unlink(dir, d);
}

/* --- Renaming ------------------------------------------------------------- */

struct rename {
	struct inode *old_dir, *new_dir;
	struct dentry *old, *new;
	bool is_dir, is_move; /* between directories */
};

/* Let the entry of `d` name another inode. */
static int entry_set(struct handle *h, struct inode *dir,
		     const struct dentry *d, const struct inode *i)
{
	struct ext4_place p;
	int err = find_entry(dir, d, &p);

	if (err)
		return err;
	err = journal_get_write(h, p.b);
	if (!err) {
		p.e->inode = (u32)i->ino;
		p.e->type = ext4_dirent_type(ext4_sb(dir), i->mode);
		ext4_dir_dirty(h, dir, p.b);
	}
	buffer_put(p.b);
	return err;
}

static int store_dirs(struct handle *h, const struct rename *r)
{
	int err;

	dir_touch(r->old_dir);
	dir_touch(r->new_dir);
	err = ext4_inode_store(h, r->old_dir);
	if (!err && r->is_move)
		err = ext4_inode_store(h, r->new_dir);
	return err;
}

static int exchange(struct handle *h, const struct rename *r)
{
	struct inode *a = r->old->inode, *b = r->new->inode;
	bool is_b_dir = inode_is(b, TYPE_DIR);
	int err = entry_set(h, r->old_dir, r->old, b);

	if (!err)
		err = entry_set(h, r->new_dir, r->new, a);
	if (!err && r->is_move && r->is_dir)
		err = ext4_dir_set_parent(h, a, r->new_dir->ino);
	if (!err && r->is_move && is_b_dir)
		err = ext4_dir_set_parent(h, b, r->old_dir->ino);
	if (err)
		return err;
	if (r->is_move && r->is_dir != is_b_dir) {
		dir_count(r->old_dir, r->is_dir ? -1 : 1);
		dir_count(r->new_dir, r->is_dir ? 1 : -1);
	}
	inode_touch(a, ATTR_CTIME);
	inode_touch(b, ATTR_CTIME);
	err = ext4_inode_store(h, a);
	if (!err)
		err = ext4_inode_store(h, b);
	return err ? err : store_dirs(h, r);
}

static int move(struct handle *h, const struct rename *r)
{
	struct inode *i = r->old->inode, *gone = r->new->inode;
	int err;

	if (gone)
		err = entry_set(h, r->new_dir, r->new, i);
	else
		err = ext4_dir_insert(h, r->new_dir, r->new->name,
				      r->new->name_len, i);
	if (!err)
		err = remove_entry(h, r->old_dir, r->old);
	if (!err && r->is_dir && r->is_move)
		err = ext4_dir_set_parent(h, i, r->new_dir->ino);
	if (err)
		return err;
	if (r->is_dir && gone)
		dir_count(r->new_dir, -1);
	if (r->is_dir && r->is_move) {
		dir_count(r->old_dir, -1);
		dir_count(r->new_dir, 1);
	}
	inode_touch(i, ATTR_CTIME);
	err = ext4_inode_store(h, i);
	if (!err)
		err = store_dirs(h, r);
	if (!err && gone)
		err = unlinked(h, gone);
	return err;
}

static int rename_once(struct inode *old_dir, struct dentry *old,
		       struct inode *new_dir, struct dentry *new, u32 flags)
{
	struct rename r = { old_dir,
			    new_dir,
			    old,
			    new,
			    inode_is(old->inode, TYPE_DIR),
			    old_dir != new_dir };
	bool is_exchange = new->inode && (flags & RENAME_EXCHANGE_FLAG);
	struct handle h;
	int err = 0;

	if (new->inode && !is_exchange && inode_is(new->inode, TYPE_DIR))
		err = check_empty(new->inode);
	if (!err && r.is_dir && r.is_move && !new->inode &&dir_is_full(new_dir))
		err = -EMLINK;
	if (!err)
		err = ext4_start(ext4_sb(old_dir),
				 ext4_insert_credits(new_dir) + 20, &h);
	if (err)
		return err;
	err = is_exchange ? exchange(&h, &r) : move(&h, &r);
	journal_stop(&h);
	return err;
}

static int ext4_rename(struct inode *old_dir, struct dentry *old,
		       struct inode *new_dir, struct dentry *new, u32 flags)
{
	int err = rename_once(old_dir, old, new_dir, new, flags);

	if (err == -ENOSPC && ext4_make_room(ext4_sb(old_dir)))
		err = rename_once(old_dir, old, new_dir, new, flags);
	return err;
}

/* --- Tables --------------------------------------------------------------- */

#define COMMON_OPS                                            \
	.setattr = ext4_setattr, .evict = ext4_evict,         \
	.getxattr = ext4_getxattr, .setxattr = ext4_setxattr, \
	.listxattr = ext4_listxattr, .removexattr = ext4_removexattr

const struct inode_ops ext4_dir_ops = {
	.lookup = ext4_lookup,
	.create = ext4_create,
	.mkdir = ext4_mkdir,
	.symlink = ext4_symlink,
	.link = ext4_link,
	.unlink = ext4_unlink,
	.rmdir = ext4_rmdir,
	.rename = ext4_rename,
	.tmpfile = ext4_tmpfile,
	COMMON_OPS,
};
const struct inode_ops ext4_link_ops = {
	.readlink = ext4_readlink,
	COMMON_OPS,
};
const struct inode_ops ext4_node_ops = { COMMON_OPS };
