/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints (abi/checkpoint.h) as the monitor writes and reads them. A file
 * is written while the instance is frozen and read by a later monitor, to which
 * it is hostile: everything in it is checked before use.
 */
#ifndef JIFFY_MONITOR_CHECKPOINT_H
#define JIFFY_MONITOR_CHECKPOINT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "abi/checkpoint.h"
#include "host/err.h"

struct instance;

#define CHECKPOINT_NAME "checkpoint" /* in the state directory */
#define CHECKPOINT_TEMP "checkpoint.new"

/* The program's part of the address space (kernel/layout.h). */
#define CHECKPOINT_USER_START 0x0000000000010000ULL
#define CHECKPOINT_USER_END 0x00007d0000000000ULL

/* Sparse: only touched pages exist. The kernel's layout.h has the same sizes
 * as address ranges; the static asserts in kernel/boot pair with these. */
#define KERNEL_MEMORY_SIZE (512ULL << 30)
#define CACHE_MEMORY_SIZE (1ULL << 40)

/* A growing array; items is NULL while it is empty. */
struct checkpoint_array {
	void *items;
	size_t count, room;
};

struct checkpoint_range {
	uint64_t start, end;
};

/* Which file a mapping is of. */
struct checkpoint_file {
	dev_t dev;
	ino_t ino; /* 0: there is none */
};

struct checkpoint;
struct checkpoint_stored; /* checkpoint_stored.c: which pages are there */

/* A file that is being written. */
struct checkpoint_out {
	int fd;
	uint64_t flushed; /* bytes of the file that are written */
	uint8_t *buf;	  /* the `used` ones that come next */
	size_t used;
	struct checkpoint_array extents, maps, pieces, reads, runs, spaces, fds,
		members, volumes, sums;
	uint64_t private_pages;
	struct checkpoint_file image, cache, older_file;
	/* What the instance was woken from, or NULL, and for each of its
	 * private pages checkpoint_base() of what is below. */
	const struct checkpoint *older;
	uint64_t *older_bases, *older_moved; /* ... and where it is now, or 0 */
	uint64_t *was_read; /* hash table of was_read_size; NULL: empty */
	size_t was_read_size;
	struct checkpoint_stored *stored; /* NULL: pages are not compared */
	struct checkpoint_array copies; /* struct space *: checkpoint_pages.c */
	uint8_t *ready; /* memory for copies, used up to ready_used */
	size_t ready_size, ready_used;
	struct err *e;
};

#define CHECKPOINT_BUFFER (2u << 20)

/* Room for n more items of `size` bytes, counted, zeroed; NULL: no memory. */
void *checkpoint_add(struct checkpoint_array *a, size_t size, size_t n);

/* checkpoint_write.c. All return 0 or -errno with the error filled. */
int checkpoint_out_open(struct checkpoint_out *out, int fd, struct err *e);
void checkpoint_out_close(struct checkpoint_out *out);
/* Make sure that n bytes (at most CHECKPOINT_BUFFER) fit behind `used`. */
int checkpoint_room(struct checkpoint_out *out, size_t n);
/* Where in the file the next byte goes. */
static inline uint64_t checkpoint_at(const struct checkpoint_out *out)
{
	return out->flushed + out->used;
}
/* The end: tables and header, with h's own fields filled by the caller. */
int checkpoint_finish(struct checkpoint_out *out, struct checkpoint_header *h,
		      const void *spec, size_t spec_len);

/* checkpoint_objects.c: what of a memory object is not zero, but for the range
 * `without`. */
int checkpoint_object(struct checkpoint_out *out, uint32_t object, int fd,
		      struct checkpoint_range without);
/* The page cache, with what is still only in the older checkpoint: what it left
 * and `taken` (bits, from the instance) does not name. */
int checkpoint_cache(struct checkpoint_out *out, int fd, const uint64_t *taken);
/* Another object with the same pages: a descriptor, or -errno. */
int checkpoint_copy_object(int fd, struct err *e);
bool checkpoint_is_zero(const uint8_t *page);

