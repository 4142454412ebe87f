/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's FPU, SSE and AVX registers. They stay live in the CPU while the
 * kernel runs; these save and load them where Linux does: in signal frames, at
 * exec, and around a lent host thread.
 */
#ifndef JIFFY_KERNEL_CPU_FPU_H
#define JIFFY_KERNEL_CPU_FPU_H

#include "lib/compiler.h"

/* Learn the processor's layout; once, at boot. */
void fpu_init(void);
/* Bytes of the FPU part of a signal frame as Linux lays it out: the XSAVE area
 * with the software bytes in it and the second magic number after it. */
u32 fpu_size(void);
/* Write the current registers into a frame area of fpu_size() bytes at a
 * 64-byte aligned user address: 0 or -EFAULT. */
int fpu_save_user(uaddr_t buf, u32 size);
/* Load the registers from such an area (also one without the magic numbers: as
 * FXSAVE), or reset them if buf is 0: 0, or -EFAULT for a bad address or bytes
 * the processor refuses. */
int fpu_restore_user(uaddr_t buf, u32 size);
/* The registers of a new program. */
void fpu_reset(void);
/* The current registers as a core file has them (NT_X86_XSTATE; its first 512
 * bytes are NT_PRFPREG), into dump_size() bytes of kernel memory. */
u32 fpu_dump_size(void);
void fpu_dump(void *buf);
/* Save into, load from FPU_AREA_MAX bytes of kernel memory, 64-byte aligned;
 * only where fpu_size() says that they fit. */
#define FPU_AREA_MAX 4096
void fpu_save_area(void *area);
void fpu_restore_area(void *area);
/* Save into kernel memory; NULL if there is none (then nothing is restored).
 * restore() frees it. */
void *fpu_save_kernel(void);
void fpu_restore_kernel(void *area);

#endif
