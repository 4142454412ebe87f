/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/2 side of ports with the handlers `http` and `tls`, by nghttp2.
 *
 * Theory of operation. Each stream is a request of its own, sent to an instance
 * as HTTP/1.1: its fields are written as the head of an HTTP/1.1 request and
 * read again by the same parser and rules as other requests. Flow control is
 * the back-pressure: a stream's window opens only by what the instance has
 * taken; a response is read on only when what was read before has been framed.
 * The connection's window opens at once, so that one stream does not stop the
 * others, until the connection as a whole has too much held. What callbacks end
 * is freed afterwards, by h2_reap.
 */
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/exchange.h"
#include "gateway/http_int.h"
#include "gateway/http_text.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define STREAMS_MAX 100
/* What a connection may make the gateway hold of requests, and of responses,
 * before it gets more in small pieces only: with 64 KiB of a window and 4 KiB a
 * stream on top, a connection costs less than 1 MiB. */
#define HELD_MAX (256u << 10)
/* Frames are written together up to this. */
#define WRITE_TOGETHER 32768
#define TURN_READS 4

struct h2_conn {
	struct conn conn;
	struct stream client;
	struct loop_timer timer;
	nghttp2_session *session;
	struct list streams; /* struct h2_stream: open ones */
	struct list dead;    /* closed, to be freed */
	size_t nstreams;
	struct held held; /* frames that were not taken */
	/* Of all streams: bytes of requests that instances have not taken, and
	 * of responses that were not framed. */
	size_t taken, nbody;
	size_t debt;   /* bytes that the connection's window has not back */
	size_t ntimed; /* streams when the timer was set; SIZE_MAX: to write */
};

/* Text that grows. */
struct text {
	char *p;
	size_t len;
};

struct h2_stream {
	struct list link;
	struct h2_conn *c;
	int32_t id;
	struct exchange x;
	struct loop_timer timer;
	/* the request */
	struct text method, path, authority, cookie, fields;
	struct text trailers; /* of the response, as they came */
	bool is_too_long, has_length;
	bool has_head;	 /* all fields have come */
	bool is_chunked; /* towards the instance */
	bool is_ended;	 /* by the client */
	uint32_t taken;	 /* bytes that its window has not back */
	/* the response */
	struct held body; /* not framed yet */
	bool is_whole;	  /* nothing comes behind body */
	bool is_closed;
};

static void text_add(struct text *t, const char *p, size_t len)
{
	t->p = xreallocarray(t->p, t->len + len + 1, 1);
	memcpy(t->p + t->len, p, len);
	t->len += len;
	t->p[t->len] = '\0';
}

static void forget_fields(struct h2_stream *s)
{
	struct text *all[] = { &s->method, &s->path, &s->authority, &s->cookie,
			       &s->fields };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		free(all[i]->p);
		*all[i] = (struct text){ NULL, 0 };
	}
}

static void stream_free(struct h2_stream *s)
{
	list_del(&s->link);
	loop_timer_cancel(&s->timer);
	exchange_end(&s->x);
	forget_fields(s);
	free(s->trailers.p);
	s->c->nbody -= held_left(&s->body);
	held_free(&s->body);
	free(s);
}

static void h2_reap(struct h2_conn *c)
{
	while (!list_empty(&c->dead))
		stream_free(list_first(&c->dead, struct h2_stream, link));
}

static void h2_close(struct conn *conn)
{
	struct h2_conn *c = container_of(conn, struct h2_conn, conn);

	loop_timer_cancel(&c->timer);
	while (!list_empty(&c->streams))
		stream_free(list_first(&c->streams, struct h2_stream, link));
	h2_reap(c);
	nghttp2_session_del(c->session);
	stream_close(&c->client);
	held_free(&c->held);
	conn_fini(conn);
	free(c);
}

static void on_conn_late(struct loop_timer *t)
{
	h2_close(&container_of(t, struct h2_conn, timer)->conn);
}

static void allow_conn(struct h2_conn *c, unsigned int ms)
{
	loop_timer_set(c->conn.gw->loop, &c->timer,
		       ms * (uint64_t)NSEC_PER_MSEC, 0, on_conn_late);
}

