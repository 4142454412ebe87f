/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of a checkpoint: of the shared memory objects, as extents, and of
 * each host process, as runs that go on top of its mappings. Zero pages are
 * left out, pages that an earlier process has at the same address are stored
 * once, but not where that would break a run into small pieces: a wake makes a
 * mapping for each run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/crc32c.h"
#include "lib/compiler.h"
#include "monitor/checkpoint.h"

#define BATCH 64	 /* pages that are looked at together */
#define GAP_MAX 4	 /* pages that need not be stored, but are */
#define EXTENT_GAP_MAX 1 /* the same, in shared objects */

static bool is_zero(const uint8_t *page)
{
	const uint64_t *p = (const uint64_t *)(const void *)page;

	for (size_t i = 0; i < PAGE_SIZE / 8; i += 8) {
		if (p[i] | p[i + 1] | p[i + 2] | p[i + 3] | p[i + 4] |
		    p[i + 5] | p[i + 6] | p[i + 7])
			return false;
	}
	return true;
}

/* Shared objects. */

static int add_extent(struct checkpoint_out *out, uint32_t object, uint64_t at,
		      const uint8_t *data, size_t len)
{
	struct checkpoint_extent *x =
		checkpoint_add(&out->extents, sizeof(*x), 1);

	if (!x)
		return err_sys(out->e, ENOMEM, "extents");
	x->at = at;
	x->offset = checkpoint_at(out);
	x->len = len;
	x->object = object;
	x->sum = crc32c(0, data, len);
	if (out->buf + out->used != data)
		memmove(out->buf + out->used, data, len);
	out->used += len;
	return 0;
}

