/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processor time: of a process and of the whole instance, and the load average
 * that follows from it.
 */
#ifndef JIFFY_KERNEL_PROC_CPUTIME_H
#define JIFFY_KERNEL_PROC_CPUTIME_H

#include "kernel/plat/plat.h"

struct process;

/* User and system time of a process so far. No lock needed: timer callbacks
 * ask, too, who may hold none of the process's. */
void process_times(struct process *p, struct plat_times *times);
/* Of all there ever were; running: threads that do not sleep now (not NULL). */
void cputime_total(struct plat_times *times, u32 *running);
/* p is about to be forgotten: keep what it used. Tree lock held. */
void cputime_keep(struct process *p);

#define LOADAVG_SHIFT 11 /* bits behind the binary point */
/* The load of 1, 5 and 15 minutes. */
void loadavg_get(u64 loads[3]);
/* Called where processes come and go: look at the load, at most every 5 s. */
void loadavg_sample(void);

#endif
