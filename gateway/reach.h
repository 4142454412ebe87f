/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaching an instance: pick one, connect to it, wait until the connection
 * stands; refused ones (the instance wakes or its program starts) are tried
 * again within a budget. Each step answers at once or calls back later, never
 * from inside. On one loop's thread.
 */
#ifndef JIFFY_GATEWAY_REACH_H
#define JIFFY_GATEWAY_REACH_H

#include <stdbool.h>

#include "gateway/backend.h"
#include "host/loop.h"

enum reach_state {
	REACH_NONE,
	REACH_PICKING,
	REACH_PICKED,
	REACH_FAILED,
};

/* Zeroed: nothing was asked. */
struct reach {
	struct backend_call call;
	enum reach_state state;
	int status;	/* why it FAILED */
	bool is_wanted; /* a connection, or to hand over, once PICKED */
	int handed;	/* the client's socket, to hand over; -1: connect */
	int fd;		/* connecting; -1: none */
	struct loop_watch watch;
	struct loop_timer timer;
	uint64_t give_up_ns; /* 0: no connection was asked for yet */
	uint32_t delay_ms;   /* before the next attempt */
	/* The step that was begun last has ended: reach_pick by 0 or -errno,
	 * reach_connect by a descriptor that the callee owns or -errno. */
	void (*done)(struct reach *r, int result);
};

/* Begin. The caller has set call.loop, .service, .flags, .client and .local,
 * and done. 0, -EINPROGRESS, -errno. */
int reach_pick(struct reach *r);

/* A connection, whether or not the pick has ended: a descriptor, -EINPROGRESS,
 * -errno (-ETIMEDOUT: the budget is used up). */
int reach_connect(struct reach *r);

/* Give the client's own socket to the instance that was PICKED; retried while
 * its queue is full. 0, -EINPROGRESS, -errno. fd stays the caller's. */
int reach_hand_over(struct reach *r, int fd);

/* The connection was of no use (the program is not ready): another one, after a
 * while. Results as of reach_connect. */
int reach_again(struct reach *r);

/* It is over, in whatever state: no callback comes. Harmless if never begun. */
void reach_end(struct reach *r);

#endif
