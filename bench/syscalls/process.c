/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process asks of itself, signals, threads and children.
 */
#include "bench/syscalls/bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void op_getppid(void)
{
	syscall(SYS_getppid);
}

static void op_getpid(void)
{
	syscall(SYS_getpid);
}

static void op_gettid(void)
{
	syscall(SYS_gettid);
}

static void op_getuid(void)
{
	syscall(SYS_getuid);
}

static void op_getpgid(void)
{
	syscall(SYS_getpgid, 0);
}

static void op_umask(void)
{
	umask(022);
}

static void op_uname(void)
{
	struct utsname u;

	MUST(uname(&u) == 0);
}

static void op_clock_gettime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
}

static void op_clock_real(void)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
}

static void op_gettimeofday(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
}

static void op_clock_cpu(void)
{
	struct timespec ts;

	MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
}

static void op_getrusage(void)
{
	struct rusage ru;

	MUST(getrusage(RUSAGE_SELF, &ru) == 0);
}

static void op_times(void)
{
	struct tms t;

	times(&t);
}

static void op_getrlimit(void)
{
	struct rlimit rl;

	MUST(getrlimit(RLIMIT_NOFILE, &rl) == 0);
}

static void op_sysinfo(void)
{
	struct sysinfo si;

	MUST(sysinfo(&si) == 0);
}

static void op_getaffinity(void)
{
	cpu_set_t set;

	MUST(sched_getaffinity(0, sizeof(set), &set) == 0);
}

static void op_getpriority(void)
{
	MUST(getpriority(PRIO_PROCESS, 0) >= -20);
}

static void op_yield(void)
{
	sched_yield();
}

static void op_sigprocmask(void)
{
	sigset_t set;

	sigemptyset(&set);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

static void op_sigaction(void)
{
	struct sigaction sa;

	MUST(sigaction(SIGUSR2, NULL, &sa) == 0);
}

static void op_sigpending(void)
{
	sigset_t set;

	MUST(sigpending(&set) == 0);
}

static void on_signal(int sig)
{
	(void)sig;
}

static bool set_handler(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	return sigaction(SIGUSR2, &sa, NULL) == 0;
}

static void op_kill_self(void)
{
	MUST(kill(getpid(), SIGUSR2) == 0);
}

static void op_kill_0(void)
{
	MUST(kill(getpid(), 0) == 0);
}

static void op_sigaltstack(void)
{
	stack_t st;

	MUST(sigaltstack(NULL, &st) == 0);
}

static void op_setitimer(void)
{
	struct itimerval it = { .it_value = { .tv_sec = 1000 } };

	MUST(setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static void end_itimer(void)
{
	struct itimerval it = { 0 };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void *thread_main(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t t;

	MUST(pthread_create(&t, NULL, thread_main, NULL) == 0);
	pthread_join(t, NULL);
}

static struct {
	int turn __attribute__((aligned(64)));
	int stop;
} ball;
static pthread_t player;

static void futex_wait(int *word, int value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *futex_player(void *arg)
{
	for (;;) {
		while (__atomic_load_n(&ball.turn, __ATOMIC_ACQUIRE) != 1) {
			if (__atomic_load_n(&ball.stop, __ATOMIC_ACQUIRE))
				return arg;
			futex_wait(&ball.turn, 0);
		}
		__atomic_store_n(&ball.turn, 0, __ATOMIC_RELEASE);
		futex_wake(&ball.turn);
	}
}

static bool start_player(void)
{
	ball.stop = 0;
	return pthread_create(&player, NULL, futex_player, NULL) == 0;
}

static void stop_player(void)
{
	__atomic_store_n(&ball.stop, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&ball.turn, 2, __ATOMIC_RELEASE);
	futex_wake(&ball.turn);
	pthread_join(player, NULL);
	ball.turn = 0;
}

static void op_futex(void)
{
	__atomic_store_n(&ball.turn, 1, __ATOMIC_RELEASE);
	futex_wake(&ball.turn);
	while (__atomic_load_n(&ball.turn, __ATOMIC_ACQUIRE) != 0)
		futex_wait(&ball.turn, 1);
}

static void reap(pid_t pid)
{
	int status;

	MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static void op_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void op_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void op_spawn(void)
{
	char *argv[] = { self, (char *)"exit", NULL };
	char *envp[] = { NULL };
	pid_t pid;

	MUST(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0);
	reap(pid);
}

static void op_wait_none(void)
{
	MUST(waitpid(-1, NULL, WNOHANG) == -1);
}

const struct bench process_benches[] = {
	{ "getppid", op_getppid, NULL, NULL },
	{ "getpid", op_getpid, NULL, NULL },
	{ "gettid", op_gettid, NULL, NULL },
	{ "getuid", op_getuid, NULL, NULL },
	{ "getpgid", op_getpgid, NULL, NULL },
	{ "umask", op_umask, NULL, NULL },
	{ "uname", op_uname, NULL, NULL },
	{ "clock_gettime", op_clock_gettime, NULL, NULL },
	{ "clock_gettime_call", op_clock_real, NULL, NULL },
	{ "gettimeofday", op_gettimeofday, NULL, NULL },
	{ "clock_thread_cpu", op_clock_cpu, NULL, NULL },
	{ "getrusage", op_getrusage, NULL, NULL },
	{ "times", op_times, NULL, NULL },
	{ "getrlimit", op_getrlimit, NULL, NULL },
	{ "sysinfo", op_sysinfo, NULL, NULL },
	{ "sched_getaffinity", op_getaffinity, NULL, NULL },
	{ "getpriority", op_getpriority, NULL, NULL },
	{ "sched_yield", op_yield, NULL, NULL },
	{ "sigprocmask", op_sigprocmask, NULL, NULL },
	{ "sigaction", op_sigaction, NULL, NULL },
	{ "sigpending", op_sigpending, NULL, NULL },
	{ "sigaltstack", op_sigaltstack, NULL, NULL },
	{ "kill_self_handler", op_kill_self, set_handler, NULL },
	{ "kill_0", op_kill_0, NULL, NULL },
	{ "setitimer", op_setitimer, NULL, end_itimer },
	{ "wait_none", op_wait_none, NULL, NULL },
	{ "thread", op_thread, NULL, NULL },
	{ "futex_pingpong", op_futex, start_player, stop_player },
	{ "fork_exit_wait", op_fork, NULL, NULL },
	{ "vfork_exit_wait", op_vfork, NULL, NULL },
	{ "spawn_exit_wait", op_spawn, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};
