// SPDX-License-Identifier: Apache-2.0
/* Loopback TCP and UDP, IPv4 and IPv6: connecting, refusing, binding,
 * closing, flags, options, big transfers. */
#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MB10 (10L << 20)

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t loopback(union addr *a, int family, int port)
{
	memset(a, 0, sizeof(*a));
	if (family == AF_INET) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons((uint16_t)port);
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(a->in);
	}
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons((uint16_t)port);
	a->in6.sin6_addr = in6addr_loopback;
	return sizeof(a->in6);
}

static int port_of(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) < 0)
		return -1;
	/* Both families keep the port at the same place. */
	return ntohs(a.in.sin_port);
}

static int bind_to(int fd, int family, int port)
{
	union addr a;
	socklen_t len = loopback(&a, family, port);

	return bind(fd, &a.sa, len);
}

static int connect_to(int fd, int family, int port)
{
	union addr a;
	socklen_t len = loopback(&a, family, port);

	return connect(fd, &a.sa, len);
}

static int listener(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind_to(fd, family, 0);
	listen(fd, 16);
	return fd;
}

/* A connected pair: [0] is the client. */
static void tcp_pair(int family, int fds[2])
{
	int l = listener(family);

	fds[0] = socket(family, SOCK_STREAM, 0);
	connect_to(fds[0], family, port_of(l));
	fds[1] = accept(l, NULL, NULL);
	close(l);
}

static bool ready(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	return poll(&p, 1, 10000) == 1;
}

static int poll_events(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	return poll(&p, 1, 10000) == 1 ? p.revents : -1;
}

static int get_int(int fd, int level, int opt)
{
	int v = -12345;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, opt, &v, &len) < 0 ? -errno : v;
}

static int set_int(int fd, int level, int opt, int v)
{
	return setsockopt(fd, level, opt, &v, sizeof(v));
}

static void check_connect(int family, const char *title)
{
	int l = listener(family), c, s, port = port_of(l), other;
	union addr a, b;
	socklen_t len = sizeof(a);
	char buf[32] = "";

	tap_group(title);
	ok(port > 1023, "an ephemeral port");
	c = socket(family, SOCK_STREAM, 0);
	is_int(connect_to(c, family, port), 0, "connect");
	s = accept(l, &a.sa, &len);
	ok(s >= 0 && a.sa.sa_family == family, "accept");
	is_int(ntohs(a.in.sin_port), port_of(c), "from the client's port");
	len = sizeof(b);
	is_int(getpeername(c, &b.sa, &len), 0, "getpeername");
	is_int(ntohs(b.in.sin_port), port, "is the listener");
	is_int(port_of(s), port, "getsockname of the accepted one");
	is_int(write(c, "hello", 5), 5, "write");
	is_int(read(s, buf, 32), 5, "read");
	is_int(send(s, "world", 5, MSG_MORE), 5, "MSG_MORE");
	is_int(send(s, "!", 1, 0), 1, "and the rest");
	is_int(recv(c, buf, 6, MSG_WAITALL), 6, "MSG_WAITALL");
	is_str(buf, "world!", "in order");
	is_errno(connect_to(c, family, port), EISCONN, "connect twice");
	is_errno(recv(c, buf, 1, MSG_DONTWAIT), EAGAIN, "MSG_DONTWAIT");
	shutdown(c, SHUT_WR);
	is_int(read(s, buf, 32), 0, "half closed: the end");
	is_int(write(s, "late", 4), 4, "the other half is open");
	is_int(read(c, buf, 32), 4, "arrives");
	close(s);
	is_int(read(c, buf, 32), 0, "closed");
	close(c);
	close(l);
	other = socket(family, SOCK_STREAM, 0);
	is_errno(connect_to(other, family, port), ECONNREFUSED, "nobody");
	close(other);
}

