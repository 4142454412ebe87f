/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's side of jiffy-keeper: the sockets of a frozen instance go
 * there, those of a woken one come back, in the order of the checkpoint's
 * table.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/keeper.h"
#include "host/cleanup.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

/* state_dir is STORE/instances/NAME. */
static int open_store(const struct instance *in, char path[4096])
{
	snprintf(path, 4096, "%s", in->spec.state_dir);
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');

		if (!slash || slash == path)
			return -1;
		*slash = '\0';
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int instance_open_store(const struct instance *in)
{
	char path[4096];

	return open_store(in, path);
}

static void set_address(struct sockaddr_un *sun, int store)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	/* The store's own path may be longer than an address may be. */
	snprintf(sun->sun_path, sizeof(sun->sun_path),
		 "/proc/self/fd/%d/" KEEPER_SOCKET, store);
}

static int connect_to(int store)
{
	cleanup_close int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;

	set_address(&sun, store);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return -1;
	return take_fd(&fd);
}

static int make_listener(int store)
{
	cleanup_close int fd =
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sun;
	mode_t old;
	int r;

	set_address(&sun, store);
	unlinkat(store, KEEPER_SOCKET, 0);
	old = umask(0177);
	r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	return r || listen(fd, 64) ? -1 : take_fd(&fd);
}

/* Not our child: it stays. */
static void exec_keeper(const struct instance *in, int listener, char *store)
{
	char path[sizeof(in->self_dir) + 16], name[] = "jiffy-keeper";
	char *argv[] = { name, store, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	snprintf(path, sizeof(path), "%s/%s", in->self_dir, name);
	if (setsid() < 0 || fork() != 0)
		_exit(0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (listener == KEEPER_LISTEN_FD)
		fcntl(listener, F_SETFD, 0);
	else
		dup2(listener, KEEPER_LISTEN_FD);
	syscall(SYS_close_range, KEEPER_LISTEN_FD + 1, ~0U, 0);
	execv(path, argv);
	_exit(127);
}

static int start_keeper(const struct instance *in, int store, char *path)
{
	cleanup_close int listener = make_listener(store);
	pid_t pid;

	if (listener < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		exec_keeper(in, listener, path);
	if (pid < 0)
		return -1;
	waitpid(pid, NULL, 0);
	return connect_to(store); /* it waits in the queue */
}

static int connect_or_start(const struct instance *in)
{
	char path[4096];
	cleanup_close int store = open_store(in, path);
	cleanup_close int lock = -1;
	int fd;

	if (store < 0)
		return -1;
	lock = openat(store, KEEPER_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX))
		return -1;
	fd = connect_to(store);
	return fd >= 0 ? fd : start_keeper(in, store, path);
}

/* A socket that had something to read when the instance was woken. */
struct known_socket {
	uint64_t cookie; /* the host's number of the socket */
	uint64_t mark;
};

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0
								    : cookie;
}

void keeper_note_known(struct instance *in)
{
	cleanup_free struct pollfd *p = calloc(in->nkept + 1, sizeof(*p));
	struct known_socket *known = calloc(in->nkept + 1, sizeof(*known));

	in->known = known;
	for (uint32_t i = 0; p && i < in->nkept; i++)
		p[i] = (struct pollfd){ in->kept_fds[i], POLLIN | POLLRDHUP,
					0 };
	if (!p || !known || poll(p, in->nkept, 0) <= 0)
		return;
	for (uint32_t i = 0; i < in->nkept; i++) {
		struct known_socket k = { 0, 0 };

		if (p[i].revents)
			k.mark = keeper_mark(p[i].fd);
		if (k.mark)
			k.cookie = cookie_of(p[i].fd);
		if (k.cookie)
			known[in->nknown++] = k;
	}
}

static uint64_t find_known(const struct instance *in, int fd)
{
	uint64_t cookie = in->nknown ? cookie_of(fd) : 0;

	for (uint32_t i = 0; i < in->nknown; i++)
		if (in->known[i].cookie == cookie)
			return in->known[i].mark;
	return 0;
}

static void fill_message(struct keeper_message *m, const struct instance *in,
			 uint32_t op)
{
	memset(m, 0, sizeof(*m));
	m->op = op;
	snprintf(m->state_dir, sizeof(m->state_dir), "%s", in->spec.state_dir);
}

union fds_control {
	struct cmsghdr hdr;
	char space[CMSG_SPACE(KEEPER_BATCH * sizeof(int))];
};

static int send_batch(const struct instance *in, int keeper, const int *fds,
		      uint32_t n)
{
	struct keeper_message m;
	struct iovec iov = { &m, sizeof(m) };
	union fds_control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };

	fill_message(&m, in, KEEPER_KEEP);
	m.n = n;
	for (uint32_t i = 0; i < n; i++)
		m.known[i] = find_known(in, fds[i]);
	memset(&control, 0, sizeof(control));
	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.hdr), fds, n * sizeof(int));
	return sendmsg(keeper, &msg, MSG_NOSIGNAL) == sizeof(m) ? 0 : -errno;
}

