/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of memory objects and windows: random writes, truncations and
 * holes, compared with a plain array; windows come back clean.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm_int.h"
#include "kernel/mm/object.h"
#include "kernel/vfs/uio.h"
#include "tests/unit/stub_plat.h"

#define MAX_SIZE (3UL << 20)

void mm_object_shrunk(struct object *o, u64 new_size);
void mm_object_shrunk(struct object *o, u64 new_size)
{
	(void)o;
	(void)new_size;
}

struct oracle {
	struct object *o;
	u8 *bytes; /* MAX_SIZE, zero past size */
	u64 size;
};

static u8 buf[MAX_SIZE];

static s64 read_at(struct object *o, void *p, u64 n, u64 offset)
{
	struct uio u;

	uio_init_kernel(&u, p, n);
	return object_read(o, &u, offset);
}

static s64 write_at(struct object *o, void *p, u64 n, u64 offset)
{
	struct uio u;

	uio_init_kernel(&u, p, n);
	return object_write(o, &u, offset);
}

static u64 random_offset(void)
{
	u64 v = (u64)rand() % MAX_SIZE;

	if (rand() % 3 == 0)
		v %= 70000;
	return rand() % 3 ? v : PAGE_DOWN(v);
}

static u64 random_len(u64 offset)
{
	u64 n = (u64)rand() % (rand() % 8 ? 9000 : 300000);

	return MIN(n, MAX_SIZE - offset);
}

static void do_write(struct oracle *f)
{
	u64 at = random_offset();
	u64 n = random_len(at);

	for (u64 i = 0; i < n; i++)
		buf[i] = (u8)(rand() >> 4);
	assert_int_equal(write_at(f->o, buf, n, at), n);
	memcpy(f->bytes + at, buf, n);
	if (n > 0 && at + n > f->size)
		f->size = at + n;
}

static void do_resize(struct oracle *f)
{
	u64 size = random_offset();

	assert_int_equal(object_resize(f->o, size), 0);
	if (size < f->size)
		memset(f->bytes + size, 0, f->size - size);
	f->size = size;
}

static void do_punch(struct oracle *f)
{
	u64 at = random_offset();
	u64 n = random_len(at) * 4;

	n = MIN(n, MAX_SIZE - at);
	assert_int_equal(object_punch(f->o, at, n), 0);
	memset(f->bytes + at, 0, n);
}

static void do_allocate(struct oracle *f)
{
	u64 at = random_offset();
	u64 n = random_len(at);
	bool keep = rand() % 2;

	assert_int_equal(object_allocate(f->o, at, n, keep), 0);
	if (!keep && at + n > f->size)
		f->size = at + n;
}

/* A stray write through a shared mapping, in the last page past the end. */
static void do_map_write(struct oracle *f)
{
	u64 at = PAGE_DOWN(random_offset());
	u64 run;
	u8 *p;

	if (at >= f->size)
		return;
	p = object_address(f->o, at, &run);
	assert_non_null(p);
	object_mark(f->o, at, PAGE_SIZE, true);
	memset(p, 0x77, PAGE_SIZE);
	memset(f->bytes + at, 0x77, MIN(PAGE_SIZE, f->size - at));
}

static void check_all(struct oracle *f)
{
	u64 at = 0;

	assert_int_equal(f->o->size, f->size);
	assert_int_equal(read_at(f->o, buf, MAX_SIZE, 0), f->size);
	if (memcmp(buf, f->bytes, f->size)) {
		for (u64 i = 0; i < f->size; i++)
			if (buf[i] != f->bytes[i])
				fail_msg("byte %lu of %lu: %x, not %x", i,
					 f->size, buf[i], f->bytes[i]);
	}
	while (at < f->size) { /* holes are zero */
		s64 hole = object_seek(f->o, at, false);
		s64 data;

		assert_true(hole >= (s64)at);
		if ((u64)hole >= f->size)
			break;
		data = object_seek(f->o, (u64)hole, true);
		at = data == -ENXIO ? f->size : (u64)data;
		for (u64 i = (u64)hole; i < at; i++)
			assert_int_equal(f->bytes[i], 0);
	}
}

static void object_agrees_with_array(void **state)
{
	struct oracle f = { 0 };
	u64 pages = object_total_pages();
	struct heap_stats before, after;

	(void)state;
	srand(7);
	f.bytes = malloc(MAX_SIZE);
	heap_stats(&before);
	for (int round = 0; round < 12; round++) {
		assert_int_equal(object_new_cache(0, &f.o), 0);
		memset(f.bytes, 0, MAX_SIZE);
		f.size = 0;
		for (int i = 0; i < 150; i++) {
			switch (rand() % 8) {
			case 0:
				do_resize(&f);
				break;
			case 1:
				do_punch(&f);
				break;
			case 2:
				do_allocate(&f);
				break;
			case 3:
				do_map_write(&f);
				break;
			default:
				do_write(&f);
			}
			if (i % 5 == 0)
				check_all(&f);
		}
		check_all(&f);
		assert_true(object_total_pages() - pages == f.o->npages);
		object_put(f.o);
		assert_int_equal(object_total_pages(), pages);
	}
	heap_stats(&after);
	assert_int_equal(after.nobjects, before.nobjects);
	free(f.bytes);
}

