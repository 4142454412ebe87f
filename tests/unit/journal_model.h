/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system that is nothing but numbered blocks, each of metadata, data or
 * nobody's, on a journal and a device that loses power; and what must be found
 * in them after recovery.
 */
#ifndef JIFFY_TESTS_UNIT_JOURNAL_MODEL_H
#define JIFFY_TESTS_UNIT_JOURNAL_MODEL_H

#include <pthread.h>

#include "kernel/fs/ext4/journal_int.h"
#include "tests/unit/powercut.h"
#include "tests/unit/stub_block.h"

#define MODEL_BLOCKS 240 /* of the file system, from MODEL_FIRST on */
#define MODEL_FIRST 1100 /* the journal is before them */
#define MODEL_LOG 1	 /* block of the device with the superblock */
#define MODEL_LOG_BLOCKS 1024
#define MODEL_TOTAL (MODEL_FIRST + MODEL_BLOCKS)

enum kind { FREE, META, DATA };

struct version {
	u32 tid; /* transaction that made it so; data: that was committed */
	enum kind kind;
	u32 id; /* of the contents */
};

/* The lives of one block since the file system was last mounted. */
struct life {
	struct version *v;
	u32 n, room;
	bool is_data_flushed;
};

struct model {
	u32 block_size;
	u32 incompat; /* of the journal that mkfs makes */
	bool has_checksum, is_64bit;
	struct stub_disk disk;
	struct powercut cut;
	struct buffer_cache *cache;
	struct journal *j;
	struct life life[MODEL_BLOCKS];
	u32 next_id;   /* atomic */
	u32 acked;     /* tid known to be on disk; atomic, only grows */
	u32 on_commit; /* the last one that on_commit() told; atomic */
	u32 naborts;
	u32 nreplayed;
	/* Change something in the midst of commits, which write a few blocks
	 * at a time. */
	bool is_nosy;
	bool is_inside; /* a handle, or a change of that kind */
	u32 nfrozen;	/* buffers that had to be copied for it */
};

/* A new one with an empty journal that begins with transaction `sequence`. */
void model_mkfs(struct model *m, u32 block_size, u32 incompat, u32 sequence,
		u64 seed);
void model_fini(struct model *m);
/* Open the journal, with a committer's thread or without: 0 or -errno. */
int model_mount(struct model *m, bool has_thread);
/* Close it, whatever state it is in: 0 or -errno. */
int model_umount(struct model *m);
/* The power goes (unless it is off already), and comes back: mount, with more
 * power cuts on the way, and check everything. */
void model_crash(struct model *m);

/* One handle that changes, frees and takes up to n of the blocks [from, to):
 * 0, the tid in *tid. rand: the caller's random state. */
int model_step(struct model *m, u64 *rand, u32 from, u32 to, u32 n, u32 *tid);
/* Write data to blocks of [from, to) that are nobody's: 0 or -errno. */
int model_write_data(struct model *m, u64 *rand, u32 from, u32 to);
/* Make tid durable, and note it. */
int model_fsync(struct model *m, u32 tid);

u64 model_random(u64 *state, u64 n);

#endif
