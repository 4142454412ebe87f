/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4 in memory, and what its files call of each other.
 *
 * Locks, outermost first: inode.lock of the VFS; node->io_lock (read: data is
 * written to blocks; write: blocks are taken away); a handle of the journal;
 * node->map_lock (the extent tree and disk_size); group->lock (bitmaps and
 * descriptor); sb->orphan_lock; node->lock (link count, the raw inode);
 * sb->table_lock, sb->pending_lock. A handle is never begun under any of the
 * locks behind it in this list.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_EXT4_H
#define JIFFY_KERNEL_FS_EXT4_EXT4_H

#include "kernel/fs/ext4/format.h"
#include "kernel/fs/ext4/journal.h"
#include "kernel/proc/waitq.h"
#include "kernel/vfs/inode.h"

#define EXT4_TABLE_BUCKETS 1024U

struct journal_map;

struct ext4_group {
	struct mutex lock;
	u64 block_bitmap, inode_bitmap, inode_table;
	u32 free_blocks, free_inodes, used_dirs, itable_unused;
	u32 flags;
	/* Free in the bitmap, but not to be given out: preallocated, or freed
	 * in a transaction that is not on disk yet. NULL: none. */
	u8 *held;
	u32 nheld;
	u32 hint; /* no free block is likely below */
	/* No run longer than this was seen; reset when blocks are freed. */
	u32 longest;
};

struct ext4_sb {
	struct fs *fs;
	struct block_device *device;
	struct buffer_cache *buffers;
	struct journal *journal; /* NULL: read-only */
	u32 block_size, block_bits;
	u32 inode_size, inodes_per_block;
	u32 desc_size, descs_per_block;
	u32 blocks_per_group, inodes_per_group;
	u32 itable_blocks; /* of a group */
	u32 first_data_block, first_ino;
	u32 inodes_count;
	u64 blocks_count, reserved_blocks, overhead;
	u32 ngroups, ngdt;
	u32 compat, incompat, ro_compat;
	bool has_csum, has_gdt_csum, is_hash_unsigned;
	u32 csum_seed;
	u32 hash_seed[4];
	u32 hash_version;
	u32 next_generation; /* atomic */
	u32 tree_reserve;    /* blocks kept for conversions */
	u32 nerrors;	     /* atomic */
	bool is_lenient;     /* before the journal is replayed: no checksums */
	struct journal_map *journal_map; /* while the journal is opened */
	u64 free_blocks, free_inodes;	 /* atomic */
	u64 held_blocks;		 /* preallocated ones; atomic */
	struct ext4_group *groups;
	struct buffer **gdt; /* descriptors, always in memory */
	struct buffer *super;
	struct rwlock resize_lock; /* online growth against whole walks */
	struct mutex orphan_lock;
	struct list orphans; /* ext4_node.orphan, the on-disk list's order */
	struct mutex pending_lock;
	struct list pending; /* struct ext4_freed, oldest first */
	struct mutex table_lock;
	struct waitq evicted;
	struct ext4_node *table[EXT4_TABLE_BUCKETS];
};

/* Attributes as the raw inode has them, to know whether it is up to date. */
struct ext4_stored {
	u32 mode, uid, gid;
	struct ltimespec atime, mtime, ctime;
};

struct ext4_node { /* inode->data */
	struct inode *inode;
	struct ext4_node *next; /* in the table */
	struct mutex lock;
	struct rwlock io_lock;
	struct rwlock map_lock;
	u32 flags; /* enum ext4_inode_flags */
	u32 generation;
	u32 csum_seed; /* of what belongs to this inode */
	u16 extra_isize;
	bool is_orphan;
	bool is_left; /* not deleted, whatever its count says */
	struct list orphan;
	u64 disk_size;
	u64 file_acl;
	union {
		u32 block[EXT4_NBLOCKS];
		u8 root[EXT4_NBLOCKS * 4];
	};
	struct ext4_stored stored;
	u32 tid, data_tid; /* last transactions, for fsync and fdatasync */
	bool is_changed;   /* data_tid holds; 0 is a valid number */
	/* Preallocated blocks that follow pa_block; under map_lock. */
	u32 pa_block;
	u32 pa_len;
	u64 pa_start;
	u64 pa_written; /* held blocks below were written to before */
	u32 nsyncs;	/* that found the file grown, up to a few */
	u64 goal;	/* where the next block of a file might go */
	bool is_named;	/* directories: a dentry has it; there is one */
};

/* Tokens of blocks freed in a transaction (balloc.c). */
struct ext4_freed {
	struct list node;
	u32 tid;
	u32 group, bit, len;
};

