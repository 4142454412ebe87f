/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers whose body is made while it is sent: a command's output, a file. The
 * server pulls pieces on the daemon's loop when the client has taken the last
 * one; nothing is kept for a client that reads slowly.
 */
#ifndef JIFFY_DAEMON_STREAM_H
#define JIFFY_DAEMON_STREAM_H

#include <sys/types.h>

#include "daemon/api.h"

/* Of one user at a time: beyond it API_TOO_MANY. */
#define STREAMS_PER_USER 64

struct stream;

/* Both on the daemon's loop. */
struct stream_ops {
	/* At most len bytes of the body into buf; 0: that was all; -EAGAIN:
	 * on_ready() will be called; -errno: it is broken off. */
	ssize_t (*read)(struct stream *s, char *buf, size_t len);
	/* Nobody reads any more: frees it, as soon as that can be. */
	void (*close)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
	struct daemon *daemon;
	char user[UUID_SIZE];
	/* The reader's. */
	void (*on_ready)(struct stream *s);
	void *reader;
};

/* Begin one of the caller's: 0 or API_TOO_MANY. */
int stream_init(struct stream *s, const struct stream_ops *ops, struct call *c,
		struct err *e);
/* The user may have another one instead. */
void stream_fini(struct stream *s);

#endif
