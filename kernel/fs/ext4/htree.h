/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths through the index of a directory: private to htree.c, htree_edit.c.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_HTREE_H
#define JIFFY_KERNEL_FS_EXT4_HTREE_H

#include "kernel/fs/ext4/ext4.h"

#define EXT4_FRAMES_MAX 3U

struct ext4_frame {
	struct buffer *b;
	struct ext4_dx_entry *entries; /* the first holds the counts */
	u32 at;
};
struct ext4_frames {
	u32 n;
	u32 leaf; /* block of the directory */
	struct ext4_frame frame[EXT4_FRAMES_MAX];
};

static inline struct ext4_dx_count *ext4_frame_count(const struct ext4_frame *f)
{
	return (struct ext4_dx_count *)f->entries;
}

/* The way to the leaf of a hash; nothing is held after errors. */
int ext4_frames_find(struct inode *dir, u32 hash, struct ext4_frames *f);
void ext4_frames_put(struct ext4_frames *f);
u32 ext4_index_limit(const struct ext4_sb *sb, bool is_root);
int ext4_htree_version(struct inode *dir, u32 *version);
int ext4_htree_hash(struct inode *dir, const char *name, u32 len,
		    struct ext4_hash *hash);

#endif
