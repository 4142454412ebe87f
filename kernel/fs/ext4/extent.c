/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extent trees, reading: nodes are checked when they come from disk, so that
 * who walks them can believe counts and order.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/extent.h"
#include "kernel/kernel.h"

#define ROOT_MAX 4U

u32 ext4_node_max(const struct ext4_sb *sb)
{
	return (u32)((sb->block_size - sizeof(struct ext4_extent_header)) /
		     sizeof(struct ext4_disk_extent));
}

static struct ext4_extent_header *root_of(struct ext4_node *n)
{
	return (struct ext4_extent_header *)n->root;
}

void ext4_extent_root_init(struct ext4_node *n)
{
	struct ext4_extent_header *head = root_of(n);

	memset(n->root, 0, sizeof(n->root));
	head->magic = EXT4_EXTENT_MAGIC;
	head->max = ROOT_MAX;
}

u32 ext4_extent_depth(const struct ext4_node *n)
{
	const struct ext4_extent_header *head = (const void *)n->root;

	return MIN((u32)head->depth, (u32)EXT4_EXTENT_DEPTH_MAX);
}

struct ext4_piece ext4_piece_get(const struct ext4_disk_extent *e)
{
	struct ext4_piece p = { .block = e->block,
				.len = e->len,
				.start = e->start | (u64)e->start_hi << 32 };

	if (p.len > EXT4_INIT_MAX) {
		p.len -= EXT4_INIT_MAX;
		p.is_unwritten = true;
	}
	return p;
}

void ext4_piece_put(struct ext4_disk_extent *e, const struct ext4_piece *p)
{
	e->block = p->block;
	e->len = (u16)(p->len + (p->is_unwritten ? EXT4_INIT_MAX : 0));
	e->start = (u32)p->start;
	e->start_hi = (u16)(p->start >> 32);
}

/* --- Checks --------------------------------------------------------------- */

static u32 *tail_of(struct buffer *b)
{
	struct ext4_extent_header *head = (struct ext4_extent_header *)b->data;

	return (u32 *)(ext4_extents(head) + head->max);
}

static u32 node_sum(struct inode *i, struct buffer *b)
{
	return crc32c(ext4_node(i)->csum_seed, b->data,
		      (u64)((u8 *)tail_of(b) - b->data));
}

void ext4_extent_sum(struct inode *i, struct buffer *b)
{
	if (ext4_sb(i)->has_csum)
		*tail_of(b) = node_sum(i, b);
}

static bool leaf_ok(const struct ext4_sb *sb, struct ext4_extent_header *head)
{
	const struct ext4_disk_extent *e = ext4_extents(head);
	u64 end = 0;

	for (u32 k = 0; k < head->entries; k++) {
		struct ext4_piece p = ext4_piece_get(&e[k]);

		if (p.len == 0 || (k && p.block < end) ||
		    ext4_piece_end(&p) > EXT4_BLOCK_END ||
		    !ext4_blocks_ok(sb, p.start, p.len))
			return false;
		end = ext4_piece_end(&p);
	}
	return true;
}

static bool index_ok(const struct ext4_sb *sb, struct ext4_extent_header *head)
{
	const struct ext4_extent_index *x = ext4_indexes(head);

	for (u32 k = 0; k < head->entries; k++)
		if ((k && x[k].block <= x[k - 1].block) ||
		    !ext4_blocks_ok(sb, ext4_index_leaf(&x[k]), 1))
			return false;
	return head->entries > 0;
}

static bool node_ok(const struct ext4_sb *sb, struct ext4_extent_header *head,
		    u32 max, u32 depth)
{
	if (head->magic != EXT4_EXTENT_MAGIC || head->max == 0 ||
	    head->max > max || head->entries > head->max ||
	    head->depth != depth)
		return false;
	return depth ? index_ok(sb, head) : leaf_ok(sb, head);
}

