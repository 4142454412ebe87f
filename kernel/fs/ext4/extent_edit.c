/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extent trees, changing. Every change first makes sure that the leaf has room
 * for what may come of it (splitting nodes, which changes nothing that a reader
 * sees), and then replaces a few neighbouring extents, merged where
 * they can be: that step cannot fail half-way.
 */
#include "kernel/fs/ext4/extent.h"
#include "kernel/kernel.h"

#define PIECES_MAX 5U

u32 ext4_extent_credits(const struct ext4_node *n)
{
	/* Per level: the node, its new sibling, bitmap and descriptor of that;
	 * the inode; one deeper tree. */
	return 4 * (ext4_extent_depth(n) + 2) + 2;
}

/* --- Nodes ---------------------------------------------------------------- */

static int level_get_write(struct handle *h, const struct ext4_level *l)
{
	return l->b ? journal_get_write(h, l->b) : 0;
}

static void level_dirty(struct handle *h, struct inode *i,
			const struct ext4_level *l)
{
	if (!l->b)
		return; /* the caller stores the inode */
	ext4_extent_sum(i, l->b);
	journal_dirty(h, l->b);
}

/* The raw inode is copied from the root under node->lock. */
static void level_lock(struct inode *i, const struct ext4_level *l)
{
	if (!l->b)
		mutex_lock(&ext4_node(i)->lock);
}

static void level_unlock(struct inode *i, const struct ext4_level *l)
{
	if (!l->b)
		mutex_unlock(&ext4_node(i)->lock);
}

static int path_get_write(struct handle *h, const struct ext4_path *p)
{
	int err = 0;

	for (u32 l = 0; l <= p->depth && !err; l++)
		err = level_get_write(h, &p->level[l]);
	return err;
}

static u64 goal_of(struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);

	return ext4_group_first(sb, (u32)((i->ino - 1) / sb->inodes_per_group));
}

static int node_alloc(struct handle *h, struct inode *i, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_extent_header *head;
	u32 len = 1;
	u64 block;
	int err = ext4_alloc(sb, h, goal_of(i), &len, EXT4_ALLOC_META, &block);

	if (err)
		return err;
	err = buffer_new(sb->buffers, block, b);
	if (!err) {
		err = journal_get_write(h, *b);
		if (err)
			buffer_put(*b);
	}
	if (err) {
		(void)ext4_free(sb, h, block, 1);
		return err;
	}
	ext4_claim(*b, EXT4_KIND_EXTENTS, i->ino);
	head = (struct ext4_extent_header *)(*b)->data;
	head->magic = EXT4_EXTENT_MAGIC;
	head->max = (u16)ext4_node_max(sb);
	i->blocks += sb->block_size / 512;
	return 0;
}

static void node_release(struct handle *h, struct inode *i, struct buffer *b)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 block = b->block;

	b->checked = 0;
	(void)journal_forget(h, b, block);
	(void)ext4_free(sb, h, block, 1);
	i->blocks -= sb->block_size / 512;
}

static void index_set(struct ext4_extent_index *x, u32 block, u64 leaf)
{
	x->block = block;
	x->leaf = (u32)leaf;
	x->leaf_hi = (u16)(leaf >> 32);
	x->unused = 0;
}

/* All of the root goes into a new block below it. */
static int grow(struct handle *h, struct inode *i, struct ext4_path *p)
{
	struct ext4_level *root = &p->level[0];
	struct ext4_extent_header *head;
	struct buffer *b;
	int err;

	if (root->head->depth >= EXT4_EXTENT_DEPTH_MAX)
		return -EFBIG;
	err = node_alloc(h, i, &b);
	if (err)
		return err;
	head = (struct ext4_extent_header *)b->data;
	head->entries = root->head->entries;
	head->depth = root->head->depth;
	memcpy(head + 1, root->head + 1, root->head->entries * 12UL);
	level_lock(i, root);
	index_set(ext4_indexes(root->head), ext4_extents(head)->block,
		  b->block);
	root->head->entries = 1;
	root->head->depth++;
	level_unlock(i, root);
	ext4_extent_sum(i, b);
	journal_dirty(h, b);
	buffer_put(b);
	return 0;
}

