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

/* size_t usercopy_raw(dst, src, n): bytes not copied. Words, the last one
 * overlapping; where one faults, bytes from the start find the exact place. */
	.globl usercopy_raw
	.balign 32
usercopy_raw:
	mov %rdx, %rcx
	cmp $16, %rdx
	ja 20f
	cmp $8, %rdx
	jb 10f
1:	mov (%rsi), %r10
2:	mov -8(%rsi,%rdx), %r11
3:	mov %r10, (%rdi)
4:	mov %r11, -8(%rdi,%rdx)
	xor %eax, %eax
	ret
10:	cmp $4, %rdx
	jb 15f
11:	mov (%rsi), %r10d
12:	mov -4(%rsi,%rdx), %r11d
13:	mov %r10d, (%rdi)
14:	mov %r11d, -4(%rdi,%rdx)
	xor %eax, %eax
	ret
	/* bytes */
15:	test %rcx, %rcx
	jz 18f
16:	movzbl (%rsi), %eax
17:	mov %al, (%rdi)
	inc %rsi
	inc %rdi
	dec %rcx
	jnz 16b
18:	xor %eax, %eax
	ret
20:	cmp $256, %rdx
	ja 29f
	xor %eax, %eax
	lea -16(%rdx), %r10
21:	mov (%rsi,%rax), %r8
22:	mov 8(%rsi,%rax), %r9
23:	mov %r8, (%rdi,%rax)
24:	mov %r9, 8(%rdi,%rax)
	add $16, %rax
	cmp %r10, %rax
	jb 21b
25:	mov (%rsi,%r10), %r8
26:	mov 8(%rsi,%r10), %r9
27:	mov %r8, (%rdi,%r10)
28:	mov %r9, 8(%rdi,%r10)
	xor %eax, %eax
	ret
	/* rcx words, then the last one that ends with the bytes left in rdx */
29:	shr $3, %rcx
	and $7, %edx
30:	rep movsq
	test %edx, %edx
	jz 33f
31:	mov -8(%rsi,%rdx), %r10
32:	mov %r10, -8(%rdi,%rdx)
33:	xor %eax, %eax
	ret
fix_words:
	lea (%rdx,%rcx,8), %rcx
	jmp 15b
fix_count:
	mov %rcx, %rax
	ret
	.irp at, 1b, 2b, 3b, 4b, 11b, 12b, 13b, 14b
	EX \at, 15b
	.endr
	.irp at, 21b, 22b, 23b, 24b, 25b, 26b, 27b, 28b
	EX \at, 15b
	.endr
	EX 16b, fix_count
	EX 17b, fix_count
	EX 30b, fix_words
	EX 31b, fix_words
	EX 32b, fix_words

/* size_t usercopy_zero_raw(dst, n): bytes not zeroed; as above. */
	.globl usercopy_zero_raw
usercopy_zero_raw:
	mov %rsi, %rcx
	xor %eax, %eax
	cmp $64, %rsi
	ja 5f
	cmp $8, %rsi
	jb 3f
	xor %edx, %edx
	lea -8(%rsi), %r10
	jmp 2f
1:	mov %rax, (%rdi,%rdx)
	add $8, %rdx
2:	cmp %r10, %rdx
	jb 1b
6:	mov %rax, (%rdi,%r10)
	ret
3:	test %rcx, %rcx
	jz 7f
4:	mov %al, (%rdi)
	inc %rdi
	dec %rcx
	jnz 4b
7:	ret
5:	shr $3, %rcx
	and $7, %esi
8:	rep stosq
	test %esi, %esi
	jz 7b
9:	mov %rax, -8(%rdi,%rsi)
	ret
fix_zeroes:
	lea (%rsi,%rcx,8), %rcx
	jmp 3b
	EX 1b, 3b
	EX 6b, 3b
	EX 4b, fix_count
	EX 8b, fix_zeroes
	EX 9b, fix_zeroes

/* s64 usercopy_string_raw(dst, src, max): length without terminator, max if
 * there is none, -EFAULT. Whole words while they lie on one page. */
	.globl usercopy_string_raw
usercopy_string_raw:
	xor %eax, %eax
	movabs $0x0101010101010101, %r8
	movabs $0x8080808080808080, %r9
1:	lea 8(%rax), %r10
	cmp %rdx, %r10
	ja 4f
	lea (%rsi,%rax), %ecx
	and $4095, %ecx
	cmp $4088, %ecx
	ja 4f
2:	mov (%rsi,%rax), %rcx
	mov %rcx, (%rdi,%rax)
	mov %rcx, %r11
	not %rcx
	sub %r8, %r11
	and %r9, %rcx
	and %rcx, %r11
	jnz 3f
	mov %r10, %rax
	jmp 1b
3:	bsf %r11, %r11
	shr $3, %r11
	add %r11, %rax
	ret
	/* a byte at the end of a page or of the buffer */
4:	cmp %rdx, %rax
	je 6f
5:	movzbl (%rsi,%rax), %ecx
	mov %cl, (%rdi,%rax)
	test %cl, %cl
	jz 6f
	inc %rax
	jmp 1b
6:	ret
	EX 2b, fix_efault
	EX 5b, fix_efault

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
