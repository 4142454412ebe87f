// SPDX-License-Identifier: Apache-2.0
/* POSIX timers, the calls that set clocks (only their refusals), and a sleep
 * that goes on after a stop. Other clocks and sleeps have time.c. */
#include "tap.h"

#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>

static int create(int clock, struct sigevent *ev, int *id)
{
	return (int)syscall(SYS_timer_create, clock, ev, id);
}

static int settime(int id, int flags, long value_ns, long interval_ns)
{
	struct itimerspec it = { { 0, interval_ns }, { 0, value_ns } };

	return (int)syscall(SYS_timer_settime, id, flags, &it, NULL);
}

static int remove_timer(int id)
{
	return (int)syscall(SYS_timer_delete, id);
}

static struct sigevent by_signal(int sig, int value)
{
	struct sigevent ev;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = sig;
	ev.sigev_value.sival_int = value;
	return ev;
}

/* Lets ms milliseconds pass. */
static void pass(long ms)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec it = { { 0, 0 }, { 0, ms * 1000000 } };
	uint64_t n;

	timerfd_settime(fd, 0, &it, NULL);
	(void)!read(fd, &n, sizeof(n));
	close(fd);
}

static void check_signal(void)
{
	struct sigevent ev = by_signal(SIGRTMIN, 42);
	struct itimerspec it;
	struct timespec now;
	siginfo_t info;
	sigset_t set;
	int id = -1;

	tap_group("timers that send a signal");
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	is_int(create(CLOCK_MONOTONIC, &ev, &id), 0, "timer_create");
	syscall(SYS_timer_gettime, id, &it);
	ok(!it.it_value.tv_sec && !it.it_value.tv_nsec, "not armed");
	is_int(settime(id, 0, 2000000, 0), 0, "armed");
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "its signal");
	is_int(info.si_code, SI_TIMER, "SI_TIMER");
	is_int(info.si_value.sival_int, 42, "its value");
	is_int(info.si_overrun, 0, "no overrun");
	is_int(syscall(SYS_timer_getoverrun, id), 0, "timer_getoverrun");
	is_int(settime(id, 0, 1000000, 1000000), 0, "every millisecond");
	pass(20);
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "one signal");
	ok(info.si_overrun > 5, "stands for many");
	is_int(syscall(SYS_timer_getoverrun, id), info.si_overrun,
	       "timer_getoverrun says how many");
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "and goes on");
	is_int(settime(id, 0, 500000000, 300000000), 0, "half a second");
	is_int(syscall(SYS_timer_gettime, id, &it), 0, "timer_gettime");
	ok(it.it_value.tv_sec == 0 && it.it_value.tv_nsec > 0, "what is left");
	is_int(it.it_interval.tv_nsec, 300000000, "the interval");
	clock_gettime(CLOCK_MONOTONIC, &now);
	it.it_interval.tv_nsec = 0;
	it.it_value = now;
	struct itimerspec old;
	is_int(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &it, &old), 0,
	       "a time that has passed");
	is_int(old.it_interval.tv_nsec, 300000000, "the old interval");
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "expires at once");
	is_int(settime(id, 0, 0, 0), 0, "disarmed");
	is_int(remove_timer(id), 0, "timer_delete");
	is_errno(remove_timer(id), EINVAL, "once");
	is_int(create(CLOCK_REALTIME, NULL, &id), 0, "no event: SIGALRM");
	settime(id, 0, 1000000, 0);
	is_int(sigwaitinfo(&set, &info), SIGALRM, "its signal");
	is_int(info.si_value.sival_int, id, "its value is the timer");
	remove_timer(id);
}

/* Nothing works expiry by expiry while nobody takes them. */
static void check_short(void)
{
	struct sigaction act = { .sa_handler = SIG_IGN };
	struct sigevent ev = by_signal(SIGRTMIN, 1);
	struct itimerspec it = { { 0, 1 }, { 0, 1000000 } };
	struct itimerval alarm = { { 0, 1 }, { 0, 1 } };
	struct timespec limit = { 5, 0 };
	siginfo_t info;
	sigset_t set;
	uint64_t ticks;
	int fd, id = -1;

	tap_group("intervals of nanoseconds");
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	must(create(CLOCK_MONOTONIC, &ev, &id) == 0);
	is_int(settime(id, 0, 1000000, 2), 0, "every 2 ns");
	pass(20);
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "one signal");
	ok(info.si_overrun >= 9000000, "millions of overruns, to the last");
	pass(2);
	sigaction(SIGRTMIN, &act, NULL);
	act.sa_handler = SIG_DFL;
	sigaction(SIGRTMIN, &act, NULL);
	is_int(sigtimedwait(&set, &info, &limit), SIGRTMIN,
	       "comes again after it was dropped");
	remove_timer(id);
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	must(timerfd_settime(fd, 0, &it, NULL) == 0);
	pass(20);
	is_int(read(fd, &ticks, 8), 8, "a timerfd");
	ok(ticks >= 18000000, "counts all of them");
	is_int(read(fd, &ticks, 8), 8, "and goes on");
	close(fd);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	must(setitimer(ITIMER_REAL, &alarm, NULL) == 0);
	for (int i = 0; i < 20; i++)
		must(sigwaitinfo(&set, &info) == SIGALRM);
	pass(2);
	alarm = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	is_int(setitimer(ITIMER_REAL, &alarm, NULL), 0, "alarms each us");
	is_int(sigtimedwait(&set, &info, &limit), SIGALRM, "leave one");
}

