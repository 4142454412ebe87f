/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the API. Each is in one state at a time; a timer ends those
 * that take too long in it, so that a slow client costs a descriptor for some
 * seconds and nothing else.
 */
#include "daemon/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/stream.h"
#include "gateway/http1.h"
#include "gateway/http_text.h"
#include "host/cleanup.h"
#include "host/log.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"
#include "lib/list.h"

#define SEC (uint64_t) NSEC_PER_SEC
#define HEAD_NS (10 * SEC)  /* from a request's first byte to its head */
#define BODY_NS (60 * SEC)  /* for the body */
#define IDLE_NS (75 * SEC)  /* between requests */
#define WRITE_NS (60 * SEC) /* for an answer */
#define CHUNK 4096
#define REST_NS (SEC / 20) /* no descriptor is left for one more */
/* Of bodies that are longer than BODY_SMALL, all together: nobody has looked at
 * their tokens yet. */
#define BODY_SMALL 65536u
#define BODIES_MAX (64u << 20)
/* Of a stream at once, and around it; so many before others have their turn. */
#define PIECE 16384
#define PIECE_HEAD 8 /* "003fff" CRLF */
#define PIECES 8

enum conn_state {
	CONN_IDLE,
	CONN_HEAD,
	CONN_BODY,
	CONN_HANDLED, /* with the pool */
	CONN_PARKED,  /* until something changes */
	CONN_QUEUED,  /* until a turn of its user is free */
	CONN_WRITING,
	CONN_STREAMING, /* an answer in pieces */
};

struct conn {
	struct loop_watch watch; /* first */
	struct loop_timer timer;
	struct list link; /* of all */
	struct server *server;
	enum conn_state state;
	int fd;
	bool is_local, keeps_alive, is_closed;
	uint64_t seen; /* changes when it was handed to the pool */

	char *in; /* what was read and not used */
	size_t in_len, in_room;
	struct http1_head head;
	struct http1_body body;
	struct api_request rq;
	struct api_response rs;
	char *out;
	size_t out_len, out_at;

	struct stream *stream;	     /* what is sent comes from there */
	bool is_chunked, is_waiting; /* for the stream */
};

struct listener {
	struct loop_watch watch; /* first */
	struct loop_timer timer; /* it rests */
	struct server *server;
	bool is_unix;
};

struct server {
	struct daemon *daemon;
	struct list conns;
	unsigned int nconns;
	size_t nbodies;	     /* bytes of bodies that are held */
	atomic_bool is_told; /* on_changed is posted */
	uint64_t nchanges;
};

static void on_conn(struct loop_watch *w, uint32_t events);
static void serve(struct conn *c);

static struct conn *of_timer(struct loop_timer *t)
{
	return (struct conn *)((char *)t - offsetof(struct conn, timer));
}

static void drop_request(struct conn *c)
{
	c->server->nbodies -= c->rq.body_len;
	api_request_fini(c->server->daemon, &c->rq);
}

static void close_stream(struct stream *s)
{
	if (s)
		s->ops->close(s);
}

static void free_conn(struct conn *c)
{
	list_del(&c->link);
	close_stream(c->stream);
	close_stream(c->rs.stream);
	c->server->nconns--;
	free(c->in);
	free(c->out);
	free(c->rs.body);
	drop_request(c);
	free(c);
}

/* One that the pool has is freed when it comes back. */
static void close_conn(struct conn *c)
{
	loop_watch_stop(&c->watch);
	loop_timer_cancel(&c->timer);
	if (c->fd >= 0)
		close(take_fd(&c->fd));
	c->is_closed = true;
	if (c->state != CONN_HANDLED)
		free_conn(c);
}

static void on_late(struct loop_timer *t);

static void set_state(struct conn *c, enum conn_state state, uint64_t limit_ns)
{
	c->state = state;
	if (limit_ns)
		loop_timer_set(c->server->daemon->loop, &c->timer, limit_ns, 0,
			       on_late);
	else
		loop_timer_cancel(&c->timer);
}