/* The end of a node goes to a new one behind it; its parent has room. */
static int split(struct handle *h, struct inode *i, struct ext4_path *p, u32 l)
{
	struct ext4_level *node = &p->level[l], *up = &p->level[l - 1];
	struct ext4_extent_header *head;
	u32 n = node->head->entries, from = n / 2;
	struct ext4_extent_index *x;
	struct buffer *b;
	int err;

	if (node->at == (s32)n - 1)
		from = n - 1; /* appending: leave full nodes behind */
	err = node_alloc(h, i, &b);
	if (err)
		return err;
	head = (struct ext4_extent_header *)b->data;
	head->depth = node->head->depth;
	head->entries = (u16)(n - from);
	memcpy(head + 1, ext4_extents(node->head) + from, (n - from) * 12UL);
	ext4_extent_sum(i, b);
	journal_dirty(h, b);
	node->head->entries = (u16)from;
	level_dirty(h, i, node);
	level_lock(i, up);
	x = ext4_indexes(up->head) + up->at + 1;
	memmove(x + 1, x, (up->head->entries - (u32)up->at - 1) * 12UL);
	index_set(x, ext4_extents(head)->block, b->block);
	up->head->entries++;
	level_unlock(i, up);
	level_dirty(h, i, up);
	buffer_put(b);
	return 0;
}

/* The way to a block, with `need` free entries in the leaf and all that a
 * change of it may touch ready to be written. */
static int prepare(struct handle *h, struct inode *i, u32 block, u32 need,
		   struct ext4_path *p)
{
	for (;;) {
		const struct ext4_extent_header *leaf;
		u32 l;
		int err = ext4_path_find(i, block, p);

		if (!err)
			err = path_get_write(h, p);
		if (err) {
			ext4_path_put(p);
			return err;
		}
		leaf = p->level[p->depth].head;
		if (leaf->entries + need <= leaf->max)
			return 0;
		for (l = p->depth; l > 0; l--)
			if (p->level[l - 1].head->entries <
			    p->level[l - 1].head->max)
				break;
		err = l ? split(h, i, p, l) : grow(h, i, p);
		ext4_path_put(p);
		if (err)
			return err;
	}
}

/* The first block of a node has changed: so do the indexes above. */
static void keys_fix(struct handle *h, struct inode *i, struct ext4_path *p,
		     u32 l)
{
	for (; l > 0; l--) {
		u32 key = ext4_extents(p->level[l].head)->block;
		struct ext4_level *up = &p->level[l - 1];
		struct ext4_extent_index *x = ext4_indexes(up->head) + up->at;

		if (x->block != key) {
			level_lock(i, up);
			x->block = key;
			level_unlock(i, up);
			level_dirty(h, i, up);
		}
		if (up->at != 0)
			return;
	}
}

/* --- Pieces --------------------------------------------------------------- */

struct pieces {
	u32 n;
	struct ext4_piece piece[PIECES_MAX];
};

static bool can_join(const struct ext4_piece *a, const struct ext4_piece *b)
{
	u32 max = a->is_unwritten ? EXT4_UNWRITTEN_MAX : EXT4_INIT_MAX;

	return a->is_unwritten == b->is_unwritten &&
	       ext4_piece_end(a) == b->block && a->start + a->len == b->start &&
	       a->len + b->len <= max;
}

static void add(struct pieces *ps, struct ext4_piece p)
{
	if (p.len == 0)
		return;
	if (ps->n && can_join(&ps->piece[ps->n - 1], &p))
		ps->piece[ps->n - 1].len += p.len;
	else
		ps->piece[ps->n++] = p;
}

static struct ext4_piece cut(const struct ext4_piece *p, u64 from, u64 to)
{
	struct ext4_piece c = *p;

	from = MAX(from, (u64)p->block);
	to = MIN(to, ext4_piece_end(p));
	c.len = from < to ? (u32)(to - from) : 0;
	c.block = (u32)from;
	c.start += from - p->block;
	return c;
}

static struct ext4_piece entry(const struct ext4_level *leaf, s32 at)
{
	struct ext4_piece none = { 0 };

	if (at < 0 || at >= leaf->head->entries)
		return none;
	return ext4_piece_get(&ext4_extents(leaf->head)[at]);
}

