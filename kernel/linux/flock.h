/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record locks as programs pass them (x86-64), in our own name.
 */
#ifndef JIFFY_KERNEL_LINUX_FLOCK_H
#define JIFFY_KERNEL_LINUX_FLOCK_H

#include "lib/compiler.h"

struct linux_flock {
	s16 l_type;
	s16 l_whence;
	s32 pad0;
	s64 l_start;
	s64 l_len;
	s32 l_pid;
	s32 pad1;
};
_Static_assert(sizeof(struct linux_flock) == 32, "Linux ABI");

#endif
