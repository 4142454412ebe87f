/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's clock numbers, timer flags and 64-bit time structures.
 */
#ifndef JIFFY_KERNEL_LINUX_TIME_H
#define JIFFY_KERNEL_LINUX_TIME_H

#include "lib/compiler.h"

#ifndef CLOCK_REALTIME
enum {
	CLOCK_REALTIME,
	CLOCK_MONOTONIC,
	CLOCK_PROCESS_CPUTIME_ID,
	CLOCK_THREAD_CPUTIME_ID,
	CLOCK_MONOTONIC_RAW,
	CLOCK_REALTIME_COARSE,
	CLOCK_MONOTONIC_COARSE,
	CLOCK_BOOTTIME,
	CLOCK_REALTIME_ALARM,
	CLOCK_BOOTTIME_ALARM,
};
#endif

struct linux_timespec {
	s64 sec;
	s64 nsec;
};
struct linux_itimerspec {
	struct linux_timespec interval;
	struct linux_timespec value;
};
struct linux_timeval {
	s64 sec;
	s64 usec;
};

#endif
