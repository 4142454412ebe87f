/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy-keeper: holds the sockets of suspended instances, so that connections
 * outlive the sleep, and has an instance resumed when there is something to
 * read for it. Started by the first monitor that needs it with its listening
 * socket; ends some seconds after the last one woke.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "abi/daemon.h"
#include "keeper/keeper.h"
#include "lib/compiler.h"

/* Events of our own descriptors have a number, those of sockets a sleeper. */
int keeper_watch(struct keeper *k, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)fd };

	return epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

void keeper_close(struct keeper *k, int fd)
{
	epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

static void accept_client(struct keeper *k)
{
	int fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ||
	    peer.uid != geteuid() || keeper_watch(k, fd)) {
		close(fd);
		return;
	}
	k->nclients++;
}

static void serve_client(struct keeper *k, int client)
{
	struct keeper_message m;
	struct iovec iov = { &m, sizeof(m) };
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(KEEPER_BATCH * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(client, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fds[KEEPER_BATCH];
	uint32_t nfds = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		keeper_hung_up(k, client);
		keeper_close(k, client);
		k->nclients--;
		return;
	}
	if (msg.msg_controllen >= sizeof(control.hdr) &&
	    control.hdr.cmsg_type == SCM_RIGHTS) {
		nfds = (uint32_t)((control.hdr.cmsg_len - CMSG_LEN(0)) /
				  sizeof(int));
		memcpy(fds, CMSG_DATA(&control.hdr), nfds * sizeof(int));
	}
	if (n == sizeof(m)) {
		keeper_serve(k, client, &m, fds, nfds);
		return;
	}
	for (uint32_t i = 0; i < nfds; i++)
		close(fds[i]);
}

static void serve_signals(struct keeper *k)
{
	struct signalfd_siginfo si;
	pid_t pid;

	while (read(k->signal_fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGHUP)
			k->is_upgrade_due = true;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		wake_command_ended(k, pid);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void serve(struct keeper *k, const struct epoll_event *ev)
{
	int fd = (int)ev->data.u64;

	if (ev->data.u64 >= 1 << 20)
		keeper_ready(k, ev->data.ptr, ev->events, now_ns());
	else if (fd == k->listen_fd)
		accept_client(k);
	else if (fd == k->notify_fd)
		keeper_notified(k);
	else if (fd == k->signal_fd)
		serve_signals(k);
	else if (!spare_ended(k, fd))
		serve_client(k, fd);
}

/* How long it stays after the last one woke: the next suspension finds it, and
 * the next wake a monitor. */
#define LINGER_MS 5000

static bool is_idle(const struct keeper *k)
{
	return !k->sleepers && !k->nclients;
}

/* With the lock, and nobody on the way in, the socket may go. */
static bool may_end(const struct keeper *k, int lock_fd)
{
	struct epoll_event ev;

	if (!is_idle(k) || flock(lock_fd, LOCK_EX | LOCK_NB))
		return false;
	if (epoll_wait(k->epoll_fd, &ev, 1, 0) == 0) {
		unlink(KEEPER_SOCKET);
		return true;
	}
	flock(lock_fd, LOCK_UN);
	return false;
}

static int open_all(struct keeper *k)
{
	struct rlimit lim;
	sigset_t set;
	ssize_t n;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
	}
	n = readlink("/proc/self/exe", k->self_dir, sizeof(k->self_dir) - 1);
	if (n > 0)
		*strrchr(k->self_dir, '/') = '\0';
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	k->listen_fd = KEEPER_LISTEN_FD;
	fcntl(k->listen_fd, F_SETFD, FD_CLOEXEC);
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	k->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->epoll_fd < 0 || k->notify_fd < 0 || k->signal_fd < 0)
		return -errno;
	wakers_init(k);
	return keeper_watch(k, k->listen_fd) || keeper_watch(k, k->notify_fd) ||
			       keeper_watch(k, k->signal_fd)
		       ? -errno
		       : 0;
}

/* argv[1] is the store, which becomes the working directory. */
int main(int argc, char **argv)
{
	static struct keeper k;
	int lock_fd, n;

	if (argc < 2 || chdir(argv[1]) || setenv("JIFFY_HOME", argv[1], 1) ||
	    setenv(DAEMON_ENV, "no", 1)) {
		fprintf(stderr, "usage: jiffy-keeper STORE [TABLE-FD], with a "
				"listening socket as descriptor 3\n");
		return 125;
	}
	lock_fd = open(KEEPER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (open_all(&k) || lock_fd < 0)
		return 125;
	k.store = argv[1];
	if (argc > 2)
		upgrade_take(&k, atoi(argv[2]));
	do {
		struct epoll_event ev;

		/* One at a time: it may take the next one's sleeper away. */
		n = epoll_wait(k.epoll_fd, &ev, 1,
			       is_idle(&k) ? LINGER_MS : -1);
		if (n == 1)
			serve(&k, &ev);
		if (k.is_upgrade_due && !k.nclients && wakes_are_over(&k)) {
			k.is_upgrade_due = false;
			upgrade(&k);
		}
	} while (n || !may_end(&k, lock_fd));
	return 0;
}
