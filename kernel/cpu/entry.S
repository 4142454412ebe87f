/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways into the kernel that need no signal and all ways out. GS points at
 * the cpu block. docs/design/002-process-platform.md tells the rules.
 */
#include "kernel/cpu/entry.h"
#ifdef JIFFY_PLAT_PC
#include "kernel/plat/pc/layout.h"
#endif

	.section .text.entry, "ax", @progbits

/*
 * The start of every exit; r11 becomes the program's flags. From here until the
 * last instruction the frame in memory is whole: who is interrupted in this
 * window starts it again (trap.c), so no work that was set before it is missed.
 */
	.macro EXIT_CHECKS
	movl $0, %gs:CPU_KICKED
	mov %gs:CPU_CURRENT, %rax
	mov FRAME_EFLAGS(%rsp), %r11
	cmpl $0, (%rax)			/* thread.work */
	jne exit_work
	testl $0x10000, FRAME_CS(%rsp)	/* FRAME_FULL_RESTORE */
	jnz 1f
	.endm

/*
 * A patched site's stub comes here by jmp: rax holds the number, rcx the
 * address to return to. Nothing was written below the program's stack pointer.
 */
	.globl fast_entry, fast_entry_on_stack
	.balign 64
fast_entry:
	mov %rsp, %r11		/* the stub's scratch, lost as by syscall */
	mov %gs:CPU_KERNEL_SP, %rsp
fast_entry_on_stack:
	push $USER_SS
	push %r11
	pushfq
	push $USER_CS
	push %rcx
	push %rax		/* orig_rax */
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push $-38		/* rax: -ENOSYS */
	push %r8
	push %r9
	push %r10
	push (FRAME_EFLAGS - 56)(%rsp)	/* r11 as the syscall instruction sets it */
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	testl $EFLAGS_ODD, FRAME_EFLAGS(%rsp)
	jnz fast_entry_odd
fast_entry_call:
	mov %rsp, %rdi
	xor %ebp, %ebp
	call on_syscall
	/* on_syscall() kept rbx and r12 to r15: they are as in the frame. */
	.globl exit_to_user, exit_window_start, exit_window_end, exit_restart
exit_window_start:
	EXIT_CHECKS
	mov FRAME_RBP(%rsp), %rbp
	/* As sysret: rcx = rip, r11 = flags. OF by an addition that overflows,
	 * the other arithmetic flags by sahf: popfq costs ten times that. */
2:	mov %r11d, %eax
	mov %r11d, %ecx
	shr $11, %eax
	and $1, %eax
	add $0x7f, %al
	mov %cl, %ah
	sahf
	mov FRAME_R10(%rsp), %r10
	mov FRAME_R9(%rsp), %r9
	mov FRAME_R8(%rsp), %r8
	mov FRAME_RAX(%rsp), %rax
	mov FRAME_RDX(%rsp), %rdx
	mov FRAME_RSI(%rsp), %rsi
	mov FRAME_RDI(%rsp), %rdi
	mov FRAME_RIP(%rsp), %rcx
	mov FRAME_RSP(%rsp), %rsp
	jmp *%rcx

/* Leave by the frame at rsp, the top of the kernel stack. */
	.balign 16
exit_to_user:
	EXIT_CHECKS
	mov FRAME_R15(%rsp), %r15
	mov FRAME_R14(%rsp), %r14
	mov FRAME_R13(%rsp), %r13
	mov FRAME_R12(%rsp), %r12
	mov FRAME_RBP(%rsp), %rbp
	mov FRAME_RBX(%rsp), %rbx
	jmp 2b
1:	pop %r15
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
	lea 8(%rsp), %rsp
#ifdef JIFFY_PLAT_PC
	/* What the program believes to be its segments are another ring's. The
	 * selectors only: who starts again looks at FRAME_FULL_RESTORE. */
	movw $PC_CS, 8(%rsp)
	movw $PC_SS, 32(%rsp)
#endif
	iretq

/* In the window, too: its stack pointer may still be the program's, or be above
 * the frame. */
exit_restart:
	mov %gs:CPU_KERNEL_SP, %rsp
	sub $FRAME_SIZE, %rsp
	jmp exit_to_user
exit_window_end:

/* The kernel runs without the program's odd flags; iretq brings them back. */
fast_entry_odd:
	pushq $2
	popfq
	orl $0x10000, FRAME_CS(%rsp)	/* FRAME_FULL_RESTORE */
	jmp fast_entry_call

exit_work:
	mov %rsp, %rdi
	xor %ebp, %ebp
	call on_kick
	jmp exit_to_user

	.globl exit_frame
exit_frame:
	mov %rdi, %rsp
	jmp exit_to_user

	.globl stack_call
stack_call:
	mov %rdi, %rsp
	mov %rdx, %rdi
	xor %ebp, %ebp
	and $-16, %rsp
	call *%rsi
	ud2

	/* As switch_back takes it off again; the stack pointer to (%rdi). */
	.macro SAVE_CALLEE_SAVED
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	.endm

	.globl switch_to
switch_to:
	SAVE_CALLEE_SAVED
	mov %rsi, %rsp
	mov %rcx, %rdi
	xor %ebp, %ebp
	and $-16, %rsp
	call *%rdx
	ud2

	.globl save_and_call
save_and_call:
	SAVE_CALLEE_SAVED
	mov %rdx, %rdi
	and $-16, %rsp
	call *%rsi
	ud2

	.globl switch_back
switch_back:
	mov %rdi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

	.section .note.GNU-stack, "", @progbits
