/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler of all host signals: derives the slot from the signal stack,
 * lets trap_entry() decide, and either goes back by rt_sigreturn (the kernel
 * was interrupted) or moves to the kernel stack and calls the upcall (the
 * program was).
 */
#include "kernel/plat/process/slot.h"

#define UC_FPSTATE 0xe0
#define FX_MAGIC 464
#define FX_FEATURES 472
#define FP_XSTATE_MAGIC1 0x46505853

	.section .text.signal, "ax", @progbits

	.globl signal_entry
signal_entry:			/* (sig, info, ucontext) */
	mov %rsp, %rcx
	and $-SLOT_SIZE, %rcx
	add $SLOT_BLOCK, %rcx
	wrgsbase %rcx
	pushfq			/* the host leaves these two as they were */
	testl $EFLAGS_AC | EFLAGS_NT, (%rsp)
	jz 4f
	andl $~(EFLAGS_AC | EFLAGS_NT), (%rsp)
	popfq
	pushfq
4:	lea 8(%rsp), %rsp
	mov %rdx, %rbx
	xor %ebp, %ebp
	sub $8, %rsp
	call trap_entry		/* (sig, info, uc, slot): upcall or NULL */
	test %rax, %rax
	jz 3f
	mov %rax, %r12
	/* The program's FPU registers are in the signal frame: load them. */
	mov UC_FPSTATE(%rbx), %rcx
	test %rcx, %rcx
	jz 2f
	cmpl $FP_XSTATE_MAGIC1, FX_MAGIC(%rcx)
	jne 1f
	mov FX_FEATURES(%rcx), %eax
	mov (FX_FEATURES + 4)(%rcx), %edx
	xrstor64 (%rcx)
	jmp 2f
1:	fxrstor64 (%rcx)
2:	/* From here the signal stack is free again. */
	mov %gs:CPU_KERNEL_SP, %rsp
	sub $FRAME_SIZE, %rsp
	mov %rsp, %rdi
	call *%r12
	jmp exit_to_user
3:	mov %rbx, %rsp
	jmp host_sigreturn

	.section .note.GNU-stack, "", @progbits
