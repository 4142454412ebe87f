/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools of objects whose memory keeps its type for ever: dentries, files and
 * mounts, which are looked at without references (vfs_int.h).
 */
#include "kernel/vfs/vfs_int.h"

/* Four pages at a time, but less at first: a start touches few objects. */
#define POOL_CHUNK_ORDER 2U

static void **pool_link(struct pool *p, void *object)
{
	return (void **)((char *)object + p->link_offset);
}

static struct pool_shard *pool_shard(struct pool *p)
{
	const struct thread *t = current();

	return &p->shards[t ? (u32)t->tid % POOL_SHARDS : 0];
}

/* A list of new objects, or NULL: no memory. */
static void *pool_grow(struct pool *p)
{
	u64 npages =
		1ULL << MIN(atomic_fetch_add(&p->nchunks, 1), POOL_CHUNK_ORDER);
	char *chunk = kpages_alloc(npages);
	u64 n = npages * PAGE_SIZE / p->size;
	void *list = NULL;

	if (!chunk)
		return NULL;
	memset(chunk, 0, npages * PAGE_SIZE);
	for (u64 i = n; i-- > 0;) {
		void *object = chunk + i * p->size;

		*pool_link(p, object) = list;
		list = object;
	}
	return list;
}

/* All that lies idle in some shard, or NULL: what one thread opens and another
 * closes must not pile up there. */
static void *pool_steal(struct pool *p)
{
	for (u32 i = 0; i < POOL_SHARDS; i++) {
		struct pool_shard *s = &p->shards[i];
		void *list;

		if (!atomic_load(&s->free))
			continue;
		mutex_lock(&s->lock);
		list = s->free;
		s->free = NULL;
		mutex_unlock(&s->lock);
		if (list)
			return list;
	}
	return NULL;
}

/* Under the shard's lock; it may have got others meanwhile. */
static void shard_add(struct pool *p, struct pool_shard *s, void *list)
{
	void **end = &s->free;

	while (*end)
		end = pool_link(p, *end);
	*end = list;
}

void *pool_alloc(struct pool *p)
{
	struct pool_shard *s = pool_shard(p);
	void *object, *list;

	mutex_lock(&s->lock);
	if (unlikely(!s->free)) {
		mutex_unlock(&s->lock);
		list = pool_steal(p);
		if (!list)
			list = pool_grow(p);
		mutex_lock(&s->lock);
		shard_add(p, s, list);
	}
	object = s->free;
	if (object) {
		s->free = *pool_link(p, object);
		s->nlive++;
	}
	mutex_unlock(&s->lock);
	return object;
}

void pool_free(struct pool *p, void *object)
{
	struct pool_shard *s = pool_shard(p);

	mutex_lock(&s->lock);
	*pool_link(p, object) = s->free;
	s->free = object;
	s->nlive--;
	mutex_unlock(&s->lock);
}

u64 pool_nlive(const struct pool *p)
{
	s64 n = 0;

	for (u32 i = 0; i < POOL_SHARDS; i++)
		n += atomic_load(&p->shards[i].nlive);
	return (u64)MAX(n, 0);
}
