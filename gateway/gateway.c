/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of one loop.
 */
#include "gateway/gateway.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/limits.h"
#include "gateway/pool.h"
#include "lib/compiler.h"

#define KEEPALIVE_S 300

struct gateway_patience gateway_patience = {
	.handshake = 10000,
	.head = 10000,
	.body = 60000,
	.write = 60000,
	.idle = 60000,
	.linger = 2000,
	.reach = 15000,
	.answer = 300000,
};

int gateway_init(struct gateway *gw, struct loop *loop, struct tls *tls,
		 struct pg_keys *keys)
{
	gw->loop = loop;
	gw->tls = tls;
	gw->pg_keys = keys;
	gw->nconns = 0;
	list_init(&gw->conns);
	return pool_new(loop, &gw->pool);
}

void gateway_fini(struct gateway *gw)
{
	while (!list_empty(&gw->conns)) {
		struct conn *c =
			container_of(gw->conns.next, struct conn, link);

		c->close(c);
	}
	pool_free(gw->pool);
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)a)->sin_port);
	if (a->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
	return 0;
}

int conn_init(struct conn *c, struct gateway *gw, int fd,
	      const struct sockaddr_storage *client,
	      void (*close)(struct conn *c))
{
	socklen_t len = sizeof(c->local), clen = sizeof(c->client);
	int one = 1, idle_s = KEEPALIVE_S;

	if (getsockname(fd, (struct sockaddr *)&c->local, &len) ||
	    (!client && getpeername(fd, (struct sockaddr *)&c->client, &clen)))
		return -errno;
	if (client)
		c->client = *client;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A client that vanished is found out: an idle tunnel has no timer. */
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	c->gw = gw;
	c->port = port_of(&c->local);
	c->close = close;
	list_append(&gw->conns, &c->link);
	gw->nconns++;
	c->source = limits_enter(c->port, &c->client);
	return 0;
}

void conn_fini(struct conn *c)
{
	list_del(&c->link);
	c->gw->nconns--;
	limits_leave(c->port, c->source);
}

void conn_refuse(int fd, const void *text, size_t len)
{
	char sink[4096];

	/* What is unread would make the close a reset. */
	if (len && send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		shutdown(fd, SHUT_WR);
		for (int i = 0; i < 16; i++)
			if (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) <= 0)
				break;
	}
	close(fd);
}
