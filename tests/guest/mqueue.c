// SPDX-License-Identifier: Apache-2.0
/* POSIX message queues: names, attributes, order, limits, waiting in turn,
 * notification by signal and by thread, and the queue as a file. */
#include "tap.h"

#include <linux/netlink.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <time.h>

static char name[32]; /* with its slash; the kernel wants none */

static mqd_t queue(int flags, long maxmsg, long size)
{
	struct mq_attr a = { .mq_maxmsg = maxmsg, .mq_msgsize = size };
	mqd_t q;

	mq_unlink(name);
	q = mq_open(name, O_CREAT | O_EXCL | O_RDWR | flags, 0600, &a);
	must(q >= 0);
	return q;
}

static long raw_open(const void *at, int flags, int mode, const void *attr)
{
	return syscall(SYS_mq_open, at, flags, mode, attr);
}

static long raw_send(long q, const void *msg, size_t len, unsigned prio,
		     const void *timeout)
{
	return syscall(SYS_mq_timedsend, q, msg, len, prio, timeout);
}

static long raw_receive(long q, void *msg, size_t len, void *prio,
			const void *timeout)
{
	return syscall(SYS_mq_timedreceive, q, msg, len, prio, timeout);
}

static void check_names(void)
{
	struct mq_attr a = { .mq_maxmsg = 2, .mq_msgsize = 8 }, b;
	char longest[300];
	struct stat st;
	long q;

	tap_group("names");
	is_errno(mq_open(name, O_RDWR), ENOENT, "no such queue");
	is_errno(mq_unlink(name), ENOENT, "nor to unlink");
	q = raw_open(name + 1, O_CREAT | O_EXCL | O_RDWR, 0666, &a);
	ok(q >= 0, "a new queue");
	is_int(fcntl((int)q, F_GETFD), FD_CLOEXEC, "is close-on-exec");
	is_int(fcntl((int)q, F_GETFL) & O_ACCMODE, O_RDWR, "has its mode");
	is_int(fstat((int)q, &st), 0, "fstat");
	is_int(st.st_mode, S_IFREG | 0644, "a file with the umask's rights");
	is_int(st.st_size, 80, "of 80 bytes");
	is_errno(raw_open(name + 1, O_CREAT | O_EXCL | O_RDWR, 0600, &a),
		 EEXIST, "exclusive");
	is_errno(raw_open(name + 1, 3, 0, NULL), EINVAL, "no access mode");
	is_int(syscall(SYS_mq_getsetattr, q, NULL, &b), 0, "its attributes");
	ok(b.mq_maxmsg == 2 && b.mq_msgsize == 8 && b.mq_curmsgs == 0 &&
		   b.mq_flags == 0,
	   "are as asked for");
	is_errno(raw_open("/x", O_CREAT | O_RDWR, 0600, NULL), EACCES,
		 "a slash in front");
	is_errno(raw_open("a/b", O_CREAT | O_RDWR, 0600, NULL), EACCES,
		 "a slash inside");
	is_errno(raw_open(".", O_RDWR, 0, NULL), EACCES, "dot");
	is_errno(raw_open("..", O_RDWR, 0, NULL), EACCES, "dot dot");
	is_errno(raw_open("", O_RDWR, 0, NULL), ENOENT, "an empty name");
	memset(longest, 'a', sizeof(longest));
	longest[256] = '\0';
	is_errno(raw_open(longest, O_RDWR, 0, NULL), ENAMETOOLONG,
		 "a name of 256");
	longest[255] = '\0';
	is_errno(raw_open(longest, O_RDWR, 0, NULL), ENOENT, "and of 255");
	is_efault(raw_open(bp, O_RDWR, 0, NULL), "names at bad addresses");
	is_efault(raw_open("jiffy-none", O_RDWR, 0, bp),
		  "attributes at bad addresses");
	is_efault(syscall(SYS_mq_unlink, bp), "unlink of bad addresses");
	is_int(mq_unlink(name), 0, "unlink");
	is_int(raw_send(q, "x", 1, 0, NULL), 0, "the queue lives on");
	is_errno(mq_open(name, O_RDWR), ENOENT, "without a name");
	close((int)q);
}

