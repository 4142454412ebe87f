// SPDX-License-Identifier: Apache-2.0
/* AF_UNIX: names, streams, datagrams, seqpackets, passed descriptors and
 * credentials, message flags, backlog, options. */
#include "tap.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

struct cred {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

static socklen_t name_of(struct sockaddr_un *sa, const char *name)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (name[0] == '@') {
		memcpy(sa->sun_path + 1, name + 1, strlen(name) - 1);
		return (socklen_t)(2 + strlen(name));
	}
	strcpy(sa->sun_path, name);
	return (socklen_t)(3 + strlen(name));
}

static int bind_to(int fd, const char *name)
{
	struct sockaddr_un sa;
	socklen_t len = name_of(&sa, name);

	return bind(fd, (struct sockaddr *)&sa, len);
}

static int connect_to(int fd, const char *name)
{
	struct sockaddr_un sa;
	socklen_t len = name_of(&sa, name);

	return connect(fd, (struct sockaddr *)&sa, len);
}

static int sock(int type)
{
	return socket(AF_UNIX, type, 0);
}

static int ready(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void check_names(void)
{
	int a = sock(SOCK_STREAM), b = sock(SOCK_STREAM), c;
	struct sockaddr_un sa;
	socklen_t len = sizeof(sa);
	struct stat st;

	tap_group("names");
	is_int(getsockname(a, (void *)&sa, &len), 0, "getsockname, unbound");
	is_int(len, 2, "only the family");
	is_int(bind_to(a, "sock"), 0, "bind");
	is_int(lstat("sock", &st) == 0 && S_ISSOCK(st.st_mode), 1, "a socket");
	len = sizeof(sa);
	getsockname(a, (void *)&sa, &len);
	ok(len == 7 && strcmp(sa.sun_path, "sock") == 0, "getsockname");
	is_errno(bind_to(a, "sock2"), EINVAL, "bound already");
	is_errno(bind_to(b, "sock"), EADDRINUSE, "taken");
	is_errno(bind_to(b, "none/sock"), ENOENT, "in nothing");
	is_errno(connect_to(b, "sock"), ECONNREFUSED, "not listening");
	is_errno(connect_to(b, "none"), ENOENT, "nobody");
	is_errno(open("sock", O_RDONLY), ENXIO, "open of a socket file");
	is_int(listen(a, 5), 0, "listen");
	is_int(connect_to(b, "sock"), 0, "connect");
	c = accept(a, NULL, NULL);
	ok(c >= 0, "accept");
	len = sizeof(sa);
	getpeername(b, (void *)&sa, &len);
	is_str(sa.sun_path, "sock", "getpeername");
	len = sizeof(sa);
	getpeername(c, (void *)&sa, &len);
	is_int(len, 2, "the client has no name");
	is_errno(connect_to(b, "sock"), EISCONN, "connected already");
	unlink("sock");
	close(b);
	b = sock(SOCK_STREAM);
	is_errno(connect_to(b, "sock"), ENOENT, "unlinked");
	close(a);
	close(c);
	a = sock(SOCK_STREAM);
	is_int(bind_to(a, "@abstract guest"), 0, "abstract");
	is_errno(bind_to(b, "@abstract guest"), EADDRINUSE, "taken");
	listen(a, 5);
	is_int(connect_to(b, "@abstract guest"), 0, "connect");
	close(b);
	close(a);
	b = sock(SOCK_STREAM);
	is_errno(connect_to(b, "@abstract guest"), ECONNREFUSED,
		 "goes on close");
	sa.sun_family = AF_UNIX;
	is_int(bind(b, (void *)&sa, 2), 0, "autobind");
	len = sizeof(sa);
	getsockname(b, (void *)&sa, &len);
	ok(len == 8 && sa.sun_path[0] == 0, "five characters");
	close(b);
}

static void check_stream(void)
{
	int sv[2];
	char buf[64] = "";
	struct msghdr m = { 0 };
	struct iovec io[2] = { { buf, 2 }, { buf + 10, 20 } };

	tap_group("stream");
	is_int(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0, "socketpair");
	is_int(send(sv[0], "abcdef", 6, 0), 6, "send");
	is_int(recv(sv[1], buf, 3, MSG_PEEK), 3, "MSG_PEEK");
	is_int(recv(sv[1], buf, 64, 0), 6, "takes nothing");
	is_errno(recv(sv[1], buf, 64, MSG_DONTWAIT), EAGAIN, "MSG_DONTWAIT");
	(void)!write(sv[0], "ab", 2);
	(void)!write(sv[0], "cd", 2);
	is_int(read(sv[1], buf, 64), 4, "no borders");
	(void)!write(sv[0], "0123456789", 10);
	m.msg_iov = io;
	m.msg_iovlen = 2;
	is_int(recvmsg(sv[1], &m, 0), 10, "recvmsg to two pieces");
	ok(memcmp(buf, "01", 2) == 0 && memcmp(buf + 10, "23456789", 8) == 0,
	   "both filled");
	if (tap_fork() == 0) {
		(void)!write(sv[0], "first", 5);
		(void)!write(sv[0], "second", 6);
		_exit(0);
	}
	is_int(recv(sv[1], buf, 11, MSG_WAITALL), 11, "MSG_WAITALL");
	wait(NULL);
	(void)!write(sv[0], "xyz", 3);
	int n = 0;
	is_int(ioctl(sv[1], FIONREAD, &n) == 0 ? n : -1, 3, "FIONREAD");
	is_int(shutdown(sv[0], SHUT_WR), 0, "shutdown");
	is_int(read(sv[1], buf, 64), 3, "what was sent before");
	is_int(read(sv[1], buf, 64), 0, "then the end");
	is_int(write(sv[1], "back", 4), 4, "the other way is open");
	is_int(read(sv[0], buf, 64), 4, "arrives");
	signal(SIGPIPE, SIG_DFL);
	is_errno(send(sv[0], "x", 1, MSG_NOSIGNAL), EPIPE, "MSG_NOSIGNAL");
	is_errno(shutdown(sv[0], 7), EINVAL, "bad how");
	close(sv[0]);
	is_int(ready(sv[1], POLLIN | POLLOUT), POLLIN | POLLOUT | POLLHUP,
	       "POLLHUP");
	is_errno(send(sv[1], "x", 1, MSG_NOSIGNAL), EPIPE, "peer gone");
	close(sv[1]);
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	(void)!write(sv[0], "data", 4);
	close(sv[1]);
	is_errno(read(sv[0], buf, 64), ECONNRESET,
		 "closed with data unread: reset");
	close(sv[0]);
}

static void check_bulk(void)
{
	int sv[2];
	static char buf[50000];
	long sum = 0, n, sent = 0;
	bool good = true;
	pid_t pid;

	tap_group("bulk");
	(void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv);
	while ((n = write(sv[0], buf, sizeof(buf))) > 0)
		sent += n;
	ok(sent > 30000 && errno == EAGAIN, "fills up");
	is_int(ready(sv[0], POLLOUT), 0, "no longer writable");
	for (; sent > 0; sent -= n)
		if ((n = read(sv[1], buf, sizeof(buf))) <= 0)
			break;
	is_int(sent, 0, "and drains");
	is_int(ready(sv[0], POLLOUT), POLLOUT, "writable again");
	fcntl(sv[0], F_SETFL, 0);
	fcntl(sv[1], F_SETFL, 0);
	pid = tap_fork();
	if (pid == 0) {
		close(sv[1]);
		for (int i = 0; i < 100; i++) {
			memset(buf, i, sizeof(buf));
			must(write(sv[0], buf, sizeof(buf)) == sizeof(buf));
		}
		_exit(0);
	}
	close(sv[0]);
	while ((n = read(sv[1], buf, 33333)) > 0) {
		for (long i = 0; i < n; i += 100)
			good &= buf[i] == (sum + i) / 50000;
		sum += n;
	}
	ok(sum == 5000000 && good, "5 MB in order");
	is_int(tap_wait(pid), 0, "the sender ended well");
	close(sv[1]);
}

static void check_dgram(int type, const char *title)
{
	int sv[2];
	char buf[64] = "";
	struct iovec io = { buf, 3 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	tap_group(title);
	is_int(socketpair(AF_UNIX, type, 0, sv), 0, "socketpair");
	(void)!send(sv[0], "one", 3, 0);
	(void)!send(sv[0], "", 0, 0);
	(void)!send(sv[0], "three!", 6, 0);
	is_int(recv(sv[1], buf, 64, 0), 3, "borders are kept");
	is_int(recv(sv[1], buf, 64, 0), 0, "an empty one");
	is_int(recv(sv[1], buf, 2, MSG_PEEK | MSG_TRUNC), 6, "MSG_TRUNC");
	is_int(recvmsg(sv[1], &m, 0), 3, "cut");
	is_int(m.msg_flags & MSG_TRUNC, MSG_TRUNC, "and told");
	is_errno(recv(sv[1], buf, 64, MSG_DONTWAIT), EAGAIN,
		 "the rest is lost");
	(void)!send(sv[0], "last", 4, 0);
	close(sv[0]);
	is_int(recv(sv[1], buf, 64, 0), 4, "what was sent before the close");
	if (type == SOCK_SEQPACKET)
		is_int(recv(sv[1], buf, 64, 0), 0, "then the end");
	else
		is_errno(send(sv[1], "x", 1, 0), ECONNREFUSED, "peer gone");
	close(sv[1]);
}

static void check_addressed(void)
{
	int a = sock(SOCK_DGRAM), b = sock(SOCK_DGRAM), n = 0;
	struct sockaddr_un to, from;
	socklen_t tolen = name_of(&to, "dg1"), len = sizeof(from);
	char buf[64];

	tap_group("datagrams by address");
	bind_to(a, "dg1");
	bind_to(b, "dg2");
	is_int(sendto(b, "hi", 2, 0, (void *)&to, tolen), 2, "sendto");
	is_int(recvfrom(a, buf, 64, 0, (void *)&from, &len), 2, "recvfrom");
	ok(len == 6 && strcmp(from.sun_path, "dg2") == 0, "from whom");
	is_errno(send(b, "x", 1, 0), ENOTCONN, "send without an address");
	is_int(connect_to(b, "dg1"), 0, "connect");
	is_int(send(b, "x", 1, 0), 1, "send");
	is_int(recv(a, buf, 64, 0), 1, "arrives");
	fcntl(b, F_SETFL, O_NONBLOCK);
	while (send(b, "fill", 4, 0) == 4 && n < 100000)
		n++;
	ok(n > 0 && n < 100000 && errno == EAGAIN, "the queue is bounded");
	unlink("dg1");
	close(a);
	is_errno(send(b, "x", 1, 0), ECONNREFUSED, "receiver gone");
	is_errno(sendto(b, "x", 1, 0, (void *)&to, tolen), ENOENT, "no name");
	is_errno(listen(b, 1), EOPNOTSUPP, "listen");
	is_errno(accept(b, NULL, NULL), EOPNOTSUPP, "accept");
	close(b);
	unlink("dg2");
}

union ctl {
	char buf[CMSG_SPACE(sizeof(int) * 8)];
	struct cmsghdr align;
};

static long send_fds(int s, const int *fds, unsigned n)
{
	union ctl c;
	struct iovec io = { (void *)(uintptr_t) "F", 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = c.buf,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	memset(&c, 0, sizeof(c));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	return sendmsg(s, &m, MSG_NOSIGNAL);
}

/* Receives up to `room` descriptors; how many, or -1; flags out. */
static int recv_fds(int s, int *fds, unsigned room, int flags, int *out)
{
	union ctl c;
	char b;
	struct iovec io = { &b, 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = c.buf,
			    .msg_controllen = room ? CMSG_LEN(room * 4) : 0 };
	struct cmsghdr *h;

	memset(&c, 0, sizeof(c));
	if (recvmsg(s, &m, flags) < 0)
		return -1;
	*out = m.msg_flags;
	h = CMSG_FIRSTHDR(&m);
	if (!h || h->cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(fds, CMSG_DATA(h), h->cmsg_len - CMSG_LEN(0));
	return (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

static void check_rights(void)
{
	int sv[2], fds[2], got[8], flags = 0, bad = 9999;
	char c;
	struct stat st, st2;
	pid_t pid;

	tap_group("SCM_RIGHTS");
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	(void)!pipe(fds);
	is_int(send_fds(sv[0], fds, 2), 1, "two descriptors");
	is_int(recv_fds(sv[1], got, 2, MSG_CMSG_CLOEXEC, &flags), 2, "arrive");
	is_int(fcntl(got[0], F_GETFD), FD_CLOEXEC, "MSG_CMSG_CLOEXEC");
	fstat(fds[0], &st);
	fstat(got[0], &st2);
	is_int(st.st_ino, st2.st_ino, "the same pipe");
	(void)!write(got[1], "x", 1);
	is_int(read(fds[0], &c, 1), 1, "which works");
	close(got[0]);
	close(got[1]);
	send_fds(sv[0], fds, 2);
	is_int(recv_fds(sv[1], got, 1, 0, &flags), 1, "room for one");
	is_int(flags & MSG_CTRUNC, MSG_CTRUNC, "MSG_CTRUNC");
	close(got[0]);
	send_fds(sv[0], fds + 1, 1);
	is_int(recv_fds(sv[1], got, 0, 0, &flags), 0, "no room: dropped");
	is_errno(send_fds(sv[0], &bad, 1), EBADF, "a closed one");
	send_fds(sv[0], fds + 1, 1);
	close(fds[1]);
	close(sv[0]);
	is_int(ready(fds[0], POLLIN), 0, "in flight it stays open");
	close(sv[1]);
	is_int(ready(fds[0], POLLIN), POLLHUP, "until the socket closes");
	close(fds[0]);
	/* A socket in its own queue is garbage once closed. */
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	send_fds(sv[0], sv + 1, 1);
	send_fds(sv[1], sv, 1);
	close(sv[0]);
	is_int(close(sv[1]), 0, "a ring of sockets closes");
	(void)!socketpair(AF_UNIX, SOCK_DGRAM, 0, sv);
	pid = tap_fork();
	if (pid == 0) {
		int fd = open("passed", O_RDWR | O_CREAT, 0600);

		must(write(fd, "child", 5) == 5);
		must(send_fds(sv[0], &fd, 1) == 1);
		_exit(0);
	}
	is_int(recv_fds(sv[1], got, 1, 0, &flags), 1, "from a child");
	tap_wait(pid);
	is_int(lseek(got[0], 0, SEEK_CUR), 5, "with its offset");
	close(got[0]);
	close(sv[0]);
	close(sv[1]);
}

static void check_creds(void)
{
	int sv[2], one = 1, a;
	struct cred cr = { 0 };
	socklen_t len = sizeof(cr);
	char b;
	union {
		char buf[CMSG_SPACE(sizeof(struct cred))];
		struct cmsghdr align;
	} c;
	struct iovec io = { &b, 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = c.buf,
			    .msg_controllen = sizeof(c.buf) };
	struct cmsghdr *h;
	pid_t pid;

	tap_group("credentials");
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	is_int(getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &cr, &len), 0,
	       "SO_PEERCRED");
	ok(cr.pid == getpid() && cr.uid == getuid() && cr.gid == getgid(),
	   "is us");
	is_int(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &one, 4), 0,
	       "SO_PASSCRED");
	pid = tap_fork();
	if (pid == 0) {
		must(setresgid(7, 7, 7) == 0 && setresuid(9, 9, 9) == 0);
		must(write(sv[0], "c", 1) == 1);
		_exit(0);
	}
	is_int(recvmsg(sv[1], &m, 0), 1, "a message");
	h = CMSG_FIRSTHDR(&m);
	ok(h && h->cmsg_type == SCM_CREDENTIALS, "SCM_CREDENTIALS");
	if (h)
		memcpy(&cr, CMSG_DATA(h), sizeof(cr));
	ok(cr.pid == pid && cr.uid == 9 && cr.gid == 7, "of the sender");
	tap_wait(pid);
	close(sv[0]);
	close(sv[1]);
	a = sock(SOCK_STREAM);
	bind_to(a, "cred");
	listen(a, 1);
	pid = tap_fork();
	if (pid == 0) {
		int s = sock(SOCK_STREAM);

		must(setresuid(9, 9, 9) == 0);
		must(connect_to(s, "cred") == -1 && errno == EACCES);
		_exit(0);
	}
	is_int(tap_wait(pid), 0, "connect needs write permission");
	chmod(".", 0755);
	chmod("cred", 0777);
	pid = tap_fork();
	if (pid == 0) {
		int s = sock(SOCK_STREAM);

		must(setresuid(9, 9, 9) == 0);
		must(connect_to(s, "cred") == 0);
		must(read(s, &b, 1) == 0);
		_exit(0);
	}
	sv[0] = accept(a, NULL, NULL);
	getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &cr, &len);
	ok(cr.pid == pid && cr.uid == 9, "the peer of an accepted one");
	close(sv[0]);
	is_int(tap_wait(pid), 0, "the peer saw the end");
	close(a);
	unlink("cred");
}

static void check_listen(void)
{
	int a = sock(SOCK_STREAM | SOCK_NONBLOCK), b[4], c;

	tap_group("listen and accept");
	is_errno(listen(a, 1), EINVAL, "listen unbound");
	bind_to(a, "lst");
	listen(a, 1);
	is_errno(accept(a, NULL, NULL), EAGAIN, "nobody");
	for (int i = 0; i < 4; i++)
		b[i] = sock(SOCK_STREAM | SOCK_NONBLOCK);
	is_int(connect_to(b[0], "lst"), 0, "connects before accept");
	is_int(connect_to(b[1], "lst"), 0, "one more than the backlog");
	is_errno(connect_to(b[2], "lst"), EAGAIN, "then EAGAIN");
	is_int(ready(a, POLLIN), POLLIN, "readable");
	is_int(write(b[0], "early", 5), 5, "data before accept");
	c = accept4(a, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ok(fcntl(c, F_GETFL) & O_NONBLOCK && fcntl(c, F_GETFD) == FD_CLOEXEC,
	   "accept4 flags");
	char buf[8];
	is_int(read(c, buf, 8), 5, "arrives");
	is_errno(syscall(SYS_accept4, a, NULL, NULL, 0x3), EINVAL, "bad flags");
	close(a);
	is_errno(read(b[1], buf, 8), ECONNRESET, "never accepted: reset");
	is_errno(connect_to(b[3], "lst"), ECONNREFUSED, "closed");
	for (int i = 0; i < 4; i++)
		close(b[i]);
	close(c);
	unlink("lst");
}

static int get_int(int fd, int opt)
{
	int v = -12345;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, opt, &v, &len) < 0 ? -errno : v;
}

static void check_options(void)
{
	int sv[2], v = 1, a = sock(SOCK_STREAM), dg = sock(SOCK_DGRAM);
	struct timeval tv = { 0, 2000 };
	char buf[8];
	struct sockaddr_un sa;
	socklen_t len = 4;

	tap_group("options and refusals");
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	is_int(get_int(a, SO_TYPE), SOCK_STREAM, "SO_TYPE");
	is_int(get_int(a, SO_DOMAIN), AF_UNIX, "SO_DOMAIN");
	is_int(get_int(a, SO_PROTOCOL), 0, "SO_PROTOCOL");
	is_int(get_int(a, SO_ERROR), 0, "SO_ERROR");
	is_int(get_int(a, SO_ACCEPTCONN), 0, "SO_ACCEPTCONN");
	is_int(setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0,
	       "SO_RCVTIMEO");
	is_errno(read(sv[0], buf, 1), EAGAIN, "ends a read");
	is_int(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, 4), 0, "SO_SNDBUF");
	ok(get_int(sv[0], SO_SNDBUF) > 1, "has a least value");
	is_errno(setsockopt(a, SOL_SOCKET, 9999, &v, 4), ENOPROTOOPT,
		 "unknown");
	is_errno(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &v, 1), EINVAL,
		 "short");
	is_efault(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, bp, 4), "bad ones");
	is_efault(getsockopt(a, SOL_SOCKET, SO_TYPE, bp, &len), "bad value");
	is_efault(getsockopt(a, SOL_SOCKET, SO_TYPE, &v, bp), "bad length");
	is_errno(getsockopt(1, SOL_SOCKET, SO_TYPE, &v, &len), ENOTSOCK,
		 "not a");
	is_errno(socket(AF_UNIX, SOCK_STREAM, 5), EPROTONOSUPPORT, "protocol");
	is_errno(socket(AF_UNIX, 77, 0), EINVAL, "type 77");
	is_errno(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT, "family 999");
	is_errno(socket(AF_UNIX, SOCK_SEQPACKET | 0x100000, 0), EINVAL, "flag");
	is_errno(recv(a, buf, 8, 0), EINVAL, "recv unconnected");
	is_errno(send(a, buf, 8, MSG_NOSIGNAL), ENOTCONN, "send unconnected");
	is_errno(getpeername(a, (void *)&sa, &len), ENOTCONN, "no peer");
	is_efault(syscall(SYS_sendto, sv[0], bp, 8, 0, NULL, 0), "send from");
	is_efault(syscall(SYS_sendmsg, sv[0], bp, 0), "sendmsg from");
	is_efault(syscall(SYS_recvmsg, sv[0], bp, 0), "recvmsg to");
	is_efault(syscall(SYS_bind, a, bp, 10), "bind at");
	is_efault(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bp), "pair");
	is_errno(bind(a, (void *)&sa, 200), EINVAL, "an address too long");
	sa.sun_family = AF_INET;
	is_errno(bind(a, (void *)&sa, 16), EINVAL, "of another family");
	is_errno(connect(9999, (void *)&sa, 16), EBADF, "closed");
	close(sv[0]);
	close(sv[1]);
	close(a);
	close(dg);
}

int main(void)
{
	tap_start();
	tap_dir();
	check_names();
	check_stream();
	check_bulk();
	check_dgram(SOCK_DGRAM, "datagram pair");
	check_dgram(SOCK_SEQPACKET, "seqpacket pair");
	check_addressed();
	check_rights();
	check_creds();
	check_listen();
	check_options();
	return tap_done();
}
