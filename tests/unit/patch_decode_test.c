/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder behind system-call patching: real shapes of C libraries, and that
 * it refuses what it cannot be sure of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/cpu/patch_decode.h"

static void test_mov_before(void **state)
{
	/* nop; mov $1,%eax */
	static const u8 text[] = { 0x90, 0xb8, 1, 0, 0, 0 };
	struct insn_block b;

	(void)state;
	assert_true(insn_block_find(text, sizeof(text), 1, &b));
	assert_int_equal(b.start, 5);
	assert_int_equal(b.n, 1);
	/* The number in rax was another: it only looks like that mov. */
	assert_false(insn_block_find(text, sizeof(text), 2, &b));
}

static void test_mov_rax(void **state)
{
	/* mov $15,%rax */
	static const u8 text[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0 };
	struct insn_block b;

	(void)state;
	assert_true(insn_block_find(text, sizeof(text), 15, &b));
	assert_int_equal(b.start, 7);
	assert_int_equal(b.insn[0].len, 7);
}

static void test_futex_wrapper(void **state)
{
	/* ret; mov $202,%eax; xor $0x81,%sil; xor %r10d,%r10d */
	static const u8 text[] = { 0xc3, 0xb8, 0xca, 0,	   0,	 0,   0x40,
				   0x80, 0xf6, 0x81, 0x45, 0x31, 0xd2 };
	struct insn_block b;

	(void)state;
	assert_true(insn_block_find(text, sizeof(text), 202, &b));
	assert_int_equal(b.start, 12);
	assert_int_equal(b.n, 3);
}

static void test_rex_before(void **state)
{
	/* musl's pthread_exit: mov $202,%r8d; mov $1,%edx; mov %r8,%rax */
	static const u8 text[] = { 0x24, 0x41, 0xb8, 0xca, 0,
				   0,	 0,    0xba, 1,	   0,
				   0,	 0,    0x4c, 0x89, 0xc0 };
	struct insn_block b;

	(void)state;
	assert_false(insn_block_find(text, sizeof(text), 202, &b));
}

static void test_glibc_read_moves(void **state)
{
	/* cmpb $0,0xe3331(%rip); je +0x17; xor %eax,%eax */
	static const u8 text[] = { 0x80, 0x3d, 0x31, 0x33, 0x0e, 0,
				   0,	 0x74, 0x17, 0x31, 0xc0 };
	const u64 from = 0x7f0000f82a0, to = 0x7f000200000;
	struct insn_block b;
	u8 out[44], offsets[PATCH_INSNS_MAX];
	size_t n;
	s32 rel;

	(void)state;
	assert_true(insn_block_find(text, sizeof(text), 0, &b));
	assert_int_equal(b.n, 3);
	n = insn_block_move(text, &b, from, out, sizeof(out), to, offsets);
	assert_int_equal(n, 7 + 6 + 2);
	memcpy(&rel, out + 2, 4);
	assert_int_equal(to + 7 + (u64)(s64)rel, from + 7 + 0xe3331);
	assert_int_equal(out[7], 0x0f);
	assert_int_equal(out[8], 0x84);
	memcpy(&rel, out + 9, 4);
	assert_int_equal(to + 13 + (u64)(s64)rel, from + 9 + 0x17);
	assert_int_equal(offsets[1], 7);
	assert_int_equal(offsets[2], 13);
}

static void test_out_of_reach(void **state)
{
	static const u8 text[] = { 0x80, 0x3d, 0x31, 0x33, 0x0e, 0,
				   0,	 0x74, 0x17, 0x31, 0xc0 };
	struct insn_block b;
	u8 out[44], offsets[PATCH_INSNS_MAX];

	(void)state;
	assert_true(insn_block_find(text, sizeof(text), 0, &b));
	assert_int_equal(insn_block_move(text, &b, 0x7f0000f82a0, out,
					 sizeof(out), 0x1000000, offsets),
			 0);
}

static void test_refuses(void **state)
{
	/* call before the syscall; unknown opcode; nothing long enough */
	static const u8 call[] = { 0xb8, 1, 0, 0, 0, 0xe8, 0, 0, 0, 0 };
	static const u8 unknown[] = { 0xb8, 1, 0, 0, 0, 0xf4 };
	static const u8 small[] = { 0x31, 0xc0, 0x31, 0xd2 };
	struct insn_block b;

	(void)state;
	assert_false(insn_block_find(call, sizeof(call), 1, &b));
	assert_false(insn_block_find(unknown, sizeof(unknown), 1, &b));
	assert_false(insn_block_find(small, sizeof(small), 0, &b));
	assert_false(insn_block_find(small, 0, 0, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mov_before),
		cmocka_unit_test(test_mov_rax),
		cmocka_unit_test(test_futex_wrapper),
		cmocka_unit_test(test_rex_before),
		cmocka_unit_test(test_glibc_read_moves),
		cmocka_unit_test(test_out_of_reach),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
