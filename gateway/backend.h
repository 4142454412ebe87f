/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the protocols of the gateway ask of the services behind them: which
 * service a name means, which of its instances takes a connection or request,
 * and a connection to that instance. gateway/service.c implements it; unit
 * tests link an implementation of their own.
 *
 * A call goes: backend_pick, any number of backend_connect, backend_release.
 * All of one call is on one loop's thread. A callback is never made from inside
 * the function that asked for it.
 */
#ifndef JIFFY_GATEWAY_BACKEND_H
#define JIFFY_GATEWAY_BACKEND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/list.h"

struct loop;
struct service;

/* Only an instance that runs; nothing is woken or started. */
#define BACKEND_NO_WAKE 1u
/* Counts against the limits as a request in flight, not as a connection. */
#define BACKEND_REQUEST 2u

/* One connection or request on its way to an instance. The caller owns it and
 * keeps it in place until backend_release. Zeroed before its first use. */
struct backend_call {
	/* set by the caller */
	struct loop *loop;
	struct service *service;
	unsigned int flags;
	const struct sockaddr_storage *client; /* who asks; borrowed */
	const struct sockaddr_storage *local;  /* what was asked; borrowed */
	/* backend_pick ended: 0, or -errno as backend_pick returns it. */
	void (*picked)(struct backend_call *call, int status);
	/* backend_connect ended: a descriptor or -errno. */
	void (*connected)(struct backend_call *call, int fd);
	void *owner;
	/* The instance did not take its end of a connection in time
	 * (-ETIMEDOUT), or cannot be started: say so in its place; fd is closed
	 * afterwards. NULL: nothing is said. Of no object: it may be called
	 * when the call has been released, on any thread. */
	void (*give_up)(int fd, int status);

	/* In: this instance and no other, 0 for any. Out: the one that was
	 * picked. Numbers are never used twice, so one may be remembered after
	 * the instance has gone. */
	uint64_t instance;
	/* Out: how long an idle connection to it may be kept for the next
	 * request, in milliseconds; 0: not at all. Open connections may keep an
	 * instance awake. */
	uint32_t keep_ms;
	/* Out: the instance's port: connections to others are no good. */
	uint16_t port;

	/* the implementation's own */
	struct list link;
	void *private;
	int state;
};

/* The service that a name means on a listening port, NULL if none. name is a
 * domain (matched exactly, then by wildcard) or, for protocols that route by a
 * bare word, a service's name; "" means the port's only service, if it has just
 * one. Case does not matter; no port, no trailing dot. path is the HTTP path
 * ("/..."), NULL where there is none. The result is valid for the current turn
 * of the loop, and after that as long as a call is made with it. */
struct service *backend_find(uint16_t port, const char *name, const char *path);

/* Keep a service for longer than that; each is given back once. On any thread.
 */
void backend_hold(struct service *s);
void backend_unhold(struct service *s);

/* Choose an instance and begin to wake or start it if need be: connections made
 * from now on are answered once it is there. 0: call->instance is set.
 * -EINPROGRESS: call->picked comes later. -EUSERS: over the hard limit.
 * -EHOSTUNREACH: none runs (BACKEND_NO_WAKE), or it cannot be started.
 * -EAGAIN: too many wait. */
int backend_pick(struct backend_call *call);

/* A connection to the instance that was picked: a non-blocking socket that the
 * caller owns, perhaps still connecting. A descriptor, -EINPROGRESS with
 * call->connected later, or -errno. One at a time. */
int backend_connect(struct backend_call *call);

/* Hand the client's own socket to the instance that was picked; the caller
 * closes its descriptor afterwards, but releases the call only when the count
 * of it is to end (the kernel counts connections handed over: release at once).
 * 0, -EAGAIN if its queue is full (try again after a while), -ENOTSUP if it
 * wants to be told who the client is (connect, then), -errno. */
int backend_hand_over(struct backend_call *call, int fd);

/* The connection or request has ended, or is given up in whatever state it is:
 * no callback comes any more. Harmless on a call that never began. */
void backend_release(struct backend_call *call);

#endif
