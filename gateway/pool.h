/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle connections to instances, kept for the next request of HTTP. They are
 * short-lived: an open connection may keep an instance awake. One pool a loop,
 * on its thread.
 */
#ifndef JIFFY_GATEWAY_POOL_H
#define JIFFY_GATEWAY_POOL_H

#include "gateway/stream.h"
#include "lib/list.h"

struct pool;

/* A connection to an instance. */
struct upstream {
	struct stream stream;
	uint64_t instance;
	uint16_t port;		/* of the instance */
	unsigned int nrequests; /* that it has carried */
	void *owner;		/* of the one that uses it */
	/* the pool's */
	struct pool *pool;
	struct list link;
	struct loop_timer timer;
};

int pool_new(struct loop *loop, struct pool **out);
/* Closes what is idle. */
void pool_free(struct pool *p);

/* A new connection around a socket, which is taken over. */
struct upstream *upstream_new(struct pool *p, int fd, uint64_t instance,
			      uint16_t port);
/* Close it. */
void upstream_free(struct upstream *u);

/* An idle connection to this port of the instance, or NULL. Its stream goes on
 * being watched for input; the caller sets on_ready and owner. */
struct upstream *pool_take(struct pool *p, uint64_t instance, uint16_t port);

/* Keep it for keep_ms (0: close it), unless there are many already. */
void pool_put(struct upstream *u, uint32_t keep_ms);

#endif
