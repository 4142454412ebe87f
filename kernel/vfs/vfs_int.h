/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to kernel/vfs: child tables, walks without references, type-stable
 * memory, and what the files of the folder call of each other.
 *
 * Theory of walks. A path is walked without touching reference counts or locks:
 * the walker remembers the state of two counters, `begin` and `end`, which a
 * change that takes something away (unlink, rename, unmount, chdir, a grown
 * table) advances before and after. They are equal when no change is under way.
 * After each load of a pointer, and before it is followed, the walker
 * checks that `begin` is what it was; if so, what it points to had not been
 * freed at that moment, and heap memory stays readable for ever. At the end it
 * takes a reference with ref_tryget() (dentries, files and mounts keep their
 * type for ever) and checks once more. If a check fails it starts again the
 * ordinary way, with locks and references.
 */
#ifndef JIFFY_KERNEL_VFS_VFS_INT_H
#define JIFFY_KERNEL_VFS_VFS_INT_H

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/mount.h"
#include "kernel/linux/stat.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/name_hash.h"
#include "kernel/vfs/vfs.h"

struct dentry_table {
	u32 mask; /* buckets - 1 */
	u32 count;
	u32 npinned;
	u64 next_cookie;
	struct list order; /* struct dentry.sibling */
	struct dentry *buckets[];
};

struct walk_seq {
	u32 begin;
	u32 end;
};
extern struct walk_seq walk_seq;

/* True and *seq set if no change is under way. */
static inline bool walk_read_begin(u32 *seq)
{
	/* Pairs with walk_write_end(): all of a change is seen with `end`. */
	*seq = atomic_load_acquire(&walk_seq.end);
	smp_rmb();
	return atomic_load(&walk_seq.begin) == *seq;
}
/* What was loaded before this call was valid. Pairs with walk_write_begin(). */
static inline bool walk_valid(u32 seq)
{
	smp_rmb();
	return likely(atomic_load(&walk_seq.begin) == seq);
}

/* Compare without a lock: the name pointer is checked before it is followed. */
static inline bool dentry_is_fast(const struct dentry *d, const char *name,
				  u32 len, u32 hash, u32 seq)
{
	const char *text;

	if (d->hash != hash || d->name_len != len)
		return false;
	text = atomic_load(&d->name);
	return walk_valid(seq) && name_equal(text, name, len);
}

/* The child without locks or references; *seq may turn out stale. */
static inline struct dentry *dentry_find_fast(struct dentry *dir,
					      const char *name, u32 len,
					      u32 hash, u32 seq)
{
	struct dentry_table *t = atomic_load_acquire(&dir->children);
	struct dentry *d;
	u32 mask;

	if (!walk_valid(seq) || !t)
		return NULL;
	mask = atomic_load(&t->mask);
	if (!walk_valid(seq))
		return NULL;
	/* Pairs with table_insert(). */
	d = atomic_load_acquire(&t->buckets[hash & mask]);
	while (walk_valid(seq) && d) {
		if (likely(dentry_is_fast(d, name, len, hash, seq)))
			return d;
		d = atomic_load_acquire(&d->hash_next);
	}
	return NULL;
}

struct dentry *dentry_find_hash(struct dentry *dir, const char *name, u32 len,
				u32 hash);
/* With a reference; dir's lock is taken inside. */
int dentry_lookup_hash(struct dentry *dir, const char *name, u32 len, u32 hash,
		       struct dentry **d);

/* A pool of objects whose memory keeps its type. Threads spread over its
 * shards, so that those that open and close at the same time do not meet. */
#define POOL_SHARDS 8
struct pool_shard {
	struct mutex lock;
	void *free; /* linked through the word at link_offset */
	s64 nlive;  /* handed out here less given back here */
} ALIGNED(64);
struct pool {
	u32 size;
	u32 link_offset;
	u32 nchunks; /* asked for, at least; atomic */
	struct pool_shard shards[POOL_SHARDS];
};
void *pool_alloc(struct pool *p); /* contents: as freed, or zero */
void pool_free(struct pool *p, void *object);
u64 pool_nlive(const struct pool *p);

/* mount.c */
struct mount *mount_find(struct mount *parent, struct dentry *at);
/* Without locks or references; *seq may turn out stale. */
struct mount *mount_find_slow(struct mount *parent, struct dentry *at, u32 seq);
static inline struct mount *mount_find_fast(struct mount *parent,
					    struct dentry *at, u32 seq)
{
	struct mount *m = atomic_load(&at->mounted);

	if (likely(m && walk_valid(seq) && m->parent == parent))
		return m;
	return mount_find_slow(parent, at, seq);
}
static inline bool mount_tryget(struct mount *m)
{
	return m->is_boot || ref_tryget(&m->ref);
}
extern struct mount *mount_anon; /* home of files without names */

/* fd.c, file.c */
struct file *file_alloc(void);
void file_free(struct file *f);
/* p's references are taken over, on failure too. */
int file_new_owned(const struct path *p, const struct file_ops *ops, u32 flags,
		   struct file **f);
u64 file_count(void);
u64 inode_count(void);
u64 dentry_count(void);

/* open.c: p's references are taken over, always. */
int open_path_owned(const struct path *p, u32 flags, bool created,
		    struct file **f);

/* path.c */
struct walk {
	struct path at; /* where it stands */
	struct path root;
	const char *rest; /* what is still to do */
	const char *last; /* last component (LOOKUP_PARENT) */
	u32 last_len;
	u32 last_hash;
	bool last_slash, last_dot;
	bool fast;   /* no references held */
	bool jumped; /* arrived by a magic link */
	u32 flags;
	u32 seq;
	u32 nlinks;
	struct fdref dir;	 /* holds the start */
	char *heap;		 /* text of links when buf is too small */
	u32 buf_size, buf_start; /* the text is at the end of the buffer */
	char buf[NAME_FAST];
};
/* Walk to name (or its parent with LOOKUP_PARENT). walk_end() always. */
int walk_path(struct walk *w, int dirfd, const char *name, u32 flags);
/* Resolve the last component after a LOOKUP_PARENT walk: 0 arrived, 1 it was a
 * link and w is at the parent of its target, -ENOENT, -ESTALE: start again. */
int walk_last(struct walk *w, bool follow);
/* Go on after that: to the parent of the link's target. */
int walk_on(struct walk *w);
int walk_retry(struct walk *w, int dirfd, const char *name, u32 flags);
/* Make sure that references are held: 0 or -ESTALE. */
int walk_unlazy(struct walk *w);
/* Hand the position's references to the caller: 0 or -ESTALE. */
int walk_take(struct walk *w, struct path *p);
void walk_end(struct walk *w);

#endif
