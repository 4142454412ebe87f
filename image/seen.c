/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of 64-bit fingerprints in an open-addressed table. A false hit (a
 * matter of chance, one in 2^40 for a large layer) keeps a file that a whiteout
 * would have removed.
 */
#include "image/seen.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/xmalloc.h"

struct unpack_seen {
	uint64_t *slots; /* 0 is free */
	size_t size;	 /* a power of two */
	size_t used;
};

struct unpack_seen *seen_new(void)
{
	struct unpack_seen *s = xcalloc(1, sizeof(*s));

	s->size = 1024;
	s->slots = xcalloc(s->size, sizeof(*s->slots));
	return s;
}

void seen_free(struct unpack_seen *s)
{
	if (s)
		free(s->slots);
	free(s);
}

void seen_clear(struct unpack_seen *s)
{
	memset(s->slots, 0, s->size * sizeof(*s->slots));
	s->used = 0;
}

static uint64_t fingerprint(int dir, const char *name)
{
	struct stat st;
	uint64_t h;

	if (fstat(dir, &st) < 0)
		return 1;
	h = UINT64_C(0xcbf29ce484222325) ^ st.st_ino;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h ^= h >> 32;
	return h ? h : 1;
}

static uint64_t *slot_of(const struct unpack_seen *s, uint64_t print)
{
	size_t i = print & (s->size - 1);

	while (s->slots[i] && s->slots[i] != print)
		i = (i + 1) & (s->size - 1);
	return &s->slots[i];
}

static void grow(struct unpack_seen *s)
{
	uint64_t *old = s->slots;
	size_t size = s->size;

	s->size *= 2;
	s->slots = xcalloc(s->size, sizeof(*s->slots));
	for (size_t i = 0; i < size; i++)
		if (old[i])
			*slot_of(s, old[i]) = old[i];
	free(old);
}

void seen_add(struct unpack_seen *s, int dir, const char *name)
{
	uint64_t print = fingerprint(dir, name);
	uint64_t *slot = slot_of(s, print);

	if (*slot)
		return;
	*slot = print;
	if (++s->used * 2 > s->size)
		grow(s);
}

bool seen_has(const struct unpack_seen *s, int dir, const char *name)
{
	return *slot_of(s, fingerprint(dir, name)) != 0;
}
