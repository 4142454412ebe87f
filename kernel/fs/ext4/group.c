/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block groups: descriptors and bitmaps, read, checked, made on first use, and
 * written back with their checksums.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

/* --- Where descriptors are ------------------------------------------------ */

static bool is_power_of(u32 n, u32 base)
{
	while (n > base && n % base == 0)
		n /= base;
	return n == base;
}

bool ext4_group_has_super(const struct ext4_sb *sb, u32 group)
{
	if (group == 0)
		return true;
	if (sb->compat & EXT4_SPARSE_SUPER2)
		return group == ext4_super_raw(sb)->backup_bgs[0] ||
		       group == ext4_super_raw(sb)->backup_bgs[1];
	if (group == 1 || !(sb->ro_compat & EXT4_SPARSE_SUPER))
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) ||
	       is_power_of(group, 7);
}

static bool is_meta_bg(const struct ext4_sb *sb, u32 gdt)
{
	return (sb->incompat & EXT4_META_BG) &&
	       gdt >= ext4_super_raw(sb)->first_meta_bg;
}

/* Block of the primary copy of descriptor block `gdt`. */
static u64 gdt_block(const struct ext4_sb *sb, u32 gdt)
{
	u32 group;
	u64 first;

	if (!is_meta_bg(sb, gdt))
		return sb->first_data_block + 1UL + gdt;
	group = gdt * sb->descs_per_block;
	first = ext4_group_first(sb, group);
	return first + (ext4_group_has_super(sb, group) ? 1 : 0);
}

u32 ext4_group_head(const struct ext4_sb *sb, u32 group)
{
	u32 n = ext4_group_has_super(sb, group) ? 1 : 0;
	u32 gdt = group / sb->descs_per_block;
	u32 at = group % sb->descs_per_block;

	if (is_meta_bg(sb, gdt)) {
		if (at == 0 || at == 1 || at == sb->descs_per_block - 1)
			n++;
		return n;
	}
	if (!n)
		return 0;
	n += sb->incompat & EXT4_META_BG ? ext4_super_raw(sb)->first_meta_bg
					 : sb->ngdt;
	return n + ext4_super_raw(sb)->reserved_gdt_blocks;
}

struct ext4_disk_group *ext4_group_raw(struct ext4_sb *sb, u32 group,
				       struct buffer **b)
{
	*b = sb->gdt[group / sb->descs_per_block];
	return (struct ext4_disk_group *)((*b)->data +
					  group % sb->descs_per_block *
						  sb->desc_size);
}

/* --- Checksums ------------------------------------------------------------ */

