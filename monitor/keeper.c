/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's side of jiffy-keeper: the sockets of a frozen instance go
 * there, those of a woken one come back, in the order of the checkpoint's
 * table.
 */
#include <arpa/inet.h>
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

#include "abi/deliver.h"
#include "abi/keeper.h"
#include "host/cleanup.h"
#include "host/json.h"
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

/* Not our child: it stays. Nothing of ours is open in it when our child has
 * ended: locks would be held until it runs. */
static void exec_keeper(const struct instance *in, int listener, char *store)
{
	char path[sizeof(in->self_dir) + 16], name[] = "jiffy-keeper";
	char *argv[] = { name, store, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	turn_leave();

	snprintf(path, sizeof(path), "%s/%s", in->self_dir, name);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (listener == KEEPER_LISTEN_FD)
		fcntl(listener, F_SETFD, 0);
	else
		dup2(listener, KEEPER_LISTEN_FD);
	syscall(SYS_close_range, KEEPER_LISTEN_FD + 1, ~0U, 0);
	if (setsid() < 0 || fork() != 0)
		_exit(0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
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
	uint64_t since_ns; /* it has been seen so */
};

/* What a program has not read in that time it does not want; one on a host that
 * is busy may just not have come to it. */
#define UNREAD_NS 10000000000ULL

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? 0
								    : cookie;
}

/* Who has sent something to fd, or was delivered to it: IPv4, else family 0. */
static void find_peer(int fd, struct sockaddr_in *peer)
{
	socklen_t len = sizeof(*peer);
	struct deliver_message m;

	memset(peer, 0, sizeof(*peer));
	if (getpeername(fd, (struct sockaddr *)peer, &len) &&
	    recv(fd, &m, sizeof(m), MSG_PEEK | MSG_DONTWAIT) == sizeof(m) &&
	    m.version == DELIVER_VERSION)
		memcpy(peer, m.peer, sizeof(*peer));
	if (peer->sin_family != AF_INET)
		peer->sin_family = 0;
}

/* The published port that fd listens at or came from, as guests know it; 0. */
static int guest_port(const struct instance *in, int fd)
{
	struct sockaddr_in local = { 0 };
	socklen_t len = sizeof(local);
	int named = broker_named_port(in, fd);

	if (named >= 0)
		return in->spec.ports[named].guest;
	getsockname(fd, (struct sockaddr *)&local, &len);
	for (unsigned int i = 0; i < in->spec.nports; i++)
		if (local.sin_family == AF_INET &&
		    in->spec.ports[i].host == ntohs(local.sin_port))
			return in->spec.ports[i].guest;
	return 0;
}

/* What woke it, as members of an event: fd had something to read. */
static json_t *describe(const struct instance *in, int fd)
{
	int port = guest_port(in, fd);
	struct sockaddr_in peer;
	char text[INET_ADDRSTRLEN];
	json_t *o = json_pack("{s:s}", "by",
			      keeper_mark(fd) ? "data" : "connection");

	find_peer(fd, &peer);
	if (peer.sin_family) {
		inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
		json_object_set_new(
			o, "peer",
			json_sprintf("%s:%u", text, ntohs(peer.sin_port)));
	}
	if (port)
		json_object_set_new(o, "port", json_integer(port));
	return o;
}

/* Connections first: who has them may have known of the others before. */
static int find_waker(const struct instance *in, const struct pollfd *p)
{
	int found = -1;

	for (uint32_t i = 0; i < in->nkept; i++)
		if (p[i].revents && (found < 0 || !keeper_mark(p[i].fd)))
			found = p[i].fd;
	return found;
}

static int compare_known(const void *a, const void *b)
{
	const struct known_socket *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

void keeper_note_known(struct instance *in)
{
	cleanup_free struct pollfd *p = calloc(in->nkept + 1, sizeof(*p));
	struct known_socket *known = calloc(in->nkept + 1, sizeof(*known));
	int waker;

	in->known = known;
	for (uint32_t i = 0; p && i < in->nkept; i++)
		p[i] = (struct pollfd){ in->kept_fds[i], POLLIN | POLLRDHUP,
					0 };
	if (!p || !known || poll(p, in->nkept, 0) <= 0)
		return;
	waker = find_waker(in, p);
	if (waker >= 0)
		in->woken_by = describe(in, waker);
	for (uint32_t i = 0; i < in->nkept; i++) {
		struct known_socket k = { 0, 0, clock_now_ns() };

		if (p[i].revents)
			k.mark = keeper_mark(p[i].fd);
		if (k.mark)
			k.cookie = cookie_of(p[i].fd);
		if (k.cookie)
			known[in->nknown++] = k;
	}
	qsort(known, in->nknown, sizeof(*known), compare_known);
}

/* Where cookie is in the list, which is in order, or would be. */
static uint32_t place_of(const struct instance *in, uint64_t cookie)
{
	uint32_t low = 0, high = in->nknown;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (in->known[middle].cookie < cookie)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct known_socket *look_up(const struct instance *in, int fd)
{
	uint64_t cookie = in->nknown ? cookie_of(fd) : 0;
	uint32_t i = place_of(in, cookie);

	return i < in->nknown && in->known[i].cookie == cookie ? &in->known[i]
							       : NULL;
}

static uint64_t find_known(const struct instance *in, int fd)
{
	const struct known_socket *k = look_up(in, fd);

	return k ? k->mark : 0;
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

/* In place of what was known of it. */
static void add_known(struct instance *in, int fd, uint64_t mark)
{
	uint64_t cookie = cookie_of(fd);
	uint32_t i = place_of(in, cookie);
	struct known_socket *all;

	if (i == in->nknown || in->known[i].cookie != cookie) {
		all = reallocarray(in->known, in->nknown + 1, sizeof(*all));
		if (!all)
			return;
		in->known = all;
		memmove(all + i + 1, all + i, (in->nknown - i) * sizeof(*all));
		in->nknown++;
	}
	in->known[i] = (struct known_socket){ cookie, mark, clock_now_ns() };
}

/* Has it something to read that its program may want still? */
static bool has_news(struct instance *in, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct known_socket *k;
	uint64_t mark;

	if (poll(&p, 1, 0) <= 0)
		return false;
	mark = keeper_mark(fd);
	k = look_up(in, fd);
	if (mark && k && k->mark == mark)
		return clock_now_ns() - k->since_ns < UNREAD_NS;
	if (mark)
		add_known(in, fd, mark);
	return true;
}

int keeper_refuse_unread(struct instance *in, struct checkpoint_out *out)
{
	cleanup_close int pid_fd = (int)syscall(SYS_pidfd_open, in->group, 0);
	int fds[KEEPER_BATCH];
	size_t at = 0;
	uint32_t n;
	bool found = false;

	while ((n = take_copies(pid_fd, out->fds.items, out->fds.count, &at,
				fds)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			found |= has_news(in, fds[i]);
			close(fds[i]);
		}
	}
	return found ? err_set(out->e, EAGAIN, "request in flight") : 0;
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

int keeper_keep_ports(struct instance *in, const int *fds, uint32_t n,
		      struct err *e)
{
	int r;

	if (!n)
		return 0;
	in->keeper_fd = connect_or_start(in);
	r = in->keeper_fd < 0 ? -ECONNREFUSED
			      : send_batch(in, in->keeper_fd, fds, n);
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
