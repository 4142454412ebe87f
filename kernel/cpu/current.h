/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block that GS points at while the kernel runs: one per machine thread,
 * in its slot. Entry code knows the offsets; everyone else uses current().
 */
#ifndef JIFFY_KERNEL_CPU_CURRENT_H
#define JIFFY_KERNEL_CPU_CURRENT_H

#include "lib/compiler.h"

struct thread;

struct cpu_block {
	struct thread *current; /* offset 0 */
	u64 kernel_sp;		/* offset 8: top of current's kernel stack */
	u64 self;		/* offset 16: address of this block */
	/* The platform's own fields follow in its own struct. */
};

_Static_assert(offsetof(struct cpu_block, kernel_sp) == 8, "asm");
_Static_assert(offsetof(struct cpu_block, self) == 16, "asm");

#ifdef JIFFY_UNIT_TEST
extern struct thread *unit_current;
static inline struct thread *current(void)
{
	return unit_current;
}
#else
static inline struct thread *current(void)
{
	struct thread *t;

	/* volatile: a borrowed thread (vfork) changes under the compiler. */
	__asm__ volatile("mov %%gs:0, %0" : "=r"(t));
	return t;
}
#endif

#endif