/* CRC-16 with polynomial 0x8005, reflected. */
static u16 crc16(u16 crc, const u8 *p, u32 n)
{
	for (; n; n--) {
		crc ^= *p++;
		for (u32 i = 0; i < 8; i++)
			crc = (u16)(crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
	}
	return crc;
}

static u16 group_sum(const struct ext4_sb *sb, u32 group,
		     const struct ext4_disk_group *raw)
{
	const u32 at = offsetof(struct ext4_disk_group, checksum);
	const u8 *p = (const u8 *)raw;
	static const u8 zero[2];
	u32 crc;
	u16 sum;

	if (sb->has_csum) {
		crc = crc32c(sb->csum_seed, (const u8 *)&group, 4);
		crc = crc32c(crc, p, at);
		crc = crc32c(crc, zero, 2);
		crc = crc32c(crc, p + at + 2, sb->desc_size - at - 2);
		return (u16)crc;
	}
	sum = crc16(0xffff, ext4_super_raw(sb)->uuid, 16);
	sum = crc16(sum, (const u8 *)&group, 4);
	sum = crc16(sum, p, at);
	if (sb->desc_size > at + 2)
		sum = crc16(sum, p + at + 2, sb->desc_size - at - 2);
	return sum;
}

static bool is_64(const struct ext4_sb *sb)
{
	return sb->desc_size >= sizeof(struct ext4_disk_group);
}

static u32 map_sum(const struct ext4_sb *sb, const u8 *map, u32 nbits)
{
	return crc32c(sb->csum_seed, map, nbits / 8);
}

void ext4_block_bitmap_sum(struct ext4_sb *sb, u32 group, const u8 *map)
{
	struct buffer *b;
	struct ext4_disk_group *raw = ext4_group_raw(sb, group, &b);
	u32 sum;

	if (!sb->has_csum)
		return;
	sum = map_sum(sb, map, sb->blocks_per_group);
	raw->block_bitmap_csum = (u16)sum;
	if (is_64(sb))
		raw->block_bitmap_csum_hi = (u16)(sum >> 16);
}

void ext4_inode_bitmap_sum(struct ext4_sb *sb, u32 group, const u8 *map)
{
	struct buffer *b;
	struct ext4_disk_group *raw = ext4_group_raw(sb, group, &b);
	u32 sum;

	if (!sb->has_csum)
		return;
	sum = map_sum(sb, map, sb->inodes_per_group);
	raw->inode_bitmap_csum = (u16)sum;
	if (is_64(sb))
		raw->inode_bitmap_csum_hi = (u16)(sum >> 16);
}

static bool map_sum_ok(struct ext4_sb *sb, u32 lo, u32 hi, const u8 *map,
		       u32 nbits)
{
	u32 sum, want = lo;

	if (!sb->has_csum)
		return true;
	sum = map_sum(sb, map, nbits);
	if (is_64(sb))
		want |= hi << 16;
	else
		sum &= 0xffff;
	return sum == want;
}

/* --- Descriptors ---------------------------------------------------------- */

static bool in_group(const struct ext4_sb *sb, u32 group, u64 block, u64 n)
{
	u64 first = ext4_group_first(sb, group);

	return block >= first && block - first < sb->blocks_per_group &&
	       n <= sb->blocks_per_group - (block - first);
}

/* Inside the filesystem, and not on top of the primary superblock and its
 * descriptors. */
static bool place_ok(const struct ext4_sb *sb, u32 group, u64 block, u64 n)
{
	u64 head_end = sb->first_data_block + 1UL;

	if (!is_meta_bg(sb, 0))
		head_end += sb->ngdt;
	if (!ext4_blocks_ok(sb, block, n) || block < head_end)
		return false;
	return (sb->incompat & EXT4_FLEX_BG) || in_group(sb, group, block, n);
}

static void group_parse(struct ext4_sb *sb, const struct ext4_disk_group *raw,
			struct ext4_group *g)
{
	g->block_bitmap = raw->block_bitmap;
	g->inode_bitmap = raw->inode_bitmap;
	g->inode_table = raw->inode_table;
	g->free_blocks = raw->free_blocks;
	g->free_inodes = raw->free_inodes;
	g->used_dirs = raw->used_dirs;
	g->itable_unused = raw->itable_unused;
	g->flags = raw->flags;
	if (is_64(sb)) {
		g->block_bitmap |= (u64)raw->block_bitmap_hi << 32;
		g->inode_bitmap |= (u64)raw->inode_bitmap_hi << 32;
		g->inode_table |= (u64)raw->inode_table_hi << 32;
		g->free_blocks |= (u32)raw->free_blocks_hi << 16;
		g->free_inodes |= (u32)raw->free_inodes_hi << 16;
		g->used_dirs |= (u32)raw->used_dirs_hi << 16;
		g->itable_unused |= (u32)raw->itable_unused_hi << 16;
	}
	if (!sb->has_csum && !sb->has_gdt_csum) {
		g->flags = 0;
		g->itable_unused = 0;
	}
	g->longest = sb->blocks_per_group;
}

static int group_check(struct ext4_sb *sb, u32 group,
		       const struct ext4_disk_group *raw,
		       const struct ext4_group *g)
{
	if ((sb->has_csum || sb->has_gdt_csum) && !sb->is_lenient &&
	    group_sum(sb, group, raw) != raw->checksum)
		return ext4_corrupt(sb, "checksum of group", group);
	if (!place_ok(sb, group, g->block_bitmap, 1))
		return ext4_corrupt(sb, "block bitmap of group", group);
	if (!place_ok(sb, group, g->inode_bitmap, 1))
		return ext4_corrupt(sb, "inode bitmap of group", group);
	if (!place_ok(sb, group, g->inode_table, sb->itable_blocks))
		return ext4_corrupt(sb, "inode table of group", group);
	if (g->free_blocks > ext4_group_blocks(sb, group) ||
	    g->free_inodes > sb->inodes_per_group ||
	    g->used_dirs > sb->inodes_per_group ||
	    g->itable_unused > sb->inodes_per_group)
		return ext4_corrupt(sb, "counts of group", group);
	return 0;
}

static int gdt_read(struct ext4_sb *sb)
{
	sb->gdt = kzalloc(sb->ngdt * sizeof(*sb->gdt));
	if (!sb->gdt)
		return -ENOMEM;
	for (u32 i = 0; i < sb->ngdt; i++) {
		u64 block = gdt_block(sb, i);
		int err;

		if (!ext4_blocks_ok(sb, block, 1))
			return ext4_corrupt(sb, "descriptor block", block);
		err = buffer_read(sb->buffers, block, &sb->gdt[i]);
		if (err)
			return err;
		if (sb->gdt[i]->checked)
			return ext4_corrupt(sb, "descriptor block", block);
		ext4_claim(sb->gdt[i], EXT4_KIND_GROUPS, i);
	}
	return 0;
}

int ext4_groups_load(struct ext4_sb *sb)
{
	int err = gdt_read(sb);

	if (err)
		return err;
	/* As many as there are descriptors: room to grow. */
	sb->groups = kzalloc((u64)sb->ngdt * sb->descs_per_block *
			     sizeof(*sb->groups));
	if (!sb->groups)
		return -ENOMEM;
	sb->overhead = sb->first_data_block;
	for (u32 i = 0; i < sb->ngroups && !err; i++) {
		struct ext4_group *g = &sb->groups[i];
		struct buffer *b;
		const struct ext4_disk_group *raw = ext4_group_raw(sb, i, &b);

		group_parse(sb, raw, g);
		err = group_check(sb, i, raw, g);
		sb->free_blocks += g->free_blocks;
		sb->free_inodes += g->free_inodes;
		sb->overhead +=
			ext4_group_head(sb, i) + 2UL + sb->itable_blocks;
	}
	if (sb->overhead > sb->blocks_count)
		sb->overhead = 0;
	return err;
}

void ext4_groups_free(struct ext4_sb *sb)
{
	for (u32 i = 0; sb->groups && i < sb->ngroups; i++)
		kfree(sb->groups[i].held);
	for (u32 i = 0; sb->gdt && i < sb->ngdt; i++)
		if (sb->gdt[i])
			buffer_put(sb->gdt[i]);
	kfree(sb->groups);
	kfree(sb->gdt);
}

int ext4_group_edit(struct ext4_sb *sb, struct handle *h, u32 group,
		    struct buffer *map)
{
	struct buffer *gb;
	int err = journal_get_write(h, map);

	if (err)
		return err;
	(void)ext4_group_raw(sb, group, &gb);
	return journal_get_write(h, gb);
}

int ext4_group_store(struct ext4_sb *sb, struct handle *h, u32 group)
{
	const struct ext4_group *g = &sb->groups[group];
	struct buffer *b;
	struct ext4_disk_group *raw = ext4_group_raw(sb, group, &b);

	raw->free_blocks = (u16)g->free_blocks;
	raw->free_inodes = (u16)g->free_inodes;
	raw->used_dirs = (u16)g->used_dirs;
	if (is_64(sb)) {
		raw->free_blocks_hi = (u16)(g->free_blocks >> 16);
		raw->free_inodes_hi = (u16)(g->free_inodes >> 16);
		raw->used_dirs_hi = (u16)(g->used_dirs >> 16);
	}
	if (sb->has_csum || sb->has_gdt_csum) {
		raw->flags = (u16)g->flags;
		raw->itable_unused = (u16)g->itable_unused;
		if (is_64(sb))
			raw->itable_unused_hi = (u16)(g->itable_unused >> 16);
		raw->checksum = group_sum(sb, group, raw);
	}
	journal_dirty(h, b);
	return 0;
}

/* --- Bitmaps -------------------------------------------------------------- */

static void set_bits(u8 *map, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++)
		ext4_set_bit(map, i);
}

