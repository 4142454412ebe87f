/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kmalloc: objects of up to half a page come from one-page slabs, one list of
 * slabs per size class; more comes as runs of pages (kernel/mm/pages.c). Called
 * by everyone on any thread.
 *
 * Theory of operation. Nothing but objects lies in a slab: what is known of a
 * page is in its descriptor, found by address, so that sizes pack densely and
 * free() needs no header. In front of each class stands a small stack of
 * recently freed objects, popped and pushed without a lock (head and
 * generation change as one); reading the link of an object that was taken
 * meanwhile is harmless, as heap memory never goes away. Last in, first out
 * keeps the working set small: a forked child touches few heap pages.
 */
#include "kernel/mm/heap.h"

#include "kernel/kernel.h"
#include "kernel/mm/mm_int.h"
#include "kernel/mm/pages.h"
#include "kernel/proc/lock.h"

#ifndef CONFIG_HEAP_POISON
#define CONFIG_HEAP_POISON 0
#endif
#define POISON 0x6b	/* what is free */
#define POISON_NEW 0x5a /* what is new */

#define CLASS_GRAIN 16
#define CLASS_SIZE_MAX 2048
#define CACHE_BYTES 8192    /* of free objects kept in front of a class */
#define COUNT_MASK 0xffffUL /* of class.cache.b; the rest is a generation */

/* Sizes that leave little of a page over. */
static const u16 class_sizes[] = {
	16,  32,  48,  64,  80,	 96,  112, 128, 160,  192,  224,  256,
	288, 336, 400, 448, 512, 576, 672, 816, 1024, 1360, 2048,
};
#define NCLASSES ARRAY_SIZE(class_sizes)

struct class
{
	struct atomic_pair cache; /* a: first free object, b: count and tag */
	struct mutex lock;	  /* everything below, and slabs' descriptors */
	u32 partial; /* slabs with room: descriptor index + 1, or 0 */
	u32 npartial;
	u32 nused; /* objects not in slabs (in use or in the cache) */
	u16 size;
	u16 per_slab;
	u16 cache_max;
};

static struct heap {
	struct class classes[NCLASSES];
	u8 class_of[CLASS_SIZE_MAX / CLASS_GRAIN + 1]; /* by rounded size */
} heap ALIGNED(64);

void heap_init(void)
{
	unsigned int next = 0;

	for (unsigned int i = 0; i < NCLASSES; i++) {
		struct class *c = &heap.classes[i];
		u32 keep = CACHE_BYTES / class_sizes[i];

		c->size = class_sizes[i];
		c->per_slab = (u16)(PAGE_SIZE / class_sizes[i]);
		c->cache_max = (u16)MIN(MAX(keep, 4U), 64U);
		for (; next * CLASS_GRAIN <= class_sizes[i]; next++)
			heap.class_of[next] = (u8)i;
	}
	pages_init();
}

static struct class *class_for(size_t size)
{
	return &heap.classes[heap.class_of[(size + CLASS_GRAIN - 1) /
					   CLASS_GRAIN]];
}

/* --- Free objects in front of a class ---------------------------------------
 */

static void *cache_pop(struct class *c)
{
	struct atomic_pair old, new;

	old.b = atomic_load(&c->cache.b);
	old.a = atomic_load(&c->cache.a);
	while (old.a) {
		/* Perhaps taken by now and garbage: then cmpxchg fails. */
		new.a = atomic_load((u64 *)old.a);
		new.b = old.b + COUNT_MASK; /* generation + 1, count - 1 */
		if (atomic_cmpxchg_pair(&c->cache, &old, new))
			return (void *)old.a;
	}
	return NULL;
}

static bool cache_push(struct class *c, void *p)
{
	struct atomic_pair old, new;

	old.b = atomic_load(&c->cache.b);
	old.a = atomic_load(&c->cache.a);
	do {
		if ((old.b & COUNT_MASK) >= c->cache_max)
			return false;
		atomic_store((u64 *)p, old.a);
		new.a = (u64)p;
		new.b = old.b + COUNT_MASK + 2; /* generation, count + 1 */
	} while (!atomic_cmpxchg_pair(&c->cache, &old, new));
	return true;
}

/* --- Slabs, under class.lock -------------------------------------------------
 */

static void partial_add(struct class *c, u32 slab)
{
	struct page_desc *d = page_desc(slab);

	d->prev = 0;
	d->next = c->partial;
	if (c->partial)
		page_desc(c->partial - 1)->prev = slab + 1;
	c->partial = slab + 1;
	c->npartial++;
}

static void partial_remove(struct class *c, u32 slab)
{
	struct page_desc *d = page_desc(slab);

	if (d->prev)
		page_desc(d->prev - 1)->next = d->next;
	else
		c->partial = d->next;
	if (d->next)
		page_desc(d->next - 1)->prev = d->prev;
	c->npartial--;
}

static bool slab_new(struct class *c)
{
	struct page_desc *d;
	u32 slab;

	if (!pages_alloc(1, &slab))
		return false;
	d = page_desc(slab);
	d->kind = PAGE_SLAB;
	d->class = (u8)(c - heap.classes);
	d->free_head = 0;
	d->nused = 0;
	d->ncarved = 0;
	partial_add(c, slab);
	return true;
}

static void *slab_take(struct class *c)
{
	u32 slab = c->partial - 1;
	struct page_desc *d = page_desc(slab);
	char *base = page_address(slab);
	char *p;

	if (d->free_head) {
		p = base + (size_t)(d->free_head - 1) * CLASS_GRAIN;
		d->free_head = *(u16 *)(void *)p;
	} else {
		p = base + (size_t)d->ncarved * c->size;
		d->ncarved++;
	}
	d->nused++;
	c->nused++;
	if (d->nused == c->per_slab)
		partial_remove(c, slab);
	return p;
}

