/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flushes of a block device by several threads: one at a time, shared, and an
 * error that the platform tells one of is everybody's.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "tests/unit/stub_block.h"

#define NTHREADS 6

/* A device whose flushes wait for `gate` and of which one fails. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_open;
	int nflushes, nunderway, nmost, fail_at;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .changed = PTHREAD_COND_INITIALIZER };

static void submit(UNUSED struct block_device *d, struct plat_block_io *io)
{
	pthread_mutex_lock(&fake.lock);
	io->result = ++fake.nflushes == fake.fail_at ? -EIO : 0;
	fake.nunderway++;
	fake.nmost = MAX(fake.nmost, fake.nunderway);
	pthread_cond_broadcast(&fake.changed);
	while (!fake.is_open)
		pthread_cond_wait(&fake.changed, &fake.lock);
	fake.nunderway--;
	pthread_mutex_unlock(&fake.lock);
	io->done(io);
}

static u64 size(UNUSED struct block_device *d)
{
	return MIB(1);
}

static const struct block_ops ops = { .submit = submit, .size = size };
static struct block_device device = { .ops = &ops };

static void *flusher(void *result)
{
	*(int *)result = block_flush(&device);
	return NULL;
}

static void flush_all(int fail_at, int *results)
{
	pthread_t threads[NTHREADS];

	assert_int_equal(block_claim(&device), 0);
	fake.nflushes = fake.nmost = 0;
	fake.fail_at = fail_at;
	fake.is_open = false;
	/* One is under way before the others come. */
	pthread_create(&threads[0], NULL, flusher, &results[0]);
	pthread_mutex_lock(&fake.lock);
	while (fake.nunderway == 0)
		pthread_cond_wait(&fake.changed, &fake.lock);
	pthread_mutex_unlock(&fake.lock);
	for (int i = 1; i < NTHREADS; i++)
		pthread_create(&threads[i], NULL, flusher, &results[i]);
	pthread_mutex_lock(&fake.lock);
	fake.is_open = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	block_release(&device);
}

static void flushes_are_shared(UNUSED void **state)
{
	int results[NTHREADS];

	flush_all(0, results);
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(results[i], 0);
	assert_int_equal(fake.nmost, 1);
	assert_in_range(fake.nflushes, 2, NTHREADS);
}

static void all_learn_of_an_error(UNUSED void **state)
{
	int results[NTHREADS];

	flush_all(1, results);
	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(results[i], -EIO);
	/* The next owner begins anew. */
	assert_int_equal(block_claim(&device), 0);
	assert_int_equal(block_flush(&device), 0);
	block_release(&device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flushes_are_shared),
		cmocka_unit_test(all_learn_of_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