/* checkpoint_pages.c: the memory of a host process below CHECKPOINT_USER_END
 * (which is frozen). */
int checkpoint_process(struct checkpoint_out *out, pid_t pid);
/* The same in two steps, for an instance that goes on between them: copy its
 * memory; add all that was copied. */
/* About so many bytes will be copied: have room for them. */
void checkpoint_expect_copies(struct checkpoint_out *out, uint64_t bytes);
int checkpoint_copy_process(struct checkpoint_out *out, pid_t pid);
int checkpoint_add_copied(struct checkpoint_out *out);
void checkpoint_drop_copied(struct checkpoint_out *out);
/* task.c: a thread of host process pid that lives, pid itself if possible: for
 * /proc and process_vm_readv(). */
pid_t task_alive(pid_t pid);
/* False: it was killed. What /proc has listed of its memory just before may be
 * cut short, without a word. */
bool task_has_memory(pid_t pid);
/* Processor time of all our children, of the dead ones, too; UINT64_MAX: they
 * are too many to tell. */
uint64_t task_children_cpu_ns(void);
/* It has no memory because the kernel had it end: its last thread was no longer
 * counted when all were quiet. Waits for what is ending. */
bool task_has_ended(pid_t pid);
/* Entry i of the older checkpoint, of which no process was made. */
int checkpoint_parked(struct checkpoint_out *out, uint32_t i);

/* checkpoint_stored.c: from here on, pages that are the same as one of another
 * process at the same address, with the same base below, are not stored again.
 */
int checkpoint_compare(struct checkpoint_out *out);
void checkpoint_compare_end(struct checkpoint_out *out);
/* Where in the file the page is, or 0; it is there. */
uint64_t checkpoint_find_page(const struct checkpoint_out *out, uint64_t addr,
			      uint64_t base, uint32_t sum, const uint8_t *page);
int checkpoint_remember_page(struct checkpoint_out *out, uint64_t addr,
			     uint64_t base, uint32_t sum, uint64_t offset);

/* A run of so many bytes may be mapped: reading them takes longer. */
#define CHECKPOINT_MAPPED_MIN (4ULL * CHECKPOINT_PAGE)
/* checkpoint_runs.c: the tables of one process, after its maps: pages are added
 * in the order of their addresses, with their places in the file. */
struct checkpoint_runs {
	struct checkpoint_out *out;
	size_t first_map, first_read, first_run;
	size_t map;    /* of the page that was added last */
	bool is_woken; /* from out->older: it has memory of that */
	uint64_t hot;  /* bytes that it made its own since then */
	struct checkpoint_array found;
};
void checkpoint_runs_begin(struct checkpoint_runs *s,
			   struct checkpoint_out *out);
/* is_own: not a page of the older checkpoint. */
int checkpoint_runs_add(struct checkpoint_runs *s, uint64_t addr,
			uint64_t offset, bool is_own);
/* The map that holds addr, which is not below the one before. */
struct checkpoint_map *checkpoint_runs_map(struct checkpoint_runs *s,
					   uint64_t addr);
/* The process's entry, too. */
int checkpoint_runs_finish(struct checkpoint_runs *s, pid_t pid);
void checkpoint_runs_end(struct checkpoint_runs *s);

/* checkpoint_maps.c: the mappings of a process, in order. */
struct checkpoint_vma {
	uint64_t start, len, offset;
	uint32_t prot, backing;
	uint64_t older; /* 0, or it is of the older checkpoint, from there on:
			 * checkpoint_below() has offset and backing */
};
int checkpoint_read_maps(const struct checkpoint_out *out, pid_t pid,
			 struct checkpoint_array *vmas);
/* Ranges of pages that only this process has (and those it shares since a
 * fork), in order. */
int checkpoint_read_private(const struct checkpoint_out *out, pid_t pid,
			    const struct checkpoint_array *vmas,
			    struct checkpoint_array *ranges);

/* checkpoint_older.c: cp is what was woken; it stays the caller's. */
int checkpoint_older_open(struct checkpoint_out *out,
			  const struct checkpoint *cp);
