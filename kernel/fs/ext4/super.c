/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The superblock: every field is checked before it is used, features that are
 * not known are refused by name; and what is written back.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/linux/stat.h"

#define MAX_GROUPS (1U << 20)
#define MAX_ERROR_LINES 16

struct feature {
	u32 bit;
	const char *name;
};

#define INCOMPAT_KNOWN                                                \
	(EXT4_FILETYPE | EXT4_RECOVER | EXT4_META_BG | EXT4_EXTENTS | \
	 EXT4_64BIT | EXT4_FLEX_BG | EXT4_CSUM_SEED | EXT4_LARGEDIR)
#define RO_COMPAT_KNOWN                                         \
	(EXT4_SPARSE_SUPER | EXT4_LARGE_FILE | EXT4_HUGE_FILE | \
	 EXT4_GDT_CSUM | EXT4_DIR_NLINK | EXT4_EXTRA_ISIZE |    \
	 EXT4_METADATA_CSUM | EXT4_READONLY | EXT4_ORPHAN_PRESENT)

static const struct feature incompat_names[] = {
	{ 0x1, "compression" }, { 0x8, "journal_dev" },
	{ 0x100, "mmp" },	{ 0x400, "ea_inode" },
	{ 0x1000, "dirdata" },	{ 0x8000, "inline_data" },
	{ 0x10000, "encrypt" }, { 0x20000, "casefold" },
};
static const struct feature ro_compat_names[] = {
	{ 0x4, "btree_dir" },	     { 0x80, "snapshot" },
	{ 0x100, "quota" },	     { 0x200, "bigalloc" },
	{ 0x800, "replica" },	     { 0x2000, "project" },
	{ 0x4000, "shared_blocks" }, { 0x8000, "verity" },
};

/* Names of the unknown bits into the log. */
static void refuse(const char *kind, u32 bits, const struct feature *names,
		   u32 n)
{
	u32 left = bits;

	for (u32 i = 0; i < n; i++) {
		if (!(bits & names[i].bit))
			continue;
		klog("ext4: %s feature %s is not supported", kind,
		     names[i].name);
		left &= ~names[i].bit;
	}
	if (left)
		klog("ext4: unknown %s features %#x", kind, left);
}

static int refuse_value(const char *what, u64 value)
{
	klog("ext4: bad superblock: %s is %lu", what, value);
	return -EUCLEAN;
}

static u32 super_sum(const struct ext4_disk_sb *raw)
{
	return crc32c(~0U, (const u8 *)raw,
		      offsetof(struct ext4_disk_sb, checksum));
}

static int check_features(struct ext4_sb *sb, const struct ext4_disk_sb *raw,
			  bool is_readonly, bool is_strict)
{
	u32 bad;

	if (raw->rev_level > 1)
		return refuse_value("revision", raw->rev_level);
	if (raw->rev_level == 1) {
		sb->compat = raw->compat;
		sb->incompat = raw->incompat;
		sb->ro_compat = raw->ro_compat;
	}
	bad = sb->incompat & ~(u32)INCOMPAT_KNOWN;
	if (bad) {
		refuse("incompatible", bad, incompat_names,
		       ARRAY_SIZE(incompat_names));
		return -EOPNOTSUPP;
	}
	bad = sb->ro_compat & ~(u32)RO_COMPAT_KNOWN;
	if (bad && !is_readonly) {
		refuse("read-only compatible", bad, ro_compat_names,
		       ARRAY_SIZE(ro_compat_names));
		return -EOPNOTSUPP;
	}
	sb->has_csum = (sb->ro_compat & EXT4_METADATA_CSUM) != 0;
	sb->has_gdt_csum = (sb->ro_compat & EXT4_GDT_CSUM) != 0;
	if (sb->has_csum && sb->has_gdt_csum)
		return refuse_value("both kinds of checksums", 1);
	if (!sb->has_csum)
		return 0;
	if (raw->checksum_type != 1)
		return refuse_value("checksum type", raw->checksum_type);
	/* One that was torn is mended by the journal. */
	if (super_sum(raw) != raw->checksum &&
	    (is_strict || !(raw->incompat & EXT4_RECOVER)))
		return refuse_value("checksum", raw->checksum);
	return 0;
}