/* Mark n blocks from `block` on as used if they are in the group. */
static void mark_used(struct ext4_sb *sb, u8 *map, u32 group, u64 block, u32 n)
{
	for (u32 i = 0; i < n; i++)
		if (in_group(sb, group, block + i, 1))
			ext4_set_bit(map, ext4_bit_of(sb, block + i));
}

/* Past the end of what a bitmap describes, all bits are set. */
static void pad_bits(struct ext4_sb *sb, u8 *map, u32 from)
{
	set_bits(map, from, sb->block_size * 8);
}

static void block_bitmap_init(struct ext4_sb *sb, u32 group, u8 *map)
{
	const struct ext4_group *g = &sb->groups[group];

	memset(map, 0, sb->block_size);
	set_bits(map, 0,
		 MIN(ext4_group_head(sb, group), ext4_group_blocks(sb, group)));
	mark_used(sb, map, group, g->block_bitmap, 1);
	mark_used(sb, map, group, g->inode_bitmap, 1);
	mark_used(sb, map, group, g->inode_table, sb->itable_blocks);
	pad_bits(sb, map, ext4_group_blocks(sb, group));
}

/* The first use of a group's bitmap: make it instead of reading it. */
static int bitmap_make(struct ext4_sb *sb, struct handle *h, u32 group,
		       u32 flag, u64 block, struct buffer **b)
{
	struct ext4_group *g = &sb->groups[group];
	int err;

	if (!h)
		return -ENODATA;
	err = ext4_host_reserve(sb, block, 1);
	if (err)
		return err;
	err = buffer_new(sb->buffers, block, b);
	if (err)
		return err;
	err = ext4_group_edit(sb, h, group, *b);
	if (err) {
		buffer_put(*b);
		return err;
	}
	if (flag == EXT4_BLOCK_UNINIT) {
		block_bitmap_init(sb, group, (*b)->data);
		ext4_block_bitmap_sum(sb, group, (*b)->data);
		ext4_claim(*b, EXT4_KIND_BLOCK_BITMAP, group);
	} else {
		memset((*b)->data, 0, sb->block_size);
		pad_bits(sb, (*b)->data, sb->inodes_per_group);
		ext4_inode_bitmap_sum(sb, group, (*b)->data);
		ext4_claim(*b, EXT4_KIND_INODE_BITMAP, group);
	}
	g->flags &= ~flag;
	journal_dirty(h, *b);
	return ext4_group_store(sb, h, group);
}

