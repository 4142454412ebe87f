// SPDX-License-Identifier: Apache-2.0
/* eventfd, timerfd, signalfd and epoll. poll and select have poll.c. */
#include "tap.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

static int ready(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void check_eventfd(void)
{
	int fd = eventfd(3, EFD_NONBLOCK), sem;
	uint64_t v = 0;

	tap_group("eventfd");
	is_int(read(fd, &v, 8), 8, "read");
	is_int(v, 3, "the first value");
	is_errno(read(fd, &v, 8), EAGAIN, "then nothing");
	is_int(ready(fd, POLLIN | POLLOUT), POLLOUT, "writable only");
	v = 5;
	(void)!write(fd, &v, 8);
	is_int(write(fd, &v, 8), 8, "writes");
	is_int(ready(fd, POLLIN | POLLOUT), POLLIN | POLLOUT, "readable");
	(void)!read(fd, &v, 8);
	is_int(v, 10, "add up");
	v = 0xfffffffffffffffe;
	is_int(write(fd, &v, 8), 8, "the largest");
	is_int(ready(fd, POLLIN | POLLOUT), POLLIN, "full: not writable");
	v = 1;
	is_errno(write(fd, &v, 8), EAGAIN, "does not fit");
	v = ~0ULL;
	is_errno(write(fd, &v, 8), EINVAL, "never fits");
	is_errno(write(fd, &v, 4), EINVAL, "four bytes to write");
	is_errno(read(fd, &v, 4), EINVAL, "four bytes to read");
	is_efault(syscall(SYS_write, fd, bp, 8), "from bad addresses");
	close(fd);
	sem = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	is_int(fcntl(sem, F_GETFD), FD_CLOEXEC, "EFD_CLOEXEC");
	(void)!read(sem, &v, 8);
	is_int(v, 1, "a semaphore gives one");
	is_int(read(sem, &v, 8), 8, "twice");
	is_errno(read(sem, &v, 8), EAGAIN, "then none");
	close(sem);
	is_errno(eventfd(0, 0x10), EINVAL, "bad flag");
	fd = eventfd(0, 0);
	if (tap_fork() == 0) {
		v = 9;
		must(write(fd, &v, 8) == 8);
		_exit(0);
	}
	is_int(read(fd, &v, 8) == 8 && v == 9, 1, "waits for a child's write");
	wait(NULL);
	close(fd);
}

static void check_timerfd(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct itimerspec it = { { 0, 0 }, { 0, 2000000 } }, cur;
	struct timespec now;
	uint64_t n = 0;

	tap_group("timerfd");
	is_errno(read(fd, &n, 8), EAGAIN, "not set");
	is_int(timerfd_settime(fd, 0, &it, NULL), 0, "one shot");
	struct pollfd p = { .fd = fd, .events = POLLIN };
	is_int(poll(&p, 1, -1), 1, "readable after a while");
	is_int(read(fd, &n, 8) == 8 && n == 1, 1, "one expiry");
	is_errno(read(fd, &n, 8), EAGAIN, "only one");
	it.it_interval.tv_nsec = 1000000;
	timerfd_settime(fd, 0, &it, NULL);
	fcntl(fd, F_SETFL, 0);
	for (uint64_t sum = 0; sum < 5; sum += n)
		if (read(fd, &n, 8) != 8)
			break;
	ok(n >= 1, "an interval, blocking");
	is_int(timerfd_gettime(fd, &cur), 0, "gettime");
	ok(cur.it_interval.tv_nsec == 1000000 && cur.it_value.tv_sec == 0 &&
		   cur.it_value.tv_nsec <= 1000000,
	   "tells interval and rest");
	memset(&it, 0, sizeof(it));
	it.it_value.tv_sec = 100;
	timerfd_settime(fd, 0, &it, &cur);
	is_int(cur.it_interval.tv_nsec, 1000000, "settime gives the old one");
	clock_gettime(CLOCK_MONOTONIC, &now);
	it.it_value = now;
	is_int(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL), 0,
	       "absolute");
	is_int(read(fd, &n, 8) == 8 && n == 1, 1, "a time that is now");
	memset(&it, 0, sizeof(it));
	timerfd_settime(fd, 0, &it, NULL);
	timerfd_gettime(fd, &cur);
	is_int(cur.it_value.tv_nsec, 0, "zero disarms");
	it.it_value.tv_nsec = 1000000000;
	is_errno(timerfd_settime(fd, 0, &it, NULL), EINVAL, "bad nsec");
	is_errno(timerfd_settime(fd, 0x80, &it, NULL), EINVAL, "bad flag");
	is_errno(timerfd_settime(0x7fff, 0, &cur, NULL), EBADF, "closed");
	is_errno(timerfd_gettime(1, &cur), EINVAL, "not a timer");
	is_errno(timerfd_create(99, 0), EINVAL, "bad clock");
	is_errno(timerfd_create(CLOCK_REALTIME, 0x7), EINVAL, "bad flags");
	is_efault(syscall(SYS_timerfd_settime, fd, 0, bp, NULL), "bad ones");
	is_efault(syscall(SYS_timerfd_gettime, fd, bp), "gettime to bad ones");
	is_errno(read(fd, &n, 4), EINVAL, "four bytes");
	is_errno(write(fd, &n, 8), EINVAL, "cannot be written");
	close(fd);
}

