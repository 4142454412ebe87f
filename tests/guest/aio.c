// SPDX-License-Identifier: Apache-2.0
/* Asynchronous I/O: contexts, requests, events, the ring in memory, eventfds,
 * polls and what is refused. */
#include "tap.h"

#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

static long setup(unsigned nr, aio_context_t *ctx)
{
	return syscall(SYS_io_setup, nr, ctx);
}

static long destroy(aio_context_t ctx)
{
	return syscall(SYS_io_destroy, ctx);
}

static long submit(aio_context_t ctx, long n, struct iocb **list)
{
	return syscall(SYS_io_submit, ctx, n, list);
}

static long submit_one(aio_context_t ctx, struct iocb *cb)
{
	return submit(ctx, 1, &cb);
}

static long events(aio_context_t ctx, long min, long max, struct io_event *ev,
		   const struct timespec *timeout)
{
	return syscall(SYS_io_getevents, ctx, min, max, ev, timeout);
}

static struct iocb request(int op, int fd, void *buf, size_t n, long long at)
{
	struct iocb cb = { .aio_lio_opcode = (unsigned short)op,
			   .aio_fildes = (unsigned)fd,
			   .aio_buf = (uintptr_t)buf,
			   .aio_nbytes = n,
			   .aio_offset = at,
			   .aio_data = 77 };

	return cb;
}

static struct timespec none, soon = { 0, 20000000 };

/* The event of one request that is done at once. */
static long long result_of(aio_context_t ctx, struct iocb *cb)
{
	struct io_event ev = { 0 };

	if (submit_one(ctx, cb) != 1)
		return -1000 - errno;
	if (events(ctx, 1, 1, &ev, NULL) != 1)
		return -2000 - errno;
	if (ev.obj != (uintptr_t)cb || ev.data != cb->aio_data || ev.res2)
		return -3000;
	return ev.res;
}

static void check_contexts(void)
{
	aio_context_t ctx = 0, other = 5;

	tap_group("contexts");
	is_errno(setup(0, &ctx), EINVAL, "for no request");
	is_errno(setup(1, &other), EINVAL, "a place that is not zero");
	is_errno(setup(1u << 30, &ctx), EINVAL, "for far too many");
	is_errno(setup(100000, &ctx), EAGAIN, "for more than the limit");
	is_efault(syscall(SYS_io_setup, 1, bp), "at bad addresses");
	is_int(setup(8, &ctx), 0, "one");
	ok(ctx != 0, "has an id");
	other = 0;
	is_int(setup(8, &other), 0, "another");
	ok(ctx != other, "has an id of its own");
	is_int(destroy(other), 0, "it goes");
	is_errno(destroy(other), EINVAL, "once");
	is_errno(destroy(0), EINVAL, "none");
	is_errno(destroy(4096), EINVAL, "a wild one");
	is_errno(submit(other, 0, NULL), EINVAL, "requests to one that went");
	is_int(submit(ctx, 0, NULL), 0, "no request at all");
	is_errno(submit(ctx, -1, NULL), EINVAL, "a negative number");
	is_efault(submit(ctx, 1, bp), "lists at bad addresses");
	is_efault(submit_one(ctx, bp), "requests at bad addresses");
	if (tap_fork() == 0) {
		must(submit(ctx, 0, NULL) == -1 && errno == EINVAL);
		_exit(0);
	}
	wait(NULL);
	is_int(submit(ctx, 0, NULL), 0, "a child has none of its parent's");
	is_int(destroy(ctx), 0, "the end");
}

