/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which private pages a checkpoint holds already, by address: what a child
 * still has in common with its parent is stored once. Pages are the same only
 * if the mapping below them is: the next checkpoint finds it by them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/compiler.h"
#include "monitor/checkpoint.h"

#define BUCKETS (1u << 16)
#define VIEW_SIZE (1ULL << 40)
#define CHAIN_MAX 64

struct stored_page {
	uint64_t addr, base, offset;
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

/* The C library's memcmp() goes by bytes. */
static bool is_equal(const uint8_t *a, const uint8_t *b)
{
	const uint64_t *p = (const uint64_t *)(const void *)a;
	const uint64_t *q = (const uint64_t *)(const void *)b;
	uint64_t differ = 0;

	for (size_t i = 0; i < PAGE_SIZE / 8 && !differ; i += 4)
		differ = (p[i] ^ q[i]) | (p[i + 1] ^ q[i + 1]) |
			 (p[i + 2] ^ q[i + 2]) | (p[i + 3] ^ q[i + 3]);
	return !differ;
}

uint64_t checkpoint_find_page(const struct checkpoint_out *out, uint64_t addr,
			      uint64_t base, uint32_t sum, const uint8_t *page)
{
	const struct stored_page *all = out->stored->pages.items;
	uint32_t i = *bucket(out->stored, addr);

	for (int n = 0; i && n < CHAIN_MAX; i = all[i - 1].next, n++) {
		const struct stored_page *p = &all[i - 1];

		if (p->addr == addr && p->base == base && p->sum == sum &&
		    is_equal(stored_bytes(out, p->offset), page))
			return p->offset;
	}
	return 0;
}

int checkpoint_remember_page(struct checkpoint_out *out, uint64_t addr,
			     uint64_t base, uint32_t sum, uint64_t offset)
{
	struct checkpoint_stored *s = out->stored;
	struct stored_page *p = checkpoint_add(&s->pages, sizeof(*p), 1);
	uint32_t *head = bucket(s, addr);

	if (!p)
		return err_sys(out->e, ENOMEM, "index of pages");
	*p = (struct stored_page){ addr, base, offset, sum, *head };
	*head = (uint32_t)s->pages.count;
	return 0;
}