static int check_sizes(struct ext4_sb *sb, const struct ext4_disk_sb *raw)
{
	sb->block_bits = 10 + raw->log_block_size;
	if (raw->log_block_size > 2)
		return refuse_value("log of block size", raw->log_block_size);
	if (raw->log_cluster_size != raw->log_block_size)
		return refuse_value("log of cluster size",
				    raw->log_cluster_size);
	sb->block_size = 1U << sb->block_bits;
	sb->inode_size = EXT4_INODE_OLD_SIZE;
	sb->first_ino = EXT4_OLD_FIRST_INO;
	if (raw->rev_level == 1) {
		sb->inode_size = raw->inode_size;
		sb->first_ino = raw->first_ino;
	}
	if (sb->inode_size < EXT4_INODE_OLD_SIZE ||
	    sb->inode_size > sb->block_size ||
	    (sb->inode_size & (sb->inode_size - 1)))
		return refuse_value("inode size", sb->inode_size);
	if (sb->first_ino < EXT4_OLD_FIRST_INO)
		return refuse_value("first inode", sb->first_ino);
	sb->desc_size = EXT4_GROUP_SIZE_OLD;
	if (sb->incompat & EXT4_64BIT) {
		sb->desc_size = raw->desc_size;
		if (sb->desc_size < sizeof(struct ext4_disk_group) ||
		    sb->desc_size > 1024 ||
		    (sb->desc_size & (sb->desc_size - 1)))
			return refuse_value("descriptor size", sb->desc_size);
	}
	sb->inodes_per_block = sb->block_size / sb->inode_size;
	sb->descs_per_block = sb->block_size / sb->desc_size;
	return 0;
}

static int check_groups(struct ext4_sb *sb, const struct ext4_disk_sb *raw)
{
	sb->blocks_per_group = raw->blocks_per_group;
	sb->inodes_per_group = raw->inodes_per_group;
	if (sb->blocks_per_group < 64 ||
	    sb->blocks_per_group > sb->block_size * 8 ||
	    sb->blocks_per_group % 8)
		return refuse_value("blocks per group", sb->blocks_per_group);
	if (raw->clusters_per_group != raw->blocks_per_group)
		return refuse_value("clusters per group",
				    raw->clusters_per_group);
	if (sb->inodes_per_group < sb->inodes_per_block ||
	    sb->inodes_per_group > sb->block_size * 8 ||
	    sb->inodes_per_group % sb->inodes_per_block ||
	    sb->inodes_per_group % 8)
		return refuse_value("inodes per group", sb->inodes_per_group);
	sb->itable_blocks = sb->inodes_per_group / sb->inodes_per_block;
	return 0;
}

static int check_counts(struct ext4_sb *sb, const struct ext4_disk_sb *raw)
{
	u64 size = block_size(sb->device) >> sb->block_bits;
	u64 ngroups;

	sb->blocks_count = raw->blocks_count;
	sb->reserved_blocks = raw->r_blocks_count;
	if (sb->incompat & EXT4_64BIT) {
		sb->blocks_count |= (u64)raw->blocks_count_hi << 32;
		sb->reserved_blocks |= (u64)raw->r_blocks_count_hi << 32;
	}
	sb->first_data_block = raw->first_data_block;
	if (sb->first_data_block != (sb->block_size == 1024 ? 1 : 0))
		return refuse_value("first data block", sb->first_data_block);
	if (sb->blocks_count > size) {
		klog("ext4: the filesystem has %lu blocks, its device %lu",
		     sb->blocks_count, size);
		return -EUCLEAN;
	}
	if (sb->blocks_count <= sb->first_data_block + 8UL)
		return refuse_value("number of blocks", sb->blocks_count);
	if (sb->reserved_blocks > sb->blocks_count)
		return refuse_value("reserved blocks", sb->reserved_blocks);
	ngroups = (sb->blocks_count - sb->first_data_block +
		   sb->blocks_per_group - 1) /
		  sb->blocks_per_group;
	if (ngroups > MAX_GROUPS)
		return refuse_value("number of groups", ngroups);
	sb->ngroups = (u32)ngroups;
	sb->ngdt =
		(sb->ngroups + sb->descs_per_block - 1) / sb->descs_per_block;
	sb->inodes_count = raw->inodes_count;
	if (ngroups * sb->inodes_per_group != sb->inodes_count)
		return refuse_value("number of inodes", sb->inodes_count);
	if (sb->first_ino > sb->inodes_count)
		return refuse_value("first inode", sb->first_ino);
	if (raw->reserved_gdt_blocks > sb->block_size / 4)
		return refuse_value("reserved descriptor blocks",
				    raw->reserved_gdt_blocks);
	if ((sb->incompat & EXT4_META_BG) && raw->first_meta_bg > sb->ngdt)
		return refuse_value("first meta group", raw->first_meta_bg);
	return 0;
}

static void take_hash(struct ext4_sb *sb, const struct ext4_disk_sb *raw)
{
	for (u32 i = 0; i < 4; i++)
		sb->hash_seed[i] = raw->hash_seed[i];
	sb->hash_version = raw->def_hash_version;
	if (sb->hash_version > EXT4_HASH_TEA)
		sb->hash_version = EXT4_HASH_HALF_MD4;
	/* Neither flag: made where char is signed, as here. */
	sb->is_hash_unsigned = (raw->flags & EXT4_UNSIGNED_HASH) != 0;
	sb->csum_seed = crc32c(~0U, raw->uuid, sizeof(raw->uuid));
	if (sb->incompat & EXT4_CSUM_SEED)
		sb->csum_seed = raw->checksum_seed;
}

