/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks kept for the growth of one file: held in memory only, so that a crash
 * leaves nothing behind.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define SYNCS_MIN 8U	  /* of a file that grows, before blocks are written */
#define WRITE_BLOCKS 256U /* at once */
#define WRITE_LEAST 16U	  /* blocks left that are written */
#define ZERO_BYTES KIB(64)

void ext4_prealloc_drop(struct inode *i)
{
	struct ext4_node *n = ext4_node(i);

	if (!atomic_load(&n->pa_len))
		return;
	rw_write_lock(&n->map_lock);
	if (n->pa_len)
		ext4_unhold(ext4_sb(i), n->pa_start, n->pa_len);
	n->pa_len = 0;
	rw_write_unlock(&n->map_lock);
}

void ext4_prealloc(struct inode *i, struct handle *h, u32 block, u64 goal)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	u64 size = inode_size(i) >> sb->block_bits;
	u32 want = 16;

	if (n->pa_len)
		ext4_unhold(sb, n->pa_start, n->pa_len);
	n->pa_len = 0;
	while (want < EXT4_PREALLOC_MAX && want < size)
		want *= 2;
	if (!ext4_has_room(sb, 64UL * want, 0))
		return;
	if (ext4_alloc(sb, h, goal, &want, EXT4_ALLOC_HOLD, &n->pa_start))
		return;
	n->pa_block = block;
	n->pa_len = want;
}

/* --- Written once before -------------------------------------------------- */

static int write_zeroes(struct ext4_sb *sb, u64 block, u32 n)
{
	u8 *zero = kzalloc(ZERO_BYTES);
	u64 at = block << sb->block_bits, end = (block + n) << sb->block_bits;
	int err = zero ? 0 : -ENOMEM;

	for (; !err && at < end; at += ZERO_BYTES)
		err = block_write(sb->device, at, zero,
				  MIN(end - at, ZERO_BYTES));
	kfree(zero);
	return err;
}

/* What is mapped is not held any more: nobody else writes to these. */
static void write_some(struct inode *i)
{
	struct ext4_node *n = ext4_node(i);
	u64 from = MAX(n->pa_written, n->pa_start);
	u64 end = n->pa_start + n->pa_len;

	if (n->pa_written > end)
		from = n->pa_start; /* of an older run */
	end = MIN(end, from + WRITE_BLOCKS);
	if (from - n->pa_start >= WRITE_LEAST || from >= end)
		return;
	if (write_zeroes(ext4_sb(i), from, (u32)(end - from)) == 0)
		n->pa_written = end;
}

void ext4_prealloc_write(struct inode *i)
{
	struct ext4_node *n = ext4_node(i);

	if (!atomic_load(&n->pa_len))
		return;
	rw_write_lock(&n->map_lock);
	if (n->nsyncs < SYNCS_MIN)
		n->nsyncs++;
	else if (n->pa_len)
		write_some(i);
	rw_write_unlock(&n->map_lock);
}
