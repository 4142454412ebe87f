/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and responses between a front and an instance.
 */
#include "gateway/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/http_text.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

/* A request that is longer is not sent twice. */
#define REPEAT_MAX 8192
#define TURN_READS 4
/* What http1.c takes of trailers, and space behind colons. */
#define TRAILERS_TEXT 10240

static void append(uint8_t **buf, size_t *len, const void *data, size_t n)
{
	*buf = xreallocarray(*buf, *len + n + 1, 1);
	memcpy(*buf + *len, data, n);
	*len += n;
}

static void forget_sent(struct exchange *x)
{
	free(x->sent);
	x->sent = NULL;
	x->nsent = 0;
}

/* Be called for what can go on. */
static void set_wants(struct exchange *x)
{
	if (x->up && stream_want(&x->up->stream, !x->is_paused, x->held.p))
		x->is_broken = true;
}

/* Write, and say how much was taken; a failure shows when it is read. */
static size_t write_some(struct exchange *x, const uint8_t *data, size_t len)
{
	size_t at = 0;

	while (at < len && !x->is_broken) {
		ssize_t n = stream_write(&x->up->stream, data + at, len - at);

		if (n == -EAGAIN)
			return at;
		if (n < 0)
			x->is_broken = true;
		else
			at += (size_t)n;
	}
	return x->is_broken ? len : at;
}

/* A failure shows when it is read. */
static void flush_held(struct exchange *x)
{
	int status = x->is_broken ? -EPIPE
				  : held_write(&x->held, &x->up->stream);

	if (!status || status == -EAGAIN)
		return;
	x->is_broken = true;
	held_free(&x->held);
}

/* Remember what may have to be sent again. */
static void remember(struct exchange *x, const void *data, size_t len)
{
	if (!x->may_repeat)
		return;
	if (x->nsent + len > REPEAT_MAX) {
		forget_sent(x);
		x->may_repeat = false;
		return;
	}
	append(&x->sent, &x->nsent, data, len);
}

bool exchange_write(struct exchange *x, const void *data, size_t len)
{
	size_t taken = 0;

	if (!x->has_bytes)
		remember(x, data, len);
	if (x->up && !x->held.p)
		taken = write_some(x, data, len);
	held_add(&x->held, (const uint8_t *)data + taken, len - taken);
	if (x->held.p)
		set_wants(x);
	return x->held.p;
}

static void on_upstream(struct stream *s, uint32_t events);

/* There is a connection. */
static void use(struct exchange *x, struct upstream *up)
{
	x->up = up;
	up->owner = x;
	up->stream.on_ready = on_upstream;
	x->is_broken = false;
	if (x->held.p)
		flush_held(x);
	set_wants(x);
}

static void use_new(struct exchange *x, int fd)
{
	use(x, upstream_new(x->gw->pool, fd, x->reach.call.instance,
			    x->reach.call.port));
}

static void fail(struct exchange *x, int status)
{
	x->ops->failed(x, status);
}

/* An instance was picked, so a kept connection to it may do. */
static int connect_picked(struct exchange *x)
{
	struct upstream *up = NULL;
	int fd;

	if (x->reach.state == REACH_PICKED && x->reach.call.keep_ms)
		up = pool_take(x->gw->pool, x->reach.call.instance,
			       x->reach.call.port);
	if (up) {
		use(x, up);
		return 0;
	}
	fd = reach_connect(&x->reach);
	if (fd >= 0)
		use_new(x, fd);
	return fd < 0 ? fd : 0;
}

static void on_reached(struct reach *r, int result)
{
	struct exchange *x = container_of(r, struct exchange, reach);

	if (!result && !r->is_wanted)
		result = connect_picked(x);
	else if (result >= 0) {
		use_new(x, result);
		result = 0;
	}
	if (result == -EINPROGRESS)
		return;
	if (result < 0) {
		fail(x, result);
		return;
	}
	if (!x->held.p)
		x->ops->drained(x);
}

