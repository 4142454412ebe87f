/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports with the handler `http`, and the HTTP/1 side of `http` with `tls`.
 *
 * Theory of operation. A connection serves one request after another. The head
 * is read (into `in` if it comes in pieces), routed by host and path, and
 * written to an instance without what belongs to this connection; body bytes
 * pass as they are framed, followed only to know where they end. What the
 * instance does not take stops the reading of the client; what the client does
 * not take is held in `out` and stops the reading of the instance. What the
 * client sends behind its request waits in `in` or in the socket. One timer
 * says how long the client may take for what it is expected to do. A response
 * of our own, or one that came before the request was whole, is followed by a
 * short time of reading, so that the client gets it.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/exchange.h"
#include "gateway/http_int.h"
#include "gateway/http_text.h"
#include "gateway/tls.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

/* What a client may send ahead before it is not read any more. */
#define AHEAD_MAX 16384

struct http_conn {
	struct conn conn;
	struct stream client;
	struct tls_hello hello;
	struct loop_timer timer;
	struct exchange x;
	struct tunnel *tunnel; /* after a 101, which ends HTTP here */
	uint8_t *in;	       /* unread: of a head, or sent ahead */
	size_t nin, scanned;
	struct held out;	/* of responses, not taken yet */
	struct http1_body body; /* of the request */
	struct held trailers;	/* ... as they came */
	bool is_https, is_redirect;
	bool is_busy; /* there is a request */
	bool is_10;   /* it is of HTTP/1.0 */
	bool is_held; /* the instance does not take its body */
	bool keeps_alive;
	bool is_unchunked; /* the response goes without chunks */
	bool is_closing;   /* as soon as out is empty */
	bool is_lingering;
};

static void http_close(struct conn *conn)
{
	struct http_conn *c = container_of(conn, struct http_conn, conn);

	loop_timer_cancel(&c->timer);
	exchange_end(&c->x);
	if (c->tunnel) {
		tunnel_close(c->tunnel);
		free(c->tunnel);
	}
	stream_close(&c->client);
	free(c->in);
	held_free(&c->out);
	held_free(&c->trailers);
	conn_fini(conn);
	free(c);
}

static void refuse(struct http_conn *c, unsigned int status);

static void on_late(struct loop_timer *t)
{
	struct http_conn *c = container_of(t, struct http_conn, timer);

	if (c->x.is_open && !c->x.has_response && !c->out.p)
		refuse(c, c->body.is_done || c->is_held ? 504 : 408);
	else if (c->in && !c->is_busy && !c->out.p) /* half a head */
		refuse(c, 408);
	else
		http_close(&c->conn);
}

static void allow(struct http_conn *c, unsigned int ms)
{
	loop_timer_set(c->conn.gw->loop, &c->timer,
		       ms * (uint64_t)NSEC_PER_MSEC, 0, on_late);
}

/* Whether the client is read: for a head, a body that is taken, or a little
 * ahead, which shows when it ends. */
static bool may_read(const struct http_conn *c)
{
	if (c->is_lingering)
		return true;
	if (c->is_closing)
		return false;
	if (!c->is_busy && !c->out.p)
		return true;
	return c->is_busy && !c->body.is_done ? !c->is_held
					      : c->nin < AHEAD_MAX;
}

/* Watch for what can go on; false: the connection was closed. */
static bool set_wants(struct http_conn *c)
{
	if (!stream_want(&c->client, may_read(c), c->out.p))
		return true;
	http_close(&c->conn);
	return false;
}

static void keep_in(struct http_conn *c, const uint8_t *data, size_t len)
{
	if (!len)
		return;
	c->in = xreallocarray(c->in, c->nin + len, 1);
	memcpy(c->in + c->nin, data, len);
	c->nin += len;
}

/* Say goodbye: what the client still sends is read for a while. */
static void linger(struct http_conn *c)
{
	c->is_lingering = true;
	exchange_end(&c->x);
	stream_end(&c->client);
	allow(c, gateway_patience.linger);
	set_wants(c);
}

