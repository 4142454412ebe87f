/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path walks: from a name to a mount and a dentry, first without locks and
 * references (theory in vfs_int.h), then, if something is in the way, with them
 * from where the walk stands. Symlinks are pushed in front of the rest of
 * the text; there is no recursion.
 */
#include "kernel/vfs/vfs_int.h"

#define MAX_LINKS 40
#define LINK_TEXT_MAX 8192 /* link targets and what follows them */

/* --- Start and end ------------------------------------------------------- */

static void start_root(struct walk *w, const struct fs_context *c)
{
	if (c) {
		w->root.mount = atomic_load(&c->root.mount);
		w->root.dentry = atomic_load(&c->root.dentry);
	} else {
		w->root.mount = mount_root;
		w->root.dentry = mount_root->root;
	}
}

static const struct fs_context *context(void)
{
	return current() && process_current() ? fs_context_current() : NULL;
}

/* Where the walk begins; with references unless w->fast. */
static int start_at(struct walk *w, int dirfd, bool is_absolute)
{
	const struct fs_context *c = context();

	if (w->fast)
		start_root(w, c);
	else
		path_root(&w->root);
	if (is_absolute && !(w->flags & LOOKUP_IN_ROOT)) {
		w->at = w->root;
	} else if (dirfd == AT_FDCWD) {
		if (!c) {
			w->at = w->root;
		} else if (w->fast) {
			w->at.mount = atomic_load(&c->cwd.mount);
			w->at.dentry = atomic_load(&c->cwd.dentry);
		} else {
			path_cwd(&w->at);
			return 0;
		}
	} else {
		w->dir = fd_get_any(dirfd);
		if (!w->dir.file)
			return -EBADF;
		w->at = w->dir.file->path;
	}
	if (!w->fast)
		path_get(&w->at);
	return w->fast && !walk_valid(w->seq) ? -ESTALE : 0;
}

static int walk_start(struct walk *w, int dirfd, const char *name, u32 flags,
		      bool fast)
{
	int err;

	w->at.dentry = NULL;
	w->root.dentry = NULL;
	w->rest = name;
	w->flags = flags;
	w->nlinks = 0;
	w->heap = NULL;
	w->buf_size = 0;
	w->jumped = false;
	w->last_dot = false;
	w->last_slash = false;
	w->dir.file = NULL;
	w->dir.has_ref = false;
	w->fast = fast && walk_read_begin(&w->seq);
	if (fast && !w->fast)
		return -ESTALE;
	if (*name == '/' && (flags & LOOKUP_BENEATH))
		return -EXDEV;
	err = start_at(w, dirfd, *name == '/');
	if (err || !(flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT)))
		return err;
	if (!w->fast) {
		path_get(&w->at);
		path_put(&w->root);
	}
	w->root = w->at;
	return 0;
}

static void drop_refs(struct walk *w)
{
	if (!w->fast) {
		path_put(&w->at);
		path_put(&w->root);
	}
	w->at.dentry = NULL;
	w->root.dentry = NULL;
}

void walk_end(struct walk *w)
{
	drop_refs(w);
	fd_put(w->dir);
	w->dir.file = NULL;
	w->dir.has_ref = false;
	if (unlikely(w->heap))
		kfree(w->heap);
	w->heap = NULL;
}

static bool tryget_path(const struct path *p)
{
	if (!ref_tryget(&p->dentry->ref))
		return false;
	if (mount_tryget(p->mount))
		return true;
	dentry_put(p->dentry);
	return false;
}

int walk_unlazy(struct walk *w)
{
	if (!w->fast)
		return 0;
	if (!walk_valid(w->seq) || !tryget_path(&w->at))
		return -ESTALE;
	if (!tryget_path(&w->root)) {
		path_put(&w->at);
		return -ESTALE;
	}
	w->fast = false;
	/* Pairs with walk_write_begin(): what we hold now was still there. */
	return walk_valid(w->seq) ? 0 : -ESTALE;
}

int walk_take(struct walk *w, struct path *p)
{
	*p = w->at;
	if (!w->fast) {
		w->at.dentry = NULL;
		return 0;
	}
	if (!walk_valid(w->seq) || !tryget_path(p))
		return -ESTALE;
	if (!walk_valid(w->seq)) {
		path_put(p);
		return -ESTALE;
	}
	return 0;
}