static void check_attributes(void)
{
	struct mq_attr a = { .mq_maxmsg = 0, .mq_msgsize = 8 }, b;
	mqd_t q;

	tap_group("attributes");
	is_errno(raw_open(name + 1, O_CREAT | O_RDWR, 0600, &a), EINVAL,
		 "no messages");
	a.mq_maxmsg = -1;
	is_errno(raw_open(name + 1, O_CREAT | O_RDWR, 0600, &a), EINVAL,
		 "less than none");
	a.mq_maxmsg = 65537;
	is_errno(raw_open(name + 1, O_CREAT | O_RDWR, 0600, &a), EINVAL,
		 "too many");
	a.mq_maxmsg = 1;
	a.mq_msgsize = 0;
	is_errno(raw_open(name + 1, O_CREAT | O_RDWR, 0600, &a), EINVAL,
		 "of no bytes");
	a.mq_msgsize = (16 << 20) + 1;
	is_errno(raw_open(name + 1, O_CREAT | O_RDWR, 0600, &a), EINVAL,
		 "of too many bytes");
	q = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, NULL);
	is_int(mq_getattr(q, &a), 0, "a queue by default");
	is_int(a.mq_maxmsg, 10, "has room for 10");
	is_int(a.mq_msgsize, 8192, "of 8 KiB");
	is_int(a.mq_flags, O_NONBLOCK, "and its flags");
	a.mq_flags = 0;
	a.mq_maxmsg = 99;
	is_int(mq_setattr(q, &a, &b), 0, "setattr");
	is_int(b.mq_flags, O_NONBLOCK, "gives the old flags");
	mq_getattr(q, &a);
	ok(a.mq_flags == 0 && a.mq_maxmsg == 10, "and changes only flags");
	is_int(fcntl(q, F_GETFL) & O_NONBLOCK, 0, "those of the file");
	a.mq_flags = O_APPEND;
	is_errno(mq_setattr(q, &a, NULL), EINVAL, "an unknown flag");
	is_errno(syscall(SYS_mq_getsetattr, -1, &a, NULL), EINVAL,
		 "comes before a bad descriptor");
	is_errno(mq_getattr(-1, &a), EBADF, "a bad descriptor");
	is_errno(mq_getattr(1, &a), EBADF, "no queue");
	is_efault(syscall(SYS_mq_getsetattr, q, bp, NULL),
		  "from bad addresses");
	is_efault(syscall(SYS_mq_getsetattr, q, NULL, bp), "to bad addresses");
	mq_close(q);
	mq_unlink(name);
}

static void check_order(void)
{
	mqd_t q = queue(O_NONBLOCK, 4, 16);
	struct mq_attr a;
	unsigned prio = 7;
	char buf[16];

	tap_group("order");
	is_errno(mq_receive(q, buf, 16, &prio), EAGAIN, "empty");
	is_int(mq_send(q, "one", 3, 1), 0, "priority 1");
	is_int(mq_send(q, "two", 3, 32767), 0, "the highest");
	is_int(mq_send(q, "three", 5, 1), 0, "1 again");
	is_int(mq_send(q, "", 0, 0), 0, "an empty one");
	is_errno(mq_send(q, "x", 1, 0), EAGAIN, "full");
	mq_getattr(q, &a);
	is_int(a.mq_curmsgs, 4, "four are there");
	is_int(mq_receive(q, buf, 16, &prio), 3, "the highest first");
	ok(prio == 32767 && !memcmp(buf, "two", 3), "with its priority");
	is_int(mq_receive(q, buf, 16, &prio), 3, "then the older");
	ok(prio == 1 && !memcmp(buf, "one", 3), "of those with 1");
	is_int(mq_receive(q, buf, 16, NULL), 5, "then the younger");
	is_int(mq_receive(q, buf, 16, &prio), 0, "the empty one last");
	is_int(prio, 0, "of priority 0");
	is_errno(mq_send(q, "x", 1, 32768), EINVAL, "a priority too high");
	is_errno(raw_send(-1, "x", 1, 32768, NULL), EINVAL,
		 "comes before a bad descriptor");
	is_errno(mq_send(q, buf, 17, 0), EMSGSIZE, "too long");
	is_errno(raw_send(q, buf, ~0UL, 0, NULL), EMSGSIZE, "far too long");
	is_errno(mq_receive(q, buf, 15, NULL), EMSGSIZE, "room too small");
	is_errno(raw_send(1, buf, 1, 0, NULL), EBADF, "to no queue");
	is_errno(raw_receive(1, buf, 16, NULL, NULL), EBADF, "from no queue");
	is_errno(raw_send(-1, buf, 1, 0, NULL), EBADF, "to descriptor -1");
	is_errno(raw_receive(-1, buf, 16, NULL, NULL), EBADF,
		 "from descriptor -1");
	is_efault(raw_send(q, bp, 1, 0, NULL), "from bad addresses");
	is_efault(raw_send(q, buf, 1, 0, bp), "send until bad addresses");
	is_efault(raw_receive(q, buf, 16, NULL, bp),
		  "receive until bad addresses");
	mq_send(q, "x", 1, 0);
	is_errno(raw_receive(q, bad_ptr, 16, NULL, NULL), EFAULT,
		 "to a bad address");
	mq_getattr(q, &a);
	is_int(a.mq_curmsgs, 0, "the message is lost then");
	mq_close(q);
	q = mq_open(name, O_RDONLY);
	is_errno(mq_send(q, "x", 1, 0), EBADF, "only for reading");
	mq_close(q);
	q = mq_open(name, O_WRONLY);
	is_errno(mq_receive(q, buf, 16, NULL), EBADF, "only for writing");
	mq_close(q);
	mq_unlink(name);
}

