/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The random generator: ChaCha20's published vector, and that outputs of the
 * same request differ, whatever their length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/dev/random.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/thread.h"
#include "kernel/vfs/uio.h"

struct thread *unit_current;
static nsec_t now;
static u32 nentropy;

void mutex_lock_slow(struct mutex *m)
{
	fail_msg("mutex %p is held", (void *)m);
}

void mutex_unlock_slow(struct mutex *m)
{
	fail_msg("mutex %p is waited for", (void *)m);
}

nsec_t plat_clock(enum plat_clock clock)
{
	(void)clock;
	return now;
}

void plat_entropy(void *buf, size_t n)
{
	nentropy++;
	memset(buf, (int)nentropy, n);
}

int user_copy_out(uaddr_t dst, const void *src, size_t n)
{
	(void)dst;
	(void)src;
	(void)n;
	return -1;
}

s64 uio_put_slow(struct uio *u, const void *src, u64 n)
{
	(void)u;
	(void)src;
	(void)n;
	return -1;
}

/* RFC 8439, section 2.3.2. */
static void the_published_vector_holds(void **state)
{
	static const u32 expected[16] = {
		0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
		0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
		0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
		0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
	};
	const u32 nonce[3] = { 0x09000000, 0x4a000000, 0 };
	u32 key[8], out[16];

	(void)state;
	for (u32 i = 0; i < 8; i++)
		key[i] = (4 * i) | (4 * i + 1) << 8 | (4 * i + 2) << 16 |
			 (4 * i + 3) << 24;
	chacha20_block(key, 1, nonce, out);
	assert_memory_equal(out, expected, sizeof(out));
}

static void outputs_differ(void **state)
{
	u8 a[1000], b[1000];

	(void)state;
	for (size_t n = 8; n <= sizeof(a); n += 31) {
		random_bytes(a, n);
		random_bytes(b, n);
		assert_memory_not_equal(a, b, n);
	}
	assert_int_not_equal(random_u64(), random_u64());
}

static void the_platform_is_asked_now_and_then(void **state)
{
	u32 before;

	(void)state;
	random_u64();
	before = nentropy;
	random_u64();
	assert_int_equal(nentropy, before);
	now += 3600 * NSEC_PER_SEC;
	random_u64();
	assert_int_equal(nentropy, before + 1);
	random_reseed();
	random_u64();
	assert_int_equal(nentropy, before + 2);
}

static void uuids_are_of_version_4(void **state)
{
	char uuid[37];

	(void)state;
	random_uuid(uuid);
	assert_int_equal(strlen(uuid), 36);
	assert_int_equal(uuid[14], '4');
	assert_non_null(strchr("89ab", uuid[19]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_vector_holds),
		cmocka_unit_test(outputs_differ),
		cmocka_unit_test(the_platform_is_asked_now_and_then),
		cmocka_unit_test(uuids_are_of_version_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
