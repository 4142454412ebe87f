/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal's files share: jbd2's blocks as they are on disk (numbers
 * big-endian), transactions, the journal itself, and the table of revoked
 * blocks.
 *
 * Theory of operation: handles add buffers to the *running* transaction. A
 * commit locks it, waits until its handles have stopped, lets a new one begin
 * and writes the log: descriptors and contents, flush, commit block, flush.
 * Who wants the commit does it, one at a time. A buffer that the new
 * transaction changes while its contents are still to be logged is copied
 * first (`frozen`). Afterwards the transaction waits in `checkpoints` until its
 * buffers have been written home, or logged again by a later one; then, after a
 * flush, the tail moves past it and its part of the log is free.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_JOURNAL_INT_H
#define JIFFY_KERNEL_FS_EXT4_JOURNAL_INT_H

#include "kernel/fs/ext4/journal.h"
#include "kernel/kernel.h"

#define JBD_MAGIC 0xc03b3998U
#define JBD_SUPER_SIZE 1024
#define JBD_MIN_BLOCKS 1024
#define JBD_CRC32 1
#define JBD_CRC32C 4

enum jbd_type {
	JBD_DESCRIPTOR = 1,
	JBD_COMMIT = 2,
	JBD_SUPER_V1 = 3,
	JBD_SUPER_V2 = 4,
	JBD_REVOKE = 5,
};

enum jbd_compat { JBD_COMPAT_CHECKSUM = 1 };
enum jbd_incompat {
	JBD_REVOKES = 1,
	JBD_64BIT = 2,
	JBD_ASYNC_COMMIT = 4,
	JBD_CSUM_V2 = 8,
	JBD_CSUM_V3 = 16,
	JBD_FAST_COMMIT = 32,
};

struct jbd_header {
	u32 magic, type, sequence;
};

struct jbd_super {
	struct jbd_header header;
	u32 block_size, maxlen, first;
	u32 sequence; /* of the first transaction expected in the log */
	u32 start;    /* where it begins; 0: the log is empty */
	u32 error;
	u32 compat, incompat, ro_compat;
	u8 uuid[16];
	u32 nusers, dynamic_super, max_transaction, max_trans_data;
	u8 checksum_type, pad[3];
	u32 nfast_blocks, head;
	u32 pad2[40];
	u32 checksum;
	u8 users[16 * 48];
};
_Static_assert(sizeof(struct jbd_super) == JBD_SUPER_SIZE, "on disk");

enum jbd_tag_flags {
	JBD_TAG_ESCAPED = 1,   /* the block began with the magic number */
	JBD_TAG_SAME_UUID = 2, /* no uuid follows */
	JBD_TAG_LAST = 8,
};

/* A tag of checksums v3. */
struct jbd_tag3 {
	u32 block, flags, block_high, checksum;
};
/* All others: 8, 10, 12 or 14 bytes are used, so they are not aligned. */
struct jbd_tag {
	u32 block;
	u16 checksum, flags;
	u32 block_high;
} PACKED;

struct jbd_commit {
	struct jbd_header header;
	u8 checksum_type, checksum_size, pad[2];
	u32 checksum[8];
	u64 sec;
	u32 nsec;
};

struct jbd_revoke {
	struct jbd_header header;
	u32 count; /* bytes of the block that are used */
};

#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)
#define be64(x) __builtin_bswap64(x)

/* Transaction numbers wrap. */
static inline bool tid_after(u32 a, u32 b)
{
	return (s32)(a - b) > 0;
}

/* --- Revoked blocks (revoke.c) -------------------------------------------- */

struct revoke_slot {
	u64 block;
	u32 sequence;
	u32 state; /* enum revoke_state */
};
enum revoke_state { REVOKE_FREE, REVOKE_LIVE, REVOKE_DEAD };

struct revoke_table {
	struct revoke_slot *slots; /* nslots, a power of two */
	u32 nslots, nused;	   /* used: live and dead */
	u32 nlive;
};

/* Block is revoked by transaction `sequence` (the latest counts): -ENOMEM. */
int revoke_set(struct revoke_table *t, u64 block, u32 sequence);
void revoke_cancel(struct revoke_table *t, u64 block);
bool revoke_get(const struct revoke_table *t, u64 block, u32 *sequence);
void revoke_clear(struct revoke_table *t);

/* --- Transactions --------------------------------------------------------- */

enum txn_state { TXN_RUNNING, TXN_LOCKED, TXN_COMMITTING, TXN_COMMITTED };

struct transaction {
	struct list node; /* in journal.checkpoints, or journal.failed */
	u32 tid;
	u32 state;    /* enum txn_state */
	u32 nhandles; /* not stopped yet */
	u32 ncredits; /* that they may still use */
	u32 nbuffers; /* in it; credits used */
	nsec_t begun;
	struct list buffers; /* buffer.txn_node; the committer's alone then */
	struct revoke_table revoked;
	u32 start, nblocks;	/* in the log */
	struct list checkpoint; /* buffer.checkpoint_node: not yet home */
};