static mqd_t the_queue;

static void on_signal(int sig)
{
	(void)sig;
}

static int blocked_receiver(void)
{
	char buf[8];
	unsigned prio;
	ssize_t n = mq_receive(the_queue, buf, 8, &prio);

	return n == 2 && prio == 5 && !memcmp(buf, "hi", 2) ? 0 : 1;
}

static int blocked_sender(void)
{
	return mq_send(the_queue, "late", 4, 9) == 0 ? 0 : errno;
}

static int interrupted_receiver(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	char buf[8];

	sigaction(SIGUSR1, &sa, NULL);
	return mq_receive(the_queue, buf, 8, NULL) < 0 ? errno : 0;
}

static pid_t sleeper(int (*fn)(void))
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn());
	must(tap_await_state(pid, "S"));
	return pid;
}

static void check_waiting(void)
{
	struct timespec past = { 1, 0 }, wrong = { 0, 1000000000 }, soon;
	mqd_t q = the_queue = queue(0, 1, 8);
	unsigned prio = 0;
	char buf[8];
	pid_t pid;

	tap_group("waiting");
	is_errno(mq_timedreceive(q, buf, 8, NULL, &past), ETIMEDOUT,
		 "a time in the past");
	is_errno(mq_timedreceive(q, buf, 8, NULL, &wrong), EINVAL,
		 "a wrong time");
	is_errno(raw_receive(-1, buf, 8, NULL, &wrong), EINVAL,
		 "comes before a bad descriptor");
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 2000000;
	if (soon.tv_nsec >= 1000000000) {
		soon.tv_nsec -= 1000000000;
		soon.tv_sec++;
	}
	is_errno(mq_timedreceive(q, buf, 8, NULL, &soon), ETIMEDOUT,
		 "receive times out");
	pid = sleeper(blocked_receiver);
	is_int(mq_send(q, "hi", 2, 5), 0, "send to one who waits");
	is_int(tap_wait(pid), 0, "who gets it");
	pid = sleeper(interrupted_receiver);
	kill(pid, SIGUSR1);
	is_int(tap_wait(pid), EINTR, "a signal ends the wait");
	is_int(mq_send(q, "first", 5, 1), 0, "fill the queue");
	is_errno(mq_timedsend(q, "x", 1, 0, &past), ETIMEDOUT,
		 "send times out");
	is_errno(mq_timedsend(q, "x", 1, 0, &wrong), EINVAL,
		 "or has a wrong time");
	pid = sleeper(blocked_sender);
	is_int(mq_receive(q, buf, 8, &prio), 5, "make room");
	is_int(tap_wait(pid), 0, "the sender goes on");
	is_int(mq_receive(q, buf, 8, &prio), 4, "its message is there");
	is_int(prio, 9, "with its priority");
	mq_close(q);
	mq_unlink(name);
}

static volatile sig_atomic_t told, told_code, told_value, told_pid;

static void on_message(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	told++;
	told_code = si->si_code;
	told_value = si->si_value.sival_int;
	told_pid = si->si_pid;
}

