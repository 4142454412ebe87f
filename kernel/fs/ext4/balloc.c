/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: finding free ones near a goal, preallocation in memory, freeing.
 * What a transaction frees is held back until it is on disk: else a crash could
 * show an old file with a new file's contents.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/vfs.h"

/* --- Searching ------------------------------------------------------------ */

static u64 word_at(const u8 *map, const u8 *held, u32 index)
{
	u64 a, b = 0;

	memcpy(&a, map + index * 8UL, 8);
	if (held)
		memcpy(&b, held + index * 8UL, 8);
	return a | b;
}

/* First bit in [from, end) that is clear (or, with flip ~0, set), or end. */
static u32 next_bit(const u8 *map, const u8 *held, u32 from, u32 end, u64 flip)
{
	while (from < end) {
		u64 w = ~word_at(map, held, from / 64) ^ flip;

		w >>= from % 64;
		if (w) {
			from += (u32)__builtin_ctzl(w);
			return MIN(from, end);
		}
		from = (from / 64 + 1) * 64;
	}
	return end;
}

static u32 next_free(const u8 *map, const struct ext4_group *g, u32 from,
		     u32 end)
{
	return next_bit(map, g->held, from, end, 0);
}

static u32 next_used(const u8 *map, const struct ext4_group *g, u32 from,
		     u32 end)
{
	return next_bit(map, g->held, from, end, ~0UL);
}

struct run {
	u32 bit, len;
};

/* A run of `want` blocks from `from` on, or the longest there is. */
static void find_run(const u8 *map, struct ext4_group *g, u32 from, u32 end,
		     u32 want, struct run *best)
{
	u32 start = next_free(map, g, from, end), stop;

	while (start < end) {
		stop = next_used(map, g, start, MIN(end, start + want));
		if (stop - start > best->len) {
			best->bit = start;
			best->len = stop - start;
		}
		if (best->len >= want)
			return;
		start = next_free(map, g, stop, end);
	}
}

/* In one group: at the goal, then behind it, then anywhere. */
static struct run search(struct ext4_group *g, const u8 *map, u32 goal, u32 end,
			 u32 want)
{
	struct run best = { 0, 0 };
	u32 stop;

	if (goal && goal < end) {
		stop = next_used(map, g, goal, MIN(end, goal + want));
		if (stop - goal >= MIN(want, 8U)) {
			best.bit = goal;
			best.len = stop - goal;
			return best;
		}
		find_run(map, g, goal, end, want, &best);
		if (best.len >= want)
			return best;
	}
	find_run(map, g, g->hint, end, want, &best);
	if (best.len < want)
		g->longest = best.len;
	return best;
}

/* --- Holding -------------------------------------------------------------- */

static int hold(struct ext4_sb *sb, struct ext4_group *g, u32 bit, u32 len)
{
	if (!g->held)
		g->held = kzalloc(sb->block_size);
	if (!g->held)
		return -ENOMEM;
	for (u32 i = 0; i < len; i++)
		ext4_set_bit(g->held, bit + i);
	g->nheld += len;
	return 0;
}

/* Give up what is held; a group with nothing held keeps no bitmap of it. */
static void release(struct ext4_group *g, u32 bit, u32 len)
{
	if (!g->held)
		return;
	for (u32 i = 0; i < len; i++) {
		if (!ext4_test_bit(g->held, bit + i))
			continue;
		ext4_clear_bit(g->held, bit + i);
		g->nheld--;
	}
}

static void freed_hints(struct ext4_sb *sb, struct ext4_group *g, u32 bit)
{
	g->longest = sb->blocks_per_group;
	g->hint = MIN(g->hint, bit);
}

void ext4_unhold(struct ext4_sb *sb, u64 block, u32 len)
{
	struct ext4_group *g = &sb->groups[ext4_group_of(sb, block)];
	u32 bit = ext4_bit_of(sb, block);

	mutex_lock(&g->lock);
	release(g, bit, len);
	freed_hints(sb, g, bit);
	mutex_unlock(&g->lock);
	atomic_fetch_sub(&sb->held_blocks, len);
}

/* --- The host ------------------------------------------------------------- */

int ext4_host_reserve(struct ext4_sb *sb, u64 block, u64 len)
{
	int err = block_reserve(sb->device, block << sb->block_bits,
				len << sb->block_bits);

	return err == -EOPNOTSUPP ? 0 : err;
}

/* --- Taking --------------------------------------------------------------- */

