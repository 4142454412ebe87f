/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of HTTP/1 heads and bodies. A head is parsed in one go once its
 * end is there; the search for the end goes on where it stopped.
 */
#include "gateway/http1.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define CHUNK_LINE_MAX 256
#define TRAILER_MAX 4096

static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_token_char((unsigned char)p[i]))
			return false;
	return len > 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

bool http1_is(const struct http1_text *t, const char *s)
{
	return t->len == strlen(s) && !memcmp(t->p, s, t->len);
}

bool http1_is_nocase(const struct http1_text *t, const char *s)
{
	return t->len == strlen(s) && !strncasecmp(t->p, s, t->len);
}

unsigned int http1_refusal(ssize_t error)
{
	switch (error) {
	case -E2BIG:
		return 431;
	case -ENOTSUP:
		return 501;
	case -EPROTONOSUPPORT:
		return 505;
	default:
		return 400;
	}
}

/* How long the head is, its empty line included; 0: its end is not there. */
static ssize_t find_end(struct http1_head *h, const char *buf, size_t len,
			size_t max)
{
	size_t from = h->scanned > 3 ? h->scanned - 3 : 0;
	const char *end =
		len > from ? memmem(buf + from, len - from, "\r\n\r\n", 4)
			   : NULL;

	h->scanned = len;
	if (end && (size_t)(end - buf) + 4 <= max)
		return end - buf + 4;
	return end || len >= max ? -E2BIG : 0;
}

/* Cut a line that ends with CRLF off the front of *p; false if it holds other
 * line ends or a NUL. The head is known to end with two CRLF. */
static bool next_line(const char **p, const char *end, struct http1_text *line)
{
	const char *eol = memmem(*p, (size_t)(end - *p), "\r\n", 2);

	if (!eol)
		return false;
	*line = (struct http1_text){ *p, (size_t)(eol - *p) };
	*p = eol + 2;
	return !memchr(line->p, '\r', line->len) &&
	       !memchr(line->p, '\n', line->len) &&
	       !memchr(line->p, '\0', line->len);
}

static bool has_control(const struct http1_text *t)
{
	for (size_t i = 0; i < t->len; i++) {
		unsigned char c = (unsigned char)t->p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

static int parse_header(const struct http1_text *line, struct http1_header *h)
{
	const char *colon = memchr(line->p, ':', line->len);
	const char *end = line->p + line->len;
	const char *p;

	if (!colon || !is_token(line->p, (size_t)(colon - line->p)))
		return -EBADMSG;
	for (p = colon + 1; p < end && is_space(*p);)
		p++;
	while (end > p && is_space(end[-1]))
		end--;
	h->name = (struct http1_text){ line->p, (size_t)(colon - line->p) };
	h->value = (struct http1_text){ p, (size_t)(end - p) };
	return has_control(&h->value) ? -EBADMSG : 0;
}

static int parse_headers(struct http1_head *h, const char *p, const char *end)
{
	struct http1_text line;

	h->nheaders = 0;
	while (end - p > 2) {
		if (!next_line(&p, end, &line))
			return -EBADMSG;
		if (h->nheaders == HTTP1_HEADERS_MAX)
			return -E2BIG;
		if (parse_header(&line, &h->headers[h->nheaders]))
			return -EBADMSG;
		h->nheaders++;
	}
	return 0;
}

const struct http1_text *http1_find(const struct http1_head *h,
				    const char *name)
{
	for (unsigned int i = 0; i < h->nheaders; i++)
		if (http1_is_nocase(&h->headers[i].name, name))
			return &h->headers[i].value;
	return NULL;
}

static unsigned int count(const struct http1_head *h, const char *name)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->nheaders; i++)
		n += http1_is_nocase(&h->headers[i].name, name);
	return n;
}

static bool list_has(const struct http1_text *list, const char *word)
{
	const char *p = list->p, *end = p + list->len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;
		struct http1_text item;

		while (p < stop && is_space(*p))
			p++;
		item = (struct http1_text){ p, (size_t)(stop - p) };
		while (item.len && is_space(p[item.len - 1]))
			item.len--;
		if (http1_is_nocase(&item, word))
			return true;
		p = stop + 1;
	}
	return false;
}

bool http1_lists(const struct http1_head *h, const char *name, const char *word)
{
	for (unsigned int i = 0; i < h->nheaders; i++)
		if (http1_is_nocase(&h->headers[i].name, name) &&
		    list_has(&h->headers[i].value, word))
			return true;
	return false;
}

/* HTTP/1.0 or HTTP/1.1 */
static int parse_version(struct http1_head *h, const char *p, size_t len)
{
	if (len != 8 || memcmp(p, "HTTP/", 5) || p[6] != '.' || p[5] < '0' ||
	    p[5] > '9' || p[7] < '0' || p[7] > '9')
		return -EBADMSG;
	if (p[5] != '1' || p[7] > '1')
		return -EPROTONOSUPPORT;
	h->minor = (unsigned int)(p[7] - '0');
	return 0;
}

