/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of metadata blocks: a hash table in shards, each with a lock and a
 * list of its buffers. Dropping goes around that list like a clock's hand: what
 * was looked up since the last round stays once more. The journal holds a
 * reference on whatever is not yet home, so that no reference means clean.
 */
#include "kernel/fs/ext4/buffer.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define NSHARDS 16
#define SHARD_BUCKETS 256
#define READAHEAD_MAX 32
#define CACHE_MIN 1024 /* buffers it may always have */
#define CACHE_DEFAULT_BYTES MIB(64)

struct buffer_shard {
	struct mutex lock;
	u32 nbuffers;
	struct list lru; /* next to be looked at first */
	struct buffer *bucket[SHARD_BUCKETS];
};

struct buffer_cache {
	struct block_device *device;
	u32 block_size;
	u32 limit; /* buffers, above which it drops unused ones */
	struct buffer_shard shards[NSHARDS];
};

static bool block_is_inside(const struct buffer_cache *c, u64 block)
{
	return block < block_size(c->device) / c->block_size;
}

static u32 hash(u64 block)
{
	return (u32)((block * 0x9e3779b97f4a7c15UL) >> 40);
}

static struct buffer_shard *shard_of(struct buffer_cache *c, u64 block)
{
	return &c->shards[hash(block) % NSHARDS];
}

static struct buffer **bucket_of(struct buffer_shard *s, u64 block)
{
	return &s->bucket[hash(block) / NSHARDS % SHARD_BUCKETS];
}

struct buffer_cache *buffer_cache_new(struct block_device *d, u32 block_size)
{
	struct buffer_cache *c = kzalloc(sizeof(*c));
	u64 bytes = CACHE_DEFAULT_BYTES;

	if (!c)
		return NULL;
	if (kernel.memory_limit && kernel.memory_limit / 16 < bytes)
		bytes = kernel.memory_limit / 16;
	c->device = d;
	c->block_size = block_size;
	c->limit = MAX((u32)(bytes / block_size), CACHE_MIN);
	for (u32 i = 0; i < NSHARDS; i++)
		list_init(&c->shards[i].lru);
	return c;
}

/* --- One buffer ---------------------------------------------------------- */

static struct buffer *buffer_alloc(struct buffer_cache *c, u64 block)
{
	struct buffer *b = kzalloc(sizeof(*b));

	if (!b)
		return NULL;
	b->data = kmalloc(c->block_size);
	if (!b->data) {
		kfree(b);
		return NULL;
	}
	ref_init(&b->ref);
	b->block = block;
	b->cache = c;
	list_init(&b->lru);
	list_init(&b->txn_node);
	list_init(&b->checkpoint_node);
	return b;
}

static void buffer_free(struct buffer *b)
{
	kfree(b->frozen);
	kfree(b->data);
	kfree(b);
}

void buffer_get(struct buffer *b)
{
	ref_get(&b->ref);
}

void buffer_put(struct buffer *b)
{
	/* The last one leaves it in the cache, where only shard_drop() may free
	 * it, under the lock that lookups take. */
	(void)ref_put(&b->ref);
}

/* --- Shards -------------------------------------------------------------- */

static struct buffer *shard_find(struct buffer_shard *s, u64 block)
{
	struct buffer *b = *bucket_of(s, block);

	while (b && b->block != block)
		b = b->hash_next;
	if (!b)
		return NULL;
	buffer_get(b);
	if (!(atomic_load(&b->flags) & BUFFER_USED))
		atomic_fetch_or(&b->flags, BUFFER_USED);
	return b;
}

static void shard_insert(struct buffer_shard *s, struct buffer *b)
{
	struct buffer **bucket = bucket_of(s, b->block);

	b->hash_next = *bucket;
	*bucket = b;
	list_append(&s->lru, &b->lru);
	atomic_fetch_add(&s->nbuffers, 1);
}

static void shard_remove(struct buffer_shard *s, struct buffer *b)
{
	struct buffer **at = bucket_of(s, b->block);

	while (*at != b)
		at = &(*at)->hash_next;
	*at = b->hash_next;
	list_del(&b->lru);
	atomic_fetch_sub(&s->nbuffers, 1);
}

/* Free up to n unused buffers: how many. Under the shard's lock. */
static u32 shard_drop(struct buffer_shard *s, u32 n)
{
	u32 looks = 2 * s->nbuffers;
	u32 done = 0;
	struct buffer *b;

	while (done < n && looks-- > 0 && !list_empty(&s->lru)) {
		b = list_first(&s->lru, struct buffer, lru);
		/* Pairs with buffer_put(): its user is done with it. */
		if (atomic_load_acquire(&b->ref.count) == 0 &&
		    !buffer_has(b, BUFFER_USED)) {
			shard_remove(s, b);
			buffer_free(b);
			done++;
			continue;
		}
		atomic_fetch_and(&b->flags, ~(u32)BUFFER_USED);
		list_del(&b->lru);
		list_append(&s->lru, &b->lru);
	}
	return done;
}

u32 buffer_count(const struct buffer_cache *c)
{
	u32 n = 0;

	for (u32 i = 0; i < NSHARDS; i++)
		n += atomic_load(&c->shards[i].nbuffers);
	return n;
}

