/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal on a device that loses power: whatever is committed is there
 * whole after recovery, nothing is there in part, and revoked blocks keep what
 * their new owner wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/journal_model.h"

#define V3 (JBD_CSUM_V3 | JBD_64BIT)

static u64 rounds(u64 n)
{
	const char *more = getenv("JOURNAL_TEST_FACTOR");

	return more ? n * (u64)atoi(more) : n;
}

/* --- Without accidents --------------------------------------------------- */

static void test_clean(void **state)
{
	struct model m;
	u64 rand = 7;
	u32 tid = 0;

	(void)state;
	model_mkfs(&m, 1024, V3, 5, 1);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(model_mount(&m, false), 0);
		assert_int_equal(m.nreplayed, 0);
		for (int i = 0; i < 200; i++)
			assert_int_equal(model_step(&m, &rand, 0, MODEL_BLOCKS,
						    20, &tid),
					 0);
		assert_int_equal(model_umount(&m), 0);
		m.acked = tid;
	}
	model_crash(&m);
	assert_int_equal(m.nreplayed, 0);
	model_fini(&m);
}

/* fsync of what is on disk costs nothing; of what is not, two flushes. */
static void test_flushes(void **state)
{
	struct model m;
	u64 rand = 9, before;
	bool flushed;
	u32 tid;

	(void)state;
	model_mkfs(&m, 4096, V3, 1, 1);
	assert_int_equal(model_mount(&m, false), 0);
	assert_int_equal(model_step(&m, &rand, 0, 10, 5, &tid), 0);
	before = m.cut.nflushes;
	assert_int_equal(journal_commit(m.j, tid, &flushed), 0);
	assert_true(flushed);
	assert_int_equal(m.cut.nflushes - before, 2);
	assert_int_equal(journal_commit(m.j, tid, &flushed), 0);
	assert_false(flushed);
	assert_int_equal(journal_commit_all(m.j), 0);
	assert_int_equal(m.cut.nflushes - before, 2);
	assert_int_equal(model_umount(&m), 0);
	model_fini(&m);
}

static void test_credits(void **state)
{
	struct model m;
	struct handle h, h2;
	u32 max, tid;

	(void)state;
	model_mkfs(&m, 1024, V3, 1, 1);
	assert_int_equal(model_mount(&m, false), 0);
	max = m.j->max_txn;
	assert_int_equal(journal_start(m.j, max + 1, &h), -ENOSPC);
	assert_int_equal(journal_start(m.j, max - 2, &h), 0);
	tid = handle_tid(&h);
	assert_int_equal(journal_extend(&h, 2), 0);
	assert_int_equal(journal_extend(&h, 1), -EAGAIN);
	assert_int_equal(journal_restart(&h, 2), 0);
	assert_int_equal(handle_tid(&h), tid);
	assert_int_equal(journal_start(m.j, max - 2, &h2), 0);
	assert_int_equal(handle_tid(&h2), tid);
	journal_stop(&h2);
	journal_stop(&h);
	assert_int_equal(model_umount(&m), 0);
	model_fini(&m);
}

/* --- Power cuts ---------------------------------------------------------- */

static void run_until_cut(struct model *m, u64 *rand)
{
	int err = 0;
	u32 tid = 0;

	while (!err) {
		u32 n = 1 + (u32)model_random(rand, 24);

		err = model_step(m, rand, 0, MODEL_BLOCKS, n, &tid);
		if (!err && model_random(rand, 4) == 0)
			err = model_write_data(m, rand, 0, MODEL_BLOCKS);
		if (!err && model_random(rand, 8) == 0)
			err = model_fsync(m, tid);
		if (!err && model_random(rand, 40) == 0)
			err = journal_checkpoint(m->j,
						 (u32)model_random(rand, 1024));
	}
	assert_true(m->cut.is_dead);
}

static void cuts(u32 block_size, u32 features, u32 sequence, u64 seed)
{
	struct model m;
	u64 rand = seed * 77 + 1;

	model_mkfs(&m, block_size, features, sequence, seed);
	for (int i = 0; i < 10; i++) {
		powercut_restore(&m.cut, 1 + powercut_random(&m.cut, 400));
		if (model_mount(&m, false) == 0)
			run_until_cut(&m, &rand);
		model_crash(&m);
	}
	model_fini(&m);
}

static void test_cuts_v3(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= rounds(12); seed++)
		cuts(1024, V3, 3, seed);
}

/* Without checksums, 32 bit, numbers that wrap around. */
static void test_cuts_plain(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= rounds(8); seed++)
		cuts(1024, 0, ~0U - 20, seed);
}

static void test_cuts_4k(void **state)
{
	(void)state;
	for (u64 seed = 1; seed <= rounds(4); seed++)
		cuts(4096, V3, 1, seed);
}

