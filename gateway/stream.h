/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A non-blocking byte stream on a loop: a connected socket, perhaps with TLS on
 * it. It keeps no bytes of its own; who reads decides where they go, so that a
 * stream at rest costs a descriptor and this struct. SIGPIPE must be ignored by
 * the program. Everything is on the loop's thread.
 */
#ifndef JIFFY_GATEWAY_STREAM_H
#define JIFFY_GATEWAY_STREAM_H

#include <openssl/types.h>
#include <stdbool.h>
#include <sys/types.h>

#include "host/loop.h"

/* Zeroed: not open. */
struct stream {
	struct loop_watch watch;
	struct loop *loop; /* NULL: not open */
	int fd;
	SSL *ssl; /* NULL: plain */
	/* what the last read or write that could not go on waits for */
	uint32_t read_needs;
	uint32_t write_needs;
	/* The socket is ready for what stream_want said. */
	void (*on_ready)(struct stream *s, uint32_t events);
};

/* Take over a non-blocking socket, and a TLS connection that is bound to it
 * (NULL: none). Nothing is watched until stream_want. */
void stream_open(struct stream *s, struct loop *loop, int fd, SSL *ssl,
		 void (*on_ready)(struct stream *s, uint32_t events));

/* Move it to another place; its on_ready is set by the new owner, and nothing
 * is watched until stream_want. */
void stream_move(struct stream *to, struct stream *from);

/* Close it, without a farewell. May be called on one that is not open. */
void stream_close(struct stream *s);

static inline bool stream_is_open(const struct stream *s)
{
	return s->loop;
}

/* Go on with the handshake: 0 when done, -EAGAIN, -EPROTO, -errno. */
int stream_handshake(struct stream *s);

/* At most len bytes; 0: the other side has ended; -EAGAIN; -errno. */
ssize_t stream_read(struct stream *s, void *buf, size_t len);

/* How many of the len bytes were taken (len is not 0), -EAGAIN, -errno. */
ssize_t stream_write(struct stream *s, const void *buf, size_t len);

/* Tell the other side that no more comes; what comes from it can still be read.
 * 0 or -errno. */
int stream_end(struct stream *s);

/* Be called when it can be read or written; neither: not even for errors. What
 * TLS has decrypted already is not announced: read until -EAGAIN. -errno if the
 * system has no room for one more watch. */
int stream_want(struct stream *s, bool in, bool out);

/* Be called only when it has failed or both sides have ended it; or_end: also
 * when the other side alone has. */
int stream_want_failure(struct stream *s, bool or_end);

/* Whether TLS holds bytes that a read would give without the socket. */
bool stream_pending(const struct stream *s);

#endif
