/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, sleeping, interval timers and POSIX timers. Real time is the host's:
 * setting it is refused.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/itimer.h"
#include "kernel/proc/posix_timer.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

#define TIMER_ABSTIME 1

SYSCALL2(clock_gettime, s32, clock, uaddr_t, ts)
{
	nsec_t now;
	int err = clock_read(clock, &now);

	return err ? err : timespec_out(ts, now);
}

SYSCALL2(clock_getres, s32, clock, uaddr_t, ts)
{
	nsec_t now;
	int err = clock_read(clock, &now);

	if (err || !ts)
		return err;
	return timespec_out(ts, 1);
}

SYSCALL2(gettimeofday, uaddr_t, tv_at, uaddr_t, tz)
{
	const u32 utc[2] = { 0, 0 };
	nsec_t now = plat_clock(PLAT_REALTIME);
	struct linux_timeval tv = { now / NSEC_PER_SEC,
				    now % NSEC_PER_SEC / NSEC_PER_USEC };

	if (tv_at && user_put(tv_at, &tv))
		return -EFAULT;
	return tz ? user_copy_out(tz, utc, sizeof(utc)) : 0;
}

SYSCALL1(time, uaddr_t, at)
{
	s64 now = plat_clock(PLAT_REALTIME) / NSEC_PER_SEC;

	if (at && user_store_u64(at, (u64)now))
		return -EFAULT;
	return now;
}

/* --- Sleeping ------------------------------------------------------------ */

static long sleep_until(nsec_t deadline)
{
	int err;

	do {
		err = thread_sleep(deadline, true);
	} while (err == 0);
	return err == -ETIMEDOUT ? 0 : err;
}

static long store_rest(uaddr_t rest, nsec_t deadline)
{
	nsec_t left = deadline - plat_clock(PLAT_MONOTONIC);

	return rest ? timespec_out(rest, MAX(left, 0)) : 0;
}

