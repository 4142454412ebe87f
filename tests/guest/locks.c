// SPDX-License-Identifier: Apache-2.0
/* Record locks with their deadlock rule, OFD locks, flock over fork and dup. */
#include "tap.h"

#include <pthread.h>
#include <sys/file.h>

static int fd;

static int lock(int f, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type,
			   .l_whence = SEEK_SET,
			   .l_start = start,
			   .l_len = len };

	return fcntl(f, cmd, &l);
}

static struct flock query(int f, int cmd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type,
			   .l_whence = SEEK_SET,
			   .l_start = start,
			   .l_len = len };

	if (fcntl(f, cmd, &l) < 0)
		l.l_type = -1;
	return l;
}

/* Runs fn(arg) in a child: its exit status. */
static int in_child(int (*fn)(int), int arg)
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn(arg));
	return tap_wait(pid);
}

static int try_write(int at)
{
	return lock(fd, F_SETLK, F_WRLCK, at, 1) == 0 ? 0 : errno;
}

static int try_read(int at)
{
	return lock(fd, F_SETLK, F_RDLCK, at, 1) == 0 ? 0 : errno;
}

static int who(int at)
{
	struct flock l = query(fd, F_GETLK, F_WRLCK, at, 1);

	return l.l_type == F_UNLCK    ? 0
	       : l.l_pid == getppid() ? 1
	       : l.l_pid == -1	      ? 2
				      : 3;
}

static void check_posix(void)
{
	struct flock l;
	int twin;

	tap_group("record locks");
	is_int(lock(fd, F_SETLK, F_WRLCK, 10, 10), 0, "write lock");
	is_int(in_child(try_write, 15), EAGAIN, "keeps others off");
	is_int(in_child(try_read, 19), EAGAIN, "readers, too");
	is_int(in_child(try_write, 20), 0, "not behind it");
	is_int(in_child(who, 12), 1, "F_GETLK tells who");
	is_int(lock(fd, F_SETLK, F_UNLCK, 13, 3), 0, "a hole in it");
	is_int(in_child(try_write, 14), 0, "is free");
	is_int(in_child(who, 16), 1, "the rest is not");
	is_int(lock(fd, F_SETLK, F_RDLCK, 10, 10), 0, "down to reading");
	is_int(in_child(try_read, 14), 0, "lets readers in");
	is_int(in_child(try_write, 14), EAGAIN, "but no writers");
	is_int(lock(fd, F_SETLK, F_RDLCK, 30, 0), 0, "to the end of all");
	is_int(in_child(try_write, 1 << 30), EAGAIN, "is far");
	twin = open("f", O_RDWR);
	close(twin);
	is_int(in_child(try_write, 14), 0, "closing any descriptor drops all");
	is_errno(lock(fd, F_SETLK, 77, 0, 1), EINVAL, "no such lock");
	is_errno(lock(fd, F_SETLK, F_RDLCK, -1, 1), EINVAL, "before the file");
	is_int(lock(fd, F_SETLK, F_RDLCK, 10, -5), 0, "a negative length");
	l = query(fd, F_GETLK, F_RDLCK, 0, 0);
	is_int(l.l_type, F_UNLCK, "our own do not count");
	is_int(in_child(who, 7), 1, "covers what is before");
	is_int(in_child(who, 10), 0, "and not the start");
	is_errno(lock(fd, F_SETLK, F_RDLCK, 3, -5), EINVAL, "too negative");
	twin = open("f", O_RDONLY);
	is_errno(lock(twin, F_SETLK, F_WRLCK, 0, 1), EBADF, "not for writing");
	close(twin);
	is_efault(syscall(SYS_fcntl, fd, F_SETLK, bp), "at bad addresses");
	is_efault(syscall(SYS_fcntl, fd, F_GETLK, bp), "query there");
}

static int pipes[2][2];

/* Has byte 1, wants byte 0. */
static int crossing(int unused)
{
	(void)unused;
	must(lock(fd, F_SETLK, F_WRLCK, 1, 1) == 0);
	tap_post(pipes[0][1]);
	return lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : errno;
}

static void check_deadlock(void)
{
	pid_t pid;

	tap_group("deadlocks");
	must(pipe(pipes[0]) == 0);
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	must(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
	pid = tap_fork();
	if (pid == 0)
		_exit(crossing(0));
	must(tap_await(pipes[0][0]) && tap_await_state(pid, "S"));
	is_errno(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK,
		 "waiting for one who waits for us");
	is_int(lock(fd, F_SETLK, F_UNLCK, 0, 1), 0, "giving way");
	is_int(tap_wait(pid), 0, "lets the other go on");
	close(pipes[0][0]);
	close(pipes[0][1]);
}

static void on_signal(int sig)
{
	(void)sig;
}

static int wait_lock(int cmd)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	return lock(fd, cmd, F_WRLCK, 0, 1) == 0 ? 0 : errno;
}

