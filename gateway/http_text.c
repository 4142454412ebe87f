/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the proxy writes; used by gateway/http.c, gateway/h2.c and the fuzz
 * target.
 */
#include "gateway/http_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/compiler.h"

/* Text that is being written; is_full once something did not fit. */
struct out {
	char *p;
	size_t len, size;
	bool is_full;
};

static void add(struct out *o, const char *p, size_t len)
{
	if (o->is_full || len > o->size - o->len) {
		o->is_full = true;
		return;
	}
	memcpy(o->p + o->len, p, len);
	o->len += len;
}

static void add_text(struct out *o, const char *s)
{
	add(o, s, strlen(s));
}

static void add_header(struct out *o, const char *name, const char *value)
{
	add_text(o, name);
	add_text(o, ": ");
	add_text(o, value);
	add_text(o, "\r\n");
}

static void copy_header(struct out *o, const struct http1_header *h)
{
	add(o, h->name.p, h->name.len);
	add(o, ": ", 2);
	add(o, h->value.p, h->value.len);
	add(o, "\r\n", 2);
}

static ssize_t out_result(const struct out *o)
{
	return o->is_full ? -ENOSPC : (ssize_t)o->len;
}

void http_address(const struct sockaddr_storage *a, char *out, size_t size)
{
	const void *address = NULL;

	if (a->ss_family == AF_INET)
		address = &((const struct sockaddr_in *)a)->sin_addr;
	else if (a->ss_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)a)->sin6_addr;
	if (!address || !inet_ntop(a->ss_family, address, out, (socklen_t)size))
		snprintf(out, size, "unknown");
}

/* The authority and the rest of an absolute target. */
static bool split_absolute(struct http_place *place)
{
	const struct http1_text *t = &place->target;
	size_t scheme;
	const char *slash;

	if (t->len > 7 && !strncasecmp(t->p, "http://", 7))
		scheme = 7;
	else if (t->len > 8 && !strncasecmp(t->p, "https://", 8))
		scheme = 8;
	else
		return false;
	place->authority.p = t->p + scheme;
	place->authority.len = t->len - scheme;
	slash = memchr(place->authority.p, '/', place->authority.len);
	if (!slash) {
		place->target = (struct http1_text){ "/", 1 };
		return !memchr(place->authority.p, '?', place->authority.len);
	}
	place->target.len = (size_t)(t->p + t->len - slash);
	place->target.p = slash;
	place->authority.len = (size_t)(slash - place->authority.p);
	return true;
}

/* The host of host[:port]; brackets of IPv6 stay. */
static bool set_host(struct http_place *place)
{
	const struct http1_text *a = &place->authority;
	const char *end = a->p + a->len, *colon;
	const char *from = a->len && a->p[0] == '[' ? memchr(a->p, ']', a->len)
						    : a->p;
	size_t len;

	if (!from || memchr(a->p, '@', a->len))
		return false;
	colon = memchr(from, ':', (size_t)(end - from));
	len = (size_t)((colon ? colon : end) - a->p);
	for (const char *p = colon ? colon + 1 : end; p < end; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
	}
	if (len && a->p[len - 1] == '.')
		len--;
	if (len >= sizeof(place->host))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isgraph((unsigned char)a->p[i]))
			return false;
		place->host[i] = (char)tolower((unsigned char)a->p[i]);
	}
	place->host[len] = '\0';
	return true;
}

static void set_path(struct http_place *place)
{
	const struct http1_text *t = &place->target;
	const char *query = memchr(t->p, '?', t->len);
	size_t len = query ? (size_t)(query - t->p) : t->len;

	len = MIN(len, sizeof(place->path) - 1);
	memcpy(place->path, t->p, len);
	place->path[len] = '\0';
}

/* The Host headers: how many there are, and the last. */
static unsigned int count_hosts(const struct http1_head *h,
				struct http1_text *last)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->nheaders; i++) {
		if (!http1_is_nocase(&h->headers[i].name, "host"))
			continue;
		*last = h->headers[i].value;
		n++;
	}
	return n;
}

unsigned int http_place(const struct http1_head *h, struct http_place *place)
{
	unsigned int nhosts;

	*place = (struct http_place){ .target = h->target,
				      .authority = { "", 0 } };
	if (http1_is(&h->method, "CONNECT"))
		return 405;
	nhosts = count_hosts(h, &place->authority);
	if (nhosts > 1 || (!nhosts && h->minor))
		return 400;
	if (!place->target.len ||
	    (place->target.p[0] != '/' && !http1_is(&place->target, "*") &&
	     !split_absolute(place)))
		return 400;
	if (!set_host(place))
		return 400;
	set_path(place);
	return 0;
}

static const char *const hops[] = {
	"connection", "keep-alive", "proxy-connection", "upgrade", "te",
};

bool http_is_hop(const struct http1_head *h, const struct http1_header *header)
{
	char name[64];

	for (size_t i = 0; i < ARRAY_SIZE(hops); i++) {
		if (http1_is_nocase(&header->name, hops[i]))
			return true;
	}
	/* What frames the message cannot be listed away. */
	if (header->name.len >= sizeof(name) ||
	    http1_is_nocase(&header->name, "content-length") ||
	    http1_is_nocase(&header->name, "transfer-encoding") ||
	    http1_is_nocase(&header->name, "host"))
		return false;
	memcpy(name, header->name.p, header->name.len);
	name[header->name.len] = '\0';
	return http1_lists(h, "connection", name);
}