/* Blocks [log, log + nblocks) of the journal are there on the device. */
struct log_run {
	u32 log, nblocks;
	u64 block;
};

/* Buffers on their way home (checkpoint.c). */
#define HOME_BATCH 256
struct home_batch {
	struct buffer *b[HOME_BATCH]; /* with a reference each */
	struct transaction *of[HOME_BATCH];
	u32 n;
	u32 ncopied; /* the first ones: in journal.home */
};

struct journal {
	struct journal_config config;
	struct jbd_super *super; /* as on disk; under super_lock */
	struct mutex super_lock;
	u32 incompat;	 /* features in use, enum jbd_incompat */
	u32 seed;	 /* of all checksums but the superblock's */
	u32 first, last; /* the log is blocks [first, last) */
	u32 max_txn;	 /* blocks that one transaction may change */
	struct log_run *runs;
	u32 nruns;
	int saved_error;

	struct mutex lock;   /* all below unless said otherwise */
	u32 event, nwaiting; /* journal_wait() */
	struct transaction *running, *committing;
	struct list checkpoints; /* committed, oldest first */
	struct list failed;	 /* those that an abort has stopped */
	u32 next_tid;		 /* of the next one to run */
	u32 committed;		 /* the last one on disk */
	u32 head, free; /* head: the committer's; free blocks of the log */
	u64 flushes_begun, flushes_done;
	int error;
	bool has_overdrawn; /* more credits were used than asked for: said */
	bool is_super_live; /* on disk: start is not 0. The committer's */

	struct mutex checkpoint_lock; /* one thread writes home */
	u8 *home;		      /* its blocks, buf_blocks of them */
	struct home_batch batch;
	u8 *log;	       /* the committer's, as are: */
	u32 ahead, ahead_head; /* log_ahead() */
	u32 buf_blocks;

	u32 thread_event, thread_gone; /* words the thread sleeps, ends by */
	bool has_thread, is_thread_idle, is_stopping;
};

/* --- journal.c ------------------------------------------------------------ */

/* Wait for a change (journal_changed()); the lock is dropped meanwhile. */
void journal_wait(struct journal *j);
void journal_changed(struct journal *j);
/* Make the committer's thread look around. Under the lock. */
void journal_kick(struct journal *j);
/* Blocks of the log that a transaction of n buffers takes at most. */
u32 journal_cost(const struct journal *j, u32 nbuffers);

/* --- logio.c -------------------------------------------------------------- */

/* Learn where the journal is: -EUCLEAN if not all of it is somewhere. */
int log_map(struct journal *j, u32 nblocks);
/* n blocks of the log from `pos` on, wrapping around. */
int log_read(struct journal *j, u32 pos, u32 n, void *buf);
int log_write(struct journal *j, u32 pos, u32 n, const void *buf);
/* One more than pos, or n more, wrapped. */
u32 log_next(const struct journal *j, u32 pos, u32 n);
int log_flush(struct journal *j);
/* The first time a block of the host's sparse file is written, the flush after
 * it has to change the host's own metadata. So the first time round, blocks
 * that were never written are, with zeroes, a piece before the log gets there.
 * By the committer, before it uses j->log. */
void log_ahead(struct journal *j);
/* Read and check the superblock; write it after a change. */
int log_super_read(struct journal *j);
int log_super_write(struct journal *j, u32 start, u32 sequence);
/* The same with the reason of an abort, which the next mount finds. */
void log_super_error(struct journal *j, int err);
static inline bool log_has_checksum(const struct journal *j)
{
	return (j->incompat & (JBD_CSUM_V2 | JBD_CSUM_V3)) != 0;
}
u32 log_tag_bytes(const struct journal *j);
/* Checksum of a whole block in which `field` holds it: what it should be. */
u32 log_checksum(const struct journal *j, void *block, u32 *field);
/* Of a block of metadata in the log. */
u32 log_data_checksum(const struct journal *j, u32 tid, const void *data);
/* The last bytes of descriptor and revoke blocks. */
static inline u32 *log_tail(const struct journal *j, void *block)
{
	return (u32 *)((u8 *)block + j->config.block_size - sizeof(u32));
}

/* --- commit.c ------------------------------------------------------------- */

/* Commit j->running, which there is, when nothing is being committed. The
 * lock is held, dropped and taken again. */
void journal_commit_running(struct journal *j);
/* Take b out of its list of buffers not yet home. Both locks held. */
void journal_uncheckpoint(struct buffer *b);

/* --- checkpoint.c --------------------------------------------------------- */

/* Write home what is oldest until `want` blocks of the log are free or nothing
 * is left to write. All of it (~0) leaves the superblock to the caller, who
 * ends the log. No lock held. */
int journal_checkpoint(struct journal *j, u32 want);
void journal_free_txn(struct transaction *t);

/* --- recovery.c ----------------------------------------------------------- */

/* Replay what is committed; *sequence: to go on with. */
int journal_recover(struct journal *j, u32 *sequence, u32 *replayed);

#endif
