/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are on a bare machine, beyond kernel/layout.h. Included by
 * assembly, too.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_LAYOUT_H
#define JIFFY_KERNEL_PLAT_PC_LAYOUT_H

/* All physical memory, readable and writable. */
#ifdef JIFFY_UNIT_TEST
#define PHYSICAL_BASE 0UL
#else
#define PHYSICAL_BASE 0xffff800000000000
#endif
/* Entries of the top-level table: of the above; the first of the kernel's, of
 * which all that follow up to the middle are. */
#define PHYSICAL_SLOT 256
#define KERNEL_SLOT 250

/* Selectors. */
#define PC_CS 0x08
#define PC_SS 0x10
#define PC_TSS 0x18

/*
 * A thread slot (KERNEL_SLOT_SIZE):
 *	0x0000 never touched
 *	0x5000 FPU area
 *	0x6000 never touched
 *	0x7000 kernel stack, grows down from SLOT_BLOCK
 *	SLOT_BLOCK struct plat_slot
 */
#define SLOT_SIZE 0x10000
#define SLOT_FPU 0x5000
#define SLOT_STACK 0x7000
#define SLOT_BLOCK 0xfe00
#define SLOT_BLOCK_SIZE 0x200

/* A CPU's block: the stacks of its vectors, each with the block's address at
 * its upper end; CPU_STACKS of CPU_STACK_SIZE. */
#define CPU_STACK_SIZE 0x2000

/* Where other CPUs begin: free memory that firmware leaves alone. */
#define TRAMPOLINE 0x8000

#endif