static void slab_give(struct class *c, u32 slab, void *p)
{
	struct page_desc *d = page_desc(slab);
	size_t offset = (size_t)((char *)p - (char *)page_address(slab));

	kassert(d->nused > 0 && offset % c->size == 0);
	*(u16 *)p = d->free_head;
	d->free_head = (u16)(offset / CLASS_GRAIN + 1);
	if (d->nused == c->per_slab)
		partial_add(c, slab);
	d->nused--;
	c->nused--;
	/* Keep one empty slab, lest one object going to and fro costs a page
	 * each time. */
	if (d->nused == 0 && c->npartial > 1) {
		partial_remove(c, slab);
		pages_free(slab, 1);
	}
}

static NOINLINE void *class_alloc_slow(struct class *c)
{
	void *p = NULL;

	mutex_lock(&c->lock);
	if (c->partial || slab_new(c))
		p = slab_take(c);
	mutex_unlock(&c->lock);
	return p;
}

static NOINLINE void class_free_slow(struct class *c, u32 slab, void *p)
{
	mutex_lock(&c->lock);
	slab_give(c, slab, p);
	mutex_unlock(&c->lock);
}

/* --- Debug builds: writes after free, a second free, reads before a write --
 */

/* Past the links that free objects are kept by. */
static bool is_poisoned(const struct class *c, const u8 *p)
{
	for (u32 i = 8; i < c->size; i++)
		if (p[i] != POISON)
			return false;
	return true;
}

static void poison_free(const struct class *c, void *p)
{
	if (is_poisoned(c, p))
		kpanic("heap: %p of %u bytes is freed twice", p, c->size);
	memset(p, POISON, c->size);
}

static void poison_take(const struct class *c, void *p, bool was_cached)
{
	if (was_cached && !is_poisoned(c, p))
		kpanic("heap: %p of %u bytes was written after its free", p,
		       c->size);
	memset(p, POISON_NEW, c->size);
}

/* --- The interface
 * ------------------------------------------------------------ */

void *kmalloc(size_t size)
{
	struct class *c;
	void *p;

	if (unlikely(size > CLASS_SIZE_MAX)) {
		if (size > KERNEL_HEAP_SIZE)
			return NULL;
		return kpages_alloc(PAGE_UP(size) >> PAGE_SHIFT);
	}
	kassert(size > 0);
	c = class_for(size);
	p = cache_pop(c);
	if (CONFIG_HEAP_POISON && p)
		poison_take(c, p, true);
	if (unlikely(!p)) {
		p = class_alloc_slow(c);
		if (CONFIG_HEAP_POISON && p)
			poison_take(c, p, false);
	}
	return p;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void kfree(void *p)
{
	struct page_desc *d;
	struct class *c;
	u32 page;

	if (!p)
		return;
	page = page_index(p);
	d = page_desc(page);
	if (unlikely(d->kind != PAGE_SLAB)) {
		kassert(d->kind == PAGE_RUN && IS_ALIGNED((u64)p, PAGE_SIZE));
		pages_free(page, d->npages);
		return;
	}
	c = &heap.classes[d->class];
	if (CONFIG_HEAP_POISON)
		poison_free(c, p);
	if (unlikely(!cache_push(c, p)))
		class_free_slow(c, page, p);
}

/* Bytes that fit at p without moving it. */
static size_t capacity(void *p)
{
	struct page_desc *d = page_desc(page_index(p));

	if (d->kind == PAGE_SLAB)
		return class_sizes[d->class];
	return (size_t)d->npages << PAGE_SHIFT;
}

void *krealloc(void *p, size_t size)
{
	size_t old;
	void *q;

	if (!p)
		return kmalloc(size);
	old = capacity(p);
	if (size <= old && size > old / 2)
		return p;
	q = kmalloc(size);
	if (!q)
		return size <= old ? p : NULL;
	memcpy(q, p, MIN(old, size));
	kfree(p);
	return q;
}

char *kstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = kmalloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *kstrdup(const char *s)
{
	return kstrndup(s, strlen(s));
}

void *kpages_alloc(size_t npages)
{
	u32 page;

	if (npages == 0 || npages > HEAP_NPAGES)
		return NULL;
	if (!pages_alloc((u32)npages, &page))
		return NULL;
	page_desc(page)->kind = PAGE_RUN;
	return page_address(page);
}

void kpages_free(void *p, size_t npages)
{
	struct page_desc *d;

	if (!p)
		return;
	d = page_desc(page_index(p));
	kassert(d->kind == PAGE_RUN && d->npages == npages);
	pages_free(page_index(p), d->npages);
}

void heap_stats(struct heap_stats *s)
{
	u64 nslabs = 0;
	u64 run_pages;

	*s = (struct heap_stats){ 0 };
	for (unsigned int i = 0; i < NCLASSES; i++) {
		struct class *c = &heap.classes[i];
		u64 n;

		mutex_lock(&c->lock);
		n = c->nused - (atomic_load(&c->cache.b) & COUNT_MASK);
		mutex_unlock(&c->lock);
		s->nobjects += n;
		s->bytes_used += n * c->size;
	}
	pages_stats(&run_pages, &nslabs, &s->bytes_reserved);
	s->nobjects += nslabs;
	s->bytes_used += run_pages << PAGE_SHIFT;
}