static void check_files(aio_context_t ctx)
{
	char buf[64] = "";
	int fd = open("file", O_RDWR | O_CREAT, 0600), fds[2];
	struct iovec iov[2] = { { buf, 3 }, { buf + 10, 3 } };
	struct iocb cb = request(IOCB_CMD_PWRITE, fd, "abcdefgh", 8, 4);

	tap_group("files");
	is_int(result_of(ctx, &cb), 8, "write");
	is_int(lseek(fd, 0, SEEK_CUR), 0, "does not move the position");
	cb = request(IOCB_CMD_PREAD, fd, buf, sizeof(buf), 4);
	is_int(result_of(ctx, &cb), 8, "read");
	ok(memcmp(buf, "abcdefgh", 8) == 0, "what was written");
	cb = request(IOCB_CMD_PREAD, fd, buf, sizeof(buf), 100);
	is_int(result_of(ctx, &cb), 0, "past the end");
	cb = request(IOCB_CMD_PREADV, fd, iov, 2, 4);
	is_int(result_of(ctx, &cb), 6, "readv");
	ok(memcmp(buf + 10, "def", 3) == 0, "in two pieces");
	cb = request(IOCB_CMD_PWRITEV, fd, iov, 2, 0);
	is_int(result_of(ctx, &cb), 6, "writev");
	cb = request(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
	is_int(result_of(ctx, &cb), 0, "fsync");
	cb = request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0);
	is_int(result_of(ctx, &cb), 0, "fdatasync");
	cb = request(IOCB_CMD_PREAD, fd, buf, 8, 0);
	cb.aio_rw_flags = 0x8; /* RWF_NOWAIT */
	is_int(result_of(ctx, &cb), 8, "read without waiting");
	cb = request(IOCB_CMD_PWRITE, fd, "x", 1, 0);
	cb.aio_rw_flags = 0x10; /* RWF_APPEND */
	is_int(result_of(ctx, &cb), 1, "append");
	is_int(lseek(fd, 0, SEEK_END), 13, "is at the end");
	must(pipe(fds) == 0);
	cb = request(IOCB_CMD_PWRITE, fds[1], "pipe", 4, 0);
	is_int(result_of(ctx, &cb), 4, "write to a pipe");
	cb = request(IOCB_CMD_PREAD, fds[0], buf, 16, 9);
	is_int(result_of(ctx, &cb), 4, "read from it");
	close(fds[1]);
	is_int(result_of(ctx, &cb), 0, "its end");
	close(fds[0]);
	close(fd);
}

static void check_refusals(aio_context_t ctx)
{
	char buf[16];
	int fd = open("file", O_RDONLY), dir = open(".", O_RDONLY);
	struct iocb cb = request(IOCB_CMD_PWRITE, fd, "x", 1, 0), *two[2];
	struct iovec iov = { buf, 4 };
	struct io_event ev;

	tap_group("what is refused");
	is_errno(submit_one(ctx, &cb), EBADF, "write without the right");
	cb = request(IOCB_CMD_PREAD, -1, buf, 1, 0);
	is_errno(submit_one(ctx, &cb), EBADF, "no descriptor");
	cb = request(IOCB_CMD_PREAD, fd, buf, 1, -1);
	is_errno(submit_one(ctx, &cb), EINVAL, "a negative offset");
	cb = request(IOCB_CMD_PREAD, fd, buf, (size_t)-1, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "a negative length");
	cb = request(IOCB_CMD_PREAD, dir, buf, 1, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "a directory");
	cb = request(4, fd, buf, 1, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "an unknown command");
	cb = request(IOCB_CMD_NOOP, fd, buf, 1, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "the command for nothing");
	cb = request(IOCB_CMD_FSYNC, fd, buf, 1, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "fsync of a buffer");
	cb = request(IOCB_CMD_PREADV, fd, &iov, 100000, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "a long vector");
	cb = request(IOCB_CMD_PREADV, fd, bad_ptr, 1, 0);
	is_errno(submit_one(ctx, &cb), EFAULT, "a vector at a bad address");
	cb = request(IOCB_CMD_PREAD, fd, bad_ptr, 4, 0);
	is_int(result_of(ctx, &cb), -EFAULT, "a bad buffer is an event");
	cb = request(IOCB_CMD_PREAD, fd, (void *)(1UL << 63), 4, 0);
	is_errno(submit_one(ctx, &cb), EFAULT, "but not one of no program");
	cb = request(IOCB_CMD_PREAD, fd, buf, 4, 0);
	cb.aio_reserved2 = 1;
	is_errno(submit_one(ctx, &cb), EINVAL, "a reserved field");
	cb.aio_reserved2 = 0;
	cb.aio_rw_flags = 0x1000000;
	is_errno(submit_one(ctx, &cb), EOPNOTSUPP, "an unknown flag");
	cb.aio_rw_flags = 0;
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (unsigned)-1;
	is_errno(submit_one(ctx, &cb), EBADF, "no eventfd");
	cb.aio_resfd = (unsigned)fd;
	is_errno(submit_one(ctx, &cb), EINVAL, "a file as an eventfd");
	cb.aio_flags = IOCB_FLAG_IOPRIO;
	cb.aio_reqprio = (short)0xe000;
	is_errno(submit_one(ctx, &cb), EINVAL, "an unknown priority");
	cb = request(IOCB_CMD_PREAD, fd, buf, 4, 0);
	two[0] = &cb;
	two[1] = bad_ptr;
	is_int(submit(ctx, 2, two), 1, "the first is done before a bad one");
	is_int(events(ctx, 0, 4, &ev, NULL), 1, "and only that");
	is_errno(events(ctx, 2, 1, &ev, NULL), EINVAL,
		 "more at least than most");
	is_errno(events(ctx, -1, 1, &ev, NULL), EINVAL, "a negative number");
	is_errno(events(4096, 0, 1, &ev, NULL), EINVAL, "no context");
	is_efault(events(ctx, 0, 1, &ev, bp), "times at bad addresses");
	must(submit_one(ctx, &cb) == 1);
	is_efault(events(ctx, 1, 1, bp, NULL), "events to bad addresses");
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "lose nothing");
	is_errno(syscall(SYS_io_cancel, ctx, &cb, &ev), EINVAL,
		 "cancel what is done");
	is_efault(syscall(SYS_io_cancel, ctx, bp, &ev), "at bad addresses");
	cb.aio_key = 3;
	is_errno(syscall(SYS_io_cancel, ctx, &cb, &ev), EINVAL, "a wrong key");
	close(fd);
	close(dir);
}

struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, length;
	struct io_event events[];
};

static void check_ring(aio_context_t ctx)
{
	struct ring *ring = (void *)ctx;
	char buf[4];
	int fd = open("file", O_RDONLY);
	struct iocb cb = request(IOCB_CMD_PREAD, fd, buf, 4, 0);
	struct io_event ev;
	unsigned tail, n = 0;

	tap_group("the ring");
	is_int(ring->magic, 0xa10a10a1, "its magic");
	is_int(ring->compat == 1 && ring->incompat == 0, 1, "its features");
	is_int(ring->length, 32, "the length of its header");
	is_int(ring->head, ring->tail, "is empty");
	tail = ring->tail;
	must(submit_one(ctx, &cb) == 1);
	is_int(ring->tail, (tail + 1) % ring->nr, "then holds one");
	is_int(ring->events[tail].res, 4, "with the result");
	ok(ring->events[tail].obj == (uintptr_t)&cb, "and the request");
	ring->head = ring->tail;
	is_int(events(ctx, 0, 1, &ev, &none), 0, "may be emptied in memory");
	while (submit_one(ctx, &cb) == 1)
		n++;
	is_int(errno, EAGAIN, "gets full");
	ok(n >= 8 && n < ring->nr, "with at least what was asked for");
	ring->head = 0xffffffff;
	ok(events(ctx, 0, 1, &ev, &none) >= 0, "survives a wild head");
	ring->head = ring->tail;
	is_int(submit_one(ctx, &cb), 1, "and goes on");
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "as before");
	close(fd);
}

static void check_eventfd(aio_context_t ctx)
{
	char buf[4];
	int fd = open("file", O_RDONLY), efd = eventfd(0, EFD_NONBLOCK);
	struct iocb cb = request(IOCB_CMD_PREAD, fd, buf, 4, 0);
	struct iocb *list[3] = { &cb, &cb, &cb };
	struct io_event ev[3];
	uint64_t n = 0;

	tap_group("an eventfd");
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (unsigned)efd;
	is_int(submit(ctx, 3, list), 3, "three requests");
	is_int(read(efd, &n, 8) == 8 ? (int)n : -1, 3, "are counted");
	is_int(events(ctx, 3, 3, ev, NULL), 3, "and are there");
	close(efd);
	close(fd);
}

static void *post_late(void *arg)
{
	tap_await_state(getpid(), "S");
	(void)!write(*(int *)arg, "x", 1);
	return NULL;
}

