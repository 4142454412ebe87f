/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private memory of a host process in a checkpoint: its mappings as they
 * were before any wake, and its pages. Those come from the process, or, where
 * it was woken from an older checkpoint and did not write since, from that; all
 * of them if it was not made since then.
 * Zero pages are left out where nothing else is below, pages that an earlier
 * process has at the same address are stored once.
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

#define BATCH 256u /* pages that are looked at together */

/* Pages that are read in one piece: part of one mapping of the host. */
struct segment {
	uint64_t start, len;
	uint64_t older; /* offset in the older checkpoint; 0: the process's */
	bool is_readable;
	bool is_hot;	/* it was to be read at the wake, though it is long */
	bool is_stored; /* each page of it is in the file already */
};

struct page {
	uint64_t addr;
	uint64_t stored; /* where it is in the file already, or 0 */
	uint64_t *moved; /* where the older one's is noted; NULL: it has none */
	uint32_t sum;
	bool is_older, is_hot;
};

struct space {
	struct checkpoint_out *out;
	pid_t pid;
	pid_t task; /* to ask the host by: task_alive() */
	int mem_fd; /* /proc/PID/mem, or -1: not needed yet */
	struct checkpoint_array vmas, segments;
	uint8_t *copy; /* of its pages, taken from `copied` on; or NULL */
	size_t copied;
	bool is_copy_own; /* not in out->ready */
	struct checkpoint_runs runs;
	/* The pages in hand. */
	size_t n, nsegments;
	struct page pages[BATCH];
	struct segment now[BATCH];
};

/* --- Mappings ------------------------------------------------------------ */

/* Neighbours that are one mapping, as before an earlier wake. */
static bool joins(const struct checkpoint_map *a,
		  const struct checkpoint_vma *b)
{
	return a->start + a->len == b->start && a->prot == b->prot &&
	       a->backing == b->backing &&
	       (a->backing == CHECKPOINT_ANON ||
		a->offset + a->len == b->offset);
}

static int add_map(struct space *s, const struct checkpoint_vma *v)
{
	struct checkpoint_array *maps = &s->out->maps;
	struct checkpoint_map *m = maps->items;

	if (maps->count > s->runs.first_map && joins(&m[maps->count - 1], v)) {
		m[maps->count - 1].len += v->len;
		return 0;
	}
	m = checkpoint_add(maps, sizeof(*m), 1);
	if (!m)
		return err_sys(s->out->e, ENOMEM, "mappings");
	*m = (struct checkpoint_map){ .start = v->start,
				      .len = v->len,
				      .offset = v->offset,
				      .prot = v->prot,
				      .backing = (uint16_t)v->backing };
	return 0;
}

/* What was below a mapping of the older checkpoint. */
static int add_below(struct space *s, const struct checkpoint_vma *v)
{
	uint64_t done = 0;

	while (done < v->len) {
		struct checkpoint_vma below = *v;

		if (checkpoint_below(s->out, v->older + done, &below))
			return -s->out->e->code;
		below.start = v->start + done;
		below.len = MIN(below.len, v->len - done);
		if (add_map(s, &below))
			return -s->out->e->code;
		done += below.len;
	}
	return 0;
}

static int add_maps(struct space *s, const struct checkpoint_array *vmas)
{
	const struct checkpoint_vma *v = vmas->items;

	for (size_t i = 0; i < vmas->count; i++, v++) {
		if (v->older)
			s->runs.is_woken = true;
		if (v->older ? add_below(s, v) : add_map(s, v))
			return -s->out->e->code;
	}
	return 0;
}

/* --- Where the pages are ------------------------------------------------- */

static int add_segment(struct space *s, const struct checkpoint_vma *v,
		       uint64_t start, uint64_t end, bool is_older)
{
	struct segment *g;

	if (start >= end)
		return 0;
	g = checkpoint_add(&s->segments, sizeof(*g), 1);
	if (!g)
		return err_sys(s->out->e, ENOMEM, "list of pages");
	*g = (struct segment){
		.start = start,
		.len = end - start,
		.older = is_older ? v->older + (start - v->start) : 0,
		.is_readable = v->prot & PROT_READ,
	};
	return 0;
}

/* Ranges from *r on that end in v or behind it. */
static int add_segments_of(struct space *s, const struct checkpoint_vma *v,
			   const struct checkpoint_range **r,
			   const struct checkpoint_range *last)
{
	uint64_t at = v->start, end = v->start + v->len;

	while (*r < last && (*r)->end <= at)
		(*r)++;
	for (; *r < last && (*r)->start < end; (*r)++) {
		uint64_t from = MAX((*r)->start, at);
		uint64_t to = MIN((*r)->end, end);

		if ((v->older && add_segment(s, v, at, from, true)) ||
		    (v->backing != CHECKPOINT_CACHE_SHARED &&
		     add_segment(s, v, from, to, false)))
			return -s->out->e->code;
		at = to;
		if ((*r)->end > end)
			break;
	}
	return v->older ? add_segment(s, v, at, end, true) : 0;
}