/* Operations of an inode seen in the walk; NULL: the walk is stale. */
static const struct inode_ops *ops_of(const struct walk *w,
				      const struct inode *i)
{
	const struct inode_ops *ops = atomic_load(&i->ops);

	return w->fast && !walk_valid(w->seq) ? NULL : ops;
}

/* --- Links --------------------------------------------------------------- */

/* Put text[0..len) and a slash in front of the rest. */
static int push_text(struct walk *w, const char *text, u32 len)
{
	size_t rest_len = strlen(w->rest);
	size_t need = len + 1 + rest_len + 1;
	char *base = w->heap ? w->heap : w->buf;
	u32 size = w->heap ? LINK_TEXT_MAX : (u32)sizeof(w->buf);

	if (need > LINK_TEXT_MAX)
		return -ENAMETOOLONG;
	if (need > size) {
		base = kmalloc(LINK_TEXT_MAX);
		if (!base)
			return -ENOMEM;
		w->heap = base;
		size = LINK_TEXT_MAX;
	}
	/* The rest is a tail of the same buffer or outside of it. */
	memmove(base + size - rest_len - 1, w->rest, rest_len + 1);
	w->rest = base + size - rest_len - 1;
	if (rest_len && *w->rest != '/')
		*(char *)(uintptr_t)--w->rest = '/';
	w->rest -= len;
	memcpy((char *)(uintptr_t)w->rest, text, len);
	return 0;
}

static int go_root(struct walk *w)
{
	if (w->flags & LOOKUP_BENEATH)
		return -EXDEV;
	if ((w->flags & LOOKUP_NO_XDEV) && w->at.mount != w->root.mount)
		return -EXDEV;
	if (!w->fast) {
		path_get(&w->root);
		path_put(&w->at);
	}
	w->at = w->root;
	return 0;
}

/* A magic link: jump. References are held. */
static int follow_magic(struct walk *w, struct inode *link)
{
	struct path target;
	int err;

	if (w->flags & (LOOKUP_NO_MAGICLINKS | LOOKUP_BENEATH | LOOKUP_IN_ROOT))
		return w->flags & LOOKUP_NO_MAGICLINKS ? -ELOOP : -EXDEV;
	err = link->ops->follow(link, &target);
	if (err)
		return err;
	path_put(&w->at);
	w->at = target;
	w->jumped = true;
	return 0;
}

/* Text of a link that is not kept in the inode (procfs). */
static int push_readlink(struct walk *w, struct inode *link)
{
	char *text;
	int n;

	if (!link->ops->readlink)
		return -EINVAL;
	text = kmalloc(PATH_MAX_LEN);
	if (!text)
		return -ENOMEM;
	n = link->ops->readlink(link, text, PATH_MAX_LEN);
	if (n == 0)
		n = -ENOENT;
	if (n > 0)
		n = push_text(w, text, (u32)n);
	kfree(text);
	return n;
}

/* Walk on through the symlink d found in w->at. w->rest is what follows. */
static int follow_link(struct walk *w, struct dentry *d)
{
	struct inode *i = atomic_load(&d->inode);
	const char *text;
	u32 len;
	int err;

	if (++w->nlinks > MAX_LINKS || (w->flags & LOOKUP_NO_SYMLINKS))
		return -ELOOP;
	if (!w->fast && i->ops->follow)
		return follow_magic(w, i);
	text = atomic_load(&i->link);
	len = atomic_load(&i->link_len);
	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	err = text ? push_text(w, text, len) : push_readlink(w, i);
	if (err)
		return err;
	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	return *w->rest == '/' ? go_root(w) : 0;
}

/* --- Steps --------------------------------------------------------------- */

static inline int may_search(struct walk *w)
{
	struct inode *i = atomic_load(&w->at.dentry->inode);
	const struct inode_ops *ops;
	u32 mode;

	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	mode = atomic_load(&i->mode);
	ops = ops_of(w, i);
	if (!ops)
		return -ESTALE;
	if ((mode & TYPE_MASK) != TYPE_DIR)
		return -ENOTDIR;
	if (ops->permission) {
		int err = walk_unlazy(w);

		return err ? err : ops->permission(i, MAY_EXEC);
	}
	if (likely((mode & 0111) == 0111))
		return 0;
	return inode_permission_cred(i, MAY_EXEC, vfs_cred(), false);
}

