/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System-call sites that become jumps: a trapped `syscall` instruction in text
 * of the program is replaced by a jump to a stub that enters the kernel without
 * the host. See docs/design/002-process-platform.md.
 */
#ifndef JIFFY_KERNEL_CPU_PATCH_H
#define JIFFY_KERNEL_CPU_PATCH_H

#include "lib/compiler.h"

struct frame;
struct mm;
struct patch_state;

/* The call in f trapped: patch its site if that is safe. f->rip is behind the
 * instruction. Called before the call is served. */
void patch_site(struct frame *f);
/* If f was interrupted in a stub, or at an instruction that was moved there,
 * make it as if it had been interrupted at the original place. */
void patch_map_back(struct frame *f);
/* The mm of a forked child: the stubs were copied with the rest. */
int patch_fork(struct mm *parent, struct mm *child);
/* The mm's program is gone (exec, exit). */
void patch_reset(struct mm *mm);
u64 patch_count(void); /* sites patched so far, all processes */

#endif