static void allow_write(struct h2_conn *c)
{
	allow_conn(c, gateway_patience.write);
	c->ntimed = SIZE_MAX;
}

/* Write what is held: 0, -EAGAIN, -errno. */
static int write_held(struct h2_conn *c)
{
	size_t before = held_left(&c->held);
	int status = held_write(&c->held, &c->client);

	if (held_left(&c->held) < before)
		allow_write(c);
	return status;
}

/* Put the session's next frames together in text; their length or -EPROTO. */
static ssize_t next_frames(struct h2_conn *c, char *text)
{
	size_t len = 0;

	while (len < WRITE_TOGETHER) {
		const uint8_t *frame;
		ssize_t n = nghttp2_session_mem_send(c->session, &frame);

		if (n < 0 || len + (size_t)n > GATEWAY_TEXT)
			return -EPROTO;
		if (!n)
			break;
		memcpy(text + len, frame, (size_t)n);
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Time runs from the last request on; what else an idle client says does not
 * make it longer. */
static void set_timer(struct h2_conn *c)
{
	if (c->held.p || c->nstreams == c->ntimed)
		return;
	if (!c->nstreams)
		allow_conn(c, gateway_patience.idle);
	else
		loop_timer_cancel(&c->timer);
	c->ntimed = c->nstreams;
}

/* Write what there is to write. 0 or -errno: the connection is over. */
static int h2_flush(struct h2_conn *c)
{
	char *text = c->conn.gw->text;
	int status = write_held(c);

	while (!status) {
		ssize_t n, len = next_frames(c, text);

		if (len < 0)
			return (int)len;
		if (!len)
			break;
		n = stream_write(&c->client, text, (size_t)len);
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		n = MAX(n, (ssize_t)0);
		if (n == len)
			continue;
		held_add(&c->held, text + n, (size_t)(len - n));
		allow_write(c);
		status = write_held(c);
	}
	if (status && status != -EAGAIN)
		return status;
	set_timer(c);
	if (!c->held.p && !nghttp2_session_want_read(c->session) &&
	    !nghttp2_session_want_write(c->session))
		return -ESHUTDOWN;
	return stream_want(&c->client, true, c->held.p);
}

/* After anything was done to the session. False: the connection is closed. */
static bool h2_go_on(struct h2_conn *c)
{
	if (h2_flush(c)) {
		h2_close(&c->conn);
		return false;
	}
	h2_reap(c);
	return true;
}

static nghttp2_nv field(const char *name, size_t nname, const char *value,
			size_t nvalue)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, nname, nvalue,
			     NGHTTP2_NV_FLAG_NONE };
}

/* Answer by ourselves. */
static void answer(struct h2_stream *s, unsigned int status)
{
	char text[8];
	nghttp2_nv nv;

	snprintf(text, sizeof(text), "%u", status);
	nv = field(":status", 7, text, strlen(text));
	exchange_end(&s->x);
	loop_timer_cancel(&s->timer);
	s->is_whole = true;
	nghttp2_submit_response(s->c->session, s->id, &nv, 1, NULL);
}

static void reset(struct h2_stream *s)
{
	exchange_end(&s->x);
	loop_timer_cancel(&s->timer);
	nghttp2_submit_rst_stream(s->c->session, NGHTTP2_FLAG_NONE, s->id,
				  NGHTTP2_INTERNAL_ERROR);
}

static void on_stream_late(struct loop_timer *t)
{
	struct h2_stream *s = container_of(t, struct h2_stream, timer);

	if (s->x.is_open && !s->x.has_response)
		answer(s, s->is_ended ? 504 : 408);
	else
		reset(s);
	h2_go_on(s->c);
}

