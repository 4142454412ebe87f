/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4 on disk, as the Linux kernel's documentation (filesystems/ext4)
 * describes it. All numbers are little-endian, which is what the CPUs that
 * Jiffy runs on are; structures are packed, so nothing need be aligned.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_FORMAT_H
#define JIFFY_KERNEL_FS_EXT4_FORMAT_H

#include "lib/compiler.h"

#define EXT4_MAGIC 0xef53
#define EXT4_SB_OFFSET 1024U
#define EXT4_SB_SIZE 1024U

enum {
	EXT4_BAD_INO = 1,
	EXT4_ROOT_INO = 2,
	EXT4_RESIZE_INO = 7,
	EXT4_JOURNAL_INO = 8,
	EXT4_OLD_FIRST_INO = 11
};

enum ext4_compat {
	EXT4_HAS_JOURNAL = 0x4,
	EXT4_EXT_ATTR = 0x8,
	EXT4_RESIZE_INODE = 0x10,
	EXT4_DIR_INDEX = 0x20,
	EXT4_SPARSE_SUPER2 = 0x200,
	EXT4_ORPHAN_FILE = 0x1000,
};
enum ext4_incompat {
	EXT4_FILETYPE = 0x2,
	EXT4_RECOVER = 0x4,
	EXT4_META_BG = 0x10,
	EXT4_EXTENTS = 0x40,
	EXT4_64BIT = 0x80,
	EXT4_FLEX_BG = 0x200,
	EXT4_CSUM_SEED = 0x2000,
	EXT4_LARGEDIR = 0x4000,
};
enum ext4_ro_compat {
	EXT4_SPARSE_SUPER = 0x1,
	EXT4_LARGE_FILE = 0x2,
	EXT4_HUGE_FILE = 0x8,
	EXT4_GDT_CSUM = 0x10,
	EXT4_DIR_NLINK = 0x20,
	EXT4_EXTRA_ISIZE = 0x40,
	EXT4_METADATA_CSUM = 0x400,
	EXT4_READONLY = 0x1000,
	EXT4_ORPHAN_PRESENT = 0x10000,
};
enum ext4_state { EXT4_VALID_FS = 1, EXT4_ERROR_FS = 2, EXT4_ORPHAN_FS = 4 };
enum { EXT4_ERRORS_CONTINUE = 1 };
enum { EXT4_SIGNED_HASH = 1, EXT4_UNSIGNED_HASH = 2 }; /* s_flags */

struct ext4_disk_sb {
	u32 inodes_count;
	u32 blocks_count;
	u32 r_blocks_count;
	u32 free_blocks;
	u32 free_inodes;
	u32 first_data_block;
	u32 log_block_size;
	u32 log_cluster_size;
	u32 blocks_per_group;
	u32 clusters_per_group;
	u32 inodes_per_group;
	u32 mtime;
	u32 wtime;
	u16 mnt_count;
	u16 max_mnt_count;
	u16 magic;
	u16 state;
	u16 errors;
	u16 minor_rev;
	u32 lastcheck;
	u32 checkinterval;
	u32 creator_os;
	u32 rev_level;
	u16 def_resuid;
	u16 def_resgid;
	u32 first_ino;
	u16 inode_size;
	u16 block_group_nr;
	u32 compat;
	u32 incompat;
	u32 ro_compat;
	u8 uuid[16];
	char volume_name[16];
	char last_mounted[64];
	u32 algorithm_usage;
	u8 prealloc_blocks;
	u8 prealloc_dir_blocks;
	u16 reserved_gdt_blocks;
	u8 journal_uuid[16];
	u32 journal_inum;
	u32 journal_dev;
	u32 last_orphan;
	u32 hash_seed[4];
	u8 def_hash_version;
	u8 jnl_backup_type;
	u16 desc_size;
	u32 default_mount_opts;
	u32 first_meta_bg;
	u32 mkfs_time;
	u32 jnl_blocks[17];
	u32 blocks_count_hi;
	u32 r_blocks_count_hi;
	u32 free_blocks_hi;
	u16 min_extra_isize;
	u16 want_extra_isize;
	u32 flags;
	u16 raid_stride;
	u16 mmp_interval;
	u64 mmp_block;
	u32 raid_stripe_width;
	u8 log_groups_per_flex;
	u8 checksum_type;
	u16 reserved_pad;
	u64 kbytes_written;
	u8 snapshots[20];
	u32 error_count;
	u32 first_error_time;
	u32 first_error_ino;
	u64 first_error_block;
	char first_error_func[32];
	u32 first_error_line;
	u32 last_error_time;
	u32 last_error_ino;
	u32 last_error_line;
	u64 last_error_block;
	char last_error_func[32];
	char mount_opts[64];
	u32 usr_quota_inum;
	u32 grp_quota_inum;
	u32 overhead_clusters;
	u32 backup_bgs[2];
	u8 encrypt_algos[4];
	u8 encrypt_salt[16];
	u32 lpf_ino;
	u32 prj_quota_inum;
	u32 checksum_seed;
	u8 times_hi[6];
	u8 error_codes[2];
	u16 encoding;
	u16 encoding_flags;
	u32 orphan_file_inum;
	u32 reserved[94];
	u32 checksum;
} PACKED;
_Static_assert(sizeof(struct ext4_disk_sb) == EXT4_SB_SIZE, "format");

