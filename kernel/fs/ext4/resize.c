/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing a mounted filesystem: the last group becomes whole, new ones follow,
 * as many as the descriptor blocks that there are can hold. New groups are
 * described first; the superblock that makes them count is written last, with
 * the growth of the old last group in the same transaction.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define GROUP_BLOCKS_MIN 64U /* for data, in the last group */

/* Blocks that a new group takes for itself. */
static u32 group_overhead(const struct ext4_sb *sb, u32 group)
{
	return ext4_group_head(sb, group) + 2 + sb->itable_blocks;
}

static void describe(struct ext4_sb *sb, u32 group)
{
	struct ext4_group *g = &sb->groups[group];
	u64 at = ext4_group_first(sb, group) + ext4_group_head(sb, group);
	struct buffer *b;
	struct ext4_disk_group *raw = ext4_group_raw(sb, group, &b);

	memset(raw, 0, sb->desc_size);
	g->block_bitmap = at;
	g->inode_bitmap = at + 1;
	g->inode_table = at + 2;
	raw->block_bitmap = (u32)at;
	raw->inode_bitmap = (u32)(at + 1);
	raw->inode_table = (u32)(at + 2);
	if (sb->desc_size >= sizeof(*raw)) {
		raw->block_bitmap_hi = (u32)(at >> 32);
		raw->inode_bitmap_hi = (u32)((at + 1) >> 32);
		raw->inode_table_hi = (u32)((at + 2) >> 32);
	}
	g->flags = EXT4_BLOCK_UNINIT | EXT4_INODE_UNINIT;
	g->free_blocks =
		ext4_group_blocks(sb, group) - group_overhead(sb, group);
	g->free_inodes = sb->inodes_per_group;
	g->itable_unused = sb->inodes_per_group;
	g->longest = sb->blocks_per_group;
}

/* Its descriptor and its block bitmap; inodes are for later. */
static int add_group(struct ext4_sb *sb, u32 group)
{
	struct buffer *gb, *map;
	struct handle h;
	int err = ext4_host_reserve(sb, ext4_group_first(sb, group),
				    group_overhead(sb, group));

	if (!err)
		err = ext4_start(sb, 4, &h);
	if (err)
		return err;
	(void)ext4_group_raw(sb, group, &gb);
	err = journal_get_write(&h, gb);
	if (!err) {
		describe(sb, group);
		mutex_lock(&sb->groups[group].lock);
		err = ext4_block_bitmap(sb, &h, group, &map);
		mutex_unlock(&sb->groups[group].lock);
	}
	if (!err)
		buffer_put(map);
	journal_stop(&h);
	return err;
}

/* The old last group gets its new blocks, and all is made to count. */
static int publish(struct ext4_sb *sb, u64 old_blocks, u32 ngroups)
{
	struct ext4_disk_sb *raw = ext4_super_raw(sb);
	u32 last = sb->ngroups - 1, bit = ext4_bit_of(sb, old_blocks - 1) + 1;
	struct ext4_group *g = &sb->groups[last];
	u32 end = ext4_group_blocks(sb, last);
	struct buffer *map = NULL;
	struct handle h;
	int err = ext4_start(sb, 4, &h);

	if (err)
		return err;
	mutex_lock(&g->lock);
	err = ext4_block_bitmap(sb, &h, last, &map);
	if (!err)
		err = ext4_group_edit(sb, &h, last, map);
	if (!err)
		err = journal_get_write(&h, sb->super);
	if (!err) {
		for (u32 k = bit; k < end; k++)
			ext4_clear_bit(map->data, k);
		g->free_blocks += end - bit;
		g->longest = sb->blocks_per_group;
		ext4_block_bitmap_sum(sb, last, map->data);
		journal_dirty(&h, map);
		err = ext4_group_store(sb, &h, last);
		atomic_fetch_add(&sb->free_blocks, end - bit);
	}
	mutex_unlock(&g->lock);
	for (u32 k = sb->ngroups; k < ngroups && !err; k++) {
		atomic_fetch_add(&sb->free_blocks, sb->groups[k].free_blocks);
		atomic_fetch_add(&sb->free_inodes, sb->inodes_per_group);
		sb->overhead += group_overhead(sb, k);
	}
	if (!err) {
		raw->blocks_count = (u32)sb->blocks_count;
		raw->blocks_count_hi = (u32)(sb->blocks_count >> 32);
		raw->inodes_count = ngroups * sb->inodes_per_group;
		ext4_super_counts(sb, raw);
		journal_dirty(&h, sb->super);
		atomic_store(&sb->inodes_count, raw->inodes_count);
		atomic_store(&sb->ngroups, ngroups);
	}
	if (map)
		buffer_put(map);
	h.is_sync = true;
	journal_stop(&h);
	return err;
}