static bool watch(struct conn *c, uint32_t events)
{
	if (c->watch.loop)
		return loop_watch_change(&c->watch, events) == 0;
	return loop_watch_start(c->server->daemon->loop, &c->watch, c->fd,
				events, on_conn) == 0;
}

/* 1: all is sent; 0: later; -1: it is closed. */
static int send_out(struct conn *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at,
				 c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && watch(c, EPOLLOUT))
			return 0;
		if (n < 0) {
			close_conn(c);
			return -1;
		}
		c->out_at += (size_t)n;
	}
	free(take_ptr(c->out));
	c->out_at = c->out_len = 0;
	return 1;
}

/* An answer is sent: the next request. */
static void begin_next(struct conn *c)
{
	if (!c->keeps_alive) {
		shutdown(c->fd, SHUT_WR);
		close_conn(c);
		return;
	}
	set_state(c, c->in_len ? CONN_HEAD : CONN_IDLE,
		  c->in_len ? HEAD_NS : IDLE_NS);
	memset(&c->head, 0, sizeof(c->head));
	if (!watch(c, EPOLLIN))
		close_conn(c);
	else if (c->in_len)
		serve(c);
}

/* A chunk of the stream, or its end, into c->out: 0 or -errno. */
static int fill(struct conn *c)
{
	ssize_t n;

	c->out = xmalloc(PIECE_HEAD + PIECE + 2);
	n = c->stream->ops->read(c->stream, c->out + PIECE_HEAD, PIECE);
	if (n < 0) {
		free(take_ptr(c->out));
		return (int)n;
	}
	if (!n)
		close_stream(take_ptr(c->stream));
	if (!c->is_chunked) {
		c->out_at = PIECE_HEAD;
		c->out_len = PIECE_HEAD + (size_t)n;
	} else if (n) {
		char head[24];

		snprintf(head, sizeof(head), "%06zx\r\n", (size_t)n);
		memcpy(c->out, head, PIECE_HEAD);
		memcpy(c->out + PIECE_HEAD + n, "\r\n", 2);
		c->out_len = PIECE_HEAD + (size_t)n + 2;
	} else {
		memcpy(c->out, "0\r\n\r\n", 5);
		c->out_len = 5;
	}
	return 0;
}

/* Send what the stream has, as far as the client takes it. */
static void send_stream(struct conn *c)
{
	for (int i = 0; i < PIECES; i++) {
		int r = fill(c);

		c->is_waiting = r == -EAGAIN;
		set_state(c, CONN_STREAMING, c->is_waiting ? 0 : WRITE_NS);
		if (c->is_waiting && watch(c, EPOLLRDHUP))
			return;
		if (r) { /* its end is missing: the client knows */
			close_conn(c);
			return;
		}
		if (send_out(c) <= 0)
			return;
		if (!c->stream) {
			begin_next(c);
			return;
		}
	}
	if (!watch(c, EPOLLOUT))
		close_conn(c);
}

static void on_stream(struct stream *s)
{
	struct conn *c = s->reader;

	if (c->is_waiting)
		send_stream(c);
}

static void write_some(struct conn *c)
{
	if (send_out(c) <= 0)
		return;
	if (c->stream)
		send_stream(c);
	else
		begin_next(c);
}

