/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools of objects whose memory keeps its type for ever: dentries, files and
 * mounts, which are looked at without references (vfs_int.h).
 */
#include "kernel/vfs/vfs_int.h"

#define POOL_CHUNK_PAGES 4

static void **pool_link(struct pool *p, void *object)
{
	return (void **)((char *)object + p->link_offset);
}

static bool pool_grow(struct pool *p)
{
	char *chunk = kpages_alloc(POOL_CHUNK_PAGES);
	u64 n = POOL_CHUNK_PAGES * PAGE_SIZE / p->size;

	if (!chunk)
		return false;
	memset(chunk, 0, POOL_CHUNK_PAGES * PAGE_SIZE);
	for (u64 i = n; i-- > 0;) {
		void *object = chunk + i * p->size;

		*pool_link(p, object) = p->free;
		p->free = object;
	}
	return true;
}

void *pool_alloc(struct pool *p)
{
	void *object = NULL;

	mutex_lock(&p->lock);
	if (p->free || pool_grow(p)) {
		object = p->free;
		p->free = *pool_link(p, object);
		p->nlive++;
	}
	mutex_unlock(&p->lock);
	return object;
}

void pool_free(struct pool *p, void *object)
{
	mutex_lock(&p->lock);
	*pool_link(p, object) = p->free;
	p->free = object;
	p->nlive--;
	mutex_unlock(&p->lock);
}
