/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inode numbers: files near their directory, directories spread out.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

static u32 group_of_ino(const struct ext4_sb *sb, u64 ino)
{
	return (u32)((ino - 1) / sb->inodes_per_group);
}

/* A directory goes to the first group, from its parent's on, that has more
 * than its share of free inodes and blocks; below the root anywhere. */
static u32 dir_group(const struct ext4_sb *sb, const struct inode *parent)
{
	u32 start = group_of_ino(sb, parent->ino), best = start;
	u64 inodes = atomic_load(&sb->free_inodes) / sb->ngroups;
	u64 blocks = atomic_load(&sb->free_blocks) / sb->ngroups;
	u32 fewest = ~0U;

	for (u32 i = 0; i < sb->ngroups; i++) {
		u32 n = (start + i) % sb->ngroups;
		const struct ext4_group *g = &sb->groups[n];

		if (g->free_inodes < MAX(inodes, 1UL) ||
		    g->free_blocks < blocks)
			continue;
		if (parent->ino != EXT4_ROOT_INO)
			return n;
		if (g->used_dirs < fewest) {
			fewest = g->used_dirs;
			best = n;
		}
	}
	return best;
}

static u32 first_clear(const u8 *map, u32 from, u32 end)
{
	while (from < end && ext4_test_bit(map, from))
		from += from % 8 == 0 && map[from / 8] == 0xff ? 8 : 1;
	return MIN(from, end);
}

/* Inodes [from, to) of the group come into what fsck looks at: zero them. */
static int table_extend(struct ext4_sb *sb, struct handle *h, u32 group,
			u32 from, u32 to)
{
	const struct ext4_group *g = &sb->groups[group];
	u32 per = sb->inodes_per_block;

	while (from < to) {
		u64 block = g->inode_table + from / per;
		u32 at = from % per, n = MIN(per - at, to - from);
		struct buffer *b;
		int err = ext4_host_reserve(sb, block, 1);

		if (err)
			return err;
		err = at == 0 ? buffer_new(sb->buffers, block, &b)
			      : buffer_read(sb->buffers, block, &b);
		if (err)
			return err;
		ext4_claim(b, EXT4_KIND_INODES, group);
		err = journal_get_write(h, b);
		if (!err) {
			/* The rest of a new block is zero as well. */
			memset(b->data + at * sb->inode_size, 0,
			       (at ? n : per) * sb->inode_size);
			journal_dirty(h, b);
		}
		buffer_put(b);
		if (err)
			return err;
		from += n;
	}
	return 0;
}

/* Bound the credits: a gap of unused inodes is crossed block by block. */
#define TABLE_BLOCKS_MAX 4U

static int take(struct ext4_sb *sb, struct handle *h, u32 group,
		struct buffer *map, u32 bit, bool is_dir)
{
	struct ext4_group *g = &sb->groups[group];
	u32 used = sb->inodes_per_group - g->itable_unused;
	int err;

	err = ext4_host_reserve(sb, g->inode_bitmap, 1);
	if (!err)
		err = ext4_host_reserve(
			sb, g->inode_table + bit / sb->inodes_per_block, 1);
	if (!err)
		err = ext4_group_edit(sb, h, group, map);
	if (!err && bit >= used)
		err = table_extend(sb, h, group, used, bit + 1);
	if (err)
		return err;
	if (bit >= used)
		g->itable_unused = sb->inodes_per_group - bit - 1;
	ext4_set_bit(map->data, bit);
	ext4_inode_bitmap_sum(sb, group, map->data);
	journal_dirty(h, map);
	g->free_inodes--;
	g->used_dirs += is_dir ? 1 : 0;
	atomic_fetch_sub(&sb->free_inodes, 1);
	return ext4_group_store(sb, h, group);
}

/* -ENODATA: none free here. */
static int alloc_in(struct ext4_sb *sb, struct handle *h, u32 group,
		    bool is_dir, u64 *ino)
{
	struct ext4_group *g = &sb->groups[group];
	u32 first = group == 0 ? sb->first_ino - 1 : 0, bit, used;
	struct buffer *map;
	int err;

	if (atomic_load(&g->free_inodes) == 0)
		return -ENODATA;
	mutex_lock(&g->lock);
	err = ext4_inode_bitmap(sb, h, group, &map);
	if (err)
		goto out_unlock;
	bit = first_clear(map->data, first, sb->inodes_per_group);
	used = sb->inodes_per_group - g->itable_unused;
	if (bit >= sb->inodes_per_group ||
	    (bit >= used &&
	     (bit - used) / sb->inodes_per_block >= TABLE_BLOCKS_MAX))
		err = -ENODATA;
	else
		err = take(sb, h, group, map, bit, is_dir);
	buffer_put(map);
	if (!err)
		*ino = (u64)group * sb->inodes_per_group + bit + 1;
out_unlock:
	mutex_unlock(&g->lock);
	return err == -EUCLEAN ? -ENODATA : err;
}

int ext4_inode_alloc(struct ext4_sb *sb, struct handle *h,
		     const struct inode *dir, bool is_dir, u64 *ino)
{
	u32 start = is_dir ? dir_group(sb, dir) : group_of_ino(sb, dir->ino);

	for (u32 i = 0; i < sb->ngroups; i++) {
		int err =
			alloc_in(sb, h, (start + i) % sb->ngroups, is_dir, ino);

		if (err != -ENODATA)
			return err;
	}
	return -ENOSPC;
}

static int free_locked(struct ext4_sb *sb, struct handle *h, u32 group, u32 bit,
		       bool is_dir)
{
	struct ext4_group *g = &sb->groups[group];
	struct buffer *map;
	int err = ext4_inode_bitmap(sb, h, group, &map);

	if (err)
		return err;
	if (!ext4_test_bit(map->data, bit))
		err = ext4_corrupt(sb, "free inode freed",
				   (u64)group * sb->inodes_per_group + bit + 1);
	if (!err)
		err = ext4_group_edit(sb, h, group, map);
	if (!err) {
		ext4_clear_bit(map->data, bit);
		ext4_inode_bitmap_sum(sb, group, map->data);
		journal_dirty(h, map);
		g->free_inodes++;
		if (is_dir && g->used_dirs)
			g->used_dirs--;
		atomic_fetch_add(&sb->free_inodes, 1);
		err = ext4_group_store(sb, h, group);
	}
	buffer_put(map);
	return err;
}

int ext4_inode_free(struct ext4_sb *sb, struct handle *h, u64 ino, bool is_dir)
{
	u32 group = group_of_ino(sb, ino);
	struct ext4_group *g = &sb->groups[group];
	int err;

	mutex_lock(&g->lock);
	err = free_locked(sb, h, group, (u32)((ino - 1) % sb->inodes_per_group),
			  is_dir);
	mutex_unlock(&g->lock);
	return err;
}

bool ext4_inode_in_use(struct ext4_sb *sb, u64 ino)
{
	u32 group = group_of_ino(sb, ino);
	struct ext4_group *g = &sb->groups[group];
	struct buffer *map;
	bool used = false;

	mutex_lock(&g->lock);
	if (ext4_inode_bitmap(sb, NULL, group, &map) == 0) {
		used = ext4_test_bit(map->data,
				     (u32)((ino - 1) % sb->inodes_per_group));
		buffer_put(map);
	}
	mutex_unlock(&g->lock);
	return used;
}