static int add_segments(struct space *s, const struct checkpoint_array *vmas,
			const struct checkpoint_array *ranges)
{
	const struct checkpoint_vma *v = vmas->items;
	const struct checkpoint_range *r = ranges->items;
	const struct checkpoint_range *last = r + ranges->count;

	for (size_t i = 0; i < vmas->count; i++)
		if (add_segments_of(s, &v[i], &r, last))
			return -s->out->e->code;
	return 0;
}

/* --- Reading ------------------------------------------------------------- */

static int read_file(struct space *s, int fd, uint64_t at, uint8_t *to,
		     size_t len)
{
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)at);

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

/* By the slow way, which the protection of the pages does not stop. */
static int read_anyway(struct space *s, const struct segment *g, uint8_t *to)
{
	char path[64];

	if (s->mem_fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->task);
		s->mem_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return read_file(s, s->mem_fd, g->start, to, g->len);
}

/* n segments of the process, all readable, at once. */
static int read_together(struct space *s, const struct segment *g, size_t n,
			 uint8_t *to)
{
	struct iovec remote[BATCH] = { 0 }, local = { to, 0 };

	for (size_t i = 0; i < n; i++) {
		remote[i].iov_base = (void *)(uintptr_t)g[i].start;
		remote[i].iov_len = g[i].len;
		local.iov_len += g[i].len;
	}
	if (process_vm_readv(s->task, &local, 1, remote, n, 0) ==
	    (ssize_t)local.iov_len)
		return 0;
	for (size_t i = 0; i < n; to += g[i++].len)
		if (read_anyway(s, &g[i], to))
			return -s->out->e->code;
	return 0;
}

/* The bytes of segments in the order of the list, for a process that goes on
 * before they are stored. */
static int take_copied(struct space *s, uint8_t *to, size_t len)
{
	memcpy(to, s->copy + s->copied, len);
	s->copied += len;
	return 0;
}

static bool is_plain(const struct segment *g)
{
	return !g->older && g->is_readable;
}

static int read_batch(struct space *s, uint8_t *to)
{
	for (size_t i = 0, end; i < s->nsegments; i = end) {
		const struct segment *g = &s->now[i];
		int r;

		end = i + 1;
		if (g->is_stored) {
			r = 0;
		} else if (g->older) {
			r = read_file(s, s->out->older->fd, g->older, to,
				      g->len);
		} else if (s->copy) {
			r = take_copied(s, to, g->len);
		} else if (!g->is_readable) {
			r = read_anyway(s, g, to);
		} else {
			while (end < s->nsegments && is_plain(&s->now[end]))
				end++;
			r = read_together(s, g, end - i, to);
		}
		if (r)
			return r;
		for (; i < end; i++)
			to += s->now[i].len;
	}
	return 0;
}

/* Processes that were woken share pages of the older checkpoint as they did. */
static void look_up(struct checkpoint_out *out, struct page *p, uint64_t older)
{
	p->sum = checkpoint_sum(out->older, older);
	p->moved = checkpoint_moved(out, older);
	p->stored = *p->moved;
}

/* Up to BATCH pages, from `at` in segment *k on. */
static void take_batch(struct space *s, size_t *k, uint64_t *at)
{
	const struct segment *all = s->segments.items;

	s->n = s->nsegments = 0;
	while (*k < s->segments.count && s->n < BATCH) {
		struct segment *g = &s->now[s->nsegments++];

		*g = all[*k];
		g->start += *at;
		g->is_stored = true;
		g->len = MIN(g->len - *at, (BATCH - s->n) * PAGE_SIZE);
		if (g->older)
			g->older += *at;
		*at += g->len;
		if (*at == all[*k].len) {
			*at = 0;
			(*k)++;
		}
		for (uint64_t i = 0; i < g->len; i += PAGE_SIZE) {
			struct page *p = &s->pages[s->n++];

			p->addr = g->start + i;
			p->is_older = g->older != 0;
			p->is_hot = g->is_hot || !p->is_older;
			p->stored = 0;
			p->moved = NULL;
			if (p->is_older)
				look_up(s->out, p, g->older + i);
			g->is_stored &= p->stored != 0;
		}
	}
}

/* --- Storing ------------------------------------------------------------- */

static int store(struct space *s, struct page *p, uint64_t base,
		 const uint8_t *data)
{
	struct checkpoint_out *out = s->out;
	uint32_t *sum = checkpoint_add(&out->sums, sizeof(*sum), 1);

	if (!sum)
		return err_sys(out->e, ENOMEM, "sums");
	*sum = p->sum;
	p->stored = checkpoint_at(out);
	if (out->stored &&
	    checkpoint_remember_page(out, p->addr, base, p->sum, p->stored))
		return -out->e->code;
	if (out->buf + out->used != data)
		memcpy(out->buf + out->used, data, PAGE_SIZE);
	out->used += PAGE_SIZE;
	return 0;
}

