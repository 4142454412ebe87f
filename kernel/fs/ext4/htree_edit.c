/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexed directories, changing: each step (a new root, an index block or a
 * leaf in two) leaves a whole index behind; the insertion then starts again.
 */
#include "kernel/fs/ext4/htree.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define NAMES_MAX 512U /* of 8 bytes at least, in 4,096 */

struct leaf_name {
	u32 hash;
	u16 offset;
	u16 size;
};
struct leaf_sort {
	u32 n;
	struct leaf_name name[NAMES_MAX];
	u8 copy[4096];
};

static struct ext4_dirent *at(u8 *data, u32 offset)
{
	return (struct ext4_dirent *)(data + offset);
}

/* --- Entries of index blocks ---------------------------------------------- */

/* Behind the frame's place; there is room. */
static void entry_insert(struct ext4_frame *f, u32 hash, u32 block)
{
	struct ext4_dx_count *c = ext4_frame_count(f);
	struct ext4_dx_entry *e = f->entries + f->at + 1;

	memmove(e + 1, e, (c->count - f->at - 1) * sizeof(*e));
	e->hash = hash;
	e->block = block;
	c->count++;
}

static void node_init(struct ext4_sb *sb, u8 *data)
{
	struct ext4_dx_count *c =
		(struct ext4_dx_count *)(data + EXT4_DX_NODE_ENTRIES);

	memset(data, 0, sb->block_size);
	at(data, 0)->rec_len = (u16)sb->block_size;
	c->limit = (u16)ext4_index_limit(sb, false);
}

static int node_append(struct handle *h, struct inode *dir, u32 *n,
		       struct buffer **b)
{
	int err = ext4_dir_append(h, dir, n, b);

	if (err)
		return err;
	node_init(ext4_sb(dir), (*b)->data);
	ext4_claim(*b, EXT4_KIND_INDEX, dir->ino);
	return 0;
}

/* All entries of the root go into a new block: one more level. */
static int index_grow(struct handle *h, struct inode *dir,
		      struct ext4_frame *root)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct ext4_dx_root *r = (struct ext4_dx_root *)root->b->data;
	struct ext4_dx_count *from = ext4_frame_count(root), *to;
	u32 max = sb->incompat & EXT4_LARGEDIR ? 2 : 1, n;
	struct buffer *b;
	int err;

	if (r->levels >= max)
		return -ENOSPC;
	err = node_append(h, dir, &n, &b);
	if (err)
		return err;
	err = journal_get_write(h, root->b);
	if (!err) {
		to = (struct ext4_dx_count *)(b->data + EXT4_DX_NODE_ENTRIES);
		memcpy((struct ext4_dx_entry *)to + 1, root->entries + 1,
		       (from->count - 1) * sizeof(*root->entries));
		((struct ext4_dx_entry *)to)->block = root->entries[0].block;
		to->count = from->count;
		from->count = 1;
		root->entries[0].block = n;
		r->levels++;
		ext4_dir_dirty(h, dir, b);
		ext4_dir_dirty(h, dir, root->b);
	}
	buffer_put(b);
	return err;
}

/* The upper half of an index block goes to a new one. */
static int index_split(struct handle *h, struct inode *dir,
		       struct ext4_frame *f, struct ext4_frame *up)
{
	struct ext4_dx_count *from = ext4_frame_count(f), *to;
	u32 keep = from->count / 2, hash = f->entries[keep].hash, n;
	struct ext4_dx_entry *e;
	struct buffer *b;
	int err = node_append(h, dir, &n, &b);

	if (err)
		return err;
	err = journal_get_write(h, f->b);
	if (!err)
		err = journal_get_write(h, up->b);
	if (!err) {
		to = (struct ext4_dx_count *)(b->data + EXT4_DX_NODE_ENTRIES);
		e = (struct ext4_dx_entry *)to;
		to->count = (u16)(from->count - keep);
		memcpy(e + 1, f->entries + keep + 1,
		       (to->count - 1U) * sizeof(*e));
		e->block = f->entries[keep].block;
		from->count = (u16)keep;
		entry_insert(up, hash, n);
		ext4_dir_dirty(h, dir, b);
		ext4_dir_dirty(h, dir, f->b);
		ext4_dir_dirty(h, dir, up->b);
	}
	buffer_put(b);
	return err;
}

static bool is_full(const struct ext4_frame *f)
{
	return ext4_frame_count(f)->count >= ext4_frame_count(f)->limit;
}

