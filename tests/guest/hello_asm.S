/* SPDX-License-Identifier: Apache-2.0 */
/* Two system calls and no libc: gcc -nostdlib -static. */
	.globl	_start
	.type	_start, @function
	.text
_start:
	mov	$1, %eax
	mov	$1, %edi
	lea	text(%rip), %rsi
	mov	$6, %edx
	syscall
	xor	%edi, %edi
	cmp	$6, %rax
	setne	%dil
	mov	$231, %eax
	syscall
	ud2
	.size	_start, . - _start

	.section .rodata
text:	.ascii	"hello\n"
	.section .note.GNU-stack, "", @progbits
