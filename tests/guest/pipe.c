// SPDX-License-Identifier: Apache-2.0
/* Pipes and FIFOs: capacity, atomic writes, ends and SIGPIPE, non-blocking,
 * F_SETPIPE_SZ, readiness, FIFO files. */
#include "tap.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define BUF 4096

static char page[65536];

static int ready(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void check_basic(void)
{
	int fds[2];
	char buf[16] = "";

	tap_group("basics");
	is_int(pipe(fds), 0, "pipe");
	is_int(fcntl(fds[0], F_GETFL) & O_ACCMODE, O_RDONLY, "read end");
	is_int(fcntl(fds[1], F_GETFL) & O_ACCMODE, O_WRONLY, "write end");
	is_int(write(fds[1], "hello", 5), 5, "write");
	is_int(read(fds[0], buf, 2), 2, "part of it");
	is_int(read(fds[0], buf + 2, 10), 3, "the rest");
	is_str(buf, "hello", "in order");
	is_errno(write(fds[0], "x", 1), EBADF, "write to the read end");
	is_errno(read(fds[1], buf, 1), EBADF, "read from the write end");
	is_errno(pread(fds[0], buf, 1, 0), ESPIPE, "pread");
	is_errno(pwrite(fds[1], buf, 1, 0), ESPIPE, "pwrite");
	is_int(write(fds[1], "", 0), 0, "zero bytes");
	close(fds[1]);
	is_int(read(fds[0], buf, 1), 0, "end of file");
	close(fds[0]);
	is_int(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0, "pipe2");
	ok(fcntl(fds[0], F_GETFD) == FD_CLOEXEC &&
		   fcntl(fds[1], F_GETFD) == FD_CLOEXEC,
	   "O_CLOEXEC on both");
	ok(fcntl(fds[0], F_GETFL) & fcntl(fds[1], F_GETFL) & O_NONBLOCK,
	   "O_NONBLOCK on both");
	is_errno(read(fds[0], buf, 1), EAGAIN, "nothing there");
	close(fds[0]);
	close(fds[1]);
	is_errno(pipe2(fds, O_APPEND), EINVAL, "bad flag");
	is_efault(syscall(SYS_pipe2, bp, 0), "bad addresses");
	is_errno(dup(fds[0]), EBADF, "which leaves no descriptor");
}

static void check_capacity(void)
{
	int fds[2], n, sum = 0;

	tap_group("capacity");
	(void)!pipe2(fds, O_NONBLOCK);
	is_int(fcntl(fds[0], F_GETPIPE_SZ), 65536, "64 KiB");
	is_int(ready(fds[1], POLLOUT), POLLOUT, "writable");
	is_int(ready(fds[0], POLLIN), 0, "not readable");
	while ((n = (int)write(fds[1], page, BUF)) > 0)
		sum += n;
	is_int(sum, 65536, "takes that much");
	is_int(errno, EAGAIN, "then EAGAIN");
	is_int(ready(fds[1], POLLOUT), 0, "no longer writable");
	is_int(ready(fds[0], POLLIN), POLLIN, "readable");
	is_int(ioctl(fds[0], FIONREAD, &n) == 0 ? n : -1, 65536, "FIONREAD");
	(void)!read(fds[0], page, 100);
	is_errno(write(fds[1], page, BUF), EAGAIN, "PIPE_BUF all or nothing");
	(void)!read(fds[0], page, BUF - 100);
	is_int(ready(fds[1], POLLOUT), POLLOUT, "a free page is writable");
	is_int(write(fds[1], page, 2 * BUF), BUF, "more may be cut");
	while (read(fds[0], page, sizeof(page)) > 0)
		;
	is_int(fcntl(fds[0], F_SETPIPE_SZ, 8192), 8192, "F_SETPIPE_SZ");
	is_int(fcntl(fds[1], F_GETPIPE_SZ), 8192, "for both ends");
	is_int(write(fds[1], page, 65536), 8192, "holds that");
	is_errno(fcntl(fds[0], F_SETPIPE_SZ, 4096), EBUSY,
		 "not below its data");
	is_int(fcntl(fds[0], F_SETPIPE_SZ, 10000), 16384, "rounded up");
	is_int(fcntl(fds[0], F_SETPIPE_SZ, 1 << 20), 1 << 20, "1 MiB");
	is_errno(fcntl(fds[0], F_SETPIPE_SZ, -1), EINVAL, "negative");
	close(fds[0]);
	close(fds[1]);
}

static volatile int pipes_hit;

static void on_pipe(int sig)
{
	(void)sig;
	pipes_hit++;
}

static void check_ends(void)
{
	int fds[2];
	char c;

	tap_group("ends");
	signal(SIGPIPE, on_pipe);
	(void)!pipe(fds);
	(void)!write(fds[1], "rest", 4);
	is_int(ready(fds[1], POLLOUT), POLLOUT, "both open");
	close(fds[1]);
	is_int(ready(fds[0], POLLIN), POLLIN | POLLHUP, "data and POLLHUP");
	(void)!read(fds[0], page, 10);
	is_int(ready(fds[0], POLLIN), POLLHUP, "POLLHUP alone");
	is_int(read(fds[0], &c, 1), 0, "end of file");
	is_int(read(fds[0], &c, 1), 0, "again");
	close(fds[0]);
	(void)!pipe(fds);
	close(fds[0]);
	is_int(ready(fds[1], POLLOUT), POLLOUT | POLLERR, "POLLERR");
	is_errno(write(fds[1], "x", 1), EPIPE, "EPIPE");
	is_int(pipes_hit, 1, "and SIGPIPE");
	is_int(write(fds[1], "", 0), 0, "zero bytes pass");
	signal(SIGPIPE, SIG_IGN);
	is_errno(write(fds[1], "x", 1), EPIPE, "ignored: EPIPE only");
	signal(SIGPIPE, SIG_DFL);
	close(fds[1]);
}

/* A writer blocked on a full pipe is woken by each way room can appear. */
static void check_block(void)
{
	int fds[2], sum = 0, n;
	pid_t pid;
	bool good = true;

	tap_group("blocking");
	(void)!pipe(fds);
	pid = tap_fork();
	if (pid == 0) {
		close(fds[0]);
		for (int i = 0; i < 30; i++) {
			memset(page, 'a' + i % 26, 65536);
			must(write(fds[1], page, 50000) == 50000);
		}
		_exit(0);
	}
	close(fds[1]);
	tap_await_state(pid, "S");
	while ((n = (int)read(fds[0], page, 7777)) > 0) {
		for (int i = 0; i < n; i++)
			good &= page[i] == 'a' + (sum + i) / 50000 % 26;
		sum += n;
	}
	is_int(sum, 30 * 50000, "1.5 MB through");
	ok(good, "in order");
	is_int(tap_wait(pid), 0, "the writer ended well");
	close(fds[0]);
	(void)!pipe(fds);
	pid = tap_fork();
	if (pid == 0) {
		close(fds[0]);
		signal(SIGPIPE, SIG_IGN);
		must(write(fds[1], page, 65536) == 65536);
		must(write(fds[1], "x", 1) == -1 && errno == EPIPE);
		_exit(0);
	}
	close(fds[1]);
	tap_await_state(pid, "S");
	close(fds[0]);
	is_int(tap_wait(pid), 0, "a blocked writer sees the reader go");
	(void)!pipe(fds);
	pid = tap_fork();
	if (pid == 0) {
		close(fds[1]);
		must(read(fds[0], page, 1) == 0);
		_exit(0);
	}
	tap_await_state(pid, "S");
	close(fds[1]);
	is_int(tap_wait(pid), 0, "a blocked reader sees the writer go");
	close(fds[0]);
}

/* Four writers of PIPE_BUF each: no piece is mixed. */
static void check_atomic(void)
{
	int fds[2], n, at = 0, bad = 0, total = 0;
	char block[BUF];

	tap_group("atomic writes");
	(void)!pipe(fds);
	for (int w = 0; w < 4; w++)
		if (tap_fork() == 0) {
			memset(block, 'A' + w, BUF);
			for (int i = 0; i < 100; i++)
				must(write(fds[1], block, BUF) == BUF);
			_exit(0);
		}
	close(fds[1]);
	while ((n = (int)read(fds[0], block + at, (size_t)(BUF - at))) > 0) {
		at += n;
		total += n;
		if (at < BUF)
			continue;
		for (int i = 1; i < BUF; i++)
			bad += block[i] != block[0];
		at = 0;
	}
	is_int(total, 4 * 100 * BUF, "all arrived");
	is_int(bad, 0, "none mixed");
	for (int w = 0; w < 4; w++)
		wait(NULL);
	close(fds[0]);
}

static void check_fifo(void)
{
	int rd, wr, rw;
	pid_t pid;
	char buf[16] = "";
	struct stat st;

	tap_group("FIFO files");
	is_int(mkfifo("fifo", 0600), 0, "mkfifo");
	is_errno(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO, "no reader yet");
	rd = open("fifo", O_RDONLY | O_NONBLOCK);
	ok(rd >= 0, "a reader does not wait with O_NONBLOCK");
	is_int(read(rd, buf, 1), 0, "no writer: end of file");
	is_int(ready(rd, POLLIN), 0, "and no POLLHUP before the first writer");
	wr = open("fifo", O_WRONLY | O_NONBLOCK);
	ok(wr >= 0, "now a writer may");
	is_errno(read(rd, buf, 1), EAGAIN, "nothing yet");
	is_int(write(wr, "fifo", 4), 4, "write");
	is_int(read(rd, buf, 16), 4, "read");
	close(wr);
	is_int(ready(rd, POLLIN), POLLHUP, "POLLHUP");
	close(rd);
	rw = open("fifo", O_RDWR);
	ok(rw >= 0, "O_RDWR never waits");
	is_int(write(rw, "x", 1), 1, "write");
	is_int(read(rw, buf, 1), 1, "read");
	close(rw);
	pid = tap_fork();
	if (pid == 0) {
		wr = open("fifo", O_WRONLY);
		must(wr >= 0 && write(wr, "met", 3) == 3);
		_exit(0);
	}
	tap_await_state(pid, "S");
	rd = open("fifo", O_RDONLY);
	is_int(read(rd, buf, 16), 3, "two opens meet");
	is_int(read(rd, buf, 16), 0, "and the writer leaves");
	is_int(tap_wait(pid), 0, "it saw nothing wrong");
	is_int(fstat(rd, &st) == 0 && S_ISFIFO(st.st_mode), 1, "fstat");
	close(rd);
	unlink("fifo");
}

/* An end without a name, opened again by its link in /proc. */
static void check_reopen(void)
{
	char name[64], buf[16];
	int fds[2], again;

	tap_group("a pipe opened again");
	must(pipe(fds) == 0);
	must(write(fds[1], "old", 3) == 3);
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[0]);
	again = open(name, O_WRONLY);
	ok(again >= 0, "the read end, for writing");
	is_int(write(again, "new", 3), 3, "write");
	close(again);
	close(fds[1]);
	again = open(name, O_RDONLY);
	ok(again >= 0, "for reading, without a writer");
	is_int(read(again, buf, 16), 6, "all is there");
	is_int(read(again, buf, 16), 0, "and no more");
	close(again);
	close(fds[0]);
}

static void check_hostile(void)
{
	int fds[2];
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(edge + 4096, 4096);
	tap_group("bad memory");
	(void)!pipe2(fds, O_NONBLOCK);
	is_efault(syscall(SYS_write, fds[1], bp, 10), "write");
	is_errno(read(fds[0], page, 1), EAGAIN, "wrote nothing");
	(void)!write(fds[1], "abc", 3);
	is_efault(syscall(SYS_read, fds[0], bp, 10), "read");
	is_int(syscall(SYS_read, fds[0], edge + 4093, 3), 3, "to an edge");
	ok(memcmp(edge + 4093, "abc", 3) == 0, "the data was still there");
	close(fds[0]);
	close(fds[1]);
	munmap(edge, 4096);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_basic();
	check_capacity();
	check_ends();
	check_block();
	check_atomic();
	check_fifo();
	check_reopen();
	check_hostile();
	return tap_done();
}
