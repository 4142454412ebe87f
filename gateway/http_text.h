/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads as a proxy passes them on: where a request goes, and the text of
 * requests and responses without what belongs to one connection only. Pure
 * functions on parsed heads.
 */
#ifndef JIFFY_GATEWAY_HTTP_TEXT_H
#define JIFFY_GATEWAY_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "gateway/http1.h"

/* The longest head that is taken from either side. */
#define HTTP_HEAD_MAX 32768
/* What a proxy may add to it. */
#define HTTP_HEAD_ROOM 1024
#define HTTP_NAME_MAX 256
#define HTTP_PATH_MAX 1024

/* Where a request wants to go. */
struct http_place {
	char host[HTTP_NAME_MAX];    /* lower case, no port, no last dot */
	char path[HTTP_PATH_MAX];    /* without the query; cut if longer */
	struct http1_text authority; /* as it was sent, "" if it was not */
	struct http1_text target;    /* in origin form, or "*" */
};

/* Read the place out of a request's head: 0, or the status that refuses it (400
 * for no or several hosts, 405 for CONNECT). */
unsigned int http_place(const struct http1_head *h, struct http_place *place);

/* What the proxy says of the client. */
struct http_via {
	const struct sockaddr_storage *client;
	bool is_https;
};

/* The text of a request, for an instance; its length, -ENOSPC. The body's
 * framing stays as it was. */
ssize_t http_request_text(const struct http1_head *h,
			  const struct http_place *place,
			  const struct http_via *via, char *out, size_t size);

/* How a response goes on. */
struct http_answer {
	bool closes;	   /* the connection is closed behind it */
	bool is_10;	   /* to a client of HTTP/1.0 */
	bool is_unchunked; /* its body is passed on without chunks */
};

/* The text of a response, for an HTTP/1 client. */
ssize_t http_response_text(const struct http1_head *h,
			   const struct http_answer *a, char *out, size_t size);

/* Whether a header belongs to the connection alone: by its own name, or because
 * Connection lists it. */
bool http_is_hop(const struct http1_head *h, const struct http1_header *header);

/* Whether a field may be passed on as a trailer: not what frames, routes or
 * opens anything. */
bool http_is_trailer(const struct http1_header *header);

/* The text of trailers that were read (http1_trailers), with the empty line;
 * its length, -EBADMSG, -ENOSPC. */
ssize_t http_trailers_text(const char *raw, size_t len, char *out, size_t size);

/* A whole response of the proxy's own, that closes the connection; location:
 * NULL, or where to go instead. */
ssize_t http_own_text(unsigned int status, const char *location, bool to_head,
		      char *out, size_t size);

/* "Not Found" for 404. */
const char *http_reason(unsigned int status);

/* The address as text, without the port. */
void http_address(const struct sockaddr_storage *a, char *out, size_t size);

#endif