static void check_bind(void)
{
	int a = socket(AF_INET, SOCK_STREAM, 0), b, c, port, fds[2];
	union addr x;

	tap_group("bind");
	bind_to(a, AF_INET, 0);
	port = port_of(a);
	b = socket(AF_INET, SOCK_STREAM, 0);
	is_errno(bind_to(b, AF_INET, port), EADDRINUSE, "a bound port");
	is_errno(bind_to(a, AF_INET, 0), EINVAL, "bound already");
	listen(a, 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	is_errno(bind_to(b, AF_INET, port), EADDRINUSE,
		 "SO_REUSEADDR is not for a listening one");
	c = socket(AF_INET, SOCK_DGRAM, 0);
	is_int(bind_to(c, AF_INET, port), 0, "UDP has its own ports");
	close(a);
	is_int(bind_to(b, AF_INET, port), 0, "free again");
	close(b);
	close(c);
	tcp_pair(AF_INET, fds);
	port = port_of(fds[1]);
	close(fds[1]);
	(void)!read(fds[0], &c, 1);
	close(fds[0]);
	a = socket(AF_INET, SOCK_STREAM, 0);
	set_int(a, SOL_SOCKET, SO_REUSEADDR, 1);
	is_int(bind_to(a, AF_INET, port), 0, "SO_REUSEADDR over TIME_WAIT");
	is_int(listen(a, 1), 0, "and listens");
	close(a);
	a = socket(AF_INET, SOCK_STREAM, 0);
	b = socket(AF_INET, SOCK_STREAM, 0);
	set_int(a, SOL_SOCKET, SO_REUSEPORT, 1);
	set_int(b, SOL_SOCKET, SO_REUSEPORT, 1);
	bind_to(a, AF_INET, 0);
	port = port_of(a);
	is_int(bind_to(b, AF_INET, port), 0, "SO_REUSEPORT on both");
	is_int(listen(a, 8) | listen(b, 8), 0, "both listen");
	c = socket(AF_INET, SOCK_STREAM, 0);
	is_int(connect_to(c, AF_INET, port), 0, "one gets the connection");
	struct pollfd p[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
	is_int(poll(p, 2, 10000), 1, "only one");
	close(a);
	close(b);
	close(c);
	a = socket(AF_INET, SOCK_STREAM, 0);
	loopback(&x, AF_INET, 0);
	x.in.sin_addr.s_addr = htonl(0xc6336401);
	is_errno(bind(a, &x.sa, sizeof(x.in)), EADDRNOTAVAIL,
		 "an address that is not ours");
	x.in.sin_family = AF_INET6;
	is_errno(bind(a, &x.sa, sizeof(x.in)), EAFNOSUPPORT, "family");
	is_errno(bind(a, &x.sa, 4), EINVAL, "too short");
	is_efault(syscall(SYS_bind, a, bp, 16), "bad addresses");
	close(a);
}

static void check_nonblock(void)
{
	int l = listener(AF_INET), port = port_of(l), c, s;
	char b;

	tap_group("non-blocking");
	fcntl(l, F_SETFL, O_NONBLOCK);
	is_errno(accept(l, NULL, NULL), EAGAIN, "accept of nobody");
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	is_errno(connect_to(c, AF_INET, port), EINPROGRESS, "in progress");
	ok(ready(c, POLLOUT), "writable when done");
	is_int(get_int(c, SOL_SOCKET, SO_ERROR), 0, "SO_ERROR 0");
	is_int(connect_to(c, AF_INET, port), 0, "and connect says so once");
	is_errno(connect_to(c, AF_INET, port), EISCONN, "connected");
	ok(ready(l, POLLIN), "the listener is readable");
	s = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	is_errno(read(s, &b, 1), EAGAIN, "nothing to read");
	close(s);
	close(c);
	close(l);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	is_errno(connect_to(c, AF_INET, port), EINPROGRESS, "refused later");
	is_int(poll_events(c, POLLIN | POLLOUT),
	       POLLIN | POLLOUT | POLLERR | POLLHUP, "its events");
	is_int(get_int(c, SOL_SOCKET, SO_ERROR), ECONNREFUSED, "SO_ERROR");
	is_int(get_int(c, SOL_SOCKET, SO_ERROR), 0, "is told once");
	is_int(read(c, &b, 1), 0, "then the end of input");
	is_errno(connect_to(c, AF_INET, port), ECONNABORTED, "and so is this");
	is_errno(connect_to(c, AF_INET, port), EINPROGRESS, "tried again");
	ready(c, POLLOUT);
	is_errno(connect_to(c, AF_INET, port), ECONNREFUSED, "refused again");
	close(c);
}

/* To a peer that is gone: the reset is noticed within the one call. */
static void check_void(void)
{
	const size_t big = 64 << 20;
	char *buf = calloc(1, big);
	ssize_t n;
	int fds[2];

	tcp_pair(AF_INET, fds);
	close(fds[1]);
	ready(fds[0], POLLIN);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	n = write(fds[0], buf, big);
	ok(n > 0 && (size_t)n < big, "a big write to a closed peer is short");
	is_errno(write(fds[0], buf, big), EPIPE, "the next one fails");
	close(fds[0]);
	free(buf);
}

static void check_reset(void)
{
	int fds[2];
	struct linger lg = { 1, 0 };
	union addr a;
	socklen_t len = sizeof(a);
	char b;

	tap_group("resets");
	signal(SIGPIPE, SIG_IGN);
	tcp_pair(AF_INET, fds);
	setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	close(fds[0]);
	ready(fds[1], POLLIN);
	is_errno(read(fds[1], &b, 1), ECONNRESET, "SO_LINGER 0: reset");
	is_int(read(fds[1], &b, 1), 0, "once");
	is_errno(write(fds[1], "x", 1), EPIPE, "then EPIPE");
	close(fds[1]);
	tcp_pair(AF_INET, fds);
	(void)!write(fds[0], "unread", 6);
	ready(fds[1], POLLIN);
	close(fds[1]);
	ready(fds[0], POLLIN);
	is_errno(read(fds[0], &b, 1), ECONNRESET, "closed with data unread");
	close(fds[0]);
	tcp_pair(AF_INET, fds);
	(void)!write(fds[0], "late", 4);
	setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	close(fds[0]);
	ready(fds[1], POLLHUP);
	is_errno(getpeername(fds[1], &a.sa, &len), ENOTCONN, "no peer");
	is_errno(shutdown(fds[1], SHUT_WR), ENOTCONN, "no shutdown");
	is_int(read(fds[1], &b, 1), 1, "what came before can be read");
	is_int(get_int(fds[1], SOL_SOCKET, SO_ERROR), ECONNRESET, "SO_ERROR");
	close(fds[1]);
}

static void check_ends(void)
{
	int fds[2];
	union addr a;
	socklen_t len = sizeof(a);
	char b;

	tap_group("ends");
	signal(SIGPIPE, SIG_IGN);
	tcp_pair(AF_INET, fds);
	shutdown(fds[0], SHUT_RDWR);
	is_int(getpeername(fds[0], &a.sa, &len), 0, "still one side");
	is_int(read(fds[1], &b, 1), 0, "the end");
	is_int(getpeername(fds[1], &a.sa, &len), 0, "still one side");
	close(fds[1]);
	ready(fds[0], POLLHUP);
	is_errno(getpeername(fds[0], &a.sa, &len), ENOTCONN, "both have ended");
	is_errno(shutdown(fds[0], SHUT_RDWR), ENOTCONN, "no shutdown");
	close(fds[0]);
	tcp_pair(AF_INET, fds);
	shutdown(fds[0], SHUT_WR);
	is_errno(write(fds[0], "x", 1), EPIPE, "write after SHUT_WR");
	shutdown(fds[1], SHUT_RD);
	is_int(read(fds[1], &b, 1), 0, "read after SHUT_RD");
	close(fds[0]);
	close(fds[1]);
	check_void();
	signal(SIGPIPE, SIG_DFL);
}

static void check_options(void)
{
	int fds[2], v = 0;
	struct linger lg = { 1, 5 };
	socklen_t len = sizeof(lg);
	struct tcp_info ti;

	tap_group("options");
	tcp_pair(AF_INET, fds);
	is_int(set_int(fds[0], IPPROTO_TCP, TCP_NODELAY, 1), 0, "TCP_NODELAY");
	is_int(get_int(fds[0], IPPROTO_TCP, TCP_NODELAY), 1, "reads back");
	is_int(set_int(fds[0], SOL_SOCKET, SO_KEEPALIVE, 1), 0, "SO_KEEPALIVE");
	is_int(set_int(fds[0], IPPROTO_TCP, TCP_KEEPIDLE, 77), 0, "KEEPIDLE");
	is_int(set_int(fds[0], IPPROTO_TCP, TCP_KEEPINTVL, 7), 0, "KEEPINTVL");
	is_int(set_int(fds[0], IPPROTO_TCP, TCP_KEEPCNT, 3), 0, "KEEPCNT");
	ok(get_int(fds[0], IPPROTO_TCP, TCP_KEEPIDLE) == 77 &&
		   get_int(fds[0], IPPROTO_TCP, TCP_KEEPINTVL) == 7 &&
		   get_int(fds[0], IPPROTO_TCP, TCP_KEEPCNT) == 3,
	   "read back");
	is_int(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 1), 0, "TCP_CORK");
	is_int(set_int(fds[0], IPPROTO_TCP, TCP_CORK, 0), 0, "off");
	is_int(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)), 0,
	       "SO_LINGER");
	memset(&lg, 0, sizeof(lg));
	getsockopt(fds[0], SOL_SOCKET, SO_LINGER, &lg, &len);
	ok(lg.l_onoff == 1 && lg.l_linger == 5, "reads back");
	lg.l_onoff = 0;
	setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
	is_int(set_int(fds[0], SOL_SOCKET, SO_SNDBUF, 20000), 0, "SO_SNDBUF");
	is_int(get_int(fds[0], SOL_SOCKET, SO_SNDBUF), 40000, "doubled");
	is_int(set_int(fds[0], SOL_SOCKET, SO_RCVBUF, 20000), 0, "SO_RCVBUF");
	is_int(get_int(fds[0], SOL_SOCKET, SO_RCVBUF), 40000, "doubled");
	is_int(get_int(fds[0], SOL_SOCKET, SO_TYPE), SOCK_STREAM, "SO_TYPE");
	is_int(get_int(fds[0], SOL_SOCKET, SO_DOMAIN), AF_INET, "SO_DOMAIN");
	is_int(get_int(fds[0], SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP,
	       "SO_PROTOCOL");
	len = sizeof(ti);
	memset(&ti, 0, sizeof(ti));
	is_int(getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &ti, &len), 0,
	       "TCP_INFO");
	is_int(ti.tcpi_state, 1, "is established");
	is_errno(set_int(fds[0], IPPROTO_TCP, 9999, 1), ENOPROTOOPT, "unknown");
	is_errno(set_int(fds[0], IPPROTO_TCP, TCP_KEEPCNT, 1000), EINVAL,
		 "out of range");
	is_errno(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &v, 1), EINVAL,
		 "too short");
	is_efault(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, bp, 4), "bad");
	is_errno(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT,
		 "a stream of UDP");
	(void)!write(fds[1], "12345", 5);
	ready(fds[0], POLLIN);
	is_int(ioctl(fds[0], FIONREAD, &v) == 0 ? v : -1, 5, "FIONREAD");
	close(fds[0]);
	close(fds[1]);
}

