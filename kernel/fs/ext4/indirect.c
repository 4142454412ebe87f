/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the old kind, mapped by blocks of block numbers (ext2, ext3, the
 * resize inode): read, and freed from the end.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

#define NDIRECT 12U

struct way {	   /* to a block: its index at each level */
	u32 depth; /* of indirect blocks */
	u32 slot[4];
};

static int find_way(const struct ext4_sb *sb, u64 block, struct way *w)
{
	u64 per = sb->block_size / 4, span = 1;

	memset(w, 0, sizeof(*w));
	if (block < NDIRECT) {
		w->slot[0] = (u32)block;
		return 0;
	}
	block -= NDIRECT;
	for (w->depth = 1; w->depth <= 3; w->depth++) {
		span *= per;
		if (block < span)
			break;
		block -= span;
	}
	if (w->depth > 3)
		return -EFBIG;
	w->slot[0] = NDIRECT + w->depth - 1;
	for (u32 l = 1; l <= w->depth; l++) {
		span /= per;
		w->slot[l] = (u32)(block / span);
		block %= span;
	}
	return 0;
}

static int table_read(struct inode *i, u32 block, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(i);
	int err;

	if (!ext4_blocks_ok(sb, block, 1))
		return ext4_corrupt(sb, "indirect block of inode", i->ino);
	err = buffer_read(sb->buffers, block, b);
	if (err)
		return err;
	err = ext4_known(sb, *b, EXT4_KIND_INDIRECT, i->ino);
	if (err < 0) {
		buffer_put(*b);
		return err;
	}
	ext4_claim(*b, EXT4_KIND_INDIRECT, i->ino);
	return 0;
}

/* How many of n entries go on as the first: runs of holes or of blocks. */
static u32 run_length(const u32 *entry, u32 n)
{
	u32 k = 1;

	while (k < n && entry[k] == (entry[0] ? entry[0] + k : 0))
		k++;
	return k;
}

int ext4_indirect_map(struct inode *i, u32 block, u32 len, struct ext4_map *m)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	const u32 *entry;
	struct buffer *b = NULL, *next;
	struct way w;
	u32 room;
	int err = find_way(sb, block, &w);

	m->state = EXT4_HOLE;
	m->start = 0;
	m->len = 1;
	if (err)
		return 0; /* no such block: a hole */
	entry = &n->block[w.slot[0]];
	room = NDIRECT - w.slot[0];
	for (u32 l = 1; l <= w.depth && *entry; l++) {
		err = table_read(i, *entry, &next);
		if (b)
			buffer_put(b);
		if (err)
			return err;
		b = next;
		entry = (const u32 *)b->data + w.slot[l];
		room = sb->block_size / 4 - w.slot[l];
		if (l < w.depth)
			room = 1;
	}
	if (*entry) {
		m->len = run_length(entry, MIN(len, room));
		m->state = EXT4_WRITTEN;
		m->start = *entry;
		if (!ext4_blocks_ok(sb, m->start, m->len))
			err = ext4_corrupt(sb, "block of inode", i->ino);
	}
	if (b)
		buffer_put(b);
	return err;
}

/* --- Freeing -------------------------------------------------------------- */

static int free_block(struct handle *h, struct inode *i, u32 block,
		      bool is_meta)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct buffer *b;

	if (is_meta || !inode_is(i, TYPE_REG)) {
		b = buffer_find(sb->buffers, block);
		if (b)
			b->checked = 0;
		(void)journal_forget(h, b, block);
		if (b)
			buffer_put(b);
	}
	i->blocks -= sb->block_size / 512;
	return ext4_free(sb, h, block, 1);
}

/* The last used entry at or behind slot `from` of a table, or -1. */
static s32 last_used(const u32 *table, u32 from, u32 n)
{
	for (s32 k = (s32)n - 1; k >= (s32)from; k--)
		if (table[k])
			return k;
	return -1;
}

#define FREE_MAX 32 /* data blocks in a step */

/* Free data blocks of the table of a leaf from slot `from` on: how many. */
static int free_leaf(struct handle *h, struct inode *i, u32 *table, u32 from,
		     u32 n)
{
	int done = 0;
	s32 k;

	while (done < FREE_MAX && (k = last_used(table, from, n)) >= 0) {
		int err = free_block(h, i, table[k], false);

		if (err)
			return err;
		table[k] = 0;
		done++;
	}
	return done;
}

/* Under the pointer at `entry`, `depth` tables deep: free some blocks from the
 * way w on (or all, if w is NULL). 1: there may be more. */
static int free_tree(struct handle *h, struct inode *i, u32 *root, u32 depth,
		     const struct way *w)
{
	struct ext4_sb *sb = ext4_sb(i);
	u32 per = sb->block_size / 4, *entry = root, l, from = 0;
	struct buffer *b[4] = { NULL };
	bool on_way = w != NULL;
	s32 at[4] = { 0 };
	int err = 0;

	for (l = 1; l <= depth; l++) {
		err = table_read(i, *entry, &b[l]);
		if (!err)
			err = journal_get_write(h, b[l]);
		if (err)
			break;
		from = on_way ? w->slot[l] : 0;
		if (l == depth) {
			err = free_leaf(h, i, (u32 *)b[l]->data, from, per);
			break;
		}
		at[l] = last_used((u32 *)b[l]->data, from, per);
		if (at[l] < 0)
			break;
		on_way = on_way && at[l] == (s32)w->slot[l];
		entry = (u32 *)b[l]->data + at[l];
	}
	/* Tables that hold nothing any more go, from below. */
	for (l = MIN(l, depth); l >= 1 && err >= 0; l--) {
		journal_dirty(h, b[l]);
		if (last_used((u32 *)b[l]->data, 0, per) >= 0)
			break;
		entry = l > 1 ? (u32 *)b[l - 1]->data + at[l - 1] : root;
		err = free_block(h, i, *entry, true);
		*entry = 0;
		err = err ? err : 1;
	}
	for (l = 1; l <= 3; l++)
		if (b[l])
			buffer_put(b[l]);
	return err;
}

int ext4_indirect_remove(struct handle *h, struct inode *i, u32 from)
{
	struct ext4_node *n = ext4_node(i);
	struct way w;
	s32 k = last_used(n->block, 0, EXT4_NBLOCKS);
	bool has_way = find_way(ext4_sb(i), from, &w) == 0;

	if (!has_way || k < (s32)w.slot[0])
		return 0;
	if (k < (s32)NDIRECT) {
		int err = free_block(h, i, n->block[k], false);

		n->block[k] = 0;
		return err ? err : 1;
	}
	k = free_tree(h, i, &n->block[k], (u32)k - NDIRECT + 1,
		      k == (s32)w.slot[0] ? &w : NULL);
	return MIN(k, 1);
}
