/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that takes the machine down: no vector can be reached after it.
 */
	.globl _start
_start:
	push $0
	push $0
	lidt (%rsp)
	ud2

	.section .note.GNU-stack, "", @progbits
