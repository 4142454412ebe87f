/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of the kernel's `syscall` instructions. The filter compares the
 * instruction pointer with this section's bounds.
 */
#include <asm/unistd.h>

#define BOOT_HOST_EXIT_OK 0x4a /* abi/boot.h; asserted in thread.c */
#include "kernel/plat/process/slot.h"

	.section .hostcall, "ax", @progbits

/* C arguments 1-6 are the call's, the seventh is its number. */
	.globl hostcall_raw
hostcall_raw:
	mov %rcx, %r10
	mov 8(%rsp), %rax
	syscall
	ret

/* A kick in [start, end) makes it go on at out: the flag and the signal handler
 * together leave no gap between the check and the call. */
	.globl hostcall_intr_raw, hostcall_intr_start, hostcall_intr_end
	.globl hostcall_intr_out
hostcall_intr_raw:
	mov %rcx, %r10
	mov 8(%rsp), %rax
hostcall_intr_start:
	cmpl $0, %gs:CPU_KICKED
	jne hostcall_intr_out
	syscall
hostcall_intr_end:
	cmp $-4, %rax
	je hostcall_intr_out
	ret
hostcall_intr_out:
	movl $0, %gs:CPU_KICKED
	mov $-4, %rax		/* -EINTR */
	ret

/* (flags, stack, tid, slot) */
	.globl hostcall_clone
hostcall_clone:
	mov %rcx, %r9
	xor %r10d, %r10d
	xor %r8d, %r8d
	mov $__NR_clone, %eax
	syscall
	test %rax, %rax
	jz 1f
	ret
1:	wrgsbase %r9
	mov %r9, %rdi
	xor %ebp, %ebp
	call thread_begin
	ud2

/* (free_head, index, next_free, done): after the exchange another thread may
 * own the slot, so no stack from there on. */
	.globl hostcall_thread_exit
hostcall_thread_exit:
	mov (%rdi), %rax
1:	mov %eax, (%rdx)	/* next_free: index + 1 of the old head */
	mov %rax, %r8
	shr $32, %r8
	inc %r8
	shl $32, %r8
	lea 1(%rsi), %r9
	or %r9, %r8
	lock cmpxchg %r8, (%rdi)
	jne 1b
	movl $1, (%rcx)
	lock decl freeze_threads(%rip)
	mov $__NR_exit, %eax
	mov $BOOT_HOST_EXIT_OK, %edi
	syscall
	ud2

	.globl host_sigreturn
host_sigreturn:
	mov $__NR_rt_sigreturn, %eax
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
