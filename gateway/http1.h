/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0 and 1.1 messages (RFC 9112): heads of requests and responses, and
 * the framing of their bodies, out of bytes as they arrive. What two readers
 * could understand differently is refused, not repaired: lines that end
 * otherwise than with CRLF, folded lines, space before a colon, a length beside
 * a transfer coding, two lengths, other codings than chunked. Nothing is
 * copied: names and values are places in the caller's buffer.
 */
#ifndef JIFFY_GATEWAY_HTTP1_H
#define JIFFY_GATEWAY_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP1_HEADERS_MAX 100

/* Bytes in the caller's buffer. */
struct http1_text {
	const char *p;
	size_t len;
};

struct http1_header {
	struct http1_text name, value; /* value: without space around it */
};

enum http1_framing {
	HTTP1_NO_BODY,
	HTTP1_LENGTH, /* of content_length bytes */
	HTTP1_CHUNKED,
	HTTP1_UNTIL_CLOSE, /* responses only */
};

/* A head. Zeroed before the first call. */
struct http1_head {
	size_t scanned; /* bytes that have been searched for its end */

	struct http1_text method, target; /* of a request */
	unsigned int status;		  /* of a response: 100 to 599 */
	unsigned int minor;		  /* HTTP/1.minor: 0 or 1 */
	unsigned int nheaders;
	struct http1_header headers[HTTP1_HEADERS_MAX];

	enum http1_framing framing;
	uint64_t content_length;
	bool keeps_alive; /* the connection may be used again */
	/* Asks for, or grants, another protocol; not h2c, whose requests nobody
	 * would look at. */
	bool is_upgrade;
	bool expects_continue; /* Expect: 100-continue */
};

/* Parse the head at the start of buf, of at most max bytes. Returns its length,
 * 0 if more is needed (call again with the same head and a longer buffer, which
 * may have moved), or what to refuse it with:
 * -EBADMSG  not HTTP, or ambiguous (400)
 * -E2BIG    longer than max, or too many headers (431)
 * -ENOTSUP  a transfer coding that is not known (501)
 * -EPROTONOSUPPORT  another version of HTTP (505) */
ssize_t http1_request(struct http1_head *h, const char *buf, size_t len,
		      size_t max);

/* The same for a response to a request whose method was HEAD or not. */
ssize_t http1_response(struct http1_head *h, const char *buf, size_t len,
		       size_t max, bool to_head);

/* The status code that refuses such a request: 400, 431, 501, 505. */
unsigned int http1_refusal(ssize_t error);

/* The value of the first header of that name, or NULL. */
const struct http1_text *http1_find(const struct http1_head *h,
				    const char *name);

/* Whether t is s; the second in any case of letters. */
bool http1_is(const struct http1_text *t, const char *s);
bool http1_is_nocase(const struct http1_text *t, const char *s);

/* Whether one of the values of all headers of that name, which are lists with
 * commas, has this word, in any case of letters. */
bool http1_lists(const struct http1_head *h, const char *name,
		 const char *word);

/* Where in a body a reader is. */
struct http1_body {
	enum http1_framing framing;
	bool is_done;  /* nothing more of it comes */
	uint64_t left; /* bytes of this chunk, or of the body */
	unsigned int state;
	unsigned int line_len; /* of a chunk's line or the trailer so far */
};

/* Begin the body that a head announces. */
void http1_body_init(struct http1_body *b, const struct http1_head *h);

/* Whether what is read next is of the trailers, the empty line behind them
 * included. */
bool http1_in_trailers(const struct http1_body *b);

/* Parse trailers that were read whole, with their empty line: the fields are
 * h's headers. 0, -EBADMSG, -E2BIG. */
int http1_trailers(struct http1_head *h, const char *buf, size_t len);

/* Take the next piece out of buf: returns how many bytes of it are used up;
 * *data, *data_len: the payload among them (maybe none). Call it again with the
 * rest until it uses up nothing, or is_done. -EBADMSG: not well-formed. */
ssize_t http1_body_read(struct http1_body *b, const char *buf, size_t len,
			const char **data, size_t *data_len);

#endif