static inline struct ext4_sb *ext4_sb(const struct inode *i)
{
	return i->fs->data;
}
static inline struct ext4_node *ext4_node(const struct inode *i)
{
	return i->data;
}
/* The superblock in its buffer: it is block 1 or inside of block 0. */
static inline struct ext4_disk_sb *ext4_super_raw(const struct ext4_sb *sb)
{
	u32 offset = sb->block_size == 1024 ? 0 : EXT4_SB_OFFSET;

	return (struct ext4_disk_sb *)(sb->super->data + offset);
}
static inline bool ext4_has_csum(const struct ext4_sb *sb)
{
	return sb->has_csum;
}
static inline u64 ext4_group_first(const struct ext4_sb *sb, u32 group)
{
	return sb->first_data_block + (u64)group * sb->blocks_per_group;
}
static inline u32 ext4_group_of(const struct ext4_sb *sb, u64 block)
{
	return (u32)((block - sb->first_data_block) / sb->blocks_per_group);
}
static inline u32 ext4_bit_of(const struct ext4_sb *sb, u64 block)
{
	return (u32)((block - sb->first_data_block) % sb->blocks_per_group);
}
/* The last group may be short. */
static inline u32 ext4_group_blocks(const struct ext4_sb *sb, u32 group)
{
	u64 left = sb->blocks_count - ext4_group_first(sb, group);

	return (u32)MIN(left, (u64)sb->blocks_per_group);
}
static inline bool ext4_blocks_ok(const struct ext4_sb *sb, u64 block, u64 n)
{
	return block > sb->first_data_block && n <= sb->blocks_count &&
	       block <= sb->blocks_count - n;
}
/* Bits in little-endian bitmaps. */
static inline bool ext4_test_bit(const u8 *map, u32 bit)
{
	return (map[bit / 8] >> (bit % 8) & 1) != 0;
}
static inline void ext4_set_bit(u8 *map, u32 bit)
{
	map[bit / 8] |= (u8)(1U << (bit % 8));
}
static inline void ext4_clear_bit(u8 *map, u32 bit)
{
	map[bit / 8] &= (u8) ~(1U << (bit % 8));
}

/* What a buffer's contents were checked as, and for whom (buffer->checked): a
 * block that is used as two things is noticed before it is believed. */
enum ext4_kind {
	EXT4_KIND_SUPER = 1,
	EXT4_KIND_GROUPS,
	EXT4_KIND_BLOCK_BITMAP,
	EXT4_KIND_INODE_BITMAP,
	EXT4_KIND_INODES,
	EXT4_KIND_EXTENTS,
	EXT4_KIND_INDIRECT,
	EXT4_KIND_DIR,
	EXT4_KIND_INDEX,
	EXT4_KIND_XATTR,
	EXT4_KIND_LINK,
	EXT4_KIND_ORPHANS,
};
/* 0: it is known as that; 1: to be checked, then ext4_claim(); -EUCLEAN. */
int ext4_known(struct ext4_sb *sb, const struct buffer *b, enum ext4_kind kind,
	       u64 owner);
static inline void ext4_claim(struct buffer *b, enum ext4_kind kind, u64 owner)
{
	atomic_store(&b->checked, (u32)kind | (u32)owner << 4);
}

/* --- super.c, mount.c ----------------------------------------------------- */

/* Something on disk makes no sense: a line in the log (the first few), and the
 * superblock remembers. Always -EUCLEAN. */
int ext4_corrupt(struct ext4_sb *sb, const char *what, u64 number);
/* 0, -EROFS. */
int ext4_start(struct ext4_sb *sb, u32 credits, struct handle *h);
/* Change the superblock inside a handle: checksum and counts included. */
int ext4_super_store(struct ext4_sb *sb, struct handle *h,
		     void (*change)(struct ext4_disk_sb *raw, u32 arg),
		     u32 arg);
int ext4_statfs(struct fs *fs, struct linux_statfs *st);
/* Check the superblock's bytes and fill the geometry of sb. */
int ext4_super_check(struct ext4_sb *sb, const struct ext4_disk_sb *raw,
		     bool is_readonly, bool is_strict);
/* Free blocks and inodes, errors and the checksum into the superblock. */
void ext4_super_counts(struct ext4_sb *sb, struct ext4_disk_sb *raw);
/* mount() once the device is known. */
int ext4_mount_device(struct block_device *d, const char *options,
		      struct fs **fs);

/* --- group.c -------------------------------------------------------------- */