/* Clients that went without a word are noticed while nothing is sent. */
static void keep_alive(int fd)
{
	const int on = 1, idle_s = 60, interval_s = 20, count = 3;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s,
		   sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/* The head of an answer that comes in pieces. */
static void answer_stream(struct conn *c)
{
	struct api_response *rs = &c->rs;

	c->stream = take_ptr(rs->stream);
	c->stream->reader = c;
	c->stream->on_ready = on_stream;
	keep_alive(c->fd);
	if (!c->is_chunked)
		c->keeps_alive = false;
	c->out = xasprintf(
		"HTTP/1.1 %u %s\r\nServer: jiffyd\r\nContent-Type: %s\r\n"
		"%sConnection: %s\r\n\r\n",
		rs->status, http_reason(rs->status), rs->type,
		c->is_chunked ? "Transfer-Encoding: chunked\r\n" : "",
		c->keeps_alive ? "keep-alive" : "close");
	c->out_len = strlen(c->out);
	c->out_at = 0;
	*rs = (struct api_response){ 0 };
	drop_request(c);
	set_state(c, CONN_STREAMING, WRITE_NS);
	write_some(c);
}

/* Answer what is in c->rs. */
static void answer(struct conn *c)
{
	struct api_response *rs = &c->rs;
	char *head = xasprintf(
		"HTTP/1.1 %u %s\r\nServer: jiffyd\r\nContent-Type: %s\r\n"
		"Content-Length: %zu\r\n%sConnection: %s\r\n\r\n",
		rs->status, http_reason(rs->status), rs->type, rs->body_len,
		rs->status == 401 ? "WWW-Authenticate: Bearer\r\n" : "",
		c->keeps_alive ? "keep-alive" : "close");
	size_t len = strlen(head);

	c->out = xreallocarray(head, len + rs->body_len, 1);
	if (rs->body_len)
		memcpy(c->out + len, rs->body, rs->body_len);
	c->out_len = len + rs->body_len;
	c->out_at = 0;
	free(rs->body);
	*rs = (struct api_response){ 0 };
	drop_request(c);
	set_state(c, CONN_WRITING, WRITE_NS);
	write_some(c);
}

/* Answer what cannot be read, and hang up. */
static void refuse(struct conn *c, unsigned int status, const char *why)
{
	c->keeps_alive = false;
	api_refuse(&c->rs, status, why, loop_now_ns(c->server->daemon->loop));
	answer(c);
}

static void handle_job(void *arg)
{
	struct conn *c = arg;

	api_handle(c->server->daemon, &c->rq, &c->rs);
}

static void on_handled(void *arg);

static void hand_over(struct conn *c)
{
	struct daemon *d = c->server->daemon;

	loop_watch_stop(&c->watch);
	set_state(c, CONN_HANDLED, 0);
	c->seen = c->server->nchanges;
	if (jobs_submit(d->requests, d->loop, handle_job, on_handled, c))
		refuse(c, 503, "Too many requests at once");
}

/* A turn of a user's is free: for whoever has waited longest. */
static void pass_turn(struct server *s, const char *user)
{
	for (struct list *p = s->conns.next; p != &s->conns; p = p->next) {
		struct conn *c = container_of(p, struct conn, link);

		if (c->state != CONN_QUEUED || strcmp(c->rq.user, user) != 0)
			continue;
		if (api_turn_take(s->daemon, &c->rq))
			hand_over(c);
		return;
	}
}

static void await_turn(struct conn *c)
{
	c->rs.needs_turn = false;
	/* One may have become free just now. */
	if (api_turn_take(c->server->daemon, &c->rq)) {
		hand_over(c);
		return;
	}
	set_state(c, CONN_QUEUED, 0);
	if (!watch(c, EPOLLRDHUP))
		close_conn(c);
}

static void on_handled(void *arg)
{
	struct conn *c = arg;
	struct server *s = c->server;
	uint64_t now = loop_now_ns(s->daemon->loop);

	if (c->rq.has_turn) {
		char user[UUID_SIZE];

		memcpy(user, c->rq.user, UUID_SIZE);
		api_turn_give(s->daemon, &c->rq);
		pass_turn(s, user);
	}
	if (c->is_closed) {
		free_conn(c);
	} else if (c->rs.needs_turn) {
		await_turn(c);
	} else if (c->rs.stream) {
		answer_stream(c);
	} else if (!c->rs.again_ns) {
		answer(c);
	} else if (c->seen != c->server->nchanges || c->rs.again_ns <= now) {
		c->rs.again_ns = 0;
		hand_over(c);
	} else {
		set_state(c, CONN_PARKED, c->rs.again_ns - now);
		c->rs.again_ns = 0;
		if (!watch(c, EPOLLRDHUP))
			close_conn(c);
	}
}

static void on_late(struct loop_timer *t)
{
	struct conn *c = of_timer(t);

	if (c->state == CONN_PARKED)
		hand_over(c);
	else if (c->state == CONN_HEAD || c->state == CONN_BODY)
		refuse(c, 408, "The request took too long");
	else
		close_conn(c);
}

static void on_changed(void *arg)
{
	struct server *s = arg;
	struct list *p, *next;

	atomic_store(&s->is_told, false);
	s->nchanges++;
	for (p = s->conns.next; p != &s->conns; p = next) {
		struct conn *c = (struct conn *)((char *)p -
						 offsetof(struct conn, link));

		next = p->next;
		if (c->state == CONN_PARKED)
			hand_over(c);
	}
}

void server_changed(struct server *s)
{
	if (!atomic_exchange(&s->is_told, true))
		loop_post(s->daemon->loop, on_changed, s);
}

static char *text_of(const struct http1_text *t)
{
	return t ? xstrndup(t->p, t->len) : NULL;
}

/* What follows "Bearer ". */
static char *token_of(const struct http1_text *t)
{
	if (!t || t->len < 7 || strncasecmp(t->p, "Bearer ", 7))
		return NULL;
	return xstrndup(t->p + 7, t->len - 7);
}

static void take_head(struct conn *c)
{
	const struct http1_head *h = &c->head;
	const char *mark = memchr(h->target.p, '?', h->target.len);
	size_t len = mark ? (size_t)(mark - h->target.p) : h->target.len;

	c->keeps_alive = h->keeps_alive;
	c->is_chunked = h->minor > 0;
	c->rq = (struct api_request){
		.method = text_of(&h->method),
		.path = xstrndup(h->target.p, len),
		.query = mark ? xstrndup(mark + 1, h->target.len - len - 1)
			      : xstrdup(""),
		.token = token_of(http1_find(h, "authorization")),
		.accept = text_of(http1_find(h, "accept")),
		.is_local = c->is_local,
		.started_ns = loop_now_ns(c->server->daemon->loop),
	};
	http1_body_init(&c->body, h);
}

static void consume(struct conn *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	if (!c->in_len) {
		free(take_ptr(c->in));
		c->in_room = 0;
	}
}

/* Keep n more bytes of the body: 0, or the status that refuses it. */
static unsigned int add_body(struct conn *c, const char *data, size_t n)
{
	struct server *s = c->server;
	size_t len = c->rq.body_len + n;

	if (len > SERVER_BODY_MAX)
		return 413;
	if (len > BODY_SMALL && s->nbodies + n > BODIES_MAX)
		return 503;
	if (!n)
		return 0;
	c->rq.body = xreallocarray(c->rq.body, len, 1);
	memcpy(c->rq.body + c->rq.body_len, data, n);
	c->rq.body_len = len;
	s->nbodies += n;
	return 0;
}

static void refuse_body(struct conn *c, unsigned int status)
{
	refuse(c, status,
	       status == 413   ? "The request body is too large"
	       : status == 503 ? "Too many requests at once"
			       : "Malformed request body");
}

/* False: it has been refused. */
static bool read_body(struct conn *c)
{
	size_t used = 0;

	while (used < c->in_len && !c->body.is_done) {
		const char *data;
		size_t n;
		ssize_t r = http1_body_read(&c->body, c->in + used,
					    c->in_len - used, &data, &n);
		unsigned int status = r < 0 ? 400 : add_body(c, data, n);

		if (status) {
			refuse_body(c, status);
			return false;
		}
		used += (size_t)r;
	}
	consume(c, used);
	return true;
}

/* 0: more is needed; 1: go on; -1: refused. */
static int read_head(struct conn *c)
{
	ssize_t n = http1_request(&c->head, c->in, c->in_len, SERVER_HEAD_MAX);

	if (n < 0) {
		refuse(c, http1_refusal(n), "Malformed request");
		return -1;
	}
	if (!n)
		return 0;
	take_head(c);
	if (c->head.framing == HTTP1_LENGTH &&
	    c->head.content_length > SERVER_BODY_MAX) {
		refuse(c, 413, "The request body is too large");
		return -1;
	}
	consume(c, (size_t)n);
	set_state(c, CONN_BODY, BODY_NS);
	if (c->head.expects_continue && !c->body.is_done)
		(void)!send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	return 1;
}

/* Go as far as what was read allows. */
static void serve(struct conn *c)
{
	if (c->state == CONN_IDLE)
		set_state(c, CONN_HEAD, HEAD_NS);
	if (c->state == CONN_HEAD && read_head(c) <= 0)
		return;
	if (c->state == CONN_BODY && read_body(c) && c->body.is_done)
		hand_over(c);
}

static void read_some(struct conn *c)
{
	ssize_t n;

	if (c->in_room - c->in_len < CHUNK) {
		c->in_room = c->in_len + 2 * CHUNK;
		c->in = xreallocarray(c->in, c->in_room, 1);
	}
	n = recv(c->fd, c->in + c->in_len, c->in_room - c->in_len,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_conn(c);
		return;
	}
	c->in_len += (size_t)n;
	serve(c);
}

static void on_conn(struct loop_watch *w, uint32_t events)
{
	struct conn *c = (struct conn *)w;

	if (c->state == CONN_PARKED || c->state == CONN_QUEUED || c->is_waiting)
		close_conn(c);
	else if (c->state == CONN_WRITING || c->state == CONN_STREAMING)
		write_some(c);
	else if (events)
		read_some(c);
}

/* Whether the other end of a unix socket is this user, or root. */
static bool is_own(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == geteuid() || cred.uid == 0);
}

