/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports with the handler `postgresql`.
 *
 * Theory of operation. The first bytes are looked at in the socket. SSLRequest
 * and a TLS record begin a handshake; GSSENCRequest is declined; a
 * StartupMessage says where to go. What names a service, in this order: the
 * name in the TLS handshake (whole, or its first label), options=endpoint=, the
 * user's suffix after a dot, the database, the port if it has one service only.
 * Two that differ are refused.
 *
 * A plain connection of a port with one service, whose StartupMessage needs no
 * change, is handed to the instance with its bytes still in the socket: the
 * gateway is out of the path. All others go through a tunnel. There, until the
 * server is ready, messages pass whole, so that the cancel key can be exchanged
 * for one of the gateway's; an error 57P03 as the first answer (the server is
 * starting up) is not shown, but another connection made after a while.
 * Afterwards bytes pass as they are, but for Terminate: the end of the
 * connection says the same and need not wake an instance. Whether a session is
 * idle is seen by the instance's kernel: its side of the tunnel is plain.
 *
 * The wake begins as soon as the name is known: in the handshake for TLS. A
 * CancelRequest wakes nothing.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/pg_keys.h"
#include "gateway/pg_wire.h"
#include "gateway/reach.h"
#include "gateway/tls.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

/* The longest message before the server is ready. */
#define MESSAGE_MAX 32768

struct pg_conn {
	struct conn conn;
	struct tls_hello hello;
	struct reach reach;
	struct tunnel tunnel;	 /* its client from the beginning */
	struct loop_timer timer; /* of all before the StartupMessage is here */
	struct pg_session_key key;
	struct pg_frames up; /* of the client's messages */
	uint8_t *packet; /* the first packet: as it comes, then as it goes on */
	size_t npacket;
	uint8_t *part; /* messages of the server that wait to be whole */
	size_t npart;
	size_t npassed;	   /* of part, in the last call of the filter */
	bool is_direct;	   /* TLS without SSLRequest */
	bool has_declined; /* to encrypt by GSSAPI, once */
	bool is_cancel;
	bool is_waiting; /* the first packet is here: reach is asked */
	bool is_ready;	 /* the server has said ReadyForQuery */
};

static void pg_close(struct conn *conn)
{
	struct pg_conn *c = container_of(conn, struct pg_conn, conn);

	loop_timer_cancel(&c->timer);
	pg_keys_remove(conn->gw->pg_keys, &c->key);
	tunnel_close(&c->tunnel);
	reach_end(&c->reach);
	free(c->packet);
	free(c->part);
	conn_fini(conn);
	free(c);
}

/* Tell the client why and close. */
static void refuse(struct pg_conn *c, const char *sqlstate, const char *message)
{
	struct stream *s = &c->tunnel.client;
	uint8_t *scratch = c->conn.gw->scratch;
	size_t len;

	/* What is unread would make the close a reset. */
	if (!s->ssl)
		stream_read(s, scratch, PG_FIRST_MAX);
	len = pg_error_write(sqlstate, message, scratch, TUNNEL_READ);
	if (stream_write(s, scratch, len) > 0)
		stream_end(s);
	pg_close(&c->conn);
}

/* Why an instance could not be reached. */
static void refuse_for(struct pg_conn *c, int status)
{
	if (c->is_cancel)
		pg_close(&c->conn);
	else if (status == -EUSERS || status == -EAGAIN)
		refuse(c, "53300", "too many connections for this service");
	else if (status == -ETIMEDOUT)
		refuse(c, "57P03", "the database did not become ready in time");
	else
		refuse(c, "57P03", "the database cannot be reached");
}

static void on_late(struct loop_timer *t)
{
	pg_close(&container_of(t, struct pg_conn, timer)->conn);
}

