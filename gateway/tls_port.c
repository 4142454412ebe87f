/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports with the handler `tls` alone: what is in the TLS connection goes to the
 * instance as it is; and plain ports whose instances are told who the client
 * is. The instance is woken while the handshake goes on, as soon as the client
 * has named it.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/reach.h"
#include "gateway/tls.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

struct tls_conn {
	struct conn conn;
	struct tls_hello hello;
	struct reach reach;
	struct tunnel tunnel;	 /* its client from the beginning */
	struct loop_timer timer; /* of the handshake */
	bool is_shaken;		 /* the handshake is over */
};

static void tls_conn_close(struct conn *conn)
{
	struct tls_conn *c = container_of(conn, struct tls_conn, conn);

	loop_timer_cancel(&c->timer);
	tunnel_close(&c->tunnel);
	reach_end(&c->reach);
	conn_fini(conn);
	free(c);
}

static void on_late(struct loop_timer *t)
{
	tls_conn_close(&container_of(t, struct tls_conn, timer)->conn);
}

static void on_ended(struct tunnel *t, int status)
{
	(void)status;
	tls_conn_close(&container_of(t, struct tls_conn, tunnel)->conn);
}

/* result: a connection to the instance, or -errno. */
static void join(struct tls_conn *c, int result)
{
	if (result < 0) {
		tls_conn_close(&c->conn);
		return;
	}
	stream_open(&c->tunnel.backend, c->conn.gw->loop, result, NULL, NULL);
	c->tunnel.scratch = c->conn.gw->scratch;
	c->tunnel.ended = on_ended;
	tunnel_start(&c->tunnel);
}

static void on_reached(struct reach *r, int result)
{
	struct tls_conn *c = container_of(r, struct tls_conn, reach);

	/* A pick that ends during the handshake: it is asked for later. */
	if (c->is_shaken || result < 0)
		join(c, result);
}

/* The client's name is known: wake what it means. */
static bool on_name(struct tls_hello *h)
{
	struct tls_conn *c = container_of(h, struct tls_conn, hello);
	struct backend_call *call = &c->reach.call;
	int status;

	/* A client that is asked for another key share says hello twice. */
	if (c->reach.state != REACH_NONE)
		return true;
	call->service = backend_find(c->conn.port, h->name, NULL);
	if (!call->service)
		call->service = backend_find(c->conn.port, "", NULL);
	if (!call->service)
		return false;
	call->loop = c->conn.gw->loop;
	call->client = &c->conn.client;
	call->local = &c->conn.local;
	c->reach.done = on_reached;
	status = reach_pick(&c->reach);
	return !status || status == -EINPROGRESS;
}

/* While the instance wakes the client is watched for its failure only: one that
 * has said all it has to say may still wait for the answer. */
static void on_failure(struct stream *s, uint32_t events)
{
	(void)events;
	tls_conn_close(&container_of(s, struct tls_conn, tunnel.client)->conn);
}

static void shaken(struct tls_conn *c)
{
	int result;

	loop_timer_cancel(&c->timer);
	c->is_shaken = true;
	c->tunnel.client.on_ready = on_failure;
	result = stream_want_failure(&c->tunnel.client, false);
	if (!result)
		result = reach_connect(&c->reach);
	if (result != -EINPROGRESS)
		join(c, result);
}

static void on_handshake(struct stream *s, uint32_t events)
{
	struct tls_conn *c = container_of(s, struct tls_conn, tunnel.client);
	int status = stream_handshake(s);

	(void)events;
	if (!status)
		shaken(c);
	else if (status != -EAGAIN || stream_want(s, true, true))
		tls_conn_close(&c->conn);
}

void relay_accept(struct gateway *gw, int fd,
		  const struct sockaddr_storage *client)
{
	struct tls_conn *c = xcalloc(1, sizeof(*c));

	stream_open(&c->tunnel.client, gw->loop, fd, NULL, on_failure);
	if (conn_init(&c->conn, gw, fd, client, tls_conn_close)) {
		stream_close(&c->tunnel.client);
		free(c);
		return;
	}
	if (on_name(&c->hello))
		shaken(c);
	else
		tls_conn_close(&c->conn);
}

void tls_port_accept(struct gateway *gw, int fd,
		     const struct sockaddr_storage *client)
{
	struct tls_conn *c = xcalloc(1, sizeof(*c));
	SSL *ssl;

	c->hello.on_name = on_name;
	if (tls_accept(gw->tls, fd, &c->hello, &ssl)) {
		close(fd);
		free(c);
		return;
	}
	stream_open(&c->tunnel.client, gw->loop, fd, ssl, on_handshake);
	if (conn_init(&c->conn, gw, fd, client, tls_conn_close)) {
		stream_close(&c->tunnel.client);
		free(c);
		return;
	}
	loop_timer_set(gw->loop, &c->timer,
		       gateway_patience.handshake * (uint64_t)NSEC_PER_MSEC, 0,
		       on_late);
	on_handshake(&c->tunnel.client, 0);
}
