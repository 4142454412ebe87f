/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in and out: copying path arguments of the program, and the absolute
 * name of a place for getcwd, /proc and messages.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/vfs/vfs_int.h"

#define DELETED " (deleted)"

static int name_too_long(struct name_in *n, uaddr_t name)
{
	s64 len;

	n->name = kmalloc(PATH_MAX_LEN);
	if (!n->name)
		return -ENOMEM;
	len = user_string_in(n->name, name, PATH_MAX_LEN);
	if (len < 0) {
		kfree(n->name);
		return (int)len;
	}
	return 0;
}

int name_in_get(struct name_in *n, uaddr_t name, u32 flags)
{
	s64 len = user_string_in(n->buf, name, sizeof(n->buf));

	if (len == -ENAMETOOLONG)
		return name_too_long(n, name);
	if (len < 0)
		return (int)len;
	if (len == 0 && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	n->name = n->buf;
	return 0;
}

void name_in_put(struct name_in *n)
{
	if (n->name != n->buf)
		kfree(n->name);
}

int path_name_in(uaddr_t name, u32 flags, char **out)
{
	char *text = kmalloc(PATH_MAX_LEN);
	s64 len;

	if (!text)
		return -ENOMEM;
	len = user_string_in(text, name, PATH_MAX_LEN);
	if (len == 0 && !(flags & LOOKUP_EMPTY))
		len = -ENOENT;
	if (len < 0) {
		kfree(text);
		return (int)len;
	}
	*out = text;
	return 0;
}

void path_name_free(char *name)
{
	kfree(name);
}

struct cursor { /* text grows towards the front */
	char *start, *limit;
};

static bool prepend(struct cursor *c, const char *text, size_t n)
{
	if ((size_t)(c->start - c->limit) < n)
		return false;
	c->start -= n;
	memcpy(c->start, text, n);
	return true;
}

static bool prepend_path(struct cursor *c, struct path *at,
			 const struct path *root)
{
	bool is_empty = true;

	while (at->dentry != root->dentry || at->mount != root->mount) {
		struct dentry *d = at->dentry, *parent;

		if (d == at->mount->root || !d->parent) {
			if (!mount_up(at))
				break;
			continue;
		}
		if (!prepend(c, d->name, d->name_len) || !prepend(c, "/", 1))
			return false;
		is_empty = false;
		parent = d->parent;
		if (!ref_tryget(&parent->ref))
			return false; /* moved away just now */
		dentry_put(d);
		at->dentry = parent;
	}
	return !is_empty || prepend(c, "/", 1);
}

/* prepend_path() without references; false if something changed meanwhile, or
 * if the buffer is too short. */
static bool name_fast(const struct path *p, const struct path *root,
		      struct cursor *c)
{
	const struct mount *m = p->mount;
	const struct dentry *d = p->dentry, *up;
	bool is_empty = true;
	u32 seq;

	if (!walk_read_begin(&seq))
		return false;
	while (d != root->dentry || m != root->mount) {
		bool is_root = d == m->root;
		const char *name = atomic_load(&d->name);
		u32 len = atomic_load(&d->name_len);

		up = is_root ? m->mountpoint : atomic_load(&d->parent);
		if (is_root)
			m = m->parent;
		/* Valid, so all that was loaded may be followed. */
		if (!walk_valid(seq) || !up || !m)
			return false;
		if (!is_root && (!prepend(c, name, len) || !prepend(c, "/", 1)))
			return false;
		is_empty = is_empty && is_root;
		d = up;
	}
	return (!is_empty || prepend(c, "/", 1)) && walk_valid(seq);
}

/* Renames during the walk upwards are noticed and the walk done again. */
static bool name_try(const struct path *p, const struct path *root,
		     struct cursor *c, bool *is_stale)
{
	struct path at = *p;
	u32 seq;
	bool ok;

	*is_stale = !walk_read_begin(&seq);
	path_get(&at);
	ok = prepend_path(c, &at, root);
	path_put(&at);
	if (!walk_valid(seq))
		*is_stale = true;
	return ok;
}

char *path_name(const struct path *p, const struct path *root, char *buf,
		size_t size)
{
	const struct dentry *d = p->dentry;
	struct cursor c;
	bool is_stale, ok = false;

	for (int tries = 0; tries < 9; tries++) {
		c.limit = buf;
		c.start = buf + size;
		if (!prepend(&c, "", 1))
			return NULL;
		if (p->mount == mount_anon) {
			/* "/memfd:x (deleted)"; "pipe:[5]" needs no slash */
			if (!(d->inode->flags & INODE_ANON) &&
			    !prepend(&c, DELETED, sizeof(DELETED) - 1))
				return NULL;
			return prepend(&c, d->name, d->name_len) ? c.start
								 : NULL;
		}
		if ((d->flags & DENTRY_UNLINKED) &&
		    !prepend(&c, DELETED, sizeof(DELETED) - 1))
			return NULL;
		if (tries == 0 && name_fast(p, root, &c))
			return c.start;
		if (tries == 0)
			continue;
		ok = name_try(p, root, &c, &is_stale);
		if (!is_stale)
			break;
	}
	return ok ? c.start : NULL;
}