/* Read and check all descriptors. */
int ext4_groups_load(struct ext4_sb *sb);
void ext4_groups_free(struct ext4_sb *sb);
struct ext4_disk_group *ext4_group_raw(struct ext4_sb *sb, u32 group,
				       struct buffer **b);
/* Does the group begin with a copy of superblock and descriptors? */
bool ext4_group_has_super(const struct ext4_sb *sb, u32 group);
/* Blocks at its start for superblock, descriptors and reserved ones. */
u32 ext4_group_head(const struct ext4_sb *sb, u32 group);
/* Before a bitmap of the group and its descriptor are changed in a handle; the
 * group is locked. 0, or as journal_get_write(). */
int ext4_group_edit(struct ext4_sb *sb, struct handle *h, u32 group,
		    struct buffer *map);
/* Write the descriptor from *g; the group is locked. */
int ext4_group_store(struct ext4_sb *sb, struct handle *h, u32 group);
/* Bitmaps, checked, made if the group was never used. Group locked. h NULL:
 * only to look (an unused group: -ENODATA). */
int ext4_block_bitmap(struct ext4_sb *sb, struct handle *h, u32 group,
		      struct buffer **b);
int ext4_inode_bitmap(struct ext4_sb *sb, struct handle *h, u32 group,
		      struct buffer **b);
/* Their checksums into the raw descriptor (before ext4_group_store()). */
void ext4_block_bitmap_sum(struct ext4_sb *sb, u32 group, const u8 *map);
void ext4_inode_bitmap_sum(struct ext4_sb *sb, u32 group, const u8 *map);

/* --- balloc.c ------------------------------------------------------------- */

enum ext4_alloc_flags {
	EXT4_ALLOC_META = 1, /* may use what is kept for conversions */
	EXT4_ALLOC_HOLD = 2, /* only mark as held in memory (preallocate) */
};
/* Up to *len contiguous blocks near goal: *len is cut. 0, -ENOSPC, -EIO. */
int ext4_alloc(struct ext4_sb *sb, struct handle *h, u64 goal, u32 *len,
	       u32 flags, u64 *block);
/* Take blocks that are held by the caller. */
int ext4_alloc_held(struct ext4_sb *sb, struct handle *h, u64 block, u32 len);
void ext4_unhold(struct ext4_sb *sb, u64 block, u32 len);
/* Free blocks; they are given out again when h's transaction is on disk. */
int ext4_free(struct ext4_sb *sb, struct handle *h, u64 block, u32 len);
void ext4_pending_commit(struct ext4_sb *sb, u32 tid);
void ext4_pending_drop(struct ext4_sb *sb);
/* There is no room: take back what is held and commit what was freed. True if
 * it is worth trying again. No handle, no map_lock. */
bool ext4_make_room(struct ext4_sb *sb);
/* Room on the host for a range of blocks. */
int ext4_host_reserve(struct ext4_sb *sb, u64 block, u64 len);
/* May this caller still allocate n blocks? */
bool ext4_has_room(struct ext4_sb *sb, u64 n, u32 flags);

/* --- ialloc.c ------------------------------------------------------------- */

/* An inode's number in dir's neighbourhood; is_dir counts. */
int ext4_inode_alloc(struct ext4_sb *sb, struct handle *h,
		     const struct inode *dir, bool is_dir, u64 *ino);
int ext4_inode_free(struct ext4_sb *sb, struct handle *h, u64 ino, bool is_dir);
bool ext4_inode_in_use(struct ext4_sb *sb, u64 ino);

/* --- inode.c -------------------------------------------------------------- */

enum { EXT4_IGET_SPECIAL = 1, EXT4_IGET_ORPHAN = 2 };
int ext4_iget(struct fs *fs, u64 ino, u32 flags, struct inode **i);
/* The raw inode: buffer with a reference. */
int ext4_inode_raw(struct ext4_sb *sb, u64 ino, struct buffer **b,
		   struct ext4_disk_inode **raw);
/* The same, to be changed in the handle: then its checksum, journal_dirty(). */
int ext4_inode_edit(struct handle *h, struct inode *i, struct buffer **b,
		    struct ext4_disk_inode **raw);
/* Bring the raw inode up to date in a handle. */
int ext4_inode_store(struct handle *h, struct inode *i);
/* The same after a change that fdatasync must see. */
int ext4_inode_store_data(struct handle *h, struct inode *i);
/* Store it, in a handle of its own, if attributes changed since. */
int ext4_inode_flush(struct inode *i);
int ext4_inodes_flush(struct ext4_sb *sb);
/* A new inode in a handle, not yet in a directory. Flags of credits: 8. */
int ext4_inode_new(struct handle *h, struct inode *dir, u32 mode, u32 rdev,
		   struct inode **i);
