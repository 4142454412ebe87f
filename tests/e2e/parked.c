/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in an instance that is suspended and resumed over and over: a server at
 * port 80 with a child in each kind of wait. "NAME" makes what the child NAME
 * waits for true; the answer is "NAME COUNT FAULTS": how often the child was
 * woken, and how many pages of its memory were not as it had left them. The
 * children poll and epoll are woken by connections to ports 81 and 82; "poll"
 * only asks for the answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGES 40 /* of each child's own */
#define LOCK_FILE "/tmp/lock"

struct answer {
	int child, count, faults;
};

static struct {
	uint32_t word;	  /* futex */
	pid_t grandchild; /* of waitpid */
} * shared;
static volatile sig_atomic_t is_alarmed;
static int go[2], answers[2], event, timer, msg, sem, lock, ports[3];
static int never[2];		 /* a pipe that nobody writes to */
static uint64_t common[512 * 4]; /* pages of the parent, never written again */

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void must(int ok, const char *what)
{
	if (!ok)
		die(what);
}

static void on_signal(int sig)
{
	if (sig == SIGALRM)
		is_alarmed = 1;
}

static int listen_at(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)), "bind");
	must(!listen(fd, 8), "listen");
	return fd;
}

static void take_connection(int fd)
{
	int c = accept(fd, NULL, NULL);

	must(c >= 0, "accept");
	close(c);
}

static void read_one(int fd)
{
	char buf[8];

	must(read(fd, buf, fd == go[0] ? 1 : 8) > 0, "read");
}

/* --- What a child waits in, and how it is woken -------------------------- */

static void wait_futex(void)
{
	static uint32_t seen; /* it may have been woken again already */

	while (__atomic_load_n(&shared->word, __ATOMIC_SEQ_CST) == seen)
		syscall(SYS_futex, &shared->word, FUTEX_WAIT, seen, NULL);
	seen++;
}

static void wake_futex(pid_t pid)
{
	(void)pid;
	__atomic_fetch_add(&shared->word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &shared->word, FUTEX_WAKE, 1);
}

static void wait_pipe(void)
{
	read_one(go[0]);
}

static void wake_pipe(pid_t pid)
{
	(void)pid;
	must(write(go[1], "x", 1) == 1, "write");
}

static void wait_signalfd(void)
{
	struct signalfd_siginfo info;
	static int fd = -1;
	struct pollfd p;
	sigset_t set;

	if (fd < 0) {
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		fd = signalfd(-1, &set, 0);
	}
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	must(poll(&p, 1, -1) == 1, "poll");
	must(read(fd, &info, sizeof(info)) == sizeof(info), "signalfd");
}

static void wake_by_signal(pid_t pid)
{
	must(!kill(pid, SIGUSR1), "kill");
}

static void wait_sigwait(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(!sigwait(&set, &sig), "sigwait");
}

static void wait_suspended(void)
{
	sigset_t set, none;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	must(sigsuspend(&none) < 0 && errno == EINTR, "sigsuspend");
}

static void wait_sleep(void)
{
	struct timespec ts = { 3600, 0 };

	must(nanosleep(&ts, &ts) < 0 && errno == EINTR && ts.tv_sec > 3000,
	     "nanosleep");
}

static void wait_waitpid(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		for (;;)
			pause();
	__atomic_store_n(&shared->grandchild, pid, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &shared->grandchild, FUTEX_WAKE, 1);
	must(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL,
	     "waitpid");
}

static void wake_waitpid(pid_t pid)
{
	(void)pid;
	while (!__atomic_load_n(&shared->grandchild, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &shared->grandchild, FUTEX_WAIT, 0, NULL);
	pid = __atomic_exchange_n(&shared->grandchild, 0, __ATOMIC_SEQ_CST);
	must(!kill(pid, SIGKILL), "kill");
}

static void wait_msg(void)
{
	long m[4];

	must(msgrcv(msg, m, sizeof(m) - sizeof(m[0]), 0, 0) == 8, "msgrcv");
}

static void wake_msg(pid_t pid)
{
	long m[] = { 1, pid };

	must(!msgsnd(msg, m, 8, 0), "msgsnd");
}

static void wait_sem(void)
{
	struct sembuf op = { 0, -1, 0 };

	must(!semop(sem, &op, 1), "semop");
}

static void wake_sem(pid_t pid)
{
	struct sembuf op = { 0, 1, 0 };

	(void)pid;
	must(!semop(sem, &op, 1), "semop");
}

/* The server holds it until this child is to go on, and has it again before
 * the child asks for it the next time. */
static void wait_flock(void)
{
	int fd = open(LOCK_FILE, O_RDWR);

	must(!flock(fd, LOCK_EX), "flock");
	close(fd);
}

static void wake_flock(pid_t pid)
{
	(void)pid;
	must(!flock(lock, LOCK_UN), "unlock");
}

static void wait_unix(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
				   .sun_path = "/tmp/socket" };
	static int fd = -1;

	if (fd < 0) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		must(!bind(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
			     !listen(fd, 1),
		     "unix");
	}
	take_connection(fd);
}

