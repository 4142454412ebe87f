/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory objects: what files, shared memory and anonymous shared mappings are
 * made of. Two kinds: *image* objects are extents of the root image, read-only
 * and contiguous; *cache* objects live in windows of the page cache and may
 * grow. One object serves read/write and mmap, so they are coherent.
 */
#ifndef JIFFY_KERNEL_MM_OBJECT_H
#define JIFFY_KERNEL_MM_OBJECT_H

#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"
#include "lib/list.h"

struct uio;
struct pager;
struct object;
struct old_extents;

struct object_extent { /* file bytes [start, start+len) are at window */
	u64 start;
	u64 len;
	u64 window; /* offset in the cache object or the image */
};

/* What an object needs whose pages are not all in memory (pager.c). */
struct object_ops {
	/* Bytes [offset, offset+len) are to be shown by a mapping, which may
	 * write to them if is_write: have them in memory. Called under
	 * mm->lock. 0, -EIO, -ENOSPC, -ENOMEM. */
	int (*fault)(struct object *o, u64 offset, u64 len, bool is_write);
	/* No mapping can write to it from now on without a fault. */
	void (*unshared)(struct object *o);
	void (*free)(struct object *o);
};

struct object {
	struct ref ref;
	enum plat_backing backing; /* PLAT_CACHE or PLAT_IMAGE */
	u64 size; /* bytes; reads end here. Written under lock, read anyhow */
	struct mutex lock; /* size changes, writes; taken before mm->lock, as
			    * user copies under it may fault */
	struct mutex extent_lock; /* appending extents; after mm->lock */
	/* Sorted, contiguous from 0, only ever appended to while the object
	 * lives; read without a lock: nextents first (acquire), then
	 * extents. */
	u32 nextents;
	struct object_extent *extents;
	u32 extents_max;
	struct mutex map_lock;
	struct object_extent first; /* extents of small objects */
	struct old_extents
		*old_extents; /* outgrown arrays that readers may still use */
	u64 npages;	      /* pages that hold data: st_blocks */
	struct list mappings; /* struct area.object_node, under map_lock */
	const struct object_ops *ops; /* NULL: what is not here is zero */
	struct pager *pager;	      /* with ops */
	u32 error; /* errors of writing back: object_error() */
};

#define OBJECT_SIZE_MAX (1UL << 39)

/* A cache object of `size` bytes (may be 0 and grow). 0, -ENOMEM. */
int object_new_cache(u64 size, struct object **obj);
/* An image object: bytes [offset, offset+size) of the image. */
int object_new_image(u64 offset, u64 size, struct object **obj);
void object_get(struct object *o);
void object_put(struct object *o);

/* Copy between the object and a uio at offset; advances the uio. Reading stops
 * at size, holes read as zero; writing grows the object. Bytes moved, or
 * -EFAULT if none, -ENOSPC, -EFBIG. */
s64 object_read(struct object *o, struct uio *u, u64 offset);
s64 object_write(struct object *o, struct uio *u, u64 offset);
/* Callers of the next four serialise changes of size (inode lock). */
/* Grow (sparse) or shrink: bytes past the new size are gone, mappings of pages
 * past it give SIGBUS from now on. */
int object_resize(struct object *o, u64 size);
/* Free whole pages inside the range and zero the edges. */
int object_punch(struct object *o, u64 offset, u64 len);
/* Mark as allocated (fallocate), growing the object unless keep_size. */
int object_allocate(struct object *o, u64 offset, u64 len, bool keep_size);
/* SEEK_DATA / SEEK_HOLE: offset, or -ENXIO. */
s64 object_seek(struct object *o, u64 offset, bool data);

/* The contiguous run that holds `offset` (allocating a window if the object is
 * cache and has none there): where it is on the platform and how long. */
int object_resolve(struct object *o, u64 offset, u64 len, u64 *plat_offset,
		   u64 *run);
/* Kernel address of that run, for direct access; NULL if unresolvable. */
void *object_address(struct object *o, u64 offset, u64 *run);
/* Tell the object that the range is mapped: the platform may allocate its
 * holes behind our back. writable: a shared mapping may write there. Such pages
 * count as data, but not in npages. */
void object_mark(struct object *o, u64 offset, u64 len, bool writable);
/* Drop whatever a mapping removed too late left past the end. */
void object_trim(struct object *o);

/* For the pager, which sees to it that nobody else is at these pages; no lock
 * is taken but for windows. Pages of [offset, offset+len), multiples of a page,
 * are now data: 0, -ENOMEM; are no longer; kernel address of the first run. */
int object_touch(struct object *o, u64 offset, u64 len);
void object_clear(struct object *o, u64 offset, u64 len);
void *object_window(struct object *o, u64 offset, u64 len, u64 *run);

/* Errors of writing back, each of which every open file is to learn of once
 * (*seen is the file's). An error that nobody has learned of yet is news even
 * to who opens the file later. */
void object_set_error(struct object *o, int err);
u32 object_error_start(const struct object *o); /* for *seen, at open */
int object_error(struct object *o, u32 *seen);	/* 0 or -errno */

u64 object_total_pages(void); /* of all cache objects */

#endif
