/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocols that a port of a service may speak, by the names of the API's
 * handlers. One set for the program, beside the services of
 * gateway/service.h.
 */
#ifndef JIFFY_GATEWAY_PROTOCOLS_H
#define JIFFY_GATEWAY_PROTOCOLS_H

#include <stddef.h>

#include "gateway/certs.h"
#include "gateway/service.h"
#include "host/err.h"
#include "host/loop.h"

/* Set up each loop's share. certs is borrowed. While no loop runs. */
int protocols_start(struct loop *const *loops, unsigned int nloops,
		    struct certs *certs, struct err *e);

/* Close all connections. When no loop runs any more, before it is freed. */
void protocols_stop(void);

/* What handlers mean for service_port.protocol (arg is NULL): none: plain TCP
 * (*out is NULL); tls; http; http and tls; http and redirect, or redirect;
 * postgresql. -EINVAL for what does not go together. */
int protocol_find(const char *const *handlers, size_t nhandlers,
		  service_protocol **out);

/* Plain TCP through the gateway: what a port without handlers has whose
 * instances want a header. */
service_protocol protocol_relay;

#endif