static int add_page(struct space *s, struct page *p, const uint8_t *data)
{
	const struct checkpoint_map *m = checkpoint_runs_map(&s->runs, p->addr);
	struct checkpoint_out *out = s->out;
	uint64_t base = checkpoint_base(m, p->addr);

	if (p->stored)
		return checkpoint_runs_add(&s->runs, p->addr, p->stored,
					   p->is_hot);
	if (m->backing == CHECKPOINT_ANON && !p->is_older &&
	    checkpoint_is_zero(data))
		return 0;
	if (!p->is_older) {
		p->sum = crc32c(0, data, PAGE_SIZE);
		/* It was read in vain, or only to be looked at. */
		if (checkpoint_was_read(out, p->addr, p->sum))
			p->is_hot = false;
	}
	p->stored = out->stored ? checkpoint_find_page(out, p->addr, base,
						       p->sum, data)
				: 0;
	if (!p->stored && store(s, p, base, data))
		return -out->e->code;
	if (p->moved)
		*p->moved = p->stored;
	return checkpoint_runs_add(&s->runs, p->addr, p->stored, p->is_hot);
}

static int add_pages(struct space *s)
{
	struct checkpoint_out *out = s->out;
	uint64_t at = 0;

	for (size_t k = 0; k < s->segments.count;) {
		const uint8_t *data;

		if (checkpoint_room(out, BATCH * PAGE_SIZE))
			return -out->e->code;
		data = out->buf + out->used;
		take_batch(s, &k, &at);
		if (read_batch(s, out->buf + out->used))
			return -out->e->code;
		for (size_t i = 0; i < s->n; i++)
			if (add_page(s, &s->pages[i], data + i * PAGE_SIZE))
				return -out->e->code;
	}
	return 0;
}

static int look(struct space *s)
{
	struct checkpoint_array ranges = { 0 };
	int r = checkpoint_read_maps(s->out, s->task, &s->vmas);

	if (!r && s->vmas.count)
		r = checkpoint_read_private(s->out, s->task, &s->vmas, &ranges);
	if (!r && !task_has_memory(s->task))
		r = err_set(s->out->e, ESRCH, "host process %d was killed",
			    (int)s->pid);
	if (!r)
		r = add_segments(s, &s->vmas, &ranges);
	free(ranges.items);
	return r;
}

static int add_space(struct space *s)
{
	checkpoint_runs_begin(&s->runs, s->out);
	if (add_maps(s, &s->vmas) || add_pages(s))
		return -s->out->e->code;
	return checkpoint_runs_finish(&s->runs, s->pid);
}

static struct space *space_new(struct checkpoint_out *out, pid_t pid)
{
	struct space *s = calloc(1, sizeof(*s));

	if (!s) {
		err_sys(out->e, ENOMEM, "memory of a process");
		return NULL;
	}
	s->out = out;
	s->pid = pid;
	s->task = pid < 0 ? pid : task_alive(pid);
	s->mem_fd = -1;
	return s;
}

static void space_free(struct space *s)
{
	checkpoint_runs_end(&s->runs);
	if (s->mem_fd >= 0)
		close(s->mem_fd);
	free(s->vmas.items);
	free(s->segments.items);
	if (s->is_copy_own)
		free(s->copy);
	free(s);
}

static uint8_t *room_for_copy(struct space *s, size_t len)
{
	struct checkpoint_out *out = s->out;

	s->is_copy_own = len > out->ready_size - out->ready_used;
	if (s->is_copy_own)
		return malloc(len);
	out->ready_used += len;
	return out->ready + (out->ready_used - len);
}

/* Into s->copy, a batch at a time. */
static int copy_pages(struct space *s)
{
	const struct segment *g = s->segments.items;
	uint8_t *copy, *to;
	size_t len = 0;
	int r = 0;

	for (size_t i = 0; i < s->segments.count; i++)
		len += g[i].older ? 0 : g[i].len;
	copy = to = room_for_copy(s, len);
	if (!copy)
		return err_sys(s->out->e, ENOMEM, "copy of memory");
	for (size_t i = 0; !r && i < s->segments.count;) {
		for (s->nsegments = 0, len = 0;
		     i < s->segments.count && s->nsegments < BATCH; i++) {
			if (g[i].older)
				continue;
			s->now[s->nsegments++] = g[i];
			len += g[i].len;
		}
		r = read_batch(s, to);
		to += len;
	}
	s->copy = copy;
	return r;
}

