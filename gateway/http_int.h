/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two HTTP fronts share.
 */
#ifndef JIFFY_GATEWAY_HTTP_INT_H
#define JIFFY_GATEWAY_HTTP_INT_H

#include "gateway/gateway.h"

/* Serve a client that chose h2 in its handshake; the stream is taken over. */
void h2_accept(struct gateway *gw, struct stream *stream,
	       const struct sockaddr_storage *client);

/* The status that tells the client of an exchange that failed. */
unsigned int http_failure(int status);

#endif
