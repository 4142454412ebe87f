/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of the shared memory objects in a checkpoint, as extents. Zero
 * pages are left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/crc32c.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"

#define BATCH 64 /* pages that are looked at together */
#define COPY_SIZE (256u << 10)

bool checkpoint_is_zero(const uint8_t *page)
{
	const uint64_t *p = (const uint64_t *)(const void *)page;

	for (size_t i = 0; i < PAGE_SIZE / 8; i += 8) {
		if (p[i] | p[i + 1] | p[i + 2] | p[i + 3] | p[i + 4] |
		    p[i + 5] | p[i + 6] | p[i + 7])
			return false;
	}
	return true;
}

static struct checkpoint_extent *
new_extent(struct checkpoint_out *out, uint32_t object, uint64_t at, size_t len)
{
	struct checkpoint_extent *x =
		checkpoint_add(&out->extents, sizeof(*x), 1);

	if (!x) {
		err_sys(out->e, ENOMEM, "extents");
		return NULL;
	}
	x->at = at;
	x->offset = checkpoint_at(out);
	x->len = len;
	x->object = object;
	return x;
}

static int add_extent(struct checkpoint_out *out, uint32_t object, uint64_t at,
		      const uint8_t *data, size_t len)
{
	struct checkpoint_extent *x = new_extent(out, object, at, len);

	if (!x)
		return -out->e->code;
	x->sum = crc32c(0, data, len);
	if (out->buf + out->used != data)
		memmove(out->buf + out->used, data, len);
	out->used += len;
	return 0;
}

static bool is_chunk_start(uint32_t object, uint64_t at)
{
	return object == CHECKPOINT_CACHE && IS_ALIGNED(at, CHECKPOINT_CHUNK);
}

/* n pages of the object, read to behind what is used of the buffer. */
static int add_object_pages(struct checkpoint_out *out, uint32_t object,
			    uint64_t at, size_t n)
{
	const uint8_t *data = out->buf + out->used;
	size_t i = 0, start;

	while (i < n) {
		start = i;
		while (i < n && !checkpoint_is_zero(data + i * PAGE_SIZE) &&
		       (i == start ||
			!is_chunk_start(object, at + i * PAGE_SIZE)))
			i++;
		if (i == start)
			i++; /* a page of zeros */
		else if (add_extent(out, object, at + start * PAGE_SIZE,
				    data + start * PAGE_SIZE,
				    (i - start) * PAGE_SIZE))
			return -out->e->code;
	}
	return 0;
}

static int add_object_part(struct checkpoint_out *out, uint32_t object, int fd,
			   uint64_t at, uint64_t end)
{
	while (at < end) {
		size_t n = (size_t)MIN(end - at, BATCH * PAGE_SIZE);
		ssize_t got;

		if (checkpoint_room(out, n))
			return -out->e->code;
		got = pread(fd, out->buf + out->used, n, (off_t)at);
		if (got != (ssize_t)n)
			return err_sys(out->e, got < 0 ? errno : EIO,
				       "read of shared memory");
		if (add_object_pages(out, object, at, n / PAGE_SIZE))
			return -out->e->code;
		at += n;
	}
	return 0;
}

/* The next pages from *at on that may hold something: up to *end. 1, 0 if
 * there are none, or -errno. */
static int next_part(int fd, off_t *at, off_t *end, struct err *e)
{
	*at = lseek(fd, *at, SEEK_DATA);
	if (*at < 0 && errno == ENXIO)
		return 0;
	*end = *at < 0 ? -1 : lseek(fd, *at, SEEK_HOLE);
	return *end < 0 ? err_sys(e, errno, "shared memory") : 1;
}

static int copy_part(int from, int to, off_t at, off_t end, uint8_t *buf,
		     struct err *e)
{
	while (at < end) {
		size_t n = (size_t)MIN(end - at, (off_t)COPY_SIZE);

		if (pread(from, buf, n, at) != (ssize_t)n ||
		    pwrite(to, buf, n, at) != (ssize_t)n)
			return err_sys(e, errno, "copy of shared memory");
		at += (off_t)n;
	}
	return 0;
}

int checkpoint_copy_object(int fd, struct err *e)
{
	cleanup_free uint8_t *buf = malloc(COPY_SIZE);
	cleanup_close int to = memfd_create("copy", MFD_CLOEXEC);
	off_t at = 0, end = 0;
	struct stat st;
	int r;

	if (!buf || to < 0 || fstat(fd, &st) || ftruncate(to, st.st_size))
		return err_sys(e, buf ? errno : ENOMEM,
			       "copy of shared memory");
	while ((r = next_part(fd, &at, &end, e)) > 0) {
		if (copy_part(fd, to, at, end, buf, e))
			return -e->code;
		at = end;
	}
	return r < 0 ? r : take_fd(&to);
}

int checkpoint_object(struct checkpoint_out *out, uint32_t object, int fd,
		      struct checkpoint_range without)
{
	off_t at = 0, end = 0;

	for (;;) {
		int r = next_part(fd, &at, &end, out->e);
		uint64_t from = (uint64_t)at, to = (uint64_t)end;

		if (r <= 0)
			return r;
		if (add_object_part(out, object, fd, from,
				    MIN(to, MAX(from, without.start))) ||
		    add_object_part(out, object, fd,
				    MAX(from, MIN(to, without.end)), to))
			return -out->e->code;
		at = end;
	}
}

/* --- What the last wake has left ------------------------------------------ */

static int compare_extents(const void *a, const void *b)
{
	const struct checkpoint_extent *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* Is anything of it among n sorted ones? Then it was taken, whatever the
 * instance says. */
static bool overlaps(const struct checkpoint_extent *sorted, size_t n,
		     const struct checkpoint_extent *x)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (sorted[mid].at + sorted[mid].len > x->at)
			high = mid;
		else
			low = mid + 1;
	}
	return low < n && sorted[low].at < x->at + x->len;
}

/* With the sum that it has: damage stays what it is. */
static int copy_left(struct checkpoint_out *out,
		     const struct checkpoint_extent *from)
{
	struct checkpoint_extent *x;

	if (checkpoint_room(out, from->len))
		return -out->e->code;
	if (pread(out->older->fd, out->buf + out->used, from->len,
		  (off_t)from->offset) != (ssize_t)from->len)
		return err_sys(out->e, EIO, "read of the older checkpoint");
	x = new_extent(out, CHECKPOINT_CACHE, from->at, from->len);
	if (!x)
		return -out->e->code;
	x->sum = from->sum;
	out->used += from->len;
	return 0;
}

int checkpoint_cache(struct checkpoint_out *out, int fd, const uint64_t *taken)
{
	const struct checkpoint *older = out->older;
	struct checkpoint_array *all = &out->extents;
	size_t first = all->count, n;

	if (checkpoint_object(out, CHECKPOINT_CACHE, fd,
			      (struct checkpoint_range){ 0, 0 }))
		return -out->e->code;
	n = all->count - first;
	for (uint64_t i = 0; older && i < older->nleft; i++) {
		const struct checkpoint_extent *x =
			&older->extents[older->first_left + i];
		const struct checkpoint_extent *sorted = all->items;

		if (!(taken[i / 64] >> i % 64 & 1) &&
		    !overlaps(sorted + first, n, x) && copy_left(out, x))
			return -out->e->code;
	}
	if (all->count > first)
		qsort((struct checkpoint_extent *)all->items + first,
		      all->count - first, sizeof(struct checkpoint_extent),
		      compare_extents);
	return 0;
}