static void check_kinds(void)
{
	struct sigevent ev = by_signal(SIGRTMIN, 1);
	struct itimerspec it;
	siginfo_t info;
	sigset_t set;
	int id;

	tap_group("other kinds of timers");
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev._sigev_un._tid = (int)syscall(SYS_gettid);
	is_int(create(CLOCK_MONOTONIC, &ev, &id), 0, "SIGEV_THREAD_ID");
	settime(id, 0, 1000000, 0);
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "to the thread");
	remove_timer(id);
	ev.sigev_notify = SIGEV_NONE;
	is_int(create(CLOCK_MONOTONIC, &ev, &id), 0, "SIGEV_NONE");
	settime(id, 0, 1000000, 0);
	pass(5);
	syscall(SYS_timer_gettime, id, &it);
	is_int(it.it_value.tv_nsec, 0, "ends silently");
	remove_timer(id);
	ev.sigev_notify = SIGEV_SIGNAL;
	is_int(create(CLOCK_PROCESS_CPUTIME_ID, &ev, &id), 0, "of CPU time");
	settime(id, 0, 5000000, 0);
	for (;;) {
		sigset_t pending;

		sigpending(&pending);
		if (sigismember(&pending, SIGRTMIN))
			break;
	}
	is_int(sigwaitinfo(&set, &info), SIGRTMIN, "its signal");
	remove_timer(id);
	is_int(create(CLOCK_BOOTTIME, &ev, &id), 0, "CLOCK_BOOTTIME");
	remove_timer(id);
}

static int inherited;

static int in_child(void)
{
	struct itimerspec it;

	return syscall(SYS_timer_gettime, inherited, &it) < 0 ? errno : 0;
}

/* The second expiry is beyond what a clock can tell. */
static void check_long_period(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1 };
	struct itimerspec it = { { INT64_MAX, 0 }, { 0, 1 } };
	sigset_t set;
	int id;

	tap_group("a period without end");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(create(CLOCK_MONOTONIC, &ev, &id) == 0);
	is_int(syscall(SYS_timer_settime, id, 0, &it, NULL), 0, "is set");
	is_int(sigwaitinfo(&set, NULL), SIGUSR1, "expires");
	is_int(syscall(SYS_timer_gettime, id, &it), 0, "can be read");
	ok(it.it_value.tv_sec > 1000000, "and has long to go");
	remove_timer(id);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void check_hostile(void)
{
	struct sigevent ev = by_signal(SIGUSR1, 0);
	struct itimerspec it = { { 0, 0 }, { 0, 1000000000 } };
	static const int wrong[] = { -1, 0x7fffffff, 12345 };
	int id, none;

	tap_group("bad arguments");
	is_errno(create(99, &ev, &none), EINVAL, "no such clock");
	ev.sigev_signo = 0;
	is_errno(create(CLOCK_MONOTONIC, &ev, &none), EINVAL, "signal 0");
	ev.sigev_signo = 65;
	is_errno(create(CLOCK_MONOTONIC, &ev, &none), EINVAL, "signal 65");
	ev.sigev_signo = SIGUSR1;
	ev.sigev_notify = 77;
	is_errno(create(CLOCK_MONOTONIC, &ev, &none), EINVAL, "no such kind");
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev._sigev_un._tid = getpid() == 1 ? 2 : 1;
	is_errno(create(CLOCK_MONOTONIC, &ev, &none), EINVAL,
		 "a thread that is not ours");
	is_efault(syscall(SYS_timer_create, CLOCK_MONOTONIC, bp, &none),
		  "an event at bad addresses");
	is_efault(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, bp),
		  "an id to bad addresses");
	create(CLOCK_MONOTONIC, NULL, &id);
	is_errno(syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL,
		 "a whole second of nanoseconds");
	is_errno(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL,
		 "no time");
	is_efault(syscall(SYS_timer_settime, id, 0, bp, NULL),
		  "a time at bad addresses");
	it.it_value.tv_nsec = 0;
	is_efault(syscall(SYS_timer_settime, id, 0, &it, bp),
		  "the old time to bad addresses");
	is_efault(syscall(SYS_timer_gettime, id, bp),
		  "timer_gettime to bad addresses");
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		is_errno(settime(wrong[i], 0, 0, 0), EINVAL, "settime");
		is_errno(syscall(SYS_timer_gettime, wrong[i], &it), EINVAL,
			 "gettime");
		is_errno(syscall(SYS_timer_getoverrun, wrong[i]), EINVAL,
			 "getoverrun");
		is_errno(remove_timer(wrong[i]), EINVAL, "delete");
	}
	inherited = id;
	is_int(tap_child(in_child), EINVAL, "a child has no timers");
	remove_timer(id);
	for (int i = 0; i < 100; i++)
		if (create(CLOCK_MONOTONIC, NULL, &id) < 0)
			break;
	is_int(settime(id, 0, 0, 0), 0, "a hundred, left to the end");
}