/* Buffers change while their older contents are on their way to the log. */
static void test_cuts_nosy(void **state)
{
	struct model m;
	u64 rand = 5;

	(void)state;
	model_mkfs(&m, 1024, V3, 1, 12);
	for (u64 i = 0; i < rounds(30); i++) {
		powercut_restore(&m.cut, 1 + powercut_random(&m.cut, 400));
		m.is_nosy = true;
		if (model_mount(&m, false) == 0)
			run_until_cut(&m, &rand);
		model_crash(&m);
	}
	assert_true(m.nfrozen > 20);
	model_fini(&m);
}

/* The log is full all the time: its end is overwritten as soon as it may. */
static void test_cuts_full(void **state)
{
	struct model m;
	u64 rand = 6;
	int err;
	u32 tid;

	(void)state;
	model_mkfs(&m, 1024, V3, 1, 13);
	for (u64 i = 0; i < rounds(60); i++) {
		powercut_restore(&m.cut, 0);
		m.cut.cut_at_flush =
			m.cut.nflushes + 1 + powercut_random(&m.cut, 200);
		err = model_mount(&m, false);
		/* Room is made for small transactions, so it is all used. */
		if (!err)
			m.j->max_txn = 60;
		for (u32 k = 1; !err; k++) {
			err = model_step(&m, &rand, 0, MODEL_BLOCKS, 20, &tid);
			if (!err && k % 8 == 0)
				err = model_fsync(&m, tid);
		}
		model_crash(&m);
	}
	model_fini(&m);
}

/* --- Threads ------------------------------------------------------------- */

#define NTHREADS 4

struct worker {
	struct model *m;
	u32 from, to;
	u64 rand;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	struct model *m = w->m;
	int err = 0;
	u32 tid = 0;

	while (!err) {
		err = model_step(m, &w->rand, w->from, w->to,
				 1 + (u32)model_random(&w->rand, 16), &tid);
		if (!err && model_random(&w->rand, 3) == 0)
			err = model_fsync(m, tid);
		if (!err && model_random(&w->rand, 4) == 0)
			err = model_write_data(m, &w->rand, w->from, w->to);
	}
	return NULL;
}

static void test_cuts_threads(void **state)
{
	struct model m;
	struct worker w[NTHREADS];

	(void)state;
	model_mkfs(&m, 1024, V3, 1, 4711);
	for (u64 round = 0; round < rounds(20); round++) {
		powercut_restore(&m.cut, 1 + powercut_random(&m.cut, 600));
		if (model_mount(&m, true) == 0) {
			for (u32 i = 0; i < NTHREADS; i++) {
				u32 n = MODEL_BLOCKS / NTHREADS;

				w[i] = (struct worker){
					.m = &m,
					.from = i * n,
					.to = (i + 1) * n,
					.rand = round * 31 + i + 1,
				};
				pthread_create(&w[i].thread, NULL, work, &w[i]);
			}
			for (u32 i = 0; i < NTHREADS; i++)
				pthread_join(w[i].thread, NULL);
		}
		model_crash(&m);
	}
	model_fini(&m);
}

/* --- Errors -------------------------------------------------------------- */

/* One write or flush fails: the journal is aborted, said once, and the next
 * mount recovers what was committed. */
static void test_errors(void **state)
{
	struct model m;
	u64 rand = 1;

	(void)state;
	model_mkfs(&m, 1024, V3, 1, 99);
	for (u64 i = 0; i < rounds(60); i++) {
		struct handle h;
		u32 tid = 0;
		int err = 0;

		powercut_restore(&m.cut, 0);
		assert_int_equal(model_mount(&m, false), 0);
		m.cut.fail_at = m.cut.nops + 1 + model_random(&rand, 300);
		m.cut.fail_with = -EIO;
		while (!err) {
			err = model_step(&m, &rand, 0, MODEL_BLOCKS, 8, &tid);
			if (!err && model_random(&rand, 3) == 0)
				err = model_fsync(&m, tid);
		}
		assert_true(err == -EIO || err == -EROFS);
		assert_int_equal(m.naborts, 1);
		assert_int_equal(journal_error(m.j), -EIO);
		assert_int_equal(journal_start(m.j, 1, &h), -EROFS);
		assert_int_equal(journal_commit(m.j, tid + 1, NULL), -EIO);
		model_crash(&m);
	}
	model_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_flushes),
		cmocka_unit_test(test_credits),
		cmocka_unit_test(test_cuts_v3),
		cmocka_unit_test(test_cuts_plain),
		cmocka_unit_test(test_cuts_4k),
		cmocka_unit_test(test_cuts_nosy),
		cmocka_unit_test(test_cuts_full),
		cmocka_unit_test(test_cuts_threads),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