static void on_listener(struct loop_watch *w, uint32_t events);

static void on_rested(struct loop_timer *t)
{
	struct listener *l = container_of(t, struct listener, timer);

	loop_watch_start(l->server->daemon->loop, &l->watch, l->watch.fd,
			 EPOLLIN, on_listener);
}

/* The oldest that has not said what it wants makes room for another. */
static bool make_room(struct server *s)
{
	for (struct list *p = s->conns.next; p != &s->conns; p = p->next) {
		struct conn *c = (struct conn *)((char *)p -
						 offsetof(struct conn, link));

		if (c->state <= CONN_BODY) {
			close_conn(c);
			return true;
		}
	}
	return false;
}

static void on_listener(struct loop_watch *w, uint32_t events)
{
	struct listener *l = (struct listener *)w;
	struct server *s = l->server;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	(void)events;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			loop_watch_stop(w);
			loop_timer_set(s->daemon->loop, &l->timer, REST_NS, 0,
				       on_rested);
		}
		return;
	}
	/* Those who come over the network do not keep our own out. */
	if (s->nconns >= SERVER_CONNECTIONS_MAX && !l->is_unix &&
	    !make_room(s)) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->fd = fd;
	c->is_local = l->is_unix && is_own(fd);
	list_append(&s->conns, &c->link);
	s->nconns++;
	set_state(c, CONN_IDLE, HEAD_NS);
	if (!watch(c, EPOLLIN))
		close_conn(c);
}

struct server *server_new(struct daemon *d)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->daemon = d;
	list_init(&s->conns);
	return s;
}

int server_listen(struct server *s, int fd)
{
	struct listener *l = xcalloc(1, sizeof(*l));
	int domain = 0;
	socklen_t len = sizeof(domain);
	int r;

	l->server = s;
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	l->is_unix = domain == AF_UNIX;
	r = loop_watch_start(s->daemon->loop, &l->watch, fd, EPOLLIN,
			     on_listener);
	if (r) {
		free(l);
		return r;
	}
	return 0;
}