static void check_udp(int family, const char *title)
{
	int a = socket(family, SOCK_DGRAM, 0), b, pa;
	union addr to, from;
	socklen_t tolen, len = sizeof(from);
	char buf[128] = "";
	struct iovec io = { buf, 2 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	tap_group(title);
	bind_to(a, family, 0);
	pa = port_of(a);
	b = socket(family, SOCK_DGRAM, 0);
	tolen = loopback(&to, family, pa);
	is_int(sendto(b, "ping", 4, 0, &to.sa, tolen), 4, "sendto");
	is_int(recvfrom(a, buf, 128, 0, &from.sa, &len), 4, "recvfrom");
	is_int(ntohs(from.in.sin_port), port_of(b), "from its port");
	is_int(sendto(a, "pong", 4, 0, &from.sa, len), 4, "an answer");
	is_int(recv(b, buf, 128, 0), 4, "arrives");
	is_errno(send(b, "x", 1, 0), EDESTADDRREQ, "send to nobody");
	is_int(connect(b, &to.sa, tolen), 0, "connect");
	is_int(send(b, "conn", 4, 0), 4, "send");
	is_int(recv(a, buf, 128, 0), 4, "arrives");
	sendto(b, "", 0, 0, NULL, 0);
	is_int(recv(a, buf, 128, 0), 0, "an empty one");
	send(b, "long one", 8, 0);
	is_int(recv(a, buf, 3, MSG_PEEK | MSG_TRUNC), 8, "MSG_TRUNC");
	is_int(recvmsg(a, &m, 0), 2, "cut");
	is_int(m.msg_flags & MSG_TRUNC, MSG_TRUNC, "and told");
	is_errno(recv(a, buf, 1, MSG_DONTWAIT), EAGAIN, "the rest is lost");
	is_int(sendto(a, "from a", 6, 0, &from.sa, len), 6, "from the peer");
	is_int(recv(b, buf, 128, 0), 6, "a connected one hears it");
	static char big[70000];
	is_errno(send(b, big, sizeof(big), 0), EMSGSIZE, "too big");
	is_int(send(b, big, 60000, 0), 60000, "60,000 bytes");
	is_int(recv(a, big, sizeof(big), 0), 60000, "in one piece");
	close(a);
	(void)!send(b, "x", 1, 0);
	ready(b, POLLIN);
	is_errno(recv(b, buf, 1, 0), ECONNREFUSED, "nobody there: told");
	is_efault(syscall(SYS_sendto, b, "x", 1, 0, bp, tolen), "to bad ones");
	close(b);
}

static void check_udplite(void)
{
	const int send_cover = 10, recv_cover = 11; /* UDPLITE_*_CSCOV */
	int a = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), b, udp;
	union addr to;
	socklen_t len;
	char buf[16];

	tap_group("UDP-Lite");
	is_int(get_int(a, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDPLITE, "socket");
	bind_to(a, AF_INET, 0);
	len = loopback(&to, AF_INET, port_of(a));
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	is_int(bind_to(udp, AF_INET, port_of(a)), 0, "ports of its own");
	b = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	is_int(sendto(b, "whole", 5, 0, &to.sa, len), 5, "send");
	is_int(recv(a, buf, sizeof(buf), 0), 5, "arrives");
	is_errno(recv(udp, buf, 1, MSG_DONTWAIT), EAGAIN, "not at UDP's port");
	is_int(set_int(b, IPPROTO_UDPLITE, send_cover, 3), 0, "cover little");
	is_int(get_int(b, IPPROTO_UDPLITE, send_cover), 8, "the header");
	is_int(sendto(b, "part", 4, 0, &to.sa, len), 4, "send");
	is_int(recv(a, buf, sizeof(buf), 0), 4, "arrives");
	is_int(get_int(a, IPPROTO_UDPLITE, recv_cover), 0, "nothing asked");
	is_int(set_int(a, IPPROTO_UDPLITE, recv_cover, 10), 0, "ask for more");
	is_int(sendto(b, "lost", 4, 0, &to.sa, len), 4, "send");
	is_errno(recv(a, buf, 1, MSG_DONTWAIT), EAGAIN, "dropped");
	is_int(set_int(b, IPPROTO_UDPLITE, send_cover, 99999), 0, "all");
	is_int(get_int(b, IPPROTO_UDPLITE, send_cover), 65535, "the most");
	is_int(sendto(b, "ok", 2, 0, &to.sa, len), 2, "send");
	is_int(recv(a, buf, sizeof(buf), 0), 2, "arrives");
	is_errno(set_int(udp, IPPROTO_UDPLITE, send_cover, 8), ENOPROTOOPT,
		 "not for UDP");
	is_errno(setsockopt(a, IPPROTO_UDPLITE, recv_cover, &len, 2), EINVAL,
		 "too short");
	is_efault(setsockopt(a, IPPROTO_UDPLITE, recv_cover, bp, 4), "bad");
	close(a);
	close(b);
	close(udp);
}

static void check_dual(void)
{
	int l = socket(AF_INET6, SOCK_STREAM, 0), c, s;
	union addr a;
	socklen_t len = sizeof(a);

	tap_group("IPv4 on an IPv6 socket");
	memset(&a, 0, sizeof(a));
	a.in6.sin6_family = AF_INET6;
	is_int(bind(l, &a.sa, sizeof(a.in6)), 0, "bind to ::");
	listen(l, 4);
	c = socket(AF_INET, SOCK_STREAM, 0);
	is_int(connect_to(c, AF_INET, port_of(l)), 0, "connect by 127.0.0.1");
	s = accept(l, &a.sa, &len);
	ok(IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr), "a mapped address");
	close(c);
	close(s);
	close(l);
	l = socket(AF_INET6, SOCK_STREAM, 0);
	is_int(set_int(l, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0, "IPV6_V6ONLY");
	memset(&a, 0, sizeof(a));
	a.in6.sin6_family = AF_INET6;
	bind(l, &a.sa, sizeof(a.in6));
	listen(l, 4);
	c = socket(AF_INET, SOCK_STREAM, 0);
	is_errno(connect_to(c, AF_INET, port_of(l)), ECONNREFUSED, "refuses");
	close(c);
	close(l);
}

static void check_epoll(void)
{
	int fds[2], ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET |
					   EPOLLRDHUP };
	char buf[8];

	tap_group("edge-triggered epoll");
	tcp_pair(AF_INET, fds);
	epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &e);
	is_int(epoll_wait(ep, &e, 1, -1) == 1 ? e.events : 0, EPOLLOUT,
	       "writable");
	is_int(epoll_wait(ep, &e, 1, 0), 0, "told once");
	(void)!write(fds[0], "ab", 2);
	is_int(epoll_wait(ep, &e, 1, -1) == 1 ? e.events & EPOLLIN : 0, EPOLLIN,
	       "data");
	(void)!read(fds[1], buf, 1);
	is_int(epoll_wait(ep, &e, 1, 0), 0, "half read: no event");
	(void)!write(fds[0], "c", 1);
	is_int(epoll_wait(ep, &e, 1, -1) == 1 ? e.events & EPOLLIN : 0, EPOLLIN,
	       "more data");
	close(fds[0]);
	is_int(epoll_wait(ep, &e, 1, -1) == 1 ? e.events & EPOLLRDHUP : 0,
	       EPOLLRDHUP, "EPOLLRDHUP");
	close(fds[1]);
	close(ep);
}