/* A node below the root. */
static int node_read(struct inode *i, u64 block, u32 depth, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_extent_header *head;
	int err = buffer_read(sb->buffers, block, b);

	if (err)
		return err;
	head = (struct ext4_extent_header *)(*b)->data;
	err = ext4_known(sb, *b, EXT4_KIND_EXTENTS, i->ino);
	if (err > 0) {
		err = 0;
		if (!node_ok(sb, head, ext4_node_max(sb), depth))
			err = ext4_corrupt(sb, "extents of inode", i->ino);
		else if (sb->has_csum && *tail_of(*b) != node_sum(i, *b))
			err = ext4_corrupt(sb, "checksum of extents of inode",
					   i->ino);
		else
			ext4_claim(*b, EXT4_KIND_EXTENTS, i->ino);
	} else if (!err && head->depth != depth) {
		err = ext4_corrupt(sb, "depth of extents of inode", i->ino);
	}
	if (err)
		buffer_put(*b);
	return err;
}

/* --- Walking -------------------------------------------------------------- */

void ext4_path_put(struct ext4_path *p)
{
	for (u32 l = 1; l <= p->depth; l++)
		if (p->level[l].b)
			buffer_put(p->level[l].b);
	p->depth = 0;
}

/* The last of n keys, 12 bytes apart, that is not above block, or -1. */
static s32 last_below(const u32 *keys, u32 n, u32 block)
{
	u32 lo = 0, hi = n;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (keys[mid * 3UL] <= block)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (s32)lo - 1;
}

static void level_search(struct ext4_level *l, u32 block)
{
	/* Both kinds of entries begin with their first block. */
	l->at = last_below((const u32 *)(l->head + 1), l->head->entries, block);
	if (l->head->depth && l->at < 0)
		l->at = 0;
}

int ext4_path_find(struct inode *i, u32 block, struct ext4_path *p)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_level *l = &p->level[0];
	u32 depth;
	int err;

	memset(p, 0, sizeof(*p));
	l->head = root_of(ext4_node(i));
	depth = l->head->depth;
	if (depth > EXT4_EXTENT_DEPTH_MAX ||
	    !node_ok(sb, l->head, ROOT_MAX, depth))
		return ext4_corrupt(sb, "extent root of inode", i->ino);
	level_search(l, block);
	for (u32 k = 1; k <= depth; k++) {
		struct ext4_extent_index *x = &ext4_indexes(l->head)[l->at];

		l = &p->level[k];
		err = node_read(i, ext4_index_leaf(x), depth - k, &l->b);
		if (err)
			return err;
		p->depth = k;
		l->head = (struct ext4_extent_header *)l->b->data;
		level_search(l, block);
	}
	return 0;
}

/* The first block that may be mapped behind the path's place. */
static u32 next_mapped(const struct ext4_path *p)
{
	for (s32 k = (s32)p->depth; k >= 0; k--) {
		const struct ext4_level *l = &p->level[k];

		if (l->at + 1 < l->head->entries)
			return ext4_indexes(l->head)[l->at + 1].block;
	}
	return EXT4_BLOCK_END;
}

static void map_at(const struct ext4_path *p, struct ext4_map *m)
{
	const struct ext4_level *l = &p->level[p->depth];
	struct ext4_piece e = { 0 };
	u32 next;

	if (l->at >= 0)
		e = ext4_piece_get(&ext4_extents(l->head)[l->at]);
	if (l->at >= 0 && m->block < ext4_piece_end(&e)) {
		m->state = e.is_unwritten ? EXT4_UNWRITTEN : EXT4_WRITTEN;
		m->start = e.start + (m->block - e.block);
		m->len = MIN(m->len, e.len - (m->block - e.block));
		return;
	}
	m->state = EXT4_HOLE;
	m->start = 0;
	next = next_mapped(p);
	if (next > m->block)
		m->len = MIN(m->len, next - m->block);
	else
		m->len = MIN(m->len, 1U); /* an index that is too low */
}

int ext4_map(struct inode *i, u32 block, u32 len, struct ext4_map *m)
{
	struct ext4_path p;
	int err;

	m->block = block;
	m->len = len;
	if (!ext4_has_extents(ext4_node(i)))
		return ext4_indirect_map(i, block, len, m);
	err = ext4_path_find(i, block, &p);
	if (!err)
		map_at(&p, m);
	ext4_path_put(&p);
	return err;
}
