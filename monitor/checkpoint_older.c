/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checkpoint that processes were woken from, while the next one is written:
 * what is below the pages that are mapped from it. A page is the same for all
 * who map it, and so is what is below (checkpoint_stored.c).
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/compiler.h"
#include "monitor/checkpoint.h"

uint64_t checkpoint_base(const struct checkpoint_map *m, uint64_t addr)
{
	uint64_t kind = m->backing + 1u;

	return m->backing == CHECKPOINT_ANON
		       ? kind
		       : (m->offset + (addr - m->start)) | kind;
}

static void note_run(const struct checkpoint *cp,
		     const struct checkpoint_map *m,
		     const struct checkpoint_run *r, uint64_t *bases)
{
	uint64_t first = (r->offset - cp->h.private_pages) / PAGE_SIZE;

	for (uint64_t i = 0; i < r->len / PAGE_SIZE; i++)
		bases[first + i] = checkpoint_base(m, r->start + i * PAGE_SIZE);
}

/* --- What was read -------------------------------------------------------- */

/* Never 0. What is taken for another one costs a little time. */
static uint64_t read_key(uint64_t addr, uint32_t sum)
{
	return (addr ^ sum) * 0x9e3779b97f4a7c15ULL | 1;
}

static uint64_t *read_place(const struct checkpoint_out *out, uint64_t key)
{
	size_t i = key >> 32;

	for (;; i++) {
		uint64_t *p = &out->was_read[i & (out->was_read_size - 1)];

		if (!*p || *p == key)
			return p;
	}
}

bool checkpoint_was_read(const struct checkpoint_out *out, uint64_t addr,
			 uint32_t sum)
{
	return out->was_read && *read_place(out, read_key(addr, sum));
}

static void note_read(const struct checkpoint_out *out,
		      const struct checkpoint_read *r)
{
	const struct checkpoint_piece *p = out->older->pieces + r->first_piece;
	uint64_t at = r->offset;

	for (uint64_t i = 0; i < r->npieces; i++, p++) {
		for (uint64_t k = 0; k < p->len; k += PAGE_SIZE) {
			uint32_t sum = checkpoint_sum(out->older, at + k);
			uint64_t key = read_key(p->start + k, sum);

			*read_place(out, key) = key;
		}
		at += p->len;
	}
}

#define READ_MAX (1u << 20) /* pages; beyond, all count as changed */

static int note_reads(struct checkpoint_out *out)
{
	const struct checkpoint *cp = out->older;
	uint64_t pages = 0;
	size_t size = 64;

	for (uint64_t i = 0; i < cp->h.reads.count; i++)
		pages += cp->reads[i].len / PAGE_SIZE;
	if (pages > READ_MAX)
		return 0;
	while (size < 2 * pages)
		size *= 2;
	out->was_read = calloc(size, sizeof(uint64_t));
	if (!out->was_read)
		return err_sys(out->e, ENOMEM, "older checkpoint");
	out->was_read_size = size;
	for (uint64_t i = 0; i < cp->h.reads.count; i++)
		note_read(out, &cp->reads[i]);
	return 0;
}

int checkpoint_older_open(struct checkpoint_out *out,
			  const struct checkpoint *cp)
{
	out->older = cp;
	out->older_bases = calloc(cp->h.page_sums.count + 1, sizeof(uint64_t));
	out->older_moved = calloc(cp->h.page_sums.count + 1, sizeof(uint64_t));
	if (!out->older_bases || !out->older_moved)
		return err_sys(out->e, ENOMEM, "older checkpoint");
	for (uint64_t i = 0; i < cp->h.spaces.count; i++) {
		const struct checkpoint_space *s = &cp->spaces[i];
		const struct checkpoint_map *m = cp->maps + s->first_map;

		for (uint32_t k = 0; k < s->nruns; k++) {
			const struct checkpoint_run *r =
				&cp->runs[s->first_run + k];

			while (m->start + m->len <= r->start)
				m++;
			note_run(cp, m, r, out->older_bases);
		}
	}
	return note_reads(out);
}

int checkpoint_below(const struct checkpoint_out *out, uint64_t offset,
		     struct checkpoint_vma *v)
{
	const struct checkpoint_header *h = &out->older->h;
	uint64_t i = (offset - h->private_pages) / PAGE_SIZE, base, step;

	if (offset < h->private_pages || i >= h->page_sums.count ||
	    !out->older_bases[i])
		return err_set(out->e, ENOTSUP,
			       "memory at %#llx is not of this checkpoint",
			       (unsigned long long)v->start);
	base = out->older_bases[i];
	v->backing = (uint32_t)(base % PAGE_SIZE) - 1;
	v->offset = ROUND_DOWN(base, PAGE_SIZE);
	v->len = PAGE_SIZE;
	step = v->backing == CHECKPOINT_ANON ? 0 : PAGE_SIZE;
	while (++i < h->page_sums.count && out->older_bases[i] == base + step) {
		base += step;
		v->len += PAGE_SIZE;
	}
	return 0;
}

uint64_t *checkpoint_moved(const struct checkpoint_out *out, uint64_t offset)
{
	return &out->older_moved[(offset - out->older->h.private_pages) /
				 PAGE_SIZE];
}

uint32_t checkpoint_sum(const struct checkpoint *cp, uint64_t offset)
{
	return cp->sums[(offset - cp->h.private_pages) / PAGE_SIZE];
}