/* Make room in the lowest index block, by one step: 1 if it had some. */
static int index_room(struct handle *h, struct inode *dir,
		      struct ext4_frames *f)
{
	u32 l = f->n - 1;

	if (!is_full(&f->frame[l]))
		return 1;
	while (l > 0 && is_full(&f->frame[l - 1]))
		l--;
	if (l == 0)
		return index_grow(h, dir, &f->frame[0]);
	return index_split(h, dir, &f->frame[l], &f->frame[l - 1]);
}

/* --- Leaves --------------------------------------------------------------- */

static void sort_insert(struct leaf_sort *s, struct leaf_name name)
{
	u32 k = s->n++;

	for (; k > 0 && s->name[k - 1].hash > name.hash; k--)
		s->name[k] = s->name[k - 1];
	s->name[k] = name;
}

static int sort_leaf(struct inode *dir, struct leaf_sort *s, u8 *data,
		     u32 version)
{
	struct ext4_sb *sb = ext4_sb(dir);
	const struct ext4_dirent *e;
	u32 size = ext4_dir_room(sb);

	memcpy(s->copy, data, sb->block_size);
	s->n = 0;
	for (u32 offset = 0; offset < size; offset += e->rec_len) {
		struct leaf_name name = { .offset = (u16)offset };
		struct ext4_hash hash;
		int err;

		e = at(s->copy, offset);
		if (!e->inode)
			continue;
		err = ext4_name_hash(version, sb->hash_seed, e->name,
				     e->name_len, &hash);
		if (err || s->n == NAMES_MAX)
			return -EUCLEAN;
		name.hash = hash.major;
		name.size = (u16)EXT4_DIRENT_SIZE(e->name_len);
		sort_insert(s, name);
	}
	return 0;
}

/* Names [from, to) of the sorted leaf, packed into a block. */
static void fill_leaf(const struct ext4_sb *sb, const struct leaf_sort *s,
		      u32 from, u32 to, u8 *data)
{
	u32 offset = 0, size = ext4_dir_room(sb);
	struct ext4_dirent *e = at(data, 0);

	memset(data, 0, sb->block_size);
	for (u32 k = from; k < to; k++) {
		e = at(data, offset);
		memcpy(e, s->copy + s->name[k].offset, s->name[k].size);
		e->rec_len = s->name[k].size;
		offset += e->rec_len;
	}
	if (from == to)
		e->rec_len = (u16)size;
	else
		e->rec_len = (u16)(e->rec_len + size - offset);
	ext4_dir_tail_init(sb, data);
}

/* Where to cut: the first name of the upper half by size. */
static u32 split_point(const struct leaf_sort *s)
{
	u32 total = 0, sum = 0, k;

	for (k = 0; k < s->n; k++)
		total += s->name[k].size;
	for (k = 0; k < s->n - 1; k++) {
		sum += s->name[k].size;
		if (sum * 2 >= total)
			break;
	}
	return k + 1 < s->n ? k + 1 : s->n - 1;
}

static int leaf_split_sorted(struct handle *h, struct inode *dir,
			     struct ext4_frame *f, struct buffer *leaf,
			     const struct leaf_sort *s)
{
	struct ext4_sb *sb = ext4_sb(dir);
	u32 cut = split_point(s), hash = s->name[cut].hash, n;
	struct buffer *b;
	int err = ext4_dir_append(h, dir, &n, &b);

	if (err)
		return err;
	err = journal_get_write(h, leaf);
	if (!err)
		err = journal_get_write(h, f->b);
	if (!err) {
		if (cut && s->name[cut - 1].hash == hash)
			hash |= 1; /* it goes on from the leaf before */
		fill_leaf(sb, s, cut, s->n, b->data);
		fill_leaf(sb, s, 0, cut, leaf->data);
		entry_insert(f, hash, n);
		ext4_dir_dirty(h, dir, b);
		ext4_dir_dirty(h, dir, leaf);
		ext4_dir_dirty(h, dir, f->b);
	}
	buffer_put(b);
	return err;
}

static int leaf_split(struct handle *h, struct inode *dir, struct ext4_frame *f,
		      struct buffer *leaf)
{
	struct leaf_sort *s = kmalloc(sizeof(*s));
	u32 version;
	int err;

