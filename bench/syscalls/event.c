/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes, eventfds, timerfds and the calls that wait for readiness, where
 * something is ready or nothing is waited for.
 */
#include "bench/syscalls/bench.h"

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FDS_MAX 100

static int ends[2], fd, epoll_fd;
static struct pollfd pfds[FDS_MAX];

static bool open_pipe(void)
{
	return pipe(ends) == 0;
}

static void close_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void op_pipe_1(void)
{
	MUST(write(ends[1], buf, 1) == 1 && read(ends[0], buf, 1) == 1);
}

static void op_pipe_4k(void)
{
	MUST(write(ends[1], buf, 4096) == 4096);
	MUST(read(ends[0], buf, 4096) == 4096);
}

static void op_pipe_64k(void)
{
	MUST(write(ends[1], buf, 65536) == 65536);
	MUST(read(ends[0], buf, 65536) == 65536);
}

static void op_pipe_new(void)
{
	MUST(pipe(ends) == 0);
	close_pipe();
}

static bool open_eventfd(void)
{
	fd = eventfd(0, 0);
	return fd >= 0;
}

static void close_fd(void)
{
	close(fd);
}

static void op_eventfd(void)
{
	uint64_t one = 1;

	MUST(write(fd, &one, 8) == 8 && read(fd, &one, 8) == 8);
}

static void op_eventfd_new(void)
{
	MUST(close(eventfd(0, 0)) == 0);
}

static bool open_timerfd(void)
{
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	return fd >= 0;
}

static void op_timerfd_gettime(void)
{
	struct itimerspec its;

	MUST(timerfd_gettime(fd, &its) == 0);
}

static void op_timerfd_settime(void)
{
	struct itimerspec its = { .it_value = { .tv_sec = 1000 } };

	MUST(timerfd_settime(fd, 0, &its, NULL) == 0);
}

static bool open_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, 0);
	return fd >= 0;
}

static void op_signalfd(void)
{
	struct signalfd_siginfo info;

	MUST(kill(getpid(), SIGUSR1) == 0);
	MUST(read(fd, &info, sizeof(info)) == sizeof(info));
}

static bool open_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	epoll_fd = epoll_create1(0);
	return open_pipe() &&
	       epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ends[0], &ev) == 0;
}

static bool open_epoll_ready(void)
{
	return open_epoll() && write(ends[1], buf, 1) == 1;
}

static void close_epoll(void)
{
	close(epoll_fd);
	close_pipe();
}

static void op_epoll_mod(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	MUST(epoll_ctl(epoll_fd, EPOLL_CTL_MOD, ends[0], &ev) == 0);
}

static void op_epoll_add_del(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ends[1], &ev) == 0);
	MUST(epoll_ctl(epoll_fd, EPOLL_CTL_DEL, ends[1], &ev) == 0);
}

static void op_epoll_wait_ready(void)
{
	struct epoll_event ev;

	MUST(epoll_wait(epoll_fd, &ev, 1, -1) == 1);
}

static void op_epoll_wait_none(void)
{
	struct epoll_event ev;

	MUST(epoll_wait(epoll_fd, &ev, 1, 0) == 0);
}

/* write, epoll_wait, read: the loop of an event-driven program */
static void op_epoll_loop(void)
{
	struct epoll_event ev;

	MUST(write(ends[1], buf, 1) == 1);
	MUST(epoll_wait(epoll_fd, &ev, 1, -1) == 1);
	MUST(read(ends[0], buf, 1) == 1);
}

static void op_epoll_new(void)
{
	MUST(close(epoll_create1(0)) == 0);
}

static bool open_poll(void)
{
	if (!open_pipe())
		return false;
	for (int i = 0; i < FDS_MAX; i++)
		pfds[i] = (struct pollfd){ dup(ends[0]), POLLIN, 0 };
	MUST(write(ends[1], buf, 1) == 1);
	return true;
}

static void close_poll(void)
{
	for (int i = 0; i < FDS_MAX; i++)
		close(pfds[i].fd);
	close_pipe();
}

static void op_poll_1(void)
{
	MUST(poll(pfds, 1, -1) == 1);
}

static void op_poll_100(void)
{
	MUST(poll(pfds, FDS_MAX, -1) == FDS_MAX);
}

static bool open_poll_idle(void)
{
	return open_poll() && read(ends[0], buf, 1) == 1;
}

static void op_poll_none(void)
{
	MUST(poll(pfds, 1, 0) == 0);
}

static void op_select_10(void)
{
	fd_set set;

	FD_ZERO(&set);
	for (int i = 0; i < 10; i++)
		FD_SET(pfds[i].fd, &set);
	MUST(select(pfds[9].fd + 1, &set, NULL, NULL, NULL) == 10);
}

static void op_futex_wake(void)
{
	static int word;

	MUST(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) ==
	     0);
}

static void op_futex_wait_again(void)
{
	static int word;

	MUST(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) ==
	     -1);
}

const struct bench event_benches[] = {
	{ "pipe_1", op_pipe_1, open_pipe, close_pipe },
	{ "pipe_4k", op_pipe_4k, open_pipe, close_pipe },
	{ "pipe_64k", op_pipe_64k, open_pipe, close_pipe },
	{ "pipe_new_close", op_pipe_new, NULL, NULL },
	{ "eventfd", op_eventfd, open_eventfd, close_fd },
	{ "eventfd_new_close", op_eventfd_new, NULL, NULL },
	{ "timerfd_gettime", op_timerfd_gettime, open_timerfd, close_fd },
	{ "timerfd_settime", op_timerfd_settime, open_timerfd, close_fd },
	{ "signalfd_kill_read", op_signalfd, open_signalfd, close_fd },
	{ "epoll_ctl", op_epoll_mod, open_epoll, close_epoll },
	{ "epoll_add_del", op_epoll_add_del, open_epoll, close_epoll },
	{ "epoll_wait_ready", op_epoll_wait_ready, open_epoll_ready,
	  close_epoll },
	{ "epoll_wait_none", op_epoll_wait_none, open_epoll, close_epoll },
	{ "epoll_pipe_loop", op_epoll_loop, open_epoll, close_epoll },
	{ "epoll_new_close", op_epoll_new, NULL, NULL },
	{ "poll_1", op_poll_1, open_poll, close_poll },
	{ "poll_100", op_poll_100, open_poll, close_poll },
	{ "poll_none", op_poll_none, open_poll_idle, close_poll },
	{ "select_10", op_select_10, open_poll, close_poll },
	{ "futex_wake_none", op_futex_wake, NULL, NULL },
	{ "futex_wait_again", op_futex_wait_again, NULL, NULL },
	{ NULL, NULL, NULL, NULL },
};
