// SPDX-License-Identifier: Apache-2.0
/* Processor time: user and system time of oneself, threads and children, in all
 * the places that show it, and clocks, sleeps, timers and the limit on it. */
#include "tap.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#define MS 1000000LL

static long long clock_ns(clockid_t id)
{
	struct timespec ts = { -1, 0 };

	if (clock_gettime(id, &ts) < 0)
		return -errno;
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long tv_ns(struct timeval tv)
{
	return tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
}

static long long usage(int who, bool system)
{
	struct rusage ru;

	must(getrusage(who, &ru) == 0);
	return tv_ns(system ? ru.ru_stime : ru.ru_utime);
}

/* User time, by computing. */
static void burn(long long ns)
{
	long long end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
	volatile unsigned x = 1;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < 100000; i++)
			x = x * 1103515245 + 12345;
}

/* System time: fresh pages, again and again. */
static void burn_system(long long ns)
{
	long long end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
	size_t len = 8UL << 20;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; i < len; i += 4096)
			p[i] = 1;
		munmap(p, len);
	}
}

static void stat_times(const char *path, long v[4])
{
	char b[1024], *p;
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, b, sizeof(b) - 1);

	close(fd);
	must(n > 0);
	b[n] = '\0';
	p = strrchr(b, ')');
	must(p && sscanf(p + 2,
			 "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			 "%ld %ld %ld %ld",
			 &v[0], &v[1], &v[2], &v[3]) == 4);
}

static void check_self(void)
{
	struct tms t0, t1;
	long s0[4], s1[4];
	long long u0, u1, y0, y1, c0, c1;

	tap_group("one's own");
	times(&t0);
	stat_times("/proc/self/stat", s0);
	u0 = usage(RUSAGE_SELF, false);
	c0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	burn(200 * MS);
	u1 = usage(RUSAGE_SELF, false);
	c1 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	times(&t1);
	stat_times("/proc/self/stat", s1);
	ok(c1 - c0 >= 200 * MS, "the clock of the process");
	ok(u1 - u0 >= 120 * MS, "computing is user time");
	ok(t1.tms_utime - t0.tms_utime >= 10, "times()");
	ok(s1[0] - s0[0] >= 10, "/proc/self/stat");
	y0 = usage(RUSAGE_SELF, true);
	burn_system(600 * MS); /* the host samples it */
	y1 = usage(RUSAGE_SELF, true);
	times(&t0);
	stat_times("/proc/self/stat", s0);
	ok(y1 - y0 >= 60 * MS, "fresh pages are system time");
	ok(t0.tms_stime - t1.tms_stime >= 4, "times()");
	ok(s0[1] - s1[1] >= 4, "/proc/self/stat");
	u1 = usage(RUSAGE_SELF, false) + usage(RUSAGE_SELF, true);
	c1 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	ok(u1 <= c1 && c1 - u1 < 100 * MS, "both together are all");
}

static void check_monotonic(void)
{
	long long u = 0, s = 0;
	bool shrinks = false;

	for (int i = 0; i < 3000; i++) {
		long long nu = usage(RUSAGE_SELF, false);
		long long ns = usage(RUSAGE_SELF, true);

		shrinks |= nu < u || ns < s;
		u = nu;
		s = ns;
	}
	ok(!shrinks, "neither ever shrinks");
}

static long long thread_times[2];

static void *burner(void *arg)
{
	(void)arg;
	burn(100 * MS);
	thread_times[0] =
		usage(RUSAGE_THREAD, false) + usage(RUSAGE_THREAD, true);
	thread_times[1] = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void check_threads(void)
{
	long long before = usage(RUSAGE_THREAD, false);
	long long c = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	pthread_t t;
	clockid_t id;

	tap_group("threads");
	must(pthread_create(&t, NULL, burner, NULL) == 0);
	is_int(pthread_getcpuclockid(t, &id), 0, "a thread's clock");
	ok(clock_ns(id) >= 0, "can be read");
	pthread_join(t, NULL);
	ok(thread_times[0] >= 90 * MS && thread_times[1] >= 100 * MS,
	   "its own time");
	ok(usage(RUSAGE_THREAD, false) - before < 90 * MS, "not ours");
	ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - c >= 100 * MS,
	   "the process keeps it");
	is_int(clock_getcpuclockid(getpid(), &id), 0, "the process's clock");
	ok(clock_ns(id) >= 100 * MS, "shows it");
}

