/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the gateway's connections, plain and TLS.
 */
#include "gateway/stream.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/limits.h"
#include "lib/compiler.h"

static void on_watch(struct loop_watch *w, uint32_t events)
{
	struct stream *s = container_of(w, struct stream, watch);

	s->on_ready(s, events);
}

void stream_open(struct stream *s, struct loop *loop, int fd, SSL *ssl,
		 void (*on_ready)(struct stream *s, uint32_t events))
{
	*s = (struct stream){ .loop = loop,
			      .fd = fd,
			      .ssl = ssl,
			      .read_needs = EPOLLIN,
			      .write_needs = EPOLLOUT,
			      .on_ready = on_ready };
	limits_hold_file();
}

void stream_move(struct stream *to, struct stream *from)
{
	loop_watch_stop(&from->watch);
	*to = *from;
	to->watch = (struct loop_watch){ 0 };
	*from = (struct stream){ 0 };
}

void stream_close(struct stream *s)
{
	if (!s->loop)
		return;
	loop_watch_stop(&s->watch);
	SSL_free(s->ssl);
	close(s->fd);
	limits_release_file();
	s->ssl = NULL;
	s->loop = NULL;
}

/* What a TLS call that did not succeed means; *needs is what it waits for. */
static ssize_t ssl_status(struct stream *s, int result, uint32_t *needs)
{
	int saved = errno;

	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*needs = EPOLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*needs = EPOLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return saved ? -saved : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

int stream_handshake(struct stream *s)
{
	uint32_t needs = 0;
	ssize_t status;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(s->ssl);
	if (result == 1) {
		s->read_needs = EPOLLIN;
		s->write_needs = EPOLLOUT;
		return 0;
	}
	status = ssl_status(s, result, &needs);
	if (status == -EAGAIN)
		s->read_needs = s->write_needs = needs;
	return status ? (int)status : -ECONNRESET;
}

ssize_t stream_read(struct stream *s, void *buf, size_t len)
{
	ssize_t n;

	if (!s->ssl) {
		do
			n = recv(s->fd, buf, len, 0);
		while (n < 0 && errno == EINTR);
		return n < 0 ? -errno : n;
	}
	ERR_clear_error();
	errno = 0;
	n = SSL_read(s->ssl, buf, (int)MIN(len, INT_MAX));
	s->read_needs = EPOLLIN;
	return n > 0 ? n : ssl_status(s, (int)n, &s->read_needs);
}

ssize_t stream_write(struct stream *s, const void *buf, size_t len)
{
	ssize_t n;

	if (!s->ssl) {
		do
			n = send(s->fd, buf, len, MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		return n < 0 ? -errno : n;
	}
	ERR_clear_error();
	errno = 0;
	n = SSL_write(s->ssl, buf, (int)MIN(len, INT_MAX));
	s->write_needs = EPOLLOUT;
	if (n > 0)
		return n;
	n = ssl_status(s, (int)n, &s->write_needs);
	return n ? n : -EPIPE;
}

int stream_end(struct stream *s)
{
	if (s->ssl) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
	}
	return shutdown(s->fd, SHUT_WR) ? -errno : 0;
}

int stream_want(struct stream *s, bool in, bool out)
{
	uint32_t events = (in ? s->read_needs : 0) | (out ? s->write_needs : 0);

	/* Hang-ups cannot be masked: one that nobody reads would be announced
	 * for ever, so then the watch goes. */
	if (!events)
		loop_watch_stop(&s->watch);
	else if (!s->watch.loop)
		return loop_watch_start(s->loop, &s->watch, s->fd, events,
					on_watch);
	else if (s->watch.events != events)
		return loop_watch_change(&s->watch, events);
	return 0;
}

int stream_want_failure(struct stream *s, bool or_end)
{
	uint32_t events = or_end ? EPOLLRDHUP : 0;

	if (s->watch.loop)
		return loop_watch_change(&s->watch, events);
	return loop_watch_start(s->loop, &s->watch, s->fd, events, on_watch);
}

bool stream_pending(const struct stream *s)
{
	return s->ssl && SSL_pending(s->ssl) > 0;
}