static void check_poll(aio_context_t ctx)
{
	int fds[2], sv[2], efd = eventfd(0, 0), file = open("file", O_RDONLY);
	struct iocb cb, second;
	struct io_event ev = { 0 };
	pthread_t thread;
	uint64_t n = 0;

	tap_group("polls");
	must(pipe(fds) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	cb = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
	is_int(submit_one(ctx, &cb), 1, "of an empty pipe");
	is_int(events(ctx, 1, 1, &ev, &soon), 0, "is not done");
	must(write(fds[1], "x", 1) == 1);
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "until there is something");
	is_int(ev.res & POLLIN, POLLIN, "to read");
	is_int(submit_one(ctx, &cb), 1, "of a full one");
	is_int(events(ctx, 0, 1, &ev, &none), 1, "is done at once");
	is_int(ev.res, POLLIN, "the same");
	cb = request(IOCB_CMD_POLL, sv[0], (void *)POLLIN, 0, 0);
	is_int(submit_one(ctx, &cb), 1, "of a socket");
	must(pthread_create(&thread, NULL, post_late, &sv[1]) == 0);
	is_int(events(ctx, 1, 1, &ev, NULL), 1,
	       "that a thread writes to later");
	is_int(ev.res & POLLIN, POLLIN, "ends");
	pthread_join(thread, NULL);
	cb = request(IOCB_CMD_POLL, fds[1], (void *)POLLOUT, 0, 0);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (unsigned)efd;
	is_int(result_of(ctx, &cb), POLLOUT, "room in a pipe");
	is_int(read(efd, &n, 8) == 8 && n == 1, 1, "tells an eventfd");
	must(read(fds[0], &n, 1) == 1);
	cb = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (unsigned)efd;
	must(submit_one(ctx, &cb) == 1);
	must(write(fds[1], "x", 1) == 1);
	is_int(read(efd, &n, 8) == 8 && n == 1, 1, "also when it comes late");
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "one event");
	must(read(fds[0], &n, 1) == 1);
	must(submit_one(ctx, &cb) == 1);
	is_errno(syscall(SYS_io_cancel, ctx, &cb, &ev), EINPROGRESS, "cancel");
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "gives an event, too");
	is_int(ev.res, 0, "of nothing");
	second = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
	must(submit_one(ctx, &second) == 1);
	close(fds[1]);
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "the other end is closed");
	is_int(ev.res, POLLHUP, "and says so");
	cb = request(IOCB_CMD_POLL, file, (void *)POLLIN, 0, 0);
	is_int(result_of(ctx, &cb), POLLIN, "a file is always ready");
	cb = request(IOCB_CMD_POLL, fds[0], (void *)0x10001, 0, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "unknown bits");
	cb = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 1, 0);
	is_errno(submit_one(ctx, &cb), EINVAL, "a length");
	close(fds[0]);
	close(sv[0]);
	close(sv[1]);
	close(efd);
	close(file);
}

/* Nothing holds a file once its poll has ended. */
static int hung_up(int peer)
{
	struct pollfd p = { .fd = peer };

	return poll(&p, 1, 10000) == 1 ? p.revents : 0;
}

static void check_files_go(aio_context_t ctx)
{
	int sv[2], efd = eventfd(0, 0);
	struct io_event ev;
	struct iocb cb;
	uint64_t n;

	tap_group("files after their polls");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	cb = request(IOCB_CMD_POLL, sv[0], (void *)POLLOUT, 0, 0);
	is_int(submit_one(ctx, &cb), 1, "done at once");
	close(sv[0]);
	is_int(hung_up(sv[1]), POLLHUP, "closed for good");
	close(sv[1]);
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "the event is there");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	cb = request(IOCB_CMD_POLL, sv[0], (void *)POLLIN, 0, 0);
	must(submit_one(ctx, &cb) == 1);
	is_errno(syscall(SYS_io_cancel, ctx, &cb, &ev), EINPROGRESS,
		 "cancelled");
	close(sv[0]);
	is_int(hung_up(sv[1]), POLLHUP, "closed for good");
	close(sv[1]);
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "the event is there");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0);
	cb = request(IOCB_CMD_POLL, sv[0], (void *)POLLIN, 0, 0);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (unsigned)efd;
	must(submit_one(ctx, &cb) == 1);
	must(write(sv[1], "x", 1) == 1);
	is_int(read(efd, &n, 8), 8, "done later");
	must(read(sv[0], &n, 1) == 1);
	close(sv[0]);
	is_int(hung_up(sv[1]), POLLHUP, "closed for good");
	close(sv[1]);
	is_int(events(ctx, 1, 1, &ev, NULL), 1, "the event is there");
	close(efd);
}

