/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orphan file (feature orphan_file): blocks of inode numbers. It is read
 * at mount and emptied; orphans made here go on the list (orphan.c).
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

static struct ext4_orphan_tail *tail_of(const struct ext4_sb *sb,
					const struct buffer *b)
{
	return (struct ext4_orphan_tail *)(b->data + sb->block_size -
					   sizeof(struct ext4_orphan_tail));
}

static u32 slots(const struct ext4_sb *sb)
{
	return (u32)((sb->block_size - sizeof(struct ext4_orphan_tail)) / 4);
}

static u32 block_sum(const struct inode *file, const struct buffer *b)
{
	u32 crc = crc32c(ext4_node(file)->csum_seed, (const u8 *)&b->block, 8);

	return crc32c(crc, b->data, slots(ext4_sb(file)) * 4UL);
}

static int finish_one(struct ext4_sb *sb, u64 ino)
{
	struct inode *i;
	int err;

	if (ino < sb->first_ino || ino > sb->inodes_count)
		return ext4_corrupt(sb, "orphan inode", ino);
	if (!ext4_inode_in_use(sb, ino))
		return 0; /* dealt with before the last crash */
	err = ext4_iget(sb->fs, ino, EXT4_IGET_ORPHAN, &i);
	if (err)
		return err;
	if (i->nlink && inode_is(i, TYPE_REG))
		err = ext4_truncate(i, i->size);
	inode_put(i);
	return err;
}

static int process_block(struct ext4_sb *sb, struct inode *file,
			 struct buffer *b)
{
	u32 *ino = (u32 *)b->data;
	bool used = false;
	struct handle h;
	int err = 0;

	if (tail_of(sb, b)->magic != EXT4_ORPHAN_MAGIC ||
	    (sb->has_csum && tail_of(sb, b)->checksum != block_sum(file, b)))
		return ext4_corrupt(sb, "orphan file block", b->block);
	for (u32 k = 0; k < slots(sb) && !err; k++) {
		used |= ino[k] != 0;
		if (ino[k])
			err = finish_one(sb, ino[k]);
	}
	if (err || !used)
		return err;
	err = ext4_start(sb, 2, &h);
	if (err)
		return err;
	err = journal_get_write(&h, b);
	if (!err) {
		memset(b->data, 0, slots(sb) * 4UL);
		tail_of(sb, b)->checksum = block_sum(file, b);
		journal_dirty(&h, b);
	}
	journal_stop(&h);
	return err;
}

static void clear_feature(struct ext4_disk_sb *raw, u32 arg)
{
	raw->ro_compat &= ~arg;
}

static int process_file(struct ext4_sb *sb, struct inode *file)
{
	u64 n = file->size >> sb->block_bits;
	struct buffer *b;
	int err = 0;

	for (u64 k = 0; k < n && !err; k++) {
		err = ext4_dir_raw_block(file, (u32)k, &b);
		if (err || !b)
			continue;
		err = ext4_known(sb, b, EXT4_KIND_ORPHANS, file->ino);
		if (err >= 0) {
			ext4_claim(b, EXT4_KIND_ORPHANS, file->ino);
			err = process_block(sb, file, b);
		}
		buffer_put(b);
	}
	return err;
}

int ext4_orphan_file_process(struct ext4_sb *sb)
{
	struct inode *file;
	struct handle h;
	int err;

	if (!(sb->ro_compat & EXT4_ORPHAN_PRESENT))
		return 0;
	err = ext4_iget(sb->fs, ext4_super_raw(sb)->orphan_file_inum,
			EXT4_IGET_SPECIAL, &file);
	if (err)
		return err;
	err = process_file(sb, file);
	inode_put(file);
	if (!err)
		err = ext4_start(sb, 1, &h);
	if (err)
		return err;
	err = ext4_super_store(sb, &h, clear_feature, EXT4_ORPHAN_PRESENT);
	sb->ro_compat &= ~(u32)EXT4_ORPHAN_PRESENT;
	journal_stop(&h);
	return err;
}