	if (!s)
		return -ENOMEM;
	err = ext4_htree_version(dir, &version);
	if (!err)
		err = sort_leaf(dir, s, leaf->data, version);
	if (!err && s->n < 2)
		err = -EUCLEAN;
	if (!err)
		err = leaf_split_sorted(h, dir, f, leaf, s);
	kfree(s);
	return err;
}

/* --- Inserting ------------------------------------------------------------ */

/* 0: it is in; 1: something was made room for, try again. */
static int insert_step(struct handle *h, struct inode *dir,
		       struct ext4_frames *f, const char *name, u32 len,
		       u32 ino, u8 type)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct buffer *leaf;
	int err = ext4_dir_block(dir, f->leaf, &leaf);

	if (err)
		return err;
	if (!leaf)
		return ext4_corrupt(sb, "hole in directory", dir->ino);
	if (ext4_block_room(sb, leaf->data, EXT4_DIRENT_SIZE(len))) {
		err = journal_get_write(h, leaf);
		if (!err) {
			err = ext4_block_insert(sb, leaf->data,
						ext4_dir_room(sb), name, len,
						ino, type);
			ext4_dir_dirty(h, dir, leaf);
		}
		buffer_put(leaf);
		return err;
	}
	err = index_room(h, dir, f);
	if (err == 1)
		err = leaf_split(h, dir, &f->frame[f->n - 1], leaf);
	buffer_put(leaf);
	return err ? err : 1;
}

int ext4_htree_insert(struct handle *h, struct inode *dir, const char *name,
		      u32 len, u32 ino, u8 type)
{
	struct ext4_frames f;
	struct ext4_hash hash;
	int err = ext4_htree_hash(dir, name, len, &hash);

	if (err)
		return err;
	do {
		err = ext4_frames_find(dir, hash.major, &f);
		if (err)
			return err;
		err = insert_step(h, dir, &f, name, len, ino, type);
		ext4_frames_put(&f);
	} while (err == 1);
	return err;
}

/* --- Making --------------------------------------------------------------- */

static void root_init(struct ext4_sb *sb, u8 *data, u32 leaf)
{
	struct ext4_dx_root *r = (struct ext4_dx_root *)data;
	struct ext4_dx_entry *e =
		(struct ext4_dx_entry *)(data + EXT4_DX_ROOT_ENTRIES);
	struct ext4_dx_count *c = (struct ext4_dx_count *)e;

	memset(data + 24, 0, sb->block_size - 24);
	((struct ext4_dirent *)r->dotdot)->rec_len = (u16)(sb->block_size - 12);
	r->hash_version = (u8)sb->hash_version;
	r->info_length = 8;
	c->limit = (u16)ext4_index_limit(sb, true);
	c->count = 1;
	e->block = leaf;
}

/* Move all but "." and ".." from block 0 to the new leaf. */
static int move_names(struct ext4_sb *sb, u8 *from, u8 *to)
{
	const struct ext4_dirent *dot = at(from, 0), *up = at(from, 12), *e;
	u32 size = ext4_dir_room(sb), start;
	int err = 0;

	if (dot->rec_len != 12 || dot->name_len != 1 || up->name_len != 2 ||
	    up->name[0] != '.' || up->name[1] != '.')
		return -EUCLEAN;
	start = 12U + up->rec_len;
	for (u32 offset = start; offset < size && !err; offset += e->rec_len) {
		e = at(from, offset);
		if (e->inode)
			err = ext4_block_insert(sb, to, size, e->name,
						e->name_len, e->inode, e->type);
	}
	return err;
}

int ext4_htree_make(struct handle *h, struct inode *dir)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct buffer *root, *leaf;
	u32 n;
	int err = ext4_dir_block(dir, 0, &root);

	if (err)
		return err;
	if (!root)
		return ext4_corrupt(sb, "hole in directory", dir->ino);
	err = journal_get_write(h, root);
	if (!err)
		err = ext4_dir_append(h, dir, &n, &leaf);
	if (err)
		goto out_put;
	err = move_names(sb, root->data, leaf->data);
	if (err) {
		err = ext4_corrupt(sb, "start of directory", dir->ino);
	} else {
		root_init(sb, root->data, n);
		ext4_claim(root, EXT4_KIND_INDEX, dir->ino);
		ext4_node(dir)->flags |= EXT4_INDEX_FL;
		err = ext4_inode_store_data(h, dir);
		ext4_dir_dirty(h, dir, root);
	}
	ext4_dir_dirty(h, dir, leaf);
	buffer_put(leaf);
out_put:
	buffer_put(root);
	return err;
}
