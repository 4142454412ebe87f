/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions that may touch the program's memory. Each is listed in the
 * exception table with the address to go on at when it faults. Addresses were
 * checked to be the program's by usercopy.c.
 */
	.macro EX from, to
	.pushsection .extable, "a", @progbits
	.quad \from, \to
	.popsection
	.endm

	.section .text.usercopy, "ax", @progbits

/* size_t usercopy_raw(dst, src, n): bytes not copied. */
	.globl usercopy_raw
usercopy_raw:
	mov %rdx, %rcx
	cmp $64, %rdx
	ja 5f
	cmp $8, %rdx
	jb 3f
	/* 8 to 64 bytes: words, the last one overlapping */
	xor %eax, %eax
	lea -8(%rdx), %r10
1:	cmp %r10, %rax
	jae 2f
10:	mov (%rsi,%rax), %r11
11:	mov %r11, (%rdi,%rax)
	add $8, %rax
	jmp 1b
2:	mov (%rsi,%r10), %r11
12:	mov %r11, (%rdi,%r10)
	xor %eax, %eax
	ret
	/* bytes; words that fault start again here to find the exact place */
3:	test %rcx, %rcx
	jz 4f
13:	movzbl (%rsi), %eax
14:	mov %al, (%rdi)
	inc %rsi
	inc %rdi
	dec %rcx
	jnz 13b
4:	xor %eax, %eax
	ret
5:	rep movsb
	xor %eax, %eax
	ret
fix_count:
	mov %rcx, %rax
	ret
	EX 10b, 3b
	EX 11b, 3b
	EX 2b, 3b
	EX 12b, 3b
	EX 13b, fix_count
	EX 14b, fix_count
	EX 5b, fix_count

/* size_t usercopy_zero_raw(dst, n): bytes not zeroed. */
	.globl usercopy_zero_raw
usercopy_zero_raw:
	mov %rsi, %rcx
	xor %eax, %eax
1:	rep stosb
	ret
	EX 1b, fix_count

/* s64 usercopy_string_raw(dst, src, max): length without terminator, max if
 * there is none, -EFAULT. */
	.globl usercopy_string_raw
usercopy_string_raw:
	xor %eax, %eax
1:	cmp %rdx, %rax
	je 3f
2:	movzbl (%rsi,%rax), %ecx
	mov %cl, (%rdi,%rax)
	test %cl, %cl
	jz 3f
	inc %rax
	jmp 1b
3:	ret
	EX 2b, fix_efault

/* s64 usercopy_strlen_raw(src, max) */
	.globl usercopy_strlen_raw
usercopy_strlen_raw:
	xor %eax, %eax
1:	cmp %rsi, %rax
	je 3f
2:	cmpb $0, (%rdi,%rax)
	je 3f
	inc %rax
	jmp 1b
3:	ret
	EX 2b, fix_efault

fix_efault:
	mov $-14, %rax
	ret

/* int usercopy_load32_raw(u32 *value, src) and friends: 0 or -EFAULT. */
	.globl usercopy_load32_raw
usercopy_load32_raw:
1:	mov (%rsi), %eax
	mov %eax, (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

	.globl usercopy_load64_raw
usercopy_load64_raw:
1:	mov (%rsi), %rax
	mov %rax, (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

/* (dst, value) */
	.globl usercopy_store32_raw
usercopy_store32_raw:
1:	mov %esi, (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

	.globl usercopy_store64_raw
usercopy_store64_raw:
1:	mov %rsi, (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

/* (dst, expected, desired, u32 *old) */
	.globl usercopy_cmpxchg32_raw
usercopy_cmpxchg32_raw:
	mov %esi, %eax
1:	lock cmpxchg %edx, (%rdi)
	mov %eax, (%rcx)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

/* int fpu_xsave_raw(buf, mask), fpu_xrstor_raw(buf, mask), fpu_fxrstor_raw(buf):
 * 0 or -EFAULT (also for contents the processor refuses). */
	.globl fpu_xsave_raw
fpu_xsave_raw:
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
1:	xsave64 (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

	.globl fpu_xrstor_raw
fpu_xrstor_raw:
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
1:	xrstor64 (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

	.globl fpu_fxrstor_raw
fpu_fxrstor_raw:
1:	fxrstor64 (%rdi)
	xor %eax, %eax
	ret
	EX 1b, fix_efault

	.section .note.GNU-stack, "", @progbits
