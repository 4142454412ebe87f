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
	struct ref ref; /* users and the journal; 0: may be dropped */
	u32 flags;	/* enum buffer_flags, atomic */
	u64 block;
	u8 *data; /* block_size bytes */
	struct buffer_cache *cache;
	struct buffer *hash_next; /* under the shard's lock, as lru */
	struct list lru;
	u32 checked; /* of ext4: which checks its contents have passed */

	/* The journal's, under lock; lists also under the journal's. */
	struct mutex lock;		/* also: reading in */
	struct transaction *txn;	/* the older of the two it may be in */
	struct transaction *next;	/* running, while txn commits */
	struct transaction *checkpoint; /* committed, not yet home */
	void *frozen; /* contents as of the committing one, or NULL */
	struct list txn_node;
	struct list checkpoint_node;
};

enum buffer_flags {
	BUFFER_UPTODATE = 1, /* data is what the disk has, or newer */
	BUFFER_USED = 2,     /* looked up since the last shrinking */
	/* The journal's: in txn, then the same for next. */
	BUFFER_DIRTY = 4,     /* changed in txn */
	BUFFER_FORGOTTEN = 8, /* freed in txn */
	BUFFER_NEXT_DIRTY = 16,
	BUFFER_NEXT_FORGOTTEN = 32,
	BUFFER_LOGGED = 64,	 /* the committer has taken its contents */
	BUFFER_GOING_HOME = 128, /* being written to its place */
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
/* Read a few blocks that will be wanted, in one request (a hint). */
void buffer_readahead(struct buffer_cache *c, u64 block, u32 n);
void buffer_get(struct buffer *b);
void buffer_put(struct buffer *b);
/* Free unused clean buffers, the longest unused first, until at most `keep` are
 * left: how many freed. The cache bounds itself, too: this is for when memory
 * is short. */
u32 buffer_shrink(struct buffer_cache *c, u32 keep);
u32 buffer_count(const struct buffer_cache *c);

static inline bool buffer_has(const struct buffer *b, u32 flag)
{
	return (atomic_load_acquire(&b->flags) & flag) != 0;
}

#endif
