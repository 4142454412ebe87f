/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the pages of a host process come back at a wake: short runs are read,
 * many at once; long ones are mapped from the file, which costs nothing until
 * they are touched, and then more for each page. So are not those that the
 * process has changed since it was woken the last time: it will again.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/compiler.h"
#include "monitor/checkpoint.h"

#define MAPPINGS_MAX 50000	  /* of a process; the host's limit is 65530 */
#define HOT_MAX (512 * PAGE_SIZE) /* more was not written for one answer */

struct run {
	uint64_t start, len, offset;
	struct checkpoint_map *map;
	bool is_hot;
};

void checkpoint_runs_begin(struct checkpoint_runs *s,
			   struct checkpoint_out *out)
{
	*s = (struct checkpoint_runs){
		.out = out,
		.first_map = out->maps.count,
		.first_read = out->reads.count,
		.first_run = out->runs.count,
		.map = out->maps.count,
	};
}

void checkpoint_runs_end(struct checkpoint_runs *s)
{
	free(s->found.items);
}

struct checkpoint_map *checkpoint_runs_map(struct checkpoint_runs *s,
					   uint64_t addr)
{
	struct checkpoint_map *m = s->out->maps.items;

	while (m[s->map].start + m[s->map].len <= addr)
		s->map++;
	return &m[s->map];
}

int checkpoint_runs_add(struct checkpoint_runs *s, uint64_t addr,
			uint64_t offset, bool is_own)
{
	struct checkpoint_map *m = checkpoint_runs_map(s, addr);
	bool is_hot = s->is_woken && is_own;
	struct run *r = s->found.items;

	if (is_hot)
		s->hot += PAGE_SIZE;
	if (s->found.count) {
		r += s->found.count - 1;
		if (r->start + r->len == addr && r->offset + r->len == offset &&
		    r->map == m && r->is_hot == is_hot) {
			r->len += PAGE_SIZE;
			return 0;
		}
	}
	r = checkpoint_add(&s->found, sizeof(*r), 1);
	if (!r)
		return err_sys(s->out->e, ENOMEM, "list of pages");
	*r = (struct run){ addr, PAGE_SIZE, offset, m, is_hot };
	return 0;
}

static bool is_mapped(const struct checkpoint_runs *s, const struct run *r)
{
	return r->len >= CHECKPOINT_MAPPED_MIN &&
	       (!r->is_hot || s->hot > HOT_MAX) &&
	       (s->out->runs.count - s->first_run) * 2 +
			       (s->out->maps.count - s->first_map) <
		       MAPPINGS_MAX;
}

/* Mapped ones go to their table, the others stay. */
static int take_mapped(struct checkpoint_runs *s)
{
	struct run *all = s->found.items;
	size_t left = 0;

	for (size_t i = 0; i < s->found.count; i++) {
		struct checkpoint_run *run;

		if (!is_mapped(s, &all[i])) {
			all[i].map->is_filled = 1;
			all[left++] = all[i];
			continue;
		}
		run = checkpoint_add(&s->out->runs, sizeof(*run), 1);
		if (!run)
			return err_sys(s->out->e, ENOMEM, "list of pages");
		*run = (struct checkpoint_run){ all[i].start, all[i].len,
						all[i].offset };
	}
	s->found.count = left;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int add_read(struct checkpoint_runs *s, const struct run *r)
{
	struct checkpoint_out *out = s->out;
	struct checkpoint_read *read = out->reads.items;
	struct checkpoint_piece *piece;

	if (out->reads.count > s->first_read)
		read += out->reads.count - 1;
	else
		read = NULL;
	if (!read || read->offset + read->len != r->offset ||
	    read->npieces == CHECKPOINT_PIECES_MAX) {
		read = checkpoint_add(&out->reads, sizeof(*read), 1);
		if (!read)
			return err_sys(out->e, ENOMEM, "list of pages");
		read->offset = r->offset;
		read->first_piece = out->pieces.count;
	}
	piece = checkpoint_add(&out->pieces, sizeof(*piece), 1);
	if (!piece)
		return err_sys(out->e, ENOMEM, "list of pages");
	*piece = (struct checkpoint_piece){ r->start, r->len };
	read->len += r->len;
	read->npieces++;
	return 0;
}

int checkpoint_runs_finish(struct checkpoint_runs *s, pid_t pid)
{
	struct checkpoint_out *out = s->out;
	struct checkpoint_space *space;

	if (take_mapped(s))
		return -out->e->code;
	if (s->found.count)
		qsort(s->found.items, s->found.count, sizeof(struct run),
		      compare);
	for (size_t i = 0; i < s->found.count; i++)
		if (add_read(s, (struct run *)s->found.items + i))
			return -out->e->code;
	space = checkpoint_add(&out->spaces, sizeof(*space), 1);
	if (!space)
		return err_sys(out->e, ENOMEM, "processes");
	*space = (struct checkpoint_space){
		.host_pid = pid,
		.nmaps = (uint32_t)(out->maps.count - s->first_map),
		.nreads = (uint32_t)(out->reads.count - s->first_read),
		.nruns = (uint32_t)(out->runs.count - s->first_run),
		.first_map = s->first_map,
		.first_read = s->first_read,
		.first_run = s->first_run,
	};
	return 0;
}
