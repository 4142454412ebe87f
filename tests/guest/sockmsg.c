// SPDX-License-Identifier: Apache-2.0
/* What the MSG_* flags do on each kind of socket: urgent bytes, looking without
 * taking, cutting, several messages in one call, control messages, errors.
 * Most lines hold what the kernel said, so the comparison of both runs is the
 * check. */
#include "tap.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

#define SHOW(...)                                              \
	do {                                                   \
		char show_s[256];                              \
		snprintf(show_s, sizeof(show_s), __VA_ARGS__); \
		tap_ok(true, show_s);                          \
	} while (0)

/* A result: the value, or -errno. */
static long res(long r)
{
	return r < 0 ? -errno : r;
}

static socklen_t loopback(union addr *a, int family)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET)
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		a->in6.sin6_addr = in6addr_loopback;
	return family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

static void set(int fd, int level, int name, int v)
{
	must(setsockopt(fd, level, name, &v, sizeof(v)) == 0);
}

/* A bound datagram socket and its address. */
static int udp_bound(int family, union addr *a)
{
	int fd = socket(family, SOCK_DGRAM, 0);
	socklen_t len = loopback(a, family);

	must(bind(fd, &a->sa, len) == 0);
	must(getsockname(fd, &a->sa, &len) == 0);
	return fd;
}

static void tcp_pair(int family, int fds[2])
{
	int l = socket(family, SOCK_STREAM, 0);
	union addr a;
	socklen_t len = loopback(&a, family);

	must(bind(l, &a.sa, len) == 0 && listen(l, 4) == 0);
	must(getsockname(l, &a.sa, &len) == 0);
	fds[0] = socket(family, SOCK_STREAM, 0);
	must(connect(fds[0], &a.sa, len) == 0);
	fds[1] = accept(l, NULL, NULL);
	must(fds[1] >= 0);
	close(l);
}

static void make_pair(int kind, int fds[2])
{
	if (kind == 0)
		tcp_pair(AF_INET, fds);
	else
		must(socketpair(AF_UNIX,
				kind == 1   ? SOCK_STREAM
				: kind == 2 ? SOCK_DGRAM
					    : SOCK_SEQPACKET,
				0, fds) == 0);
}

static const char *const kind_names[] = { "tcp", "unix-stream", "unix-dgram",
					  "unix-seqpacket" };

static int at_mark(int fd)
{
	int v = -1;

	return ioctl(fd, SIOCATMARK, &v) < 0 ? -errno : v;
}

static int inq(int fd)
{
	int v = -1;

	return ioctl(fd, FIONREAD, &v) < 0 ? -errno : v;
}

static int events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI | POLLRDHUP };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

static int wait_event(int fd, int ev)
{
	struct pollfd p = { .fd = fd, .events = (short)ev };

	return poll(&p, 1, 10000);
}

/* --- Urgent bytes
 * ----------------------------------------------------------------------- */

static volatile int urg_signals;

static void on_urg(int sig)
{
	(void)sig;
	urg_signals++;
}