static int notify_busy(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };

	if (mq_notify(the_queue, &ev) == 0 || errno != EBUSY)
		return 1;
	return mq_notify(the_queue, NULL) == 0 ? 0 : 2;
}

static int notify_and_leave(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_NONE };

	return mq_notify(the_queue, &ev) == 0 ? 0 : 1;
}

static int send_one(void)
{
	return mq_send(the_queue, "c", 1, 0) == 0 ? 0 : 1;
}

static void check_notify(void)
{
	struct sigaction sa = { .sa_sigaction = on_message,
				.sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR2,
			       .sigev_value.sival_int = 77 };
	mqd_t q = the_queue = queue(O_NONBLOCK, 4, 8), twin;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	char buf[8];

	tap_group("notification by signal");
	sigaction(SIGUSR2, &sa, NULL);
	is_int(mq_notify(q, &ev), 0, "asked for");
	is_errno(mq_notify(q, &ev), EBUSY, "not twice");
	is_int(tap_child(notify_busy), 0, "nor by another process");
	is_int(mq_send(q, "a", 1, 0), 0, "a message");
	ok(told == 1 && told_code == SI_MESGQ && told_value == 77 &&
		   told_pid == getpid(),
	   "is told");
	mq_send(q, "b", 1, 0);
	is_int(told, 1, "once");
	is_int(mq_notify(q, &ev), 0, "asked for again");
	mq_send(q, "c", 1, 0);
	is_int(told, 1, "tells only that an empty queue has one");
	while (mq_receive(q, buf, 8, NULL) >= 0)
		;
	is_int(tap_child(send_one), 0, "a child sends one");
	ok(told == 2 && told_pid != getpid(), "which is told, too");
	while (mq_receive(q, buf, 8, NULL) >= 0)
		;
	is_int(mq_notify(q, &ev), 0, "asked for");
	is_int(mq_notify(q, NULL), 0, "and not any more");
	mq_send(q, "d", 1, 0);
	is_int(told, 2, "so nothing is told");
	is_int(mq_notify(q, NULL), 0, "nothing to take back");
	while (mq_receive(q, buf, 8, NULL) >= 0)
		;
	twin = mq_open(name, O_RDONLY);
	is_int(mq_notify(q, &ev), 0, "asked for");
	mq_close(twin);
	is_int(mq_notify(q, &none), 0, "closing any descriptor ends it");
	is_int(mq_notify(q, NULL), 0, "take back");
	is_int(tap_child(notify_and_leave), 0, "a child asks and ends");
	is_int(mq_notify(q, &none), 0, "which frees the place");
	mq_send(q, "e", 1, 0);
	is_int(mq_notify(q, &none), 0, "told silently");
	mq_notify(q, NULL);
	tap_group("bad notifications");
	ev.sigev_signo = 65;
	is_errno(mq_notify(q, &ev), EINVAL, "no such signal");
	ev.sigev_signo = -1;
	is_errno(mq_notify(q, &ev), EINVAL, "signal -1");
	ev.sigev_notify = 77;
	is_errno(syscall(SYS_mq_notify, q, &ev), EINVAL, "no such kind");
	is_errno(syscall(SYS_mq_notify, -1, &ev), EINVAL,
		 "comes before a bad descriptor");
	is_errno(mq_notify(-1, &none), EBADF, "a bad descriptor");
	is_errno(mq_notify(1, &none), EBADF, "no queue");
	is_errno(mq_notify(-1, NULL), EBADF, "taking back from -1");
	is_efault(syscall(SYS_mq_notify, q, bp), "at bad addresses");
	mq_close(q);
	mq_unlink(name);
}