bool ext4_has_room(struct ext4_sb *sb, u64 n, u32 flags)
{
	u64 keep = 0, free_blocks = atomic_load(&sb->free_blocks);

	if (!(flags & EXT4_ALLOC_META)) {
		keep = sb->tree_reserve;
		if (!vfs_capable(CAP_SYS_RESOURCE))
			keep += sb->reserved_blocks;
	}
	return free_blocks >= n + keep;
}

/* Mark blocks as used. The group is locked, the bitmap may be changed. */
static int take(struct ext4_sb *sb, struct handle *h, u32 group,
		struct buffer *map, u32 bit, u32 len)
{
	struct ext4_group *g = &sb->groups[group];
	int err;

	err = ext4_host_reserve(sb, g->block_bitmap, 1);
	if (!err)
		err = ext4_group_edit(sb, h, group, map);
	if (err)
		return err;
	for (u32 i = 0; i < len; i++)
		ext4_set_bit(map->data, bit + i);
	g->free_blocks -= len;
	atomic_fetch_sub(&sb->free_blocks, len);
	ext4_block_bitmap_sum(sb, group, map->data);
	journal_dirty(h, map);
	return ext4_group_store(sb, h, group);
}

static int alloc_run(struct ext4_sb *sb, struct handle *h, u32 group,
		     struct buffer *map, const struct run *r, u32 flags)
{
	struct ext4_group *g = &sb->groups[group];
	int err = ext4_host_reserve(sb, ext4_group_first(sb, group) + r->bit,
				    r->len);

	if (err)
		return err;
	if (flags & EXT4_ALLOC_HOLD) {
		err = hold(sb, g, r->bit, r->len);
		if (!err)
			atomic_fetch_add(&sb->held_blocks, r->len);
	} else {
		err = take(sb, h, group, map, r->bit, r->len);
	}
	if (!err && r->bit <= g->hint)
		g->hint = r->bit + r->len;
	return err;
}

/* From one group: -ENODATA if it has no run of at least `least`. */
static int alloc_in(struct ext4_sb *sb, struct handle *h, u32 group, u32 goal,
		    u32 least, u32 *len, u32 flags, u64 *block)
{
	struct ext4_group *g = &sb->groups[group];
	struct buffer *map;
	struct run r;
	int err;

	mutex_lock(&g->lock);
	err = ext4_block_bitmap(sb, h, group, &map);
	if (err)
		goto out_unlock;
	r = search(g, map->data, goal, ext4_group_blocks(sb, group), *len);
	if (r.len == 0 || (r.len < least && r.bit != goal))
		err = -ENODATA;
	else
		err = alloc_run(sb, h, group, map, &r, flags);
	buffer_put(map);
	if (!err) {
		*len = r.len;
		*block = ext4_group_first(sb, group) + r.bit;
	}
out_unlock:
	mutex_unlock(&g->lock);
	return err == -EUCLEAN ? -ENODATA : err;
}

int ext4_alloc(struct ext4_sb *sb, struct handle *h, u64 goal, u32 *len,
	       u32 flags, u64 *block)
{
	u32 first, at;
	int err;

	if (!ext4_has_room(sb, 1, flags))
		return -ENOSPC;
	if (goal <= sb->first_data_block || goal >= sb->blocks_count)
		goal = sb->first_data_block;
	first = ext4_group_of(sb, goal);
	at = ext4_bit_of(sb, goal);
	*len = MIN(*len, sb->blocks_per_group);
	for (u32 pass = 0; pass < 2; pass++) {
		u32 least = pass ? 1 : *len;

		for (u32 i = 0; i < sb->ngroups; i++) {
			u32 n = (first + i) % sb->ngroups;
			struct ext4_group *g = &sb->groups[n];

			/* Pairs with nothing: a hint, looked at again. */
			if (atomic_load(&g->free_blocks) <=
				    atomic_load(&g->nheld) ||
			    atomic_load(&g->longest) < least)
				continue;
			err = alloc_in(sb, h, n, i ? 0 : at, least, len, flags,
				       block);
			if (err != -ENODATA)
				return err;
		}
	}
	return -ENOSPC;
}

