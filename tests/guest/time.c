// SPDX-License-Identifier: Apache-2.0
/* Clocks, sleeping, CPU accounting, uname and sysinfo. */
#include "tap.h"

#include <pthread.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

#define NS 1000000000LL

static long long now(clockid_t id)
{
	struct timespec t = { -1, -1 };

	return clock_gettime(id, &t) < 0 ? -1 : t.tv_sec * NS + t.tv_nsec;
}

/* Burns processor time until it shows on this clock. */
static void burn(clockid_t id, long long ns)
{
	long long end = now(id) + ns;

	while (now(id) < end)
		;
}

static void check_clocks(void)
{
	static const struct {
		clockid_t id;
		const char *name;
	} clocks[] = {
		{ CLOCK_REALTIME, "CLOCK_REALTIME" },
		{ CLOCK_MONOTONIC, "CLOCK_MONOTONIC" },
		{ CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID" },
		{ CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID" },
		{ CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW" },
		{ CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE" },
		{ CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE" },
		{ CLOCK_BOOTTIME, "CLOCK_BOOTTIME" },
		{ CLOCK_TAI, "CLOCK_TAI" },
	};
	struct timespec ts;
	bool good = true;

	tap_group("clocks");
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		long long a = now(clocks[i].id), b = now(clocks[i].id);

		ok(a >= 0 && b >= a, clocks[i].name);
		good &= syscall(SYS_clock_gettime, clocks[i].id, &ts) == 0;
		good &= ts.tv_nsec >= 0 && ts.tv_nsec < NS;
		good &= ts.tv_sec * NS + ts.tv_nsec >= b;
		good &= clock_getres(clocks[i].id, &ts) == 0 && ts.tv_nsec > 0;
	}
	ok(good, "the calls agree; resolutions");
	clock_getres(CLOCK_MONOTONIC, &ts);
	is_int(ts.tv_nsec, 1, "high resolution");
	ok(now(CLOCK_REALTIME) > 1600000000 * NS, "after 2020");
	burn(CLOCK_MONOTONIC, 1000);
	good = true;
	for (int i = 0; i < 100000; i++) {
		static long long last;
		long long t = now(CLOCK_MONOTONIC);

		good &= t >= last;
		last = t;
	}
	ok(good, "monotonic a hundred thousand times");
	is_errno(syscall(SYS_clock_gettime, 77, &ts), EINVAL, "bad clock");
	is_errno(syscall(SYS_clock_getres, 77, &ts), EINVAL, "its resolution");
	is_efault(syscall(SYS_clock_gettime, 0, bp), "bad addresses");
	is_efault(syscall(SYS_clock_getres, 0, bp), "getres to bad ones");
	is_int(syscall(SYS_clock_getres, 0, NULL), 0, "getres to none");
	ok(now(CLOCK_MONOTONIC) - now(CLOCK_MONOTONIC_COARSE) < NS,
	   "the coarse one is near");
}

static void check_old(void)
{
	struct timeval tv;
	struct timespec ts;
	time_t t = 0;

	tap_group("gettimeofday and time");
	clock_gettime(CLOCK_REALTIME, &ts);
	is_int(gettimeofday(&tv, NULL), 0, "gettimeofday");
	ok(tv.tv_sec - ts.tv_sec <= 1 && tv.tv_usec < 1000000, "agrees");
	is_int(syscall(SYS_gettimeofday, &tv, NULL), 0, "as a call");
	is_int(time(&t) == t, 1, "time");
	ok(t - ts.tv_sec <= 1, "agrees");
	is_efault(syscall(SYS_gettimeofday, bp, NULL), "bad addresses");
	is_efault(syscall(SYS_time, bp), "time to bad ones");
}

static pid_t main_tid;
static volatile int hits;

static void hit(int sig)
{
	(void)sig;
	hits++;
}

static void *poke(void *arg)
{
	tap_await_state(main_tid, "S");
	syscall(SYS_tgkill, getpid(), main_tid, SIGUSR1);
	return arg;
}

static void check_sleep(void)
{
	struct timespec ts = { 0, 3000000 }, rem = { 77, 77 }, end;
	struct timespec bad = { 0, 1000000000 }, neg = { -1, 0 };
	long long a = now(CLOCK_MONOTONIC);
	pthread_t t;

	tap_group("sleep");
	is_int(nanosleep(&ts, &rem), 0, "nanosleep");
	ok(now(CLOCK_MONOTONIC) - a >= 3000000, "not too short");
	is_int(rem.tv_sec, 77, "a full sleep writes no rest");
	a = now(CLOCK_MONOTONIC);
	is_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL), 0,
	       "clock_nanosleep");
	ok(now(CLOCK_MONOTONIC) - a >= 3000000, "not too short");
	clock_gettime(CLOCK_MONOTONIC, &end);
	is_int(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL), 0,
	       "absolute, past");
	end.tv_nsec += 3000000;
	end.tv_sec += end.tv_nsec / NS;
	end.tv_nsec %= NS;
	is_int(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL), 0,
	       "absolute");
	ok(now(CLOCK_MONOTONIC) >= end.tv_sec * NS + end.tv_nsec,
	   "not too early");
	clock_gettime(CLOCK_REALTIME, &end);
	is_int(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL), 0,
	       "absolute, realtime");
	is_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL, "nsec");
	is_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &neg, NULL), EINVAL, "sec");
	is_int(clock_nanosleep(77, 0, &ts, NULL), EINVAL, "clock");
	is_int(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EINVAL,
	       "own processor time");
	is_errno(nanosleep(&bad, NULL), EINVAL, "nanosleep: bad nsec");
	is_efault(syscall(SYS_nanosleep, bp, NULL), "bad addresses");
	ts = (struct timespec){ 0, 0 };
	is_int(nanosleep(&ts, NULL), 0, "zero");
	signal(SIGUSR1, hit);
	main_tid = (pid_t)syscall(SYS_gettid);
	ts.tv_sec = 50;
	pthread_create(&t, NULL, poke, NULL);
	is_int(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rem), EINTR, "EINTR");
	ok(rem.tv_sec >= 30 && rem.tv_sec <= 50, "what remains");
	pthread_join(t, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += 50;
	rem.tv_sec = 77;
	pthread_create(&t, NULL, poke, NULL);
	is_int(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, &rem),
	       EINTR, "EINTR, absolute");
	is_int(rem.tv_sec, 77, "writes no rest");
	pthread_join(t, NULL);
	is_int(hits, 2, "two signals");
	ts = (struct timespec){ 0, 1000 };
	rem = (struct timespec){ 0, 0 };
	is_int(nanosleep(&ts, null_ptr), 0, "no place for the rest");
}

