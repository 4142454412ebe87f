// SPDX-License-Identifier: Apache-2.0
/* poll, ppoll, select, pselect6: what is ready, what is refused, times. */
#include "tap.h"

#include <pthread.h>
#include <sys/mman.h>
#include <limits.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

static volatile int hits;

static void hit(int sig)
{
	(void)sig;
	hits++;
}

static long ms_since(struct timespec a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
}

static int limit_child(void)
{
	struct pollfd p[20];
	struct rlimit rl = { 10, 10 };

	memset(p, 0xff, sizeof(p));
	must(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	must(poll(p, 11, 0) == -1 && errno == EINVAL);
	must(poll(p, 10, 0) == 0);
	return 0;
}

static void check_poll(void)
{
	int fds[2], sv[2], file = open("f", O_RDWR | O_CREAT, 0600);
	struct pollfd p[4];
	struct timespec t;

	tap_group("poll");
	(void)!pipe(fds);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	p[0] = (struct pollfd){ fds[0], POLLIN, 77 };
	p[1] = (struct pollfd){ fds[1], POLLOUT, 77 };
	p[2] = (struct pollfd){ -1, POLLIN, 77 };
	p[3] = (struct pollfd){ 9999, POLLIN, 77 };
	is_int(poll(p, 4, -1), 2, "two ready");
	ok(p[0].revents == 0 && p[1].revents == POLLOUT, "empty pipe");
	is_int(p[2].revents, 0, "a negative one is skipped");
	is_int(p[3].revents, POLLNVAL, "a closed one is POLLNVAL");
	p[0] = (struct pollfd){ file, POLLIN | POLLOUT | POLLPRI, 0 };
	is_int(poll(p, 1, 0) == 1 ? p[0].revents : -1, POLLIN | POLLOUT,
	       "a file is always ready");
	p[0] = (struct pollfd){ sv[0], POLLIN | POLLOUT | POLLRDHUP, 0 };
	is_int(poll(p, 1, 0) == 1 ? p[0].revents : -1, POLLOUT, "a socket");
	shutdown(sv[1], SHUT_WR);
	is_int(poll(p, 1, 0) == 1 ? p[0].revents : -1,
	       POLLIN | POLLOUT | POLLRDHUP, "peer shut down");
	p[0].events = 0;
	is_int(poll(p, 1, 0), 0, "no interest");
	close(sv[1]);
	is_int(poll(p, 1, 0) == 1 ? p[0].revents : -1, POLLHUP,
	       "POLLHUP unasked");
	clock_gettime(CLOCK_MONOTONIC, &t);
	is_int(poll(NULL, 0, 20), 0, "a wait for nothing");
	ok(ms_since(t) >= 20, "not too short");
	is_efault(syscall(SYS_poll, bp, 1, 0), "bad addresses");
	is_errno(syscall(SYS_poll, p, 0x7fffffff, 0), EINVAL, "too many");
	is_int(tap_child(limit_child), 0, "RLIMIT_NOFILE bounds the count");
	close(fds[0]);
	close(fds[1]);
	close(sv[0]);
	close(file);
}

static void check_ppoll(void)
{
	int fds[2];
	struct pollfd p;
	struct timespec ts = { 0, 0 }, bad = { 0, 1000000000 };
	sigset_t none, usr1;

	tap_group("ppoll");
	(void)!pipe(fds);
	p = (struct pollfd){ fds[0], POLLIN, 0 };
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	is_int(ppoll(&p, 1, &ts, NULL), 0, "zero time");
	is_errno(syscall(SYS_ppoll, &p, 1, &bad, NULL, 8), EINVAL, "bad nsec");
	is_errno(syscall(SYS_ppoll, &p, 1, &ts, &none, 4), EINVAL, "bad size");
	is_efault(syscall(SYS_ppoll, &p, 1, bp, NULL, 8), "bad time");
	is_efault(syscall(SYS_ppoll, &p, 1, &ts, bp, 8), "bad mask");
	signal(SIGUSR1, hit);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	is_int(ppoll(&p, 1, &ts, &usr1), 0, "blocked: no signal");
	is_errno(ppoll(&p, 1, NULL, &none), EINTR, "pending: EINTR at once");
	is_int(hits, 1, "the handler ran");
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	ts.tv_nsec = 3000000;
	syscall(SYS_ppoll, &p, 1, &ts, NULL, 8);
	ok(ts.tv_sec == 0 && ts.tv_nsec == 0, "the call writes what remains");
	close(fds[0]);
	close(fds[1]);
}

static void check_select(void)
{
	int fds[2], high, file = open("f", O_RDWR | O_CREAT, 0600);
	fd_set r, w, x;
	struct timeval tv = { 0, 0 };

	tap_group("select");
	(void)!pipe(fds);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fds[0], &r);
	FD_SET(fds[1], &w);
	FD_SET(fds[0], &x);
	is_int(select(fds[1] + 1, &r, &w, &x, NULL), 1, "one ready");
	ok(!FD_ISSET(fds[0], &r) && FD_ISSET(fds[1], &w) &&
		   !FD_ISSET(fds[0], &x),
	   "the write end");
	(void)!write(fds[1], "x", 1);
	FD_SET(fds[0], &r);
	FD_SET(file, &r);
	FD_SET(file, &w);
	is_int(select(20, &r, &w, NULL, &tv), 4, "four bits");
	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	is_int(select(fds[0], &r, NULL, NULL, &tv), 0, "beyond nfds: unseen");
	high = dup2(fds[0], 1000);
	FD_ZERO(&r);
	FD_SET(high, &r);
	is_int(select(1001, &r, NULL, NULL, &tv), 1, "a high one");
	close(high);
	FD_SET(900, &r);
	is_errno(select(1001, &r, NULL, NULL, &tv), EBADF, "a closed one");
	is_errno(select(-1, NULL, NULL, NULL, &tv), EINVAL, "nfds -1");
	is_efault(syscall(SYS_select, 5, bp, NULL, NULL, &tv), "bad set");
	is_efault(syscall(SYS_select, 0, NULL, NULL, NULL, bp), "bad time");
	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	tv = (struct timeval){ 1, LONG_MAX };
	is_int(syscall(SYS_select, fds[0] + 1, &r, NULL, NULL, &tv), 1,
	       "very many microseconds");
	tv = (struct timeval){ 1, LONG_MIN };
	is_errno(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), EINVAL,
		 "and as many less");
	tv = (struct timeval){ 0, 0 };
	tv.tv_sec = -1;
	is_errno(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), EINVAL,
		 "negative time");
	tv = (struct timeval){ 0, 2000 };
	is_int(syscall(SYS_select, 0, NULL, NULL, NULL, &tv), 0, "a sleep");
	is_int(tv.tv_usec, 0, "nothing remains");
	close(fds[1]);
	(void)!read(fds[0], &high, 1);
	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	is_int(select(20, &r, NULL, NULL, NULL), 1, "end of file is readable");
	close(fds[0]);
	close(file);
}

