/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Costs of single operations, in nanoseconds: one line "name ns" each. An
 * ordinary Linux program, run natively and as an instance by bench/run. Each
 * operation is repeated for about 40 ms after a warm-up, five times; the
 * median counts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int zero_fd, null_fd, file_fd, pipe_fds[2], pair_fds[2], event_fd,
	epoll_fd;
static char dir[64], path[96], buf[65536];
static char *self;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void op_getppid(void)
{
	syscall(SYS_getppid);
}

static void op_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
}

static void op_read_zero(void)
{
	if (read(zero_fd, buf, 1) != 1)
		abort();
}

static void op_write_null(void)
{
	if (write(null_fd, buf, 1) != 1)
		abort();
}

static void op_pread(void)
{
	if (pread(file_fd, buf, 4096, 8192) != 4096)
		abort();
}

static void op_open(void)
{
	close(open(path, O_RDONLY));
}

static void op_stat(void)
{
	struct stat st;

	if (stat(path, &st))
		abort();
}

static void op_pipe(void)
{
	if (write(pipe_fds[1], buf, 1) != 1 || read(pipe_fds[0], buf, 1) != 1)
		abort();
}

static void op_unix(void)
{
	if (write(pair_fds[0], buf, 1) != 1 || read(pair_fds[1], buf, 1) != 1)
		abort();
}

static void op_eventfd(void)
{
	unsigned long one = 1;

	if (write(event_fd, &one, 8) != 8 || read(event_fd, &one, 8) != 8)
		abort();
}

static void op_epoll_ctl(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, pipe_fds[0], &ev))
		abort();
}

static void op_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, &status, 0);
}

static void op_spawn(void)
{
	char *argv[] = { self, (char *)"exit", NULL };
	char *envp[] = { NULL };
	pid_t pid;
	int status;

	if (posix_spawn(&pid, self, NULL, NULL, argv, envp))
		abort();
	waitpid(pid, &status, 0);
}

static void *thread_main(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, thread_main, NULL))
		abort();
	pthread_join(t, NULL);
}

static void op_mmap(void)
{
	char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 65536; i += 4096)
		p[i] = 1;
	munmap(p, 65536);
}

static struct {
	int turn __attribute__((aligned(64)));
	int stop;
} ball;

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
	(void)arg;
	for (;;) {
		while (__atomic_load_n(&ball.turn, __ATOMIC_ACQUIRE) != 1) {
			if (__atomic_load_n(&ball.stop, __ATOMIC_ACQUIRE))
				return NULL;
			futex_wait(&ball.turn, 0);
		}
		__atomic_store_n(&ball.turn, 0, __ATOMIC_RELEASE);
		futex_wake(&ball.turn);
	}
}

static void op_futex(void)
{
	__atomic_store_n(&ball.turn, 1, __ATOMIC_RELEASE);
	futex_wake(&ball.turn);
	while (__atomic_load_n(&ball.turn, __ATOMIC_ACQUIRE) != 0)
		futex_wait(&ball.turn, 1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void measure(const char *name, void (*op)(void))
{
	double best[5], start, stop;
	long n = 1;

	for (start = now_ns(), stop = start; stop - start < 10e6; n *= 2) {
		start = now_ns();
		for (long i = 0; i < n; i++)
			op();
		stop = now_ns();
	}
	n = (long)((double)n / 2 * 40e6 / (stop - start)) + 1;
	for (int round = 0; round < 5; round++) {
		start = now_ns();
		for (long i = 0; i < n; i++)
			op();
		best[round] = (now_ns() - start) / (double)n;
	}
	qsort(best, 5, sizeof(best[0]), compare);
	printf("%s %.1f\n", name, best[2]);
	fflush(stdout);
}

static void set_up(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	snprintf(dir, sizeof(dir), "/dev/shm/microXXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/file", dir);
	file_fd = open(path, O_RDWR | O_CREAT, 0600);
	zero_fd = open("/dev/zero", O_RDONLY);
	null_fd = open("/dev/null", O_WRONLY);
	event_fd = eventfd(0, 0);
	epoll_fd = epoll_create1(0);
	if (write(file_fd, buf, sizeof(buf)) != sizeof(buf) || zero_fd < 0 ||
	    null_fd < 0 || pipe(pipe_fds) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair_fds) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pipe_fds[0], &ev))
		abort();
}

static const struct {
	const char *name;
	void (*op)(void);
} ops[] = {
	{ "getppid", op_getppid },
	{ "clock_gettime", op_clock },
	{ "read_zero_1", op_read_zero },
	{ "write_null_1", op_write_null },
	{ "pread_4k", op_pread },
	{ "open_close", op_open },
	{ "stat", op_stat },
	{ "pipe_1", op_pipe },
	{ "unix_1", op_unix },
	{ "eventfd", op_eventfd },
	{ "epoll_ctl", op_epoll_ctl },
	{ "mmap_touch_64k", op_mmap },
	{ "thread", op_thread },
	{ "futex_pingpong", op_futex },
	{ "fork_exit_wait", op_fork },
	{ "spawn_exit_wait", op_spawn },
};

int main(int argc, char **argv)
{
	pthread_t player;

	if (argc > 1 && strcmp(argv[1], "exit") == 0)
		return 0;
	self = argv[0];
	set_up();
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (argc > 1 && strcmp(argv[1], ops[i].name) != 0)
			continue;
		if (ops[i].op == op_futex)
			pthread_create(&player, NULL, futex_player, NULL);
		measure(ops[i].name, ops[i].op);
		if (ops[i].op == op_futex) {
			__atomic_store_n(&ball.stop, 1, __ATOMIC_RELEASE);
			futex_wake(&ball.turn);
			pthread_join(player, NULL);
		}
	}
	unlink(path);
	rmdir(dir);
	return 0;
}
