// SPDX-License-Identifier: Apache-2.0
/* Signals at readiness: O_ASYNC, F_SETOWN, F_SETSIG on pipes, sockets and
 * terminals; leases and directory notices are refused or asked about. */
#include "tap.h"

#include <pthread.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

static volatile sig_atomic_t count, code, band, from_fd, last;

static void on_io(int sig, siginfo_t *si, void *context)
{
	(void)context;
	last = sig;
	code = si->si_code;
	band = (sig_atomic_t)si->si_band;
	from_fd = si->si_fd;
	count++;
}

static void arm(int fd, int sig)
{
	must(fcntl(fd, F_SETOWN, getpid()) == 0);
	must(fcntl(fd, F_SETSIG, sig) == 0);
	must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) == 0);
}

static void check_pipe(void)
{
	char buf[65536];
	int p[2];

	tap_group("pipes");
	must(pipe(p) == 0);
	arm(p[0], 0);
	count = 0;
	must(write(p[1], "x", 1) == 1);
	ok(count == 1 && last == SIGIO && code == SI_KERNEL, "SIGIO");
	must(write(p[1], "x", 1) == 1);
	is_int(count, 2, "at each write");
	arm(p[0], SIGRTMIN + 1);
	must(write(p[1], "x", 1) == 1);
	is_int(last, SIGRTMIN + 1, "another signal");
	ok(code == POLL_IN && band == (POLLIN | POLLRDNORM) && from_fd == p[0],
	   "tells what and where");
	is_int(fcntl(p[0], F_SETFL, 0), 0, "off");
	count = 0;
	must(write(p[1], "x", 1) == 1);
	is_int(count, 0, "nothing any more");
	arm(p[0], 0);
	is_int(fcntl(p[0], F_SETOWN, 0), 0, "no owner");
	must(write(p[1], "x", 1) == 1);
	is_int(count, 0, "no signal");
	arm(p[0], SIGRTMIN + 2);
	close(p[1]);
	ok(count == 1 && code == POLL_IN, "the last writer goes");
	close(p[0]);
	must(pipe2(p, O_NONBLOCK) == 0);
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	arm(p[1], SIGRTMIN + 1);
	count = 0;
	is_int(read(p[0], buf, sizeof(buf)), sizeof(buf), "room");
	ok(count == 1 && code == POLL_OUT &&
		   band == (POLLOUT | POLLWRNORM | POLLWRBAND),
	   "POLL_OUT");
	close(p[0]);
	close(p[1]);
}

static void check_socket(void)
{
	int s[2], owner = 0, on = 1;
	char c;

	tap_group("sockets");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	arm(s[0], SIGRTMIN + 3);
	count = 0;
	must(write(s[1], "x", 1) == 1);
	ok(count == 1 && code == POLL_IN && from_fd == s[0], "POLL_IN");
	must(read(s[0], &c, 1) == 1);
	fcntl(s[0], F_SETFL, 0);
	owner = getpid();
	is_int(ioctl(s[1], FIOSETOWN, &owner), 0, "FIOSETOWN");
	owner = 0;
	is_int(ioctl(s[1], FIOGETOWN, &owner), 0, "FIOGETOWN");
	is_int(owner, getpid(), "is us");
	is_int(ioctl(s[1], SIOCGPGRP, &owner), 0, "SIOCGPGRP");
	is_int(ioctl(s[1], FIOASYNC, &on), 0, "FIOASYNC");
	ok(fcntl(s[1], F_GETFL) & O_ASYNC, "is the flag");
	count = 0;
	must(write(s[0], "x", 1) == 1);
	ok(count == 1 && last == SIGIO, "SIGIO");
	is_efault(ioctl(s[1], FIOASYNC, bp), "FIOASYNC from bad addresses");
	is_efault(ioctl(s[1], FIOSETOWN, bp), "FIOSETOWN from bad addresses");
	close(s[0]);
	close(s[1]);
}

