/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's clock numbers: reading them, and turning times on them into deadlines
 * for thread_sleep() and timers.
 */
#ifndef JIFFY_KERNEL_PROC_CLOCK_H
#define JIFFY_KERNEL_PROC_CLOCK_H

#include "kernel/linux/time.h"

/* Time on a clock, CPU-time clocks of threads and processes included. 0, or
 * -EINVAL (no such clock, thread or process). */
int clock_read(s32 clock, nsec_t *now);
/* Does the clock count CPU time? */
bool clock_is_cpu(s32 clock);
/* May it be slept on (clock_nanosleep, timers) other than by CPU time? */
bool clock_can_sleep(s32 clock);
/* May clock_nanosleep() wait on it? CPU clocks, too. 0, -EINVAL, -EOPNOTSUPP.
 */
int clock_sleep_check(s32 clock);
/* CLOCK_MONOTONIC time of `value` on a clock that can sleep, absolute or from
 * now; NSEC_MAX if it is beyond. */
nsec_t clock_deadline(s32 clock, nsec_t value, bool absolute);

/* What an instance that was suspended has slept through, in sum: by so much has
 * the time of some clocks moved on while monotonic time stood still. */
nsec_t clock_slept(void);
bool clock_counts_sleep(s32 clock);
/* It slept for so long; nobody runs yet. */
void clock_skip(nsec_t slept);
/* From now to the end, the deadlines of the current thread's sleeps are
 * absolute times on that clock. */
void clock_wait_begin(s32 clock);
void clock_wait_end(void);

/* Nanoseconds of a timespec, saturated: 0, -EINVAL. */
int timespec_to_nsec(const struct linux_timespec *ts, nsec_t *nsec);
struct linux_timespec nsec_to_timespec(nsec_t nsec);
/* The same from and to the program's memory. */
int timespec_in(nsec_t *nsec, uaddr_t addr);
int timespec_out(uaddr_t addr, nsec_t nsec);

/* The sum, or NSEC_MAX if it is beyond (neither is negative). */
nsec_t nsec_add(nsec_t a, nsec_t b);
/* The first expiry after `now` of a timer that expired at `last`, not after
 * now, and every `interval` since; *n: how many expiries up to now. */
nsec_t clock_next_period(nsec_t last, nsec_t interval, nsec_t now, u64 *n);

/* When to look again at a CPU-time clock that has `left` to go, with n threads
 * that may run. *pause grows while nothing runs; used says if something did. */
nsec_t cpu_clock_next(nsec_t left, u32 n, bool used, nsec_t *pause);

#endif
