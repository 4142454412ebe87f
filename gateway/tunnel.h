/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two streams joined: what one says, the other hears, until both have ended.
 * What the slower side does not take is held, at most one read of it per way;
 * then the faster side is not read, so its sender stops. At rest a tunnel holds
 * no buffer. On one loop's thread.
 */
#ifndef JIFFY_GATEWAY_TUNNEL_H
#define JIFFY_GATEWAY_TUNNEL_H

#include "gateway/held.h"
#include "gateway/limits.h"
#include "gateway/stream.h"

/* The most that is read at once. */
#define TUNNEL_READ LIMITS_READ

/* Bytes on their way to one side. */
struct tunnel_way {
	struct held held; /* what was not taken yet */
	bool is_ended;	  /* no more comes */
	bool is_told;	  /* and the other side knows */
};

/* The owner opens both streams (their on_ready is set by tunnel_start). */
struct tunnel {
	struct stream client;
	struct stream backend;
	struct tunnel_way up; /* client to backend */
	struct tunnel_way down;
	void *owner;
	uint8_t *scratch; /* of the loop: TUNNEL_READ bytes, borrowed */
	/* Look at, or change, n bytes that were read. Returns how many go on,
	 * from *data, or -errno, which ends the tunnel; may set way->is_ended
	 * behind them. NULL: they pass as they are. */
	ssize_t (*filter)(struct tunnel *t, struct tunnel_way *way,
			  uint8_t **data, size_t n);
	/* Both ways have ended (0), or one failed (-errno). Closes what it
	 * wants; the tunnel is not touched afterwards. */
	void (*ended)(struct tunnel *t, int status);
};

/* Begin: what is in held goes before what is read. May call ended before it
 * returns. */
void tunnel_start(struct tunnel *t);

/* Close both streams and free what is held. */
void tunnel_close(struct tunnel *t);

#endif