static void wake_unix(pid_t pid)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
				   .sun_path = "/tmp/socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)pid;
	must(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)), "connect");
	close(fd);
}

static void wait_eventfd(void)
{
	read_one(event);
}

static void wake_eventfd(pid_t pid)
{
	uint64_t one = 1;

	(void)pid;
	must(write(event, &one, 8) == 8, "eventfd");
}

static void wait_timerfd(void)
{
	struct itimerspec it = { .it_value = { 3600, 0 } };

	must(!timerfd_settime(timer, 0, &it, NULL), "timerfd");
	read_one(timer);
}

static void wake_timerfd(pid_t pid)
{
	struct itimerspec it = { .it_value = { 0, 1 } };

	(void)pid;
	must(!timerfd_settime(timer, 0, &it, NULL), "timerfd");
}

static void wait_epoll_on(int a, int b)
{
	struct epoll_event ev = { .events = EPOLLIN };
	static int set = -1;

	if (set < 0) {
		set = epoll_create1(0);
		ev.data.fd = a;
		must(!epoll_ctl(set, EPOLL_CTL_ADD, a, &ev), "epoll_ctl");
		ev.data.fd = b;
		must(!epoll_ctl(set, EPOLL_CTL_ADD, b, &ev), "epoll_ctl");
	}
	must(epoll_wait(set, &ev, 1, -1) == 1 && ev.data.fd == a, "epoll_wait");
}

static void wait_inside(void)
{
	wait_epoll_on(go[0], never[0]);
	read_one(go[0]);
}

static void wait_poll(void)
{
	struct pollfd p[] = { { .fd = ports[0], .events = POLLIN },
			      { .fd = never[0], .events = POLLIN } };

	must(poll(p, 2, -1) == 1, "poll");
	take_connection(ports[0]);
}

static void wait_epoll(void)
{
	wait_epoll_on(ports[1], never[0]);
	take_connection(ports[1]);
}

/* A signal came before. */
static void wait_alarmed(void)
{
	struct itimerval it = { .it_value = { .tv_usec = 1 } };

	is_alarmed = 0;
	must(!setitimer(ITIMER_REAL, &it, NULL), "setitimer");
	while (!is_alarmed)
		;
	wait_epoll_on(ports[2], never[0]);
	take_connection(ports[2]);
}

static void wake_outside(pid_t pid)
{
	(void)pid;
}

static void *wait_in_thread(void *arg)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&m);
	for (;;)
		pthread_cond_wait(&c, &m);
	return arg;
}

static void wait_threads(void)
{
	static int n;

	for (; n < 5; n++) {
		pthread_t t;

		must(!pthread_create(&t, NULL, wait_in_thread, NULL), "thread");
	}
	read_one(go[0]);
}

/* Its host thread runs another process: such a space is never parked. */
static void wait_vfork(void)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		char c;

		_exit(read(go[0], &c, 1) == 1 ? 3 : 4);
	}
	must(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3,
	     "vfork");
}

