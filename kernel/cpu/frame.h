/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's general registers as the entry paths save them, in the order
 * of Linux's struct pt_regs. FPU registers stay live in the CPU while the
 * kernel (built without SSE) runs; cpu/fpu.h saves them where that is needed.
 */
#ifndef JIFFY_KERNEL_CPU_FRAME_H
#define JIFFY_KERNEL_CPU_FRAME_H

#include "lib/compiler.h"

struct frame {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8;
	u64 rax; /* result */
	u64 rcx, rdx, rsi, rdi;
	u64 orig_rax; /* system call number, or FRAME_NO_SYSCALL */
	u64 rip, cs, eflags, rsp, ss;
};

#define FRAME_NO_SYSCALL (~0UL)

/* Which way the frame must be left: by the short system-call return (rcx and
 * r11 are lost, as on hardware) or restoring every register. Bit 16 of the
 * `cs` slot is free on every platform and carries it. */
#define FRAME_FULL_RESTORE (1UL << 16)

_Static_assert(sizeof(struct frame) == 21 * 8, "asm relies on it");

#endif