enum ext4_bg_flags {
	EXT4_INODE_UNINIT = 1,
	EXT4_BLOCK_UNINIT = 2,
	EXT4_INODE_ZEROED = 4,
};
struct ext4_disk_group {
	u32 block_bitmap;
	u32 inode_bitmap;
	u32 inode_table;
	u16 free_blocks;
	u16 free_inodes;
	u16 used_dirs;
	u16 flags;
	u32 exclude_bitmap;
	u16 block_bitmap_csum;
	u16 inode_bitmap_csum;
	u16 itable_unused;
	u16 checksum;
	/* 64-bit: */
	u32 block_bitmap_hi;
	u32 inode_bitmap_hi;
	u32 inode_table_hi;
	u16 free_blocks_hi;
	u16 free_inodes_hi;
	u16 used_dirs_hi;
	u16 itable_unused_hi;
	u32 exclude_bitmap_hi;
	u16 block_bitmap_csum_hi;
	u16 inode_bitmap_csum_hi;
	u32 reserved;
} PACKED;
_Static_assert(sizeof(struct ext4_disk_group) == 64, "format");
#define EXT4_GROUP_SIZE_OLD 32U

enum ext4_inode_flags {
	EXT4_IMMUTABLE_FL = 0x10,
	EXT4_APPEND_FL = 0x20,
	EXT4_INDEX_FL = 0x1000,
	EXT4_HUGE_FILE_FL = 0x40000,
	EXT4_TOPDIR_FL = 0x20000,
	EXT4_EXTENTS_FL = 0x80000,
	EXT4_EA_INODE_FL = 0x200000,
	EXT4_INLINE_DATA_FL = 0x10000000,
};
/* What new inodes take over from their directory. */
#define EXT4_FL_INHERITED 0x100c8U /* sync, nodump, noatime, dirsync */

#define EXT4_NBLOCKS 15U
struct ext4_disk_inode {
	u16 mode;
	u16 uid;
	u32 size;
	u32 atime;
	u32 ctime;
	u32 mtime;
	u32 dtime;
	u16 gid;
	u16 nlink;
	u32 blocks;
	u32 flags;
	u32 version;
	u8 block[EXT4_NBLOCKS * 4];
	u32 generation;
	u32 file_acl;
	u32 size_hi;
	u32 obsolete_faddr;
	u16 blocks_hi;
	u16 file_acl_hi;
	u16 uid_hi;
	u16 gid_hi;
	u16 checksum;
	u16 reserved;
	/* Past the first 128 bytes: as far as extra_isize reaches. */
	u16 extra_isize;
	u16 checksum_hi;
	u32 ctime_extra;
	u32 mtime_extra;
	u32 atime_extra;
	u32 crtime;
	u32 crtime_extra;
	u32 version_hi;
	u32 projid;
} PACKED;
_Static_assert(sizeof(struct ext4_disk_inode) == 160, "format");
#define EXT4_INODE_OLD_SIZE 128U

