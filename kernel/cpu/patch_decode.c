/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/cpu/patch_decode.h"

#include "lib/string.h"

enum { MODRM = 1, IMM8 = 2, IMM32 = 4 };

/* What follows a one-byte opcode: MODRM, IMM8, IMM32; 0: unknown. */
static u8 opcode_form(u8 op)
{
	switch (op) {
	case 0x01:
	case 0x03:
	case 0x09:
	case 0x0b:
	case 0x21:
	case 0x23:
	case 0x29:
	case 0x2b:
	case 0x31:
	case 0x33:
	case 0x39:
	case 0x3b:
	case 0x63:
	case 0x85:
	case 0x89:
	case 0x8b:
	case 0x8d:
		return MODRM;
	case 0x80:
	case 0x83:
		return MODRM | IMM8;
	case 0x81:
	case 0xc7:
		return MODRM | IMM32;
	case 0xc6:
		return MODRM | IMM8;
	default:
		return op >= 0xb8 && op <= 0xbf ? IMM32 : 0;
	}
}

/* Length of ModRM, SIB and displacement at p; *rip_disp is set to the offset of
 * a RIP-relative displacement from p. 0: does not fit. */
static size_t modrm_length(const u8 *p, size_t size, u8 *rip_disp)
{
	size_t n = 1;
	u8 mod, rm;

	if (size < 1)
		return 0;
	mod = p[0] >> 6;
	rm = p[0] & 7;
	if (mod == 3)
		return n;
	if (rm == 4) {
		if (size < 2)
			return 0;
		if (mod == 0 && (p[1] & 7) == 5)
			n += 4;
		n++;
	} else if (mod == 0 && rm == 5) {
		*rip_disp = 1;
		n += 4;
	}
	n += mod == 1 ? 1 : mod == 2 ? 4 : 0;
	return n <= size ? n : 0;
}

bool insn_decode(const u8 *p, size_t size, struct insn *insn)
{
	size_t n = 0, modrm;
	bool is_wide = false;
	u8 form, rip_disp = 0;

	*insn = (struct insn){ 0, 0, false };
	if (size >= 2 && p[0] >= 0x70 && p[0] <= 0x7f) {
		insn->len = 2;
		insn->is_jcc = true;
		return true;
	}
	if (n < size && (p[n] & 0xf0) == 0x40)
		is_wide = p[n++] & 8;
	if (n >= size)
		return false;
	if (p[n] == 0x0f) { /* cmovcc, movzx, movsx; long nop */
		if (n + 1 >= size)
			return false;
		if ((p[n + 1] & 0xf0) != 0x40 && p[n + 1] != 0xb6 &&
		    p[n + 1] != 0xb7 && p[n + 1] != 0x1f)
			return false;
		form = MODRM;
		n++;
	} else {
		form = opcode_form(p[n]);
		if (!form || (form == IMM32 && is_wide))
			return false;
	}
	n++;
	if (form & MODRM) {
		modrm = modrm_length(p + n, size - n, &rip_disp);
		if (!modrm)
			return false;
		if (rip_disp)
			insn->rip_disp = (u8)(n + rip_disp);
		n += modrm;
	}
	n += form & IMM8 ? 1 : form & IMM32 ? 4 : 0;
	insn->len = (u8)n;
	return n <= size;
}

/* Decode from p to exactly p + n. */
static bool block_decode(const u8 *p, size_t n, struct insn_block *b)
{
	size_t at = 0;

	for (b->n = 0; at < n && b->n < PATCH_INSNS_MAX; b->n++) {
		if (!insn_decode(p + at, n - at, &b->insn[b->n]))
			return false;
		at += b->insn[b->n].len;
	}
	b->start = (u8)n;
	return at == n && b->insn[0].len >= JMP_SIZE;
}

/* Is this certainly the start of an instruction? The text before is unknown, so
 * only shapes with a strong mark are believed. */
static bool is_anchor(const u8 *p, size_t n, u64 nr)
{
	u32 imm;

	if (n >= 5 && p[0] == 0xb8) { /* mov $nr,%eax */
		memcpy(&imm, p + 1, 4);
		return imm == nr;
	}
	if (n >= 7 && p[0] == 0x48 && p[1] == 0xc7 && p[2] == 0xc0) {
		memcpy(&imm, p + 3, 4);
		return imm == nr;
	}
	/* cmpb $0,disp(%rip): glibc's test for threads */
	if (n >= 7 && p[0] == 0x80 && p[1] == 0x3d && p[6] == 0)
		return true;
	/* mov disp(%rsp),%reg64 */
	return n >= 5 && (p[0] == 0x48 || p[0] == 0x4c) && p[1] == 0x8b &&
	       (p[2] & 0xc7) == 0x44 && p[3] == 0x24;
}

bool insn_block_find(const u8 *p, size_t n, u64 nr, struct insn_block *block)
{
	for (size_t k = JMP_SIZE; k <= n && k <= PATCH_BLOCK_MAX; k++) {
		const u8 *start = p + n - k;

		/* `mov $nr,%eax` behind a REX prefix is `mov $nr,%r8d`. The
		 * byte before must be known not to be one. */
		if (start[0] == 0xb8 && (k == n || (start[-1] & 0xf0) == 0x40))
			continue;
		if (is_anchor(start, k, nr) && block_decode(start, k, block))
			return true;
	}
	return false;
}

static bool put_rel32(u8 *at, u64 target, u64 next)
{
	s64 rel = (s64)(target - next);
	s32 rel32 = (s32)rel;

	memcpy(at, &rel32, sizeof(rel32));
	return rel == rel32;
}

size_t insn_block_move(const u8 *p, const struct insn_block *block, u64 from,
		       u8 *out, size_t size, u64 to, u8 *offsets)
{
	size_t in = 0, n = 0;

	for (u8 i = 0; i < block->n; i++) {
		const struct insn *x = &block->insn[i];
		u64 next = from + in + x->len;
		s32 disp;

		offsets[i] = (u8)n;
		if (n + x->len + 4 > size)
			return 0;
		if (x->is_jcc) {
			out[n] = 0x0f;
			out[n + 1] = p[in] + 0x10;
			if (!put_rel32(out + n + 2, next + (u64)(s8)p[in + 1],
				       to + n + 6))
				return 0;
			n += 6;
			in += 2;
			continue;
		}
		memcpy(out + n, p + in, x->len);
		if (x->rip_disp) {
			memcpy(&disp, p + in + x->rip_disp, 4);
			if (!put_rel32(out + n + x->rip_disp,
				       next + (u64)(s64)disp, to + n + x->len))
				return 0;
		}
		n += x->len;
		in += x->len;
	}
	return n;
}
