/* SPDX-License-Identifier: Apache-2.0 */
/* CLONE_*, SCHED_*, IOPRIO_* of Linux. */
#ifndef JIFFY_KERNEL_LINUX_SCHED_H
#define JIFFY_KERNEL_LINUX_SCHED_H

#include <linux/ioprio.h>
#include <linux/sched.h>

#include "lib/compiler.h"

struct linux_sched_attr { /* sched_setattr(2), version 0 */
	u32 size;
	u32 sched_policy;
	u64 sched_flags;
	s32 sched_nice;
	u32 sched_priority;
	u64 sched_runtime;
	u64 sched_deadline;
	u64 sched_period;
};
_Static_assert(sizeof(struct linux_sched_attr) == 48, "Linux ABI");

/* The flags of clone that ask for a namespace. */
#define CLONE_NAMESPACES                                                \
	(CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	 CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#endif
