/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits until a real time (or a time since boot) in an instance that is
 * suspended until it has passed: all must end at the wake, once, before a wait
 * on monotonic time, which stood still. Prints "armed", then the name of each
 * wait that ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 4

static struct timespec real, boot, mono;
static pthread_barrier_t begin;
static sem_t done;

static void must(int ok, const char *what)
{
	if (!ok) {
		printf("%s: error %d\n", what, errno);
		exit(1);
	}
}

static void sleep_real(void)
{
	must(!clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &real, NULL),
	     "clock_nanosleep");
}

static void sleep_boot(void)
{
	must(!clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &boot, NULL),
	     "clock_nanosleep");
}

static void sleep_monotonic(void)
{
	must(!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &mono, NULL),
	     "clock_nanosleep");
}

static void wait_semaphore(void)
{
	sem_t sem;

	sem_init(&sem, 0, 0);
	must(sem_timedwait(&sem, &real) < 0 && errno == ETIMEDOUT, "sem");
}

static void wait_shared_futex(void)
{
	static uint32_t word;

	must(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME,
		     0, &real, NULL, FUTEX_BITSET_MATCH_ANY) < 0 &&
		     errno == ETIMEDOUT,
	     "futex");
}

static void wait_lock(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_NORMAL);
	pthread_mutex_init(&m, &attr);
	pthread_mutex_lock(&m);
	must(pthread_mutex_timedlock(&m, &real) == ETIMEDOUT, "mutex");
}

static void wait_message(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	mqd_t q = mq_open("/slept", O_RDWR | O_CREAT, 0600, &attr);
	char buf[8];

	must(q >= 0, "mq_open");
	must(mq_timedreceive(q, buf, sizeof(buf), NULL, &real) < 0 &&
		     errno == ETIMEDOUT,
	     "mq_timedreceive");
}

static void read_timer(int clock, const struct timespec *at)
{
	struct itimerspec it = { .it_value = *at };
	int fd = timerfd_create(clock, 0);
	uint64_t n = 0;

	must(!timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL), "timerfd");
	must(read(fd, &n, sizeof(n)) == sizeof(n) && n == 1, "timerfd");
	must(!timerfd_gettime(fd, &it) && !it.it_value.tv_sec, "timerfd");
}

static void read_timerfd(void)
{
	read_timer(CLOCK_REALTIME, &real);
}

static void read_timerfd_boot(void)
{
	read_timer(CLOCK_BOOTTIME, &boot);
}

static void wait_signal(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR1 };
	struct itimerspec it = { .it_value = real };
	sigset_t set;
	timer_t t;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(!timer_create(CLOCK_REALTIME, &ev, &t), "timer_create");
	must(!timer_settime(t, TIMER_ABSTIME, &it, NULL), "timer_settime");
	must(!sigwait(&set, &sig), "sigwait");
	must(!sigpending(&set) && !sigismember(&set, SIGUSR1), "once");
}

static const struct wait {
	const char *name;
	void (*wait)(void);
} waits[] = {
	{ "real", sleep_real },		 { "boot", sleep_boot },
	{ "semaphore", wait_semaphore }, { "futex", wait_shared_futex },
	{ "lock", wait_lock },		 { "message", wait_message },
	{ "timerfd", read_timerfd },	 { "timerfd-boot", read_timerfd_boot },
	{ "timer", wait_signal },
};

#define NWAITS (sizeof(waits) / sizeof(waits[0]))

static void *run(void *arg)
{
	const struct wait *w = arg;

	pthread_barrier_wait(&begin);
	w->wait();
	puts(w->name);
	sem_post(&done);
	return NULL;
}

static struct timespec in_some_seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_sec += SECONDS;
	return ts;
}

int main(void)
{
	sigset_t set;
	pthread_t t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sem_init(&done, 0, 0);
	pthread_barrier_init(&begin, NULL, NWAITS + 1);
	for (size_t i = 0; i < NWAITS; i++)
		must(!pthread_create(&t, NULL, run, (void *)&waits[i]),
		     "thread");
	real = in_some_seconds(CLOCK_REALTIME);
	boot = in_some_seconds(CLOCK_BOOTTIME);
	mono = in_some_seconds(CLOCK_MONOTONIC);
	pthread_barrier_wait(&begin);
	puts("armed");
	sleep_monotonic();
	puts("monotonic");
	for (size_t i = 0; i < NWAITS; i++)
		sem_wait(&done);
	puts("all");
	return 0;
}
