// SPDX-License-Identifier: Apache-2.0
/* Descriptors and plain reading and writing: dup, fcntl, lseek, vectors,
 * positions, append, limits, sendfile, record locks, ioctl. */
#include "tap.h"

#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static int make(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	(void)!write(fd, text, strlen(text));
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void check_dup(void)
{
	int fd = make("f", "0123456789"), a, b;
	char c;

	tap_group("dup");
	a = dup(fd);
	ok(a > fd, "the lowest free number");
	close(fd);
	is_int(dup(a), fd, "a freed number comes again");
	(void)!read(fd, &c, 1);
	is_int(lseek(a, 0, SEEK_CUR), 1, "the offset is shared");
	is_int(dup2(a, 90), 90, "dup2");
	is_int(dup2(a, a), a, "dup2 onto itself");
	is_int(fcntl(a, F_SETFD, FD_CLOEXEC), 0, "F_SETFD");
	is_int(fcntl(dup2(a, 90), F_GETFD), 0, "dup2 clears close-on-exec");
	is_int(dup3(a, 91, O_CLOEXEC), 91, "dup3");
	is_int(fcntl(91, F_GETFD), FD_CLOEXEC, "with O_CLOEXEC");
	is_errno(dup3(a, a, 0), EINVAL, "dup3 onto itself");
	is_errno(syscall(SYS_dup3, a, 92, O_APPEND), EINVAL, "dup3: bad flag");
	is_errno(dup(-1), EBADF, "dup of -1");
	is_errno(dup(9999), EBADF, "dup of a closed one");
	is_errno(dup2(9999, 90), EBADF, "dup2 from a closed one");
	is_errno(dup2(9999, 9999), EBADF, "dup2 of a closed one to itself");
	is_errno(dup2(a, -1), EBADF, "dup2 to -1");
	is_errno(dup2(a, 0x7fffffff), EBADF, "dup2 to a huge one");
	is_int(fcntl(a, F_DUPFD, 80), 80, "F_DUPFD");
	is_int(fcntl(a, F_DUPFD, 80), 81, "F_DUPFD again");
	b = fcntl(a, F_DUPFD_CLOEXEC, 85);
	is_int(fcntl(b, F_GETFD), FD_CLOEXEC, "F_DUPFD_CLOEXEC");
	is_errno(fcntl(a, F_DUPFD, -1), EINVAL, "F_DUPFD from -1");
	is_errno(fcntl(a, F_DUPFD, 0x7fffffff), EINVAL, "F_DUPFD from far");
	is_int(syscall(SYS_close_range, 80, 91, 0), 0, "close_range");
	ok(fcntl(80, F_GETFD) == -1 && fcntl(91, F_GETFD) == -1, "closed");
	is_errno(syscall(SYS_close_range, 9, 8, 0), EINVAL, "upside down");
	is_int(close(a), 0, "close");
	is_errno(close(a), EBADF, "close again");
	is_errno(close(-1), EBADF, "close -1");
	close(fd);
}

static void check_fcntl(void)
{
	int fd = make("f", "x"), rd = open("f", O_RDONLY | O_NONBLOCK);

	tap_group("fcntl");
	is_int(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR, "access mode");
	is_int(fcntl(rd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_NONBLOCK,
	       "O_NONBLOCK reads back");
	is_int(fcntl(fd, F_GETFL) & (O_CREAT | O_TRUNC), 0,
	       "creation flags go");
	is_int(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_RDONLY), 0,
	       "F_SETFL");
	is_int(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE),
	       O_APPEND | O_NONBLOCK | O_RDWR, "cannot change the access mode");
	is_errno(fcntl(fd, 9999), EINVAL, "unknown command");
	is_errno(fcntl(9999, F_GETFL), EBADF, "closed");
	is_errno(fcntl(9999, 9999), EBADF, "closed and unknown");
	is_efault(fcntl(fd, F_GETLK, bp), "F_GETLK at bad addresses");
	close(rd);
	close(fd);
}

