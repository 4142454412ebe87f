// SPDX-License-Identifier: Apache-2.0
/* A mixture of everything, many times over, leaving nothing behind. The
 * runner compares the kernel's counts of pages, objects, descriptors and
 * timers before and after; the program itself checks what it can see.
 * Usage: leak [ROUNDS], 20 unless told. */
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static bool do_files(void)
{
	char buf[8192];
	int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
	bool good = fd >= 0;

	memset(buf, 'f', sizeof(buf));
	for (int i = 0; i < 8; i++)
		good &= write(fd, buf, sizeof(buf)) == sizeof(buf);
	good &= mkdir("dir", 0700) == 0 && rename("file", "dir/moved") == 0;
	good &= link("dir/moved", "link") == 0 && symlink("link", "sym") == 0;
	good &= ftruncate(fd, 100) == 0 && flock(fd, LOCK_EX) == 0;
	good &= unlink("dir/moved") == 0 && unlink("sym") == 0;
	good &= unlink("link") == 0 && rmdir("dir") == 0;
	/* The last name is gone, the last descriptor comes now. */
	good &= pwrite(fd, buf, sizeof(buf), 1 << 20) == sizeof(buf);
	return close(fd) == 0 && good;
}

static bool do_memory(void)
{
	char *p = mmap(NULL, 64 * PG, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);
	bool good = p != MAP_FAILED && ftruncate(fd, 16 * PG) == 0;
	char *s = mmap(NULL, 16 * PG, RW, MAP_SHARED, fd, 0);
	char *c = mmap(NULL, 16 * PG, RW, MAP_PRIVATE, fd, 0);

	memset(p, 1, 64 * PG);
	memset(s, 2, 16 * PG);
	memset(c, 3, 8 * PG);
	good &= mprotect(p + 8 * PG, 8 * PG, PROT_READ) == 0;
	good &= munmap(p + 32 * PG, 8 * PG) == 0;
	good &= madvise(p, 4 * PG, MADV_DONTNEED) == 0;
	p = mremap(p, 8 * PG, 8 * PG, MREMAP_MAYMOVE) == p ? p : NULL;
	good &= p && munmap(p, 64 * PG) == 0;
	unlink("mapped");
	good &= munmap(s, 16 * PG) == 0 && munmap(c, 16 * PG) == 0;
	return close(fd) == 0 && good;
}

static int child(void)
{
	int fds[2];

	/* Leaves all of it to exit. */
	must(pipe(fds) == 0 && eventfd(1, 0) >= 0 && epoll_create1(0) >= 0);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	must(open("child", O_CREAT | O_RDWR, 0600) >= 0);
	must(unlink("child") == 0);
	must(mmap(NULL, 32 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
	     MAP_FAILED);
	memset(malloc(1 << 20), 1, 1 << 20);
	return 3;
}

static bool do_processes(void)
{
	pid_t pid = tap_fork();
	bool good = true;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "exit 4", NULL);
		_exit(9);
	}
	good &= tap_wait(pid) == 4;
	good &= tap_child(child) == 3;
	pid = tap_fork();
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGKILL);
	return tap_wait(pid) == 1000 + SIGKILL && good;
}

static void *thread(void *arg)
{
	char *p = malloc(10000);

	memset(p, 1, 10000);
	free(p);
	return arg;
}

static bool do_threads(void)
{
	pthread_t ts[8];
	bool good = true;
	void *res;

	for (long i = 0; i < 8; i++)
		good &= pthread_create(&ts[i], NULL, thread, (void *)i) == 0;
	for (long i = 0; i < 8; i++)
		good &= pthread_join(ts[i], &res) == 0 && res == (void *)i;
	return good;
}