int ext4_super_check(struct ext4_sb *sb, const struct ext4_disk_sb *raw,
		     bool is_readonly, bool is_strict)
{
	int err;

	if (raw->magic != EXT4_MAGIC) {
		klog("ext4: no ext4 filesystem on %s", sb->device->name);
		return -EINVAL;
	}
	err = check_features(sb, raw, is_readonly, is_strict);
	if (!err)
		err = check_sizes(sb, raw);
	if (!err)
		err = check_groups(sb, raw);
	if (!err)
		err = check_counts(sb, raw);
	if (!err)
		take_hash(sb, raw);
	return err;
}

/* --- Writing it ----------------------------------------------------------- */

/* The product of two polynomials modulo that of CRC-32C, bits reflected. */
static u32 crc_multiply(u32 a, u32 b)
{
	u32 product = 0;

	for (u32 bit = 1U << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? b >> 1 ^ 0x82f63b78U : b >> 1;
	}
	return product;
}

/* Have the sum fit. It lies in the superblock's second sector, all that changes
 * in the first: were both written, a power cut between them would leave neither
 * the old superblock nor the new one. So the sum stays, and a field of the
 * first sector that nobody uses (before ext4 it was to be for compression)
 * makes it right: what it adds to the sum of 820 bytes later is its value times
 * x^6560. */
static void seal(struct ext4_disk_sb *raw)
{
	const u32 x_to_minus_6560 = 0x3f8f7923;

	_Static_assert(offsetof(struct ext4_disk_sb, checksum) -
				       offsetof(struct ext4_disk_sb,
						algorithm_usage) ==
			       820,
		       "6560 bits");
	raw->algorithm_usage = 0;
	raw->algorithm_usage =
		crc_multiply(raw->checksum ^ super_sum(raw), x_to_minus_6560);
}

void ext4_super_counts(struct ext4_sb *sb, struct ext4_disk_sb *raw)
{
	u64 free_blocks = atomic_load(&sb->free_blocks);
	u64 now = (u64)time_now().sec;

	raw->free_blocks = (u32)free_blocks;
	raw->free_blocks_hi = (u32)(free_blocks >> 32);
	raw->free_inodes = (u32)atomic_load(&sb->free_inodes);
	raw->wtime = (u32)now;
	raw->times_hi[0] = (u8)(now >> 32);
	if (atomic_load(&sb->nerrors)) {
		raw->state |= EXT4_ERROR_FS;
		raw->error_count = MAX(raw->error_count, 1U);
		raw->last_error_time = (u32)now;
		if (!raw->first_error_time)
			raw->first_error_time = (u32)now;
	}
	if (sb->has_csum)
		seal(raw);
}

int ext4_super_store(struct ext4_sb *sb, struct handle *h,
		     void (*change)(struct ext4_disk_sb *raw, u32 arg), u32 arg)
{
	struct ext4_disk_sb *raw = ext4_super_raw(sb);
	int err = journal_get_write(h, sb->super);

	if (err)
		return err;
	if (change)
		change(raw, arg);
	ext4_super_counts(sb, raw);
	journal_dirty(h, sb->super);
	return 0;
}

int ext4_start(struct ext4_sb *sb, u32 credits, struct handle *h)
{
	if (!sb->journal || atomic_load(&sb->fs->is_readonly))
		return -EROFS;
	return journal_start(sb->journal, credits, h);
}

int ext4_corrupt(struct ext4_sb *sb, const char *what, u64 number)
{
	u32 n = atomic_fetch_add(&sb->nerrors, 1);

	if (n < MAX_ERROR_LINES)
		klog("ext4: %s: corrupt: %s %lu", sb->device->name, what,
		     number);
	if (n == MAX_ERROR_LINES)
		klog("ext4: %s: more errors are not shown", sb->device->name);
	return -EUCLEAN;
}

int ext4_known(struct ext4_sb *sb, const struct buffer *b, enum ext4_kind kind,
	       u64 owner)
{
	u32 checked = atomic_load(&b->checked);

	if (checked == ((u32)kind | (u32)owner << 4))
		return 0;
	return checked ? ext4_corrupt(sb, "block used twice", b->block) : 1;
}

int ext4_statfs(struct fs *fs, struct linux_statfs *st)
{
	struct ext4_sb *sb = fs->data;
	const struct ext4_disk_sb *raw = ext4_super_raw(sb);
	u64 id[2];

	memcpy(id, raw->uuid, sizeof(id));
	id[0] ^= id[1];
	st->type = (s64)fs->magic;
	st->bsize = sb->block_size;
	st->frsize = sb->block_size;
	st->blocks = sb->blocks_count - sb->overhead;
	st->bfree = atomic_load(&sb->free_blocks);
	st->bavail = st->bfree > sb->reserved_blocks
			     ? st->bfree - sb->reserved_blocks
			     : 0;
	st->files = sb->inodes_count;
	st->ffree = atomic_load(&sb->free_inodes);
	st->namelen = EXT4_NAME_MAX;
	st->fsid[0] = (s32)id[0];
	st->fsid[1] = (s32)(id[0] >> 32);
	return 0;
}
