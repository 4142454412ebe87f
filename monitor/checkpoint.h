/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints (abi/checkpoint.h) as the monitor writes and reads them. A file
 * is written while the instance is frozen and read by a later monitor, to which
 * it is hostile: everything in it is checked before use.
 */
#ifndef JIFFY_MONITOR_CHECKPOINT_H
#define JIFFY_MONITOR_CHECKPOINT_H

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

/* Which file a mapping is of. */
struct checkpoint_file {
	dev_t dev;
	ino_t ino; /* 0: there is none */
};

struct checkpoint_stored; /* checkpoint_pages.c: which pages are there */

/* A file that is being written. */
struct checkpoint_out {
	int fd;
	uint64_t flushed; /* bytes of the file that are written */
	uint8_t *buf;	  /* the `used` ones that come next */
	size_t used;
	struct checkpoint_array extents, maps, spaces, fds, members, volumes,
		sums;
	uint64_t private_pages;
	struct checkpoint_file image, cache, older;
	struct checkpoint_stored *stored; /* NULL: pages are not compared */
	struct err *e;
};

#define CHECKPOINT_BUFFER (1u << 20)

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

/* checkpoint_pages.c: what of a memory object is not zero; the memory of a host
 * process below CHECKPOINT_USER_END (which is frozen). */
int checkpoint_object(struct checkpoint_out *out, uint32_t object, int fd);
int checkpoint_process(struct checkpoint_out *out, pid_t pid);
/* From here on, pages that are the same as one of another process at the same
 * address are not stored again. */
int checkpoint_compare(struct checkpoint_out *out);
void checkpoint_compare_end(struct checkpoint_out *out);

/* checkpoint_maps.c: the mappings of a process, in order. */
struct checkpoint_vma {
	uint64_t start, len, offset;
	uint32_t prot, backing;
	bool is_whole; /* all of it is private, from an older checkpoint */
};
struct checkpoint_range {
	uint64_t start, end;
};
int checkpoint_read_maps(const struct checkpoint_out *out, pid_t pid,
			 struct checkpoint_array *vmas);
/* Ranges of pages that only this process has (and those it shares since a
 * fork), in order. */
int checkpoint_read_private(const struct checkpoint_out *out, pid_t pid,
			    const struct checkpoint_array *vmas,
			    struct checkpoint_array *ranges);

/* checkpoint_fds.c: the descriptor table of the frozen instance. */
int checkpoint_descriptors(struct checkpoint_out *out,
			   const struct instance *in);

/* checkpoint_host.c: what a checkpoint must be woken with. */
void checkpoint_processor(struct checkpoint_header *h);
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
	const struct checkpoint_space *spaces;
	const struct checkpoint_fd *fds;
	const struct checkpoint_member *members;
	const struct checkpoint_volume *volumes;
	const uint32_t *sums;
	const char *spec;
};

/* checkpoint_read.c. The descriptor stays the caller's. */
int checkpoint_read(struct checkpoint *cp, int fd, struct err *e);
void checkpoint_free(struct checkpoint *cp);
/* Copy the extents into the memory objects, by their sums. */
int checkpoint_copy_objects(const struct checkpoint *cp,
			    const int objects[CHECKPOINT_OBJECTS],
			    struct err *e);
/* Read all private pages and check their sums. */
int checkpoint_verify_pages(const struct checkpoint *cp, struct err *e);
/* Is it of this kernel, processor, image and spec? */
int checkpoint_match(const struct checkpoint *cp, const struct instance *in,
		     const uint8_t build_id[32], const char *spec,
		     size_t spec_len, struct err *e);

/* The table's entry of a number, or NULL. */
const struct checkpoint_fd *checkpoint_find_fd(const struct checkpoint *cp,
					       int number);

#endif
