/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dentries: names in directories. Each directory has a hash table of the
 * children that are known in memory; the table holds one reference on each.
 */
#include "kernel/vfs/vfs_int.h"

#define TABLE_FIRST 8 /* buckets */

struct walk_seq walk_seq;

static struct pool dentry_pool = {
	.size = sizeof(struct dentry),
	.link_offset = offsetof(struct dentry, hash_next),
};

void walk_write_begin(void)
{
	/* Pairs with walk_valid(): counted before the first change. */
	atomic_fetch_add(&walk_seq.begin, 1);
}

void walk_write_end(void)
{
	/* Pairs with walk_read_begin(). */
	atomic_fetch_add(&walk_seq.end, 1);
}

u64 dentry_count(void)
{
	return pool_nlive(&dentry_pool);
}

/* --- Birth and death ----------------------------------------------------- */

static const char *name_store(struct dentry *d, const char *name, u32 len)
{
	char *text = d->short_name;

	if (len > DENTRY_SHORT) {
		/* Always the largest: a stale reader may look at 255 bytes. */
		text = kmalloc(NAME_MAX_LEN + 1);
		if (!text)
			return NULL;
	}
	memcpy(text, name, len);
	text[len] = '\0';
	return text;
}

static void name_drop(struct dentry *d)
{
	if (d->name != d->short_name)
		kfree((char *)(uintptr_t)d->name);
}

struct dentry *dentry_new(struct dentry *parent, const char *name, u32 len,
			  struct inode *inode)
{
	struct dentry *d = pool_alloc(&dentry_pool);

	if (!d)
		return NULL;
	d->name = name_store(d, name, len);
	if (!d->name) {
		pool_free(&dentry_pool, d);
		return NULL;
	}
	d->name_len = (u16)len;
	d->hash = name_hash(name, len);
	d->flags = 0;
	d->inode = inode;
	d->mounted = NULL;
	d->children = NULL;
	d->hash_next = NULL;
	d->cookie = 0;
	list_init(&d->sibling);
	d->parent = parent;
	if (parent)
		dentry_get(parent);
	/* Last: from here on ref_tryget() of a stale walker may succeed. */
	atomic_store_release(&d->ref.count, 1);
	return d;
}

struct dentry *dentry_new_root(struct inode *inode)
{
	return dentry_new(NULL, "/", 1, inode);
}

void dentry_get(struct dentry *d)
{
	ref_get(&d->ref);
}

void dentry_put(struct dentry *d)
{
	while (d && ref_put(&d->ref)) {
		struct dentry *parent = d->parent;

		if (d->inode)
			inode_put(d->inode);
		kfree(d->children);
		name_drop(d);
		pool_free(&dentry_pool, d);
		d = parent;
	}
}

/* --- Child tables -------------------------------------------------------- */

static struct dentry_table *table_new(u32 nbuckets)
{
	struct dentry_table *t =
		kzalloc(sizeof(*t) + nbuckets * sizeof(struct dentry *));

	if (!t)
		return NULL;
	t->mask = nbuckets - 1;
	t->next_cookie = 2; /* after "." and ".." */
	list_init(&t->order);
	return t;
}

/* Make room for one more child of dir; its lock is held for writing. */
static int table_reserve(struct dentry *dir)
{
	struct dentry_table *old = dir->children;
	struct dentry_table *t;
	struct dentry *d;

	if (old && old->count <= old->mask * 2)
		return 0;
	t = table_new(old ? (old->mask + 1) * 4 : TABLE_FIRST);
	if (!t)
		return old ? 0 : -ENOMEM; /* a full table only gets slow */
	if (!old) {
		atomic_store_release(&dir->children, t);
		return 0;
	}
	walk_write_begin();
	t->count = old->count;
	t->npinned = old->npinned;
	t->next_cookie = old->next_cookie;
	list_splice(&t->order, &old->order);
	list_for_each (d, &t->order, sibling) {
		struct dentry **bucket = &t->buckets[d->hash & t->mask];

		d->hash_next = *bucket;
		*bucket = d;
	}
	dir->children = t;
	walk_write_end();
	kfree(old);
	return 0;
}