static char chunk[65536];

static void send_all(int fd, long total)
{
	for (long n, at = 0; at < total; at += n) {
		long want = total - at < 50000 ? total - at : 50000;

		for (long i = 0; i < want; i += 64)
			chunk[i] = (char)((at + i) / 64);
		n = write(fd, chunk, (size_t)want);
		if (n > 0 && n % 64 && at + n < total)
			n += write(fd, chunk + n, (size_t)(64 - n % 64));
		if (n <= 0)
			return;
	}
}

static long recv_all(int fd)
{
	long sum = 0, n, bad = 0;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (long i = (64 - sum % 64) % 64; i < n; i += 64)
			bad += chunk[i] != (char)((sum + i) / 64);
		sum += n;
	}
	return bad ? -bad : sum;
}

static long write_until_full(int fd)
{
	long sum = 0, n;

	while ((n = write(fd, chunk, sizeof(chunk))) > 0)
		sum += n;
	return sum;
}

static void check_small_buffers(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), c, s;
	long n;

	tap_group("small buffers");
	signal(SIGPIPE, SIG_IGN);
	bind_to(l, AF_INET, 0);
	set_int(l, SOL_SOCKET, SO_RCVBUF, 4096);
	listen(l, 1);
	c = socket(AF_INET, SOCK_STREAM, 0);
	set_int(c, SOL_SOCKET, SO_SNDBUF, 4096);
	connect_to(c, AF_INET, port_of(l));
	s = accept(l, NULL, NULL);
	is_int(get_int(s, SOL_SOCKET, SO_RCVBUF), 8192, "inherited");
	fcntl(c, F_SETFL, O_NONBLOCK);
	n = write_until_full(c);
	ok(n > 1000 && n < 100000, "hold little");
	is_int(errno, EAGAIN, "and then are full");
	close(s);
	while (write(c, "x", 1) == 1 || errno == EAGAIN)
		ready(c, POLLERR);
	ok(errno == ECONNRESET || errno == EPIPE, "the reader has gone");
	close(c);
	close(l);
	signal(SIGPIPE, SIG_DFL);
}

static void check_bulk(int family, const char *title)
{
	int fds[2];
	pid_t pid;

	tap_group(title);
	tcp_pair(family, fds);
	pid = tap_fork();
	if (pid == 0) {
		close(fds[0]);
		must(recv_all(fds[1]) == MB10);
		send_all(fds[1], MB10);
		_exit(0);
	}
	close(fds[1]);
	send_all(fds[0], MB10);
	shutdown(fds[0], SHUT_WR);
	is_int(recv_all(fds[0]), MB10, "10 MB there and back");
	is_int(tap_wait(pid), 0, "the other side too");
	close(fds[0]);
}

int main(void)
{
	tap_start();
	check_connect(AF_INET, "TCP over IPv4");
	check_connect(AF_INET6, "TCP over IPv6");
	check_bind();
	check_nonblock();
	check_reset();
	check_ends();
	check_options();
	check_udp(AF_INET, "UDP over IPv4");
	check_udp(AF_INET6, "UDP over IPv6");
	check_udplite();
	check_dual();
	check_epoll();
	check_small_buffers();
	check_bulk(AF_INET, "bulk over IPv4");
	check_bulk(AF_INET6, "bulk over IPv6");
	return tap_done();
}
