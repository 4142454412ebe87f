/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a port's accepted connection to the protocol that serves it, on the loop
 * that accepted it.
 */
#include "gateway/protocols.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/limits.h"
#include "gateway/pg_keys.h"
#include "gateway/tls.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

static struct protocols {
	struct gateway *gateways; /* one a loop */
	unsigned int count;
	struct tls *tls;
	struct pg_keys *keys;
} protocols;

int protocols_start(struct loop *const *loops, unsigned int nloops,
		    struct certs *certs, struct err *e)
{
	int status = tls_new(certs, &protocols.tls, e);

	if (status)
		return status;
	signal(SIGPIPE, SIG_IGN);
	limits_start();
	pg_keys_new(&protocols.keys);
	protocols.gateways = xcalloc(nloops, sizeof(*protocols.gateways));
	protocols.count = nloops;
	for (unsigned int i = 0; i < nloops; i++)
		gateway_init(&protocols.gateways[i], loops[i], protocols.tls,
			     protocols.keys);
	return 0;
}

void protocols_stop(void)
{
	for (unsigned int i = 0; i < protocols.count; i++)
		gateway_fini(&protocols.gateways[i]);
	free(protocols.gateways);
	tls_free(protocols.tls);
	pg_keys_free(protocols.keys);
	protocols = (struct protocols){ 0 };
}

static struct gateway *gateway_of(const struct loop *l)
{
	for (unsigned int i = 0; i < protocols.count; i++) {
		if (protocols.gateways[i].loop == l)
			return &protocols.gateways[i];
	}
	return NULL;
}

static void close_fd(int fd)
{
	close(fd);
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET
		       ? ntohs(((const struct sockaddr_in *)a)->sin_port)
		       : 0;
}

static void serve(struct loop *l, int fd, const struct sockaddr_storage *client,
		  const struct sockaddr_storage *local, gateway_accept *accept,
		  void (*refuse)(int fd))
{
	struct gateway *gw = gateway_of(l);

	if (!gw)
		close(fd);
	else if (limits_admits(port_of(local), client))
		accept(gw, fd, client);
	else
		refuse(fd);
}

/* clang-format off */
#define PROTOCOL(name, accept, refuse)                                  \
	static void name(struct loop *l, int fd,                        \
			 const struct sockaddr_storage *client,         \
			 const struct sockaddr_storage *local,          \
			 struct service *service, void *arg)            \
	{                                                               \
		(void)service, (void)arg;                               \
		serve(l, fd, client, local, accept, refuse);            \
	}

PROTOCOL(serve_tls, tls_port_accept, close_fd)
PROTOCOL(serve_http, http_accept, http_refuse)
PROTOCOL(serve_https, https_accept, close_fd)
PROTOCOL(serve_redirect, redirect_accept, http_refuse)
PROTOCOL(serve_postgresql, pg_accept, pg_refuse)

void protocol_relay(struct loop *l, int fd,
		    const struct sockaddr_storage *client,
		    const struct sockaddr_storage *local,
		    struct service *service, void *arg)
{
	(void)service, (void)arg;
	serve(l, fd, client, local, relay_accept, close_fd);
}

/* The names of handlers, a bit each, and what their sets mean. */
static const char *const names[] = { "tls", "http", "redirect", "postgresql" };
enum { TLS = 1, HTTP = 2, REDIRECT = 4, POSTGRESQL = 8 };

static const struct {
	unsigned int handlers;
	service_protocol *protocol;
} meanings[] = {
	{ 0, NULL },
	{ TLS, serve_tls },
	{ HTTP, serve_http },
	{ HTTP | TLS, serve_https },
	{ REDIRECT, serve_redirect },
	{ HTTP | REDIRECT, serve_redirect },
	{ POSTGRESQL, serve_postgresql },
	{ POSTGRESQL | TLS, serve_postgresql },
};
/* clang-format on */

static unsigned int bit_of(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name))
			return 1u << i;
	}
	return 0;
}

int protocol_find(const char *const *handlers, size_t nhandlers,
		  service_protocol **out)
{
	unsigned int set = 0;

	for (size_t i = 0; i < nhandlers; i++) {
		unsigned int bit = bit_of(handlers[i]);

		if (!bit)
			return -EINVAL;
		set |= bit;
	}
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (meanings[i].handlers == set) {
			*out = meanings[i].protocol;
			return 0;
		}
	}
	return -EINVAL;
}