static int parse_number(const struct http1_text *t, uint64_t *out)
{
	*out = 0;
	if (!t->len || t->len > 18)
		return -EBADMSG;
	for (size_t i = 0; i < t->len; i++) {
		if (t->p[i] < '0' || t->p[i] > '9')
			return -EBADMSG;
		*out = *out * 10 + (uint64_t)(t->p[i] - '0');
	}
	return 0;
}

/* How long the body is; `otherwise`: when nothing says so. */
static int find_framing(struct http1_head *h, enum http1_framing otherwise)
{
	const struct http1_text *coding = http1_find(h, "transfer-encoding");
	const struct http1_text *length = http1_find(h, "content-length");

	h->framing = otherwise;
	h->content_length = 0;
	if (coding &&
	    (length || !h->minor || count(h, "transfer-encoding") > 1))
		return -EBADMSG;
	if (coding) {
		h->framing = HTTP1_CHUNKED;
		return http1_is_nocase(coding, "chunked") ? 0 : -ENOTSUP;
	}
	if (!length)
		return 0;
	if (count(h, "content-length") > 1 ||
	    parse_number(length, &h->content_length))
		return -EBADMSG;
	h->framing = h->content_length ? HTTP1_LENGTH : HTTP1_NO_BODY;
	return 0;
}

static void find_connection(struct http1_head *h)
{
	h->keeps_alive = h->minor ? !http1_lists(h, "connection", "close")
				  : http1_lists(h, "connection", "keep-alive");
	h->is_upgrade = h->minor && http1_lists(h, "connection", "upgrade") &&
			http1_find(h, "upgrade") &&
			!http1_lists(h, "upgrade", "h2c");
	h->expects_continue = h->minor &&
			      http1_lists(h, "expect", "100-continue");
}

static bool is_target(const struct http1_text *t)
{
	for (size_t i = 0; i < t->len; i++)
		if (t->p[i] <= 0x20 || t->p[i] >= 0x7f)
			return false;
	return t->len > 0;
}

static int parse_request_line(struct http1_head *h,
			      const struct http1_text *line)
{
	const char *end = line->p + line->len;
	const char *first = memchr(line->p, ' ', line->len);
	const char *last = memrchr(line->p, ' ', line->len);

	if (!first || first == last)
		return -EBADMSG;
	h->method = (struct http1_text){ line->p, (size_t)(first - line->p) };
	h->target =
		(struct http1_text){ first + 1, (size_t)(last - first - 1) };
	if (!is_token(h->method.p, h->method.len) || !is_target(&h->target))
		return -EBADMSG;
	return parse_version(h, last + 1, (size_t)(end - last - 1));
}

static int parse_status_line(struct http1_head *h,
			     const struct http1_text *line)
{
	uint64_t status;
	struct http1_text number = { line->p + 9, 3 };
	int r;

	if (line->len < 12 || line->p[8] != ' ' ||
	    (line->len > 12 && line->p[12] != ' ') || has_control(line))
		return -EBADMSG;
	r = parse_version(h, line->p, 8);
	if (r || parse_number(&number, &status) || status < 100 || status > 599)
		return r ? r : -EBADMSG;
	h->status = (unsigned int)status;
	return 0;
}

/* The first line and the fields: the head's length, 0 if more is to come, or
 * -errno. */
static ssize_t parse_head(struct http1_head *h, const char *buf, size_t len,
			  size_t max,
			  int (*parse_line)(struct http1_head *h,
					    const struct http1_text *line),
			  enum http1_framing without)
{
	const char *p = buf;
	struct http1_text line;
	ssize_t n;
	int r;

	n = find_end(h, buf, len, max);
	if (n <= 0)
		return n;
	if (!next_line(&p, buf + n, &line))
		return -EBADMSG;
	r = parse_line(h, &line);
	if (!r)
		r = parse_headers(h, p, buf + n);
	if (!r)
		r = find_framing(h, without);
	return r ? r : n;
}

ssize_t http1_request(struct http1_head *h, const char *buf, size_t len,
		      size_t max)
{
	ssize_t n =
		parse_head(h, buf, len, max, parse_request_line, HTTP1_NO_BODY);

	if (n <= 0)
		return n;
	if (count(h, "host") > 1 || (h->minor && !http1_find(h, "host")))
		return -EBADMSG;
	find_connection(h);
	return n;
}

ssize_t http1_response(struct http1_head *h, const char *buf, size_t len,
		       size_t max, bool to_head)
{
	ssize_t n = parse_head(h, buf, len, max, parse_status_line,
			       HTTP1_UNTIL_CLOSE);

	if (n <= 0)
		return n;
	find_connection(h);
	if (to_head || h->status < 200 || h->status == 204 ||
	    h->status == 304) {
		h->framing = HTTP1_NO_BODY;
		h->content_length = 0;
	}
	if (h->framing == HTTP1_UNTIL_CLOSE)
		h->keeps_alive = false;
	return n;
}