/* Headers of a request that the proxy writes itself. */
static bool is_own_request(const struct http1_header *header)
{
	return http1_is_nocase(&header->name, "host") ||
	       http1_is_nocase(&header->name, "x-forwarded-for") ||
	       http1_is_nocase(&header->name, "x-forwarded-proto");
}

static void add_forwarded(struct out *o, const struct http1_head *h,
			  const struct http_via *via)
{
	char address[INET6_ADDRSTRLEN + 1];

	add_text(o, "X-Forwarded-For: ");
	for (unsigned int i = 0; i < h->nheaders; i++) {
		const struct http1_header *header = &h->headers[i];

		if (!http1_is_nocase(&header->name, "x-forwarded-for"))
			continue;
		add(o, header->value.p, header->value.len);
		add_text(o, ", ");
	}
	http_address(via->client, address, sizeof(address));
	add_text(o, address);
	add_text(o, "\r\n");
	add_header(o, "X-Forwarded-Proto", via->is_https ? "https" : "http");
}

bool http_is_trailer(const struct http1_header *header)
{
	static const char *const others[] = {
		"content-length",
		"transfer-encoding",
		"trailer",
		"content-type",
		"content-encoding",
		"content-range",
		"authorization",
		"cookie",
		"set-cookie",
		"expect",
		"host",
		"x-forwarded-for",
		"x-forwarded-proto",
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (http1_is_nocase(&header->name, others[i]))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(hops); i++)
		if (http1_is_nocase(&header->name, hops[i]))
			return false;
	return true;
}

ssize_t http_trailers_text(const char *raw, size_t len, char *out, size_t size)
{
	struct out o = { .p = out, .size = size };
	struct http1_head h;
	int status = http1_trailers(&h, raw, len);

	if (status)
		return status;
	for (unsigned int i = 0; i < h.nheaders; i++)
		if (http_is_trailer(&h.headers[i]))
			copy_header(&o, &h.headers[i]);
	add_text(&o, "\r\n");
	return out_result(&o);
}

static void add_upgrade(struct out *o, const struct http1_head *h)
{
	const struct http1_text *to = http1_find(h, "upgrade");

	/* Whether trailers are understood is asked anew on each connection. */
	if (!h->is_upgrade && !h->status && http1_lists(h, "te", "trailers"))
		add_text(o, "Connection: TE\r\nTE: trailers\r\n");
	if (!h->is_upgrade || !to)
		return;
	add_text(o, "Connection: Upgrade\r\nUpgrade: ");
	add(o, to->p, to->len);
	add_text(o, "\r\n");
}

ssize_t http_request_text(const struct http1_head *h,
			  const struct http_place *place,
			  const struct http_via *via, char *out, size_t size)
{
	struct out o = { .p = out, .size = size };

	add(&o, h->method.p, h->method.len);
	add(&o, " ", 1);
	add(&o, place->target.p, place->target.len);
	add_text(&o, " HTTP/1.1\r\nHost: ");
	add(&o, place->authority.p, place->authority.len);
	add_text(&o, "\r\n");
	for (unsigned int i = 0; i < h->nheaders; i++) {
		const struct http1_header *header = &h->headers[i];

		if (!is_own_request(header) && !http_is_hop(h, header))
			copy_header(&o, header);
	}
	add_upgrade(&o, h);
	add_forwarded(&o, h, via);
	add_text(&o, "\r\n");
	return out_result(&o);
}

ssize_t http_response_text(const struct http1_head *h,
			   const struct http_answer *a, char *out, size_t size)
{
	struct out o = { .p = out, .size = size };
	char line[64];

	snprintf(line, sizeof(line), "HTTP/1.%c %u %s\r\n",
		 a->is_10 ? '0' : '1', h->status, http_reason(h->status));
	add_text(&o, line);
	for (unsigned int i = 0; i < h->nheaders; i++) {
		const struct http1_header *header = &h->headers[i];

		if (http_is_hop(h, header) ||
		    (a->is_unchunked &&
		     http1_is_nocase(&header->name, "transfer-encoding")))
			continue;
		copy_header(&o, header);
	}
	if (h->status == 101)
		add_upgrade(&o, h);
	else if (h->status >= 200 && a->closes)
		add_header(&o, "Connection", "close");
	else if (h->status >= 200 && a->is_10)
		add_header(&o, "Connection", "keep-alive");
	add_text(&o, "\r\n");
	return out_result(&o);
}

/* clang-format off */
static const struct {
	unsigned int status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 103, "Early Hints" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};
/* clang-format on */

const char *http_reason(unsigned int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Status";
}

ssize_t http_own_text(unsigned int status, const char *location, bool to_head,
		      char *out, size_t size)
{
	char body[64];
	int nbody = snprintf(body, sizeof(body), "%u %s\n", status,
			     http_reason(status));
	int n = snprintf(out, size,
			 "HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\n"
			 "Content-Length: %d\r\n%s%s%sConnection: close\r\n"
			 "%s\r\n%s",
			 status, http_reason(status), nbody,
			 location ? "Location: " : "", location ? location : "",
			 location ? "\r\n" : "",
			 status == 503 ? "Retry-After: 1\r\n" : "",
			 to_head ? "" : body);

	return n < 0 || (size_t)n >= size ? -ENOSPC : n;
}