static void allow(struct h2_stream *s, unsigned int ms)
{
	loop_timer_set(s->c->conn.gw->loop, &s->timer,
		       ms * (uint64_t)NSEC_PER_MSEC, 0, on_stream_late);
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* A field with its name in lower case, which is written to *names. */
static nghttp2_nv lower_field(const struct http1_header *h, char **names)
{
	char *name = *names;

	for (size_t i = 0; i < h->name.len; i++)
		name[i] = lower(h->name.p[i]);
	*names += h->name.len;
	return field(name, h->name.len, h->value.p, h->value.len);
}

/* The response ends with trailers. False: there are none to be sent. */
static bool submit_trailers(struct h2_stream *s)
{
	char space[HTTP_HEAD_MAX], *names = space;
	nghttp2_nv nv[HTTP1_HEADERS_MAX];
	struct http1_head h;
	size_t n = 0;

	if (s->trailers.len > sizeof(space) ||
	    http1_trailers(&h, s->trailers.p, s->trailers.len))
		return false;
	for (unsigned int i = 0; i < h.nheaders; i++)
		if (http_is_trailer(&h.headers[i]))
			nv[n++] = lower_field(&h.headers[i], &names);
	return n && !nghttp2_submit_trailer(s->c->session, s->id, nv, n);
}

/* nghttp2 wants bytes of a response's body. */
static ssize_t read_response(nghttp2_session *session, int32_t id, uint8_t *buf,
			     size_t len, uint32_t *flags,
			     nghttp2_data_source *source, void *arg)
{
	struct h2_stream *s = source->ptr;
	size_t n = held_take(&s->body, buf, len);

	(void)session, (void)id, (void)arg;
	if (!n && !s->is_whole)
		return NGHTTP2_ERR_DEFERRED;
	s->c->nbody -= n;
	if (s->body.p) {
		allow(s, gateway_patience.write);
		return (ssize_t)n;
	}
	if (s->is_whole)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->is_whole && s->trailers.p && submit_trailers(s))
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	loop_timer_cancel(&s->timer);
	if (s->x.is_open && s->x.is_paused)
		exchange_resume(&s->x);
	return (ssize_t)n;
}

/* The fields of a response: their number in nv; names in lower case in names,
 * which has room for them. */
static size_t response_fields(const struct http1_head *head, nghttp2_nv *nv,
			      char *names, const char *status)
{
	size_t n = 0;

	nv[n++] = field(":status", 7, status, 3);
	for (unsigned int i = 0; i < head->nheaders; i++) {
		const struct http1_header *h = &head->headers[i];

		if (http_is_hop(head, h) ||
		    http1_is_nocase(&h->name, "transfer-encoding"))
			continue;
		nv[n++] = lower_field(h, &names);
	}
	return n;
}

static int submit_head(struct h2_stream *s, const struct http1_head *head,
		       bool has_body)
{
	nghttp2_data_provider body = { .source.ptr = s,
				       .read_callback = read_response };
	nghttp2_nv nv[HTTP1_HEADERS_MAX + 1];
	char *names = s->c->conn.gw->text, status[16];
	size_t n;

	snprintf(status, sizeof(status), "%u", head->status);
	n = response_fields(head, nv, names, status);
	if (head->status < 200)
		return nghttp2_submit_headers(s->c->session, NGHTTP2_FLAG_NONE,
					      s->id, NULL, nv, n, NULL) < 0;
	return nghttp2_submit_response(s->c->session, s->id, nv, n,
				       has_body ? &body : NULL);
}

static enum exchange_next on_received(struct exchange *x,
				      const struct http1_head *head,
				      const uint8_t *data, size_t len,
				      bool is_end)
{
	struct h2_stream *s = container_of(x, struct h2_stream, x);
	struct h2_conn *c = s->c;
	bool is_closed;

	if (head && head->status >= 200)
		loop_timer_cancel(&s->timer);
	held_add(&s->body, data, len);
	c->nbody += len;
	s->is_whole = is_end;
	if (is_end && held_left(&x->trailers) > 2)
		text_add(&s->trailers, (const char *)x->trailers.p,
			 held_left(&x->trailers));
	if (head && submit_head(s, head, len || !is_end || s->trailers.p))
		reset(s);
	else if (!head)
		nghttp2_session_resume_data(c->session, s->id);
	if (is_end)
		exchange_end(&s->x);
	if (h2_flush(c)) {
		h2_close(&c->conn);
		return EXCHANGE_GONE;
	}
	is_closed = s->is_closed || !s->x.is_open;
	if (!is_closed && s->body.p)
		allow(s, gateway_patience.write);
	len = held_left(&s->body);
	h2_reap(c);
	if (is_closed)
		return EXCHANGE_GONE;
	return len ? EXCHANGE_PAUSE : EXCHANGE_MORE;
}