static void check_pselect(void)
{
	struct timespec ts = { 0, 1000000 };
	sigset_t none, usr1;
	struct {
		void *set;
		size_t size;
	} arg = { &none, 4 };

	tap_group("pselect");
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	hits = 0;
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	is_errno(pselect(0, NULL, NULL, NULL, NULL, &none), EINTR,
		 "the mask lets the signal in");
	is_int(hits, 1, "the handler ran before it returned");
	is_int(pselect(0, NULL, NULL, NULL, &ts, &usr1), 0, "a timeout");
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	is_errno(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &arg), EINVAL,
		 "bad mask size");
	is_efault(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, bp),
		  "bad argument block");
}

/* Many pollers of one pipe: all are told; one gets the byte. */
static void check_crowd(void)
{
	int fds[2], told = 0, got = 0, status;
	pid_t pid[5];
	char c;

	tap_group("a crowd");
	(void)!pipe2(fds, O_NONBLOCK);
	for (int i = 0; i < 5; i++) {
		pid[i] = tap_fork();
		if (pid[i] == 0) {
			struct pollfd p = { fds[0], POLLIN | POLLHUP, 0 };

			close(fds[1]);
			must(poll(&p, 1, -1) == 1);
			_exit(read(fds[0], &c, 1) == 1 ? 3 : 1);
		}
	}
	for (int i = 0; i < 5; i++)
		tap_await_state(pid[i], "S");
	(void)!write(fds[1], "x", 1);
	close(fds[1]);
	for (int i = 0; i < 5; i++) {
		status = tap_wait(pid[i]);
		told += status & 1;
		got += status == 3;
	}
	ok(told == 5 && got == 1, "five told, one got it");
	close(fds[0]);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_poll();
	check_ppoll();
	check_select();
	check_pselect();
	check_crowd();
	return tap_done();
}
