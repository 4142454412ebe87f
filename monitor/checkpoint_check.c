/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every number in the tables of a checkpoint within its bounds? The file is
 * hostile: what is used of it later is checked here.
 */
#include <errno.h>
#include <sys/mman.h>

#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

#define FILES_MAX 65536 /* launch.c: what an instance may have open */
#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)

/* Is [at, at + len) of whole pages, and within [start, end)? */
static bool is_range(uint64_t at, uint64_t len, uint64_t start, uint64_t end)
{
	return len && IS_ALIGNED(at | len, PAGE_SIZE) && at >= start &&
	       at <= end && len <= end - at;
}

/* Extents of the page cache, as the kernel looks for them. */
static bool is_in_order(const struct checkpoint_extent *last,
			const struct checkpoint_extent *x)
{
	uint64_t chunk = ROUND_DOWN(x->at, CHECKPOINT_CHUNK);

	return x->at + x->len <= chunk + CHECKPOINT_CHUNK &&
	       (!last || (last == x - 1 && last->at + last->len <= x->at));
}

static int check_extents(const struct checkpoint *cp, struct err *e)
{
	static const uint64_t sizes[] = {
		[CHECKPOINT_KERNEL] = KERNEL_MEMORY_SIZE,
		[CHECKPOINT_CACHE] = CACHE_MEMORY_SIZE,
		[CHECKPOINT_BOOT] = BOOT_BLOCK_SIZE,
	};

	const struct checkpoint_extent *last = NULL;

	for (uint64_t i = 0; i < cp->h.extents.count; i++) {
		const struct checkpoint_extent *x = &cp->extents[i];

		if (x->object >= CHECKPOINT_OBJECTS ||
		    x->len > CHECKPOINT_EXTENT_MAX ||
		    !is_range(x->at, x->len, 0, sizes[x->object]) ||
		    !is_range(x->offset, x->len, PAGE_SIZE,
			      cp->h.private_pages))
			return err_set(e, EINVAL,
				       "checkpoint: extent %llu is out of "
				       "bounds",
				       (unsigned long long)i);
		if (x->object != CHECKPOINT_CACHE)
			continue;
		if (!is_in_order(last, x))
			return err_set(e, EINVAL,
				       "checkpoint: extent %llu of the page "
				       "cache is in disorder",
				       (unsigned long long)i);
		last = x;
	}
	return 0;
}

static bool is_map(const struct checkpoint_map *m)
{
	if (m->prot & ~(uint32_t)PROT_ALL ||
	    !is_range(m->start, m->len, CHECKPOINT_USER_START,
		      CHECKPOINT_USER_END))
		return false;
	switch (m->backing) {
	case CHECKPOINT_ANON:
		return true;
	case CHECKPOINT_IMAGE: /* past its end are pages nobody can read */
		return is_range(m->offset, m->len, 0, 1ULL << 62);
	case CHECKPOINT_CACHE_COW:
	case CHECKPOINT_CACHE_SHARED:
		return is_range(m->offset, m->len, 0, CACHE_MEMORY_SIZE);
	}
	return false;
}

static bool is_private_part(const struct checkpoint *cp, uint64_t offset,
			    uint64_t len)
{
	return is_range(offset, len, cp->h.private_pages, cp->h.tables);
}

/* The map of the space that holds all of the range, which is private. */
static const struct checkpoint_map *find_map(const struct checkpoint *cp,
					     const struct checkpoint_space *s,
					     uint64_t start, uint64_t len)
{
	const struct checkpoint_map *m = cp->maps + s->first_map;
	uint32_t low = 0, high = s->nmaps;

	if (!is_range(start, len, CHECKPOINT_USER_START, CHECKPOINT_USER_END))
		return NULL;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (m[mid].start + m[mid].len > start)
			high = mid;
		else
			low = mid + 1;
	}
	m += low;
	return low < s->nmaps && m->start <= start &&
			       m->start + m->len >= start + len &&
			       m->backing != CHECKPOINT_CACHE_SHARED
		       ? m
		       : NULL;
}

static int check_maps(const struct checkpoint *cp,
		      const struct checkpoint_space *s, struct err *e)
{
	uint64_t end = 0;

	for (uint64_t i = s->first_map; i < s->first_map + s->nmaps; i++) {
		const struct checkpoint_map *m = &cp->maps[i];

		if (!is_map(m) || m->start < end)
			return err_set(e, EINVAL,
				       "checkpoint: mapping %llu is out of "
				       "bounds",
				       (unsigned long long)i);
		end = m->start + m->len;
	}
	return 0;
}

static bool is_read(const struct checkpoint *cp,
		    const struct checkpoint_space *s,
		    const struct checkpoint_read *r)
{
	uint64_t len = 0;

	if (!is_private_part(cp, r->offset, r->len) ||
	    r->npieces > CHECKPOINT_PIECES_MAX ||
	    r->first_piece > cp->h.pieces.count ||
	    r->npieces > cp->h.pieces.count - r->first_piece)
		return false;
	for (uint64_t i = 0; i < r->npieces; i++) {
		const struct checkpoint_piece *p =
			&cp->pieces[r->first_piece + i];
		const struct checkpoint_map *m =
			find_map(cp, s, p->start, p->len);

		if (!m || !m->is_filled)
			return false;
		len += p->len;
	}
	return len == r->len;
}