/* All kinds of windows, never overlapping, always clean. */
static void windows_do_not_overlap(void **state)
{
	static struct {
		u64 offset, len;
	} w[64];

	(void)state;
	srand(8);
	for (int i = 0; i < 4000; i++) {
		unsigned int n = (unsigned int)rand() % 64;
		u64 *word;

		if (w[n].len) {
			word = (u64 *)(KERNEL_CACHE_BASE + w[n].offset);
			assert_int_equal(*word, n + 1);
			cache_clear(w[n].offset >> PAGE_SHIFT,
				    w[n].len >> PAGE_SHIFT, rand() % 3);
			window_free(w[n].offset, w[n].len);
			w[n].len = 0;
			continue;
		}
		w[n].len = WINDOW_UNIT *
			   (1 + (u64)rand() % (rand() % 9 ? 9 : 3000));
		assert_int_equal(window_alloc(w[n].len, &w[n].offset), 0);
		for (int j = 0; j < 64; j++)
			assert_false(j != (int)n && w[j].len &&
				     w[j].offset < w[n].offset + w[n].len &&
				     w[n].offset < w[j].offset + w[j].len);
		word = (u64 *)(KERNEL_CACHE_BASE + w[n].offset);
		assert_int_equal(*word, 0);
		*word = n + 1;
		cache_mark_mapped(w[n].offset >> PAGE_SHIFT, 1, true);
	}
	for (int i = 0; i < 64; i++) {
		if (w[i].len) {
			cache_clear(w[i].offset >> PAGE_SHIFT,
				    w[i].len >> PAGE_SHIFT, 0);
			window_free(w[i].offset, w[i].len);
		}
	}
}

static void object_known_size_is_one_extent(void **state)
{
	struct object *o;
	u64 at, run;

	(void)state;
	assert_int_equal(object_new_cache(100UL << 20, &o), 0);
	assert_int_equal(object_resolve(o, 0, 100UL << 20, &at, &run), 0);
	assert_int_equal(run, 100UL << 20);
	assert_int_equal(o->nextents, 1);
	object_put(o);
}

static void object_limits(void **state)
{
	struct object *o;
	u8 c = 1;

	(void)state;
	assert_int_equal(object_new_cache(0, &o), 0);
	assert_int_equal(write_at(o, &c, 1, OBJECT_SIZE_MAX), -EFBIG);
	assert_int_equal(object_resize(o, OBJECT_SIZE_MAX + 1), -EFBIG);
	assert_int_equal(object_resize(o, OBJECT_SIZE_MAX), 0);
	assert_int_equal(read_at(o, &c, 1, OBJECT_SIZE_MAX - 1), 1);
	assert_int_equal(c, 0);
	assert_int_equal(object_resize(o, 0), 0);
	kernel.memory_limit =
		(object_total_pages() << 12) + heap_reserved() + (100 << 12);
	assert_true(write_at(o, buf, MAX_SIZE, 0) < 0);
	assert_int_equal(write_at(o, buf, 50 << 12, 0), 50 << 12);
	assert_int_equal(object_allocate(o, 0, MAX_SIZE, true), -ENOSPC);
	kernel.memory_limit = 0;
	object_put(o);
}

static void object_image_is_read_only(void **state)
{
	struct object *o;
	u64 v[3];
	u64 at, run;

	(void)state;
	assert_int_equal(object_new_image(8192, 5000, &o), 0);
	assert_int_equal(read_at(o, v, 24, 16), 24);
	assert_true(v[0] == 1026 * 0x9e3779b97f4a7c15UL);
	assert_int_equal(read_at(o, v, 24, 4990), 10);
	assert_int_equal(object_resize(o, 1), -EROFS);
	assert_int_equal(object_resolve(o, 4096, 4096, &at, &run), 0);
	assert_int_equal(at, 12288);
	assert_int_equal(run, 4096);
	object_put(o);
}

static void uio_moves_through_vectors(void **state)
{
	u8 a[7], b[1], c[20], src[28];
	struct plat_iovec iov[5] = {
		{ (u64)a, 7 }, { 0, 0 },       { (u64)b, 1 },
		{ 0, 0 },      { (u64)c, 20 },
	};
	struct plat_iovec out[5];
	struct uio u;

	(void)state;
	for (int i = 0; i < 28; i++)
		src[i] = (u8)i;
	uio_init_iov(&u, iov, 5);
	u.is_kernel = true;
	assert_int_equal(u.left, 28);
	assert_int_equal(uio_put(&u, src, 10), 10);
	assert_int_equal(c[1], 9);
	uio_revert(&u, 4);
	assert_int_equal(u.left, 22);
	assert_int_equal(uio_to_iov(&u, out, 5), 3);
	assert_int_equal(out[0].len, 1);
	assert_int_equal(out[2].len, 20);
	assert_int_equal(uio_zero(&u, 100), 22);
	assert_int_equal(a[5], 5);
	assert_int_equal(a[6], 0);
	assert_int_equal(c[19], 0);
	assert_int_equal(uio_put(&u, src, 1), 0);
	uio_init_kernel(&u, src, 28);
	uio_advance(&u, 5);
	assert_int_equal(uio_get(&u, c, 20), 20);
	assert_int_equal(c[0], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_do_not_overlap),
		cmocka_unit_test(object_agrees_with_array),
		cmocka_unit_test(object_known_size_is_one_extent),
		cmocka_unit_test(object_limits),
		cmocka_unit_test(object_image_is_read_only),
		cmocka_unit_test(uio_moves_through_vectors),
	};

	stub_plat_start();
	heap_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