static void on_ended(struct tunnel *t, int status)
{
	(void)status;
	pg_close(&container_of(t, struct pg_conn, tunnel)->conn);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Exchange the key in BackendKeyData (its body) for one of ours. */
static int exchange_key(struct pg_conn *c, uint8_t *body, size_t len)
{
	struct pg_key *own = &c->key.target.key;
	int status;

	if (len < 5 || len > 4 + PG_SECRET_MAX || c->key.is_entered)
		return -EPROTO;
	own->pid = get32(body);
	own->nsecret = (uint16_t)(len - 4);
	memcpy(own->secret, body + 4, own->nsecret);
	c->key.target.service = c->reach.call.service;
	c->key.target.instance = c->reach.call.instance;
	status = pg_keys_enter(c->conn.gw->pg_keys, &c->key);
	if (status)
		return status;
	put32(body, c->key.given.pid);
	memcpy(body + 4, c->key.given.secret, own->nsecret);
	return 0;
}

/* What was passed on in the last call goes; what came now is added. */
static void add_part(struct pg_conn *c, const uint8_t *data, size_t n)
{
	size_t left = c->npart - c->npassed;
	uint8_t *part = xmalloc(left + n);

	if (left)
		memcpy(part, c->part + c->npassed, left);
	memcpy(part + left, data, n);
	free(c->part);
	c->part = part;
	c->npart = left + n;
	c->npassed = 0;
}

/* The server is not ready: only whole messages pass. */
static ssize_t filter_start(struct pg_conn *c, uint8_t **data, size_t n)
{
	size_t at = 0;

	add_part(c, *data, n);
	while (!c->is_ready && c->npart - at >= 5) {
		uint8_t *message = c->part + at;
		size_t len = (size_t)get32(message + 1) + 1;
		int status = 0;

		if (len < 5 || len > MESSAGE_MAX)
			return -EPROTO;
		if (c->npart - at < len)
			break;
		if (message[0] == 'K')
			status = exchange_key(c, message + 5, len - 5);
		if (status)
			return status;
		c->is_ready = message[0] == 'Z';
		at += len;
	}
	c->npassed = c->is_ready ? c->npart : at;
	*data = c->part;
	return (ssize_t)c->npassed;
}

/* The client's messages: all but Terminate, which is the last. */
static ssize_t filter_up(struct pg_conn *c, const uint8_t *data, size_t n)
{
	size_t pos = 0;
	enum pg_event event;

	while ((event = pg_frames_next(&c->up, data, n, &pos)) !=
	       PG_EVENT_MORE) {
		if (event == PG_EVENT_BAD)
			return -EPROTO;
		if (event != PG_EVENT_HEAD || c->up.head[0] != 'X' ||
		    pos < sizeof(c->up.head))
			continue;
		c->tunnel.up.is_ended = true;
		return (ssize_t)(pos - sizeof(c->up.head));
	}
	return (ssize_t)n;
}

static ssize_t filter(struct tunnel *t, struct tunnel_way *way, uint8_t **data,
		      size_t n)
{
	struct pg_conn *c = container_of(t, struct pg_conn, tunnel);

	if (way == &t->up)
		return filter_up(c, *data, n);
	if (!c->is_ready)
		return filter_start(c, data, n);
	free(c->part);
	c->part = NULL;
	return (ssize_t)n;
}

/* The server has answered: from now on it is a tunnel. */
static void join(struct pg_conn *c, uint8_t *data, size_t n)
{
	struct tunnel *t = &c->tunnel;
	ssize_t len = filter_start(c, &data, n);

	if (len < 0) {
		pg_close(&c->conn);
		return;
	}
	free(c->packet);
	c->packet = NULL;
	held_add(&t->down.held, data, (size_t)len);
	t->scratch = c->conn.gw->scratch;
	t->filter = filter;
	t->ended = on_ended;
	tunnel_start(t);
}

static void on_result(struct pg_conn *c, int result);

/* This connection was of no use; the client need not know. */
static void try_again(struct pg_conn *c)
{
	int result;

	stream_close(&c->tunnel.backend);
	c->npart = c->npassed = 0;
	result = reach_again(&c->reach);
	if (result != -EINPROGRESS)
		on_result(c, result);
}

/* Whether the first answer, in part, is an error that will pass: 1, 0, or
 * -EAGAIN while that cannot be said. */
static int is_starting(const struct pg_conn *c)
{
	size_t len;

	if (!c->npart)
		return -EAGAIN;
	if (c->part[0] != 'E')
		return 0;
	if (c->npart < 5)
		return -EAGAIN;
	len = (size_t)get32(c->part + 1) + 1;
	if (len < 5 || len > MESSAGE_MAX)
		return 0;
	if (c->npart < len)
		return -EAGAIN;
	return pg_error_is(c->part + 5, len - 5, "57P03");
}

/* The first that the server says. */
static void on_answer(struct stream *s, uint32_t events)
{
	struct pg_conn *c = container_of(s, struct pg_conn, tunnel.backend);
	uint8_t *scratch = c->conn.gw->scratch;
	ssize_t n = stream_read(s, scratch, TUNNEL_READ / 2);
	int status;

	(void)events;
	if (n == -EAGAIN)
		return;
	if (c->is_cancel) { /* its answer is the end of the connection */
		pg_close(&c->conn);
		return;
	}
	if (n <= 0) {
		try_again(c);
		return;
	}
	add_part(c, scratch, (size_t)n);
	status = is_starting(c);
	if (status == 1)
		try_again(c);
	else if (!status)
		join(c, scratch, 0);
}

/* There is a connection to the instance: the first packet goes on. */
static void on_backend(struct pg_conn *c, int fd)
{
	struct stream *s = &c->tunnel.backend;
	ssize_t n;

	stream_open(s, c->conn.gw->loop, fd, NULL, on_answer);
	n = stream_write(s, c->packet, c->npacket);
	if (n == (ssize_t)c->npacket && !stream_want(s, true, false))
		return;
	if (n > 0)
		pg_close(&c->conn);
	else
		try_again(c);
}

/* Take a first packet that was only looked at out of the socket. */
static bool consume(struct pg_conn *c, size_t len)
{
	return c->tunnel.client.ssl ||
	       stream_read(&c->tunnel.client, c->conn.gw->scratch, len) ==
		       (ssize_t)len;
}

/* What reach was asked for has come to this. */
static void on_result(struct pg_conn *c, int result)
{
	if (result == -ENOTSUP && c->reach.handed >= 0) {
		/* It wants a header first: it gets a connection of ours. */
		result = consume(c, c->npacket) ? reach_connect(&c->reach)
						: -ECONNRESET;
		if (result == -EINPROGRESS)
			return;
	}
	if (result < 0)
		refuse_for(c, result);
	else if (c->reach.handed >= 0)
		pg_close(&c->conn);
	else
		on_backend(c, result);
}

static void on_reached(struct reach *r, int result)
{
	struct pg_conn *c = container_of(r, struct pg_conn, reach);

	/* A pick may end while the client still says where to; if it failed,
	 * it is told when it has. */
	if (c->is_waiting)
		on_result(c, result);
}

static void on_failure(struct stream *s, uint32_t events)
{
	(void)events;
	pg_close(&container_of(s, struct pg_conn, tunnel.client)->conn);
}

static int begin_pick(struct pg_conn *c, struct service *service)
{
	struct backend_call *call = &c->reach.call;

	call->service = service;
	call->loop = c->conn.gw->loop;
	call->client = &c->conn.client;
	call->local = &c->conn.local;
	c->reach.done = on_reached;
	return reach_pick(&c->reach);
}

/* All is known: connect, or hand over. */
static void go(struct pg_conn *c, bool is_direct)
{
	struct stream *s = &c->tunnel.client;
	int result;

	loop_timer_cancel(&c->timer);
	c->is_waiting = true;
	s->read_needs &= ~(uint32_t)EPOLLET;
	s->on_ready = on_failure;
	result = stream_want_failure(s, true);
	if (!result)
		result = is_direct ? reach_hand_over(&c->reach, s->fd)
				   : reach_connect(&c->reach);
	if (result != -EINPROGRESS)
		on_result(c, result);
}

static struct service *find_label(struct pg_conn *c, const char *name)
{
	struct service *found = backend_find(c->conn.port, name, NULL);
	char label[TLS_NAME_MAX];
	size_t len = strcspn(name, ".");

	if (found || !name[len] || len >= sizeof(label))
		return found;
	memcpy(label, name, len);
	label[len] = '\0';
	return backend_find(c->conn.port, label, NULL);
}

/* The service that the client means, NULL if none or more than one; *cut:
 * the user's suffix is its name and goes. */
static struct service *route(struct pg_conn *c, const struct pg_startup *s,
			     bool *cut)
{
	uint16_t port = c->conn.port;
	struct service *named = c->reach.call.service;
	struct service *endpoint = NULL, *tenant = NULL;

	if (s->endpoint[0]) {
		endpoint = backend_find(port, s->endpoint, NULL);
		if (!endpoint || (named && named != endpoint))
			return NULL;
		named = endpoint;
	}
	if (s->tenant[0])
		tenant = backend_find(port, s->tenant, NULL);
	*cut = tenant;
	if (tenant && named && tenant != named)
		return NULL;
	if (!named)
		named = tenant;
	if (!named)
		named = backend_find(port, "", NULL);
	return named || !*s->database ? named
				      : backend_find(port, s->database, NULL);
}

static void on_startup(struct pg_conn *c, const uint8_t *buf, size_t len)
{
	struct pg_startup s;
	struct service *service;
	uint8_t *packet;
	ssize_t n;
	bool cut, is_direct;

	if (pg_startup_parse(buf, len, &s)) {
		refuse(c, "08P01", "invalid startup packet");
		return;
	}
	service = route(c, &s, &cut);
	if (!service) {
		refuse(c, "08004", "no such database service, or not just one");
		return;
	}
	packet = xmalloc(len);
	n = pg_startup_copy(buf, len, &s, cut, packet, len);
	is_direct = !c->tunnel.client.ssl && n == (ssize_t)len &&
		    !memcmp(packet, buf, len) &&
		    backend_find(c->conn.port, "", NULL) == service;
	free(c->packet);
	c->packet = packet;
	c->npacket = n > 0 ? (size_t)n : 0;
	if (n < 0 || (!is_direct && !consume(c, len))) {
		pg_close(&c->conn);
		return;
	}
	if (c->reach.state == REACH_NONE)
		begin_pick(c, service);
	go(c, is_direct);
}

/* Never wakes; says nothing to the client, as the protocol has it. */
static void on_cancel(struct pg_conn *c, const uint8_t *buf, size_t len)
{
	struct gateway *gw = c->conn.gw;
	struct pg_target target = { .service = NULL };
	struct pg_key key;
	bool is_ours;

	c->is_cancel = true;
	if (pg_cancel_parse(buf, len, &key)) {
		pg_close(&c->conn);
		return;
	}
	is_ours = !pg_keys_find(gw->pg_keys, &key, loop_now_ns(gw->loop),
				&target);
	/* Keys of sessions that were handed over are the instance's. */
	if (!is_ours) {
		target.service = backend_find(c->conn.port, "", NULL);
		target.key = key;
	}
	if (!target.service ||
	    (is_ours && !c->tunnel.client.ssl && !consume(c, len))) {
		if (is_ours)
			backend_unhold(target.service);
		pg_close(&c->conn);
		return;
	}
	reach_end(&c->reach);
	c->reach = (struct reach){ 0 };
	c->reach.call.flags = BACKEND_NO_WAKE;
	c->reach.call.instance = target.instance;
	free(c->packet);
	c->packet = xmalloc(12 + PG_SECRET_MAX);
	c->npacket = pg_cancel_write(&target.key, c->packet);
	begin_pick(c, target.service);
	if (is_ours) /* the call holds it, if it picked */
		backend_unhold(target.service);
	go(c, !is_ours && !c->tunnel.client.ssl);
}

/* A whole first packet, plain or in TLS; no other kind can follow. */
static void on_packet(struct pg_conn *c, enum pg_first kind, const uint8_t *buf,
		      size_t len)
{
	if (kind == PG_FIRST_STARTUP)
		on_startup(c, buf, len);
	else if (kind == PG_FIRST_CANCEL)
		on_cancel(c, buf, len);
	else
		refuse(c, "08P01", "invalid first packet");
}

/* The packet is in the scratch buffer, which is used for other things. */
static void on_plain(struct pg_conn *c, enum pg_first kind, const uint8_t *buf,
		     size_t len)
{
	uint8_t *packet = xmalloc(len + 1);

	memcpy(packet, buf, len);
	on_packet(c, kind, packet, len);
	free(packet);
}

/* The first packet in TLS, piece by piece: no byte behind it is read. 0 when it
 * is whole, with its kind; -EAGAIN; -errno. */
static int read_inner(struct pg_conn *c, enum pg_first *kind, size_t *len)
{
	while ((*kind = pg_first(c->packet, c->npacket, len)) ==
	       PG_FIRST_MORE) {
		size_t want = c->npacket < 8 ? 8 : get32(c->packet);
		ssize_t n;

		c->packet = xreallocarray(c->packet, want, 1);
		n = stream_read(&c->tunnel.client, c->packet + c->npacket,
				want - c->npacket);
		if (n <= 0)
			return n ? (int)n : -ECONNRESET;
		c->npacket += (size_t)n;
	}
	return 0;
}

static void on_inner(struct stream *s, uint32_t events)
{
	struct pg_conn *c = container_of(s, struct pg_conn, tunnel.client);
	enum pg_first kind;
	uint8_t *packet;
	size_t len;
	int status = read_inner(c, &kind, &len);

	(void)events;
	if (status == -EAGAIN)
		status = stream_want(s, true, false) ?: -EAGAIN;
	if (status) {
		if (status != -EAGAIN)
			pg_close(&c->conn);
		return;
	}
	packet = take_ptr(c->packet);
	c->npacket = 0;
	on_packet(c, kind, packet, len);
	free(packet);
}

/* The name in the handshake: wake what it means while that goes on. */
static bool on_name(struct tls_hello *h)
{
	struct pg_conn *c = container_of(h, struct pg_conn, hello);
	struct service *service = NULL;

	if (h->name[0])
		service = find_label(c, h->name);
	if (!service)
		service = backend_find(c->conn.port, "", NULL);
	if (service && c->reach.state == REACH_NONE)
		begin_pick(c, service);
	return true;
}

static void on_handshake(struct stream *s, uint32_t events)
{
	struct pg_conn *c = container_of(s, struct pg_conn, tunnel.client);
	int status = stream_handshake(s);

	(void)events;
	if (status == -EAGAIN && !stream_want(s, true, true))
		return;
	if (status || (c->is_direct && !tls_chose(s->ssl, "postgresql"))) {
		pg_close(&c->conn);
		return;
	}
	s->on_ready = on_inner;
	on_inner(s, 0);
}

static void start_tls(struct pg_conn *c, bool is_direct)
{
	struct stream *s = &c->tunnel.client;

	c->is_direct = is_direct;
	c->hello.alpn = TLS_ALPN_PG;
	c->hello.on_name = on_name;
	if (tls_accept(c->conn.gw->tls, s->fd, &c->hello, &s->ssl)) {
		pg_close(&c->conn);
		return;
	}
	s->on_ready = on_handshake;
	on_handshake(s, 0);
}

/* Answer a request for encryption; false: the connection was closed. What came
 * with SSLRequest without waiting would be taken as if it were encrypted. */
static bool answer(struct pg_conn *c, bool is_ssl, size_t n)
{
	if (consume(c, 8) && (!is_ssl || n == 8) &&
	    stream_write(&c->tunnel.client, is_ssl ? "S" : "N", 1) == 1)
		return true;
	pg_close(&c->conn);
	return false;
}

/* Look at what is in the socket, as often as something new came. */
static void on_first(struct stream *s, uint32_t events)
{
	struct pg_conn *c = container_of(s, struct pg_conn, tunnel.client);
	uint8_t *scratch = c->conn.gw->scratch;
	enum pg_first kind;
	size_t len;
	ssize_t n;

	(void)events;
	for (;;) {
		n = recv(s->fd, scratch, PG_FIRST_MAX, MSG_PEEK);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			pg_close(&c->conn);
			return;
		}
		kind = pg_first(scratch, (size_t)n, &len);
		if (kind != PG_FIRST_GSS || c->has_declined)
			break;
		c->has_declined = true;
		if (!answer(c, false, (size_t)n))
			return;
	}
	if (kind == PG_FIRST_TLS)
		start_tls(c, true);
	else if (kind == PG_FIRST_SSL && answer(c, true, (size_t)n))
		start_tls(c, false);
	else if (kind != PG_FIRST_SSL && kind != PG_FIRST_MORE)
		on_plain(c, kind, scratch, len);
}

void pg_refuse(int fd)
{
	uint8_t text[256];
	size_t len = pg_error_write("53300", "too many connections", text,
				    sizeof(text));

	conn_refuse(fd, text, len);
}

void pg_accept(struct gateway *gw, int fd,
	       const struct sockaddr_storage *client)
{
	struct pg_conn *c = xcalloc(1, sizeof(*c));
	struct stream *s = &c->tunnel.client;

	stream_open(s, gw->loop, fd, NULL, on_first);
	/* What is only looked at stays: be called for what is new. */
	s->read_needs |= EPOLLET;
	if (conn_init(&c->conn, gw, fd, client, pg_close)) {
		stream_close(s);
		free(c);
		return;
	}
	loop_timer_set(gw->loop, &c->timer,
		       gateway_patience.handshake * (uint64_t)NSEC_PER_MSEC, 0,
		       on_late);
	if (stream_want(s, true, false))
		pg_close(&c->conn);
}
