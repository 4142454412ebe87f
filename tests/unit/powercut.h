/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block device that loses power, on top of another one: it keeps what has
 * been written since the last flush, and when the power goes, a random part of
 * that, in a random order and with a torn write, is all that stays. Between two
 * sectors of one write anything may be cut; a sector is written or it is not.
 * Uses only what the kernel has, too, so that a kernel may be tested with it.
 */
#ifndef JIFFY_TESTS_UNIT_POWERCUT_H
#define JIFFY_TESTS_UNIT_POWERCUT_H

#include "kernel/dev/block.h"
#include "lib/list.h"

struct powercut {
	struct block_device device; /* use this */
	struct block_device *base;
	struct mutex lock;
	struct list writes; /* since the last flush, oldest first */
	u32 nwrites;
	u64 nops; /* writes and flushes so far */
	u64 nflushes;
	u64 cut_at;	  /* the power goes at this one; 0: never */
	u64 cut_at_flush; /* or at this flush */
	u64 fail_at;	  /* this write fails with fail_with; 0: none */
	int fail_with;
	bool is_dead; /* no power: -EIO to all */
	u64 random;   /* state */
	/* Called when the power goes, under lock, or NULL. */
	void (*on_cut)(struct powercut *p);
	/* Called before each write, not under lock, or NULL. */
	void (*on_write)(struct powercut *p);
	/* Called after each write and before each flush, not under lock, or
	 * NULL. */
	void (*on_op)(struct powercut *p);
	/* Copies what is written; NULL: memcpy(). */
	void (*copy)(void *dst, u64 src, u64 n);
	/* Bytes written since the last flush, and how many it remembers: of
	 * more, the oldest are safe (0: no limit). */
	u64 nbytes, max_bytes;
	void *data; /* of the two */
};

void powercut_init(struct powercut *p, struct block_device *base, u64 seed);
/* Drop what is remembered (as if flushed). */
void powercut_fini(struct powercut *p);
/* The power goes now. */
void powercut_cut(struct powercut *p);
/* It is back; the next time it goes is after nops writes and flushes (0:
 * never). */
void powercut_restore(struct powercut *p, u64 nops);
/* Uniform in [0, n). */
u64 powercut_random(struct powercut *p, u64 n);

#endif
