/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that wait until somebody takes them. What is held counts in the
 * gateway's budget (limits.h).
 */
#ifndef JIFFY_GATEWAY_HELD_H
#define JIFFY_GATEWAY_HELD_H

#include <stddef.h>
#include <stdint.h>

struct stream;

/* Zeroed: nothing. */
struct held {
	uint8_t *p; /* NULL if and only if nothing is left */
	size_t at, len;
};

static inline size_t held_left(const struct held *h)
{
	return h->len - h->at;
}

/* Add to the end. */
void held_add(struct held *h, const void *data, size_t len);

/* Take at most len bytes off the front; how many it were. */
size_t held_take(struct held *h, void *out, size_t len);

/* Write to a stream: 0 if all was taken, -EAGAIN, -errno. */
int held_write(struct held *h, struct stream *to);

/* Forget it. */
void held_free(struct held *h);

#endif
