/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of an ext4 filesystem, in jbd2's format (Linux kernel
 * documentation, filesystems/ext4/journal.rst): descriptor, commit and
 * revoke blocks, 64-bit block numbers, checksums v2 and v3. Changes
 * of metadata are grouped in handles, handles in transactions; a transaction is
 * on disk whole or not at all.
 *
 * Locking: a handle is begun after inode locks are taken and before buffers are
 * changed; journal_start() may wait for a commit to free room, so no lock that
 * others take inside handles (block groups, ...) may be held. Who has a handle
 * waits for nothing but reads of metadata and such inner locks: commits wait
 * for him. So no file data is read or written and no other space is waited for
 * (mappings undone by truncate) inside one.
 */
#ifndef JIFFY_KERNEL_FS_EXT4_JOURNAL_H
#define JIFFY_KERNEL_FS_EXT4_JOURNAL_H

#include "kernel/fs/ext4/buffer.h"

struct journal;

/* On the stack of the one who changes something; handles do not nest: pass it
 * down. */
struct handle {
	struct journal *journal;
	struct transaction *txn;
	u32 credits;  /* blocks it may still add to or free in it */
	bool is_sync; /* commit as soon as it stops (set by the caller) */
};

struct journal_config {
	struct block_device *device;
	struct buffer_cache *buffers;
	u32 block_size;
	/* Block of the device that holds block n of the journal, and how many
	 * (*nblocks, >= 1) follow each other there from it on. 0: none. Called
	 * by journal_open() only. */
	u64 (*map)(void *arg, u64 n, u64 *nblocks);
	void *arg;	   /* of the three calls */
	bool is_64bit;	   /* ext4's feature 64bit */
	bool has_checksum; /* ext4's feature metadata_csum */
	bool is_readonly;  /* recovery is refused: -EROFS if it is needed */
	/* Called once, when the journal fails (-EIO, ...). */
	void (*on_abort)(void *arg, int err, const char *what);
	/* A transaction is on disk: freed blocks may be used again (tid).
	 * By the thread that committed, with no lock of the journal held; must
	 * not start a handle. NULL: none. */
	void (*on_commit)(void *arg, u32 tid);
	bool no_thread; /* tests: nobody commits unless told */
};

/* Check the journal's superblock (its features by name in the log when
 * refused: -EOPNOTSUPP), replay what was committed (needs_recovery), and start
 * with an empty log. *replayed: blocks written. -EUCLEAN: corrupt. Starts
 * the committer's thread. */
int journal_open(const struct journal_config *c, struct journal **j,
		 u32 *replayed);
/* Commit, write everything home, mark the log empty. */
int journal_close(struct journal *j);

/* Begin to change up to `credits` blocks: 0, -EROFS after an abort, -ENOSPC if
 * the journal can never hold so many, -EINTR never. */
int journal_start(struct journal *j, u32 credits, struct handle *h);
/* More credits without waiting: 0, or -EAGAIN (stop and start again). */
int journal_extend(struct handle *h, u32 credits);
/* Stop and start in a fresh transaction if need be: what was done so far must
 * be consistent by itself (truncate in steps). */
int journal_restart(struct handle *h, u32 credits);
void journal_stop(struct handle *h);

/* Before b's data is changed in this handle: 0, -EROFS, -ENOMEM. The contents
 * that belong to a committing transaction are kept aside. */
int journal_get_write(struct handle *h, struct buffer *b);
/* After: b is part of the handle's transaction. */
void journal_dirty(struct handle *h, struct buffer *b);
/* The block of metadata is being freed: forget its contents and never replay
 * older ones over what comes next (revoke). b may be NULL if not cached. */
int journal_forget(struct handle *h, struct buffer *b, u64 block);

/* The transaction a handle is in, to be waited for later. */
u32 handle_tid(const struct handle *h);
/* Transaction tid is on stable storage when it returns: 0, -EIO. At once if it
 * is already, without a flush then: *flushed tells (may be NULL). */
int journal_commit(struct journal *j, u32 tid, bool *flushed);
/* Commit whatever there is (sync, syncfs). */
int journal_commit_all(struct journal *j);
/* The error an earlier mount left in the journal (what Linux turns into "errors
 * found" in ext4's superblock), which is then forgotten: 0 or negative. */
int journal_saved_error(struct journal *j);
/* 0, or why it was aborted. */
int journal_error(const struct journal *j);
void journal_abort(struct journal *j, int err, const char *what);

#endif