static void check_signalfd(void)
{
	sigset_t set, old;
	int fd;
	struct signalfd_siginfo si[3];
	union sigval v = { .sival_int = 77 };
	pid_t pid;

	tap_group("signalfd");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	ok(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "made");
	is_int(sizeof(si[0]), 128, "128 bytes each");
	is_errno(read(fd, si, sizeof(si)), EAGAIN, "nothing pending");
	raise(SIGUSR1);
	is_int(ready(fd, POLLIN), POLLIN, "readable");
	sigqueue(getpid(), SIGRTMIN, v);
	sigqueue(getpid(), SIGRTMIN, v);
	is_int(read(fd, si, sizeof(si)), 3 * 128, "three at once");
	ok(si[0].ssi_signo == SIGUSR1 && si[0].ssi_pid == (uint32_t)getpid(),
	   "the first");
	ok(si[1].ssi_signo == (uint32_t)SIGRTMIN && si[1].ssi_int == 77 &&
		   si[1].ssi_code == SI_QUEUE,
	   "a queued one with its value");
	pid = tap_fork();
	if (pid == 0)
		_exit(4);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	is_int(poll(&p, 1, -1), 1, "a child ended");
	is_int(read(fd, si, sizeof(si)), 128, "one");
	ok(si[0].ssi_signo == SIGCHLD && si[0].ssi_pid == (uint32_t)pid &&
		   si[0].ssi_status == 4 && si[0].ssi_code == CLD_EXITED,
	   "SIGCHLD with status");
	tap_wait(pid);
	sigdelset(&set, SIGUSR1);
	is_int(signalfd(fd, &set, 0), fd, "a new mask");
	raise(SIGUSR1);
	is_int(ready(fd, POLLIN), 0, "no longer seen");
	is_errno(signalfd(-1, &set, 0x3), EINVAL, "bad flags");
	is_errno(signalfd(1, &set, 0), EINVAL, "not a signalfd");
	is_errno(signalfd(9999, &set, 0), EBADF, "closed");
	is_efault(syscall(SYS_signalfd4, -1, bp, 8, 0), "bad addresses");
	is_errno(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL, "bad size");
	is_errno(read(fd, si, 100), EINVAL, "too little room");
	sigaddset(&set, SIGUSR1);
	sigtimedwait(&set, NULL, &(struct timespec){ 0, 0 });
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd);
}

static int add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int mod(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}

/* The events of the only ready entry; 0 if none, -1 if more than one. */
static long only(int ep)
{
	struct epoll_event e[4];
	int n = epoll_wait(ep, e, 4, 0);

	return n == 1 ? (long)e[0].events : n ? -1 : 0;
}