static volatile bool burning;

static void *burn_until_told(void *arg)
{
	while (burning)
		;
	return arg;
}

static void check_cpu_sleep(void)
{
	struct timespec ts = { 0, 20000000 }, rem, end;
	clockid_t of_thread, self;
	long long before;
	pthread_t t;

	tap_group("sleep by processor time");
	burning = true;
	must(pthread_create(&t, NULL, burn_until_told, NULL) == 0);
	must(pthread_getcpuclockid(t, &of_thread) == 0);
	before = now(CLOCK_PROCESS_CPUTIME_ID);
	is_int(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, NULL), 0,
	       "of the process");
	ok(now(CLOCK_PROCESS_CPUTIME_ID) - before >= 20000000, "not too short");
	before = now(of_thread) + 20000000;
	end = (struct timespec){ before / NS, before % NS };
	is_int(clock_nanosleep(of_thread, TIMER_ABSTIME, &end, NULL), 0,
	       "of another thread, absolute");
	ok(now(of_thread) >= before, "not too early");
	burning = false;
	pthread_join(t, NULL);
	main_tid = (pid_t)syscall(SYS_gettid);
	ts.tv_sec = 50;
	pthread_create(&t, NULL, poke, NULL);
	is_int(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, &rem), EINTR,
	       "EINTR");
	ok(rem.tv_sec >= 30 && rem.tv_sec <= 50, "what remains");
	pthread_join(t, NULL);
	must(pthread_getcpuclockid(pthread_self(), &self) == 0);
	is_int(clock_nanosleep(self, 0, &ts, NULL), EINVAL, "own thread");
	is_errno(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts,
			 NULL),
		 EOPNOTSUPP, "own thread, by its fixed name");
	is_errno(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &ts,
			 NULL),
		 EOPNOTSUPP, "a coarse clock");
	is_efault(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, bp,
			  NULL),
		  "bad addresses");
}

