/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few x86-64 instructions found between a system call's number and its
 * `syscall`: length and what moving them elsewhere needs.
 */
#ifndef JIFFY_KERNEL_CPU_PATCH_DECODE_H
#define JIFFY_KERNEL_CPU_PATCH_DECODE_H

#include "lib/compiler.h"

struct insn {
	u8 len;
	u8 rip_disp; /* offset of a RIP-relative 32-bit displacement, or 0 */
	bool is_jcc; /* short conditional jump: 70+cc rel8 */
};

#define PATCH_BLOCK_MAX 28 /* bytes before the syscall that may be moved */
#define PATCH_INSNS_MAX 8
#define JMP_SIZE 5

/* A run of instructions that ends where the syscall begins; the first is at
 * least JMP_SIZE long. */
struct insn_block {
	u8 start; /* bytes before the syscall */
	u8 n;
	struct insn insn[PATCH_INSNS_MAX];
};

/* Decode one instruction: false if it is none that we know or can move. */
bool insn_decode(const u8 *p, size_t size, struct insn *insn);

/* Find the shortest block before p[n] (the syscall) that can be replaced when
 * its first instruction becomes a jump. nr confirms that `mov $nr,%eax` is what
 * it seems to be. */
bool insn_block_find(const u8 *p, size_t n, u64 nr, struct insn_block *block);

/* Write the block's instructions, which were at `from`, to out for address
 * `to`. offsets[i]: where instruction i went. Bytes written, or 0: does not fit
 * or a displacement is out of reach. */
size_t insn_block_move(const u8 *p, const struct insn_block *block, u64 from,
		       u8 *out, size_t size, u64 to, u8 *offsets);

#endif
