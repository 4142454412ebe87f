/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the stream ring: contents against a plain model, ancillary data
 * at its bytes, memory given back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/mm/heap.h"
#include "kernel/mm/pages.h"
#include "kernel/net/stream.h"
#include "tests/unit/stub_plat.h"

#define LIMIT (256 * 1024)

static struct stream s;
static u8 in[LIMIT], out[LIMIT];
static u32 seed = 1;

struct scm_files *scm_dup(const struct scm_files *f)
{
	struct scm_files *copy = kmalloc(sizeof(*f));

	memcpy(copy, f, sizeof(*f));
	return copy;
}

u64 cache_total_pages(void)
{
	return 0;
}

static u32 rnd(u32 n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static s64 put(const void *p, u64 n, struct scm *scm)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)p, n);
	return stream_put(&s, &u, n, scm);
}

static s64 take(void *p, u64 n, struct stream_take *t)
{
	struct uio u;

	uio_init_kernel(&u, p, n);
	t->uio = &u;
	return stream_take(&s, t);
}

static int setup(void **state)
{
	(void)state;
	stream_init(&s);
	return 0;
}

static int teardown(void **state)
{
	struct heap_stats stats;
	struct list dead;

	(void)state;
	list_init(&dead);
	stream_fini(&s, &dead);
	while (!list_empty(&dead)) {
		struct scm_files *f = list_first(&dead, struct scm_files, node);

		list_del(&f->node);
		kfree(f);
	}
	heap_stats(&stats);
	assert_int_equal(stats.nobjects, 0);
	return 0;
}

static void test_bytes(void **state)
{
	u8 next_in = 0, next_out = 0;
	struct list dead;

	(void)state;
	list_init(&dead);
	for (u32 i = 0; i < 20000; i++) {
		struct stream_take t = { .dead = &dead, .is_first = true };
		u32 n = rnd(rnd(4) ? 300 : 40000);
		s64 got;

		if (rnd(2) && stream_used(&s) + n <= LIMIT) {
			for (u32 k = 0; k < n; k++)
				in[k] = next_in++;
			assert_int_equal(put(in, n, NULL), n);
			continue;
		}
		got = take(out, n, &t);
		assert_true(got >= 0 && got <= (s64)n);
		for (s64 k = 0; k < got; k++)
			assert_int_equal(out[k], next_out++);
	}
	assert_int_equal((u8)(next_out + stream_used(&s)), next_in);
}

static void test_peek(void **state)
{
	struct stream_take t = { .is_peek = true, .is_first = true };
	char buf[8];

	(void)state;
	put("abcdef", 6, NULL);
	assert_int_equal(take(buf, 4, &t), 4);
	assert_memory_equal(buf, "abcd", 4);
	t.offset = 4;
	assert_int_equal(take(buf, 4, &t), 2);
	assert_memory_equal(buf, "ef", 2);
	t.offset = 6;
	assert_int_equal(take(buf, 4, &t), 0);
	assert_int_equal(stream_used(&s), 6);
}

static void test_idle_memory(void **state)
{
	struct stream_take t = { .is_first = true };
	struct list dead;

	(void)state;
	list_init(&dead);
	t.dead = &dead;
	put(in, sizeof(in), NULL);
	assert_int_equal(take(out, sizeof(out), &t), sizeof(out));
	assert_true(s.size >= LIMIT);
	put(in, 10, NULL);
	assert_int_equal(take(out, sizeof(out), &t), 10);
	assert_int_equal(s.size, 0); /* the peak was not needed again */
}

static struct scm_files *files(void)
{
	struct scm_files *f = kzalloc(sizeof(*f));

	list_init(&f->node);
	return f;
}

static void test_rights(void **state)
{
	struct scm_files *f = files(), *g = files();
	struct scm with = { .files = f }, scm = { 0 };
	struct stream_take t = { .scm = &scm, .is_first = true };
	struct list dead;
	char buf[32];

	(void)state;
	list_init(&dead);
	t.dead = &dead;
	put("plain", 5, NULL);
	put("files", 5, &with);
	assert_null(with.files);
	put("after", 5, NULL);
	/* Bytes before join the ones with files; the call ends behind them. */
	assert_int_equal(take(buf, 32, &t), 5);
	t.is_first = false;
	assert_int_equal(take(buf, 32, &t), 5);
	assert_memory_equal(buf, "files", 5);
	assert_true(t.is_stopped);
	assert_ptr_equal(scm.files, f);
	assert_int_equal(take(buf, 32, &t), 0);
	kfree(f);
	/* A receiver that wants none: they are to be buried. */
	with.files = g;
	put("more", 4, &with);
	t = (struct stream_take){ .dead = &dead, .is_first = true };
	assert_int_equal(take(buf, 5, &t), 5);
	assert_int_equal(take(buf, 2, &t), 2);
	assert_ptr_equal(dead.next, &g->node);
	kfree(g);
}

static void test_peek_rights(void **state)
{
	struct scm with = { .files = files() }, scm = { 0 };
	struct stream_take t = { .scm = &scm,
				 .is_first = true,
				 .is_peek = true };
	char buf[4];

	(void)state;
	put("x", 1, &with);
	assert_int_equal(take(buf, 4, &t), 1);
	assert_non_null(scm.files);
	kfree(scm.files); /* the copy; the original is still queued */
}

static void test_credentials(void **state)
{
	struct scm a = { .cred = { 1, 2, 3 }, .has_cred = true };
	struct scm b = { .cred = { 4, 5, 6 }, .has_cred = true };
	struct scm scm = { 0 };
	struct stream_take t = { .scm = &scm,
				 .is_first = true,
				 .with_creds = true };
	struct list dead;
	char buf[32];

	(void)state;
	list_init(&dead);
	t.dead = &dead;
	put("aa", 2, &a);
	put("aa", 2, &a);
	put("bb", 2, &b);
	assert_int_equal(take(buf, 32, &t), 4);
	assert_int_equal(scm.cred.pid, 1);
	t.is_first = false;
	assert_int_equal(take(buf, 32, &t), 0); /* another sender's */
	t = (struct stream_take){
		.scm = &scm, .dead = &dead, .is_first = true, .with_creds = true
	};
	assert_int_equal(take(buf, 32, &t), 2);
	assert_int_equal(scm.cred.gid, 6);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(bytes),  T(peek),	   T(idle_memory),
		T(rights), T(peek_rights), T(credentials),
	};

	stub_plat_start();
	heap_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
