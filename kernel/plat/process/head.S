/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's first instructions, on the host's stack. */
	.section .text.start, "ax", @progbits
	.globl _start
_start:
	xor %ebp, %ebp
	mov %rsp, %rdi
	and $-16, %rsp
	call start_main
	ud2

	.section .note.GNU-stack, "", @progbits
