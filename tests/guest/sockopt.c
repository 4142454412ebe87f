// SPDX-License-Identifier: Apache-2.0
/* Socket options: for each kind of socket and each option, what it is at first
 * and what becomes of a row of values of several lengths. Each line holds what
 * the kernel said, so the comparison of both runs is the check. */
#include "tap.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#define NEW_SO_TIMESTAMP 63
#define NEW_SO_TIMESTAMPNS 64

static const struct kind {
	const char *name;
	int domain, type;
} kinds[] = {
	{ "tcp4", AF_INET, SOCK_STREAM },
	{ "tcp6", AF_INET6, SOCK_STREAM },
	{ "udp4", AF_INET, SOCK_DGRAM },
	{ "udp6", AF_INET6, SOCK_DGRAM },
	{ "unix-stream", AF_UNIX, SOCK_STREAM },
	{ "unix-dgram", AF_UNIX, SOCK_DGRAM },
	{ "unix-seqpacket", AF_UNIX, SOCK_SEQPACKET },
};

static const struct option {
	int level, name;
	const char *text;
} options[] = {
#define OPT(level, name)           \
	{                          \
		level, name, #name \
	}
	OPT(SOL_SOCKET, SO_DEBUG),
	OPT(SOL_SOCKET, SO_REUSEADDR),
	OPT(SOL_SOCKET, SO_TYPE),
	OPT(SOL_SOCKET, SO_ERROR),
	OPT(SOL_SOCKET, SO_DONTROUTE),
	OPT(SOL_SOCKET, SO_BROADCAST),
	OPT(SOL_SOCKET, SO_KEEPALIVE),
	OPT(SOL_SOCKET, SO_OOBINLINE),
	OPT(SOL_SOCKET, SO_NO_CHECK),
	OPT(SOL_SOCKET, SO_PRIORITY),
	OPT(SOL_SOCKET, SO_LINGER),
	OPT(SOL_SOCKET, SO_BSDCOMPAT),
	OPT(SOL_SOCKET, SO_REUSEPORT),
	OPT(SOL_SOCKET, SO_PASSCRED),
	OPT(SOL_SOCKET, SO_SNDLOWAT),
	OPT(SOL_SOCKET, SO_RCVTIMEO),
	OPT(SOL_SOCKET, SO_BINDTODEVICE),
	OPT(SOL_SOCKET, SO_DETACH_FILTER),
	OPT(SOL_SOCKET, SO_PEERNAME),
	OPT(SOL_SOCKET, SO_TIMESTAMP),
	OPT(SOL_SOCKET, SO_ACCEPTCONN),
	OPT(SOL_SOCKET, SO_PEERSEC),
	OPT(SOL_SOCKET, SO_PASSSEC),
	OPT(SOL_SOCKET, SO_TIMESTAMPNS),
	OPT(SOL_SOCKET, NEW_SO_TIMESTAMP),
	OPT(SOL_SOCKET, NEW_SO_TIMESTAMPNS),
	OPT(SOL_SOCKET, SO_PROTOCOL),
	OPT(SOL_SOCKET, SO_DOMAIN),
	OPT(SOL_SOCKET, SO_RXQ_OVFL),
	OPT(SOL_SOCKET, SO_PEEK_OFF),
	OPT(SOL_SOCKET, SO_NOFCS),
	OPT(SOL_SOCKET, SO_SELECT_ERR_QUEUE),
	OPT(SOL_SOCKET, SO_BUSY_POLL),
	OPT(SOL_SOCKET, SO_MAX_PACING_RATE),
	OPT(SOL_SOCKET, SO_INCOMING_CPU),
	OPT(SOL_SOCKET, SO_PEERGROUPS),
	OPT(IPPROTO_IP, IP_TOS),
	OPT(IPPROTO_IP, IP_TTL),
	OPT(IPPROTO_IP, IP_HDRINCL),
	OPT(IPPROTO_IP, IP_ROUTER_ALERT),
	OPT(IPPROTO_IP, IP_RECVOPTS),
	OPT(IPPROTO_IP, IP_RETOPTS),
	OPT(IPPROTO_IP, IP_PKTINFO),
	OPT(IPPROTO_IP, IP_MTU_DISCOVER),
	OPT(IPPROTO_IP, IP_RECVERR),
	OPT(IPPROTO_IP, IP_RECVTTL),
	OPT(IPPROTO_IP, IP_RECVTOS),
	OPT(IPPROTO_IP, IP_MTU),
	OPT(IPPROTO_IP, IP_FREEBIND),
	OPT(IPPROTO_IP, IP_PASSSEC),
	OPT(IPPROTO_IP, IP_RECVORIGDSTADDR),
	OPT(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	OPT(IPPROTO_IP, IP_MULTICAST_LOOP),
	OPT(IPPROTO_IP, IP_MULTICAST_ALL),
	OPT(IPPROTO_IP, IP_ADD_MEMBERSHIP),
	OPT(IPPROTO_IP, IP_DROP_MEMBERSHIP),
	OPT(IPPROTO_IP, MCAST_JOIN_GROUP),
	OPT(IPPROTO_IP, MCAST_LEAVE_GROUP),
	OPT(IPPROTO_TCP, TCP_NODELAY),
	OPT(IPPROTO_TCP, TCP_MAXSEG),
	OPT(IPPROTO_TCP, TCP_CORK),
	OPT(IPPROTO_TCP, TCP_KEEPIDLE),
	OPT(IPPROTO_TCP, TCP_KEEPINTVL),
	OPT(IPPROTO_TCP, TCP_KEEPCNT),
	OPT(IPPROTO_TCP, TCP_SYNCNT),
	OPT(IPPROTO_TCP, TCP_LINGER2),
	OPT(IPPROTO_TCP, TCP_WINDOW_CLAMP),
	OPT(IPPROTO_TCP, TCP_QUICKACK),
	OPT(IPPROTO_TCP, TCP_USER_TIMEOUT),
	OPT(IPPROTO_TCP, TCP_FASTOPEN),
	OPT(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	OPT(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	OPT(IPPROTO_TCP, TCP_SAVE_SYN),
	OPT(IPPROTO_TCP, TCP_INQ),
	OPT(IPPROTO_TCP, TCP_ULP),
	OPT(IPPROTO_IPV6, IPV6_V6ONLY),
	OPT(IPPROTO_IPV6, IPV6_RECVPKTINFO),
	OPT(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	OPT(IPPROTO_IPV6, IPV6_RECVTCLASS),
	OPT(IPPROTO_IPV6, IPV6_RECVERR),
	OPT(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR),
	OPT(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
	OPT(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	OPT(IPPROTO_IPV6, IPV6_MULTICAST_ALL),
	OPT(IPPROTO_IPV6, IPV6_TCLASS),
	OPT(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	OPT(IPPROTO_IPV6, IPV6_DONTFRAG),
	OPT(IPPROTO_UDP, UDP_CORK),
	OPT(77, 1),
};

struct text {
	char s[560];
	int n;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t,
						      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += vsnprintf(t->s + t->n, sizeof(t->s) - (size_t)t->n, fmt, ap);
	va_end(ap);
	if (t->n >= (int)sizeof(t->s))
		t->n = (int)sizeof(t->s) - 1;
}

static void get(struct text *t, int fd, const struct option *o, socklen_t room)
{
	unsigned char b[300];
	socklen_t len = room;
	int v = 0;

	memset(b, 0, sizeof(b));
	if (getsockopt(fd, o->level, o->name, b, &len) < 0) {
		add(t, " e%d", errno);
		return;
	}
	memcpy(&v, b, len < 4 ? len : 4);
	add(t, " %d", v);
	if (len != 4)
		add(t, "/%d", (int)len);
}

static void set(struct text *t, int fd, const struct option *o, int v,
		socklen_t len)
{
	char b[64] = { 0 };

	memcpy(b, &v, sizeof(v));
	add(t, " %d", v);
	if (len != 4)
		add(t, "/%d", (int)len);
	if (setsockopt(fd, o->level, o->name, b, len) < 0)
		add(t, ":e%d", errno);
	else
		add(t, ":");
	get(t, fd, o, 4);
	add(t, ",");
}

static void check_option(const struct kind *k, const struct option *o)
{
	static const int values[] = { 1, 0, -1, 5, 64, 255, 256, 100000 };
	int fd = socket(k->domain, k->type | SOCK_CLOEXEC, 0);
	struct text t = { .n = 0 };

	add(&t, "%s %s:", k->name, o->text);
	get(&t, fd, o, 4);
	get(&t, fd, o, 256);
	get(&t, fd, o, 1);
	get(&t, fd, o, 0);
	add(&t, ";");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		set(&t, fd, o, values[i], 4);
	set(&t, fd, o, 1, 1);
	set(&t, fd, o, 1, 0);
	set(&t, fd, o, 1, 8);
	set(&t, fd, o, 1, 16);
	tap_ok(true, t.s);
	close(fd);
}

static void check_hostile(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), v = 1, files[2];
	socklen_t len = sizeof(v);

	tap_group("bad arguments");
	is_efault(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bp, 4), "value in");
	is_efault(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bp, &len),
		  "value out");
	is_efault(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, bp), "length");
	len = (socklen_t)-1;
	is_errno(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len), EINVAL,
		 "negative length out");
	is_errno(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, (socklen_t)-1),
		 EINVAL, "negative length in");
	close(fd);
	len = sizeof(v);
	is_errno(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 4), EBADF,
		 "closed: set");
	is_errno(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, &len), EBADF,
		 "closed: get");
	must(pipe(files) == 0);
	is_errno(setsockopt(files[0], SOL_SOCKET, SO_REUSEADDR, &v, 4),
		 ENOTSOCK, "a pipe: set");
	is_errno(getsockopt(files[0], SOL_SOCKET, SO_REUSEADDR, &v, &len),
		 ENOTSOCK, "a pipe: get");
}

int main(void)
{
	tap_start();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		tap_group(kinds[i].name);
		for (size_t j = 0; j < ARRAY_SIZE(options); j++)
			check_option(&kinds[i], &options[j]);
	}
	check_hostile();
	return tap_done();
}