static int burn_child(void)
{
	burn(CLOCK_PROCESS_CPUTIME_ID, 30000000);
	return 0;
}

static void *burn_thread(void *arg)
{
	struct rusage ru;

	burn(CLOCK_THREAD_CPUTIME_ID, 20000000);
	getrusage(RUSAGE_THREAD, &ru);
	*(long *)arg = ru.ru_utime.tv_usec + ru.ru_stime.tv_usec +
		       1000000 * (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec);
	return NULL;
}

static long cpu_us(const struct rusage *ru)
{
	return ru->ru_utime.tv_usec + ru->ru_stime.tv_usec +
	       1000000 * (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec);
}

static void check_usage(void)
{
	struct rusage ru;
	struct tms tms;
	long used = 0;
	clock_t ticks;
	clockid_t id;
	pthread_t t;
	long long cpu = now(CLOCK_PROCESS_CPUTIME_ID);

	tap_group("usage");
	pthread_create(&t, NULL, burn_thread, &used);
	pthread_join(t, NULL);
	ok(used >= 10000 && used < 20000000, "RUSAGE_THREAD");
	ok(now(CLOCK_PROCESS_CPUTIME_ID) - cpu >= 20000000,
	   "a thread's time is the process's");
	is_int(getrusage(RUSAGE_SELF, &ru), 0, "RUSAGE_SELF");
	ok(cpu_us(&ru) >= 10000 && ru.ru_maxrss > 0, "sane values");
	is_int(tap_child(burn_child), 0, "a busy child");
	getrusage(RUSAGE_CHILDREN, &ru);
	ok(cpu_us(&ru) >= 20000, "RUSAGE_CHILDREN");
	ticks = times(&tms);
	ok(ticks != (clock_t)-1, "times");
	ok(tms.tms_cutime + tms.tms_cstime >= 1, "children's ticks");
	ok(times(NULL) >= ticks, "goes up");
	is_errno(getrusage(99, &ru), EINVAL, "getrusage of whom");
	is_efault(syscall(SYS_getrusage, 0, bp), "getrusage to bad ones");
	is_efault(syscall(SYS_times, bp), "times to bad ones");
	is_int(pthread_getcpuclockid(pthread_self(), &id), 0, "thread clock");
	ok(now(id) > 0, "can be read");
	is_int(clock_getcpuclockid(getpid(), &id), 0, "process clock");
	ok(now(id) > 0, "can be read");
}

static void check_system(void)
{
	struct sysinfo si;
	struct utsname un;
	int major = 0;

	tap_group("uname and sysinfo");
	is_int(uname(&un), 0, "uname");
	is_str(un.sysname, "Linux", "sysname");
	is_str(un.machine, "x86_64", "machine");
	sscanf(un.release, "%d", &major);
	ok(major >= 4 && un.version[0] && un.nodename[0], "release and names");
	is_efault(syscall(SYS_uname, bp), "bad addresses");
	is_int(sysinfo(&si), 0, "sysinfo");
	ok(si.totalram >= si.freeram && si.mem_unit >= 1 && si.totalram > 0,
	   "memory");
	ok(si.procs >= 1, "processes");
	is_efault(syscall(SYS_sysinfo, bp), "bad addresses");
	ok(sysconf(_SC_NPROCESSORS_ONLN) >= 1, "processors");
	is_int(sysconf(_SC_CLK_TCK), 100, "ticks");
}

int main(void)
{
	tap_start();
	check_clocks();
	check_old();
	check_sleep();
	check_cpu_sleep();
	check_usage();
	check_system();
	return tap_done();
}
