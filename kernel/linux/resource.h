/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's RLIMIT_* and RUSAGE_* numbers, from the UAPI headers where they carry
 * no structures.
 */
#ifndef JIFFY_KERNEL_LINUX_RESOURCE_H
#define JIFFY_KERNEL_LINUX_RESOURCE_H

#include <asm/resource.h>

#include "kernel/linux/time.h"

#define LINUX_RLIM_INFINITY (~0UL)

enum {
	LINUX_RUSAGE_SELF = 0,
	LINUX_RUSAGE_CHILDREN = -1,
	LINUX_RUSAGE_THREAD = 1
};

struct linux_rusage {
	struct linux_timeval utime, stime;
	s64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock,
		oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct linux_rusage) == 144, "Linux ABI");

#endif