/* As an ordinary user: the clocks are not for setting. */
static int clocks_denied(void)
{
	struct timespec ts = { 1, 0 };
	struct timeval tv = { 1, 0 };
	struct timex tx = { .modes = ADJ_FREQUENCY };

	must(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts) < 0);
	must(errno == EPERM);
	must(syscall(SYS_settimeofday, &tv, NULL) < 0 && errno == EPERM);
	must(syscall(SYS_settimeofday, NULL, NULL) < 0 && errno == EPERM);
	must(syscall(SYS_adjtimex, &tx) < 0 && errno == EPERM);
	must(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) < 0);
	must(errno == EPERM);
	return 0;
}

static void check_clocks(void)
{
	struct timespec bad = { 0, 1000000000 }, ts = { 1, 0 };
	struct timeval bad_tv = { 0, 1000001 };
	struct timex tx = { .modes = 0 };

	tap_group("setting clocks");
	is_int(tap_user_child(clocks_denied), 0, "not for ordinary users");
	is_errno(syscall(SYS_clock_settime, CLOCK_REALTIME, &bad), EINVAL,
		 "clock_settime: nanoseconds");
	is_errno(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL,
		 "clock_settime: a clock that cannot be set");
	is_errno(syscall(SYS_clock_settime, 99, &ts), EINVAL,
		 "clock_settime: no such clock");
	is_efault(syscall(SYS_clock_settime, CLOCK_REALTIME, bp),
		  "clock_settime from bad addresses");
	is_errno(syscall(SYS_settimeofday, &bad_tv, NULL), EINVAL,
		 "settimeofday: microseconds");
	is_efault(syscall(SYS_settimeofday, bp, NULL),
		  "settimeofday from bad addresses");
	is_efault(syscall(SYS_settimeofday, NULL, bp),
		  "a time zone at bad addresses");
	ok(syscall(SYS_adjtimex, &tx) >= 0, "adjtimex reads");
	ok(tx.tick > 9000 && tx.tick < 11000 && tx.time.tv_sec > 1600000000,
	   "the time and its ticks");
	tx.modes = ADJ_OFFSET_SS_READ;
	ok(syscall(SYS_adjtimex, &tx) >= 0, "what adjtime() has left to do");
	tx.modes = 0;
	ok(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx) >= 0,
	   "clock_adjtime reads");
	is_errno(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &tx), EOPNOTSUPP,
		 "clock_adjtime of another clock");
	is_errno(syscall(SYS_clock_adjtime, 99, &tx), EINVAL,
		 "clock_adjtime: no such clock");
	is_efault(syscall(SYS_adjtimex, bp), "adjtimex of bad addresses");
	is_efault(syscall(SYS_clock_adjtime, CLOCK_REALTIME, bp),
		  "clock_adjtime of bad addresses");
}

static int stopped_sleep(void)
{
	struct timespec ts = { 0, 50000000 };

	return nanosleep(&ts, NULL) < 0 ? errno : 0;
}

static void check_restart(void)
{
	pid_t pid;
	int status;

	tap_group("restart_syscall");
	is_errno(syscall(SYS_restart_syscall), EINTR, "nothing to restart");
	pid = tap_fork();
	if (pid == 0)
		_exit(stopped_sleep());
	tap_await_state(pid, "S");
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	is_int(WIFSTOPPED(status), 1, "stopped in its sleep");
	kill(pid, SIGCONT);
	is_int(tap_wait(pid), 0, "sleeps on after SIGCONT");
}

/* A vfork child arms a timer, then leaves the memory it has borrowed while the
 * timer looks at its time. */
static void check_exec(void)
{
	static const int which[] = { ITIMER_PROF, ITIMER_VIRTUAL };
	static const int sigs[] = { SIGPROF, SIGVTALRM };
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
	char *args[] = { "timer", "spin", NULL };
	int ended[2] = { 0, 0 };

	tap_group("timers of processor time and exec");
	for (int i = 0; i < 60; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			syscall(SYS_setitimer, which[i % 2], &it, NULL);
			execv("/proc/self/exe", args);
			_exit(99);
		}
		ended[i % 2] += tap_wait(pid) == 1000 + sigs[i % 2];
	}
	is_int(ended[0], 30, "ITIMER_PROF outlives it");
	is_int(ended[1], 30, "ITIMER_VIRTUAL, too");
}

static int spin(void)
{
	volatile int run = 1;

	alarm(TAP_SECONDS);
	while (run)
		;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "spin"))
		return spin();
	tap_start();
	check_signal();
	check_short();
	check_kinds();
	check_hostile();
	check_long_period();
	check_clocks();
	check_restart();
	check_exec();
	return tap_done();
}
