/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel timers, run by process 0's main thread: callbacks must be short and
 * may take mutexes. For timerfd, interval timers and POSIX timers; sleeping
 * calls use thread_sleep()'s deadline instead.
 */
#ifndef JIFFY_KERNEL_PROC_TIMER_H
#define JIFFY_KERNEL_PROC_TIMER_H

#include "lib/rbtree.h"

struct ktimer {
	struct rb_node node;
	nsec_t expires; /* CLOCK_MONOTONIC */
	void (*fn)(struct ktimer *t);
	bool is_armed;
	bool counts_sleep; /* its time is on a clock that does; whoever arms it
			    * says so */
};

void timer_init(struct ktimer *t, void (*fn)(struct ktimer *t));
/* Arm, or move, to an absolute monotonic time. */
void timer_arm(struct ktimer *t, nsec_t expires);
/* After it returns fn is not running and will not run (unless called by fn). */
void timer_cancel(struct ktimer *t);

/* Make process 0's main thread call timer_run() again: the next deadline has
 * come nearer. Called inside. */
void timer_kick(void);

/* The instance slept; nobody runs yet. */
void timer_skip(nsec_t slept);

/* Run by process 0: fire what is due; the next deadline or NSEC_MAX. */
nsec_t timer_run(void);

#endif