static void raw_thread_notify(mqd_t q)
{
	char cookie[32], got[64];
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD };
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	int un = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sigevent none = { .sigev_notify = SIGEV_NONE };

	memset(cookie, 'k', sizeof(cookie));
	ev.sigev_value.sival_ptr = cookie;
	ev.sigev_signo = nl;
	is_int(syscall(SYS_mq_notify, q, &ev), 0, "by a netlink socket");
	is_errno(syscall(SYS_mq_notify, q, &none), EBUSY, "one at a time");
	is_errno(recv(nl, got, 64, MSG_DONTWAIT), EAGAIN, "nothing yet");
	mq_send(q, "x", 1, 0);
	is_int(recv(nl, got, 64, MSG_DONTWAIT), 32, "the cookie comes back");
	ok(!memcmp(got, cookie, 31) && got[31] == 1, "marked as woken");
	is_int(syscall(SYS_mq_notify, q, &ev), 0, "once more");
	is_int(mq_notify(q, NULL), 0, "taken back");
	is_int(recv(nl, got, 64, MSG_DONTWAIT), 32, "the cookie comes");
	is_int(got[31], 2, "marked as removed");
	is_int(syscall(SYS_mq_notify, q, &ev), 0, "with a socket that goes");
	close(nl);
	is_int(mq_notify(q, NULL), 0, "is taken back all the same");
	ev.sigev_signo = un;
	is_errno(syscall(SYS_mq_notify, q, &ev), EINVAL, "an AF_UNIX socket");
	ev.sigev_signo = 1;
	is_errno(syscall(SYS_mq_notify, q, &ev), ENOTSOCK, "no socket");
	ev.sigev_signo = -1;
	is_errno(syscall(SYS_mq_notify, q, &ev), EBADF, "descriptor -1");
	ev.sigev_value.sival_ptr = bad_ptr;
	is_errno(syscall(SYS_mq_notify, q, &ev), EFAULT, "a bad cookie");
	close(un);
}

static int thread_pipe[2];

static void on_thread(union sigval v)
{
	if (v.sival_int == 5)
		tap_post(thread_pipe[1]);
}

static void check_thread_notify(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD,
			       .sigev_notify_function = on_thread,
			       .sigev_value.sival_int = 5 };
	mqd_t q = queue(O_NONBLOCK, 4, 8);
	char buf[8];

	tap_group("notification by thread");
	raw_thread_notify(q);
	while (mq_receive(q, buf, 8, NULL) >= 0)
		;
	must(pipe(thread_pipe) == 0);
	is_int(mq_notify(q, &ev), 0, "the C library's");
	mq_send(q, "x", 1, 0);
	ok(tap_await(thread_pipe[0]), "runs its function");
	mq_receive(q, buf, 8, NULL);
	is_int(mq_notify(q, &ev), 0, "a second time");
	mq_send(q, "x", 1, 0);
	ok(tap_await(thread_pipe[0]), "runs it again");
	mq_close(q);
	mq_unlink(name);
}

static void check_poll(void)
{
	mqd_t q = queue(O_NONBLOCK, 1, 8);
	struct pollfd p = { .fd = q, .events = POLLIN | POLLOUT };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, out;
	int ep = epoll_create1(0);
	char buf[8];

	tap_group("poll and epoll");
	is_int(poll(&p, 1, 0), 1, "an empty queue");
	is_int(p.revents, POLLOUT, "can be sent to");
	is_int(epoll_ctl(ep, EPOLL_CTL_ADD, q, &ev), 0, "in an epoll set");
	is_int(epoll_wait(ep, &out, 1, 0), 0, "nothing to receive");
	mq_send(q, "x", 1, 0);
	is_int(epoll_wait(ep, &out, 1, 1000), 1, "a message");
	is_int(poll(&p, 1, 0), 1, "a full queue");
	is_int(p.revents, POLLIN, "can be received from");
	mq_receive(q, buf, 8, NULL);
	close(ep);
	mq_close(q);
	mq_unlink(name);
}

static void check_file(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL,
			       .sigev_signo = SIGUSR2 };
	mqd_t q = queue(O_NONBLOCK, 4, 8);
	char path[64], link[64], text[128] = "", want[128];
	ssize_t n;

	tap_group("the queue as a file");
	mq_send(q, "abc", 3, 0);
	mq_send(q, "de", 2, 0);
	mq_notify(q, &ev);
	snprintf(want, sizeof(want),
		 "QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", 5, 0,
		 SIGUSR2, getpid());
	n = read(q, text, sizeof(text) - 1);
	ok(n > 0 && !strcmp(text, want), "says what is in it");
	is_int(read(q, text, sizeof(text)), 0, "once");
	is_int(lseek(q, 6, SEEK_SET), 6, "after a seek");
	is_int(read(q, text, 1), 1, "again");
	is_int(text[0], '5', "from there");
	is_errno(write(q, "x", 1), EINVAL, "cannot be written");
	is_errno(lseek(q, -1, SEEK_SET), EINVAL, "no seek before it");
	ok(mmap(NULL, 4096, PROT_READ, MAP_SHARED, q, 0) == MAP_FAILED &&
		   errno == ENODEV,
	   "cannot be mapped");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", q);
	n = readlink(path, link, sizeof(link));
	ok(n == (ssize_t)strlen(name) && !memcmp(link, name, (size_t)n),
	   "has its name in /proc");
	mq_notify(q, NULL);
	mq_close(q);
	mq_unlink(name);
}

