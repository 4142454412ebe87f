/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of metadata blocks of one mounted filesystem: a buffer per block,
 * found by number. Contents are changed only between journal_get_write() and
 * journal_dirty() (journal.h); readers of a buffer and its writers exclude each
 * other by the locks of what the block belongs to (inode, group), not by the
 * buffer.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_BUFFER_H
#define JIFFY_KERNEL_FS_EXT4_BUFFER_H

#include "kernel/dev/block.h"
#include "kernel/proc/lock.h"
#include "lib/list.h"

struct transaction;
struct buffer_cache;

struct buffer {
	struct ref ref; /* users; 0: may be dropped when clean */
	u64 block;
	u8 *data; /* block_size bytes */
	struct buffer_cache *cache;
	u32 flags;		 /* enum buffer_flags, atomic */
	struct mutex lock;	 /* reading in; the journal's fields */
	struct transaction *txn; /* running or committing one it is in */
	void *frozen; /* contents as of the committing transaction, or NULL */
	struct list txn_node;
	struct list lru;
	struct buffer *hash_next;
	u32 checked; /* of ext4: which checks its contents have passed */
};

enum buffer_flags {
	BUFFER_UPTODATE = 1,   /* data is what the disk has, or newer */
	BUFFER_CHECKPOINT = 2, /* committed, not yet written home */
};

/* A cache for blocks of block_size bytes of d; dropped with all its buffers
 * (none may be in use or in a transaction). NULL: no memory. */
struct buffer_cache *buffer_cache_new(struct block_device *d, u32 block_size);
void buffer_cache_free(struct buffer_cache *c);

/* The buffer of a block with a reference, its contents read if need be:
 * 0, -EIO, -ENOMEM. */
int buffer_read(struct buffer_cache *c, u64 block, struct buffer **b);
/* The same for a block that has just been allocated: zeroed, not read. */
int buffer_new(struct buffer_cache *c, u64 block, struct buffer **b);
/* A cached one, or NULL: never reads. */
struct buffer *buffer_find(struct buffer_cache *c, u64 block);
/* Start reading a few blocks that will be wanted (a hint). */
void buffer_readahead(struct buffer_cache *c, u64 block, u32 n);
void buffer_get(struct buffer *b);
void buffer_put(struct buffer *b);
/* Free unused clean buffers until at most `keep` are left: how many freed. */
u32 buffer_shrink(struct buffer_cache *c, u32 keep);

#endif