static int check_pages(const struct checkpoint *cp,
		       const struct checkpoint_space *s, struct err *e)
{
	uint64_t end = 0;

	for (uint64_t i = s->first_read; i < s->first_read + s->nreads; i++)
		if (!is_read(cp, s, &cp->reads[i]))
			return err_set(e, EINVAL,
				       "checkpoint: read %llu is out of bounds",
				       (unsigned long long)i);
	for (uint64_t i = s->first_run; i < s->first_run + s->nruns; i++) {
		const struct checkpoint_run *r = &cp->runs[i];

		if (r->start < end || !find_map(cp, s, r->start, r->len) ||
		    !is_private_part(cp, r->offset, r->len))
			return err_set(e, EINVAL,
				       "checkpoint: run %llu is out of bounds",
				       (unsigned long long)i);
		end = r->start + r->len;
	}
	return 0;
}

/* A space's part of a table follows the one before. */
static bool takes(uint64_t first, uint32_t n, uint64_t *next,
		  const struct checkpoint_table *t)
{
	if (first != *next || n > t->count - *next)
		return false;
	*next += n;
	return true;
}

static int check_spaces(const struct checkpoint *cp, struct err *e)
{
	const struct checkpoint_header *h = &cp->h;
	uint64_t maps = 0, reads = 0, runs = 0;

	for (uint64_t i = 0; i < h->spaces.count; i++) {
		const struct checkpoint_space *s = &cp->spaces[i];

		if (s->host_pid == 0 ||
		    !takes(s->first_map, s->nmaps, &maps, &h->maps) ||
		    !takes(s->first_read, s->nreads, &reads, &h->reads) ||
		    !takes(s->first_run, s->nruns, &runs, &h->runs))
			return err_set(e, EINVAL,
				       "checkpoint: process %llu is out of "
				       "bounds",
				       (unsigned long long)i);
		if (check_maps(cp, s, e) || check_pages(cp, s, e))
			return -e->code;
	}
	if (maps != h->maps.count || reads != h->reads.count ||
	    runs != h->runs.count)
		return err_set(e, EINVAL, "checkpoint: memory of no process");
	return 0;
}

/* The kernel maps the tables of memory in one piece. */
static int check_order(const struct checkpoint_header *h, struct err *e)
{
	if (h->maps.offset > h->pieces.offset ||
	    h->pieces.offset > h->reads.offset ||
	    h->reads.offset > h->runs.offset ||
	    h->runs.offset > h->spaces.offset)
		return err_set(e, EINVAL,
			       "checkpoint: the tables are in disorder");
	return 0;
}

const struct checkpoint_fd *checkpoint_find_fd(const struct checkpoint *cp,
					       int number)
{
	uint64_t low = 0, high = cp->h.fds.count;

	while (low < high) {
		uint64_t mid = (low + high) / 2;

		if (cp->fds[mid].number == number)
			return &cp->fds[mid];
		if (cp->fds[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool is_fd(const struct checkpoint *cp, const struct checkpoint_fd *f)
{
	uint64_t nmembers = cp->h.members.count;

	switch (f->kind) {
	case CHECKPOINT_FD_STDIO:
		return f->number <= 2;
	case CHECKPOINT_FD_VOLUME:
		return f->a < cp->h.volumes.count;
	case CHECKPOINT_FD_SOCKET:
		return f->a <= CHECKPOINT_SOCKET_RESOLVER;
	case CHECKPOINT_FD_EPOLL:
		return f->a <= nmembers && f->b <= nmembers - f->a;
	case CHECKPOINT_FD_IMAGE:
	case CHECKPOINT_FD_CACHE:
	case CHECKPOINT_FD_BROKER:
	case CHECKPOINT_FD_EVENT:
	case CHECKPOINT_FD_TRACE:
	case CHECKPOINT_FD_BELL:
		return true;
	}
	return false;
}

static int check_fds(const struct checkpoint *cp, struct err *e)
{
	unsigned int count[CHECKPOINT_FD_BELL + 1] = { 0 };
	int last = -1;

	if (cp->h.volumes.count > BOOT_VOLUMES_MAX)
		return err_set(e, EINVAL, "checkpoint: too many volumes");
	for (uint64_t i = 0; i < cp->h.fds.count; i++) {
		const struct checkpoint_fd *f = &cp->fds[i];

		if (f->number <= last || f->number >= FILES_MAX ||
		    !is_fd(cp, f))
			return err_set(e, EINVAL,
				       "checkpoint: descriptor %llu is out of "
				       "bounds",
				       (unsigned long long)i);
		last = f->number;
		count[f->kind]++;
	}
	for (uint64_t i = 0; i < cp->h.members.count; i++) {
		if (!checkpoint_find_fd(cp, cp->members[i].number))
			return err_set(e, EINVAL,
				       "checkpoint: member %llu of an epoll "
				       "set is not open",
				       (unsigned long long)i);
	}
	if (count[CHECKPOINT_FD_CACHE] != 1 ||
	    count[CHECKPOINT_FD_BROKER] != 1 || count[CHECKPOINT_FD_EVENT] != 1)
		return err_set(e, EINVAL,
			       "checkpoint: a descriptor of the "
			       "kernel's own is missing");
	return 0;
}

int checkpoint_check(const struct checkpoint *cp, struct err *e)
{
	return check_order(&cp->h, e) || check_extents(cp, e) ||
			       check_spaces(cp, e) || check_fds(cp, e)
		       ? -e->code
		       : 0;
}
