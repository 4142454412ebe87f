/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory objects: reading, writing, resizing file data in the image or the
 * page cache. Called by vfs/ and fs/ for read and write, by mm.c for mappings.
 *
 * Theory of operation. A cache object's bytes lie in windows of the cache, one
 * extent each. Extents are appended, never removed or changed until the object
 * dies, so that readers need no lock: they see the number of extents first,
 * then an array that has at least as many. When the array itself is outgrown
 * the old one is kept until the end. A page that holds no data is never read
 * (that would make the platform allocate it): window.c knows which do. Writers
 * hold the lock, against each other and against resizing. Lock order: object
 * lock, mm->lock, extent_lock.
 */
#include "kernel/mm/object.h"

#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/mm/mm_int.h"
#include "kernel/vfs/uio.h"

#define EXTENTS_MIN 30 /* doubling sizes: enough for the largest object */
#define EXTENTS_MAX 4096
#define PUNCH_ZERO_MAX 4 /* pages zeroed by hand rather than discarded */

/* An outgrown array that readers may still hold. */
struct old_extents {
	struct old_extents *next;
	struct object_extent *array;
};

int object_new_cache(u64 size, struct object **obj)
{
	struct object *o;

	if (size > OBJECT_SIZE_MAX)
		return -EFBIG;
	o = kzalloc(sizeof(*o));
	if (!o)
		return -ENOMEM;
	ref_init(&o->ref);
	o->backing = PLAT_CACHE;
	o->size = size;
	o->extents = &o->first;
	o->extents_max = 1;
	list_init(&o->mappings);
	*obj = o;
	return 0;
}

int object_new_image(u64 offset, u64 size, struct object **obj)
{
	int err = object_new_cache(size, obj);
	struct object *o;

	if (err)
		return err;
	o = *obj;
	o->backing = PLAT_IMAGE;
	o->first = (struct object_extent){ 0, size, offset };
	o->nextents = 1;
	o->npages = PAGE_UP(size) >> PAGE_SHIFT;
	return 0;
}

void object_get(struct object *o)
{
	ref_get(&o->ref);
}

static void object_free(struct object *o)
{
	struct old_extents *old = o->old_extents;

	if (o->ops)
		o->ops->free(o);
	for (u32 i = 0; i < o->nextents && o->backing == PLAT_CACHE; i++) {
		struct object_extent *e = &o->extents[i];
		u64 keep = window_wants_warm(e->len) ? WINDOW_UNIT : 0;

		cache_clear(e->window >> PAGE_SHIFT, e->len >> PAGE_SHIFT,
			    keep >> PAGE_SHIFT);
		window_free(e->window, e->len);
	}
	if (o->extents != &o->first)
		kfree(o->extents);
	while (old) {
		struct old_extents *next = old->next;

		kfree(old->array);
		kfree(old);
		old = next;
	}
	kfree(o);
}

void object_put(struct object *o)
{
	if (o && ref_put(&o->ref))
		object_free(o);
}

/* --- Extents
 * ------------------------------------------------------------------- */

/* The extent that holds offset, or NULL: no window there. Any thread. */
static const struct object_extent *extent_at(const struct object *o, u64 offset)
{
	/* Pairs with the releases in extent_append(). */
	u32 n = atomic_load_acquire(&o->nextents);
	const struct object_extent *e = atomic_load_acquire(&o->extents);

	while (n > 0) { /* the last ones are the largest */
		n--;
		if (offset >= e[n].start)
			return offset - e[n].start < e[n].len ? &e[n] : NULL;
	}
	return NULL;
}

static int extents_grow(struct object *o)
{
	u32 max = o->extents_max == 1 ? EXTENTS_MIN : o->extents_max * 2;
	struct object_extent *bigger;

	if (max > EXTENTS_MAX)
		return -ENOSPC;
	bigger = kmalloc(max * sizeof(*bigger));
	if (!bigger)
		return -ENOSPC;
	memcpy(bigger, o->extents, o->nextents * sizeof(*bigger));
	if (o->extents != &o->first) {
		struct old_extents *node = kmalloc(sizeof(*node));

		if (!node) {
			kfree(bigger);
			return -ENOSPC;
		}
		node->next = o->old_extents;
		node->array = o->extents;
		o->old_extents = node;
	}
	o->extents_max = max;
	atomic_store_release(&o->extents, bigger);
	return 0;
}

