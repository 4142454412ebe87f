/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop's share of the gateway: what its connections use. A connection stays
 * on the loop that accepted it; nothing here is touched by another thread,
 * except what is marked as shared.
 */
#ifndef JIFFY_GATEWAY_GATEWAY_H
#define JIFFY_GATEWAY_GATEWAY_H

#include <stdint.h>
#include <sys/socket.h>

#include "gateway/tunnel.h"
#include "host/loop.h"
#include "lib/list.h"

struct pg_keys;
struct pool;
struct tls;

/* How long others may take, in milliseconds. Constants, but that tests have no
 * time. */
struct gateway_patience {
	uint32_t handshake; /* a client, for all before its first request */
	uint32_t head;	    /* ... for a head of HTTP, from its first byte on */
	uint32_t body;	    /* ... between two pieces of a body */
	uint32_t write;	    /* ... to take some of a response */
	uint32_t idle;	    /* ... to send another request */
	/* A connection that was ended is read this long, so that the last
	 * response is not lost by a reset. */
	uint32_t linger;
	uint32_t reach;	 /* an instance, to wake or start */
	uint32_t answer; /* ... to begin a response */
};
extern struct gateway_patience gateway_patience;

#define GATEWAY_TEXT (TUNNEL_READ + 34816)

struct gateway {
	struct loop *loop;
	struct tls *tls;	 /* shared by all loops */
	struct pg_keys *pg_keys; /* shared by all loops */
	struct pool *pool;	 /* idle connections to instances */
	struct list conns;	 /* struct conn, all of them */
	size_t nconns;
	uint8_t scratch[TUNNEL_READ]; /* what is read */
	char text[GATEWAY_TEXT]; /* what is written: a head and what follows */
};

/* What every connection begins with. */
struct conn {
	struct list link;
	struct gateway *gw;
	uint16_t port;	 /* that was listened on */
	uint32_t source; /* limits_enter() */
	struct sockaddr_storage client;
	struct sockaddr_storage local;
	void (*close)(struct conn *c); /* at once; frees it */
};

/* tls and keys are borrowed. */
int gateway_init(struct gateway *gw, struct loop *loop, struct tls *tls,
		 struct pg_keys *keys);

/* Close all connections. */
void gateway_fini(struct gateway *gw);

/* Enter a new connection; client: who it is, NULL: whoever is connected. 0, or
 * -errno if the socket has gone already. */
int conn_init(struct conn *c, struct gateway *gw, int fd,
	      const struct sockaddr_storage *client,
	      void (*close)(struct conn *c));
void conn_fini(struct conn *c);

/* Say this and close: to a client that cannot be served. */
void conn_refuse(int fd, const void *text, size_t len);

/* Serve an accepted connection (non-blocking) by the rule of its port; fd is
 * taken over. client: as of conn_init. */
typedef void gateway_accept(struct gateway *gw, int fd,
			    const struct sockaddr_storage *client);
gateway_accept tls_port_accept, pg_accept, http_accept, https_accept;
/* Whatever is asked for is at HTTPS. */
gateway_accept redirect_accept;
/* Bytes as they are, of a port that has one service. */
gateway_accept relay_accept;

/* There is no room for one more: say so and close. */
void pg_refuse(int fd);
void http_refuse(int fd);

#endif
