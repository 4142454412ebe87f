/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the kernel heap: random allocation with the contents checked,
 * several threads, everything given back at the end.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"
#include "tests/unit/stub_plat.h"

#define NSLOTS 2000

void mm_object_shrunk(struct object *o, u64 new_size);
void mm_object_shrunk(struct object *o, u64 new_size)
{
	(void)o;
	(void)new_size;
}

struct slot {
	u8 *p;
	size_t size;
	u8 fill;
};

static size_t random_size(unsigned int *seed)
{
	switch (rand_r(seed) % 10) {
	case 0:
		return 1 + (size_t)rand_r(seed) % 100000;
	case 1:
		return 1 + (size_t)rand_r(seed) % 5000;
	default:
		return 1 + (size_t)rand_r(seed) % 600;
	}
}

static void slot_check(const struct slot *s)
{
	for (size_t i = 0; i < s->size; i++) {
		if (s->p[i] != s->fill)
			fail_msg("byte %zu of %p is not ours", i, (void *)s->p);
	}
}

static void slot_toggle(struct slot *s, unsigned int *seed)
{
	if (s->p) {
		slot_check(s);
		kfree(s->p);
		s->p = NULL;
		return;
	}
	s->size = random_size(seed);
	s->fill = (u8)rand_r(seed);
	s->p = kmalloc(s->size);
	assert_non_null(s->p);
	assert_true(IS_ALIGNED((u64)s->p, 16));
	memset(s->p, s->fill, s->size);
}

static void slot_resize(struct slot *s, unsigned int *seed)
{
	size_t size = random_size(seed);

	if (!s->p)
		return;
	s->p = krealloc(s->p, size);
	assert_non_null(s->p);
	s->size = MIN(s->size, size);
	slot_check(s);
	s->size = size;
	memset(s->p, s->fill, size);
}

static void *churn(void *arg)
{
	struct slot *slots = calloc(NSLOTS, sizeof(*slots));
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (int i = 0; i < 60000; i++) {
		struct slot *s = &slots[rand_r(&seed) % NSLOTS];

		if (rand_r(&seed) % 8)
			slot_toggle(s, &seed);
		else
			slot_resize(s, &seed);
	}
	for (int i = 0; i < NSLOTS; i++) {
		if (slots[i].p)
			slot_toggle(&slots[i], &seed);
	}
	free(slots);
	return NULL;
}

static void heap_survives_churn(void **state)
{
	struct heap_stats before, after;

	(void)state;
	heap_stats(&before);
	churn((void *)1);
	heap_stats(&after);
	assert_int_equal(after.nobjects, before.nobjects);
	assert_int_equal(after.bytes_used, before.bytes_used);
	assert_true(after.bytes_reserved < 2 << 20);
	assert_true(stub_plat.discarded > 0);
}

static void heap_survives_threads(void **state)
{
	struct heap_stats before, after;
	pthread_t threads[4];

	(void)state;
	heap_stats(&before);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, (void *)(i + 10));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	heap_stats(&after);
	assert_int_equal(after.nobjects, before.nobjects);
	assert_int_equal(after.bytes_used, before.bytes_used);
}

static void *push_pop(void *arg)
{
	u64 mark = (u64)arg;

	for (int i = 0; i < 300000; i++) {
		u64 *p = kmalloc(32);
		u64 *q = kmalloc(32);

		p[1] = p[3] = mark + 1;
		q[1] = q[3] = mark + 2;
		if (p == q || p[1] != mark + 1 || p[3] != mark + 1 ||
		    q[1] != mark + 2)
			abort();
		kfree(p);
		kfree(q);
	}
	return NULL;
}

/* One hot class: an object must never be handed out twice. */
static void heap_stack_is_atomic(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, push_pop, (void *)(i << 8));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void heap_pages_are_aligned(void **state)
{
	void *a, *b, *c;

	(void)state;
	a = kpages_alloc(1);
	b = kpages_alloc(1000);
	c = kmalloc(4097);
	assert_true(IS_ALIGNED((u64)a, PAGE_SIZE));
	assert_true(IS_ALIGNED((u64)b, PAGE_SIZE));
	assert_true(IS_ALIGNED((u64)c, PAGE_SIZE));
	memset(b, 1, 1000 * PAGE_SIZE);
	kpages_free(b, 1000);
	kpages_free(a, 1);
	kfree(c);
}

static void heap_is_dense(void **state)
{
	struct heap_stats before, after;
	void *p[4096];

	(void)state;
	heap_stats(&before);
	for (int i = 0; i < 4096; i++)
		p[i] = kmalloc(128);
	heap_stats(&after);
	assert_true(after.bytes_used - before.bytes_used == 4096 * 128);
	assert_true(after.bytes_reserved - before.bytes_reserved <= 4096 * 128);
	for (int i = 0; i < 4096; i++)
		kfree(p[i]);
}

static void heap_obeys_limit(void **state)
{
	void *p;

	(void)state;
	kernel.memory_limit = 16 << 20;
	assert_null(kpages_alloc(5000));
	p = kpages_alloc(1000);
	assert_non_null(p);
	kpages_free(p, 1000);
	kernel.memory_limit = 0;
}

static void heap_copies_strings(void **state)
{
	char *a = kstrdup("hello");
	char *b = kstrndup("hello", 2);
	u8 *z = kzalloc(100);

	(void)state;
	assert_string_equal(a, "hello");
	assert_string_equal(b, "he");
	for (int i = 0; i < 100; i++)
		assert_int_equal(z[i], 0);
	kfree(a);
	kfree(b);
	kfree(z);
	kfree(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_pages_are_aligned),
		cmocka_unit_test(heap_is_dense),
		cmocka_unit_test(heap_copies_strings),
		cmocka_unit_test(heap_survives_churn),
		cmocka_unit_test(heap_survives_threads),
		cmocka_unit_test(heap_stack_is_atomic),
		cmocka_unit_test(heap_obeys_limit),
	};

	stub_plat_start();
	heap_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