static int race_fd;

static void *submit_till_gone(void *arg)
{
	aio_context_t ctx = *(aio_context_t *)arg;
	struct iocb cb = request(IOCB_CMD_POLL, race_fd, (void *)POLLIN, 0, 0);

	while (submit_one(ctx, &cb) == 1 || errno == EAGAIN)
		;
	return NULL;
}

/* A poll that is begun while its context goes must go, too. */
static void check_race(void)
{
	pthread_t thread;
	int fds[2];

	must(pipe(fds) == 0);
	race_fd = fds[0];
	for (int i = 0; i < 300; i++) {
		aio_context_t ctx = 0;

		must(setup(1000, &ctx) == 0);
		must(pthread_create(&thread, NULL, submit_till_gone, &ctx) ==
		     0);
		for (int spin = i; spin; spin--)
			sched_yield();
		must(destroy(ctx) == 0);
		pthread_join(thread, NULL);
	}
	close(fds[0]);
	close(fds[1]);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *kick_late(void *arg)
{
	tap_await_state(getpid(), "S");
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void check_waiting(aio_context_t ctx)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct io_event ev;
	pthread_t self = pthread_self(), thread;
	sigset_t set;
	struct {
		void *set;
		size_t size;
	} arg = { &set, 8 };

	tap_group("waiting");
	sigaction(SIGUSR1, &sa, NULL);
	is_int(events(ctx, 0, 1, &ev, NULL), 0, "for nothing");
	is_int(events(ctx, 1, 1, &ev, &none), 0, "not at all");
	is_int(events(ctx, 1, 1, &ev, &soon), 0, "for a while");
	must(pthread_create(&thread, NULL, kick_late, &self) == 0);
	is_errno(events(ctx, 1, 1, &ev, NULL), EINTR, "until a signal");
	pthread_join(thread, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	is_int(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, &soon, &arg), 0,
	       "with the signal blocked");
	sigemptyset(&set);
	is_errno(syscall(SYS_io_pgetevents, ctx, 1, 1, &ev, NULL, &arg), EINTR,
		 "and not");
	arg.size = 4;
	is_errno(syscall(SYS_io_pgetevents, ctx, 0, 1, &ev, NULL, &arg), EINVAL,
		 "a mask of a wrong size");
	is_efault(syscall(SYS_io_pgetevents, ctx, 0, 1, &ev, NULL, bp),
		  "masks at bad addresses");
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Contexts that nobody destroys. */
static int leave(void)
{
	aio_context_t ctx = 0;
	struct iocb cb;
	int fds[2];

	must(setup(4, &ctx) == 0 && pipe(fds) == 0);
	cb = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
	must(submit_one(ctx, &cb) == 1);
	return 0;
}

static int leave_by_exec(void)
{
	leave();
	execl("/proc/self/exe", "aio", "-exec", NULL);
	return 1;
}

int main(int argc, char **argv)
{
	aio_context_t ctx = 0;
	struct iocb cb;
	int fds[2];

	(void)argv;
	if (argc > 1)
		return 0;
	tap_start();
	tap_dir();
	check_contexts();
	must(setup(8, &ctx) == 0);
	check_files(ctx);
	check_refusals(ctx);
	check_ring(ctx);
	check_eventfd(ctx);
	check_poll(ctx);
	check_files_go(ctx);
	check_waiting(ctx);
	tap_group("the end");
	check_race();
	ok(1, "while another thread submits");
	must(pipe(fds) == 0);
	cb = request(IOCB_CMD_POLL, fds[0], (void *)POLLIN, 0, 0);
	must(submit_one(ctx, &cb) == 1);
	is_int(destroy(ctx), 0, "with a poll that waits");
	is_errno(access((void *)ctx, F_OK), EFAULT, "the ring is gone");
	is_int(tap_child(leave), 0, "left to the end of a process");
	is_int(tap_child(leave_by_exec), 0, "and to another program");
	return tap_done();
}