static int cross_fast(struct walk *w)
{
	struct mount *m;

	while (atomic_load(&w->at.dentry->flags) & DENTRY_MOUNTED) {
		m = mount_find_fast(w->at.mount, w->at.dentry, w->seq);
		if (!walk_valid(w->seq))
			return -ESTALE;
		if (!m)
			break;
		w->at.mount = m;
		w->at.dentry = m->root;
	}
	return walk_valid(w->seq) ? 0 : -ESTALE;
}

static inline int cross(struct walk *w)
{
	struct mount *before = w->at.mount;
	int err = 0;

	if (likely(!(atomic_load(&w->at.dentry->flags) & DENTRY_MOUNTED)))
		return 0;
	if (w->fast)
		err = cross_fast(w);
	else
		mount_cross(&w->at);
	if (!err && (w->flags & LOOKUP_NO_XDEV) && w->at.mount != before)
		err = -EXDEV;
	return err;
}

static int up_fast(struct walk *w)
{
	struct dentry *parent;

	while (w->at.dentry == w->at.mount->root) {
		struct mount *m = w->at.mount;

		if (!m->parent)
			return 0;
		w->at.dentry = m->mountpoint;
		w->at.mount = m->parent;
		if (!walk_valid(w->seq))
			return -ESTALE;
		if (w->at.dentry == w->root.dentry &&
		    w->at.mount == w->root.mount)
			return 0;
	}
	parent = atomic_load(&w->at.dentry->parent);
	if (!walk_valid(w->seq))
		return -ESTALE;
	if (parent)
		w->at.dentry = parent;
	return 0;
}

static int up_slow(struct walk *w)
{
	struct dentry *d = w->at.dentry, *parent;

	while (d == w->at.mount->root) {
		if (!mount_up(&w->at))
			return 0;
		d = w->at.dentry;
		if (d == w->root.dentry && w->at.mount == w->root.mount)
			return 0;
	}
	if (!d->parent)
		return 0;
	do {
		parent = atomic_load(&d->parent);
	} while (!ref_tryget(&parent->ref)); /* a rename freed it: look again */
	dentry_put(d);
	w->at.dentry = parent;
	return 0;
}

static int step_up(struct walk *w)
{
	struct mount *before = w->at.mount;
	int err;

	if (w->at.dentry == w->root.dentry && w->at.mount == w->root.mount)
		return w->flags & LOOKUP_BENEATH ? -EXDEV : 0;
	err = w->fast ? up_fast(w) : up_slow(w);
	if (!err && (w->flags & LOOKUP_NO_XDEV) && w->at.mount != before)
		err = -EXDEV;
	return err ? err : cross(w);
}

/* No such child is known: ask the filesystem, which leaves fast mode. */
static int find_child_slow(struct walk *w, const char *name, u32 len, u32 hash,
			   struct dentry **child)
{
	const struct inode_ops *ops;
	struct inode *i;
	int err;

	if (w->fast) {
		i = atomic_load(&w->at.dentry->inode);
		if (!walk_valid(w->seq))
			return -ESTALE;
		ops = ops_of(w, i);
		if (!ops)
			return -ESTALE;
		if (!ops->lookup)
			return -ENOENT;
		err = walk_unlazy(w);
		if (err)
			return err;
	}
	return dentry_lookup_hash(w->at.dentry, name, len, hash, child);
}

/* The child, with a reference in slow mode. */
static inline int find_child(struct walk *w, const char *name, u32 len,
			     u32 hash, struct dentry **child)
{
	if (likely(w->fast)) {
		*child =
			dentry_find_fast(w->at.dentry, name, len, hash, w->seq);
		if (!walk_valid(w->seq))
			return -ESTALE;
		if (likely(*child))
			return 0;
	}
	return find_child_slow(w, name, len, hash, child);
}

/* Go through the link child. 1: it was pushed. */
static int enter_link(struct walk *w, struct dentry *child, struct inode *i)
{
	const struct inode_ops *ops = ops_of(w, i);
	int err;

	if (!ops)
		return -ESTALE;
	if (w->fast && (ops->follow || !atomic_load(&i->link))) {
		/* the filesystem is asked: with references */
		err = walk_unlazy(w);
		if (err)
			return err;
		if (!ref_tryget(&child->ref))
			return -ESTALE;
		if (!walk_valid(w->seq)) {
			dentry_put(child);
			return -ESTALE;
		}
	}
	err = follow_link(w, child);
	if (!w->fast)
		dentry_put(child);
	return err ? err : 1;
}

