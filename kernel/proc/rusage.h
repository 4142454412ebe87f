/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct rusage out of the kernel's sums.
 */
#ifndef JIFFY_KERNEL_PROC_RUSAGE_H
#define JIFFY_KERNEL_PROC_RUSAGE_H

#include "kernel/linux/resource.h"
#include "kernel/proc/process.h"

static inline struct linux_timeval rusage_time(nsec_t t)
{
	return (struct linux_timeval){ t / NSEC_PER_SEC,
				       t % NSEC_PER_SEC / NSEC_PER_USEC };
}

static inline void rusage_fill(struct linux_rusage *ru,
			       const struct rusage_sum *sum)
{
	*ru = (struct linux_rusage){
		.utime = rusage_time(sum->utime),
		.stime = rusage_time(sum->stime),
		.maxrss = (s64)sum->max_rss_kib,
		.minflt = (s64)sum->min_flt,
		.majflt = (s64)sum->maj_flt,
		.nvcsw = (s64)sum->nvcsw,
		.nivcsw = (s64)sum->nivcsw,
	};
}

#endif