static void check_wait(void)
{
	pid_t pid;

	tap_group("waiting");
	must(lock(fd, F_SETLK, F_RDLCK, 0, 1) == 0);
	pid = tap_fork();
	if (pid == 0)
		_exit(wait_lock(F_SETLKW));
	must(tap_await_state(pid, "S"));
	kill(pid, SIGUSR1);
	is_int(tap_wait(pid), EINTR, "a signal ends it");
	pid = tap_fork();
	if (pid == 0)
		_exit(wait_lock(F_SETLKW));
	must(tap_await_state(pid, "S"));
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	is_int(tap_wait(pid), 0, "an unlock ends it");
}

static int ofd_in_child(int unused)
{
	int other = open("f", O_RDWR);

	(void)unused;
	must(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5) == 0); /* the same file */
	if (lock(other, F_OFD_SETLK, F_WRLCK, 0, 1) == 0 || errno != EAGAIN)
		return 1;
	return lock(other, F_SETLK, F_WRLCK, 0, 1) < 0 && errno == EAGAIN ? 0
									  : 2;
}

static void check_ofd(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_pid = 5 };
	int other = open("f", O_RDWR), twin = dup(fd);

	tap_group("OFD locks");
	is_int(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10), 0, "write lock");
	is_errno(lock(other, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN,
		 "keeps another open off");
	is_int(lock(twin, F_OFD_SETLK, F_WRLCK, 0, 10), 0, "not a dup");
	is_int(in_child(ofd_in_child, 0), 0, "shared with a child");
	is_int(in_child(who, 3), 2, "F_GETLK tells pid -1");
	l = query(other, F_OFD_GETLK, F_RDLCK, 3, 1);
	ok(l.l_type == F_WRLCK && l.l_pid == -1 && l.l_start == 0 &&
		   l.l_len == 10,
	   "so does F_OFD_GETLK");
	l.l_type = F_WRLCK;
	l.l_pid = 5;
	is_errno(fcntl(fd, F_OFD_SETLK, &l), EINVAL, "with a pid");
	is_errno(lock(fd, F_SETLK, F_WRLCK, 0, 1), EAGAIN,
		 "our own record locks meet it");
	close(twin);
	is_errno(lock(other, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN,
		 "closing a dup keeps it");
	close(fd);
	is_int(lock(other, F_OFD_SETLK, F_WRLCK, 5, 1), 0,
	       "closing the last drops it");
	close(other);
	fd = open("f", O_RDWR);
}

static int flock_child(int unused)
{
	int other = open("f", O_RDWR);

	(void)unused;
	if (flock(other, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 1;
	return flock(fd, LOCK_UN); /* the parent's lock, too */
}

static void check_flock(void)
{
	int other = open("f", O_RDWR), twin = dup(fd), null;
	pid_t pid;

	tap_group("flock");
	is_int(flock(fd, LOCK_EX), 0, "exclusive");
	is_errno(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK, "not twice");
	is_int(flock(twin, LOCK_EX | LOCK_NB), 0, "a dup has it, too");
	is_int(in_child(flock_child, 0), 0, "a child gives it back");
	is_int(flock(other, LOCK_SH | LOCK_NB), 0, "for all");
	is_int(flock(fd, LOCK_SH | LOCK_NB), 0, "two readers");
	is_errno(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK, "no upgrade");
	is_int(flock(other, LOCK_UN), 0, "unlock");
	is_errno(flock(fd, 77), EINVAL, "no such operation");
	is_errno(flock(-1, LOCK_SH), EBADF, "descriptor -1");
	null = open("/dev/null", O_RDONLY);
	is_int(flock(null, LOCK_EX), 0, "a device");
	close(null);
	flock(fd, LOCK_EX);
	pid = tap_fork();
	if (pid == 0)
		_exit(flock(other, LOCK_EX) == 0 ? 0 : errno);
	must(tap_await_state(pid, "S"));
	close(fd);
	close(twin);
	kill(pid, 0);
	/* the child has copies of both: it waits for itself until they go */
	kill(pid, SIGKILL);
	is_int(tap_wait(pid), 1000 + SIGKILL, "a waiter can be killed");
	is_int(flock(other, LOCK_EX | LOCK_NB), 0, "then it is free");
	close(other);
	fd = open("f", O_RDWR);
}

int main(void)
{
	tap_start();
	tap_dir();
	fd = open("f", O_RDWR | O_CREAT, 0600);
	must(fd >= 0);
	check_posix();
	check_deadlock();
	check_wait();
	check_ofd();
	check_flock();
	return tap_done();
}
