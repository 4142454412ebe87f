/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joined streams: TLS ports, WebSockets and PostgreSQL sessions once they are
 * set up.
 */
#include "gateway/tunnel.h"

#include <errno.h>

#include "lib/compiler.h"

/* Reads of one way in one turn, so that a fast one does not stop the others. */
#define TURN_READS 4

static int write_through(struct tunnel_way *way, struct stream *to,
			 const uint8_t *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = stream_write(to, data + at, len - at);

		if (n == -EAGAIN) {
			held_add(&way->held, data + at, len - at);
			return -EAGAIN;
		}
		if (n < 0)
			return (int)n;
		at += (size_t)n;
	}
	return 0;
}

/* The way's source has ended: say so to the other side, once. */
static int tell_end(struct tunnel_way *way, struct stream *to)
{
	int status;

	if (way->is_told)
		return -EAGAIN;
	way->is_told = true;
	status = stream_end(to);
	/* It may have gone already. */
	return status == -ENOTCONN || !status ? -EAGAIN : status;
}

/* Read once and pass it on: 0: there may be more; -EAGAIN; -errno. */
static int move_once(struct tunnel *t, struct tunnel_way *way,
		     struct stream *from, struct stream *to)
{
	uint8_t *data = t->scratch;
	size_t size = limits_read_size();
	bool is_last;
	ssize_t n;
	int status = held_write(&way->held, to);

	if (status)
		return status;
	if (way->is_ended)
		return tell_end(way, to);
	n = stream_read(from, data, size);
	if (n < 0)
		return (int)n;
	if (!n) {
		way->is_ended = true;
		return 0;
	}
	is_last = !from->ssl && (size_t)n < size;
	if (t->filter)
		n = t->filter(t, way, &data, (size_t)n);
	if (n >= 0)
		status = write_through(way, to, data, (size_t)n);
	else
		status = (int)n;
	/* A filter may have ended it. */
	return status || !is_last || way->is_ended ? status : -EAGAIN;
}

/* As much as a turn allows; what TLS has decrypted must not be left, since
 * nothing announces it. 0 or -errno. */
static int move(struct tunnel *t, struct tunnel_way *way, struct stream *from,
		struct stream *to)
{
	int status = 0;

	/* Nothing announces an end that was read but not told, either. */
	for (int i = 0; i < TURN_READS || stream_pending(from) ||
			(way->is_ended && !way->is_told);
	     i++) {
		status = move_once(t, way, from, to);
		if (status)
			break;
	}
	return status == -EAGAIN ? 0 : status;
}

static int set_wants(struct tunnel *t)
{
	int status = stream_want(&t->client, !t->up.held.p && !t->up.is_ended,
				 t->down.held.p);

	return status ? status
		      : stream_want(&t->backend,
				    !t->down.held.p && !t->down.is_ended,
				    t->up.held.p);
}

/* Move the ways that may have become ready. */
static void tunnel_pump(struct tunnel *t, bool is_up, bool is_down)
{
	int status = 0;

	if (is_up)
		status = move(t, &t->up, &t->client, &t->backend);
	if (!status && is_down)
		status = move(t, &t->down, &t->backend, &t->client);
	if (!status && t->up.is_told && t->down.is_told) {
		t->ended(t, 0);
		return;
	}
	if (!status)
		status = set_wants(t);
	if (status)
		t->ended(t, status);
}

/* Whether what a read (write) of s waited for is there. */
static bool can_read(const struct stream *s, uint32_t events)
{
	return events & (s->read_needs | EPOLLERR | EPOLLHUP);
}

static bool can_write(const struct stream *s, uint32_t events)
{
	return events & (s->write_needs | EPOLLERR | EPOLLHUP);
}

static void on_client(struct stream *s, uint32_t events)
{
	tunnel_pump(container_of(s, struct tunnel, client), can_read(s, events),
		    can_write(s, events));
}

static void on_backend(struct stream *s, uint32_t events)
{
	tunnel_pump(container_of(s, struct tunnel, backend),
		    can_write(s, events), can_read(s, events));
}

void tunnel_start(struct tunnel *t)
{
	t->client.on_ready = on_client;
	t->backend.on_ready = on_backend;
	tunnel_pump(t, true, true);
}

void tunnel_close(struct tunnel *t)
{
	stream_close(&t->client);
	stream_close(&t->backend);
	held_free(&t->up.held);
	held_free(&t->down.held);
}
