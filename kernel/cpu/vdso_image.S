/* SPDX-License-Identifier: Apache-2.0 */
/* The built vDSO, page-aligned in the kernel's text; VDSO_SO is its path. */
	.section .vdso, "ax", @progbits
	.balign 4096
	.globl vdso_image, vdso_image_end
vdso_image:
	.incbin VDSO_SO
	.balign 4096
vdso_image_end:

	.section .note.GNU-stack, "", @progbits