/* Little is read for one whose connection holds much. */
static size_t room(struct exchange *x)
{
	struct h2_stream *s = container_of(x, struct h2_stream, x);
	size_t size = limits_read_size();

	return s->c->nbody < HELD_MAX ? size
				      : MIN(size, (size_t)LIMITS_READ_TIGHT);
}

/* The connection's window opens whatever a stream's does, so that one does not
 * stop the others, unless so much is held that it must. */
static void open_conn_window(struct h2_conn *c)
{
	size_t max = limits_read_size() < LIMITS_READ ? LIMITS_READ_TIGHT
						      : HELD_MAX;

	if (c->taken > max || !c->debt)
		return;
	nghttp2_session_consume_connection(c->session, c->debt);
	c->debt = 0;
}

static void forget_taken(struct h2_stream *s)
{
	s->c->taken -= s->taken;
	s->taken = 0;
	open_conn_window(s->c);
}

/* The instance has taken what came so far: the window opens. */
static void open_window(struct h2_stream *s)
{
	nghttp2_session_consume_stream(s->c->session, s->id, s->taken);
	forget_taken(s);
}

static enum exchange_next on_drained(struct exchange *x)
{
	struct h2_stream *s = container_of(x, struct h2_stream, x);
	struct h2_conn *c = s->c;
	bool is_closed;

	open_window(s);
	if (!s->is_ended)
		allow(s, gateway_patience.body);
	if (h2_flush(c)) {
		h2_close(&c->conn);
		return EXCHANGE_GONE;
	}
	is_closed = s->is_closed;
	h2_reap(c);
	return is_closed ? EXCHANGE_GONE : EXCHANGE_MORE;
}

static void on_failed(struct exchange *x, int status)
{
	struct h2_stream *s = container_of(x, struct h2_stream, x);

	if (x->has_response)
		reset(s);
	else
		answer(s, http_failure(status));
	h2_go_on(s->c);
}

static const struct exchange_ops ops = {
	.received = on_received,
	.room = room,
	.drained = on_drained,
	.failed = on_failed,
};

/* The request as the head of an HTTP/1.1 request. */
static void write_head(struct h2_stream *s, struct text *t)
{
	text_add(t, s->method.p, s->method.len);
	text_add(t, " ", 1);
	text_add(t, s->path.p, s->path.len);
	text_add(t, " HTTP/1.1\r\n", 11);
	if (s->authority.len) {
		text_add(t, "host: ", 6);
		text_add(t, s->authority.p, s->authority.len);
		text_add(t, "\r\n", 2);
	}
	text_add(t, s->fields.p ? s->fields.p : "", s->fields.len);
	if (s->cookie.len) {
		text_add(t, "cookie: ", 8);
		text_add(t, s->cookie.p, s->cookie.len);
		text_add(t, "\r\n", 2);
	}
	s->is_chunked = !s->is_ended && !s->has_length;
	if (s->is_chunked)
		text_add(t, "transfer-encoding: chunked\r\n", 28);
	text_add(t, "\r\n", 2);
}

/* Route a parsed request and begin it: 0, or the status that refuses it. */
static unsigned int route(struct h2_stream *s, const struct http1_head *head)
{
	struct h2_conn *c = s->c;
	struct gateway *gw = c->conn.gw;
	struct http_via via = { &c->conn.client, true };
	struct http_place place;
	struct service *service;
	unsigned int status = http_place(head, &place);
	ssize_t n;
	int failed;

	if (status)
		return status;
	service = backend_find(c->conn.port, place.host, place.path);
	if (!service)
		service = backend_find(c->conn.port, "", place.path);
	if (!service)
		return 404;
	n = http_request_text(head, &place, &via, gw->text,
			      HTTP_HEAD_MAX + HTTP_HEAD_ROOM);
	if (n < 0)
		return 431;
	s->x.to_head = http1_is(&head->method, "HEAD");
	s->x.wants_payload = true;
	s->x.may_repeat = s->x.to_head || http1_is(&head->method, "GET");
	failed = exchange_begin(&s->x, gw, service, &c->conn, &ops);
	if (failed)
		return http_failure(failed);
	s->x.is_sent = s->is_ended;
	exchange_write(&s->x, gw->text, (size_t)n);
	allow(s, s->is_ended ? gateway_patience.answer : gateway_patience.body);
	return 0;
}