/* In a directory of its own: hosts need not have one at /dev/mqueue. */
static void check_mount(void)
{
	mqd_t q = queue(O_NONBLOCK, 4, 8);
	char path[64], text[8];
	struct statfs fs;
	struct stat st;
	int fd;

	tap_group("the filesystem");
	tap_dir();
	(void)!unshare(CLONE_NEWNS);
	(void)!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	must(mkdir("mq", 0755) == 0);
	ok(mount("mq", "mq", "mqueue", 0, NULL) == 0, "is mounted");
	is_int(statfs("mq", &fs), 0, "statfs");
	is_int(fs.f_type, 0x19800202, "tells what it is");
	is_int(stat("mq", &st), 0, "stat");
	is_int(st.st_mode, S_IFDIR | S_ISVTX | 0777, "all may make queues");
	mq_send(q, "abc", 3, 0);
	snprintf(path, sizeof(path), "mq%s", name);
	fd = open(path, O_RDWR | O_NONBLOCK);
	is_int(raw_receive(fd, text, 8, NULL, NULL), 3,
	       "a queue opened by path");
	is_int(ftruncate(fd, 4096), 0, "ftruncate");
	is_errno(fallocate(fd, 0, 0, 4096), EOPNOTSUPP, "fallocate");
	is_errno(mkdir("mq/dir", 0700), EPERM, "no directories beside it");
	is_errno(rename(path, "mq/other"), EPERM, "no other name");
	is_errno(link(path, "mq/other"), EPERM, "no second name");
	is_errno(mkfifo("mq/fifo", 0600), EPERM, "no FIFO");
	is_int(unlink(path), 0, "unlink removes it");
	is_errno(mq_open(name, O_RDWR), ENOENT, "for all");
	close(fd);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	ok(fd >= 0, "open makes a queue");
	is_int(raw_send(fd, "x", 1, 0, NULL), 0, "that works");
	is_int(mq_unlink(name), 0, "and goes by name");
	close(fd);
	mq_close(q);
	is_int(umount2("mq", MNT_DETACH), 0, "unmounted");
}

static int as_user(void)
{
	struct mq_attr a = { .mq_maxmsg = 11, .mq_msgsize = 8 };
	struct rlimit small = { 4096, 4096 };

	if (mq_open(name, O_RDWR) >= 0 || errno != EACCES)
		return 1;
	if (mq_unlink(name) == 0 || errno != EACCES)
		return 2;
	if (raw_open("jiffy-user", O_CREAT | O_RDWR, 0600, &a) >= 0 ||
	    errno != EINVAL)
		return 3;
	a.mq_maxmsg = 10;
	a.mq_msgsize = 8193;
	if (raw_open("jiffy-user", O_CREAT | O_RDWR, 0600, &a) >= 0 ||
	    errno != EINVAL)
		return 4;
	setrlimit(RLIMIT_MSGQUEUE, &small);
	a.mq_msgsize = 400;
	if (raw_open("jiffy-user", O_CREAT | O_RDWR, 0600, &a) >= 0 ||
	    errno != EMFILE)
		return 5;
	a.mq_msgsize = 256;
	if (raw_open("jiffy-user", O_CREAT | O_RDWR, 0600, &a) < 0)
		return 6;
	return syscall(SYS_mq_unlink, "jiffy-user") == 0 ? 0 : 7;
}

static void check_limits(void)
{
	mqd_t q = queue(0, 1, 8);

	tap_group("limits of an ordinary user");
	is_int(tap_user_child(as_user), 0, "rights and limits hold");
	mq_close(q);
	mq_unlink(name);
}

int main(void)
{
	tap_start();
	umask(022);
	snprintf(name, sizeof(name), "/jiffy-%d", getpid());
	check_names();
	check_attributes();
	check_order();
	check_waiting();
	check_notify();
	check_thread_notify();
	check_poll();
	check_file();
	check_limits();
	check_mount();
	return tap_done();
}
