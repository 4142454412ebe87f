/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services for unit tests of the gateway's protocols: each has one instance, a
 * listening socket of the test itself. A loop runs in a thread of its own, so
 * that a test is a straight line: the client says, the instance hears.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_BACKEND_H
#define JIFFY_TESTS_UNIT_STUB_BACKEND_H

#include <openssl/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/gateway.h"

struct service {
	const char *name;
	const char *path; /* prefix; NULL: any */
	int listener;
	uint16_t port;
	_Atomic unsigned int picks, connects, releases, holds, unholds;
	_Atomic int wake_ms;	 /* a pick takes this long */
	_Atomic bool asleep;	 /* BACKEND_NO_WAKE fails */
	_Atomic bool refuses;	 /* connections are refused */
	_Atomic int handed;	 /* a descriptor that was handed over, or -1 */
	_Atomic int pick_status; /* what a pick fails with */
	_Atomic int port_asked;	 /* of the instance, as picks say */
	_Atomic bool wants_header; /* nothing can be handed over to it */
};

#define STUB_SERVICES 4
struct stub {
	struct service services[STUB_SERVICES];
	size_t count;
	struct gateway gateway;
	struct certs *certs;
};
extern struct stub stub;

/* Start a loop and count services named "a.test", "b.test" ..., which also
 * answer to "a", "b" ...; one certificate for *.test. */
void stub_start(size_t count);
void stub_stop(void);

/* A new connection of a client, which the gateway accepts by this function. */
int stub_connect(gateway_accept *accept);

/* The next connection that the service's instance gets; -1 after 10 s. */
int stub_accept(struct service *s);

/* A client's TLS on fd: blocking; NULL if the handshake failed. alpn in wire
 * format or NULL; name NULL: no SNI. */
SSL *stub_tls(int fd, const char *name, const char *alpn);
void stub_tls_free(SSL *ssl);

/* Exactly len bytes, or false: at the end, or after 10 s without. */
bool stub_read(int fd, void *buf, size_t len);
bool stub_tls_read(SSL *ssl, void *buf, size_t len);

/* Wait until the value is reached; false after 10 s. */
bool stub_wait(_Atomic unsigned int *value, unsigned int want);
/* Wait until what was sent to the gateway so far has been read. */
void stub_turn(void);
/* Wait until no connection is left in the gateway. */
bool stub_wait_idle(void);

#endif
