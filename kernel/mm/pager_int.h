/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the pager: states of pages, 64 to a chunk, and how
 * they are looked at.
 *
 * Bits change under pager.lock, with atomic operations; readers and writers of
 * data look at them without it. A page that is neither present nor busy is zero
 * and untouched in the cache.
 */
#ifndef JIFFY_KERNEL_MM_PAGER_INT_H
#define JIFFY_KERNEL_MM_PAGER_INT_H

#include "kernel/mm/pager.h"
#include "kernel/vfs/inode.h"
#include "kernel/proc/lock.h"
#include "lib/list.h"

#define CHUNK_PAGES 64U
#define PAGER_FILL_MAX 256U   /* pages read by one request */
#define PAGER_WRITE_MAX 2048U /* pages written by one request */

enum pager_bit {
	PAGER_PRESENT, /* holds the file's data */
	PAGER_DIRTY,   /* newer than the device */
	PAGER_BUSY,    /* is being read in, or overwritten as a whole */
	PAGER_WRITING, /* is being written back */
	PAGER_READY,   /* has blocks: prepare() need not be asked */
	PAGER_SHARED,  /* a mapping may be writing to it at any time */
	PAGER_NBITS
};

struct pager_chunk {
	u64 bits[PAGER_NBITS];
	u32 used; /* read since reclaim last came by */
};

struct pager_old_table {
	struct pager_old_table *next;
	struct pager_chunk **table;
};

struct pager {
	struct object *object; /* lives as long */
	struct inode *inode;
	const struct pager_ops *ops;
	struct mutex lock;
	u32 removals; /* atomic: pages were taken away */
	u32 nwriters; /* atomic: in pager_write(); reclaim keeps off */
	u32 event;    /* atomic: some page is no longer busy or writing */
	u32 nwaiting;
	u64 ndirty, nshared, nwriting; /* pages */
	u64 dirty_low;		       /* no page below is dirty */
	nsec_t dirty_since;
	/* Pages [start, end) became dirty one after the other; atomic. */
	u64 stream_start, stream_end;
	struct list node;	/* all pagers with chunks, under pagers.lock */
	struct list dirty_node; /* those with dirty pages, the oldest first */
	bool is_listed;		/* in dirty_node, under pagers.dirty_lock */
	/* Grown only; readers look at max first. */
	u32 max;
	struct pager_chunk **table;
	struct pager_chunk *first_table[1];
	struct pager_old_table *old_tables; /* readers may be at them */
	struct pager_chunk first;
};

struct pager_state {
	struct mutex lock; /* the list of all; before pager.lock */
	struct list all;
	struct mutex dirty_lock; /* the other list; after pager.lock */
	struct list dirty;
	struct mutex round; /* one goes through all files at a time; first */
	u64 present, ndirty, writing; /* pages, atomic */
	u64 max;		      /* pages that may be present */
	u64 dirty_max;		      /* pages; half of it wakes the thread */
	u64 stream_max;	 /* pages of a stream that wake the thread */
	bool has_stream; /* atomic: there is one so long */
	u32 wanted;	 /* atomic: event of the thread */
	bool is_idle;	 /* atomic: it waits without a deadline */
};
extern struct pager_state pagers;

static inline struct pager *pager_of(const struct inode *i)
{
	const struct object *o = atomic_load_acquire(&i->object);

	return o ? o->pager : NULL;
}

/* Any thread: the chunk of a page, or NULL. */
static inline struct pager_chunk *pager_chunk(const struct pager *p, u64 page)
{
	/* Pairs with the releases in pager_chunk_new(). */
	u32 max = atomic_load_acquire(&p->max);
	struct pager_chunk **table = atomic_load_acquire(&p->table);

	if (page / CHUNK_PAGES >= max)
		return NULL;
	return atomic_load_acquire(&table[page / CHUNK_PAGES]);
}

/* Bits of the chunk of `page` for up to n pages from it on; *n is cut. */
static inline u64 pager_mask(u64 page, u64 *n)
{
	u64 at = page % CHUNK_PAGES;

	*n = MIN(*n, CHUNK_PAGES - at);
	return (*n == 64 ? ~0UL : (1UL << *n) - 1) << at;
}

/* Do all pages of the range have the bit? */
bool pager_all(const struct pager *p, u64 page, u64 n, enum pager_bit bit);
bool pager_any(const struct pager *p, u64 page, u64 n, enum pager_bit bit);

/* Under pager.lock. The chunk of a page, made if need be; NULL: no memory. */
struct pager_chunk *pager_chunk_new(struct pager *p, u64 page);
/* Chunks for all of a range: 0, -ENOMEM. */
int pager_chunks(struct pager *p, u64 page, u64 n);
/* Set or clear; how many changed. Chunks that are not there are left out. */
u64 pager_set(struct pager *p, u64 page, u64 n, enum pager_bit bit);
u64 pager_clear(struct pager *p, u64 page, u64 n, enum pager_bit bit);
/* The first page of [page, end) with the bit, or end. */
u64 pager_find(const struct pager *p, u64 page, u64 end, enum pager_bit bit);
/* How many pages from `page` on, at most max, are neither present nor busy. */
u64 pager_absent_run(const struct pager *p, u64 page, u64 max);
/* Gives the lock up and waits for an event. */
void pager_wait(struct pager *p);
void pager_wake(struct pager *p);
/* Wait until none of the range has the bit. */
void pager_wait_range(struct pager *p, u64 page, u64 n, enum pager_bit bit);

/* pager_dirty.c, under pager.lock: pages of the range are dirty now. */
void pager_set_dirty(struct pager *p, u64 page, u64 n);
/* ndirty has changed: keep the list of dirty ones right. */
void pager_update_list(struct pager *p);
/* Take it off all lists: it is going away. */
void pager_forget(struct pager *p);

/* Under pager.lock: clean pages of the range are absent then. False: some are
 * dirty, on their way, or may be mapped. */
bool pager_give_up(struct pager *p, u64 page, u64 n);

/* readahead.c: start the threads; forget all requests and wait for those
 * that are being served. */
int readahead_start(void);
void pager_read_drain(void);

/* Have the pages of the range present. 0, -EIO, -ENOMEM. */
int pager_read_in(struct pager *p, u64 page, u64 n);
/* Pages for n more: give others back if there are too many. */
void pager_make_room(u64 n);

/* Room of the memory limit for npages more pages? */
bool pager_over_limit(u64 npages);

#endif