static void check_children(void)
{
	long long u = usage(RUSAGE_CHILDREN, false);
	struct rusage ru;
	struct tms t0, t1;
	siginfo_t info;
	long s0[4], s1[4];
	int status;
	pid_t pid;

	tap_group("children");
	times(&t0);
	stat_times("/proc/self/stat", s0);
	pid = tap_fork();
	if (pid == 0) {
		size_t len = 32UL << 20;
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memset(p, 1, len);
		burn(150 * MS);
		_exit(3);
	}
	must(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	ok(usage(RUSAGE_CHILDREN, false) == u, "not waited for: not yet");
	is_int(wait4(pid, &status, 0, &ru), pid, "wait4");
	ok(tv_ns(ru.ru_utime) >= 90 * MS, "its user time");
	ok(ru.ru_maxrss >= 30000, "the most memory it had");
	ok(usage(RUSAGE_CHILDREN, false) - u >= 90 * MS, "RUSAGE_CHILDREN");
	times(&t1);
	stat_times("/proc/self/stat", s1);
	ok(t1.tms_cutime - t0.tms_cutime >= 9, "times()");
	ok(s1[2] - s0[2] >= 9, "/proc/self/stat");
}

static void *burn_for_ever(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		burn(5 * MS);
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void check_sleep(void)
{
	struct timespec ts = { 0, 100 * MS }, rest = { 0, 0 };
	struct sigaction sa = { .sa_handler = on_signal };
	struct itimerval it = { .it_value = { 0, 50000 } };
	long long before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	int stop = 0;
	pthread_t t;

	tap_group("sleeping on them");
	must(pthread_create(&t, NULL, burn_for_ever, &stop) == 0);
	is_int(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, NULL), 0,
	       "until others have used 0.1 s");
	ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before >= 100 * MS,
	   "they have");
	before = clock_ns(CLOCK_PROCESS_CPUTIME_ID) + 50 * MS;
	ts.tv_sec = before / 1000000000;
	ts.tv_nsec = before % 1000000000;
	is_int(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME, &ts,
			       NULL),
	       0, "until a time");
	ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) >= before, "it is later");
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	ts.tv_sec = 1000;
	is_int(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, &rest), EINTR,
	       "a signal ends it");
	ok(rest.tv_sec >= 990 && rest.tv_sec <= 1000, "what was left");
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	is_int(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL), EINVAL,
	       "not one's own thread's");
	is_errno(syscall(SYS_clock_nanosleep, (int)(~0x0fffffffU << 3 | 2), 0,
			 &ts, NULL),
		 EINVAL, "not of nobody");
	is_efault(syscall(SYS_clock_nanosleep, CLOCK_PROCESS_CPUTIME_ID, 0, bp,
			  NULL),
		  "bad time");
}

static volatile int fired;

static void count(int sig)
{
	(void)sig;
	fired++;
}

static void check_timers(void)
{
	struct itimerval it = { .it_value = { 0, 100000 } };
	struct sigaction sa = { .sa_handler = count };
	long long before;

	tap_group("timers");
	sigaction(SIGVTALRM, &sa, NULL);
	sigaction(SIGPROF, &sa, NULL);
	before = usage(RUSAGE_SELF, false);
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	while (!fired)
		burn(5 * MS);
	ok(usage(RUSAGE_SELF, false) - before >= 80 * MS, "ITIMER_VIRTUAL");
	fired = 0;
	before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	setitimer(ITIMER_PROF, &it, NULL);
	while (!fired)
		burn_system(5 * MS);
	ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before >= 50 * MS,
	   "ITIMER_PROF");
}

static int burn_past_limit(void)
{
	struct rlimit l = { 1, 2 };

	must(setrlimit(RLIMIT_CPU, &l) == 0);
	burn(4000 * MS);
	return 0;
}

static int ignore_limit(void)
{
	signal(SIGXCPU, SIG_IGN);
	return burn_past_limit();
}

static void check_limit(void)
{
	tap_group("RLIMIT_CPU");
	is_int(tap_child(burn_past_limit), 1000 + SIGXCPU, "SIGXCPU kills");
	is_int(tap_child(ignore_limit), 1000 + SIGKILL,
	       "the hard limit cannot be ignored");
}

static void check_load(void)
{
	double a = -1, b = -1, c = -1, d[3];
	int run = -1, all = -1, last = -1;
	struct sysinfo info;
	char text[128];
	int fd = open("/proc/loadavg", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	tap_group("load");
	must(n > 0);
	text[n] = '\0';
	is_int(sscanf(text, "%lf %lf %lf %d/%d %d", &a, &b, &c, &run, &all,
		      &last),
	       6, "/proc/loadavg");
	ok(a >= 0 && b >= 0 && c >= 0 && run >= 1 && all >= run && last > 0,
	   "has sense");
	must(sysinfo(&info) == 0);
	is_int(getloadavg(d, 3), 3, "getloadavg");
	/* The load is looked at every five seconds. */
	for (int i = 0; i < 40 && (d[0] <= 0 || !info.loads[0]); i++) {
		burn(250 * MS);
		must(sysinfo(&info) == 0);
		must(getloadavg(d, 3) == 3);
	}
	ok(info.loads[0] > 0 && d[0] > 0, "somebody worked");
	close(fd);
}

int main(void)
{
	tap_start();
	check_self();
	check_monotonic();
	check_threads();
	check_children();
	check_sleep();
	check_timers();
	check_limit();
	check_load();
	return tap_done();
}