static void table_insert(struct dentry_table *t, struct dentry *d)
{
	struct dentry **bucket = &t->buckets[d->hash & t->mask];

	d->hash_next = *bucket;
	d->cookie = t->next_cookie++;
	list_append(&t->order, &d->sibling);
	t->count++;
	if (d->flags & DENTRY_PINNED)
		t->npinned++;
	/* Pairs with dentry_find_fast(): d is whole when it can be found. */
	atomic_store_release(bucket, d);
}

/* Inside a walk_write section. */
static void table_remove(struct dentry_table *t, struct dentry *d)
{
	struct dentry **p = &t->buckets[d->hash & t->mask];

	while (*p != d)
		p = &(*p)->hash_next;
	*p = d->hash_next;
	list_del(&d->sibling);
	t->count--;
	if (d->flags & DENTRY_PINNED)
		t->npinned--;
}

static bool name_is(const struct dentry *d, const char *name, u32 len, u32 hash)
{
	return d->hash == hash && d->name_len == len &&
	       name_equal(d->name, name, len);
}

struct dentry *dentry_find_hash(struct dentry *dir, const char *name, u32 len,
				u32 hash)
{
	struct dentry_table *t = dir->children;

	if (!t)
		return NULL;
	for (struct dentry *d = t->buckets[hash & t->mask]; d; d = d->hash_next)
		if (name_is(d, name, len, hash))
			return d;
	return NULL;
}

struct dentry *dentry_find(struct dentry *parent, const char *name, u32 len)
{
	return dentry_find_hash(parent, name, len, name_hash(name, len));
}

int dentry_link(struct dentry *d)
{
	int err = table_reserve(d->parent);

	if (err)
		return err;
	dentry_get(d);
	table_insert(d->parent->children, d);
	return 0;
}

void dentry_unlink(struct dentry *d)
{
	walk_write_begin();
	table_remove(d->parent->children, d);
	atomic_fetch_or(&d->flags, (u32)DENTRY_UNLINKED);
	walk_write_end();
	dentry_put(d);
}

bool dentry_is_ancestor(struct dentry *ancestor, struct dentry *d)
{
	for (; d; d = d->parent)
		if (d == ancestor)
			return true;
	return false;
}

static void hash_out(struct dentry *d)
{
	table_remove(d->parent->children, d);
}

/* Give d its new place; a long name's memory was made before. */
static void hash_in(struct dentry *d, struct dentry *parent, const char *name,
		    u32 len, char *text)
{
	struct dentry *old_parent = d->parent;
	char *old = d->name == d->short_name ? NULL
					     : (char *)(uintptr_t)d->name;

	if (!text)
		text = d->short_name;
	memmove(text, name, len);
	text[len] = '\0';
	d->name = text;
	d->name_len = (u16)len;
	d->hash = name_hash(text, len);
	if (parent != old_parent) {
		dentry_get(parent);
		d->parent = parent;
		dentry_put(old_parent); /* not the last: it is locked */
	}
	table_insert(parent->children, d);
	if (old && old != text)
		kfree(old);
}

int dentry_move(struct dentry *d, struct dentry *parent, const char *name,
		u32 len)
{
	char *text = NULL;
	int err = table_reserve(parent);

	if (err)
		return err;
	if (len > DENTRY_SHORT) {
		text = kmalloc(NAME_MAX_LEN + 1);
		if (!text)
			return -ENOMEM;
	}
	walk_write_begin();
	hash_out(d);
	d->flags |= DENTRY_PINNED;
	hash_in(d, parent, name, len, text);
	walk_write_end();
	return 0;
}

int dentry_exchange(struct dentry *a, struct dentry *b)
{
	struct dentry *parent_a = a->parent;
	char *name = kmalloc(2 * (NAME_MAX_LEN + 1));
	char *text_a = kmalloc(NAME_MAX_LEN + 1);
	char *text_b = kmalloc(NAME_MAX_LEN + 1);
	u32 len_a = a->name_len, len_b = b->name_len;

	if (!name || !text_a || !text_b) {
		kfree(name);
		kfree(text_a);
		kfree(text_b);
		return -ENOMEM;
	}
	memcpy(name, a->name, len_a);
	memcpy(name + NAME_MAX_LEN + 1, b->name, len_b);
	walk_write_begin();
	hash_out(a);
	hash_out(b);
	a->flags |= DENTRY_PINNED;
	b->flags |= DENTRY_PINNED;
	dentry_get(parent_a);
	hash_in(a, b->parent, name + NAME_MAX_LEN + 1, len_b, text_a);
	hash_in(b, parent_a, name, len_a, text_b);
	walk_write_end();
	dentry_put(parent_a);
	kfree(name);
	return 0;
}