bool keeper_has(const struct checkpoint_fd *f)
{
	return f->kind == CHECKPOINT_FD_SOCKET &&
	       f->a != CHECKPOINT_SOCKET_RESOLVER;
}

/* The next sockets of the table, at most a batch; *at goes on. */
static uint32_t take_copies(int pid_fd, const struct checkpoint_fd *table,
			    size_t count, size_t *at, int *fds)
{
	uint32_t n = 0;

	for (; *at < count && n < KEEPER_BATCH; (*at)++) {
		if (!keeper_has(&table[*at]))
			continue;
		fds[n] = (int)syscall(SYS_pidfd_getfd, pid_fd,
				      table[*at].number, 0);
		if (fds[n] >= 0)
			n++;
	}
	return n;
}

int keeper_keep(struct instance *in, const struct checkpoint_fd *table,
		size_t count, struct err *e)
{
	cleanup_close int pid_fd = (int)syscall(SYS_pidfd_open, in->group, 0);
	int fds[KEEPER_BATCH], r = 0;
	size_t at = 0;
	uint32_t n;

	while (!r && (n = take_copies(pid_fd, table, count, &at, fds)) > 0) {
		if (in->keeper_fd < 0)
			in->keeper_fd = connect_or_start(in);
		r = in->keeper_fd < 0 ? -ECONNREFUSED
				      : send_batch(in, in->keeper_fd, fds, n);
		for (uint32_t i = 0; i < n; i++)
			close(fds[i]);
	}
	return r ? err_sys(e, -r, "jiffy-keeper") : 0;
}

void keeper_let_go(struct instance *in)
{
	if (in->keeper_fd >= 0)
		close(take_fd(&in->keeper_fd));
}

/* A message and its sockets. True if there are more of them. */
static bool receive(struct instance *in, int keeper, struct keeper_message *m)
{
	struct iovec iov = { m, sizeof(*m) };
	union fds_control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	uint32_t n = 0;
	int *all;

	if (recvmsg(keeper, &msg, MSG_CMSG_CLOEXEC) != sizeof(*m)) {
		m->op = 0;
		return false;
	}
	if (msg.msg_controllen >= sizeof(control.hdr))
		n = (uint32_t)((control.hdr.cmsg_len - CMSG_LEN(0)) /
			       sizeof(int));
	all = reallocarray(in->kept_fds, in->nkept + n + 1, sizeof(*all));
	if (!all)
		return false;
	memcpy(all + in->nkept, CMSG_DATA(&control.hdr), n * sizeof(int));
	in->kept_fds = all;
	in->nkept += n;
	return n && in->nkept < m->total;
}

void keeper_take(struct instance *in)
{
	struct keeper_message m;
	char path[4096];
	cleanup_close int store = open_store(in, path);
	cleanup_close int keeper = store < 0 ? -1 : connect_to(store);

	if (keeper < 0)
		return;
	fill_message(&m, in, KEEPER_TAKE);
	if (send(keeper, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		return;
	while (receive(in, keeper, &m))
		;
}

/* What the command line does for an instance that has a record. */
static int open_record(const char *state_dir, struct err *e)
{
	cleanup_close int dir =
		open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int log = -1, spec = -1;

	if (dir < 0)
		return err_sys(e, errno, "%s", state_dir);
	log = openat(dir, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		     0600);
	spec = openat(dir, "spec.json", O_RDONLY | O_CLOEXEC);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0 || spec < 0)
		return err_sys(e, errno, "%s", state_dir);
	return take_fd(&spec);
}

int keeper_wait(struct instance *in, int keeper, struct err *e)
{
	struct keeper_message m;
	bool more;

	/* It is told that we are done by our end of it. */
	fcntl(keeper, F_SETFD, FD_CLOEXEC);
	do
		more = receive(in, keeper, &m);
	while (more && m.op == KEEPER_WAKE);
	in->started_ns = clock_now_ns();
	if (m.op != KEEPER_WAKE || in->nkept != m.total ||
	    !memchr(m.state_dir, '\0', sizeof(m.state_dir)))
		return err_set(e, EPIPE, "nobody to wake");
	in->asked_ns = m.asked_ns;
	in->has_kept = true;
	return open_record(m.state_dir, e);
}

void keeper_drop(struct instance *in)
{
	for (uint32_t i = 0; i < in->nkept; i++)
		close(in->kept_fds[i]);
	in->nkept = 0;
}
