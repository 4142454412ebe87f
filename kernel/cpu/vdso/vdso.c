/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in the program, on its stack, as part of a shared object of its own:
 * clocks without entering the kernel. Anything unusual becomes a system call.
 * Results fill rax, so that callers may take them for int or long.
 */
#include "kernel/cpu/vdso.h"
#include "kernel/linux/unistd.h"

struct vdso_timezone {
	s32 minutes_west, dst;
};

s64 __vdso_clock_gettime(int clock, struct vdso_timespec *ts);
s64 __vdso_clock_getres(int clock, struct vdso_timespec *ts);
s64 __vdso_gettimeofday(struct vdso_timeval *tv, struct vdso_timezone *tz);
s64 __vdso_time(s64 *t);
s64 __vdso_getcpu(u32 *cpu, u32 *node, void *unused);

static inline const struct vdso_data *data(void)
{
	return (const struct vdso_data *)VDSO_DATA_ADDRESS;
}

static s64 syscall2(u32 nr, u64 a, u64 b)
{
	s64 result;

	/* As a patched site does: this text is not the program's to patch. */
	__asm__ volatile("lea 1f(%%rip), %%rcx\n\t"
			 "jmp *%[enter]\n"
			 "1:"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b),
			   "d"(0), [enter] "r"(data()->enter)
			 : "rcx", "r11", "memory");
	return result;
}

static void add(struct vdso_timespec *ts, nsec_t offset)
{
	ts->sec += offset / NSEC_PER_SEC;
	ts->nsec += offset % NSEC_PER_SEC;
	if (ts->nsec >= NSEC_PER_SEC) {
		ts->nsec -= NSEC_PER_SEC;
		ts->sec++;
	} else if (ts->nsec < 0) {
		ts->nsec += NSEC_PER_SEC;
		ts->sec--;
	}
}

static inline bool is_one_of(int clock, u32 clocks)
{
	return (u32)clock < 32 && (clocks >> clock & 1);
}

/* Clocks with an offset; the host has none; clocks of threads, of nobody. */
static NOINLINE s64 clock_gettime_rest(int clock, struct vdso_timespec *ts)
{
	const struct vdso_data *d = data();

	if (!d->host.clock_gettime ||
	    !is_one_of(clock, VDSO_CLOCKS_REAL | VDSO_CLOCKS_MONOTONIC) ||
	    d->host.clock_gettime(clock, ts))
		return syscall2(__NR_clock_gettime, (u64)clock, (u64)ts);
	if (clock == CLOCK_BOOTTIME_ID)
		add(ts, d->boottime_offset);
	else if (is_one_of(clock, VDSO_CLOCKS_MONOTONIC))
		add(ts, d->monotonic_offset);
	return 0;
}

/* A jump to the host's, where it is all there is to do. */
s64 __vdso_clock_gettime(int clock, struct vdso_timespec *ts)
{
	const struct vdso_data *d = data();

	if (likely(is_one_of(clock, d->direct)))
		return d->host.clock_gettime(clock, ts);
	return clock_gettime_rest(clock, ts);
}

s64 __vdso_clock_getres(int clock, struct vdso_timespec *ts)
{
	const u32 fine = 1u << CLOCK_REALTIME_ID | 1u << CLOCK_MONOTONIC_ID |
			 1u << CLOCK_MONOTONIC_RAW_ID |
			 1u << CLOCK_BOOTTIME_ID | 1u << CLOCK_TAI_ID;

	if (!is_one_of(clock, fine))
		return syscall2(__NR_clock_getres, (u64)clock, (u64)ts);
	if (ts) {
		ts->sec = 0;
		ts->nsec = 1;
	}
	return 0;
}

s64 __vdso_gettimeofday(struct vdso_timeval *tv, struct vdso_timezone *tz)
{
	const struct vdso_data *d = data();
	struct vdso_timespec ts;

	if (likely(tv && !tz && is_one_of(CLOCK_REALTIME_ID, d->direct) &&
		   d->host.gettimeofday))
		return d->host.gettimeofday(tv, NULL);
	if (tv) {
		s64 err = __vdso_clock_gettime(CLOCK_REALTIME_ID, &ts);

		if (err)
			return err;
		tv->sec = ts.sec;
		tv->usec = ts.nsec / NSEC_PER_USEC;
	}
	if (tz) {
		tz->minutes_west = 0;
		tz->dst = 0;
	}
	return 0;
}

s64 __vdso_time(s64 *t)
{
	struct vdso_timespec ts;
	s64 err = __vdso_clock_gettime(CLOCK_REALTIME_COARSE_ID, &ts);

	if (err)
		return err;
	if (t)
		*t = ts.sec;
	return ts.sec;
}

s64 __vdso_getcpu(u32 *cpu, u32 *node, void *unused)
{
	const struct vdso_data *d = data();
	u32 host_cpu;

	if (!d->host.getcpu || !d->ncpus ||
	    d->host.getcpu(&host_cpu, NULL, unused))
		return syscall2(__NR_getcpu, (u64)cpu, (u64)node);
	if (cpu)
		*cpu = host_cpu % d->ncpus;
	if (node)
		*node = 0;
	return 0;
}