/* Go to child, or through it if it is a link to be followed. Its reference is
 * taken over. 1: a link was pushed. */
static inline int enter_child(struct walk *w, struct dentry *child, bool follow)
{
	struct inode *i = atomic_load(&child->inode);

	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	if (unlikely((atomic_load(&i->mode) & TYPE_MASK) == TYPE_LNK) && follow)
		return enter_link(w, child, i);
	if (!w->fast)
		dentry_put(w->at.dentry);
	w->at.dentry = child;
	return cross(w);
}

/* 1 for ".", 2 for "..", else 0. */
static inline u32 dots(const char *s, u32 len)
{
	if (likely(s[0] != '.') || len > 2)
		return 0;
	return len == 1 ? 1 : s[1] == '.' ? 2 : 0;
}

int walk_last(struct walk *w, bool follow)
{
	struct dentry *child;
	int err;

	w->rest = w->last + w->last_len;
	err = find_child(w, w->last, w->last_len, w->last_hash, &child);
	if (err)
		return err;
	return enter_child(w, child, follow);
}

/* One component that is not "." or "..": parse is done. */
static inline int step_name(struct walk *w, const char *name, u32 len, u32 hash,
			    bool follow)
{
	struct dentry *child;
	int err = find_child(w, name, len, hash, &child);

	return err ? err : enter_child(w, child, follow);
}

/* Walk w->rest to its end, or to the last component with LOOKUP_PARENT. */
static int walk_components(struct walk *w)
{
	for (;;) {
		const char *s = w->rest, *end;
		u32 hash, len, ndots;
		bool is_last, has_slash;
		int err;

		while (*s == '/')
			s++;
		if (!*s) { /* "/" or a link to it, or the end of a magic one */
			w->last_dot = true;
			w->last = s;
			w->last_len = 0;
			w->rest = s;
			return 0;
		}
		err = may_search(w);
		if (err)
			return err;
		len = name_scan(s, &hash);
		end = s + len;
		has_slash = *end == '/';
		w->rest = end;
		while (*w->rest == '/')
			w->rest++;
		is_last = !*w->rest;
		if (len > NAME_MAX_LEN)
			return -ENAMETOOLONG;
		ndots = dots(s, len);
		w->last_dot = ndots != 0;
		w->last_slash = has_slash;
		if (is_last) {
			w->last = s;
			w->last_len = len;
			w->last_hash = hash;
			if (w->flags & LOOKUP_PARENT)
				return 0;
			w->rest = end; /* keeps the slash for a link */
		}
		if (unlikely(ndots))
			err = ndots == 2 ? step_up(w) : 0;
		else
			err = step_name(w, s, len, hash,
					!is_last || has_slash ||
						(w->flags & LOOKUP_FOLLOW));
		if (err < 0)
			return err;
		if (is_last && err == 0)
			return 0;
		if (err == 0)
			w->rest = end;
	}
}

static int must_be_dir(struct walk *w)
{
	struct inode *i = atomic_load(&w->at.dentry->inode);
	u32 mode;

	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	mode = atomic_load(&i->mode);
	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	return (mode & TYPE_MASK) == TYPE_DIR ? 0 : -ENOTDIR;
}

static int walk_once(struct walk *w, int dirfd, const char *name, u32 flags,
		     bool fast)
{
	int err;

	if (!*name && !(flags & LOOKUP_EMPTY))
		err = -ENOENT;
	else
		err = walk_start(w, dirfd, name, flags, fast);
	if (err || !*name)
		return err;
	err = walk_components(w);
	if (err || (flags & LOOKUP_PARENT))
		return err;
	if ((flags & LOOKUP_DIRECTORY) || w->last_slash)
		err = must_be_dir(w);
	return err;
}

int walk_on(struct walk *w)
{
	return walk_components(w);
}

int walk_retry(struct walk *w, int dirfd, const char *name, u32 flags)
{
	walk_end(w);
	return walk_once(w, dirfd, name, flags, false);
}