static void check_epoll_modes(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), sv[2], d;
	char buf[16];
	struct epoll_event e[4];

	tap_group("epoll");
	(void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
	is_int(fcntl(ep, F_GETFD), FD_CLOEXEC, "EPOLL_CLOEXEC");
	is_int(only(ep), 0, "empty");
	is_int(add(ep, sv[0], EPOLLIN, 0x1122334455667788), 0, "ADD");
	is_int(only(ep), 0, "nothing yet");
	(void)!write(sv[1], "abc", 3);
	is_int(epoll_wait(ep, e, 4, -1), 1, "level");
	ok(e[0].events == EPOLLIN && e[0].data.u64 == 0x1122334455667788,
	   "events and data");
	is_int(only(ep), EPOLLIN, "again and again");
	is_int(mod(ep, sv[0], EPOLLIN | EPOLLET, 1), 0, "MOD to edge");
	is_int(only(ep), EPOLLIN, "tells what is there");
	is_int(only(ep), 0, "once");
	(void)!read(sv[0], buf, 1);
	is_int(only(ep), 0, "reading a part changes nothing");
	(void)!write(sv[1], "d", 1);
	is_int(only(ep), EPOLLIN, "new data is an edge");
	is_int(mod(ep, sv[0], EPOLLIN | EPOLLONESHOT, 1), 0, "MOD to oneshot");
	is_int(only(ep), EPOLLIN, "tells once");
	(void)!write(sv[1], "e", 1);
	is_int(only(ep), 0, "never again");
	is_int(mod(ep, sv[0], EPOLLIN | EPOLLONESHOT, 1), 0, "armed again");
	is_int(only(ep), EPOLLIN, "tells again");
	mod(ep, sv[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP, 1);
	is_int(only(ep), EPOLLIN | EPOLLOUT, "two events");
	shutdown(sv[1], SHUT_WR);
	is_int(only(ep), EPOLLIN | EPOLLOUT | EPOLLRDHUP, "EPOLLRDHUP");
	mod(ep, sv[0], 0, 1);
	is_int(only(ep), 0, "no interest");
	close(sv[1]);
	is_int(only(ep), EPOLLHUP, "EPOLLHUP comes unasked");
	d = dup(sv[0]);
	close(sv[0]);
	is_int(only(ep), EPOLLHUP, "a dup keeps the entry");
	close(d);
	is_int(only(ep), 0, "the last close takes it away");
	close(ep);
}

/* More than any batch inside. */
static void check_epoll_full(void)
{
	enum { N = 900 };
	static struct epoll_event e[2 * N];
	static bool seen[N];
	int ep = epoll_create1(0), fds[N], n, once = 0;

	tap_group("epoll with hundreds ready");
	for (int i = 0; i < N; i++) {
		fds[i] = eventfd(1, 0);
		add(ep, fds[i], EPOLLIN, (uint64_t)i);
	}
	n = epoll_wait(ep, e, 2 * N, -1);
	is_int(n, N, "all at once");
	for (int i = 0; i < n; i++)
		if (!seen[e[i].data.u64]) {
			seen[e[i].data.u64] = true;
			once++;
		}
	is_int(once, N, "each once");
	is_int(epoll_wait(ep, e, 700, -1), 700, "as many as fit");
	is_int(epoll_wait(ep, e, 2 * N, -1), N, "and all again");
	for (int i = 0; i < N; i++)
		mod(ep, fds[i], EPOLLIN | EPOLLET, (uint64_t)i);
	is_int(epoll_wait(ep, e, 2 * N, -1), N, "each edge");
	is_int(epoll_wait(ep, e, 2 * N, 0), 0, "once");
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(ep);
}

static void check_epoll_many(void)
{
	int ep = epoll_create(1), fds[100], other = epoll_create1(0), n, seen;
	uint64_t one = 1;
	struct epoll_event e[64];
	bool twice[100] = { false };

	tap_group("epoll with many");
	for (int i = 0; i < 100; i++) {
		fds[i] = eventfd(1, EFD_NONBLOCK);
		add(ep, fds[i], EPOLLIN | EPOLLET, (uint64_t)i);
	}
	for (seen = 0; (n = epoll_wait(ep, e, 7, 0)) > 0; seen += n)
		for (int i = 0; i < n; i++) {
			if (twice[e[i].data.u64])
				seen += 1000;
			twice[e[i].data.u64] = true;
		}
	is_int(seen, 100, "a hundred, seven at a time, each once");
	(void)!write(fds[55], &one, 8);
	is_int(epoll_wait(ep, e, 64, -1), 1, "one more edge");
	is_int(e[0].data.u64, 55, "from the right one");
	for (int i = 0; i < 100; i++)
		mod(ep, fds[i], EPOLLIN, (uint64_t)i);
	is_int(epoll_wait(ep, e, 64, 0), 64, "as many as fit");
	is_int(add(other, ep, EPOLLIN, 5), 0, "an epoll inside another");
	is_int(only(other), EPOLLIN, "is readable");
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	is_int(epoll_wait(ep, e, 64, 0), 0, "all closed");
	is_int(only(other), 0, "seen outside");
	is_int(ready(other, POLLIN), 0, "and by poll");
	close(other);
	close(ep);
}

static void check_epoll_errors(void)
{
	int ep = epoll_create1(0), ep2 = epoll_create1(0), fds[2];
	int file = open("f", O_RDWR | O_CREAT, 0600);
	struct epoll_event e = { .events = EPOLLIN };

	tap_group("epoll errors");
	(void)!pipe(fds);
	is_int(add(ep, fds[0], EPOLLIN, 0), 0, "a pipe");
	is_errno(add(ep, fds[0], EPOLLIN, 0), EEXIST, "twice");
	is_errno(mod(ep, fds[1], EPOLLIN, 0), ENOENT, "MOD of a stranger");
	is_errno(epoll_ctl(ep, EPOLL_CTL_DEL, fds[1], NULL), ENOENT, "DEL");
	is_int(epoll_ctl(ep, EPOLL_CTL_DEL, fds[0], NULL), 0, "DEL");
	is_errno(add(ep, file, EPOLLIN, 0), EPERM, "an ordinary file");
	is_errno(add(ep, 9999, EPOLLIN, 0), EBADF, "closed");
	is_errno(add(9999, fds[0], EPOLLIN, 0), EBADF, "closed epoll");
	is_errno(add(fds[0], fds[1], EPOLLIN, 0), EINVAL, "not an epoll");
	is_errno(add(ep, ep, EPOLLIN, 0), EINVAL, "itself");
	add(ep, ep2, EPOLLIN, 0);
	is_errno(add(ep2, ep, EPOLLIN, 0), ELOOP, "a loop");
	is_errno(epoll_ctl(ep, 9, fds[0], &e), EINVAL, "bad operation");
	is_efault(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fds[0], bp),
		  "event at bad addresses");
	is_errno(epoll_wait(ep, &e, 0, 0), EINVAL, "no events");
	is_errno(syscall(SYS_epoll_wait, ep, &e, -1, 0), EINVAL, "-1 events");
	is_errno(epoll_wait(9999, &e, 1, 0), EBADF, "closed");
	is_errno(epoll_wait(fds[0], &e, 1, 0), EINVAL, "not an epoll");
	add(ep, fds[1], EPOLLOUT, 0);
	is_efault(syscall(SYS_epoll_wait, ep, bp, 1, 0), "bad addresses");
	is_errno(add(ep, fds[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0),
		 EINVAL, "EPOLLEXCLUSIVE with EPOLLONESHOT");
	is_int(add(ep, fds[0], EPOLLIN | EPOLLEXCLUSIVE, 0), 0, "exclusive");
	is_errno(mod(ep, fds[0], EPOLLIN, 0), EINVAL, "cannot be changed");
	is_errno(syscall(SYS_epoll_create, 0), EINVAL, "epoll_create(0)");
	is_errno(epoll_create1(5), EINVAL, "epoll_create1: bad flag");
	close(ep);
	close(ep2);
	close(fds[0]);
	close(fds[1]);
	close(file);
}

static volatile int got_usr1;

static void on_usr1(int sig)
{
	(void)sig;
	got_usr1++;
}

static void *late_write(void *arg)
{
	int *fds = arg;

	tap_await_state(fds[2], "S");
	tap_post(fds[1]);
	return NULL;
}

static void check_epoll_wait(void)
{
	int ep = epoll_create1(0), fds[3];
	struct epoll_event e;
	struct timespec a, b;
	sigset_t none, usr1;
	pthread_t t;

	tap_group("epoll_wait");
	(void)!pipe(fds);
	fds[2] = (int)syscall(SYS_gettid);
	add(ep, fds[0], EPOLLIN, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	is_int(epoll_wait(ep, &e, 1, 20), 0, "a timeout");
	clock_gettime(CLOCK_MONOTONIC, &b);
	ok((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >=
		   20000000,
	   "not too early");
	pthread_create(&t, NULL, late_write, fds);
	is_int(epoll_wait(ep, &e, 1, -1), 1, "woken by another thread");
	pthread_join(t, NULL);
	tap_await(fds[0]);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGUSR1, on_usr1);
	raise(SIGUSR1);
	is_int(epoll_pwait(ep, &e, 1, 0, &usr1), 0, "epoll_pwait, blocked");
	is_int(got_usr1, 0, "no handler");
	is_errno(epoll_pwait(ep, &e, 1, -1, &none), EINTR, "unblocked: EINTR");
	is_int(got_usr1, 1, "the handler ran");
	sigprocmask(SIG_BLOCK, NULL, &none);
	ok(sigismember(&none, SIGUSR1), "the mask is back");
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	is_efault(syscall(SYS_epoll_pwait, ep, &e, 1, 0, bp, 8), "bad mask");
	is_errno(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &none, 4), EINVAL,
		 "bad mask size");
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

/* A crowd of waiters on one event: with EPOLLEXCLUSIVE each of n events is
 * taken once, and nobody sleeps on. */
static void check_exclusive(void)
{
	int sem = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
	pid_t pids[4];
	uint64_t v;
	int sum = 0;

	tap_group("exclusive waiters");
	for (int i = 0; i < 4; i++) {
		pids[i] = tap_fork();
		if (pids[i] == 0) {
			int ep = epoll_create1(0);
			struct epoll_event e;

			add(ep, sem, EPOLLIN | EPOLLEXCLUSIVE, 0);
			for (;;) {
				must(epoll_wait(ep, &e, 1, -1) == 1);
				if (read(sem, &v, 8) == 8)
					_exit(1);
			}
		}
	}
	for (int i = 0; i < 4; i++) {
		v = 1;
		(void)!write(sem, &v, 8);
	}
	for (int i = 0; i < 4; i++)
		sum += tap_wait(pids[i]);
	is_int(sum, 4, "four events, four takers");
	close(sem);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_eventfd();
	check_timerfd();
	check_signalfd();
	check_epoll_modes();
	check_epoll_many();
	check_epoll_full();
	check_epoll_errors();
	check_epoll_wait();
	check_exclusive();
	return tap_done();
}
