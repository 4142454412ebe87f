/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/http1.c: heads in pieces, what is refused and how,
 * bodies in pieces of every size.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http1.h"
#include "lib/compiler.h"

#define HEAD_MAX 4096

/* Give it byte by byte, each time in memory of just that size. */
static ssize_t in_pieces(struct http1_head *h, const char *text, char **last,
			 bool is_response)
{
	size_t len = strlen(text);
	ssize_t r = 0;

	memset(h, 0, sizeof(*h));
	for (size_t n = 0; n <= len && r == 0; n++) {
		free(*last);
		*last = malloc(n ? n : 1);
		memcpy(*last, text, n);
		r = is_response ? http1_response(h, *last, n, HEAD_MAX, false)
				: http1_request(h, *last, n, HEAD_MAX);
	}
	return r;
}

static void test_request(void **state)
{
	static const char text[] =
		"PUT /v1/x?a=b HTTP/1.1\r\nHost: \t h:80 \r\n"
		"Connection: keep-alive , Upgrade\r\nUpgrade: websocket\r\n"
		"X-Empty:\r\nContent-Length: 12\r\nExpect: 100-continue\r\n"
		"\r\n";
	struct http1_head h;
	char *buf = NULL;

	(void)state;
	assert_int_equal(in_pieces(&h, text, &buf, false), strlen(text));
	assert_true(http1_is(&h.method, "PUT"));
	assert_true(http1_is(&h.target, "/v1/x?a=b"));
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.nheaders, 6);
	assert_true(http1_is(http1_find(&h, "HOST"), "h:80"));
	assert_true(http1_is(http1_find(&h, "x-empty"), ""));
	assert_null(http1_find(&h, "x"));
	assert_int_equal(h.framing, HTTP1_LENGTH);
	assert_int_equal(h.content_length, 12);
	assert_true(h.keeps_alive && h.is_upgrade && h.expects_continue);
	free(buf);
}

static void test_connection(void **state)
{
	static const struct {
		const char *text;
		bool keeps_alive;
	} all[] = {
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nHost:\r\nConnection: x,close\r\n\r\n",
		  false },
	};
	struct http1_head h;
	char *buf = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_true(in_pieces(&h, all[i].text, &buf, false) > 0);
		assert_int_equal(h.keeps_alive, all[i].keeps_alive);
		assert_int_equal(h.framing, HTTP1_NO_BODY);
	}
	free(buf);
}

#define POST "POST / HTTP/1.1\r\nHost: h\r\n"

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		int error;
	} all[] = {
		{ "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", EBADMSG },
		{ "GET / x HTTP/1.1\r\nHost: h\r\n\r\n", EBADMSG },
		{ "GET /\r\nHost: h\r\n\r\n", EBADMSG },
		{ "GET /\177 HTTP/1.1\r\nHost: h\r\n\r\n", EBADMSG },
		{ "G\"T / HTTP/1.1\r\nHost: h\r\n\r\n", EBADMSG },
		{ " GET / HTTP/1.1\r\nHost: h\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", EBADMSG },
		{ "GET / HTTP/2.0\r\nHost: h\r\n\r\n", EPROTONOSUPPORT },
		{ "GET / HTTP/1.2\r\nHost: h\r\n\r\n", EPROTONOSUPPORT },
		{ "GET / HTTP/1.10\r\nHost: h\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\nHost: h\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n", EBADMSG },
		{ "GET / HTTP/1.1\r\nHost: h\r\nA: \001\r\n\r\n", EBADMSG },
		{ POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
		  EBADMSG },
		{ POST "Content-Length: 1, 1\r\n\r\n", EBADMSG },
		{ POST "Content-Length: -1\r\n\r\n", EBADMSG },
		{ POST "Content-Length: +1\r\n\r\n", EBADMSG },
		{ POST "Content-Length:\r\n\r\n", EBADMSG },
		{ POST "Content-Length: 18446744073709551617\r\n\r\n",
		  EBADMSG },
		{ POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"
		       "\r\n",
		  EBADMSG },
		{ POST "Transfer-Encoding: chunked\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n",
		  EBADMSG },
		{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", ENOTSUP },
		{ POST "Transfer-Encoding: xchunked\r\n\r\n", ENOTSUP },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		  EBADMSG },
	};
	struct http1_head h;
	char *buf = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (in_pieces(&h, all[i].text, &buf, false) != -all[i].error)
			fail_msg("%s", all[i].text);
	free(buf);
}

