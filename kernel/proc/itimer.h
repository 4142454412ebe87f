/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three interval timers of a process (setitimer, alarm).
 */
#ifndef JIFFY_KERNEL_PROC_ITIMER_H
#define JIFFY_KERNEL_PROC_ITIMER_H

#include "lib/compiler.h"

enum {
	ITIMER_NR_REAL,
	ITIMER_NR_VIRTUAL,
	ITIMER_NR_PROF,
	ITIMER_NR_LIMIT, /* RLIMIT_CPU */
	ITIMER_NR_COUNT
};

struct itimer_value {
	nsec_t interval;
	nsec_t left; /* until it expires; 0: disarmed */
};

/* Of the current process; which is checked by the caller. */
void itimer_get(int which, struct itimer_value *value);
/* 0 or -ENOMEM; old may be NULL. */
int itimer_set(int which, const struct itimer_value *value,
	       struct itimer_value *old);

/* p's RLIMIT_CPU was set or inherited: watch it. */
struct process;
void itimer_limit_cpu(struct process *p);

#endif