/* Entries [first, first + ndel) become the pieces. There is room. */
static void replace(struct handle *h, struct inode *i, struct ext4_path *p,
		    u32 first, u32 ndel, const struct pieces *ps)
{
	struct ext4_level *leaf = &p->level[p->depth];
	struct ext4_disk_extent *e = ext4_extents(leaf->head);
	u32 tail = leaf->head->entries - first - ndel;

	level_lock(i, leaf);
	memmove(e + first + ps->n, e + first + ndel, tail * 12UL);
	for (u32 k = 0; k < ps->n; k++)
		ext4_piece_put(e + first + k, &ps->piece[k]);
	leaf->head->entries = (u16)(first + ps->n + tail);
	level_unlock(i, leaf);
	level_dirty(h, i, leaf);
	if (first == 0 && leaf->head->entries)
		keys_fix(h, i, p, p->depth);
}

/* Replace entry `at` (none if has_old is false) by ps, joined with what is
 * before and behind. */
static void replace_joined(struct handle *h, struct inode *i,
			   struct ext4_path *p, s32 at, bool has_old,
			   const struct pieces *mid)
{
	struct ext4_level *leaf = &p->level[p->depth];
	s32 before = has_old ? at - 1 : at;
	struct pieces ps = { 0 };
	u32 first = (u32)MAX(before, 0), ndel;

	add(&ps, entry(leaf, before));
	for (u32 k = 0; k < mid->n; k++)
		add(&ps, mid->piece[k]);
	add(&ps, entry(leaf, at + 1));
	ndel = (u32)MIN(at + 2, (s32)leaf->head->entries) - first;
	replace(h, i, p, first, ndel, &ps);
}

int ext4_extent_insert(struct handle *h, struct inode *i,
		       const struct ext4_map *m)
{
	struct ext4_piece new = { m->block, m->len, m->start,
				  m->state == EXT4_UNWRITTEN };
	struct pieces ps = { 1, { new } };
	struct ext4_path p;
	struct ext4_piece e;
	s32 at;
	int err = prepare(h, i, m->block, 1, &p);

	if (err)
		return err;
	at = p.level[p.depth].at;
	e = entry(&p.level[p.depth], at);
	if (e.len && ext4_piece_end(&e) > m->block)
		err = ext4_corrupt(ext4_sb(i), "overlapping extents of inode",
				   i->ino);
	else
		replace_joined(h, i, &p, at, false, &ps);
	ext4_path_put(&p);
	return err;
}

int ext4_extent_convert(struct handle *h, struct inode *i, u32 block, u32 len,
			enum ext4_map_state to)
{
	u64 end = (u64)block + len;
	bool is_unwritten = to == EXT4_UNWRITTEN;

	while (block < end) {
		struct pieces ps = { 0 };
		struct ext4_piece e, mid;
		struct ext4_path p;
		int err = prepare(h, i, block, 2, &p);

		if (err)
			return err;
		e = entry(&p.level[p.depth], p.level[p.depth].at);
		if (e.len == 0 || block >= ext4_piece_end(&e)) {
			ext4_path_put(&p);
			return ext4_corrupt(ext4_sb(i), "hole written in inode",
					    i->ino);
		}
		mid = cut(&e, block, end);
		/* One block more fits into written extents. */
		if (is_unwritten && mid.len > EXT4_UNWRITTEN_MAX)
			mid = cut(&e, block, block + EXT4_UNWRITTEN_MAX);
		block += mid.len;
		if (e.is_unwritten != is_unwritten) {
			mid.is_unwritten = is_unwritten;
			add(&ps, cut(&e, 0, mid.block));
			add(&ps, mid);
			add(&ps, cut(&e, block, ~0UL));
			replace_joined(h, i, &p, p.level[p.depth].at, true,
				       &ps);
		}
		ext4_path_put(&p);
	}
	return 0;
}

/* --- Removing ------------------------------------------------------------- */