static void check_oob(int kind)
{
	const char *k = kind_names[kind];
	char b[32] = "";
	int f[2];
	long n;

	make_pair(kind, f);
	n = res(recv(f[1], b, 1, MSG_OOB));
	SHOW("%s: no urgent byte: %ld", k, n);
	must(send(f[0], "ab", 2, 0) == 2);
	n = res(send(f[0], "cde", 3, MSG_OOB));
	SHOW("%s: urgent send: %ld", k, n);
	if (n < 0) {
		close(f[0]);
		close(f[1]);
		return;
	}
	wait_event(f[1], POLLPRI);
	SHOW("%s: poll %x", k, events(f[1]));
	SHOW("%s: before the mark: %d, bytes %d", k, at_mark(f[1]), inq(f[1]));
	n = res(recv(f[1], b, sizeof(b), 0));
	SHOW("%s: up to the mark %ld %.4s", k, n, b);
	SHOW("%s: at the mark: %d", k, at_mark(f[1]));
	n = res(recv(f[1], b, 1, MSG_OOB | MSG_PEEK));
	SHOW("%s: look at it %ld %c", k, n, b[0]);
	n = res(recv(f[1], b, 1, MSG_OOB));
	SHOW("%s: take it %ld %c", k, n, b[0]);
	n = res(recv(f[1], b, 1, MSG_OOB));
	SHOW("%s: twice %ld", k, n);
	must(send(f[0], "fg", 2, 0) == 2);
	wait_event(f[1], POLLIN);
	n = res(recv(f[1], b, sizeof(b), 0));
	SHOW("%s: after it %ld %.2s, mark %d", k, n, b, at_mark(f[1]));
	must(send(f[0], "h", 1, 0) == 1 && send(f[0], "i", 1, MSG_OOB) == 1 &&
	     send(f[0], "j", 1, 0) == 1);
	wait_event(f[1], POLLPRI);
	n = res(recv(f[1], b, sizeof(b), 0));
	SHOW("%s: stops before %ld %c", k, n, b[0]);
	n = res(recv(f[1], b, sizeof(b), 0));
	SHOW("%s: passes over it %ld %c", k, n, b[0]);
	n = res(recv(f[1], b, sizeof(b), MSG_OOB));
	SHOW("%s: gone %ld", k, n);
	set(f[1], SOL_SOCKET, SO_OOBINLINE, 1);
	must(send(f[0], "k", 1, 0) == 1 && send(f[0], "l", 1, MSG_OOB) == 1);
	wait_event(f[1], POLLPRI);
	n = res(recv(f[1], b, sizeof(b), MSG_OOB));
	SHOW("%s: inline, MSG_OOB %ld", k, n);
	n = res(recv(f[1], b, sizeof(b), 0));
	SHOW("%s: inline, to the mark %ld %c", k, n, b[0]);
	n = res(recv(f[1], b, sizeof(b), 0));
	SHOW("%s: inline, the byte %ld %c", k, n, b[0]);
	close(f[0]);
	close(f[1]);
}

static void check_sigurg(void)
{
	struct sigaction sa = { .sa_handler = on_urg };
	int f[2];

	sigaction(SIGURG, &sa, NULL);
	tcp_pair(AF_INET, f);
	is_int(fcntl(f[1], F_SETOWN, getpid()), 0, "F_SETOWN");
	is_int(send(f[0], "x", 1, MSG_OOB), 1, "urgent");
	wait_event(f[1], POLLPRI);
	is_int(urg_signals, 1, "SIGURG came");
	signal(SIGURG, SIG_DFL);
	close(f[0]);
	close(f[1]);
}

/* --- Looking, cutting
 * ---------------------------------------------------------------------- */

static void check_peek(int kind)
{
	const char *k = kind_names[kind];
	char b[32] = "";
	int f[2];
	long n;

	make_pair(kind, f);
	n = res(recv(f[1], b, sizeof(b), MSG_DONTWAIT));
	SHOW("%s: nothing there %ld", k, n);
	must(send(f[0], "hello", 5, 0) == 5);
	must(send(f[0], "world!", 6, MSG_EOR) == 6);
	wait_event(f[1], POLLIN);
	n = res(recv(f[1], b, 3, MSG_PEEK));
	SHOW("%s: peek 3: %ld %.3s", k, n, b);
	if (kind >= 2) {
		n = res(recv(f[1], b, 3, MSG_PEEK | MSG_TRUNC));
		SHOW("%s: peek 3 and tell all: %ld", k, n);
	}
	set(f[1], SOL_SOCKET, SO_PEEK_OFF, 2);
	n = res(recv(f[1], b, 2, MSG_PEEK));
	SHOW("%s: peek from 2: %ld %.2s", k, n, b);
	n = res(recv(f[1], b, 2, MSG_PEEK));
	SHOW("%s: goes on: %ld %.1s", k, n, b);
	n = res(recv(f[1], b, 4, 0));
	SHOW("%s: read takes the first: %ld %.4s", k, n, b);
	n = res(recv(f[1], b, 2, MSG_PEEK));
	SHOW("%s: peek follows: %ld %.2s", k, n, b);
	set(f[1], SOL_SOCKET, SO_PEEK_OFF, -1);
	n = res(recv(f[1], b, 1, MSG_PEEK));
	SHOW("%s: peek at the start: %ld %c", k, n, b[0]);
	memset(b, '-', sizeof(b));
	n = res(recv(f[1], b, 3, MSG_TRUNC));
	SHOW("%s: MSG_TRUNC: %ld %.3s", k, n, b);
	n = res(recv(f[1], b, 0, MSG_DONTWAIT));
	SHOW("%s: no room: %ld", k, n);
	close(f[0]);
	n = res(recv(f[1], b, sizeof(b),
		     kind == 2 ? MSG_DONTWAIT : MSG_WAITALL));
	SHOW("%s: MSG_WAITALL: %ld", k, n);
	close(f[1]);
}