/* In place of an instance that never took the connection. */
static void give_up(int fd, int status)
{
	char text[512];
	ssize_t n = http_own_text(status == -ETIMEDOUT ? 504 : 503, NULL, false,
				  text, sizeof(text));

	if (n > 0)
		send(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(fd, SHUT_WR);
	/* What is unread would make the close a reset. */
	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

int exchange_begin(struct exchange *x, struct gateway *gw,
		   struct service *service, struct conn *from,
		   const struct exchange_ops *ops)
{
	struct backend_call *call = &x->reach.call;
	int status;

	x->gw = gw;
	x->ops = ops;
	x->is_open = true;
	call->loop = gw->loop;
	call->service = service;
	call->flags = BACKEND_REQUEST;
	call->client = &from->client;
	call->local = &from->local;
	call->give_up = give_up;
	x->reach.done = on_reached;
	status = reach_pick(&x->reach);
	if (!status)
		status = connect_picked(x);
	return status == -EINPROGRESS ? 0 : status;
}

/* The connection is dead: again on another one, if that can be. */
static bool repeat(struct exchange *x)
{
	int fd;

	if (x->has_bytes || !x->up->nrequests || !x->may_repeat || !x->sent)
		return false;
	upstream_free(x->up);
	x->up = NULL;
	held_free(&x->held);
	held_add(&x->held, x->sent, x->nsent);
	fd = reach_connect(&x->reach);
	if (fd >= 0)
		use_new(x, fd);
	else if (fd != -EINPROGRESS)
		fail(x, fd);
	return true;
}

static void on_closed(struct exchange *x, int status)
{
	if (x->has_response && !status &&
	    x->body.framing == HTTP1_UNTIL_CLOSE) {
		x->is_whole = true;
		x->ops->received(x, NULL, NULL, 0, true);
		return;
	}
	if (!repeat(x))
		fail(x, status ? status : -ECONNRESET);
}

/* Go through bytes of the body; payload is moved together if wanted, and
 * trailers are put aside. Returns what of buf goes to the front, -EBADMSG. */
static ssize_t read_body(struct exchange *x, uint8_t *buf, size_t len)
{
	size_t at = 0, payload = 0, framed = 0;

	while (at < len && !x->body.is_done) {
		bool is_trailer = http1_in_trailers(&x->body);
		const char *data;
		size_t data_len;
		ssize_t n = http1_body_read(&x->body, (const char *)buf + at,
					    len - at, &data, &data_len);

		if (n < 0)
			return n;
		if (!n)
			break;
		if (x->wants_payload && data_len) {
			memmove(buf + payload, data, data_len);
			payload += data_len;
		}
		if (is_trailer)
			held_add(&x->trailers, buf + at, (size_t)n);
		at += (size_t)n;
		if (!is_trailer)
			framed = at;
	}
	/* Bytes behind the end: nobody knows what they answer. */
	if (at < len)
		x->is_reusable = false;
	return (ssize_t)(x->wants_payload ? payload : framed);
}

/* The end of a response in chunks: its trailers, without what may not be one,
 * and the empty line. */
static void give_end(struct exchange *x, const struct http1_head *head,
		     uint8_t *buf, size_t len)
{
	char text[TRAILERS_TEXT];
	ssize_t n;

	if (x->wants_payload || x->body.framing != HTTP1_CHUNKED) {
		x->ops->received(x, head, buf, len, true);
		return;
	}
	n = http_trailers_text((const char *)x->trailers.p,
			       held_left(&x->trailers), text, sizeof(text));
	if (n < 0) {
		fail(x, -EBADMSG);
		return;
	}
	/* In one piece, where they stood: of what was read nothing is left. */
	if (len + (size_t)n <= TUNNEL_READ && buf >= x->gw->scratch &&
	    buf + len + n <= x->gw->scratch + TUNNEL_READ) {
		memcpy(buf + len, text, (size_t)n);
		x->ops->received(x, head, buf, len + (size_t)n, true);
	} else if (x->ops->received(x, head, buf, len, false) !=
		   EXCHANGE_GONE) {
		x->ops->received(x, NULL, (uint8_t *)text, (size_t)n, true);
	}
}

/* Body bytes, perhaps with the head before them. */
static enum exchange_next give_body(struct exchange *x,
				    const struct http1_head *head, uint8_t *buf,
				    size_t len)
{
	ssize_t n = read_body(x, buf, len);

	if (n < 0) {
		fail(x, (int)n);
		return EXCHANGE_GONE;
	}
	x->is_whole = x->body.is_done;
	if (!n && !head && !x->is_whole)
		return EXCHANGE_MORE;
	if (x->is_whole) {
		give_end(x, head, buf, (size_t)n);
		return EXCHANGE_GONE;
	}
	return x->ops->received(x, head, buf, (size_t)n, false);
}

/* The connection is no longer HTTP. */
static enum exchange_next give_switch(struct exchange *x,
				      const struct http1_head *head,
				      const uint8_t *buf, size_t len)
{
	x->is_switched = true;
	x->is_whole = true;
	x->ops->received(x, head, buf, len, true);
	return EXCHANGE_GONE;
}

/* Bytes of a response whose head has not been seen. */
static enum exchange_next give_head(struct exchange *x, uint8_t *buf,
				    size_t len)
{
	ssize_t n;

	for (;;) {
		struct http1_head head = { .scanned = x->scanned };

		n = http1_response(&head, (const char *)buf, len, HTTP_HEAD_MAX,
				   x->to_head);
		x->scanned = n ? 0 : head.scanned;
		if (n > 0 && head.status == 101 &&
		    (!x->may_switch || !x->is_sent || x->held.p))
			n = -EBADMSG;
		if (n <= 0)
			break;
		if (head.status == 101)
			return give_switch(x, &head, buf + n, len - (size_t)n);
		if (head.status >= 200) {
			x->has_response = true;
			x->is_reusable = head.keeps_alive;
			http1_body_init(&x->body, &head);
			return give_body(x, &head, buf + n, len - (size_t)n);
		}
		/* They come whether or not the client keeps up: few only. */
		x->ninterim += (size_t)n;
		if (x->ninterim > HTTP_HEAD_MAX) {
			n = -EBADMSG;
			break;
		}
		if (x->ops->received(x, &head, NULL, 0, false) == EXCHANGE_GONE)
			return EXCHANGE_GONE;
		buf += n;
		len -= (size_t)n;
	}
	if (n < 0) {
		fail(x, (int)n);
		return EXCHANGE_GONE;
	}
	append(&x->part, &x->npart, buf, len);
	return EXCHANGE_MORE;
}

static enum exchange_next give(struct exchange *x, uint8_t *buf, size_t len)
{
	enum exchange_next next;
	uint8_t *part;
	size_t npart;

	x->has_bytes = true;
	forget_sent(x);
	if (x->has_response)
		return give_body(x, NULL, buf, len);
	if (!x->part)
		return give_head(x, buf, len);
	append(&x->part, &x->npart, buf, len);
	part = x->part;
	npart = x->npart;
	x->part = NULL;
	x->npart = 0;
	next = give_head(x, part, npart);
	free(part);
	return next;
}

/* False: the exchange has gone. */
static bool read_response(struct exchange *x)
{
	uint8_t *scratch = x->gw->scratch;
	enum exchange_next next;

	for (int i = 0; i < TURN_READS; i++) {
		size_t size = x->ops->room ? x->ops->room(x)
					   : limits_read_size();
		ssize_t n = stream_read(&x->up->stream, scratch, size);

		if (n == -EAGAIN)
			return true;
		if (n <= 0) {
			on_closed(x, (int)n);
			return false;
		}
		next = give(x, scratch, (size_t)n);
		if (next == EXCHANGE_GONE)
			return false;
		if (next == EXCHANGE_PAUSE) {
			x->is_paused = true;
			return true;
		}
		if ((size_t)n < size)
			return true;
	}
	return true;
}

static void on_upstream(struct stream *s, uint32_t events)
{
	struct exchange *x = container_of(s, struct upstream, stream)->owner;
	bool failed = events & (EPOLLERR | EPOLLHUP);

	if (x->held.p && (failed || events & EPOLLOUT)) {
		flush_held(x);
		if (!x->held.p && x->ops->drained(x) == EXCHANGE_GONE)
			return;
	}
	if (!x->is_paused && (failed || events & EPOLLIN) && !read_response(x))
		return;
	set_wants(x);
}

void exchange_resume(struct exchange *x)
{
	x->is_paused = false;
	set_wants(x);
}

struct upstream *exchange_take(struct exchange *x)
{
	return take_ptr(x->up);
}

void exchange_end(struct exchange *x)
{
	struct upstream *up = x->up;

	if (!x->is_open)
		return;
	if (up && x->is_whole && x->is_reusable && x->is_sent && !x->held.p &&
	    !x->is_broken && !x->is_switched) {
		up->nrequests++;
		pool_put(up, x->reach.call.keep_ms);
	} else {
		upstream_free(up);
	}
	reach_end(&x->reach);
	held_free(&x->held);
	held_free(&x->trailers);
	forget_sent(x);
	free(x->part);
	*x = (struct exchange){ 0 };
}