int checkpoint_copy_process(struct checkpoint_out *out, pid_t pid)
{
	struct space **p =
		checkpoint_add(&out->copies, sizeof(struct space *), 1);

	if (!p)
		return err_sys(out->e, ENOMEM, "copy of memory");
	*p = space_new(out, pid);
	if (!*p)
		return -out->e->code;
	if (!look(*p) && !copy_pages(*p))
		return 0;
	if (!task_has_ended(pid))
		return -out->e->code;
	space_free(*p);
	out->copies.count--;
	*out->e = (struct err)ERR_INIT;
	return 0;
}

int checkpoint_add_copied(struct checkpoint_out *out)
{
	struct space **p = out->copies.items;

	for (size_t i = 0; i < out->copies.count; i++)
		if (add_space(p[i]))
			return -out->e->code;
	return 0;
}

void checkpoint_drop_copied(struct checkpoint_out *out)
{
	struct space **p = out->copies.items;

	for (size_t i = 0; i < out->copies.count; i++)
		if (p[i])
			space_free(p[i]);
	free(p);
	if (out->ready)
		munmap(out->ready, out->ready_size);
}

void checkpoint_expect_copies(struct checkpoint_out *out, uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return;
	out->ready = p;
	out->ready_size = bytes;
}

/* What was added of a process before it was found to have ended. */
static void take_back(struct checkpoint_out *out,
		      const struct checkpoint_runs *from)
{
	out->maps.count = from->first_map;
	out->reads.count = from->first_read;
	out->runs.count = from->first_run;
	*out->e = (struct err)ERR_INIT;
}

int checkpoint_process(struct checkpoint_out *out, pid_t pid)
{
	struct space *s = space_new(out, pid);
	int r;

	if (!s)
		return -out->e->code;
	checkpoint_runs_begin(&s->runs, out);
	r = look(s);
	if (!r)
		r = add_space(s);
	if (r && task_has_ended(pid)) {
		take_back(out, &s->runs);
		r = 0;
	}
	space_free(s);
	return r;
}

/* --- Processes that are only in the older checkpoint ---------------------- */

static int add_older(struct space *s, uint64_t start, uint64_t len,
		     uint64_t offset, bool is_hot)
{
	struct segment *g = checkpoint_add(&s->segments, sizeof(*g), 1);

	if (!g)
		return err_sys(s->out->e, ENOMEM, "list of pages");
	*g = (struct segment){
		.start = start, .len = len, .older = offset, .is_hot = is_hot
	};
	return 0;
}

static int add_older_read(struct space *s, const struct checkpoint_read *r)
{
	const struct checkpoint_piece *p =
		s->out->older->pieces + r->first_piece;
	uint64_t at = r->offset;

	for (uint64_t i = 0; i < r->npieces; at += p[i++].len)
		if (add_older(s, p[i].start, p[i].len, at,
			      p[i].len >= CHECKPOINT_MAPPED_MIN))
			return -s->out->e->code;
	return 0;
}

static int compare_segments(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int sort_segments(struct space *s)
{
	struct segment *g = s->segments.items;

	if (s->segments.count)
		qsort(g, s->segments.count, sizeof(*g), compare_segments);
	for (size_t i = 1; i < s->segments.count; i++)
		if (g[i].start < g[i - 1].start + g[i - 1].len)
			return err_set(s->out->e, EINVAL,
				       "the older checkpoint has two pages at "
				       "%#llx",
				       (unsigned long long)g[i].start);
	return 0;
}

static int add_parked(struct space *s, const struct checkpoint_space *from)
{
	const struct checkpoint *older = s->out->older;
	const struct checkpoint_run *run = older->runs + from->first_run;

	checkpoint_runs_begin(&s->runs, s->out);
	s->runs.is_woken = true;
	for (uint32_t i = 0; i < from->nmaps; i++) {
		const struct checkpoint_map *m =
			&older->maps[from->first_map + i];
		const struct checkpoint_vma v = { m->start,   m->len,
						  m->offset,  m->prot,
						  m->backing, 0 };

		if (add_map(s, &v))
			return -s->out->e->code;
	}
	for (uint32_t i = 0; i < from->nreads; i++)
		if (add_older_read(s, &older->reads[from->first_read + i]))
			return -s->out->e->code;
	for (uint32_t i = 0; i < from->nruns; i++, run++)
		if (add_older(s, run->start, run->len, run->offset, false))
			return -s->out->e->code;
	if (sort_segments(s) || add_pages(s))
		return -s->out->e->code;
	return checkpoint_runs_finish(&s->runs, s->pid);
}

int checkpoint_parked(struct checkpoint_out *out, uint32_t i)
{
	struct space *s = space_new(out, -1 - (pid_t)i);
	int r;

	if (!s)
		return -out->e->code;
	r = add_parked(s, &out->older->spaces[i]);
	space_free(s);
	return r;
}