/* n pages of the object, read to behind what is used of the buffer. */
static int add_object_pages(struct checkpoint_out *out, uint32_t object,
			    uint64_t at, size_t n)
{
	const uint8_t *data = out->buf + out->used;
	size_t i = 0, start, end;

	while (i < n) {
		if (is_zero(data + i * PAGE_SIZE)) {
			i++;
			continue;
		}
		start = i;
		end = ++i;
		for (; i < n && i - end <= EXTENT_GAP_MAX; i++)
			if (!is_zero(data + i * PAGE_SIZE))
				end = i + 1;
		if (add_extent(out, object, at + start * PAGE_SIZE,
			       data + start * PAGE_SIZE,
			       (end - start) * PAGE_SIZE))
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

int checkpoint_object(struct checkpoint_out *out, uint32_t object, int fd)
{
	off_t at = 0, end;

	for (;;) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0
					      : err_sys(out->e, errno,
							"shared memory");
		end = lseek(fd, at, SEEK_HOLE);
		if (end < 0)
			return err_sys(out->e, errno, "shared memory");
		if (add_object_part(out, object, fd, (uint64_t)at,
				    (uint64_t)end))
			return -out->e->code;
		at = end;
	}
}

/* Which pages are stored, by address. */

#define BUCKETS (1u << 16)
#define VIEW_SIZE (1ULL << 40)
#define CHAIN_MAX 64

struct stored_page {
	uint64_t addr, offset;
	uint32_t sum, next; /* index + 1 */
};

struct checkpoint_stored {
	struct checkpoint_array pages;
	const uint8_t *view; /* the file */
	uint32_t heads[BUCKETS];
};

static uint32_t *bucket(struct checkpoint_stored *s, uint64_t addr)
{
	return &s->heads[(addr / PAGE_SIZE * 0x9e3779b97f4a7c15ULL) >> 48];
}

int checkpoint_compare(struct checkpoint_out *out)
{
	struct checkpoint_stored *s = calloc(1, sizeof(*s));
	void *view = mmap(NULL, VIEW_SIZE, PROT_READ,
			  MAP_SHARED | MAP_NORESERVE, out->fd, 0);

	static_assert(BUCKETS == 1u << (64 - 48), "hash");
	if (!s || view == MAP_FAILED) {
		free(s);
		return err_sys(out->e, ENOMEM, "index of pages");
	}
	s->view = view;
	out->stored = s;
	return 0;
}

void checkpoint_compare_end(struct checkpoint_out *out)
{
	struct checkpoint_stored *s = out->stored;

	if (!s)
		return;
	munmap((void *)(uintptr_t)s->view, VIEW_SIZE);
	free(s->pages.items);
	free(s);
	out->stored = NULL;
}

static const uint8_t *stored_bytes(const struct checkpoint_out *out,
				   uint64_t offset)
{
	return offset >= out->flushed ? out->buf + (offset - out->flushed)
				      : out->stored->view + offset;
}

/* Where the same page is, or 0. */
static uint64_t find_stored(const struct checkpoint_out *out, uint64_t addr,
			    uint32_t sum, const uint8_t *page)
{
	const struct stored_page *all = out->stored->pages.items;
	uint32_t i = *bucket(out->stored, addr);

	for (int n = 0; i && n < CHAIN_MAX; i = all[i - 1].next, n++) {
		const struct stored_page *p = &all[i - 1];

		if (p->addr == addr && p->sum == sum &&
		    memcmp(stored_bytes(out, p->offset), page, PAGE_SIZE) == 0)
			return p->offset;
	}
	return 0;
}

static int remember(struct checkpoint_out *out, uint64_t addr, uint64_t offset,
		    uint32_t sum)
{
	struct checkpoint_stored *s = out->stored;
	struct stored_page *p = checkpoint_add(&s->pages, sizeof(*p), 1);
	uint32_t *head = bucket(s, addr);

	if (!p)
		return err_sys(out->e, ENOMEM, "index of pages");
	*p = (struct stored_page){ addr, offset, sum, *head };
	*head = (uint32_t)s->pages.count;
	return 0;
}

/* Processes. */

enum kind { KIND_STORE, KIND_SKIP, KIND_SAME };

struct space {
	struct checkpoint_out *out;
	pid_t pid;
	int mem_fd;	  /* /proc/PID/mem, or -1: not needed yet */
	size_t first_map; /* the mapping that the runs go on top of */
	const struct checkpoint_vma *vma;
	/* The pages in hand. */
	size_t n;
	uint8_t kind[BATCH];
	uint32_t sums[BATCH];
	uint64_t same[BATCH];
};

static int add_map(struct checkpoint_out *out, uint64_t start, uint64_t len,
		   uint64_t offset, uint32_t prot, uint32_t backing)
{
	struct checkpoint_map *m = checkpoint_add(&out->maps, sizeof(*m), 1);

	if (!m)
		return err_sys(out->e, ENOMEM, "mappings");
	*m = (struct checkpoint_map){ start, len, offset, prot, backing };
	return 0;
}

static int add_run(struct space *s, uint64_t start, uint64_t len,
		   uint64_t offset)
{
	struct checkpoint_out *out = s->out;
	struct checkpoint_map *last =
		(struct checkpoint_map *)out->maps.items + out->maps.count - 1;

	if (out->maps.count > s->first_map + 1 &&
	    last->start + last->len == start &&
	    last->offset + last->len == offset) {
		last->len += len;
		return 0;
	}
	return add_map(out, start, len, offset, s->vma->prot, CHECKPOINT_FILE);
}

/* By the slow way, which the protection of the pages does not stop. */
static int read_anyway(struct space *s, uint64_t at, uint8_t *to, size_t len)
{
	char path[64];

	if (s->mem_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->pid);
		s->mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	while (len) {
		ssize_t n = pread(s->mem_fd, to, len, (off_t)at);

		if (n <= 0)
			return err_sys(s->out->e, n < 0 ? errno : EIO,
				       "read of memory at %#llx",
				       (unsigned long long)at);
		at += (size_t)n;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_memory(struct space *s, uint64_t at, uint8_t *to, size_t len)
{
	struct iovec local = { to, len };
	struct iovec remote = { (void *)(uintptr_t)at, len };
	ssize_t n = 0;

	if (s->vma->prot & PROT_READ)
		n = process_vm_readv(s->pid, &local, 1, &remote, 1, 0);
	if (n < 0)
		n = 0;
	return (size_t)n == len ? 0
				: read_anyway(s, at + (size_t)n, to + n,
					      len - (size_t)n);
}

static void classify(struct space *s, uint64_t at, const uint8_t *data)
{
	bool is_anon = s->vma->backing == CHECKPOINT_ANON;

	for (size_t i = 0; i < s->n; i++, data += PAGE_SIZE) {
		s->kind[i] = KIND_STORE;
		if (is_anon && is_zero(data)) {
			s->kind[i] = KIND_SKIP;
			continue;
		}
		s->sums[i] = crc32c(0, data, PAGE_SIZE);
		if (!s->out->stored)
			continue;
		s->same[i] = find_stored(s->out, at + i * PAGE_SIZE, s->sums[i],
					 data);
		if (s->same[i])
			s->kind[i] = KIND_SAME;
	}
}

/* The end of the pages from i on that make one piece. */
static size_t piece_end(const struct space *s, size_t i)
{
	size_t end = i + 1;

	while (end < s->n && s->kind[end] == s->kind[i] &&
	       (s->kind[i] != KIND_SAME ||
		s->same[end] == s->same[end - 1] + PAGE_SIZE))
		end++;
	return end;
}

/* Small pieces between stored ones are stored with them. */
static void smooth(struct space *s, const uint8_t *data)
{
	for (size_t i = 0, end; i < s->n; i = end) {
		bool before = i && s->kind[i - 1] == KIND_STORE, after;

		end = piece_end(s, i);
		after = end < s->n && s->kind[end] == KIND_STORE;
		if (s->kind[i] == KIND_STORE || end - i > GAP_MAX)
			continue;
		if (s->kind[i] == KIND_SKIP ? !(before && after)
					    : !(before || after))
			continue;
		for (size_t k = i; k < end; k++) {
			if (s->kind[k] == KIND_SKIP)
				s->sums[k] = crc32c(0, data + k * PAGE_SIZE,
						    PAGE_SIZE);
			s->kind[k] = KIND_STORE;
		}
	}
}

static int store(struct space *s, uint64_t at, const uint8_t *data, size_t i,
		 size_t end)
{
	struct checkpoint_out *out = s->out;
	uint64_t offset = checkpoint_at(out);
	size_t len = (end - i) * PAGE_SIZE;
	uint32_t *sums = checkpoint_add(&out->sums, sizeof(*sums), end - i);

	if (!sums)
		return err_sys(out->e, ENOMEM, "sums");
	memcpy(sums, s->sums + i, (end - i) * sizeof(*sums));
	for (size_t k = i; out->stored && k < end; k++)
		if (remember(out, at + k * PAGE_SIZE,
			     offset + (k - i) * PAGE_SIZE, s->sums[k]))
			return -out->e->code;
	if (out->buf + out->used != data + i * PAGE_SIZE)
		memmove(out->buf + out->used, data + i * PAGE_SIZE, len);
	out->used += len;
	return add_run(s, at + i * PAGE_SIZE, len, offset);
}

/* Pages of one range, at most a buffer full. */
static int add_pages(struct space *s, uint64_t at, size_t n)
{
	struct checkpoint_out *out = s->out;
	const uint8_t *data;

	if (checkpoint_room(out, n * PAGE_SIZE))
		return -out->e->code;
	data = out->buf + out->used;
	if (read_memory(s, at, out->buf + out->used, n * PAGE_SIZE))
		return -out->e->code;
	s->n = n;
	classify(s, at, data);
	smooth(s, data);
	for (size_t i = 0, end; i < n; i = end) {
		int r = 0;

		end = piece_end(s, i);
		if (s->kind[i] == KIND_STORE)
			r = store(s, at, data, i, end);
		else if (s->kind[i] == KIND_SAME)
			r = add_run(s, at + i * PAGE_SIZE,
				    (end - i) * PAGE_SIZE, s->same[i]);
		if (r)
			return r;
	}
	return 0;
}

/* May pages between private ones be stored with them? Those of the cache
 * change, and the last ones of a file may not be there. */
static uint64_t gap_max(const struct checkpoint_vma *v)
{
	return v->backing == CHECKPOINT_ANON ? GAP_MAX * PAGE_SIZE : 0;
}

/* The mapping v and what is private in it: ranges from *next on. */
static int add_mapping(struct space *s, const struct checkpoint_vma *v,
		       const struct checkpoint_range *r, size_t nranges)
{
	struct checkpoint_out *out = s->out;
	uint64_t end = v->start + v->len;
	struct checkpoint_map *m;

	s->vma = v;
	s->first_map = out->maps.count;
	if (add_map(out, v->start, v->len, v->offset, v->prot, v->backing))
		return -out->e->code;
	for (size_t i = 0; i < nranges;) {
		uint64_t from = r[i].start, to = r[i].end;

		for (i++; i < nranges && r[i].start <= to + gap_max(v); i++)
			to = r[i].end;
		from = from < v->start ? v->start : from;
		to = to > end ? end : to;
		while (from < to) {
			uint64_t n = (to - from) / PAGE_SIZE;

			n = MIN(n, BATCH);
			if (add_pages(s, from, n))
				return -out->e->code;
			from += n * PAGE_SIZE;
		}
	}
	/* A run that hides all of the mapping takes its place. */
	m = (struct checkpoint_map *)out->maps.items + s->first_map;
	if (out->maps.count == s->first_map + 2 && m[1].len == m[0].len) {
		m[0] = m[1];
		out->maps.count--;
	}
	return 0;
}

/* Neighbours that are one mapping, as before an earlier wake. */
static bool joins(const struct checkpoint_vma *a,
		  const struct checkpoint_vma *b)
{
	return a->start + a->len == b->start && a->prot == b->prot &&
	       a->backing == b->backing &&
	       (a->backing == CHECKPOINT_ANON ||
		a->offset + a->len == b->offset);
}

/* What is wholly private is so in the list of ranges. In order of address. */
static int add_whole(const struct checkpoint_out *out,
		     const struct checkpoint_array *vmas,
		     const struct checkpoint_array *found,
		     struct checkpoint_array *ranges)
{
	const struct checkpoint_vma *v = vmas->items;
	const struct checkpoint_range *f = found->items;
	size_t k = 0;

	for (size_t i = 0; i < vmas->count; i++, v++) {
		uint64_t end = v->start + v->len;
		struct checkpoint_range *r;

		for (; k < found->count && f[k].end <= v->start; k++)
			;
		for (; k < found->count && f[k].start < end; k++) {
			if (!v->is_whole) {
				r = checkpoint_add(ranges, sizeof(*r), 1);
				if (!r)
					return err_sys(out->e, ENOMEM, "pages");
				*r = f[k];
				r->start = MAX(r->start, v->start);
				r->end = MIN(r->end, end);
			}
			if (f[k].end > end)
				break;
		}
		if (!v->is_whole)
			continue;
		r = checkpoint_add(ranges, sizeof(*r), 1);
		if (!r)
			return err_sys(out->e, ENOMEM, "pages");
		*r = (struct checkpoint_range){ v->start, end };
	}
	return 0;
}

static int add_mappings(struct space *s, const struct checkpoint_array *vmas,
			const struct checkpoint_array *ranges)
{
	const struct checkpoint_vma *v = vmas->items;
	const struct checkpoint_range *r = ranges->items;
	size_t k = 0, first;

	for (size_t i = 0; i < vmas->count;) {
		struct checkpoint_vma all = v[i];

		for (i++; i < vmas->count && joins(&all, &v[i]); i++)
			all.len += v[i].len;
		for (first = k;
		     k < ranges->count && r[k].start < all.start + all.len;)
			k++;
		if (add_mapping(s, &all, r + first, k - first))
			return -s->out->e->code;
	}
	return 0;
}

static int add_space(struct space *s)
{
	struct checkpoint_array vmas = { 0 }, found = { 0 }, ranges = { 0 };
	struct checkpoint_out *out = s->out;
	int r = checkpoint_read_maps(out, s->pid, &vmas);

	if (!r && vmas.count)
		r = checkpoint_read_private(out, s->pid, &vmas, &found);
	if (!r)
		r = add_whole(out, &vmas, &found, &ranges);
	if (!r)
		r = add_mappings(s, &vmas, &ranges);
	free(vmas.items);
	free(found.items);
	free(ranges.items);
	return r;
}

int checkpoint_process(struct checkpoint_out *out, pid_t pid)
{
	cleanup_free struct space *s = calloc(1, sizeof(*s));
	size_t first = out->maps.count;
	struct checkpoint_space *entry;
	int r;

	if (!s)
		return err_sys(out->e, ENOMEM, "memory of a process");
	s->out = out;
	s->pid = pid;
	s->mem_fd = -1;
	r = add_space(s);
	if (s->mem_fd >= 0)
		close(s->mem_fd);
	if (r)
		return r;
	entry = checkpoint_add(&out->spaces, sizeof(*entry), 1);
	if (!entry)
		return err_sys(out->e, ENOMEM, "processes");
	entry->host_pid = pid;
	entry->nmaps = (uint32_t)(out->maps.count - first);
	entry->first_map = first;
	return 0;
}
