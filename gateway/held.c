/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that wait, in one piece of memory each.
 */
#include "gateway/held.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/limits.h"
#include "gateway/stream.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

void held_free(struct held *h)
{
	limits_release_bytes(h->len);
	free(h->p);
	*h = (struct held){ 0 };
}

/* What was taken goes before the piece grows. */
static void drop_taken(struct held *h)
{
	if (!h->at)
		return;
	memmove(h->p, h->p + h->at, held_left(h));
	limits_release_bytes(h->at);
	h->len -= h->at;
	h->at = 0;
}

void held_add(struct held *h, const void *data, size_t len)
{
	if (!len)
		return;
	drop_taken(h);
	h->p = xreallocarray(h->p, h->len + len, 1);
	memcpy(h->p + h->len, data, len);
	h->len += len;
	limits_hold_bytes(len);
}

static void advance(struct held *h, size_t n)
{
	h->at += n;
	if (h->at == h->len)
		held_free(h);
}

size_t held_take(struct held *h, void *out, size_t len)
{
	size_t n = MIN(len, held_left(h));

	if (!n)
		return 0;
	memcpy(out, h->p + h->at, n);
	advance(h, n);
	return n;
}

int held_write(struct held *h, struct stream *to)
{
	while (h->p) {
		ssize_t n = stream_write(to, h->p + h->at, held_left(h));

		if (n < 0)
			return (int)n;
		advance(h, (size_t)n);
	}
	return 0;
}