/* Copies of superblock and descriptors, for e2fsck when the first is lost. */
static void write_backups(struct ext4_sb *sb)
{
	u8 *copy = kzalloc(sb->block_size);
	u64 first;

	for (u32 k = 1; copy && k < sb->ngroups; k++) {
		struct ext4_disk_sb *raw = (struct ext4_disk_sb *)copy;

		if (!ext4_group_has_super(sb, k))
			continue;
		first = ext4_group_first(sb, k);
		memcpy(raw, ext4_super_raw(sb), sizeof(*raw));
		raw->block_group_nr = (u16)k;
		raw->incompat &= ~(u32)EXT4_RECOVER;
		ext4_super_counts(sb, raw);
		(void)block_write(sb->device, first << sb->block_bits, copy,
				  sb->block_size);
		for (u32 n = 0; n < sb->ngdt; n++)
			(void)block_write(sb->device,
					  (first + 1 + n) << sb->block_bits,
					  sb->gdt[n]->data, sb->block_size);
	}
	kfree(copy);
}

/* How many groups for `blocks`, whose number is cut if the last group would be
 * too small to be of use. */
static u32 groups_for(const struct ext4_sb *sb, u64 *blocks)
{
	u64 n = (*blocks - sb->first_data_block + sb->blocks_per_group - 1) /
		sb->blocks_per_group;
	u64 most = (u64)sb->ngdt * sb->descs_per_block, first;

	if (n > most) {
		n = most;
		*blocks = sb->first_data_block + n * sb->blocks_per_group;
	}
	first = ext4_group_first(sb, (u32)n - 1);
	if (n > sb->ngroups &&
	    *blocks - first <
		    group_overhead(sb, (u32)n - 1) + GROUP_BLOCKS_MIN) {
		*blocks = first;
		n--;
	}
	return (u32)n;
}

static int grow(struct ext4_sb *sb, u64 blocks)
{
	u64 old = sb->blocks_count;
	u32 ngroups = groups_for(sb, &blocks);
	struct buffer *map = NULL;
	int err = 0;

	if (blocks <= old)
		return 0;
	/* In memory from here on, with its padding as before. */
	mutex_lock(&sb->groups[sb->ngroups - 1].lock);
	err = ext4_block_bitmap(sb, NULL, sb->ngroups - 1, &map);
	mutex_unlock(&sb->groups[sb->ngroups - 1].lock);
	if (err)
		return err == -ENODATA ? -EOPNOTSUPP : err;
	atomic_store(&sb->blocks_count, blocks);
	for (u32 k = sb->ngroups; k < ngroups && !err; k++)
		err = add_group(sb, k);
	if (!err)
		err = publish(sb, old, ngroups);
	if (err)
		atomic_store(&sb->blocks_count, old);
	buffer_put(map);
	if (!err)
		klog("ext4: %s: grown from %lu to %lu blocks", sb->device->name,
		     old, blocks);
	return err;
}

int ext4_resize(struct ext4_sb *sb, u64 blocks)
{
	u64 most = block_size(sb->device) >> sb->block_bits;
	int err;

	if (atomic_load(&sb->fs->is_readonly))
		return -EROFS;
	if (blocks > most || blocks < sb->blocks_count)
		return -EINVAL;
	/* New inodes are for later: descriptors must be able to say so. */
	if ((!sb->has_csum && !sb->has_gdt_csum) ||
	    (sb->incompat & EXT4_META_BG) || (sb->compat & EXT4_SPARSE_SUPER2))
		return -EOPNOTSUPP;
	rw_write_lock(&sb->resize_lock);
	err = grow(sb, blocks);
	if (!err)
		err = journal_commit_all(sb->journal);
	if (!err)
		write_backups(sb);
	rw_write_unlock(&sb->resize_lock);
	return err;
}
