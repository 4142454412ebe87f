/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets inside: AF_UNIX pairs and loopback, one thread on both ends.
 */
#include "bench/syscalls/bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];

static bool pair(int type)
{
	return socketpair(AF_UNIX, type, 0, ends) == 0;
}

static bool open_stream(void)
{
	return pair(SOCK_STREAM);
}

static bool open_dgram(void)
{
	return pair(SOCK_DGRAM);
}

static bool open_seqpacket(void)
{
	return pair(SOCK_SEQPACKET);
}

static void close_ends(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void op_1(void)
{
	MUST(write(ends[0], buf, 1) == 1 && read(ends[1], buf, 1) == 1);
}

static void op_4k(void)
{
	MUST(write(ends[0], buf, 4096) == 4096);
	MUST(read(ends[1], buf, 4096) == 4096);
}

static void op_send_recv(void)
{
	MUST(send(ends[0], buf, 1, 0) == 1 && recv(ends[1], buf, 1, 0) == 1);
}

static void op_msg(void)
{
	struct iovec iov = { buf, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	MUST(sendmsg(ends[0], &m, 0) == 1 && recvmsg(ends[1], &m, 0) == 1);
}

static void op_recv_none(void)
{
	MUST(recv(ends[1], buf, 1, MSG_DONTWAIT) == -1);
}

static void op_pair_new(void)
{
	MUST(pair(SOCK_STREAM));
	close_ends();
}

static void op_socket_new(void)
{
	MUST(close(socket(AF_INET, SOCK_STREAM, 0)) == 0);
}

static int listener(int type, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int s = socket(AF_INET, type, 0);

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	MUST(bind(s, (struct sockaddr *)addr, sizeof(*addr)) == 0);
	MUST(getsockname(s, (struct sockaddr *)addr, &len) == 0);
	return s;
}

static int connected(int type, const struct sockaddr_in *addr)
{
	int s = socket(AF_INET, type, 0);

	MUST(connect(s, (const struct sockaddr *)addr, sizeof(*addr)) == 0);
	return s;
}

static bool open_tcp(void)
{
	struct sockaddr_in addr;
	int one = 1, s = listener(SOCK_STREAM, &addr);

	MUST(listen(s, 1) == 0);
	ends[0] = connected(SOCK_STREAM, &addr);
	ends[1] = accept(s, NULL, NULL);
	MUST(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, 4) == 0);
	close(s);
	return ends[1] >= 0;
}

static bool open_udp(void)
{
	struct sockaddr_in addr;

	ends[1] = listener(SOCK_DGRAM, &addr);
	ends[0] = connected(SOCK_DGRAM, &addr);
	return true;
}

static void op_getsockopt(void)
{
	int value;
	socklen_t len = sizeof(value);

	MUST(getsockopt(ends[0], SOL_SOCKET, SO_ERROR, &value, &len) == 0);
}

static void op_getsockname(void)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	MUST(getsockname(ends[0], (struct sockaddr *)&addr, &len) == 0);
}

const struct bench socket_benches[] = {
	{ "unix_1", op_1, open_stream, close_ends },
	{ "unix_4k", op_4k, open_stream, close_ends },
	{ "unix_send_recv_1", op_send_recv, open_stream, close_ends },
	{ "unix_sendmsg_recvmsg_1", op_msg, open_stream, close_ends },
	{ "unix_dgram_1", op_1, open_dgram, close_ends },
	{ "unix_seqpacket_1", op_1, open_seqpacket, close_ends },
	{ "unix_recv_none", op_recv_none, open_stream, close_ends },
	{ "socketpair_close", op_pair_new, NULL, NULL },
	{ "socket_close", op_socket_new, NULL, NULL },
	{ "tcp_1", op_1, open_tcp, close_ends },
	{ "tcp_4k", op_4k, open_tcp, close_ends },
	{ "udp_1", op_1, open_udp, close_ends },
	{ "getsockopt", op_getsockopt, open_tcp, close_ends },
	{ "getsockname", op_getsockname, open_tcp, close_ends },
	{ NULL, NULL, NULL, NULL },
};