/* --- Lookup -------------------------------------------------------------- */

/* Ask the filesystem and remember the answer; dir's lock is held for writing.
 */
static int lookup_fs(struct dentry *dir, const char *name, u32 len,
		     struct dentry **out)
{
	struct inode *i = dir->inode, *child;
	struct dentry *d;
	int err;

	if (!i->ops->lookup)
		return -ENOENT;
	err = i->ops->lookup(i, name, len, &child);
	if (err)
		return err;
	d = dentry_new(dir, name, len, child);
	if (!d) {
		inode_put(child);
		return -ENOMEM;
	}
	if (!(i->flags & INODE_NOCACHE)) {
		err = dentry_link(d);
		if (err) {
			dentry_put(d);
			return err;
		}
	}
	*out = d;
	return 0;
}

static int lookup_locked(struct dentry *dir, const char *name, u32 len,
			 u32 hash, struct dentry **out)
{
	struct dentry *d = dentry_find_hash(dir, name, len, hash);

	if (d) {
		dentry_get(d);
		*out = d;
		return 0;
	}
	return lookup_fs(dir, name, len, out);
}

int dentry_lookup_locked(struct dentry *dir, const char *name, u32 len,
			 struct dentry **d)
{
	return lookup_locked(dir, name, len, name_hash(name, len), d);
}

int dentry_lookup_hash(struct dentry *dir, const char *name, u32 len, u32 hash,
		       struct dentry **out)
{
	struct inode *i = dir->inode;
	struct dentry *d;
	int err;

	rw_read_lock(&i->lock);
	d = dentry_find_hash(dir, name, len, hash);
	if (d)
		dentry_get(d);
	rw_read_unlock(&i->lock);
	if (d) {
		*out = d;
		return 0;
	}
	if (!i->ops->lookup)
		return -ENOENT;
	rw_write_lock(&i->lock);
	err = lookup_locked(dir, name, len, hash, out);
	rw_write_unlock(&i->lock);
	return err;
}

int dentry_lookup(struct dentry *parent, const char *name, u32 len,
		  struct dentry **d)
{
	return dentry_lookup_hash(parent, name, len, name_hash(name, len), d);
}

/* --- Whole directories --------------------------------------------------- */

bool dentry_has_pinned(struct dentry *dir)
{
	return dir->children && dir->children->npinned > 0;
}

bool dentry_emit_pinned(struct dentry *dir, struct dir_context *ctx, u64 base)
{
	struct dentry *d;
	bool is_done = true;

	rw_read_lock(&dir->inode->lock);
	if (!dir->children)
		goto out;
	list_for_each (d, &dir->children->order, sibling) {
		u64 pos = base + d->cookie;

		if (pos < ctx->pos || !(d->flags & DENTRY_PINNED))
			continue;
		if (!ctx->emit(ctx, d->name, d->name_len, d->inode->ino,
			       d->inode->mode & TYPE_MASK, pos + 1)) {
			is_done = false;
			break;
		}
		ctx->pos = pos + 1;
	}
out:
	rw_read_unlock(&dir->inode->lock);
	return is_done;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->path.dentry;
	struct dentry *up = d->parent ? d->parent : d;

	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, d->inode->ino, TYPE_DIR, 1))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, up->inode->ino, TYPE_DIR, 2))
			return false;
		ctx->pos = 2;
	}
	return true;
}

static struct dentry *first_child(struct dentry *d)
{
	struct dentry_table *t = d->children;

	if (!t || list_empty(&t->order))
		return NULL;
	return list_first(&t->order, struct dentry, sibling);
}

void dentry_drop_tree(struct dentry *root)
{
	struct dentry *d = root, *child;

	for (;;) {
		child = first_child(d);
		if (child) {
			d = child;
			continue;
		}
		if (d == root)
			break;
		child = d;
		d = d->parent;
		rw_write_lock(&d->inode->lock);
		dentry_unlink(child);
		rw_write_unlock(&d->inode->lock);
	}
	dentry_put(root);
}
