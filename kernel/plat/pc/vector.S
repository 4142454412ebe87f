/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors. Each has an own stack of its CPU (IST); the word above it is the
 * address of the CPU's block. The registers are saved as a struct frame whose
 * orig_rax holds the error code, and the vector in its upper half.
 * trap_entry() says with which stack pointer to go on: at a frame to leave by,
 * or 0 and it does not come back.
 */
#include "kernel/cpu/entry.h"
#include "kernel/plat/pc/layout.h"

	.section .text.entry, "ax", @progbits

	.balign 16
	.globl trap_vectors
trap_vectors:
	.set vector, 0
	.rept 256
	.balign 16
	.if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
	pushq $0
	.endif
	movl $vector, 4(%rsp)
	jmp trap_common
	.set vector, vector + 1
	.endr

trap_common:
	cld
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	mov FRAME_SIZE(%rsp), %rsi	/* the CPU's block */
	xor %ebp, %ebp
	call trap_entry
	mov %rax, %rsp
	.globl trap_return
trap_return:
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	add $8, %rsp
	iretq

/* trap_resume(frame): leave by it. */
	.globl trap_resume
trap_resume:
	cli
	mov %rdi, %rsp
	jmp trap_return

/* trap_continue(fn, arg, sp): fn(arg) on that stack; does not come back. */
	.globl trap_continue
trap_continue:
	mov %rdx, %rsp
	and $-16, %rsp
	mov %rdi, %rax
	mov %rsi, %rdi
	xor %ebp, %ebp
	call *%rax
	ud2

/* thread_switch(u64 *save_sp, u64 sp): the callee-saved registers, and on with
 * whoever was left there. */
	.globl thread_switch
thread_switch:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

/* The first instructions of a thread: rbx is its slot. */
	.globl thread_first
thread_first:
	mov %rbx, %rdi
	xor %ebp, %ebp
	call thread_main
	ud2

	.section .note.GNU-stack, "", @progbits
