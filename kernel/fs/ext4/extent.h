/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths through an extent tree: private to extent.c and extent_edit.c.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_EXTENT_H
#define JIFFY_KERNEL_FS_EXT4_EXTENT_H

#include "kernel/fs/ext4/ext4.h"

struct ext4_level {
	struct buffer *b; /* NULL: the root, in the inode */
	struct ext4_extent_header *head;
	s32 at; /* last entry at or below the block, or -1 (leaves only) */
};
struct ext4_path {
	u32 depth;
	struct ext4_level level[EXT4_EXTENT_DEPTH_MAX + 1];
};

/* An extent, decoded. */
struct ext4_piece {
	u32 block, len;
	u64 start;
	bool is_unwritten;
};

/* The way to `block`; ext4_path_put() also after errors. */
int ext4_path_find(struct inode *i, u32 block, struct ext4_path *p);
void ext4_path_put(struct ext4_path *p);
struct ext4_piece ext4_piece_get(const struct ext4_disk_extent *e);
void ext4_piece_put(struct ext4_disk_extent *e, const struct ext4_piece *p);
u32 ext4_node_max(const struct ext4_sb *sb);
/* The checksum of a node that is a block. */
void ext4_extent_sum(struct inode *i, struct buffer *b);

static inline struct ext4_disk_extent *
ext4_extents(struct ext4_extent_header *head)
{
	return (struct ext4_disk_extent *)(head + 1);
}
static inline struct ext4_extent_index *
ext4_indexes(struct ext4_extent_header *head)
{
	return (struct ext4_extent_index *)(head + 1);
}
static inline u64 ext4_index_leaf(const struct ext4_extent_index *x)
{
	return x->leaf | (u64)x->leaf_hi << 32;
}
static inline u64 ext4_piece_end(const struct ext4_piece *p)
{
	return (u64)p->block + p->len;
}

#endif