int walk_path(struct walk *w, int dirfd, const char *name, u32 flags)
{
	int err;

	w->at.dentry = NULL;
	w->root.dentry = NULL;
	w->dir.file = NULL;
	w->dir.has_ref = false;
	w->heap = NULL;
	err = walk_once(w, dirfd, name, flags, true);
	if (unlikely(err == -ESTALE))
		err = walk_retry(w, dirfd, name, flags);
	return err;
}

/* --- What others call ---------------------------------------------------- */

int path_lookup(int dirfd, const char *name, u32 flags, struct path *p)
{
	struct walk w;
	int err = walk_path(&w, dirfd, name, flags);

	if (!err) {
		err = walk_take(&w, p);
		if (err == -ESTALE) {
			err = walk_retry(&w, dirfd, name, flags);
			if (!err)
				err = walk_take(&w, p);
		}
	}
	walk_end(&w);
	return err;
}

int path_lookup_user(int dirfd, uaddr_t name, u32 flags, struct path *p)
{
	struct name_in n;
	int err = name_in_get(&n, name, flags);

	if (err)
		return err;
	err = path_lookup(dirfd, n.name, flags, p);
	name_in_put(&n);
	return err;
}

int path_lookup_parent(int dirfd, const char *name, u32 flags, struct path *dir,
		       struct path_last *last)
{
	struct walk w;
	int err;

	flags |= LOOKUP_PARENT;
	err = walk_path(&w, dirfd, name, flags);
	if (!err) {
		err = walk_take(&w, dir);
		if (err == -ESTALE) {
			err = walk_retry(&w, dirfd, name, flags);
			if (!err)
				err = walk_take(&w, dir);
		}
	}
	if (!err) {
		/* Links only put text in front: the tail is the caller's. */
		size_t tail = strlen(w.last);

		last->name = name + strlen(name) - tail;
		last->len = w.last_len;
		last->has_slash = w.last_slash;
		last->is_dot = w.last_dot;
	}
	walk_end(&w);
	return err;
}

/* Copy what stat needs out of an inode that nobody holds. */
static int stat_unheld(struct walk *w, struct inode *i, struct attr *a,
		       struct inode_id *id)
{
	const struct object *o = atomic_load_acquire(&i->object);
	const struct fs *fs = atomic_load(&i->fs);

	a->mode = i->mode;
	a->uid = i->uid;
	a->gid = i->gid;
	a->atime = i->atime;
	a->mtime = i->mtime;
	a->ctime = i->ctime;
	a->btime = i->btime;
	a->size = i->size;
	id->ino = i->ino;
	id->nlink = i->nlink;
	id->rdev = i->rdev;
	id->blocks = PAGE_UP(a->size) / 512;
	if (!walk_valid(w->seq))
		return -ESTALE;
	id->dev = fs->dev;
	if (o) {
		a->size = atomic_load(&o->size);
		id->blocks = o->backing == PLAT_CACHE
				     ? atomic_load(&o->npages) * 8
				     : PAGE_UP(a->size) / 512;
	}
	if ((a->mode & TYPE_MASK) != TYPE_REG)
		id->blocks = 0;
	if (i->flags & INODE_BLOCKS)
		id->blocks = i->blocks;
	return 0;
}

static int stat_found(struct walk *w, struct attr *attr, struct inode_id *id)
{
	struct inode *i = atomic_load(&w->at.dentry->inode);
	const struct inode_ops *ops;
	int err;

	if (w->fast && !walk_valid(w->seq))
		return -ESTALE;
	ops = ops_of(w, i);
	if (!ops || (w->fast && ops->getattr)) {
		err = walk_unlazy(w);
		if (err)
			return err;
	}
	if (w->fast) {
		err = stat_unheld(w, i, attr, id);
	} else {
		err = inode_getattr(i, attr);
		inode_identify(i, id);
	}
	if (err)
		return err;
	id->mount_id = w->at.mount->id;
	id->is_mount_root = w->at.dentry == w->at.mount->root;
	return w->fast && !walk_valid(w->seq) ? -ESTALE : 0;
}

int path_stat(int dirfd, const char *name, u32 flags, struct attr *attr,
	      struct inode_id *id)
{
	struct walk w;
	int err = walk_path(&w, dirfd, name, flags);

	if (!err)
		err = stat_found(&w, attr, id);
	if (unlikely(err == -ESTALE)) {
		err = walk_retry(&w, dirfd, name, flags);
		if (!err)
			err = stat_found(&w, attr, id);
	}
	walk_end(&w);
	return err;
}
