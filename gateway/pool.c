/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The idle connections of one loop, found by the number of their instance.
 */
#include "gateway/pool.h"

#include <stdlib.h>

#include "host/xmalloc.h"
#include "lib/compiler.h"

#define BUCKETS 1024 /* a power of two */
#define IDLE_MAX 4096

struct pool {
	struct loop *loop;
	size_t nidle;
	struct list buckets[BUCKETS]; /* of struct upstream; newest first */
};

static struct list *bucket_of(struct pool *p, uint64_t instance)
{
	return &p->buckets[instance * 0x9e3779b97f4a7c15u >> 54];
}

int pool_new(struct loop *loop, struct pool **out)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	p->loop = loop;
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&p->buckets[i]);
	*out = p;
	return 0;
}

static void drop_idle(struct upstream *u)
{
	list_del(&u->link);
	u->pool->nidle--;
	upstream_free(u);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (!list_empty(&p->buckets[i]))
			drop_idle(container_of(p->buckets[i].next,
					       struct upstream, link));
	}
	free(p);
}

struct upstream *upstream_new(struct pool *p, int fd, uint64_t instance,
			      uint16_t port)
{
	struct upstream *u = xcalloc(1, sizeof(*u));

	stream_open(&u->stream, p->loop, fd, NULL, NULL);
	u->instance = instance;
	u->port = port;
	u->pool = p;
	list_init(&u->link);
	return u;
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	loop_timer_cancel(&u->timer);
	stream_close(&u->stream);
	free(u);
}

struct upstream *pool_take(struct pool *p, uint64_t instance, uint16_t port)
{
	struct list *l = bucket_of(p, instance);
	struct upstream *u;

	list_for_each (u, l, link) {
		if (u->instance != instance || u->port != port)
			continue;
		list_del(&u->link);
		loop_timer_cancel(&u->timer);
		p->nidle--;
		return u;
	}
	return NULL;
}

/* It ended, or says what nobody asked for. */
static void on_idle(struct stream *s, uint32_t events)
{
	(void)events;
	drop_idle(container_of(s, struct upstream, stream));
}

static void on_old(struct loop_timer *t)
{
	drop_idle(container_of(t, struct upstream, timer));
}

void pool_put(struct upstream *u, uint32_t keep_ms)
{
	struct pool *p = u->pool;

	u->stream.on_ready = on_idle;
	u->owner = NULL;
	if (!keep_ms || p->nidle >= IDLE_MAX ||
	    stream_want(&u->stream, true, false)) {
		upstream_free(u);
		return;
	}
	loop_timer_set(p->loop, &u->timer, keep_ms * (uint64_t)NSEC_PER_MSEC, 0,
		       on_old);
	list_push(bucket_of(p, u->instance), &u->link);
	p->nidle++;
}
