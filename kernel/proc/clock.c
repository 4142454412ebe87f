/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's clocks on the platform's. The coarse ones are the fine ones; TAI has
 * no offset; real time is the host's and cannot be set.
 */
#include "kernel/proc/clock.h"

#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/proc/timer.h"

enum { CLOCK_NR_TAI = 11 };
/* CPU clocks of others: ~id << 3 | per-thread << 2 | kind. */
enum { CPU_CLOCK_KIND = 3, CPU_CLOCK_THREAD = 4, CPU_CLOCK_FD = 3 };

static int read_thread(s32 tid, nsec_t *now)
{
	struct thread *t = thread_find(tid);

	if (!t)
		return -EINVAL;
	if (t->proc != process_current()) {
		thread_put(t);
		return -EINVAL;
	}
	*now = plat_thread_cputime(t);
	thread_put(t);
	return 0;
}

static int read_process(s32 pid, nsec_t *now)
{
	struct process *p = process_find(pid);

	if (!p)
		return -EINVAL;
	*now = process_cputime(p);
	process_put(p);
	return 0;
}

static int read_dynamic(s32 clock, nsec_t *now)
{
	s32 id = ~(clock >> 3);

	if ((clock & CPU_CLOCK_KIND) == CPU_CLOCK_FD)
		return -EINVAL;
	if (id == 0)
		return clock_read(clock & CPU_CLOCK_THREAD
					  ? CLOCK_THREAD_CPUTIME_ID
					  : CLOCK_PROCESS_CPUTIME_ID,
				  now);
	return clock & CPU_CLOCK_THREAD ? read_thread(id, now)
					: read_process(id, now);
}

int clock_read(s32 clock, nsec_t *now)
{
	if (clock < 0)
		return read_dynamic(clock, now);
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_NR_TAI:
		*now = plat_clock(PLAT_REALTIME);
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		*now = plat_clock(PLAT_MONOTONIC);
		return 0;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*now = plat_clock(PLAT_BOOTTIME);
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*now = process_cputime(process_current());
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		*now = plat_thread_cputime(current());
		return 0;
	default:
		return -EINVAL;
	}
}

bool clock_is_cpu(s32 clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID ||
	       clock == CLOCK_THREAD_CPUTIME_ID;
}

bool clock_can_sleep(s32 clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
	       clock == CLOCK_BOOTTIME || clock == CLOCK_NR_TAI;
}

int clock_sleep_check(s32 clock)
{
	s32 id = ~(clock >> 3);
	nsec_t now;

	if (clock_can_sleep(clock))
		return 0;
	/* Nobody can wait for time of a thread that is asleep: itself. */
	if (clock < 0 && (clock & CPU_CLOCK_THREAD) &&
	    (id == 0 || id == current()->tid))
		return -EINVAL;
	if (clock_read(clock, &now))
		return -EINVAL;
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID ? 0 : -EOPNOTSUPP;
}

nsec_t clock_deadline(s32 clock, nsec_t value, bool absolute)
{
	nsec_t mono = plat_clock(PLAT_MONOTONIC);
	nsec_t now = 0, deadline;

	if (absolute) {
		if (clock == CLOCK_MONOTONIC)
			return value;
		(void)clock_read(clock, &now);
		if (ckd_sub(&value, value, now))
			return 0; /* long ago */
	}
	if (ckd_add(&deadline, mono, value))
		return NSEC_MAX;
	return MAX(deadline, 0);
}

static nsec_t slept_in_sum; /* changes only while nobody runs */

nsec_t clock_slept(void)
{
	return slept_in_sum;
}

bool clock_counts_sleep(s32 clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
	case CLOCK_NR_TAI:
		return true;
	default:
		return false;
	}
}

void clock_skip(nsec_t slept)
{
	slept_in_sum += slept;
	timer_skip(slept);
}

void clock_wait_begin(s32 clock)
{
	struct thread *t = current();

	t->slept_before = slept_in_sum;
	t->counts_sleep = clock_counts_sleep(clock);
}

void clock_wait_end(void)
{
	current()->counts_sleep = false;
}

int timespec_to_nsec(const struct linux_timespec *ts, nsec_t *nsec)
{
	if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (ckd_mul(nsec, ts->sec, NSEC_PER_SEC) ||
	    ckd_add(nsec, *nsec, ts->nsec))
		*nsec = NSEC_MAX;
	return 0;
}

struct linux_timespec nsec_to_timespec(nsec_t nsec)
{
	return (struct linux_timespec){ nsec / NSEC_PER_SEC,
					nsec % NSEC_PER_SEC };
}

int timespec_in(nsec_t *nsec, uaddr_t addr)
{
	struct linux_timespec ts;

	if (user_get(&ts, addr))
		return -EFAULT;
	return timespec_to_nsec(&ts, nsec);
}

int timespec_out(uaddr_t addr, nsec_t nsec)
{
	struct linux_timespec ts = nsec_to_timespec(nsec);

	return user_put(addr, &ts);
}

nsec_t nsec_add(nsec_t a, nsec_t b)
{
	nsec_t sum;

	return ckd_add(&sum, a, b) ? NSEC_MAX : sum;
}

nsec_t clock_next_period(nsec_t last, nsec_t interval, nsec_t now, u64 *n)
{
	nsec_t step;

	*n = (u64)((now - last) / interval) + 1;
	if (ckd_mul(&step, *n, interval))
		return NSEC_MAX;
	return nsec_add(last, step);
}

#define PAUSE_MIN NSEC_PER_MSEC
#define PAUSE_MAX NSEC_PER_SEC

nsec_t cpu_clock_next(nsec_t left, u32 n, bool used, nsec_t *pause)
{
	if (used || *pause == 0)
		*pause = PAUSE_MIN;
	else
		*pause = MIN(*pause * 2, PAUSE_MAX);
	/* It cannot expire before all CPUs have run that long. */
	return nsec_add(plat_clock(PLAT_MONOTONIC),
			MAX(left / (nsec_t)MAX(n, 1U), *pause));
}