static bool do_pipes(void)
{
	int fds[2], sv[2], pass[1];
	char buf[1000], ctl[CMSG_SPACE(sizeof(int))] = "";
	struct iovec io = { buf, 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = ctl,
			    .msg_controllen = sizeof(ctl) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	bool good = pipe(fds) == 0;

	memset(buf, 'p', sizeof(buf));
	good &= write(fds[1], buf, sizeof(buf)) == sizeof(buf);
	good &= socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	pass[0] = fds[0];
	memcpy(CMSG_DATA(h), pass, sizeof(pass));
	/* Closed with data in the pipe, and a descriptor in flight. */
	good &= sendmsg(sv[0], &m, 0) == 1;
	close(fds[0]);
	close(fds[1]);
	close(sv[0]);
	return close(sv[1]) == 0 && good;
}

static bool do_inet(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), c, s, u;
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	char buf[5000] = "";
	bool good = true;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	good &= bind(l, (void *)&a, len) == 0 && listen(l, 4) == 0;
	getsockname(l, (void *)&a, &len);
	c = socket(AF_INET, SOCK_STREAM, 0);
	good &= connect(c, (void *)&a, len) == 0;
	s = accept(l, NULL, NULL);
	good &= write(c, buf, sizeof(buf)) == sizeof(buf);
	good &= recv(s, buf, 3000, MSG_WAITALL) == 3000;
	u = socket(AF_INET, SOCK_DGRAM, 0);
	good &= sendto(u, buf, 100, 0, (void *)&a, len) == 100;
	close(u);
	close(s);
	close(c);
	return close(l) == 0 && good;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static bool do_events(void)
{
	int ep = epoll_create1(0), ev = eventfd(1, 0);
	int tm = timerfd_create(CLOCK_MONOTONIC, 0), sg;
	struct itimerspec its = { { 0, 1000000 }, { 100, 0 } };
	struct itimerval it = { { 0, 0 }, { 100, 0 } };
	struct epoll_event e = { .events = EPOLLIN };
	sigset_t set, old;
	bool good = true;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	sg = signalfd(-1, &set, 0);
	good &= epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e) == 0;
	good &= epoll_ctl(ep, EPOLL_CTL_ADD, tm, &e) == 0;
	good &= epoll_ctl(ep, EPOLL_CTL_ADD, sg, &e) == 0;
	good &= timerfd_settime(tm, 0, &its, NULL) == 0;
	good &= setitimer(ITIMER_VIRTUAL, &it, NULL) == 0;
	good &= epoll_wait(ep, &e, 1, -1) == 1;
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	raise(SIGUSR1);
	signal(SIGUSR1, on_alarm);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(ev);
	close(ep);
	close(sg);
	return close(tm) == 0 && good;
}

static bool do_shm(void)
{
	int id = shmget(IPC_PRIVATE, 10 * PG, IPC_CREAT | 0600), status = 0;
	char *p = shmat(id, NULL, 0);
	bool good = id >= 0 && p != (void *)-1;
	pid_t pid = tap_fork();

	if (pid == 0) {
		p[PG] = 7;
		_exit(0);
	}
	good &= waitpid(pid, &status, 0) == pid && status == 0 && p[PG] == 7;
	good &= shmctl(id, IPC_RMID, NULL) == 0;
	return shmdt(p) == 0 && good;
}

/* Refused calls must give back what they had taken by then. */
static bool do_failures(void)
{
	char *none[] = { NULL };
	bool good = true;

	good &= execv("/nonexistent", none) == -1;
	good &= execv(".", none) == -1;
	good &= syscall(SYS_pipe2, bad_ptr, 0) == -1;
	good &= syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bad_ptr) == -1;
	good &= open("none/none", O_CREAT | O_RDWR, 0600) == -1;
	good &= mmap(NULL, PG, RW, MAP_SHARED, 9999, 0) == MAP_FAILED;
	good &= syscall(SYS_clone, 0x10000, 0, 0, 0, 0) == -1;
	good &= symlink(".", ".") == -1 && rename(".", "x") == -1;
	good &= syscall(SYS_execve, "/bin/sh", bad_ptr, NULL) == -1;
	return good;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int main(int argc, char **argv)
{
	static const struct {
		bool (*fn)(void);
		const char *name;
	} parts[] = {
		{ do_files, "files" },	       { do_memory, "memory" },
		{ do_processes, "processes" }, { do_threads, "threads" },
		{ do_pipes, "pipes" },	       { do_inet, "inet" },
		{ do_events, "events" },       { do_shm, "shared memory" },
		{ do_failures, "refusals" },
	};
	int rounds = argc > 1 ? atoi(argv[1]) : 20, before;
	bool good[ARRAY_SIZE(parts)];

	tap_start();
	tap_dir();
	before = count_fds();
	memset(good, 1, sizeof(good));
	for (int r = 0; r < rounds; r++)
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
			good[i] &= parts[i].fn();
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		ok(good[i], parts[i].name);
	is_int(count_fds(), before, "the same descriptors as before");
	is_errno(waitpid(-1, NULL, WNOHANG), ECHILD, "no children left");
	return tap_done();
}