/* Append a window of at least `need` bytes, better `want`. */
static int extent_append(struct object *o, u64 start, u64 need, u64 want)
{
	struct object_extent *e;
	u64 window;
	int err = 0;

	if (o->nextents == o->extents_max)
		err = extents_grow(o);
	if (err)
		return err;
	err = window_alloc(want, &window);
	while (err && want > need) {
		want = MAX(ROUND_UP(want / 2, WINDOW_UNIT), need);
		err = window_alloc(want, &window);
	}
	if (err)
		return err;
	e = &o->extents[o->nextents];
	*e = (struct object_extent){ start, want, window };
	atomic_store_release(&o->nextents, o->nextents + 1);
	return 0;
}

static u64 extents_end(const struct object *o)
{
	u32 n = atomic_load_acquire(&o->nextents);
	const struct object_extent *e = atomic_load_acquire(&o->extents);

	return n ? e[n - 1].start + e[n - 1].len : 0;
}

/* Under extent_lock. */
static int extents_cover_locked(struct object *o, u64 end)
{
	u64 have = extents_end(o);
	u64 need, want;

	if (end <= have)
		return 0;
	need = ROUND_UP(end - have, WINDOW_UNIT);
	if (have)
		want = MAX(need, have);
	else
		want = MAX(need, ROUND_UP(o->size, WINDOW_UNIT));
	return extent_append(o, have, need, want);
}

/* Have windows for all bytes below end: the first as large as the object, later
 * ones as large as all before. */
static int extents_cover(struct object *o, u64 end)
{
	int err;

	if (likely(end > 0 && extent_at(o, end - 1)))
		return 0;
	if (o->backing != PLAT_CACHE || end > OBJECT_SIZE_MAX)
		return -EFBIG;
	mutex_lock(&o->extent_lock);
	err = extents_cover_locked(o, end);
	mutex_unlock(&o->extent_lock);
	return err;
}

static char *extent_address(const struct object_extent *e, u64 offset)
{
	return (char *)(KERNEL_CACHE_BASE + e->window + (offset - e->start));
}

static u64 extent_page(const struct object_extent *e, u64 offset)
{
	return (e->window + (offset - e->start)) >> PAGE_SHIFT;
}

/* Bytes from offset to the end of a run of `pages` pages that starts with
 * offset's page. */
static u64 run_bytes(u64 offset, u64 pages)
{
	return (pages << PAGE_SHIFT) - offset % PAGE_SIZE;
}