static void begin(struct h2_stream *s)
{
	struct http1_head head = { 0 };
	struct text t = { NULL, 0 };
	unsigned int status = 431;
	ssize_t n;

	s->has_head = true;
	if (!s->is_too_long) {
		write_head(s, &t);
		n = http1_request(&head, t.p, t.len, HTTP_HEAD_MAX);
		status = n == (ssize_t)t.len ? route(s, &head)
			 : n < 0	     ? http1_refusal(n)
					     : 400;
	}
	if (status)
		answer(s, status);
	free(t.p);
	forget_fields(s);
}

static int on_begin_headers(nghttp2_session *session,
			    const nghttp2_frame *frame, void *arg)
{
	struct h2_conn *c = arg;
	struct h2_stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = xcalloc(1, sizeof(*s));
	s->c = c;
	s->id = frame->hd.stream_id;
	list_append(&c->streams, &s->link);
	c->nstreams++;
	nghttp2_session_set_stream_user_data(session, s->id, s);
	allow(s, gateway_patience.head);
	return 0;
}

static bool is_name(const uint8_t *name, size_t len, const char *want)
{
	return len == strlen(want) && !memcmp(name, want, len);
}

static void add_field(struct h2_stream *s, const char *name, size_t nname,
		      const char *value, size_t nvalue)
{
	const uint8_t *n = (const uint8_t *)name;

	if (is_name(n, nname, ":method")) {
		text_add(&s->method, value, nvalue);
	} else if (is_name(n, nname, ":path")) {
		text_add(&s->path, value, nvalue);
	} else if (is_name(n, nname, ":authority")) {
		text_add(&s->authority, value, nvalue);
	} else if (is_name(n, nname, "cookie")) {
		if (s->cookie.len)
			text_add(&s->cookie, "; ", 2);
		text_add(&s->cookie, value, nvalue);
	} else if (name[0] != ':' &&
		   !(s->authority.len && is_name(n, nname, "host"))) {
		s->has_length |= is_name(n, nname, "content-length");
		text_add(&s->fields, name, nname);
		text_add(&s->fields, ": ", 2);
		text_add(&s->fields, value, nvalue);
		text_add(&s->fields, "\r\n", 2);
	}
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name, size_t nname, const uint8_t *value,
		     size_t nvalue, uint8_t flags, void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(
		session, frame->hd.stream_id);

	(void)flags, (void)arg;
	if (!s)
		return 0;
	if (s->fields.len + s->cookie.len + s->path.len + nname + nvalue >
	    HTTP_HEAD_MAX - HTTP_HEAD_ROOM)
		s->is_too_long = true;
	if (!s->is_too_long)
		add_field(s, (const char *)name, nname, (const char *)value,
			  nvalue);
	return 0;
}

/* The last chunk, and trailers that came as fields behind the body. */
static void write_end(struct h2_stream *s)
{
	char text[HTTP_HEAD_MAX] = "0\r\n\r\n";
	ssize_t n = 2;

	if (s->fields.len && !s->is_too_long) {
		text_add(&s->fields, "\r\n", 2);
		n = http_trailers_text(s->fields.p, s->fields.len, text + 3,
				       sizeof(text) - 3);
		forget_fields(s);
	}
	if (n < 0) /* what is no field is left out */
		n = snprintf(text + 3, 3, "\r\n");
	exchange_write(&s->x, text, 3 + (size_t)n);
}