int ext4_alloc_held(struct ext4_sb *sb, struct handle *h, u64 block, u32 len)
{
	u32 group = ext4_group_of(sb, block), bit = ext4_bit_of(sb, block);
	struct ext4_group *g = &sb->groups[group];
	struct buffer *map;
	int err;

	mutex_lock(&g->lock);
	err = ext4_block_bitmap(sb, h, group, &map);
	if (!err) {
		err = take(sb, h, group, map, bit, len);
		buffer_put(map);
	}
	if (!err) {
		release(g, bit, len);
		atomic_fetch_sub(&sb->held_blocks, len);
	}
	mutex_unlock(&g->lock);
	return err;
}

/* --- Freeing -------------------------------------------------------------- */

static void remember(struct ext4_sb *sb, struct handle *h, u32 group, u32 bit,
		     u32 len)
{
	struct ext4_freed *f = kmalloc(sizeof(*f));

	if (!f)
		return; /* held until the filesystem is unmounted */
	f->tid = handle_tid(h);
	f->group = group;
	f->bit = bit;
	f->len = len;
	mutex_lock(&sb->pending_lock);
	list_append(&sb->pending, &f->node);
	mutex_unlock(&sb->pending_lock);
}

static int free_bits(struct ext4_sb *sb, struct handle *h, u32 group,
		     struct buffer *map, u32 bit, u32 len)
{
	struct ext4_group *g = &sb->groups[group];
	int err;

	for (u32 i = 0; i < len; i++)
		if (!ext4_test_bit(map->data, bit + i))
			return ext4_corrupt(sb, "free block freed",
					    ext4_group_first(sb, group) + bit +
						    i);
	err = ext4_group_edit(sb, h, group, map);
	if (!err)
		err = hold(sb, g, bit, len);
	if (err)
		return err;
	for (u32 i = 0; i < len; i++)
		ext4_clear_bit(map->data, bit + i);
	g->free_blocks += len;
	atomic_fetch_add(&sb->free_blocks, len);
	ext4_block_bitmap_sum(sb, group, map->data);
	journal_dirty(h, map);
	remember(sb, h, group, bit, len);
	return ext4_group_store(sb, h, group);
}

static int free_in(struct ext4_sb *sb, struct handle *h, u64 block, u32 len)
{
	u32 group = ext4_group_of(sb, block);
	struct ext4_group *g = &sb->groups[group];
	struct buffer *map;
	int err;

	mutex_lock(&g->lock);
	err = ext4_block_bitmap(sb, h, group, &map);
	if (!err) {
		err = free_bits(sb, h, group, map, ext4_bit_of(sb, block), len);
		buffer_put(map);
	}
	mutex_unlock(&g->lock);
	return err;
}

int ext4_free(struct ext4_sb *sb, struct handle *h, u64 block, u32 len)
{
	int err = 0;

	if (!ext4_blocks_ok(sb, block, len))
		return ext4_corrupt(sb, "block freed", block);
	while (len && !err) {
		u32 n = MIN(len, sb->blocks_per_group - ext4_bit_of(sb, block));

		err = free_in(sb, h, block, n);
		block += n;
		len -= n;
	}
	return err;
}

static bool is_before(u32 tid, u32 than)
{
	return (s32)(tid - than) < 0;
}

static struct ext4_freed *pending_next(struct ext4_sb *sb, bool all, u32 tid)
{
	struct ext4_freed *f = NULL;

	mutex_lock(&sb->pending_lock);
	if (!list_empty(&sb->pending)) {
		f = list_first(&sb->pending, struct ext4_freed, node);
		if (all || !is_before(tid, f->tid))
			list_del(&f->node);
		else
			f = NULL;
	}
	mutex_unlock(&sb->pending_lock);
	return f;
}

void ext4_pending_commit(struct ext4_sb *sb, u32 tid)
{
	struct ext4_freed *f;

	while ((f = pending_next(sb, false, tid)) != NULL) {
		struct ext4_group *g = &sb->groups[f->group];

		mutex_lock(&g->lock);
		release(g, f->bit, f->len);
		freed_hints(sb, g, f->bit);
		mutex_unlock(&g->lock);
		kfree(f);
	}
}

void ext4_pending_drop(struct ext4_sb *sb)
{
	struct ext4_freed *f;

	while ((f = pending_next(sb, true, 0)) != NULL)
		kfree(f);
}

bool ext4_make_room(struct ext4_sb *sb)
{
	bool found;

	ext4_prealloc_drop_all(sb);
	mutex_lock(&sb->pending_lock);
	found = !list_empty(&sb->pending);
	mutex_unlock(&sb->pending_lock);
	return found && journal_commit_all(sb->journal) == 0;
}
