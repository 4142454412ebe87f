/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first instructions of another processor: from real mode to C. smp.c
 * copies them to TRAMPOLINE, below 1 MiB, and fills in the words at their end.
 */
#include "kernel/plat/pc/layout.h"

#define CR4_START 0x6a0		/* PAE, PGE, OSFXSR, OSXMMEXCPT */
#define CR0_START 0x80010023	/* PG, WP, NE, MP, PE */
#define MSR_EFER 0xc0000080
#define EFER_START 0x901	/* NXE, LME, SCE */
#define HERE(label) (TRAMPOLINE + (label) - trampoline)

	.section .rodata
	.balign 16
	.globl trampoline, trampoline_words, trampoline_end
	.code16
trampoline:
	cli
	cld
	xor %ax, %ax
	mov %ax, %ds
	lgdtl HERE(pointer)
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $0x18, $HERE(protected)

	.code32
protected:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $CR4_START, %eax
	mov %eax, %cr4
	mov HERE(trampoline_words), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_START, %eax
	wrmsr
	mov $CR0_START, %eax
	mov %eax, %cr0
	ljmp $0x8, $HERE(long_mode)

	.code64
long_mode:
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov trampoline_words + 8(%rip), %rsp
	mov trampoline_words + 16(%rip), %rdi
	xor %ebp, %ebp
	call *trampoline_words + 24(%rip)
	ud2

	.balign 8
table:
	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
	.quad 0x00cf9b000000ffff	/* 32-bit code */
pointer:
	.word . - table - 1
	.long HERE(table)
	.balign 8
trampoline_words:			/* root, stack, argument, entry */
	.quad 0, 0, 0, 0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