/* --- Extents -------------------------------------------------------------- */

#define EXT4_EXTENT_MAGIC 0xf30a
#define EXT4_EXTENT_DEPTH_MAX 5
/* Lengths above this mark unwritten extents of len - EXT4_INIT_MAX blocks. */
#define EXT4_INIT_MAX 32768U
#define EXT4_UNWRITTEN_MAX 32767U

struct ext4_extent_header {
	u16 magic;
	u16 entries;
	u16 max;
	u16 depth;
	u32 generation;
} PACKED;
struct ext4_disk_extent {
	u32 block;
	u16 len;
	u16 start_hi;
	u32 start;
} PACKED;
struct ext4_extent_index {
	u32 block;
	u32 leaf;
	u16 leaf_hi;
	u16 unused;
} PACKED;
_Static_assert(sizeof(struct ext4_disk_extent) == 12, "format");
_Static_assert(sizeof(struct ext4_extent_index) == 12, "format");
_Static_assert(sizeof(struct ext4_extent_header) == 12, "format");

/* --- Directories ---------------------------------------------------------- */

#define EXT4_NAME_MAX 255U
#define EXT4_DIRENT_HEAD 8U
#define EXT4_DIRENT_SIZE(len) ROUND_UP(EXT4_DIRENT_HEAD + (u32)(len), 4U)
struct ext4_dirent {
	u32 inode;
	u16 rec_len;
	u8 name_len;
	u8 type;
	char name[];
} PACKED;
enum ext4_dirent_type {
	EXT4_FT_UNKNOWN,
	EXT4_FT_REG,
	EXT4_FT_DIR,
	EXT4_FT_CHR,
	EXT4_FT_BLK,
	EXT4_FT_FIFO,
	EXT4_FT_SOCK,
	EXT4_FT_LNK,
	EXT4_FT_TAIL = 0xde,
};
struct ext4_dirent_tail {
	u32 zero;
	u16 rec_len; /* 12 */
	u8 zero_len;
	u8 type; /* EXT4_FT_TAIL */
	u32 checksum;
} PACKED;

enum ext4_hash_version {
	EXT4_HASH_LEGACY,
	EXT4_HASH_HALF_MD4,
	EXT4_HASH_TEA,
	EXT4_HASH_LEGACY_UNSIGNED,
	EXT4_HASH_HALF_MD4_UNSIGNED,
	EXT4_HASH_TEA_UNSIGNED,
};
struct ext4_dx_root { /* of block 0 */
	u8 dot[12];
	u8 dotdot[12];
	u32 reserved;
	u8 hash_version;
	u8 info_length; /* 8 */
	u8 levels;	/* of index blocks below */
	u8 unused_flags;
	/* entries */
} PACKED;
#define EXT4_DX_ROOT_ENTRIES 32U
#define EXT4_DX_NODE_ENTRIES 8U
struct ext4_dx_count { /* in place of the first entry's hash */
	u16 limit;
	u16 count;
} PACKED;
struct ext4_dx_entry {
	u32 hash;
	u32 block;
} PACKED;
struct ext4_dx_tail {
	u32 reserved;
	u32 checksum;
} PACKED;

/* --- Extended attributes -------------------------------------------------- */

#define EXT4_XATTR_MAGIC 0xea020000U
#define EXT4_XATTR_REFCOUNT_MAX 1024U
struct ext4_xattr_header { /* of a block */
	u32 magic;
	u32 refcount;
	u32 blocks; /* 1 */
	u32 hash;
	u32 checksum;
	u32 reserved[3];
} PACKED;
_Static_assert(sizeof(struct ext4_xattr_header) == 32, "format");
struct ext4_xattr_entry {
	u8 name_len;
	u8 index;
	u16 value_offset;
	u32 value_inum;
	u32 value_size;
	u32 hash;
	char name[];
} PACKED;
#define EXT4_XATTR_ENTRY_SIZE(len) ROUND_UP(16U + (u32)(len), 4U)

/* --- The orphan file ------------------------------------------------------ */

#define EXT4_ORPHAN_MAGIC 0x0b10ca04U
struct ext4_orphan_tail {
	u32 magic;
	u32 checksum;
} PACKED;

#endif