static void check_tty(void)
{
	int master, slave;
	struct termios raw;

	tap_group("terminals");
	must(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	arm(slave, SIGRTMIN + 4);
	count = 0;
	must(write(master, "x", 1) == 1);
	for (int i = 0; i < 1000 && !count; i++)
		poll(NULL, 0, 1);
	ok(count && code == POLL_IN && from_fd == slave, "POLL_IN");
	close(slave);
	close(master);
}

static int fds[2];

static int child_owner(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(fcntl(fds[0], F_SETOWN, getpid()) == 0);
	tap_post(fds[1]);
	return sigwait(&set, &sig) == 0 && sig == SIGIO ? 0 : 1;
}

static int group_owner(void)
{
	setpgid(0, 0);
	must(fcntl(fds[0], F_SETOWN, -getpid()) == 0);
	must(fcntl(fds[0], F_SETSIG, 0) == 0);
	must(fcntl(fds[0], F_GETOWN) == -getpid());
	count = 0;
	tap_post(fds[1]);
	return count == 1 ? 0 : 1;
}

static void check_owner(void)
{
	struct f_owner_ex o = { F_OWNER_TID, gettid() };
	pid_t gone = tap_fork(), pid;

	tap_group("owners");
	if (gone == 0)
		_exit(0);
	tap_wait(gone);
	must(pipe(fds) == 0);
	is_int(fcntl(fds[0], F_GETOWN), 0, "none at first");
	is_int(fcntl(fds[0], F_GETSIG), 0, "and no signal");
	is_errno(fcntl(fds[0], F_SETOWN, gone), ESRCH, "no such process");
	is_errno(fcntl(fds[0], F_SETOWN, INT32_MIN), EINVAL, "no such group");
	is_errno(fcntl(fds[0], F_SETSIG, 65), EINVAL, "no such signal");
	is_errno(fcntl(fds[0], F_SETSIG, -1), EINVAL, "signal -1");
	is_int(fcntl(fds[0], F_SETOWN_EX, &o), 0, "a thread");
	o.pid = 0;
	is_int(fcntl(fds[0], F_GETOWN_EX, &o), 0, "F_GETOWN_EX");
	ok(o.type == F_OWNER_TID && o.pid == gettid(), "tells");
	o.type = 7;
	is_errno(fcntl(fds[0], F_SETOWN_EX, &o), EINVAL, "no such type");
	is_efault(syscall(SYS_fcntl, fds[0], F_SETOWN_EX, bp),
		  "F_SETOWN_EX from bad addresses");
	is_efault(syscall(SYS_fcntl, fds[0], F_GETOWN_EX, bp),
		  "F_GETOWN_EX to bad addresses");
	must(fcntl(fds[0], F_SETFL, O_ASYNC) == 0);
	count = 0;
	tap_post(fds[1]);
	is_int(count, 1, "the thread is told");
	pid = tap_fork();
	if (pid == 0)
		_exit(child_owner());
	is_int(tap_wait(pid), 0, "another process is told");
	is_int(fcntl(fds[0], F_GETOWN), 0, "gone, it is no owner");
	is_int(tap_child(group_owner), 0, "a group is told");
	close(fds[0]);
	close(fds[1]);
}

static void check_refused(void)
{
	int fd = open("lease", O_RDWR | O_CREAT, 0600);

	tap_group("leases");
	is_int(fcntl(fd, F_GETLEASE), F_UNLCK, "none");
	is_errno(fcntl(fd, F_SETLEASE, F_RDLCK), EAGAIN,
		 "none for readers of a file open for writing");
	is_errno(fcntl(fd, F_SETLEASE, 77), EINVAL, "no such lease");
	is_errno(fcntl(fd, F_NOTIFY, DN_CREATE), ENOTDIR, "no directory");
	is_errno(fcntl(-1, F_SETLEASE, F_RDLCK), EBADF, "descriptor -1");
	close(fd);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };

	tap_start();
	tap_dir();
	sigaction(SIGIO, &sa, NULL);
	for (int i = 1; i <= 4; i++)
		sigaction(SIGRTMIN + i, &sa, NULL);
	check_pipe();
	check_socket();
	check_tty();
	check_owner();
	check_refused();
	return tap_done();
}