static void check_flags_out(int kind)
{
	const char *k = kind_names[kind];
	char b[3], c[64];
	struct iovec v = { b, 3 };
	struct msghdr h = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = c,
			    .msg_controllen = sizeof(c) };
	int f[2];
	long n;

	make_pair(kind, f);
	must(send(f[0], "hello", 5, MSG_EOR) == 5);
	n = res(recvmsg(f[1], &h, MSG_CMSG_CLOEXEC));
	SHOW("%s: recvmsg %ld flags %x control %d", k, n, h.msg_flags,
	     (int)h.msg_controllen);
	h.msg_iovlen = 1025;
	n = res(recvmsg(f[1], &h, 0));
	SHOW("%s: too many buffers %ld", k, n);
	n = res(sendmsg(f[0], &h, 0));
	SHOW("%s: too many buffers out %ld", k, n);
	n = res(send(f[0], "x", 1, MSG_DONTROUTE | MSG_CONFIRM | MSG_NOSIGNAL));
	SHOW("%s: hints %ld", k, n);
	n = res(send(f[0], NULL, 0, 0));
	SHOW("%s: nothing %ld", k, n);
	n = res(recv(f[1], b, 3, MSG_ERRQUEUE));
	SHOW("%s: error queue %ld", k, n);
	close(f[0]);
	close(f[1]);
}

/* --- Many messages
 * ------------------------------------------------------------------------- */

static void check_mmsg(void)
{
	char b[4][8] = { "one", "two", "three", "four" };
	struct mmsghdr h[4];
	struct iovec v[4];
	struct timespec past = { 0, 0 };
	int f[2];
	long n;

	memset(h, 0, sizeof(h));
	for (int i = 0; i < 4; i++) {
		v[i].iov_base = b[i];
		v[i].iov_len = 5;
		h[i].msg_hdr.msg_iov = &v[i];
		h[i].msg_hdr.msg_iovlen = 1;
	}
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, f) == 0);
	n = res(sendmmsg(f[0], h, 4, 0));
	SHOW("sendmmsg %ld: %u %u %u %u", n, h[0].msg_len, h[1].msg_len,
	     h[2].msg_len, h[3].msg_len);
	n = res(recvmmsg(f[1], h, 2, 0, NULL));
	SHOW("recvmmsg %ld: %u %u", n, h[0].msg_len, h[1].msg_len);
	n = res(recvmmsg(f[1], h, 4, MSG_WAITFORONE, NULL));
	SHOW("recvmmsg, what there is: %ld", n);
	n = res(recvmmsg(f[1], h, 4, MSG_DONTWAIT, NULL));
	SHOW("recvmmsg, nothing: %ld", n);
	must(sendmmsg(f[0], h, 4, 0) == 4);
	n = res(recvmmsg(f[1], h, 4, 0, &past));
	SHOW("recvmmsg, no time: %ld", n);
	past.tv_nsec = -1;
	n = res(recvmmsg(f[1], h, 4, 0, &past));
	SHOW("recvmmsg, bad time: %ld", n);
	n = res(sendmmsg(f[0], h, 0, 0));
	SHOW("sendmmsg of none: %ld", n);
	h[1].msg_hdr.msg_iov = bad_ptr;
	n = res(sendmmsg(f[0], h, 4, 0));
	SHOW("sendmmsg up to a bad one: %ld", n);
	h[0].msg_hdr.msg_iov = bad_ptr;
	n = res(sendmmsg(f[0], h, 4, 0));
	SHOW("sendmmsg of a bad one: %ld", n);
	is_efault(recvmmsg(f[1], bp, 1, MSG_DONTWAIT, NULL), "bad vector in");
	is_efault(sendmmsg(f[0], bp, 1, 0), "bad vector out");
	is_efault(recvmmsg(f[1], h, 1, 0, bp), "bad timeout");
	close(f[0]);
	close(f[1]);
	is_errno(recvmmsg(f[1], h, 1, 0, NULL), EBADF, "closed in");
	is_errno(sendmmsg(f[0], h, 1, 0), EBADF, "closed out");
}

/* --- Control messages of UDP
 * --------------------------------------------------------------- */