enum chunk_state {
	CHUNK_SIZE,	 /* digits of its size */
	CHUNK_SPACE,	 /* behind them */
	CHUNK_EXTENSION, /* ignored */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER,	  /* at the start of a line of it */
	CHUNK_TRAILER_IN, /* within one, ignored */
	CHUNK_TRAILER_LF,
	CHUNK_LAST_LF,
};

void http1_body_init(struct http1_body *b, const struct http1_head *h)
{
	*b = (struct http1_body){ .framing = h->framing,
				  .left = h->content_length,
				  .state = CHUNK_SIZE,
				  .is_done = h->framing == HTTP1_NO_BODY };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http1_in_trailers(const struct http1_body *b)
{
	return b->framing == HTTP1_CHUNKED && !b->is_done &&
	       b->state >= CHUNK_TRAILER;
}

int http1_trailers(struct http1_head *h, const char *buf, size_t len)
{
	*h = (struct http1_head){ 0 };
	return parse_headers(h, buf, buf + len);
}

/* The state after c of a chunk's first line, or -1. */
static int size_line(struct http1_body *b, char c)
{
	int digit = hex_digit(c);

	if (++b->line_len > CHUNK_LINE_MAX)
		return -1;
	if (b->state == CHUNK_SIZE && digit >= 0) {
		if (b->line_len > 15)
			return -1;
		b->left = b->left << 4 | (unsigned int)digit;
		return CHUNK_SIZE;
	}
	if (b->line_len == 1) /* no digit */
		return -1;
	if (c == '\r')
		return CHUNK_SIZE_LF;
	if (b->state != CHUNK_EXTENSION && is_space(c))
		return CHUNK_SPACE;
	if (b->state != CHUNK_EXTENSION && c != ';')
		return -1;
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f
		       ? -1
		       : CHUNK_EXTENSION;
}

static int trailer_line(struct http1_body *b, char c)
{
	if (++b->line_len > TRAILER_MAX)
		return -1;
	if (c == '\r')
		return b->state == CHUNK_TRAILER ? CHUNK_LAST_LF
						 : CHUNK_TRAILER_LF;
	if (b->state == CHUNK_TRAILER && !is_token_char((unsigned char)c))
		return -1;
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f
		       ? -1
		       : CHUNK_TRAILER_IN;
}

/* The state after c, which is none of the payload; -1: it cannot follow. */
static int chunk_next(struct http1_body *b, char c)
{
	switch ((enum chunk_state)b->state) {
	case CHUNK_SIZE:
	case CHUNK_SPACE:
	case CHUNK_EXTENSION:
		return size_line(b, c);
	case CHUNK_SIZE_LF:
		b->line_len = 0;
		if (c != '\n')
			return -1;
		return b->left ? CHUNK_DATA : CHUNK_TRAILER;
	case CHUNK_DATA:
		break;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : -1;
	case CHUNK_DATA_LF:
		return c == '\n' ? CHUNK_SIZE : -1;
	case CHUNK_TRAILER:
	case CHUNK_TRAILER_IN:
		return trailer_line(b, c);
	case CHUNK_TRAILER_LF:
		return c == '\n' ? CHUNK_TRAILER : -1;
	case CHUNK_LAST_LF:
		b->is_done = c == '\n';
		return b->is_done ? CHUNK_LAST_LF : -1;
	}
	return -1;
}

/* Take what is there of the next `left` bytes. */
static size_t take_left(struct http1_body *b, size_t len)
{
	size_t n = b->left < len ? (size_t)b->left : len;

	b->left -= n;
	return n;
}

static ssize_t read_chunked(struct http1_body *b, const char *buf, size_t len,
			    const char **data, size_t *data_len)
{
	size_t i = 0;

	while (i < len && !b->is_done) {
		int next;

		if (b->state == CHUNK_DATA) {
			*data = buf + i;
			*data_len = take_left(b, len - i);
			if (!b->left)
				b->state = CHUNK_DATA_CR;
			return (ssize_t)(i + *data_len);
		}
		next = chunk_next(b, buf[i++]);
		if (next < 0)
			return -EBADMSG;
		if (next == CHUNK_TRAILER && b->state == CHUNK_SIZE_LF) {
			b->state = CHUNK_TRAILER;
			break; /* they are given by themselves */
		}
		b->state = (unsigned int)next;
	}
	return (ssize_t)i;
}

ssize_t http1_body_read(struct http1_body *b, const char *buf, size_t len,
			const char **data, size_t *data_len)
{
	*data = buf;
	*data_len = 0;
	if (b->is_done)
		return 0;
	switch (b->framing) {
	case HTTP1_NO_BODY:
		break;
	case HTTP1_CHUNKED:
		return read_chunked(b, buf, len, data, data_len);
	case HTTP1_LENGTH:
		*data_len = take_left(b, len);
		b->is_done = !b->left;
		break;
	case HTTP1_UNTIL_CLOSE:
		*data_len = len;
		break;
	}
	return (ssize_t)*data_len;
}