void ext4_set_ops(struct inode *i);
void ext4_evict(struct inode *i);
int ext4_setattr(struct inode *i, const struct attr *a);
/* Is the inode's mapping made of extents? */
static inline bool ext4_has_extents(const struct ext4_node *n)
{
	return (n->flags & EXT4_EXTENTS_FL) != 0;
}
void ext4_inode_sum_set(const struct ext4_sb *sb, const struct ext4_node *n,
			struct ext4_disk_inode *raw);

/* --- extent.c, extent_edit.c, indirect.c ---------------------------------- */

enum ext4_map_state { EXT4_HOLE, EXT4_WRITTEN, EXT4_UNWRITTEN };
struct ext4_map {
	u32 block; /* as asked */
	u32 len;   /* at most what was asked */
	enum ext4_map_state state;
	u64 start; /* on disk, unless a hole */
};
/* What is at a block of the file. map_lock held. 0, -EIO, -EUCLEAN. */
int ext4_map(struct inode *i, u32 block, u32 len, struct ext4_map *m);
/* Map blocks [m->block, +m->len), a hole. map_lock held for writing. */
int ext4_extent_insert(struct handle *h, struct inode *i,
		       const struct ext4_map *m);
/* Unwritten blocks of the range become written ones, or the reverse. */
int ext4_extent_convert(struct handle *h, struct inode *i, u32 block, u32 len,
			enum ext4_map_state to);
/* Free the last extent, or the part of it, in [from, to): 1 if there may be
 * more, 0 when done. */
int ext4_extent_remove(struct handle *h, struct inode *i, u32 from, u32 to);
void ext4_extent_root_init(struct ext4_node *n);
u32 ext4_extent_depth(const struct ext4_node *n);
/* Credits that changing one place of the tree takes. */
u32 ext4_extent_credits(const struct ext4_node *n);
int ext4_indirect_map(struct inode *i, u32 block, u32 len, struct ext4_map *m);
/* As ext4_extent_remove(), but only for whole tails: to is the end. */
int ext4_indirect_remove(struct handle *h, struct inode *i, u32 from);
#define EXT4_BLOCK_END 0xffffffffU /* no file has this block */

/* --- file.c --------------------------------------------------------------- */

extern struct file_ops ext4_file_ops;
void ext4_file_init(void);
/* Free the blocks of [from, to) in as many steps as it takes. */
int ext4_remove_blocks(struct inode *i, u32 from, u32 to);
/* Free whole blocks inside bytes [offset, end), which lie behind the end. */
int ext4_remove_behind(struct inode *i, u64 offset, u64 end);
u32 ext4_remove_credits(const struct inode *i);
/* Everything about the inode on stable storage (fsync). */
int ext4_inode_sync(struct inode *i, bool data_only);
/* prealloc.c: keep blocks for what follows `block`. map_lock held. */
#define EXT4_PREALLOC_MAX 2048U
void ext4_prealloc(struct inode *i, struct handle *h, u32 block, u64 goal);
/* A file that grows was synced. If that happens often, write to the blocks it
 * will get next: the first write to a block of the host's sparse file costs the
 * flush after it a change of the host's own metadata. No handle. */
void ext4_prealloc_write(struct inode *i);
/* Give back what was preallocated; the same for all inodes. */
void ext4_prealloc_drop(struct inode *i);
void ext4_prealloc_drop_all(struct ext4_sb *sb);
int ext4_attach_data(struct inode *i);
int ext4_truncate(struct inode *i, u64 size);
/* The last reference is gone: write dirty pages, or drop them if deleted. */
void ext4_data_evict(struct inode *i);

/* --- dir.c, htree.c, hash.c, namei.c -------------------------------------- */

/* Block n of a directory, its checksum and entries checked. *b NULL: a hole. */
int ext4_dir_block(struct inode *dir, u32 n, struct buffer **b);
/* Append a block, zeroed: its number in *n. */
int ext4_dir_append(struct handle *h, struct inode *dir, u32 *n,
		    struct buffer **b);
/* Recompute the checksum of a changed block and mark it dirty. */
void ext4_dir_dirty(struct handle *h, struct inode *dir, struct buffer *b);
/* Bytes of a block that entries may use. */
u32 ext4_dir_room(const struct ext4_sb *sb);
void ext4_dir_tail_init(const struct ext4_sb *sb, u8 *data);
/* An entry of a block by name: or NULL; *prev the one before, or NULL. */
struct ext4_dirent *ext4_block_find(const struct ext4_sb *sb, u8 *data,
				    u32 size, const char *name, u32 len,
				    struct ext4_dirent **prev);