/* What is below the page at `offset` of it and those that follow: offset,
 * backing and length of v. */
int checkpoint_below(const struct checkpoint_out *out, uint64_t offset,
		     struct checkpoint_vma *v);
/* The page that a map has at an address, by one number that is not 0. */
uint64_t checkpoint_base(const struct checkpoint_map *m, uint64_t addr);
/* Where the page at `offset` of the older one is in this file, or 0: to be read
 * and set. */
uint64_t *checkpoint_moved(const struct checkpoint_out *out, uint64_t offset);
/* Was a page with that sum read at the address by the last wake, by anybody? */
bool checkpoint_was_read(const struct checkpoint_out *out, uint64_t addr,
			 uint32_t sum);
/* The sum of a private page. */
uint32_t checkpoint_sum(const struct checkpoint *cp, uint64_t offset);

/* checkpoint_fds.c: the descriptor table of the frozen instance. */
int checkpoint_descriptors(struct checkpoint_out *out,
			   const struct instance *in);

/* checkpoint_host.c: what a checkpoint must be woken with. */
void checkpoint_processor(struct checkpoint_header *h);
/* The number of the host's boot; 0: it is not told. */
uint64_t checkpoint_boot(void);
/* The build ID of a kernel's file; zeros if it has none. */
int checkpoint_build_id(int fd, uint8_t id[32], struct err *e);

/* A checkpoint that was read: the tables are whole and every number in them is
 * within its bounds; the pages were not looked at. */
struct checkpoint {
	int fd;
	struct checkpoint_header h;
	uint8_t *tables;
	const struct checkpoint_extent *extents;
	const struct checkpoint_map *maps;
	const struct checkpoint_piece *pieces;
	const struct checkpoint_read *reads;
	const struct checkpoint_run *runs;
	const struct checkpoint_space *spaces;
	const struct checkpoint_fd *fds;
	const struct checkpoint_member *members;
	const struct checkpoint_volume *volumes;
	const uint32_t *sums;
	const char *spec;
	/* These extents, of the page cache, stay in the file: the kernel gets
	 * them when they are touched. Nothing unless checkpoint_leave(). */
	uint64_t first_left, nleft;
};

/* checkpoint_read.c. The descriptor stays the caller's. */
int checkpoint_read(struct checkpoint *cp, int fd, struct err *e);
void checkpoint_free(struct checkpoint *cp);
/* Leave the page cache in the file, if it is large enough to pay. */
void checkpoint_leave(struct checkpoint *cp);
/* checkpoint_check.c: the bounds of what is in the tables, which are there. */
int checkpoint_check(const struct checkpoint *cp, struct err *e);
/* Copy the extents into the memory objects, by their sums; not those of objects
 * that are -1. */
int checkpoint_copy_objects(const struct checkpoint *cp,
			    const int objects[CHECKPOINT_OBJECTS],
			    struct err *e);
/* The same while the caller does something else: if it is worth a thread, one
 * begins. The end takes part in it, and waits. */
struct checkpoint_copying {
	const struct checkpoint *cp;
	int objects[CHECKPOINT_OBJECTS];
	uint64_t next; /* extent; atomic */
	pthread_t thread;
	bool has_thread;
	struct err e; /* of the thread */
};
void checkpoint_copy_begin(struct checkpoint_copying *c,
			   const struct checkpoint *cp,
			   const int objects[CHECKPOINT_OBJECTS]);
int checkpoint_copy_end(struct checkpoint_copying *c, struct err *e);
/* Read all pages and check their sums. */
int checkpoint_verify_pages(const struct checkpoint *cp, struct err *e);
/* Is it of this kernel, processor, image and spec, and of the kind that is
 * wanted? For a clone's spec: clone_match(). */
int checkpoint_match(const struct checkpoint *cp, const struct instance *in,
		     const uint8_t build_id[32], const char *spec,
		     size_t spec_len, struct err *e);

/* checkpoint_check.c: the table's entry of a number, or NULL. */
const struct checkpoint_fd *checkpoint_find_fd(const struct checkpoint *cp,
					       int number);

#endif