/* Pages that [offset, offset+n) lies on. */
static u64 pages_of(u64 offset, u64 n)
{
	return (offset % PAGE_SIZE + n + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* The run of data or hole that starts at offset, at most n bytes. */
static u64 data_run(const struct object *o, u64 offset, u64 n, char **data)
{
	const struct object_extent *e = extent_at(o, offset);
	bool has_data;
	u64 pages;

	*data = NULL;
	if (!e)
		return n;
	n = MIN(n, e->start + e->len - offset);
	pages = cache_run(extent_page(e, offset), pages_of(offset, n),
			  &has_data);
	if (has_data)
		*data = extent_address(e, offset);
	return MIN(n, run_bytes(offset, pages));
}

/* --- Reading and writing
 * --------------------------------------------------------- */

s64 object_read(struct object *o, struct uio *u, u64 offset)
{
	u64 size = atomic_load(&o->size);
	s64 total = 0;
	u64 n;

	if (offset >= size)
		return 0;
	n = MIN(u->left, size - offset);
	if (o->backing == PLAT_IMAGE)
		return uio_put(
			u,
			(void *)(KERNEL_IMAGE_BASE + o->first.window + offset),
			n);
	while (n > 0) {
		char *data;
		u64 run = data_run(o, offset, n, &data);
		s64 moved = data ? uio_put(u, data, run) : uio_zero(u, run);

		if (moved < 0)
			return total ? total : moved;
		total += moved;
		if ((u64)moved < run)
			break;
		offset += run;
		n -= run;
	}
	return total;
}

/* Bytes between the object's end and the end of its last page must be zero
 * when it grows; a shared mapping may have written there. Under lock. */
static void zero_tail(struct object *o, u64 size)
{
	const struct object_extent *e;

	if (size % PAGE_SIZE == 0)
		return;
	e = extent_at(o, size);
	if (e && cache_page_has_data(extent_page(e, size)))
		memset(extent_address(e, size), 0,
		       PAGE_SIZE - size % PAGE_SIZE);
}

static void size_grow(struct object *o, u64 size)
{
	const struct object_extent *e;

	if (size <= o->size)
		return;
	e = o->size % PAGE_SIZE ? extent_at(o, o->size) : NULL;
	if (e && cache_any_mapped(extent_page(e, o->size), 1))
		zero_tail(o, o->size);
	atomic_store(&o->size, size);
}

/* Fresh pages are made by the platform at the first write to each, which costs
 * it a fault; ask for the pages of a large write at once, and for 64 KiB ahead
 * when a file of some size grows. */
static void populate(const struct object *o, const struct object_extent *e,
		     u64 offset, u64 n)
{
	u64 first = PAGE_DOWN(offset), end = PAGE_UP(offset + n);

	if (offset == o->size && offset >= WINDOW_UNIT &&
	    offset % WINDOW_UNIT == 0)
		end = MAX(end, offset + WINDOW_UNIT);
	if (end - first > PAGE_SIZE && !heap_over_limit(end - first))
		plat_kernel_populate(extent_address(e, first), end - first);
}

/* Write into one extent: bytes moved or -errno. */
static s64 write_run(struct object *o, struct uio *u, u64 offset, u64 n)
{
	const struct object_extent *e = extent_at(o, offset);
	u64 fresh;
	int err;

	n = MIN(n, e->start + e->len - offset);
	err = cache_touch(extent_page(e, offset), pages_of(offset, n), &fresh);
	if (err)
		return err;
	if (fresh) {
		o->npages += fresh;
		populate(o, e, offset, n);
	}
	return uio_get(u, extent_address(e, offset), n);
}

static s64 write_locked(struct object *o, struct uio *u, u64 offset, u64 n)
{
	s64 total = 0;
	int err = extents_cover(o, offset + n);

	if (err)
		return err;
	/* What a mapping left past the end must not show up in the gap. */
	if (offset > o->size)
		size_grow(o, offset);
	while (n > 0) {
		u64 before = u->left;
		s64 moved = write_run(o, u, offset, n);

		if (moved < 0)
			return total ? total : moved;
		total += moved;
		offset += (u64)moved;
		n -= (u64)moved;
		if (offset > o->size)
			atomic_store(&o->size, offset);
		if (u->left == before)
			break;
	}
	return total;
}

s64 object_write(struct object *o, struct uio *u, u64 offset)
{
	u64 n = u->left;
	u64 old_size;
	s64 ret;

	if (n == 0)
		return 0;
	if (offset >= OBJECT_SIZE_MAX)
		return -EFBIG;
	n = MIN(n, OBJECT_SIZE_MAX - offset);
	mutex_lock(&o->lock);
	old_size = o->size;
	ret = write_locked(o, u, offset, n);
	if (ret < 0 && offset > old_size)
		atomic_store(&o->size, old_size);
	mutex_unlock(&o->lock);
	return ret;
}

/* --- Size, holes
 * ------------------------------------------------------------------ */

/* Make pages holes that a mapping may still show, and write to: those keep
 * their mark, or what is written there would not be seen by reads. */
static u64 clear_run(struct object *o, u64 page, u64 n)
{
	bool stays = cache_any_mapped(page, n) && !list_empty(&o->mappings);
	u64 count = cache_clear(page, n, PUNCH_ZERO_MAX);

	if (stays)
		cache_mark_mapped(page, n, true);
	return count;
}

/* Make the whole pages of [from, to) holes. Under lock. */
static void clear_pages(struct object *o, u64 from, u64 to)
{
	while (from < to) {
		const struct object_extent *e = extent_at(o, from);
		u64 n;

		if (!e)
			return;
		n = MIN(to, e->start + e->len) - from;
		o->npages -=
			clear_run(o, extent_page(e, from), n >> PAGE_SHIFT);
		from += n;
	}
}

/* Zero bytes within one page. Under lock. */
static void zero_part(struct object *o, u64 offset, u64 n)
{
	const struct object_extent *e = extent_at(o, offset);

	if (n > 0 && e && cache_page_has_data(extent_page(e, offset)))
		memset(extent_address(e, offset), 0, n);
}

int object_resize(struct object *o, u64 size)
{
	bool shrinks;

	if (o->backing != PLAT_CACHE)
		return -EROFS;
	if (size > OBJECT_SIZE_MAX)
		return -EFBIG;
	mutex_lock(&o->lock);
	shrinks = size < o->size;
	if (shrinks)
		atomic_store(&o->size, size);
	else
		size_grow(o, size);
	mutex_unlock(&o->lock);
	if (!shrinks)
		return 0;

	/* Mappings first, without the lock: mm's locks come before it. */
	mm_object_shrunk(o, size);
	mutex_lock(&o->lock);
	zero_tail(o, size);
	clear_pages(o, PAGE_UP(size), extents_end(o));
	mutex_unlock(&o->lock);
	return 0;
}

int object_punch(struct object *o, u64 offset, u64 len)
{
	u64 end;

	if (o->backing != PLAT_CACHE)
		return -EROFS;
	mutex_lock(&o->lock);
	end = MIN(len, OBJECT_SIZE_MAX) + MIN(offset, OBJECT_SIZE_MAX);
	end = MIN(end, MAX(PAGE_UP(o->size), extents_end(o)));
	if (offset >= end) {
		mutex_unlock(&o->lock);
		return 0;
	}
	if (PAGE_DOWN(offset) == PAGE_DOWN(end)) {
		zero_part(o, offset, end - offset);
	} else {
		zero_part(o, offset, PAGE_UP(offset) - offset);
		clear_pages(o, PAGE_UP(offset), PAGE_DOWN(end));
		zero_part(o, PAGE_DOWN(end), end - PAGE_DOWN(end));
	}
	mutex_unlock(&o->lock);
	return 0;
}

/* Under lock; windows cover the range. */
static int touch_range(struct object *o, u64 offset, u64 end)
{
	while (offset < end) {
		const struct object_extent *e = extent_at(o, offset);
		u64 n = MIN(end, e->start + e->len) - offset;
		u64 fresh;
		int err = cache_touch(extent_page(e, offset),
				      pages_of(offset, n), &fresh);

		if (err)
			return err;
		o->npages += fresh;
		offset += n;
	}
	return 0;
}

int object_allocate(struct object *o, u64 offset, u64 len, bool keep_size)
{
	u64 end;
	int err;

	if (o->backing != PLAT_CACHE)
		return -EROFS;
	if (ckd_add(&end, offset, len) || end > OBJECT_SIZE_MAX)
		return -EFBIG;
	mutex_lock(&o->lock);
	err = extents_cover(o, end);
	if (!err)
		err = touch_range(o, offset, end);
	if (!err && !keep_size)
		size_grow(o, end);
	mutex_unlock(&o->lock);
	return err;
}

s64 object_seek(struct object *o, u64 offset, bool data)
{
	u64 size = atomic_load(&o->size);

	if (offset >= size)
		return -ENXIO;
	if (o->backing == PLAT_IMAGE)
		return (s64)(data ? offset : size);
	while (offset < size) {
		char *p;
		u64 run = data_run(o, offset, size - offset, &p);

		if ((p != NULL) == data)
			return (s64)offset;
		offset += run;
	}
	return data ? -ENXIO : (s64)size;
}

/* --- Direct access
 * ------------------------------------------------------------------ */

int object_resolve(struct object *o, u64 offset, u64 len, u64 *plat_offset,
		   u64 *run)
{
	const struct object_extent *e;
	u64 end;
	int err = 0;

	if (ckd_add(&end, offset, len))
		return -EFBIG;
	e = extent_at(o, offset);
	if (!e || end > e->start + e->len) {
		err = extents_cover(o, end);
		e = extent_at(o, offset);
	}
	if (o->backing == PLAT_IMAGE && e) {
		/* The last page of the extent is there as a whole. */
		*plat_offset = e->window + offset;
		*run = MIN(len, PAGE_UP(e->len) - offset);
		return 0;
	}
	if (!e)
		return err ? err : -EFBIG;
	*plat_offset = e->window + (offset - e->start);
	*run = MIN(len, e->start + e->len - offset);
	return 0;
}

void *object_address(struct object *o, u64 offset, u64 *run)
{
	u64 size = atomic_load(&o->size);
	u64 at;

	if (offset >= size ||
	    object_resolve(o, offset, size - offset, &at, run))
		return NULL;
	if (o->backing == PLAT_IMAGE)
		return (void *)(KERNEL_IMAGE_BASE + at);
	return (void *)(KERNEL_CACHE_BASE + at);
}

void object_mark(struct object *o, u64 offset, u64 len, bool writable)
{
	u64 end = offset + len;

	if (o->backing != PLAT_CACHE)
		return;
	while (offset < end) {
		const struct object_extent *e = extent_at(o, offset);
		u64 n;

		if (!e)
			return;
		n = MIN(end, e->start + e->len) - offset;
		cache_mark_mapped(extent_page(e, offset), pages_of(offset, n),
				  writable);
		offset += n;
	}
}

void object_trim(struct object *o)
{
	u64 from, end;

	if (o->backing != PLAT_CACHE)
		return;
	mutex_lock(&o->lock);
	from = PAGE_UP(o->size);
	end = extents_end(o);
	if (from < end) {
		object_mark(o, from, end - from, true);
		clear_pages(o, from, end);
	}
	mutex_unlock(&o->lock);
}

/* --- For the pager
 * ------------------------------------------------------------------ */

int object_touch(struct object *o, u64 offset, u64 len)
{
	u64 end = offset + len, fresh;

	while (offset < end) {
		const struct object_extent *e = extent_at(o, offset);
		u64 n;

		if (!e)
			return -ENOMEM;
		n = MIN(end, e->start + e->len) - offset;
		if (cache_touch(extent_page(e, offset), n >> PAGE_SHIFT,
				&fresh))
			return -ENOMEM;
		offset += n;
	}
	return 0;
}

void object_clear(struct object *o, u64 offset, u64 len)
{
	u64 end = offset + len;

	while (offset < end) {
		const struct object_extent *e = extent_at(o, offset);
		u64 n;

		if (!e)
			return;
		n = MIN(end, e->start + e->len) - offset;
		(void)clear_run(o, extent_page(e, offset), n >> PAGE_SHIFT);
		offset += n;
	}
}

void *object_window(struct object *o, u64 offset, u64 len, u64 *run)
{
	u64 at;

	if (object_resolve(o, offset, len, &at, run))
		return NULL;
	return (void *)(KERNEL_CACHE_BASE + at);
}

#define ERROR_MASK 0xfffU
#define ERROR_SEEN 0x1000U
#define ERROR_STEP 0x2000U

void object_set_error(struct object *o, int err)
{
	u32 old = atomic_load(&o->error), new;

	do {
		new = (old & ~(ERROR_MASK | ERROR_SEEN)) | (u32)-err;
		/* A new number only if somebody knows the old one. */
		if (old & ERROR_SEEN)
			new += ERROR_STEP;
	} while (!atomic_cmpxchg(&o->error, &old, new));
}

u32 object_error_start(const struct object *o)
{
	u32 now = atomic_load(&o->error);

	return now & ERROR_SEEN ? now : 0;
}

int object_error(struct object *o, u32 *seen)
{
	u32 now = atomic_load(&o->error);

	if (likely(now == *seen))
		return 0;
	while (!(now & ERROR_SEEN) &&
	       !atomic_cmpxchg(&o->error, &now, now | ERROR_SEEN))
		;
	now |= ERROR_SEEN;
	if (now == *seen)
		return 0;
	*seen = now;
	return -(int)(now & ERROR_MASK);
}

u64 object_total_pages(void)
{
	return cache_total_pages();
}