/* Put an entry into a block if there is room: -ENOSPC. Not marked dirty. */
int ext4_block_insert(const struct ext4_sb *sb, u8 *data, u32 size,
		      const char *name, u32 len, u32 ino, u8 type);
/* Is there room for `need` bytes? */
bool ext4_block_room(const struct ext4_sb *sb, u8 *data, u32 need);
/* Where an entry is. */
struct ext4_place {
	struct buffer *b;
	struct ext4_dirent *e, *prev;
};
int ext4_dir_find(struct inode *dir, const char *name, u32 len,
		  struct ext4_place *p);
/* Credits of an insertion. */
u32 ext4_insert_credits(const struct inode *dir);
int ext4_dir_insert(struct handle *h, struct inode *dir, const char *name,
		    u32 len, const struct inode *i);
int ext4_dir_remove(struct handle *h, struct inode *dir, struct ext4_place *p);
/* Entries "." and ".." of a new directory. */
int ext4_dir_init(struct handle *h, struct inode *dir, u64 parent);
/* 1: empty. */
int ext4_dir_is_empty(struct inode *dir);
/* Change ".."; credits: 1. */
int ext4_dir_set_parent(struct handle *h, struct inode *dir, u64 parent);
u8 ext4_dirent_type(const struct ext4_sb *sb, u32 mode);
int ext4_readdir(struct file *f, struct dir_context *ctx);
extern const struct file_ops ext4_dir_fops;
extern const struct inode_ops ext4_dir_ops, ext4_file_iops, ext4_link_ops,
	ext4_node_ops;

struct ext4_hash {
	u32 major, minor;
};
/* version: enum ext4_hash_version. -EINVAL. */
int ext4_name_hash(u32 version, const u32 seed[4], const char *name, u32 len,
		   struct ext4_hash *hash);
/* The hash a directory uses (htree or not). */
u32 ext4_hash_version(const struct ext4_sb *sb, u32 version);
bool ext4_dir_is_htree(const struct inode *dir);
int ext4_htree_find(struct inode *dir, const char *name, u32 len,
		    struct ext4_place *p);
int ext4_htree_insert(struct handle *h, struct inode *dir, const char *name,
		      u32 len, u32 ino, u8 type);
int ext4_htree_is_empty(struct inode *dir);
/* Block 0, checked. */
int ext4_htree_root(struct inode *dir, struct buffer **b);
/* Turn a directory of one full block into an htree. */
int ext4_htree_make(struct handle *h, struct inode *dir);
/* The leaf for hashes from `major` on, and where the next one begins (~0: it
 * is the last). */
int ext4_htree_leaf(struct inode *dir, u32 major, struct buffer **b, u32 *next);
/* The checksum of an index block, given where its count is. */
void ext4_index_sum(const struct inode *dir, u8 *data);
/* A block of the directory, not checked yet. NULL: a hole. */
int ext4_dir_raw_block(struct inode *dir, u32 n, struct buffer **b);

/* --- xattr.c, orphan.c, resize.c, symlink.c --------------------------------
 */

s64 ext4_getxattr(struct inode *i, const char *name, void *buf, size_t n);
int ext4_setxattr(struct inode *i, const char *name, const void *buf, size_t n,
		  int flags);
s64 ext4_listxattr(struct inode *i, char *buf, size_t n);
int ext4_removexattr(struct inode *i, const char *name);
/* The inode is being deleted: free its block of attributes. */
int ext4_xattr_delete(struct handle *h, struct inode *i);

/* Credits: 4. */
int ext4_orphan_add(struct handle *h, struct inode *i);
int ext4_orphan_del(struct handle *h, struct inode *i);
/* The same after a truncation, unless it has lost its last name meanwhile. */
int ext4_orphan_done(struct handle *h, struct inode *i);
/* Delete or truncate what a crash left (mount). */
int ext4_orphans_process(struct ext4_sb *sb);
/* The same for those in the orphan file, if it is used. */
int ext4_orphan_file_process(struct ext4_sb *sb);

/* Grow to `blocks`, or as far as the descriptor blocks reach. 0, -EINVAL (less,
 * or more than the device has), -EOPNOTSUPP, -EROFS. */
int ext4_resize(struct ext4_sb *sb, u64 blocks);
long ext4_ioctl(struct file *f, u32 cmd, uaddr_t arg);

int ext4_readlink(struct inode *i, char *buf, size_t size);
int ext4_symlink_store(struct handle *h, struct inode *i, const char *target,
		       u32 len);

#endif