/* Write to the client, holding what it does not take. 0 or -errno. */
static int client_write(struct http_conn *c, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t at = 0;

	while (!c->out.p && at < len) {
		ssize_t n = stream_write(&c->client, p + at, len - at);

		if (n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		at += (size_t)n;
	}
	if (at == len)
		return 0;
	held_add(&c->out, p + at, len - at);
	allow(c, gateway_patience.write);
	return 0;
}

unsigned int http_failure(int status)
{
	if (status == -EUSERS || status == -EAGAIN || status == -EHOSTUNREACH)
		return 503;
	return status == -ETIMEDOUT ? 504 : 502;
}

/* Answer by ourselves, and close. */
static void refuse(struct http_conn *c, unsigned int status)
{
	char *text = c->conn.gw->text;
	ssize_t n =
		http_own_text(status, NULL, c->x.to_head, text, GATEWAY_TEXT);

	exchange_end(&c->x);
	c->is_closing = true;
	if (client_write(c, text, (size_t)n))
		http_close(&c->conn);
	else if (c->out.p)
		set_wants(c);
	else
		linger(c);
}

static void redirect(struct http_conn *c, const struct http_place *place,
		     bool to_head)
{
	char *text = c->conn.gw->text, *to;
	ssize_t n;

	to = xasprintf("https://%s%.*s", place->host, (int)place->target.len,
		       place->target.p[0] == '/' ? place->target.p : "");
	n = http_own_text(308, to, to_head, text, GATEWAY_TEXT);
	free(to);
	c->is_closing = true;
	if (n < 0)
		refuse(c, 400);
	else if (client_write(c, text, (size_t)n))
		http_close(&c->conn);
	else if (c->out.p)
		set_wants(c);
	else
		linger(c);
}

static bool read_head(struct http_conn *c);
static bool read_client(struct http_conn *c);

/* The response is whole, and with the client but for what is in out. */
static void finish(struct http_conn *c)
{
	bool is_whole = c->body.is_done;

	exchange_end(&c->x);
	c->is_busy = false;
	if (!c->keeps_alive || !is_whole) {
		c->is_closing = true;
		if (c->out.p)
			set_wants(c);
		else
			linger(c);
		return;
	}
	if (c->out.p) { /* the next one is read when it is gone */
		set_wants(c);
		return;
	}
	allow(c, c->in ? gateway_patience.head : gateway_patience.idle);
	if ((!c->in || read_head(c)) &&
	    (!stream_pending(&c->client) || read_client(c)))
		set_wants(c);
}

static void on_tunnel_ended(struct tunnel *t, int status)
{
	struct http_conn *c = t->owner;

	(void)status;
	http_close(&c->conn);
}

/* Both sides speak something else from now on. */
static void switch_protocol(struct http_conn *c, const uint8_t *data,
			    size_t len)
{
	struct tunnel *t = xcalloc(1, sizeof(*t));
	struct upstream *up = exchange_take(&c->x);

	loop_timer_cancel(&c->timer);
	stream_move(&t->client, &c->client);
	stream_move(&t->backend, &up->stream);
	upstream_free(up);
	t->owner = c;
	t->scratch = c->conn.gw->scratch;
	t->ended = on_tunnel_ended;
	t->down.held = c->out;
	c->out = (struct held){ 0 };
	held_add(&t->down.held, data, len);
	held_add(&t->up.held, c->in, c->nin);
	free(c->in);
	c->in = NULL;
	c->tunnel = t;
	tunnel_start(t);
}

/* Decide how the response goes on, and write its head to text. */
static ssize_t response_text(struct http_conn *c, const struct http1_head *head)
{
	struct http_answer answer;

	if (head->status >= 200) {
		c->is_unchunked = c->is_10 && head->framing == HTTP1_CHUNKED;
		if (c->is_unchunked || head->framing == HTTP1_UNTIL_CLOSE)
			c->keeps_alive = false;
		if (!c->body.is_done || limits_is_crowded(c->conn.port))
			c->keeps_alive = false;
	}
	answer = (struct http_answer){ .closes = !c->keeps_alive,
				       .is_10 = c->is_10,
				       .is_unchunked = c->is_unchunked };
	return http_response_text(head, &answer, c->conn.gw->text,
				  GATEWAY_TEXT);
}

/* The head and what came with it, in one write if it fits. 0 or -errno. */
static int write_response(struct http_conn *c, const struct http1_head *head,
			  const uint8_t *data, size_t len)
{
	char *text = c->conn.gw->text;
	ssize_t n = 0;
	int status;

	if (!head)
		return client_write(c, data, len);
	n = response_text(c, head);
	if (n < 0)
		return (int)n;
	if ((size_t)n + len <= GATEWAY_TEXT) {
		if (len)
			memcpy(text + n, data, len);
		return client_write(c, text, (size_t)n + len);
	}
	status = client_write(c, text, (size_t)n);
	return status ? status : client_write(c, data, len);
}

static enum exchange_next on_received(struct exchange *x,
				      const struct http1_head *head,
				      const uint8_t *data, size_t len,
				      bool is_end)
{
	struct http_conn *c = container_of(x, struct http_conn, x);
	bool is_interim = head && head->status < 200 && !x->is_switched;
	int status = 0;

	if (is_interim && c->is_10)
		return EXCHANGE_MORE;
	if (head && !is_interim && !c->out.p)
		loop_timer_cancel(&c->timer);
	status = write_response(c, head, x->is_switched ? NULL : data,
				x->is_switched ? 0 : len);
	if (status) {
		http_close(&c->conn);
		return EXCHANGE_GONE;
	}
	if (x->is_switched) {
		switch_protocol(c, data, len);
		return EXCHANGE_GONE;
	}
	if (is_end) {
		finish(c);
		return EXCHANGE_GONE;
	}
	if (c->out.p && !set_wants(c))
		return EXCHANGE_GONE;
	return c->out.p ? EXCHANGE_PAUSE : EXCHANGE_MORE;
}

static void on_failed(struct exchange *x, int status)
{
	struct http_conn *c = container_of(x, struct http_conn, x);

	/* A response that was begun cannot be mended: the client sees that it
	 * is cut short. */
	if (x->has_response) {
		http_close(&c->conn);
		return;
	}
	refuse(c, http_failure(status));
}

static enum exchange_next on_drained(struct exchange *x)
{
	struct http_conn *c = container_of(x, struct http_conn, x);

	c->is_held = false;
	if (!c->body.is_done)
		allow(c, gateway_patience.body);
	if (!c->body.is_done && stream_pending(&c->client) && !read_client(c))
		return EXCHANGE_GONE;
	return set_wants(c) ? EXCHANGE_MORE : EXCHANGE_GONE;
}

static const struct exchange_ops ops = {
	.received = on_received,
	.drained = on_drained,
	.failed = on_failed,
};

/* How much of data belongs to the request's body, which may end in it; -EBADMSG
 * if that cannot be said. *framed: what of it goes on as it is, which is all
 * but trailers. */
static ssize_t body_part(struct http_conn *c, const uint8_t *data, size_t len,
			 size_t *framed)
{
	size_t at = 0;

	*framed = 0;
	while (at < len && !c->body.is_done) {
		bool is_trailer = http1_in_trailers(&c->body);
		const char *piece;
		size_t npiece;
		ssize_t n = http1_body_read(&c->body, (const char *)data + at,
					    len - at, &piece, &npiece);

		if (n < 0)
			return n;
		if (is_trailer)
			held_add(&c->trailers, data + at, (size_t)n);
		at += (size_t)n;
		if (!is_trailer)
			*framed = at;
	}
	return (ssize_t)at;
}

/* Write what was framed, from text, which has room, and the end of the body if
 * it is there. False: its trailers are malformed. */
static bool write_body(struct http_conn *c, uint8_t *text, size_t len,
		       size_t size)
{
	ssize_t n = 0;

	if (c->trailers.p && c->body.is_done) {
		n = http_trailers_text((const char *)c->trailers.p,
				       held_left(&c->trailers),
				       (char *)text + len, size - len);
		held_free(&c->trailers);
	}
	if (n < 0)
		return false;
	c->is_held = exchange_write(&c->x, text, len + (size_t)n);
	return true;
}

/* The whole request is on its way. */
static void request_sent(struct http_conn *c)
{
	c->x.is_sent = true;
	if (!c->out.p && !c->x.has_response)
		allow(c, gateway_patience.answer);
}

static bool is_idempotent(const struct http1_head *h)
{
	static const char *const names[] = { "GET", "HEAD", "OPTIONS", "PUT",
					     "DELETE" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (http1_is(&h->method, names[i]))
			return true;
	}
	return false;
}

/* What the request was: a new exchange begins. */
static void take_head(struct http_conn *c, const struct http1_head *head)
{
	c->is_busy = true;
	c->is_10 = !head->minor;
	c->keeps_alive = head->keeps_alive;
	c->is_held = c->is_unchunked = false;
	held_free(&c->trailers);
	http1_body_init(&c->body, head);
	c->x.to_head = http1_is(&head->method, "HEAD");
	c->x.may_repeat = is_idempotent(head);
	c->x.may_switch = head->is_upgrade;
	c->x.wants_payload = c->is_10;
}

/* Begin a request: its head, and what is behind it in buf. False: the
 * connection does not go on, or was closed. */
static bool begin_request(struct http_conn *c, const struct http1_head *head,
			  const uint8_t *rest, size_t nrest)
{
	struct gateway *gw = c->conn.gw;
	struct http_via via = { &c->conn.client, c->is_https };
	struct http_place place;
	struct service *service;
	ssize_t n, nbody;
	size_t nframed;
	int failed;
	unsigned int status = http_place(head, &place);

	take_head(c, head);
	if (status) {
		refuse(c, status);
		return false;
	}
	if (c->is_redirect && !place.host[0]) {
		refuse(c, 400);
		return false;
	}
	if (c->is_redirect) {
		redirect(c, &place, c->x.to_head);
		return false;
	}
	service = backend_find(c->conn.port, place.host, place.path);
	if (!service)
		service = backend_find(c->conn.port, "", place.path);
	if (!service) {
		refuse(c, 404);
		return false;
	}
	n = http_request_text(head, &place, &via, gw->text,
			      HTTP_HEAD_MAX + HTTP_HEAD_ROOM);
	nbody = body_part(c, rest, nrest, &nframed);
	if (n < 0 || nbody < 0) {
		refuse(c, n < 0 ? 431 : 400);
		return false;
	}
	keep_in(c, rest + nbody, nrest - (size_t)nbody);
	failed = exchange_begin(&c->x, gw, service, &c->conn, &ops);
	if (failed) {
		refuse(c, http_failure(failed));
		return false;
	}
	memcpy(gw->text + n, rest, nframed);
	if (!write_body(c, (uint8_t *)gw->text, (size_t)n + nframed,
			GATEWAY_TEXT)) {
		refuse(c, 400);
		return false;
	}
	if (c->body.is_done)
		request_sent(c);
	else
		allow(c, gateway_patience.body);
	return true;
}

/* A head in buf, whole or not. False: the connection does not go on. */
static bool parse_head(struct http_conn *c, const uint8_t *buf, size_t len)
{
	struct http1_head head = { .scanned = c->scanned };
	ssize_t n = http1_request(&head, (const char *)buf, len, HTTP_HEAD_MAX);

	c->scanned = n ? 0 : head.scanned;
	if (n < 0) {
		c->is_busy = true;
		refuse(c, http1_refusal(n));
		return false;
	}
	if (n)
		return begin_request(c, &head, buf + n, len - (size_t)n);
	keep_in(c, buf, len);
	return true;
}

/* A head in what was read before. */
static bool read_head(struct http_conn *c)
{
	uint8_t *in = take_ptr(c->in);
	size_t nin = c->nin;
	bool goes_on;

	c->nin = 0;
	goes_on = parse_head(c, in, nin);
	free(in);
	return goes_on;
}

/* Input while no request is there: of a head. */
static bool on_head_input(struct http_conn *c, const uint8_t *buf, size_t len)
{
	if (!c->in) {
		/* its first bytes: from now on it is expected */
		allow(c, gateway_patience.head);
		return parse_head(c, buf, len);
	}
	keep_in(c, buf, len);
	return read_head(c);
}

static bool on_body_input(struct http_conn *c, uint8_t *buf, size_t len)
{
	size_t nframed;
	ssize_t n = body_part(c, buf, len, &nframed);

	if (n >= 0)
		keep_in(c, buf + n, len - (size_t)n);
	/* What is behind the framed bytes was taken out already. */
	if (n < 0 || !write_body(c, buf, nframed, TUNNEL_READ)) {
		if (c->x.has_response) {
			http_close(&c->conn);
			return false;
		}
		refuse(c, 400);
		return false;
	}
	if (c->body.is_done)
		request_sent(c);
	else if (!c->is_held && !c->out.p)
		allow(c, gateway_patience.body);
	else if (c->is_held && !c->out.p)
		allow(c,
		      gateway_patience.answer); /* it is the instance's turn */
	return true;
}

/* Read the client once: 1 if there may be more, 0 if not, -1 if the connection
 * does not go on. */
static int read_once(struct http_conn *c)
{
	uint8_t *scratch = c->conn.gw->scratch;
	ssize_t n = stream_read(&c->client, scratch, AHEAD_MAX);
	bool goes_on = true;

	if (n == -EAGAIN)
		return 0;
	if (!n && c->out.p && !c->is_busy) { /* it asks for nothing more */
		c->is_closing = true;
		return 0;
	}
	if (n <= 0) {
		/* It ended; nobody waits for an answer any more. */
		http_close(&c->conn);
		return -1;
	}
	if (c->is_lingering)
		return 1;
	if (!c->is_busy && !c->out.p)
		goes_on = on_head_input(c, scratch, (size_t)n);
	else if (c->is_busy && !c->body.is_done)
		goes_on = on_body_input(c, scratch, (size_t)n);
	else
		keep_in(c, scratch, (size_t)n);
	return !goes_on ? -1 : n == AHEAD_MAX || c->client.ssl;
}

/* As much as a turn allows. False: the connection does not go on. */
static bool read_client(struct http_conn *c)
{
	int more = 1;

	for (int i = 0;
	     more > 0 && may_read(c) && (i < 4 || stream_pending(&c->client));
	     i++)
		more = read_once(c);
	return more >= 0;
}

/* Out is empty again. False: the connection does not go on. */
static bool on_flushed(struct http_conn *c)
{
	if (c->is_closing) {
		linger(c);
		return false;
	}
	if (c->is_busy) {
		if (c->x.is_sent && !c->x.has_response)
			allow(c, gateway_patience.answer);
		else
			loop_timer_cancel(&c->timer);
		exchange_resume(&c->x);
		return true;
	}
	allow(c, c->in ? gateway_patience.head : gateway_patience.idle);
	return !c->in || read_head(c);
}

static void on_client(struct stream *s, uint32_t events)
{
	struct http_conn *c = container_of(s, struct http_conn, client);
	bool failed = events & (EPOLLERR | EPOLLHUP);
	int status;

	if (c->out.p && (failed || events & s->write_needs)) {
		size_t before = held_left(&c->out);

		status = held_write(&c->out, s);
		if (status && status != -EAGAIN) {
			http_close(&c->conn);
			return;
		}
		if (status && held_left(&c->out) < before)
			allow(c, gateway_patience.write);
		if (!status && !on_flushed(c))
			return;
	}
	if ((failed || events & s->read_needs || stream_pending(s)) &&
	    !read_client(c))
		return;
	set_wants(c);
}

static void on_handshake(struct stream *s, uint32_t events)
{
	struct http_conn *c = container_of(s, struct http_conn, client);
	struct gateway *gw = c->conn.gw;
	int status = stream_handshake(s);

	(void)events;
	if (status == -EAGAIN && !stream_want(s, true, true))
		return;
	if (status) {
		http_close(&c->conn);
		return;
	}
	if (tls_chose(s->ssl, "h2")) {
		struct sockaddr_storage client = c->conn.client;
		struct stream stream;

		stream_move(&stream, s);
		http_close(&c->conn);
		h2_accept(gw, &stream, &client);
		return;
	}
	s->on_ready = on_client;
	allow(c, gateway_patience.head);
	on_client(s, EPOLLIN);
}

static struct http_conn *new_conn(struct gateway *gw, int fd,
				  const struct sockaddr_storage *client)
{
	struct http_conn *c = xcalloc(1, sizeof(*c));

	stream_open(&c->client, gw->loop, fd, NULL, on_client);
	if (conn_init(&c->conn, gw, fd, client, http_close)) {
		stream_close(&c->client);
		free(c);
		return NULL;
	}
	allow(c, gateway_patience.head);
	return c;
}

void http_refuse(int fd)
{
	char text[512];
	ssize_t n = http_own_text(503, NULL, false, text, sizeof(text));

	conn_refuse(fd, text, n > 0 ? (size_t)n : 0);
}

void http_accept(struct gateway *gw, int fd,
		 const struct sockaddr_storage *client)
{
	struct http_conn *c = new_conn(gw, fd, client);

	if (c)
		set_wants(c);
}

void redirect_accept(struct gateway *gw, int fd,
		     const struct sockaddr_storage *client)
{
	struct http_conn *c = new_conn(gw, fd, client);

	if (!c)
		return;
	c->is_redirect = true;
	set_wants(c);
}

void https_accept(struct gateway *gw, int fd,
		  const struct sockaddr_storage *client)
{
	struct http_conn *c = new_conn(gw, fd, client);

	if (!c)
		return;
	c->is_https = true;
	c->hello.alpn = TLS_ALPN_HTTP;
	c->client.on_ready = on_handshake;
	if (tls_accept(gw->tls, fd, &c->hello, &c->client.ssl))
		http_close(&c->conn);
	else
		on_handshake(&c->client, 0);
}
