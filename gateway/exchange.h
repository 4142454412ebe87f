/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request on its way to an instance and the response back, for
 * whatever the client speaks. The front gives bytes of an HTTP/1.1 request as
 * they come, and gets the response in pieces; either side is stopped while the
 * other does not keep up. A connection that had been kept and turns out to be
 * dead is replaced. On one loop's thread; calls of the front never call back.
 */
#ifndef JIFFY_GATEWAY_EXCHANGE_H
#define JIFFY_GATEWAY_EXCHANGE_H

#include "gateway/gateway.h"
#include "gateway/http1.h"
#include "gateway/pool.h"
#include "gateway/reach.h"

/* What the front says to what it was given. */
enum exchange_next {
	EXCHANGE_MORE,
	EXCHANGE_PAUSE, /* no more until exchange_resume */
	EXCHANGE_GONE,	/* the exchange was ended */
};

struct exchange;

struct exchange_ops {
	/* The head of a response (NULL if it was given already; interim ones
	 * come, too) and bytes of its body, as they were sent or, with
	 * wants_payload, without chunks. is_end: the response is whole; the
	 * front calls exchange_end in its own time. */
	enum exchange_next (*received)(struct exchange *x,
				       const struct http1_head *head,
				       const uint8_t *data, size_t len,
				       bool is_end);
	/* How much of the response to read at once, at most TUNNEL_READ. NULL:
	 * limits_read_size(). */
	size_t (*room)(struct exchange *x);
	/* There is room for more of the request. */
	enum exchange_next (*drained)(struct exchange *x);
	/* It failed: -errno; has_response tells if a head had been given.
	 * The front calls exchange_end. */
	void (*failed)(struct exchange *x, int status);
};

/* Zeroed: none. */
struct exchange {
	struct gateway *gw;
	const struct exchange_ops *ops;
	struct reach reach;
	struct upstream *up;
	struct held held; /* of the request, not taken yet */
	uint8_t *sent;	  /* of the request, while it may be sent again */
	size_t nsent;
	uint8_t *part; /* of a response's head */
	size_t npart, scanned;
	size_t ninterim; /* bytes of interim responses */
	struct http1_body body;
	struct held trailers; /* of the response, as they came */
	bool is_open;
	/* set by the front */
	bool to_head; /* of a HEAD request */
	bool wants_payload;
	bool may_repeat; /* the method is idempotent */
	bool may_switch; /* another protocol was asked for */
	bool is_sent;	 /* all of the request was written */
	/* what has come */
	bool has_bytes;	   /* of the response, at all */
	bool has_response; /* its head, to be precise */
	bool is_switched;  /* 101: the connection is the front's to take */
	bool is_whole;
	bool is_reusable; /* by what the head said */
	bool is_paused;
	bool is_broken; /* writes fail; a response may have come, though */
};

/* Begin: 0, or -errno of reach_pick; failed() is for what comes later. */
int exchange_begin(struct exchange *x, struct gateway *gw,
		   struct service *service, struct conn *from,
		   const struct exchange_ops *ops);

/* Send bytes of the request. True: some are held, wait for drained(). */
bool exchange_write(struct exchange *x, const void *data, size_t len);

/* After EXCHANGE_PAUSE. */
void exchange_resume(struct exchange *x);

/* Take the connection after a 101; the caller owns it. */
struct upstream *exchange_take(struct exchange *x);

/* It is over, in whatever state; harmless if none was begun. */
void exchange_end(struct exchange *x);

#endif