u32 buffer_shrink(struct buffer_cache *c, u32 keep)
{
	u32 share = keep / NSHARDS;
	u32 done = 0;

	for (u32 i = 0; i < NSHARDS; i++) {
		struct buffer_shard *s = &c->shards[i];

		mutex_lock(&s->lock);
		if (s->nbuffers > share)
			done += shard_drop(s, s->nbuffers - share);
		mutex_unlock(&s->lock);
	}
	return done;
}

void buffer_cache_free(struct buffer_cache *c)
{
	struct buffer *b, *tmp;

	if (!c)
		return;
	for (u32 i = 0; i < NSHARDS; i++) {
		list_for_each_safe (b, tmp, &c->shards[i].lru, lru) {
			kassert(atomic_load(&b->ref.count) == 0);
			buffer_free(b);
		}
	}
	kfree(c);
}

/* --- Finding and reading ------------------------------------------------- */

struct buffer *buffer_find(struct buffer_cache *c, u64 block)
{
	struct buffer_shard *s = shard_of(c, block);
	struct buffer *b;

	mutex_lock(&s->lock);
	b = shard_find(s, block);
	mutex_unlock(&s->lock);
	return b;
}

/* Find or make; *is_new: it was made, and its lock is held. -EIO: there is no
 * such block; -ENOMEM. */
static int buffer_take(struct buffer_cache *c, u64 block, struct buffer **out,
		       bool *is_new)
{
	struct buffer_shard *s = shard_of(c, block);
	struct buffer *fresh, *b;

	if (!block_is_inside(c, block))
		return -EIO;
	b = buffer_find(c, block);
	*out = b;
	*is_new = false;
	if (b)
		return 0;
	fresh = buffer_alloc(c, block);
	if (!fresh) {
		buffer_shrink(c, buffer_count(c) / 2);
		fresh = buffer_alloc(c, block);
		if (!fresh)
			return -ENOMEM;
	}
	mutex_lock_nested(&fresh->lock); /* nobody else knows it yet */
	mutex_lock(&s->lock);
	b = shard_find(s, block);
	if (!b) {
		if (s->nbuffers >= c->limit / NSHARDS)
			shard_drop(s, 8);
		shard_insert(s, fresh);
	}
	mutex_unlock(&s->lock);
	*is_new = !b;
	*out = b ? b : fresh;
	if (b) {
		mutex_unlock(&fresh->lock);
		buffer_free(fresh);
	}
	return 0;
}

int buffer_read(struct buffer_cache *c, u64 block, struct buffer **out)
{
	struct buffer *b;
	bool is_new;
	int err = buffer_take(c, block, &b, &is_new);

	if (err)
		return err;
	if (!is_new && !buffer_has(b, BUFFER_UPTODATE))
		mutex_lock(&b->lock);
	else if (!is_new)
		goto out;
	if (!buffer_has(b, BUFFER_UPTODATE)) {
		b->checked = 0;
		err = block_read(c->device, block * c->block_size, b->data,
				 c->block_size);
		if (!err) /* pairs with buffer_has() of those without lock */
			atomic_fetch_or(&b->flags, BUFFER_UPTODATE);
	}
	mutex_unlock(&b->lock);
	if (err) {
		buffer_put(b);
		return -EIO;
	}
out:
	*out = b;
	return 0;
}

int buffer_new(struct buffer_cache *c, u64 block, struct buffer **out)
{
	struct buffer *b;
	bool is_new;
	int err = buffer_take(c, block, &b, &is_new);

	if (err)
		return err;
	if (!is_new)
		mutex_lock(&b->lock);
	if (b->txn || b->checkpoint) {
		err = -EUCLEAN; /* it holds metadata: it was not free */
	} else {
		memset(b->data, 0, c->block_size);
		b->checked = 0;
		atomic_fetch_or(&b->flags, BUFFER_UPTODATE);
	}
	mutex_unlock(&b->lock);
	if (err)
		buffer_put(b);
	else
		*out = b;
	return err;
}

/* Make locked buffers for what is not cached of [block, block + n): how many,
 * from the first on and without a gap. */
static u32 readahead_take(struct buffer_cache *c, u64 block, u32 n,
			  struct buffer **b)
{
	bool is_new = true;
	u32 i;

	for (i = 0; i < n; i++) {
		if (buffer_take(c, block + i, &b[i], &is_new))
			break;
		if (!is_new) {
			buffer_put(b[i]);
			break;
		}
	}
	return i;
}

void buffer_readahead(struct buffer_cache *c, u64 block, u32 n)
{
	struct plat_iovec iov[READAHEAD_MAX];
	struct buffer *b[READAHEAD_MAX];
	u32 got;
	int err;

	n = MIN(n, READAHEAD_MAX);
	while (n > 0) {
		got = readahead_take(c, block, n, b);
		for (u32 i = 0; i < got; i++) {
			iov[i].base = (u64)b[i]->data;
			iov[i].len = c->block_size;
		}
		err = got ? block_rw(c->device, PLAT_BLOCK_READ,
				     block * c->block_size, iov, got)
			  : 0;
		for (u32 i = 0; i < got; i++) {
			if (!err)
				atomic_fetch_or(&b[i]->flags, BUFFER_UPTODATE);
			mutex_unlock(&b[i]->lock);
			buffer_put(b[i]);
		}
		if (err)
			return;
		/* Past what was read, and past the cached one that ended it. */
		block += got + 1;
		n -= MIN(n, got + 1);
	}
}
