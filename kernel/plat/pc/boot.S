/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the loader to C. PVH entry (Xen's docs/misc/pvh.pandoc): 32-bit, no
 * paging, no stack, ebx = start_info. Maps the first 4 GiB twice (where it is,
 * and at PHYSICAL_BASE) and the kernel at KERNEL_BASE, then goes to long mode.
 */
#include "kernel/plat/pc/layout.h"

#define CR0_PE 0x1
#define CR0_MP 0x2
#define CR0_NE 0x20
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define CR4_PGE 0x80
#define CR4_OSFXSR 0x200
#define CR4_OSXMMEXCPT 0x400
#define MSR_EFER 0xc0000080
#define EFER_SCE 0x1
#define EFER_LME 0x100
#define EFER_NXE 0x800
#define PTE_TABLE 0x3	/* present, writable */
#define PTE_LARGE 0x83	/* ... 2 MiB */

#define PHYSICAL_LOAD 0x200000
#define PHYSICAL_DATA 0x400000

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long pvh_entry

	.section .start, "ax", @progbits
	.code32
	.globl pvh_entry
pvh_entry:
	cli
	cld
	mov $start_stack_end, %esp

	/* 2,048 large pages: the first 4 GiB. */
	mov $start_pd, %edi
	mov $PTE_LARGE, %eax
	mov $2048, %ecx
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $0x200000, %eax
	add $8, %edi
	dec %ecx
	jnz 1b

	movl $start_pd + PTE_TABLE, start_pdpt
	movl $start_pd + 0x1000 + PTE_TABLE, start_pdpt + 8
	movl $start_pd + 0x2000 + PTE_TABLE, start_pdpt + 16
	movl $start_pd + 0x3000 + PTE_TABLE, start_pdpt + 24
	movl $start_pdpt + PTE_TABLE, start_pml4
	movl $start_pdpt + PTE_TABLE, start_pml4 + 8 * PHYSICAL_SLOT

	/* The kernel: text, 8 MiB further on its data (8 MiB of it). */
	movl $start_kernel_pd + PTE_TABLE, start_kernel_pdpt
	movl $start_kernel_pdpt + PTE_TABLE, start_pml4 + 8 * KERNEL_SLOT
	movl $PHYSICAL_LOAD + PTE_LARGE, start_kernel_pd
	mov $start_kernel_pd + 4 * 8, %edi
	mov $PHYSICAL_DATA + PTE_LARGE, %eax
	mov $4, %ecx
2:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	dec %ecx
	jnz 2b

	.globl start_long_mode
start_long_mode:	/* esp: a stack, ebx is kept; other CPUs, too */
	mov $CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT, %eax
	mov %eax, %cr4
	mov $start_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_SCE | EFER_LME | EFER_NXE, %eax
	wrmsr
	mov $CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG, %eax
	mov %eax, %cr0
	lgdt start_gdt_pointer
	ljmp $8, $start_64

	.code64
start_64:
	xor %eax, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov $0x10, %eax
	mov %eax, %ss
	movabs $PHYSICAL_BASE, %rax	/* where it stays mapped */
	add %rax, %rsp
	mov %ebx, %edi
	xor %ebp, %ebp
	movabs $start_main, %rax
	call *%rax
	ud2

	.balign 8
start_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
start_gdt_pointer:
	.word . - start_gdt - 1
	.quad start_gdt

	.section .start.tables, "aw", @nobits
	.balign 4096
	.globl start_pml4
start_pml4: .skip 4096
start_pdpt: .skip 4096
start_pd: .skip 4 * 4096
start_kernel_pdpt: .skip 4096
start_kernel_pd: .skip 4096
	.skip 8192
start_stack_end:
	.section .rodata
	.balign 8
	.globl start_end	/* physical, of all this */
start_end: .quad start_stack_end

	.section .note.GNU-stack, "", @progbits