static u32 count_clear(const u8 *map, u32 nbits)
{
	u32 n = 0;

	for (u32 i = 0; i < nbits; i++)
		n += !ext4_test_bit(map, i);
	return n;
}

static int block_bitmap_check(struct ext4_sb *sb, u32 group,
			      const struct buffer *b)
{
	const struct ext4_group *g = &sb->groups[group];
	struct buffer *gb;
	const struct ext4_disk_group *raw = ext4_group_raw(sb, group, &gb);
	u32 n = ext4_group_blocks(sb, group);

	if (!map_sum_ok(sb, raw->block_bitmap_csum, raw->block_bitmap_csum_hi,
			b->data, sb->blocks_per_group))
		return ext4_corrupt(sb, "checksum of block bitmap", group);
	if (in_group(sb, group, g->block_bitmap, 1) &&
	    !ext4_test_bit(b->data, ext4_bit_of(sb, g->block_bitmap)))
		return ext4_corrupt(sb, "block bitmap", group);
	if (count_clear(b->data, n) != g->free_blocks)
		return ext4_corrupt(sb, "free blocks of group", group);
	return 0;
}

int ext4_block_bitmap(struct ext4_sb *sb, struct handle *h, u32 group,
		      struct buffer **b)
{
	const struct ext4_group *g = &sb->groups[group];
	int err;

	if (g->flags & EXT4_BLOCK_UNINIT)
		return bitmap_make(sb, h, group, EXT4_BLOCK_UNINIT,
				   g->block_bitmap, b);
	err = buffer_read(sb->buffers, g->block_bitmap, b);
	if (err)
		return err;
	err = ext4_known(sb, *b, EXT4_KIND_BLOCK_BITMAP, group);
	if (err == 0)
		return 0;
	if (err > 0)
		err = block_bitmap_check(sb, group, *b);
	if (err) {
		buffer_put(*b);
		return err;
	}
	ext4_claim(*b, EXT4_KIND_BLOCK_BITMAP, group);
	return 0;
}

int ext4_inode_bitmap(struct ext4_sb *sb, struct handle *h, u32 group,
		      struct buffer **b)
{
	const struct ext4_group *g = &sb->groups[group];
	struct buffer *gb;
	const struct ext4_disk_group *raw = ext4_group_raw(sb, group, &gb);
	int err;

	if (g->flags & EXT4_INODE_UNINIT)
		return bitmap_make(sb, h, group, EXT4_INODE_UNINIT,
				   g->inode_bitmap, b);
	err = buffer_read(sb->buffers, g->inode_bitmap, b);
	if (err)
		return err;
	err = ext4_known(sb, *b, EXT4_KIND_INODE_BITMAP, group);
	if (err == 0)
		return 0;
	if (err < 0)
		goto out_put;
	err = 0;
	if (!map_sum_ok(sb, raw->inode_bitmap_csum, raw->inode_bitmap_csum_hi,
			(*b)->data, sb->inodes_per_group))
		err = ext4_corrupt(sb, "checksum of inode bitmap", group);
	else if (count_clear((*b)->data, sb->inodes_per_group) !=
		 g->free_inodes)
		err = ext4_corrupt(sb, "free inodes of group", group);
	if (err)
		goto out_put;
	ext4_claim(*b, EXT4_KIND_INODE_BITMAP, group);
	return 0;
out_put:
	buffer_put(*b);
	return err;
}