static void show_control(const char *k, struct msghdr *h)
{
	struct cmsghdr *c;
	int v;

	for (c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		v = 0;
		memcpy(&v, CMSG_DATA(c), len < 4 ? len : 4);
		if (c->cmsg_level == SOL_SOCKET)
			v = 0; /* a time */
		if (c->cmsg_type == IP_ORIGDSTADDR &&
		    c->cmsg_level == IPPROTO_IP)
			v &= 0xffff; /* the family */
		if (c->cmsg_type == IPV6_ORIGDSTADDR &&
		    c->cmsg_level == IPPROTO_IPV6)
			v &= 0xffff;
		SHOW("%s: control %d/%d of %zu: %d", k, c->cmsg_level,
		     c->cmsg_type, len, v);
	}
}

static long recv_control(const char *k, int fd, int flags)
{
	char b[64], c[512];
	struct iovec v = { b, sizeof(b) };
	union addr from;
	struct msghdr h = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = c,
			    .msg_controllen = sizeof(c) };
	long n = res(recvmsg(fd, &h, flags));

	SHOW("%s: got %ld flags %x from family %d", k, n, h.msg_flags,
	     n < 0 ? 0 : from.sa.sa_family);
	if (n >= 0)
		show_control(k, &h);
	return n;
}

static long send_control(int fd, const union addr *to, socklen_t to_len,
			 int level, int type, const void *data, size_t len)
{
	char c[64] = { 0 };
	struct iovec v = { (void *)"data", 4 };
	struct msghdr h = { .msg_name = (void *)to,
			    .msg_namelen = to_len,
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = c,
			    .msg_controllen = CMSG_SPACE(len) };
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);

	m->cmsg_level = level;
	m->cmsg_type = type;
	m->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(m), data, len);
	return res(sendmsg(fd, &h, 0));
}