static void check_seek(void)
{
	int fd = make("f", "0123456789"), fds[2];
	char buf[16];

	tap_group("lseek");
	(void)!pipe(fds);
	is_int(lseek(fd, 4, SEEK_SET), 4, "SEEK_SET");
	is_int(lseek(fd, -1, SEEK_CUR), 3, "SEEK_CUR");
	is_int(lseek(fd, -2, SEEK_END), 8, "SEEK_END");
	is_int(lseek(fd, 100, SEEK_SET), 100, "past the end");
	is_int(read(fd, buf, 10), 0, "nothing to read there");
	is_int(write(fd, "x", 1), 1, "a write there");
	is_int(pread(fd, buf, 16, 50), 16, "leaves zeros between");
	ok(buf[0] == 0 && buf[15] == 0, "zeros");
	is_errno(lseek(fd, -1, SEEK_SET), EINVAL, "negative");
	is_errno(lseek(fd, -1000, SEEK_END), EINVAL, "before the start");
	is_errno(lseek(fd, 0, 99), EINVAL, "bad whence");
	is_errno(lseek(9999, 0, SEEK_SET), EBADF, "closed");
	is_errno(lseek(fds[0], 0, SEEK_CUR), ESPIPE, "a pipe");
	is_int(lseek(fd, 0, SEEK_DATA), 0, "SEEK_DATA at data");
	is_int(lseek(fd, 50, SEEK_HOLE), 101, "SEEK_HOLE at the end");
	is_errno(lseek(fd, 101, SEEK_DATA), ENXIO, "SEEK_DATA at the end");
	is_errno(lseek(fd, 500, SEEK_HOLE), ENXIO, "SEEK_HOLE past it");
	is_int(ftruncate(fd, 0), 0, "emptied");
	is_int(pwrite(fd, "d", 1, 16 << 20), 1, "data after 16 MiB");
	is_int(lseek(fd, 0, SEEK_HOLE), 0, "a hole at the start");
	is_int(lseek(fd, 0, SEEK_DATA), 16 << 20, "and where it ends");
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

static void check_rw(void)
{
	int fd = make("f", "0123456789"), rd = open("f", O_RDONLY), wr;
	int dir = open(".", O_RDONLY), path = open("f", O_PATH);
	char buf[32] = "";
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(edge + 4096, 4096);
	wr = open("f", O_WRONLY);
	tap_group("read and write");
	is_int(read(fd, buf, 4), 4, "read");
	is_int(read(fd, buf, 32), 6, "a short read at the end");
	is_int(read(fd, buf, 32), 0, "end of file");
	is_int(read(fd, buf, 0), 0, "zero bytes");
	is_int(write(fd, buf, 0), 0, "zero bytes written");
	is_errno(write(rd, "x", 1), EBADF, "write to O_RDONLY");
	is_errno(read(wr, buf, 1), EBADF, "read from O_WRONLY");
	is_errno(read(path, buf, 1), EBADF, "read from O_PATH");
	is_errno(read(dir, buf, 1), EISDIR, "read a directory");
	is_errno(read(-1, buf, 1), EBADF, "read from -1");
	is_errno(write(9999, buf, 1), EBADF, "write to a closed one");
	lseek(fd, 0, SEEK_SET);
	is_efault(syscall(SYS_read, fd, bp, 1), "read to bad addresses");
	is_efault(syscall(SYS_write, fd, bp, 1), "write from bad addresses");
	is_int(lseek(fd, 0, SEEK_CUR), 0, "which moves nothing");
	is_errno(syscall(SYS_read, fd, buf, -1L), EFAULT, "a negative length");
	is_errno(syscall(SYS_read, fd, buf, 1UL << 63), EFAULT, "and another");
	is_errno(syscall(SYS_read, rd, (void *)0x7ffffffff000, 1L << 40),
		 EFAULT, "a huge length at the end of user space");
	memset(edge, 'e', 4096);
	is_int(pwrite(fd, edge + 4090, 6, 0), 6, "up to the edge of a page");
	is_int(syscall(SYS_pwrite64, fd, edge + 4090, 20, 0), 6,
	       "over the edge: what there is");
	is_int(pread(fd, buf, 10, 0), 10, "pread");
	ok(memcmp(buf, "eeeeee6789", 10) == 0, "only that was written");
	is_errno(pread(fd, buf, 1, -1), EINVAL, "pread at -1");
	is_errno(pwrite(fd, buf, 1, -1), EINVAL, "pwrite at -1");
	is_errno(pwrite(rd, buf, 1, 0), EBADF, "pwrite to O_RDONLY");
	is_errno(pread(wr, buf, 1, 0), EBADF, "pread from O_WRONLY");
	is_int(lseek(fd, 0, SEEK_CUR), 0, "the position stays");
	close(fd);
	fd = open("f", O_RDWR | O_APPEND);
	is_int(write(fd, "AB", 2), 2, "O_APPEND");
	is_int(lseek(fd, 0, SEEK_CUR), 12, "goes to the end");
	is_int(pwrite(fd, "CD", 2, 0), 2, "pwrite with O_APPEND");
	is_int(lseek(fd, 0, SEEK_END), 14, "appends too, as on Linux");
	lseek(fd, 0, SEEK_SET);
	is_int(read(fd, buf, 14), 14, "all of it");
	ok(memcmp(buf, "eeeeee6789ABCD", 14) == 0, "is as it should be");
	close(fd);
	close(rd);
	close(wr);
	close(dir);
	close(path);
	munmap(edge, 4096);
}

/* The program's memory ends before the request does: exactly what fits. */
static void check_edge(void)
{
	static const int rooms[] = { 1,	  7,   8,   9,	 15,  17,  63,	65,
				     127, 128, 255, 257, 260, 265, 999, 4095 };
	char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char want[4096], got[4096];
	int fd = make("edge", ""), zero = open("/dev/zero", O_RDONLY);
	int nread = 0, nwritten = 0, nzeroed = 0, all = 0;

	tap_group("the edge of memory");
	munmap(edge + 4096, 4096);
	for (int i = 0; i < 4096; i++)
		want[i] = (char)(i * 7 + i / 256);
	(void)!write(fd, want, sizeof(want));
	/* Of whole words, and with the end within the last bytes. */
	for (int i = 0; i < 16 * 8; i++) {
		int room = rooms[i / 8];
		size_t len = i % 8 ? (size_t)(room + i % 8) : 4096;
		char *p = edge + 4096 - room;

		all++;
		memset(edge, 'e', 4096);
		nread += pread(fd, p, len, 0) == room &&
			 memcmp(p, want, (size_t)room) == 0;
		nwritten += syscall(SYS_pwrite64, fd, p, len, 4096) == room &&
			    pread(fd, got, 4096, 4096) >= room &&
			    memcmp(got, want, (size_t)room) == 0;
		memset(got, 0, sizeof(got));
		nzeroed += read(zero, p, len) == room &&
			   memcmp(p, got, (size_t)room) == 0;
	}
	is_int(nread, all, "read up to it");
	is_int(nwritten, all, "written up to it");
	is_int(nzeroed, all, "zeroed up to it");
	close(fd);
	close(zero);
	munmap(edge, 4096);
}

static void check_vectors(void)
{
	int fd = make("f", "");
	char a[4] = "", b[8] = "", e[4] = "";
	struct iovec w[3] = { { (void *)(uintptr_t) "one", 3 },
			      { (void *)(uintptr_t) "", 0 },
			      { (void *)(uintptr_t) "three", 5 } };
	struct iovec r[3] = { { a, 3 }, { b, 5 }, { e, 3 } };
	struct iovec many[1025];

	tap_group("vectors");
	is_int(writev(fd, w, 3), 8, "writev");
	lseek(fd, 0, SEEK_SET);
	is_int(readv(fd, r, 3), 8, "readv");
	ok(memcmp(a, "one", 3) == 0 && memcmp(b, "three", 5) == 0, "pieces");
	is_int(pwritev(fd, w, 3, 2), 8, "pwritev");
	is_int(preadv(fd, r, 2, 2), 8, "preadv");
	ok(memcmp(a, "one", 3) == 0 && memcmp(b, "three", 5) == 0, "pieces");
	is_int(readv(fd, r, 0), 0, "no vectors");
	is_errno(syscall(SYS_readv, fd, r, -1), EINVAL, "-1 vectors");
	is_errno(writev(fd, many, 1025), EINVAL, "1,025 vectors");
	is_errno(preadv(fd, r, 1, -1), EINVAL, "at -1");
	is_errno(readv(9999, r, 1), EBADF, "closed");
	is_efault(syscall(SYS_readv, fd, bp, 1), "vectors at bad addresses");
	is_efault(syscall(SYS_writev, fd, bp, 1), "the same to write");
	r[1].iov_len = (size_t)-1;
	is_errno(preadv(fd, r, 2, 0), EINVAL, "a negative piece");
	w[2].iov_base = bad_ptr;
	is_int(pwritev(fd, w, 3, 0), 3, "the third bad: the first is written");
	w[0].iov_base = bad_ptr;
	is_errno(pwritev(fd, w, 3, 0), EFAULT, "the first bad");
	close(fd);
}

static int nofile_child(void)
{
	struct rlimit rl = { 20, 20 };
	int n = 0, fd;

	must(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	while ((fd = dup(1)) >= 0)
		n++;
	must(errno == EMFILE && n > 5 && n < 20);
	must(open("f", O_RDONLY) == -1 && errno == EMFILE);
	must(pipe((int[2]){ 0, 0 }) == -1 && errno == EMFILE);
	must(dup2(1, 20) == -1 && errno == EBADF);
	must(dup2(1, 19) == 19);
	must(fcntl(1, F_DUPFD, 20) == -1 && errno == EINVAL);
	close(7);
	must(open("f", O_RDONLY) == 7);
	return 0;
}

static int fsize_child(void)
{
	struct rlimit rl = { 100, 100 };
	int fd = open("lim", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[80] = "";

	signal(SIGXFSZ, SIG_IGN);
	must(setrlimit(RLIMIT_FSIZE, &rl) == 0);
	must(write(fd, buf, 80) == 80);
	must(write(fd, buf, 80) == 20);
	must(write(fd, buf, 80) == -1 && errno == EFBIG);
	must(ftruncate(fd, 101) == -1 && errno == EFBIG);
	signal(SIGXFSZ, SIG_DFL);
	(void)!write(fd, buf, 80);
	return 1;
}

static void check_limits(void)
{
	int fd = make("f", "x"), n = 0, fds[1000];

	tap_group("limits");
	for (; n < 1000; n++)
		if ((fds[n] = dup(fd)) < 0)
			break;
	is_int(n, 1000, "a thousand dups");
	while (n > 0)
		close(fds[--n]);
	is_int(tap_child(nofile_child), 0, "RLIMIT_NOFILE");
	is_int(tap_child(fsize_child), 1000 + SIGXFSZ, "RLIMIT_FSIZE");
	close(fd);
}

static void check_sendfile(void)
{
	int in = make("f", "0123456789"), out = make("g", ""), fds[2], sv[2];
	off_t off = 3;
	char buf[32] = "";
	char *big = malloc(200000);
	size_t sum = 0;
	ssize_t n;

	tap_group("sendfile");
	(void)!pipe(fds);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	is_int(sendfile(out, in, &off, 4), 4, "with an offset");
	is_int(off, 7, "which moves on");
	is_int(lseek(in, 0, SEEK_CUR), 0, "the position does not");
	is_int(sendfile(fds[1], in, NULL, 100), 10, "to a pipe");
	is_int(lseek(in, 0, SEEK_CUR), 10, "now the position moved");
	is_int(sendfile(sv[0], in, NULL, 100), 0, "at the end");
	is_int(pread(out, buf, 32, 0), 4, "what came");
	ok(memcmp(buf, "3456", 4) == 0, "is right");
	memset(big, 'b', 200000);
	(void)!pwrite(in, big, 200000, 0);
	if (tap_fork() == 0) {
		off = 0;
		while (off < 200000 && sendfile(sv[0], in, &off, 200000) > 0)
			;
		_exit(0);
	}
	close(sv[0]);
	while ((n = read(sv[1], big, 5000)) > 0)
		sum += (size_t)n;
	wait(NULL);
	is_int(sum, 200000, "200,000 bytes to a socket");
	is_errno(sendfile(out, fds[0], NULL, 1), EINVAL, "from a pipe");
	is_errno(sendfile(9999, in, NULL, 1), EBADF, "to a closed one");
	is_errno(sendfile(out, 9999, NULL, 1), EBADF, "from a closed one");
	off = -1;
	is_errno(sendfile(out, in, &off, 1), EINVAL, "at -1");
	is_efault(syscall(SYS_sendfile, out, in, bp, 1), "bad addresses");
	free(big);
	close(in);
	close(out);
	close(fds[0]);
	close(fds[1]);
	close(sv[1]);
}

static int lock_child(void)
{
	int fd = open("f", O_RDWR);
	struct flock fl = { .l_type = F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = 2,
			    .l_len = 3 };

	must(fcntl(fd, F_SETLK, &fl) == -1 &&
	     (errno == EAGAIN || errno == EACCES));
	must(fcntl(fd, F_GETLK, &fl) == 0);
	must(fl.l_type == F_WRLCK && fl.l_pid == getppid());
	must(fl.l_start == 0 && fl.l_len == 5);
	fl = (struct flock){ .l_type = F_WRLCK, .l_start = 5, .l_len = 0 };
	must(fcntl(fd, F_SETLK, &fl) == 0);
	must(flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	must(flock(fd, LOCK_SH | LOCK_NB) == 0);
	return 0;
}

/* Gets the lock only when its owner gives it up by closing. */
static int wait_lock_child(void)
{
	int fd = open("f", O_RDWR);
	struct flock fl = { .l_type = F_WRLCK, .l_start = 0, .l_len = 1 };

	must(fcntl(fd, F_SETLKW, &fl) == 0);
	must(lseek(fd, 0, SEEK_END) == 11);
	return 0;
}

static void check_locks(void)
{
	int fd = make("f", "0123456789"), other = open("f", O_RDONLY);
	struct flock fl = { .l_type = F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = 0,
			    .l_len = 5 };
	pid_t pid;

	tap_group("locks");
	is_int(fcntl(fd, F_SETLK, &fl), 0, "a record lock");
	is_int(flock(fd, LOCK_SH), 0, "flock, shared");
	is_int(tap_child(lock_child), 0, "others see them");
	is_int(flock(other, LOCK_SH | LOCK_NB), 0, "shared with another file");
	is_errno(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK, "no upgrade then");
	is_errno(flock(fd, 77), EINVAL, "bad operation");
	is_errno(flock(9999, LOCK_SH), EBADF, "closed");
	fl.l_type = 7;
	is_errno(fcntl(fd, F_SETLK, &fl), EINVAL, "bad type");
	fl.l_type = F_WRLCK;
	is_errno(fcntl(other, F_SETLK, &fl), EBADF, "write lock, read-only");
	pid = tap_fork();
	if (pid == 0)
		_exit(wait_lock_child());
	tap_await_state(pid, "S");
	(void)!pwrite(fd, "x", 1, 10);
	close(other);
	is_int(tap_wait(pid), 0, "any close gives up record locks");
	close(fd);
}

static void check_ioctl(void)
{
	int fd = make("f", "0123456789"), fds[2], n = -1, one = 1;

	tap_group("ioctl");
	(void)!pipe(fds);
	(void)!write(fds[1], "abc", 3);
	is_int(ioctl(fds[0], FIONREAD, &n), 0, "FIONREAD");
	is_int(n, 3, "of a pipe");
	lseek(fd, 4, SEEK_SET);
	is_int(ioctl(fd, FIONREAD, &n), 0, "FIONREAD");
	is_int(n, 6, "of a file");
	is_int(ioctl(fds[0], FIONBIO, &one), 0, "FIONBIO");
	ok(fcntl(fds[0], F_GETFL) & O_NONBLOCK, "sets O_NONBLOCK");
	is_int(ioctl(fd, FIOCLEX), 0, "FIOCLEX");
	is_int(fcntl(fd, F_GETFD), FD_CLOEXEC, "sets close-on-exec");
	is_int(ioctl(fd, FIONCLEX), 0, "FIONCLEX");
	is_errno(ioctl(fd, TCGETS, &n), ENOTTY, "TCGETS of a file");
	is_errno(ioctl(fds[0], TIOCGWINSZ, &n), ENOTTY, "of a pipe");
	is_errno(ioctl(fd, 0xdead), ENOTTY, "unknown");
	is_errno(ioctl(9999, FIONREAD, &n), EBADF, "closed");
	is_efault(ioctl(fds[0], FIONREAD, bp), "bad addresses");
	ok(!isatty(fd), "not a terminal");
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_dup();
	check_fcntl();
	check_seek();
	check_rw();
	check_edge();
	check_vectors();
	check_limits();
	check_sendfile();
	check_locks();
	check_ioctl();
	return tap_done();
}