/* All of the request is here. */
static void end_request(struct h2_stream *s)
{
	s->is_ended = true;
	if (!s->has_head || !s->x.is_open)
		return;
	s->x.is_sent = true;
	if (s->is_chunked)
		write_end(s);
	if (!s->x.has_response)
		allow(s, gateway_patience.answer);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
		    void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(
		session, frame->hd.stream_id);

	(void)arg;
	if (!s || (frame->hd.type != NGHTTP2_HEADERS &&
		   frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		end_request(s);
	if (frame->hd.type == NGHTTP2_HEADERS && !s->has_head)
		begin(s);
	return 0;
}

/* Bytes of a request's body. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
		   const uint8_t *data, size_t len, void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
	struct h2_conn *c = arg;
	char head[24];
	bool is_held;

	(void)flags;
	c->debt += len;
	if (!s || !s->x.is_open) { /* answered already */
		nghttp2_session_consume_stream(session, id, len);
		open_conn_window(c);
		return 0;
	}
	s->taken += (uint32_t)len;
	c->taken += len;
	if (s->is_chunked) {
		int n = snprintf(head, sizeof(head), "%zx\r\n", len);

		exchange_write(&s->x, head, (size_t)n);
	}
	is_held = exchange_write(&s->x, data, len);
	if (s->is_chunked)
		is_held = exchange_write(&s->x, "\r\n", 2);
	if (!is_held)
		open_window(s);
	open_conn_window(c);
	if (!s->x.has_response)
		allow(s, is_held ? gateway_patience.answer
				 : gateway_patience.body);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error,
			   void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
	struct h2_conn *c = arg;

	(void)error;
	if (!s)
		return 0;
	nghttp2_session_set_stream_user_data(session, id, NULL);
	s->is_closed = true;
	forget_taken(s);
	exchange_end(&s->x);
	loop_timer_cancel(&s->timer);
	list_del(&s->link);
	list_append(&c->dead, &s->link);
	c->nstreams--;
	return 0;
}

/* An answer that was whole before its request: the rest is not wanted, and the
 * stream would be open for as long as the client likes. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame,
		   void *arg)
{
	struct h2_stream *s = nghttp2_session_get_stream_user_data(
		session, frame->hd.stream_id);

	(void)arg;
	if (s && !s->is_ended && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
	    (frame->hd.type == NGHTTP2_HEADERS ||
	     frame->hd.type == NGHTTP2_DATA))
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id,
					  NGHTTP2_NO_ERROR);
	return 0;
}

static void on_client(struct stream *client, uint32_t events)
{
	struct h2_conn *c = container_of(client, struct h2_conn, client);
	uint8_t *scratch = c->conn.gw->scratch;
	ssize_t n = 0;

	(void)events;
	for (int i = 0; i < TURN_READS || stream_pending(client); i++) {
		n = stream_read(client, scratch, TUNNEL_READ);
		if (n <= 0)
			break;
		if (nghttp2_session_mem_recv(c->session, scratch, (size_t)n) !=
		    n) {
			h2_close(&c->conn);
			return;
		}
	}
	if (n <= 0 && n != -EAGAIN) {
		h2_close(&c->conn);
		return;
	}
	h2_go_on(c);
}

static int new_session(struct h2_conn *c)
{
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX },
	};
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	int status;

	if (nghttp2_session_callbacks_new(&callbacks))
		return -ENOMEM;
	if (nghttp2_option_new(&option)) {
		nghttp2_session_callbacks_del(callbacks);
		return -ENOMEM;
	}
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks,
							     on_sent);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
							     on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
								  on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
							       on_stream_close);
	status = nghttp2_session_server_new2(&c->session, callbacks, c, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (status)
		return -ENOMEM;
	return nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
				       ARRAY_SIZE(settings))
		       ? -ENOMEM
		       : 0;
}

void h2_accept(struct gateway *gw, struct stream *stream,
	       const struct sockaddr_storage *client)
{
	struct h2_conn *c = xcalloc(1, sizeof(*c));

	list_init(&c->streams);
	list_init(&c->dead);
	stream_move(&c->client, stream);
	c->client.on_ready = on_client;
	if (conn_init(&c->conn, gw, c->client.fd, client, h2_close)) {
		stream_close(&c->client);
		free(c);
		return;
	}
	allow_conn(c, gateway_patience.head);
	if (new_session(c))
		h2_close(&c->conn);
	else
		on_client(&c->client, EPOLLIN);
}