static void check_control4(void)
{
	struct in_pktinfo info = { .ipi_ifindex = 0 };
	union addr a;
	int r = udp_bound(AF_INET, &a), s = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(a.in);
	int v = 7;

	set(r, IPPROTO_IP, IP_PKTINFO, 1);
	set(r, IPPROTO_IP, IP_RECVTTL, 1);
	set(r, IPPROTO_IP, IP_RECVTOS, 1);
	set(r, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
	set(r, SOL_SOCKET, SO_TIMESTAMP, 1);
	must(sendto(s, "x", 1, 0, &a.sa, len) == 1);
	recv_control("udp4", r, 0);
	set(r, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	set(s, IPPROTO_IP, IP_TTL, 33);
	set(s, IPPROTO_IP, IP_TOS, 0x10);
	must(sendto(s, "x", 1, 0, &a.sa, len) == 1);
	recv_control("udp4 with options", r, 0);
	SHOW("ttl by message %ld",
	     send_control(s, &a, len, IPPROTO_IP, IP_TTL, &v, sizeof(v)));
	recv_control("udp4 ttl", r, 0);
	SHOW("tos by message %ld",
	     send_control(s, &a, len, IPPROTO_IP, IP_TOS, &v, sizeof(v)));
	recv_control("udp4 tos", r, 0);
	v = 256;
	SHOW("bad ttl %ld",
	     send_control(s, &a, len, IPPROTO_IP, IP_TTL, &v, sizeof(v)));
	SHOW("short ttl %ld",
	     send_control(s, &a, len, IPPROTO_IP, IP_TTL, &v, 2));
	info.ipi_spec_dst.s_addr = htonl(0x7f000005);
	SHOW("source by message %ld",
	     send_control(s, &a, len, IPPROTO_IP, IP_PKTINFO, &info,
			  sizeof(info)));
	recv_control("udp4 source", r, 0);
	SHOW("unknown %ld",
	     send_control(s, &a, len, IPPROTO_IP, 99, &info, sizeof(info)));
	SHOW("another level %ld",
	     send_control(s, &a, len, 77, 99, &info, sizeof(info)));
	recv_control("udp4 other", r, 0);
	close(r);
	close(s);
}

static void check_control6(void)
{
	union addr a;
	int r = udp_bound(AF_INET6, &a), s = socket(AF_INET6, SOCK_DGRAM, 0);
	socklen_t len = sizeof(a.in6);
	int v = 9;

	set(r, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(r, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	set(r, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set(r, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1);
	must(sendto(s, "x", 1, 0, &a.sa, len) == 1);
	recv_control("udp6", r, 0);
	set(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 12);
	set(s, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	must(sendto(s, "", 0, 0, &a.sa, len) == 0);
	recv_control("udp6 empty, with options", r, 0);
	SHOW("hops by message %ld", send_control(s, &a, len, IPPROTO_IPV6,
						 IPV6_HOPLIMIT, &v, sizeof(v)));
	recv_control("udp6 hops", r, 0);
	v = 300;
	SHOW("bad hops %ld", send_control(s, &a, len, IPPROTO_IPV6,
					  IPV6_HOPLIMIT, &v, sizeof(v)));
	close(r);
	close(s);
}

static void check_small_control(void)
{
	char b[8], c[20];
	struct iovec v = { b, sizeof(b) };
	struct msghdr h = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = c,
			    .msg_controllen = sizeof(c) };
	union addr a;
	int r = udp_bound(AF_INET, &a), s = socket(AF_INET, SOCK_DGRAM, 0);

	set(r, IPPROTO_IP, IP_PKTINFO, 1);
	must(sendto(s, "x", 1, 0, &a.sa, sizeof(a.in)) == 1);
	is_int(recvmsg(r, &h, 0), 1, "control buffer too small");
	SHOW("flags %x, %d bytes", h.msg_flags, (int)h.msg_controllen);
	close(r);
	close(s);
}

static void check_cork(void)
{
	union addr a;
	int r = udp_bound(AF_INET, &a), s = socket(AF_INET, SOCK_DGRAM, 0);
	char b[32] = "";
	long n;

	n = res(sendto(s, "ab", 2, MSG_MORE, &a.sa, sizeof(a.in)));
	SHOW("MSG_MORE %ld", n);
	n = res(recv(r, b, sizeof(b), MSG_DONTWAIT));
	SHOW("not yet %ld", n);
	n = res(sendto(s, "cd", 2, 0, &a.sa, sizeof(a.in)));
	SHOW("the rest %ld", n);
	n = res(recv(r, b, sizeof(b), 0));
	SHOW("as one %ld %s", n, b);
	set(s, IPPROTO_UDP, UDP_CORK, 1);
	must(sendto(s, "ef", 2, 0, &a.sa, sizeof(a.in)) == 2);
	must(sendto(s, "gh", 2, 0, &a.sa, sizeof(a.in)) == 2);
	n = res(recv(r, b, sizeof(b), MSG_DONTWAIT));
	SHOW("corked %ld", n);
	set(s, IPPROTO_UDP, UDP_CORK, 0);
	n = res(recv(r, b, sizeof(b), 0));
	SHOW("uncorked %ld %s", n, b);
	close(r);
	close(s);
}

/* Errors that come back: nobody at the port. */
static void check_errqueue(int family)
{
	const char *k = family == AF_INET ? "udp4 error" : "udp6 error";
	union addr a;
	int r = udp_bound(family, &a), s = socket(family, SOCK_DGRAM, 0);
	socklen_t len = family == AF_INET ? sizeof(a.in) : sizeof(a.in6);
	char b[8];
	long n;

	close(r);
	must(sendto(s, "x", 1, 0, &a.sa, len) == 1);
	n = res(recv(s, b, 8, MSG_DONTWAIT));
	SHOW("%s: not connected %ld", k, n);
	if (family == AF_INET)
		set(s, IPPROTO_IP, IP_RECVERR, 1);
	else
		set(s, IPPROTO_IPV6, IPV6_RECVERR, 1);
	must(sendto(s, "abc", 3, 0, &a.sa, len) == 3);
	wait_event(s, 0);
	SHOW("%s: events %x", k, events(s));
	n = res(recv(s, b, 8, MSG_DONTWAIT));
	SHOW("%s: told %ld", k, n);
	recv_control(k, s, MSG_ERRQUEUE);
	n = res(recv(s, b, 8, MSG_ERRQUEUE));
	SHOW("%s: empty %ld", k, n);
	close(s);
	s = socket(family, SOCK_DGRAM, 0);
	must(connect(s, &a.sa, len) == 0);
	must(send(s, "x", 1, 0) == 1);
	n = res(recv(s, b, 8, MSG_DONTWAIT));
	SHOW("%s: connected %ld", k, n);
	close(s);
}

/* --- Groups
 * --------------------------------------------------------------------------------
 */

static int join(int fd, const char *group, int option)
{
	struct ip_mreq m;

	m.imr_multiaddr.s_addr = inet_addr(group);
	m.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
	return (int)res(setsockopt(fd, IPPROTO_IP, option, &m, sizeof(m)));
}

/* The users that a table of /proc/net names in the line of a group. */
static long users_in(const char *table, const char *group)
{
	char path[32], line[256], *at;
	long users = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/net/%s", table);
	f = fopen(path, "r");
	must(f != NULL);
	while (users < 0 && fgets(line, sizeof(line), f)) {
		at = strstr(line, group);
		if (at)
			users = strtol(at + strlen(group), NULL, 10);
	}
	fclose(f);
	return users;
}

static void check_multicast_v6(void)
{
	const char *name = "ff020000000000000000000000000123";
	struct ipv6_mreq m = { .ipv6mr_interface = 1 };
	int s = socket(AF_INET6, SOCK_DGRAM, 0);

	must(inet_pton(AF_INET6, "ff02::123", &m.ipv6mr_multiaddr) == 1);
	SHOW("no member of v6 %ld", users_in("igmp6", name));
	SHOW("join v6 %ld", res(setsockopt(s, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP,
					   &m, sizeof(m))));
	SHOW("a member of v6 %ld", users_in("igmp6", name));
	SHOW("all nodes %d", users_in("igmp6", "ff020000000000000000000000000"
					       "001") > 0);
	close(s);
	SHOW("closed %ld", users_in("igmp6", name));
}

static void check_multicast(void)
{
	struct in_addr lo = { htonl(INADDR_LOOPBACK) };
	int r = socket(AF_INET, SOCK_DGRAM, 0), r2, s, port;
	union addr a;
	socklen_t len = sizeof(a.in);
	char b[8];
	long n;

	set(r, SOL_SOCKET, SO_REUSEADDR, 1);
	memset(&a, 0, sizeof(a));
	a.sa.sa_family = AF_INET;
	must(bind(r, &a.sa, len) == 0 && getsockname(r, &a.sa, &len) == 0);
	port = a.in.sin_port;
	r2 = socket(AF_INET, SOCK_DGRAM, 0);
	set(r2, SOL_SOCKET, SO_REUSEADDR, 1);
	a.in.sin_addr.s_addr = inet_addr("239.1.2.3");
	SHOW("bind to a group %ld", res(bind(r2, &a.sa, len)));
	SHOW("join %d", join(r, "239.1.2.3", IP_ADD_MEMBERSHIP));
	SHOW("twice %d", join(r, "239.1.2.3", IP_ADD_MEMBERSHIP));
	SHOW("no group %d", join(r, "10.1.2.3", IP_ADD_MEMBERSHIP));
	SHOW("second member %d", join(r2, "239.1.2.3", IP_ADD_MEMBERSHIP));
	SHOW("members %ld", users_in("igmp", "030201EF"));
	SHOW("all hosts %d", users_in("igmp", "010000E0") > 0);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	SHOW("interface %ld",
	     res(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo))));
	set(s, IPPROTO_IP, IP_MULTICAST_TTL, 3);
	set(r, IPPROTO_IP, IP_PKTINFO, 1);
	set(r, IPPROTO_IP, IP_RECVTTL, 1);
	a.in.sin_port = (in_port_t)port;
	n = res(sendto(s, "hi", 2, 0, &a.sa, len));
	SHOW("send %ld", n);
	recv_control("group", r, 0);
	n = res(recv(r2, b, sizeof(b), 0));
	SHOW("both get it %ld", n);
	SHOW("leave %d", join(r, "239.1.2.3", IP_DROP_MEMBERSHIP));
	SHOW("not a member %d", join(r, "239.1.2.3", IP_DROP_MEMBERSHIP));
	SHOW("members left %ld", users_in("igmp", "030201EF"));
	set(r, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	must(sendto(s, "hi", 2, 0, &a.sa, len) == 2);
	n = res(recv(r2, b, sizeof(b), 0));
	SHOW("the other gets it %ld", n);
	n = res(recv(r, b, sizeof(b), MSG_DONTWAIT));
	SHOW("this one does not %ld", n);
	close(r);
	close(r2);
	SHOW("nobody left %ld", users_in("igmp", "030201EF"));
	a.in.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	n = res(sendto(s, "x", 1, 0, &a.sa, len));
	SHOW("broadcast, not allowed %ld", n);
	close(s);
}

/* --- TCP's ends
 * ----------------------------------------------------------------------------
 */

static int tcp_listener(union addr *a, bool reuse)
{
	int l = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a->in);

	if (reuse)
		set(l, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(l, &a->sa, len) < 0 || listen(l, 4) < 0) {
		int err = errno;

		close(l);
		return -err;
	}
	must(getsockname(l, &a->sa, &len) == 0);
	return l;
}

static void check_port_kept(bool server_first, bool reuse)
{
	const char *who = server_first ? "server" : "client";
	union addr a;
	int l, c, s, again;

	loopback(&a, AF_INET);
	l = tcp_listener(&a, reuse);
	c = socket(AF_INET, SOCK_STREAM, 0);
	must(connect(c, &a.sa, sizeof(a.in)) == 0);
	s = accept(l, NULL, NULL);
	close(l);
	again = tcp_listener(&a, reuse);
	SHOW("%s first, reuse %d: bind while connected %d", who, reuse,
	     again < 0 ? again : 0);
	if (again >= 0)
		close(again);
	close(server_first ? s : c);
	wait_event(server_first ? c : s, POLLIN);
	close(server_first ? c : s);
	again = tcp_listener(&a, reuse);
	SHOW("%s first, reuse %d: bind after %d", who, reuse,
	     again < 0 ? again : 0);
	if (again >= 0)
		close(again);
}

static int inq_of(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int v = -1;

	if (c && c->cmsg_level == IPPROTO_TCP && c->cmsg_type == TCP_INQ)
		memcpy(&v, CMSG_DATA(c), sizeof(v));
	return v;
}

static void check_inq(void)
{
	char b[4], c[64];
	struct iovec v = { b, sizeof(b) };
	struct msghdr h = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = c,
			    .msg_controllen = sizeof(c) };
	int f[2];

	tcp_pair(AF_INET6, f);
	set(f[1], IPPROTO_TCP, TCP_INQ, 1);
	must(send(f[0], "0123456789", 10, 0) == 10);
	wait_event(f[1], POLLIN);
	is_int(recvmsg(f[1], &h, 0), 4, "TCP_INQ: read some");
	is_int(inq_of(&h), 6, "how many are left");
	close(f[0]);
	close(f[1]);
}

static void check_hostile(void)
{
	int f[2], u = socket(AF_INET, SOCK_DGRAM, 0);
	struct msghdr h = { .msg_control = bad_ptr, .msg_controllen = 64 };
	union addr a;

	loopback(&a, AF_INET);
	a.in.sin_port = htons(9);
	h.msg_name = &a;
	h.msg_namelen = sizeof(a.in);
	make_pair(0, f);
	is_errno(sendmsg(u, &h, 0), EFAULT, "bad control buffer");
	is_efault(send(f[0], bp, 8, MSG_OOB), "bad urgent buffer");
	must(send(f[0], "x", 1, MSG_OOB) == 1);
	wait_event(f[1], POLLPRI);
	is_errno(recv(f[1], bad_ptr, 8, MSG_OOB), EFAULT, "bad buffer for it");
	is_errno(recv(f[1], bad_ptr, 8, MSG_OOB), EINVAL, "it is gone");
	is_errno(recv(f[1], bad_ptr, 8, MSG_PEEK | MSG_DONTWAIT), EAGAIN,
		 "nothing but the urgent byte");
	close(f[0]);
	close(f[1]);
	is_errno(recv(f[1], &a, 1, MSG_OOB), EBADF, "closed");
	close(u);
}

int main(void)
{
	tap_start();
	signal(SIGPIPE, SIG_IGN);
	tap_group("urgent bytes");
	for (int i = 0; i < 4; i++)
		check_oob(i);
	check_sigurg();
	tap_group("looking and cutting");
	for (int i = 0; i < 4; i++)
		check_peek(i);
	for (int i = 0; i < 4; i++)
		check_flags_out(i);
	check_mmsg();
	tap_group("control messages");
	check_control4();
	check_control6();
	check_small_control();
	check_cork();
	check_errqueue(AF_INET);
	check_errqueue(AF_INET6);
	tap_group("groups");
	check_multicast();
	check_multicast_v6();
	tap_group("ends of connections");
	check_port_kept(true, false);
	check_port_kept(false, false);
	check_port_kept(true, true);
	check_inq();
	check_hostile();
	return tap_done();
}
