/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the parser of HTTP/1: a head that arrives in two pieces is understood
 * as one that arrives whole, and so is its body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http1.h"

#define HEAD_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ssize_t parse(struct http1_head *h, int kind, const char *p, size_t len)
{
	return kind ? http1_response(h, p, len, HEAD_MAX, kind > 1)
		    : http1_request(h, p, len, HEAD_MAX);
}

static void check_text(const struct http1_text *t, const char *p, size_t len)
{
	if (t->p < p || t->p + t->len > p + len)
		abort();
}

/* The bytes used up, and a sum of the payload; in pieces of `step`. */
static ssize_t body(const struct http1_head *h, const char *p, size_t len,
		    size_t step, unsigned long *sum)
{
	struct http1_body b;
	size_t at = 0;

	*sum = 0;
	http1_body_init(&b, h);
	while (at < len && !b.is_done) {
		size_t piece = len - at < step ? len - at : step;
		const char *data;
		size_t n;
		ssize_t r = http1_body_read(&b, p + at, piece, &data, &n);

		if (r < 0)
			return r;
		if ((size_t)r > piece || (!r && !b.is_done))
			abort();
		if (data < p + at || data + n > p + at + (size_t)r)
			abort();
		for (size_t i = 0; i < n; i++)
			*sum = *sum * 31 + (unsigned char)data[i];
		at += (size_t)r;
	}
	return (ssize_t)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct http1_head h = { 0 }, again = { 0 };
	const char *p = (const char *)bytes + 2;
	unsigned long sum, other;
	ssize_t r, n;
	size_t cut;
	int kind;

	if (size < 2)
		return 0;
	size -= 2;
	kind = bytes[0] % 3;
	cut = size ? bytes[1] % size : 0;
	r = parse(&h, kind, p, size);
	n = parse(&again, kind, p, cut);
	if (!n)
		n = parse(&again, kind, p, size);
	if (n != r || (r > 0 && (h.nheaders != again.nheaders ||
				 h.framing != again.framing)))
		abort();
	if (r <= 0)
		return 0;
	for (unsigned int i = 0; i < h.nheaders; i++) {
		check_text(&h.headers[i].name, p, (size_t)r);
		check_text(&h.headers[i].value, p, (size_t)r);
	}
	n = body(&h, p + r, size - (size_t)r, SIZE_MAX, &sum);
	if (body(&h, p + r, size - (size_t)r, bytes[1] % 7 + 1, &other) != n ||
	    (n >= 0 && sum != other))
		abort();
	return 0;
}
