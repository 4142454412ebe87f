/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Split rings, with the test as the device: an honest one that takes and
 * returns in any order, and ones that lie in every field that they may write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/plat/pc/ring.h"

#define SIZE 8u
#define ROUNDS 200000u

static struct ring ring;
static u16 taken; /* of the available ring, by the device */

static int setup(void **state)
{
	(void)state;
	taken = 0;
	ring_init(&ring, SIZE, calloc(1, ring_desc_bytes(SIZE)),
		  calloc(1, ring_avail_bytes(SIZE)),
		  calloc(1, ring_used_bytes(SIZE)),
		  calloc(SIZE, sizeof(struct ring_slot)));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(ring.desc);
	free(ring.avail);
	free(ring.used);
	free(ring.slots);
	return 0;
}

/* --- The device ------------------------------------------------------------
 */

/* The first descriptor of the next request, or -1. */
static int take(void)
{
	if (taken == ring.avail->index)
		return -1;
	return ring.avail->ring[taken++ % SIZE];
}

static void give(u32 id, u32 len)
{
	u16 at = ring.used->index % SIZE;

	ring.used->ring[at] = (struct virtq_used){ id, len };
	ring.used->index++;
}

/* Bytes the device may write, by the descriptors, and how many there are. */
static u32 room(u32 id, u32 *n)
{
	u32 sum = 0;

	for (*n = 1;; (*n)++) {
		const struct virtq_desc *d = &ring.desc[id];

		if (d->flags & DESC_WRITE)
			sum += d->len;
		if (!(d->flags & DESC_NEXT))
			return sum;
		id = d->next;
		assert_in_range(id, 0, SIZE - 1);
		assert_in_range(*n, 1, SIZE - 1);
	}
}

static bool offer(void *owner, u16 n, u32 writable)
{
	struct virtq_piece pieces[SIZE + 1];

	for (u16 i = 0; i < n; i++)
		pieces[i] = (struct virtq_piece){ 0x1000u * i, 16,
						  i >= n - writable };
	return ring_add(&ring, pieces, n, owner);
}

static void *get(u32 *len)
{
	const char *lie;
	void *owner = ring_get(&ring, len, &lie);

	assert_null(lie);
	return owner;
}

static void assert_lie(const char *part)
{
	const char *lie;
	u32 len;

	assert_null(ring_get(&ring, &len, &lie));
	assert_non_null(lie);
	assert_non_null(strstr(lie, part));
}

/* --- Tests -------------------------------------------------------------------
 */

static void test_one(void **state)
{
	int owner;
	u32 len, n;

	(void)state;
	assert_null(get(&len));
	assert_int_equal(take(), -1);
	assert_true(offer(&owner, 3, 2));
	assert_int_equal(take(), 0);
	assert_int_equal(room(0, &n), 32);
	assert_int_equal(n, 3);
	assert_null(get(&len));
	give(0, 32);
	assert_ptr_equal(get(&len), &owner);
	assert_int_equal(len, 32);
	assert_null(get(&len));
	assert_int_equal(ring.nfree, SIZE);
}

static void test_full(void **state)
{
	int a, b;
	u32 len;

	(void)state;
	assert_true(offer(&a, 5, 0));
	assert_false(offer(&b, 4, 0));
	assert_true(offer(&b, 3, 0));
	assert_false(offer(&b, 1, 0));
	give((u32)take(), 0);
	assert_ptr_equal(get(&len), &a);
	assert_true(offer(&a, 5, 0));
}

/* Many, returned in any order, more than the indices can count. */
static void test_any_order(void **state)
{
	u32 device[SIZE], ndevice = 0, len, n, sizes[SIZE + 1] = { 0 };
	static char owners[SIZE];
	unsigned int seed = 1;

	(void)state;
	for (u32 i = 0; i < ROUNDS; i++) {
		u16 want = (u16)(1 + rand_r(&seed) % 3);
		u32 which;
		char *owner;
		int id;

		for (which = 0; which < SIZE && sizes[which];)
			which++;
		if (which < SIZE && offer(&owners[which], want, want))
			sizes[which] = want;
		while ((id = take()) >= 0)
			device[ndevice++] = (u32)id;
		if (!ndevice || rand_r(&seed) % 2)
			continue;
		which = (u32)rand_r(&seed) % ndevice;
		len = room(device[which], &n);
		give(device[which], len);
		device[which] = device[--ndevice];
		owner = get(&len);
		assert_non_null(owner);
		assert_int_equal(sizes[owner - owners], n);
		assert_int_equal(len, n * 16);
		sizes[owner - owners] = 0;
	}
}

static void test_jump(void **state)
{
	int owner;

	(void)state;
	assert_true(offer(&owner, 1, 1));
	ring.used->index = SIZE + 1;
	assert_lie("jumps");
	ring.used->index = 0xffff; /* back */
	assert_lie("jumps");
}

static void test_wrong_id(void **state)
{
	static const u32 ids[] = { 1, 2, 7, 8, 0xffff, 0x10000, ~0u };
	int owner;
	u32 len;

	(void)state;
	assert_true(offer(&owner, 3, 1));
	for (u32 i = 0; i < ARRAY_SIZE(ids); i++) {
		ring.used->index = 0;
		give(ids[i], 0);
		assert_lie("not given");
	}
	ring.used->index = 0;
	give(0, 0);
	assert_ptr_equal(get(&len), &owner);
	give(0, 0); /* a second time */
	assert_lie("not given");
}

static void test_wrong_length(void **state)
{
	int owner;
	u32 len;

	(void)state;
	assert_true(offer(&owner, 3, 2));
	give(0, 33);
	assert_lie("more than there is room");
	ring.used->ring[0].len = ~0u;
	assert_lie("more than there is room");
	ring.used->ring[0].len = 5; /* less is its right */
	assert_ptr_equal(get(&len), &owner);
	assert_int_equal(len, 5);
	assert_true(offer(&owner, 2, 0)); /* nothing may be written */
	give((u32)(ring.avail->ring[1]), 1);
	assert_lie("more than there is room");
}

/* What the device writes over the descriptors is not looked at. */
static void test_scribbled(void **state)
{
	static char owners[4];
	u32 len;

	(void)state;
	for (u32 round = 0; round < 100; round++) {
		for (u32 i = 0; i < 4; i++)
			assert_true(offer(&owners[i], 2, 1));
		assert_false(offer(&owners[0], 1, 1));
		memset(ring.desc, (int)(0x55 + round), ring_desc_bytes(SIZE));
		memset(ring.avail->ring, 0xff, SIZE * sizeof(u16));
		for (u32 i = 0, seen = 0; i < SIZE && seen < 4; i++) {
			if (!ring.slots[i].owner)
				continue;
			give(i, 0);
			assert_non_null(get(&len));
			seen++;
		}
		assert_int_equal(ring.nfree, SIZE);
	}
}

static void test_notice(void **state)
{
	(void)state;
	assert_true(ring_wants_notice(&ring));
	ring.used->flags = 1;
	assert_false(ring_wants_notice(&ring));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_order, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_jump, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_id, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_length, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_scribbled, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_notice, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