static void test_too_long(void **state)
{
	static char text[HEAD_MAX + 8];
	struct http1_head h = { 0 };
	size_t len = 0;

	(void)state;
	memset(text, 'a', HEAD_MAX);
	assert_int_equal(http1_request(&h, text, HEAD_MAX - 1, HEAD_MAX), 0);
	assert_int_equal(http1_request(&h, text, HEAD_MAX, HEAD_MAX), -E2BIG);
	memcpy(text + HEAD_MAX - 1, "\r\n\r\n", 4);
	memset(&h, 0, sizeof(h));
	assert_int_equal(http1_request(&h, text, HEAD_MAX + 3, HEAD_MAX),
			 -E2BIG);
	len += (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (int i = 1; i < HTTP1_HEADERS_MAX; i++)
		len += (size_t)sprintf(text + len, "A: b\r\n");
	memcpy(text + len, "\r\n", 3);
	memset(&h, 0, sizeof(h));
	assert_int_equal(http1_request(&h, text, len + 2, HEAD_MAX), len + 2);
	memcpy(text + len, "A: b\r\n\r\n", 9);
	memset(&h, 0, sizeof(h));
	assert_int_equal(http1_request(&h, text, len + 8, HEAD_MAX), -E2BIG);
	assert_int_equal(http1_refusal(-E2BIG), 431);
}

static void test_response(void **state)
{
	static const struct {
		const char *text;
		int status;
		enum http1_framing framing;
		bool keeps_alive;
	} all[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", 200, HTTP1_UNTIL_CLOSE, false },
		{ "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n", 200,
		  HTTP1_LENGTH, true },
		{ "HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", 200,
		  HTTP1_CHUNKED, true },
		{ "HTTP/1.1 304 N M\r\nContent-Length: 3\r\n\r\n", 304,
		  HTTP1_NO_BODY, true },
		{ "HTTP/1.1 204 N\r\n\r\n", 204, HTTP1_NO_BODY, true },
		{ "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
		  101, HTTP1_NO_BODY, true },
		{ "HTTP/1.1 99 x\r\n\r\n", -EBADMSG, 0, false },
		{ "HTTP/1.1 600 x\r\n\r\n", -EBADMSG, 0, false },
		{ "HTTP/1.1 2000 x\r\n\r\n", -EBADMSG, 0, false },
		{ "HTTP/3.0 200 x\r\n\r\n", -EPROTONOSUPPORT, 0, false },
		{ "ICY 200 OK\r\n\r\n", -EBADMSG, 0, false },
	};
	struct http1_head h = { 0 };
	char *buf = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		ssize_t r = in_pieces(&h, all[i].text, &buf, true);

		if (r < 0) {
			assert_int_equal(r, all[i].status);
			continue;
		}
		assert_int_equal(h.status, all[i].status);
		assert_int_equal(h.framing, all[i].framing);
		assert_int_equal(h.keeps_alive, all[i].keeps_alive);
	}
	memset(&h, 0, sizeof(h));
	assert_true(http1_response(&h, all[1].text, strlen(all[1].text),
				   HEAD_MAX, true) > 0);
	assert_int_equal(h.framing, HTTP1_NO_BODY);
	free(buf);
}

/* Read text in pieces of `step` bytes into out; the bytes that were used. */
static ssize_t read_body(struct http1_body *b, const char *text, size_t step,
			 char out[256])
{
	size_t len = strlen(text), at = 0, n = 0;

	while (at < len && !b->is_done) {
		size_t piece = len - at < step ? len - at : step;
		char *copy = malloc(piece);
		const char *data;
		size_t data_len;
		ssize_t r;

		memcpy(copy, text + at, piece);
		r = http1_body_read(b, copy, piece, &data, &data_len);
		if (r > 0) {
			memcpy(out + n, data, data_len);
			n += data_len;
		}
		free(copy);
		if (r < 0)
			return r;
		assert_true(r > 0 && (size_t)r <= piece);
		at += (size_t)r;
	}
	out[n] = '\0';
	return (ssize_t)at;
}

static void test_chunks(void **state)
{
	static const char text[] =
		"5\r\nhello\r\n00A;x=\"y\"\r\n, world of\r\n1 ;a\r\n \r\n6\r\n"
		"chunks\r\n0\r\nX: y\r\nZ:\r\n\r\n";
	const struct http1_head h = { .framing = HTTP1_CHUNKED };
	static char more[sizeof(text) + 4];
	char out[256];

	(void)state;
	snprintf(more, sizeof(more), "%sGET", text);
	for (size_t step = 1; step < sizeof(more); step++) {
		struct http1_body b;

		http1_body_init(&b, &h);
		assert_int_equal(read_body(&b, more, step, out), strlen(text));
		assert_true(b.is_done);
		assert_string_equal(out, "hello, world of chunks");
	}
}

static void test_chunks_refused(void **state)
{
	static const char *const all[] = {
		"\r\n",
		"x\r\n",
		"-1\r\n",
		"0x5\r\n",
		"5\nhello",
		"5\r\rhello",
		"5\r\nhello!",
		"5\r\nhello\n",
		"5;\001\r\n",
		"1000000000000000\r\n",
		"0\r\n x: y\r\n\r\n",
		"0\r\nx: y\n\r\n",
		"0\r\n\rx",
	};
	const struct http1_head h = { .framing = HTTP1_CHUNKED };
	struct http1_body b;
	char out[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		http1_body_init(&b, &h);
		if (read_body(&b, all[i], 1, out) != -EBADMSG)
			fail_msg("%s", all[i]);
	}
}

static void test_length(void **state)
{
	const struct http1_head h = { .framing = HTTP1_LENGTH,
				      .content_length = 5 };
	const struct http1_head none = { 0 };
	struct http1_body b;
	char out[256];

	(void)state;
	http1_body_init(&b, &h);
	assert_int_equal(read_body(&b, "helloGET", 3, out), 5);
	assert_string_equal(out, "hello");
	assert_true(b.is_done);
	http1_body_init(&b, &none);
	assert_true(b.is_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_chunks_refused),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