static struct child {
	const char *name;
	void (*wait)(void);
	void (*wake)(pid_t pid);
	pid_t pid;
	int go[2];
} children[] = {
	{ .name = "futex", .wait = wait_futex, .wake = wake_futex },
	{ .name = "pipe", .wait = wait_pipe, .wake = wake_pipe },
	{ .name = "signalfd", .wait = wait_signalfd, .wake = wake_by_signal },
	{ .name = "sigwait", .wait = wait_sigwait, .wake = wake_by_signal },
	{ .name = "sigsuspend",
	  .wait = wait_suspended,
	  .wake = wake_by_signal },
	{ .name = "sleep", .wait = wait_sleep, .wake = wake_by_signal },
	{ .name = "waitpid", .wait = wait_waitpid, .wake = wake_waitpid },
	{ .name = "msg", .wait = wait_msg, .wake = wake_msg },
	{ .name = "sem", .wait = wait_sem, .wake = wake_sem },
	{ .name = "flock", .wait = wait_flock, .wake = wake_flock },
	{ .name = "unix", .wait = wait_unix, .wake = wake_unix },
	{ .name = "eventfd", .wait = wait_eventfd, .wake = wake_eventfd },
	{ .name = "timerfd", .wait = wait_timerfd, .wake = wake_timerfd },
	{ .name = "inside", .wait = wait_inside, .wake = wake_pipe },
	{ .name = "threads", .wait = wait_threads, .wake = wake_pipe },
	{ .name = "vfork", .wait = wait_vfork, .wake = wake_pipe },
	{ .name = "poll", .wait = wait_poll, .wake = wake_outside },
	{ .name = "epoll", .wait = wait_epoll, .wake = wake_outside },
	{ .name = "alarm", .wait = wait_alarmed, .wake = wake_outside },
};

#define NCHILDREN ((int)(sizeof(children) / sizeof(children[0])))

static int count_faults(const uint64_t *own, int child, int count)
{
	int faults = 0;

	for (int i = 0; i < PAGES; i++)
		faults += own[i * 512] != (uint64_t)(child * 1000 + i) ||
			  own[i * 512 + 1] != (uint64_t)count;
	for (size_t i = 0; i < sizeof(common) / 8; i += 512)
		faults += common[i] != i + 7;
	return faults;
}

static void child_main(int child)
{
	uint64_t *own = calloc(PAGES, 4096);
	struct answer a = { .child = child };

	go[0] = children[child].go[0];
	signal(SIGUSR1, on_signal);
	signal(SIGALRM, on_signal);
	for (;;) {
		for (int i = 0; i < PAGES; i++) {
			own[i * 512] = (uint64_t)(child * 1000 + i);
			own[i * 512 + 1] = (uint64_t)a.count;
		}
		children[child].wait();
		a.faults = count_faults(own, child, a.count);
		a.count++;
		must(write(answers[1], &a, sizeof(a)) == sizeof(a), "answer");
		/* The server has made it false again. */
		read_one(go[0]);
	}
}

static void open_all(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(!pipe(answers) && !pipe(never), "pipe");
	event = eventfd(0, 0);
	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	msg = msgget(IPC_PRIVATE, 0600);
	sem = semget(IPC_PRIVATE, 1, 0600);
	lock = open(LOCK_FILE, O_RDWR | O_CREAT, 0600);
	must(!flock(lock, LOCK_EX), "lock");
	ports[0] = listen_at(81);
	ports[1] = listen_at(82);
	ports[2] = listen_at(83);
	for (size_t i = 0; i < sizeof(common) / 8; i += 512)
		common[i] = i + 7;
}

static void serve(int fd)
{
	struct pollfd p = { .fd = answers[0], .events = POLLIN };
	char name[32] = { 0 }, text[64];
	struct answer a;
	ssize_t n = read(fd, name, sizeof(name) - 1);

	for (int i = 0; n > 0 && i < NCHILDREN; i++) {
		struct child *c = &children[i];

		if (strcmp(name, c->name) != 0)
			continue;
		go[1] = c->go[1];
		c->wake(c->pid);
		/* It may not have been in its sleep yet. */
		while (c->wait == wait_sleep && poll(&p, 1, 100) == 0)
			c->wake(c->pid);
		must(read(answers[0], &a, sizeof(a)) == sizeof(a), "answer");
		must(a.child == i, "the wrong child was woken");
		if (c->wait == wait_flock)
			must(!flock(lock, LOCK_EX), "lock");
		must(write(c->go[1], "x", 1) == 1, "go");
		n = snprintf(text, sizeof(text), "%s %d %d", name, a.count,
			     a.faults);
		must(write(fd, text, (size_t)n) == n, "write");
	}
}

int main(void)
{
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	open_all();
	fd = listen_at(80);
	for (int i = 0; i < NCHILDREN; i++) {
		must(!pipe(children[i].go), "pipe");
		children[i].pid = fork();
		if (children[i].pid == 0)
			child_main(i);
	}
	puts("ready");
	for (;;) {
		int c = accept(fd, NULL, NULL);

		must(c >= 0, "accept");
		serve(c);
		close(c);
	}
}