/* The leaf has become empty: it goes, and what is above if that is empty. */
static void prune(struct handle *h, struct inode *i, struct ext4_path *p)
{
	u32 l = p->depth;

	while (l > 0 && p->level[l].head->entries == 0) {
		struct ext4_level *up = &p->level[l - 1];
		struct ext4_extent_index *x = ext4_indexes(up->head) + up->at;

		node_release(h, i, p->level[l].b);
		level_lock(i, up);
		memmove(x, x + 1, (up->head->entries - (u32)up->at - 1) * 12UL);
		up->head->entries--;
		level_unlock(i, up);
		l--;
		if (up->head->entries)
			level_dirty(h, i, up);
	}
	if (l == 0 && p->level[0].head->entries == 0) {
		mutex_lock(&ext4_node(i)->lock);
		ext4_extent_root_init(ext4_node(i));
		mutex_unlock(&ext4_node(i)->lock);
	} else if (p->level[l].at == 0) {
		keys_fix(h, i, p, l);
	}
}

/* A tree of one small leaf becomes a root. */
static void shrink(struct handle *h, struct inode *i, struct ext4_path *p)
{
	struct ext4_level *root = &p->level[0], *leaf = &p->level[1];

	if (p->depth != 1 || root->head->entries != 1 ||
	    leaf->head->entries == 0 || leaf->head->entries > root->head->max)
		return;
	level_lock(i, root);
	memcpy(root->head + 1, leaf->head + 1, leaf->head->entries * 12UL);
	root->head->entries = leaf->head->entries;
	root->head->depth = 0;
	level_unlock(i, root);
	node_release(h, i, leaf->b);
}

#define FORGET_MAX 64U /* blocks of metadata freed in a step */

static int free_data(struct handle *h, struct inode *i,
		     const struct ext4_piece *gone)
{
	struct ext4_sb *sb = ext4_sb(i);

	for (u32 k = 0; k < gone->len && !inode_is(i, TYPE_REG); k++) {
		u64 block = gone->start + k;
		struct buffer *b = buffer_find(sb->buffers, block);

		if (b)
			b->checked = 0;
		(void)journal_forget(h, b, block);
		if (b)
			buffer_put(b);
	}
	i->blocks -= (u64)gone->len * (sb->block_size / 512);
	return ext4_free(sb, h, gone->start, gone->len);
}

static int remove_at(struct handle *h, struct inode *i, struct ext4_path *p,
		     u32 from, u32 to)
{
	s32 at = p->level[p->depth].at;
	struct ext4_piece e = entry(&p->level[p->depth], at), gone;
	struct pieces ps = { 0 };
	u32 hi;
	int err;

	hi = (u32)MIN((u64)to, ext4_piece_end(&e));
	if (!inode_is(i, TYPE_REG) && hi - from > FORGET_MAX)
		from = hi - FORGET_MAX;
	gone = cut(&e, from, to);
	add(&ps, cut(&e, 0, gone.block));
	add(&ps, cut(&e, ext4_piece_end(&gone), ~0UL));
	replace(h, i, p, (u32)at, 1, &ps);
	err = free_data(h, i, &gone);
	if (p->level[p->depth].head->entries == 0)
		prune(h, i, p);
	else
		shrink(h, i, p);
	return err;
}

/* The way to block to - 1, with room for one more extent if [from, to) is in
 * the middle of one. */
static int prepare_remove(struct handle *h, struct inode *i, u32 from, u32 to,
			  struct ext4_path *p, struct ext4_piece *e)
{
	int err = prepare(h, i, to - 1, 0, p);

	if (err)
		return err;
	*e = entry(&p->level[p->depth], p->level[p->depth].at);
	if (e->len == 0 || e->block >= from || ext4_piece_end(e) <= to)
		return 0;
	ext4_path_put(p);
	return prepare(h, i, to - 1, 1, p);
}

int ext4_extent_remove(struct handle *h, struct inode *i, u32 from, u32 to)
{
	while (from < to) {
		const struct ext4_level *up;
		struct ext4_path p;
		struct ext4_piece e;
		u32 before = 0;
		int err = prepare_remove(h, i, from, to, &p, &e);

		if (err)
			return err;
		if (e.len) {
			if (ext4_piece_end(&e) > from)
				err = remove_at(h, i, &p, from, to);
			else
				to = 0;
			ext4_path_put(&p);
			return err ? err : to != 0;
		}
		/* Nothing at or below it in this leaf: look in the one before,
		 * unless it is the first. */
		if (p.depth) {
			up = &p.level[p.depth - 1];
			before = ext4_indexes(up->head)[up->at].block;
		}
		ext4_path_put(&p);
		if (before >= to)
			return 0;
		to = before;
	}
	return 0;
}