/* arg: deadline, address for what is left. */
static long restart_sleep(struct thread *t)
{
	nsec_t deadline = (nsec_t)t->restart.arg[0];
	long err = sleep_until(deadline);

	if (err != -EINTR)
		return err;
	if (store_rest(t->restart.arg[1], deadline))
		return -EFAULT;
	t->restart.fn = restart_sleep;
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_relative(nsec_t length, uaddr_t rest)
{
	struct thread *t = current();

	t->restart.arg[0] = (u64)clock_deadline(CLOCK_MONOTONIC, length, false);
	t->restart.arg[1] = rest;
	return restart_sleep(t);
}

SYSCALL2(nanosleep, uaddr_t, req, uaddr_t, rest)
{
	nsec_t length;
	int err = timespec_in(&length, req);

	return err ? err : sleep_relative(length, rest);
}

/* Until a CPU clock shows `expires`; who runs on it is somebody else. */
static long sleep_until_cpu(s32 clock, nsec_t expires)
{
	nsec_t now, last = 0, pause = 0;
	int err;

	for (;;) {
		err = clock_read(clock, &now);
		if (err || now >= expires)
			return err;
		err = thread_sleep(cpu_clock_next(expires - now,
						  process_current()->nlive,
						  now != last, &pause),
				   true);
		last = now;
		if (err == -EINTR)
			return err;
	}
}

/* arg: when, address for what is left, clock. */
static long restart_cpu_sleep(struct thread *t)
{
	nsec_t expires = (nsec_t)t->restart.arg[0], now;
	s32 clock = (s32)t->restart.arg[2];
	uaddr_t rest = t->restart.arg[1];
	long err = sleep_until_cpu(clock, expires);

	if (err != -EINTR)
		return err;
	if (clock_read(clock, &now))
		return -EINTR;
	if (rest && timespec_out(rest, MAX(expires - now, 0)))
		return -EFAULT;
	t->restart.fn = restart_cpu_sleep;
	return -ERESTART_RESTARTBLOCK;
}

static long sleep_on_cpu(s32 clock, nsec_t value, bool absolute, uaddr_t rest)
{
	struct thread *t = current();
	nsec_t now, expires = value;
	long err = clock_read(clock, &now);

	if (err)
		return err;
	if (!absolute && ckd_add(&expires, now, value))
		expires = NSEC_MAX;
	if (absolute) {
		err = sleep_until_cpu(clock, expires);
		return err == -EINTR ? -ERESTARTNOHAND : err;
	}
	t->restart.arg[0] = (u64)expires;
	t->restart.arg[1] = rest;
	t->restart.arg[2] = (u64)(u32)clock;
	return restart_cpu_sleep(t);
}

SYSCALL4(clock_nanosleep, s32, clock, u32, flags, uaddr_t, req, uaddr_t, rest)
{
	nsec_t value;
	long err = clock_sleep_check(clock);

	if (!err)
		err = timespec_in(&value, req);
	if (err)
		return err;
	if (clock_is_cpu(clock))
		return sleep_on_cpu(clock, value, flags & TIMER_ABSTIME, rest);
	if (!(flags & TIMER_ABSTIME))
		return sleep_relative(value, rest);
	clock_wait_begin(clock);
	err = sleep_until(clock_deadline(clock, value, true));
	clock_wait_end();
	return err == -EINTR ? -ERESTARTNOHAND : err;
}

/* --- Setting time: not the guest's --------------------------------------- */

SYSCALL2(clock_settime, s32, clock, uaddr_t, ts)
{
	nsec_t value;
	int err = timespec_in(&value, ts);

	if (err)
		return err;
	if (clock < 0 && !clock_read(clock, &value))
		return -EPERM; /* CPU time */
	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	return syscall_unsupported("clock_settime", (u32)clock, EPERM);
}

SYSCALL2(settimeofday, uaddr_t, tv_at, uaddr_t, tz_at)
{
	struct linux_timeval tv;
	u32 tz[2];

	if (tv_at && user_get(&tv, tv_at))
		return -EFAULT;
	if (tv_at && (tv.sec < 0 || tv.usec < 0 || tv.usec > 1000000))
		return -EINVAL;
	if (tz_at && user_get(&tz, tz_at))
		return -EFAULT;
	return syscall_unsupported("settimeofday", tv_at ? 1 : 2, EPERM);
}

struct linux_timex { /* 208 bytes */
	u32 modes, pad0;
	s64 offset, freq, maxerror, esterror;
	s32 status, pad1;
	s64 constant, precision, tolerance;
	struct linux_timeval time;
	s64 tick, ppsfreq, jitter;
	s32 shift, pad2;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai, pad3[11];
};
_Static_assert(sizeof(struct linux_timex) == 208, "Linux ABI");

#define STA_UNSYNC 0x40
#define TIME_ERROR 5
#define ADJ_OFFSET_SS_READ 0xa001 /* what adjtime(3) has left: nothing */

static long read_timex(uaddr_t at)
{
	nsec_t now = plat_clock(PLAT_REALTIME);
	struct linux_timex tx;
	u32 modes;

	if (user_load_u32(&modes, at))
		return -EFAULT;
	if (modes && modes != ADJ_OFFSET_SS_READ)
		return syscall_unsupported("adjtimex modes", modes, EPERM);
	memset(&tx, 0, sizeof(tx));
	tx.modes = modes;
	tx.maxerror = 16000000;
	tx.esterror = 16000000;
	tx.status = STA_UNSYNC;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time.sec = now / NSEC_PER_SEC;
	tx.time.usec = now % NSEC_PER_SEC / NSEC_PER_USEC;
	return user_put(at, &tx) ? -EFAULT : TIME_ERROR;
}

SYSCALL1(adjtimex, uaddr_t, tx)
{
	return read_timex(tx);
}

SYSCALL2(clock_adjtime, s32, clock, uaddr_t, tx)
{
	nsec_t now;

	if (clock == CLOCK_REALTIME)
		return read_timex(tx);
	if (user_load_u32(&(u32){ 0 }, tx))
		return -EFAULT;
	return clock >= 0 && clock_read(clock, &now) ? -EINVAL : -EOPNOTSUPP;
}

/* --- Interval timers ----------------------------------------------------- */

struct linux_itimerval {
	struct linux_timeval interval, value;
};

static int timeval_to_nsec(const struct linux_timeval *tv, nsec_t *nsec)
{
	struct linux_timespec ts = { tv->sec, 0 };

	if (tv->usec < 0 || tv->usec >= 1000000)
		return -EINVAL;
	ts.nsec = tv->usec * NSEC_PER_USEC;
	return timespec_to_nsec(&ts, nsec);
}

static struct linux_timeval nsec_to_timeval(nsec_t n)
{
	return (struct linux_timeval){ n / NSEC_PER_SEC,
				       n % NSEC_PER_SEC / NSEC_PER_USEC };
}

static int put_itimer(uaddr_t at, const struct itimer_value *v)
{
	struct linux_itimerval it = { nsec_to_timeval(v->interval),
				      nsec_to_timeval(v->left) };

	return user_put(at, &it);
}

SYSCALL2(getitimer, int, which, uaddr_t, value)
{
	struct itimer_value v;

	if (which < 0 || which > ITIMER_NR_PROF)
		return -EINVAL;
	itimer_get(which, &v);
	return put_itimer(value, &v);
}

SYSCALL3(setitimer, int, which, uaddr_t, value, uaddr_t, old_at)
{
	struct linux_itimerval it = { { 0, 0 }, { 0, 0 } };
	struct itimer_value v, old;
	int err;

	if (which < 0 || which > ITIMER_NR_PROF)
		return -EINVAL;
	if (value && user_get(&it, value)) /* NULL disarms, as on Linux */
		return -EFAULT;
	if (timeval_to_nsec(&it.interval, &v.interval) ||
	    timeval_to_nsec(&it.value, &v.left))
		return -EINVAL;
	err = itimer_set(which, &v, &old);
	if (err || !old_at)
		return err;
	return put_itimer(old_at, &old);
}

SYSCALL1(alarm, u32, seconds)
{
	struct itimer_value v = { 0, (nsec_t)seconds * NSEC_PER_SEC };
	struct itimer_value old;
	nsec_t rest;

	if (itimer_set(ITIMER_NR_REAL, &v, &old))
		return 0;
	/* Rounded, but never to 0 while there is something left. */
	rest = (old.left + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
	return old.left && !rest ? 1 : rest;
}

/* --- POSIX timers -------------------------------------------------------- */

SYSCALL3(timer_create, s32, clock, uaddr_t, event, uaddr_t, id_at)
{
	struct linux_sigevent ev;
	int id;

	if (event && user_get(&ev, event))
		return -EFAULT;
	id = posix_timer_create(clock, event ? &ev : NULL);
	if (id < 0)
		return id;
	if (user_store_u32(id_at, (u32)id)) {
		(void)posix_timer_delete(id);
		return -EFAULT;
	}
	return 0;
}

static int put_timer(uaddr_t at, const struct posix_timer_value *v)
{
	struct linux_itimerspec it = { nsec_to_timespec(v->interval),
				       nsec_to_timespec(v->left) };

	return user_put(at, &it);
}

SYSCALL4(timer_settime, s32, id, u32, flags, uaddr_t, value, uaddr_t, old_at)
{
	struct posix_timer_value v, old;
	struct linux_itimerspec it;
	int err;

	if (!value)
		return -EINVAL;
	if (user_get(&it, value))
		return -EFAULT;
	if (timespec_to_nsec(&it.interval, &v.interval) ||
	    timespec_to_nsec(&it.value, &v.left))
		return -EINVAL;
	err = posix_timer_set(id, &v, flags & TIMER_ABSTIME, &old);
	if (err || !old_at)
		return err;
	return put_timer(old_at, &old);
}

SYSCALL2(timer_gettime, s32, id, uaddr_t, value)
{
	struct posix_timer_value v;
	int err = posix_timer_get(id, &v);

	return err ? err : put_timer(value, &v);
}

SYSCALL1(timer_getoverrun, s32, id)
{
	return posix_timer_overrun(id);
}

SYSCALL1(timer_delete, s32, id)
{
	return posix_timer_delete(id);
}
