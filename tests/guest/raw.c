// SPDX-License-Identifier: Apache-2.0
/* Raw IP sockets on loopback: what a packet looks like to the receiver, pings
 * answered by the kernel, filters, names and errors. Needs CAP_NET_RAW. */
#include "tap.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PROTO 253 /* for experiments */

static struct sockaddr_in loop4(const char *ip)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static ssize_t send4(int fd, const void *p, size_t n, const char *ip)
{
	struct sockaddr_in a = loop4(ip);

	return sendto(fd, p, n, 0, (struct sockaddr *)&a, sizeof(a));
}

static unsigned short sum(const void *p, size_t n)
{
	const unsigned char *b = p;
	unsigned int s = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		s += b[i] | (unsigned int)b[i + 1] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (unsigned short)~s;
}

static void check_packets(void)
{
	struct sockaddr_in a = loop4("127.0.0.1"), from;
	socklen_t len = sizeof(from);
	int rx = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, PROTO), n = 0;
	int tx = socket(AF_INET, SOCK_RAW, PROTO), ttl = 7;
	unsigned char b[200];

	tap_group("packets");
	is_int(bind(rx, (struct sockaddr *)&a, sizeof(a)), 0, "bind");
	is_int(getsockname(rx, (struct sockaddr *)&from, &len), 0, "its name");
	is_int(ntohs(from.sin_port), PROTO, "has the protocol for a port");
	setsockopt(tx, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	is_int(send4(tx, "hello", 5, "127.0.0.1"), 5, "sendto");
	is_int(ioctl(rx, FIONREAD, &n) == 0 ? n : -1, 25, "FIONREAD");
	len = sizeof(from);
	is_int(recvfrom(rx, b, sizeof(b), 0, (struct sockaddr *)&from, &len),
	       25, "comes with its header");
	ok(b[0] == 0x45 && b[2] == 0 && b[3] == 25, "version and length");
	is_int(b[8], 7, "IP_TTL");
	is_int(b[9], PROTO, "protocol");
	is_int(sum(b, 20), 0, "header checksum");
	ok(!memcmp(b + 12, "\177\0\0\1\177\0\0\1hello", 13), "addresses, data");
	ok(from.sin_port == 0 && from.sin_addr.s_addr == a.sin_addr.s_addr,
	   "the sender's name");
	is_int(send4(tx, "x", 1, "127.0.0.2"), 1, "to another address");
	is_errno(recv(rx, b, sizeof(b), 0), EAGAIN, "is not for this socket");
	is_int(send4(tx, b, 0, "127.0.0.1"), 0, "no data at all");
	is_int(recv(rx, b, 10, MSG_TRUNC), 20, "MSG_TRUNC: the real length");
	is_errno(send(tx, "x", 1, 0), EDESTADDRREQ, "send to nobody");
	is_int(connect(tx, (struct sockaddr *)&a, sizeof(a)), 0, "connect");
	is_int(send(tx, "x", 1, 0), 1, "then send");
	is_int(recv(rx, b, sizeof(b), 0), 21, "arrives");
	is_errno(send4(tx, bad_ptr, 5, "127.0.0.1"), EFAULT, "bad pointer");
	is_errno(send4(tx, b, 65516, "127.0.0.1"), EMSGSIZE, "too long");
	close(tx);
	is_errno(send4(tx, b, 1, "127.0.0.1"), EBADF, "closed");
	close(rx);
}

static void check_header(void)
{
	int rx = socket(AF_INET, SOCK_RAW, PROTO), on = -1;
	int tx = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct iphdr h = { .version = 4, .ihl = 5, .ttl = 9 };
	socklen_t len = sizeof(on);
	unsigned char b[100];

	tap_group("IP_HDRINCL");
	getsockopt(tx, IPPROTO_IP, IP_HDRINCL, &on, &len);
	is_int(on, 1, "is on for IPPROTO_RAW");
	h.protocol = PROTO;
	h.daddr = htonl(INADDR_LOOPBACK);
	is_int(send4(tx, &h, sizeof(h), "127.0.0.1"), 20, "sendto");
	is_int(recv(rx, b, sizeof(b), 0), 20, "arrives");
	ok(b[8] == 9 && sum(b, 20) == 0, "as written, with a checksum");
	ok(!memcmp(b + 12, "\177\0\0\1", 4), "and a source");
	is_errno(send4(tx, &h, 10, "127.0.0.1"), EINVAL, "half a header");
	close(rx);
	close(tx);
}

static void check_ping(void)
{
	struct icmphdr ping = { .type = ICMP_ECHO };
	struct icmp_filter f = { ~(1U << ICMP_ECHOREPLY) };
	struct icmphdr *back;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct pollfd p = { fd, POLLIN, 0 };
	unsigned char b[100];

	tap_group("ping");
	is_int(setsockopt(fd, SOL_RAW, ICMP_FILTER, &f, sizeof(f)), 0,
	       "ICMP_FILTER");
	ping.un.echo.id = htons(77);
	ping.checksum = sum(&ping, sizeof(ping));
	is_int(send4(fd, &ping, sizeof(ping), "127.0.0.1"), 8, "request");
	is_int(poll(&p, 1, 10000), 1, "ready");
	is_int(recv(fd, b, sizeof(b), 0), 28, "reply");
	back = (void *)(b + 20);
	ok(back->type == ICMP_ECHOREPLY && back->un.echo.id == htons(77) &&
		   sum(back, 8) == 0,
	   "is right");
	ping.checksum++;
	send4(fd, &ping, sizeof(ping), "127.0.0.1");
	is_errno(recv(fd, b, sizeof(b), MSG_DONTWAIT), EAGAIN,
		 "no reply to a wrong checksum");
	close(fd);
}

static void check_ping6(void)
{
	struct icmp6_hdr ping = { .icmp6_type = ICMP6_ECHO_REQUEST };
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	struct icmp6_filter f;
	struct icmp6_hdr back;

	tap_group("ping of IPv6");
	a.sin6_addr = in6addr_loopback;
	ICMP6_FILTER_SETBLOCKALL(&f);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
	is_int(setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof(f)), 0,
	       "ICMP6_FILTER");
	ping.icmp6_id = htons(78);
	is_int(sendto(fd, &ping, sizeof(ping), 0, (struct sockaddr *)&a,
		      sizeof(a)),
	       8, "request");
	is_int(recv(fd, &back, sizeof(back), 0), 8, "reply, without a header");
	ok(back.icmp6_type == ICMP6_ECHO_REPLY && back.icmp6_id == htons(78),
	   "is right");
	a.sin6_port = htons(1);
	is_errno(sendto(fd, &ping, sizeof(ping), 0, (struct sockaddr *)&a,
			sizeof(a)),
		 EINVAL, "a port that is no protocol");
	close(fd);
}

int main(void)
{
	int fd;

	tap_start();
	tap_group("errors");
	is_errno(socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT, "no protocol");
	is_errno(socket(AF_INET, SOCK_RAW, 1000), EINVAL, "a large protocol");
	fd = socket(AF_INET, SOCK_RAW, PROTO);
	if (fd >= 0) {
		close(fd);
		check_packets();
		check_header();
		check_ping();
		check_ping6();
	}
	return tap_done();
}
