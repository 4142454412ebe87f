/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS settings of all listening ports: versions 1.2 and 1.3, session tickets,
 * the certificate by the name asked for, the protocol by ALPN. One for the
 * program, used by all loops.
 */
#ifndef JIFFY_GATEWAY_TLS_H
#define JIFFY_GATEWAY_TLS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "gateway/certs.h"
#include "host/err.h"

struct tls;

/* Which protocols a client may ask for by ALPN. One that asks for others only
 * is refused; one that asks for none is not. */
enum tls_alpn {
	/* The port has no opinion: ALPN is not answered, but to who asks for h2
	 * and not for HTTP/1.1, too: it is for the instance to speak it. */
	TLS_ALPN_NONE,
	TLS_ALPN_HTTP, /* h2, http/1.1 */
	TLS_ALPN_PG,   /* postgresql */
};

#define TLS_NAME_MAX 256

/* What a handshake asks and learns; lives as long as its SSL. */
struct tls_hello {
	enum tls_alpn alpn;
	char name[TLS_NAME_MAX]; /* asked for (SNI), lower case; "" if none */
	/* The name is known, the handshake goes on. false: refuse. May be NULL.
	 * Called from stream_handshake. */
	bool (*on_name)(struct tls_hello *h);
};

/* certs is borrowed. */
int tls_new(struct certs *certs, struct tls **out, struct err *e);
void tls_free(struct tls *t);

/* Tickets are made with a new key from now on; those of the key before are
 * still taken, older ones are not. Done by itself every 12 hours. On any
 * thread. */
void tls_rotate(struct tls *t);

/* The server's end of a TLS connection on a socket, for stream_open. */
int tls_accept(struct tls *t, int fd, struct tls_hello *h, SSL **out);

/* Whether the protocol chosen by ALPN is this one. */
bool tls_chose(const SSL *ssl, const char *protocol);

#endif
