/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generation of this instance's memory: kernel.generation, a counter that
 * goes up from 1 on, and a random id that changes, whenever the instance finds
 * itself a clone. Programs see them as /dev/generation (docs/clones.md).
 */
#ifndef JIFFY_KERNEL_DEV_GENERATION_H
#define JIFFY_KERNEL_DEV_GENERATION_H

#include "lib/compiler.h"

struct file;

#define GENERATION_ID_SIZE 16

/* What a mapping of the device shows at its start. */
struct generation_page {
	u64 counter;
	u8 id[GENERATION_ID_SIZE];
};

/* At the start of an instance. */
void generation_init(void);
/* A clone is about to go on: no locks are taken. Then, when others run: wake
 * who waits for it. */
void generation_change(const u8 id[GENERATION_ID_SIZE]);
void generation_tell(void);

int generation_open(struct file *f);

#endif
