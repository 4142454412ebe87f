/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/proxy.c: headers of both versions, however they are
 * cut, and what is none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/proxy.h"
#include "lib/compiler.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* Its length, and the same for each beginning: that more is needed. */
static ssize_t parse(const void *p, size_t len, struct proxy_ends *ends)
{
	ssize_t n = proxy_parse(p, len, ends);

	for (size_t cut = 0; n > 0 && cut < (size_t)n; cut++) {
		struct proxy_ends none;

		assert_int_equal(proxy_parse(p, cut, &none), 0);
	}
	return n;
}

static void check_end(const struct sockaddr_storage *ss, const char *ip,
		      uint16_t port)
{
	const struct sockaddr_in *sin = (const void *)ss;
	const struct sockaddr_in6 *sin6 = (const void *)ss;
	bool is_4 = ss->ss_family == AF_INET;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ss->ss_family,
		  is_4 ? (const void *)&sin->sin_addr : &sin6->sin6_addr, text,
		  sizeof(text));
	assert_string_equal(text, ip);
	assert_int_equal(ntohs(is_4 ? sin->sin_port : sin6->sin6_port), port);
}

static void test_lines(void **state)
{
	static const char four[] =
		"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nGET ";
	static const char six[] = "PROXY TCP6 2001:db8::7 ::1 1 65535\r\n";
	static const char *const nothing[] = {
		"PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN what ever 1 2\r\n",
	};
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n",
		"PROXY\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 5000\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443 1\r\n",
		"PROXY TCP4  192.0.2.7 198.51.100.1 5000 443\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 5000 65536\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n",
		"PROXY TCP4 ::1 ::1 5000 443\r\n",
		"PROXY TCP6 192.0.2.7 198.51.100.1 5000 443\r\n",
		"PROXY UDP4 192.0.2.7 198.51.100.1 5000 443\r\n",
		"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443 "
		"                                                         "
		"                                                         ",
	};
	struct proxy_ends ends;

	(void)state;
	assert_int_equal(parse(four, sizeof(four) - 1, &ends),
			 sizeof(four) - 5);
	assert_true(ends.is_known);
	check_end(&ends.from, "192.0.2.7", 5000);
	check_end(&ends.to, "198.51.100.1", 443);
	assert_int_equal(parse(six, sizeof(six) - 1, &ends), sizeof(six) - 1);
	check_end(&ends.from, "2001:db8::7", 1);
	check_end(&ends.to, "::1", 65535);
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
		assert_int_equal(parse(nothing[i], strlen(nothing[i]), &ends),
				 strlen(nothing[i]));
		assert_false(ends.is_known);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i]), &ends),
				 -EBADMSG);
	/* as soon as it cannot become one */
	assert_int_equal(proxy_parse((const uint8_t *)"PX", 2, &ends),
			 -EBADMSG);
	assert_int_equal(proxy_parse((const uint8_t *)"\r\n\rx", 4, &ends),
			 -EBADMSG);
}

static void test_binary(void **state)
{
	static const char four[] = SIGNATURE
		"\x21\x11\0\x11\xc0\0\2\7\xc6\x33\x64\1\x13\x88\1\xbb"
		"\4\0\2xxmore";
	static const char local[] = SIGNATURE "\x20\0\0\0";
	static const char unspec[] = SIGNATURE "\x21\0\0\2ab";
	static const struct {
		const char *head;
		size_t len;
	} bad[] = {
		{ SIGNATURE "\x31\x11\0\x0c", 16 }, /* version 3 */
		{ SIGNATURE "\x22\x11\0\x0c", 16 }, /* another command */
		{ SIGNATURE "\x21\x11\xff\xff", 16 },
		{ SIGNATURE "\x21\x12\0\x0c............", 28 }, /* UDP */
		{ SIGNATURE "\x21\x11\0\x0b...........", 27 },
		{ SIGNATURE "\x21\x21\0\x0c............", 28 },
	};
	struct proxy_ends ends;

	(void)state;
	assert_int_equal(parse(four, sizeof(four) - 1, &ends),
			 sizeof(four) - 5);
	assert_true(ends.is_known);
	check_end(&ends.from, "192.0.2.7", 5000);
	check_end(&ends.to, "198.51.100.1", 443);
	assert_int_equal(parse(local, sizeof(local) - 1, &ends), 16);
	assert_false(ends.is_known);
	assert_int_equal(parse(unspec, sizeof(unspec) - 1, &ends), 18);
	assert_false(ends.is_known);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i].head, bad[i].len, &ends),
				 -EBADMSG);
}

static void set_end(struct sockaddr_storage *ss, int family, const char *ip,
		    uint16_t port)
{
	struct sockaddr_in *sin = (void *)ss;
	struct sockaddr_in6 *sin6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	inet_pton(family, ip,
		  family == AF_INET ? (void *)&sin->sin_addr
				    : &sin6->sin6_addr);
	*(family == AF_INET ? &sin->sin_port : &sin6->sin6_port) = htons(port);
}

static void test_written(void **state)
{
	struct sockaddr_storage from, to;
	struct proxy_ends ends;
	uint8_t text[PROXY_WRITE_MAX];
	size_t n;

	(void)state;
	for (unsigned int version = 1; version <= 2; version++) {
		set_end(&from, AF_INET, "192.0.2.7", 5000);
		set_end(&to, AF_INET, "198.51.100.1", 443);
		n = proxy_write(version, &from, &to, text);
		assert_int_equal(parse(text, n, &ends), n);
		check_end(&ends.from, "192.0.2.7", 5000);
		check_end(&ends.to, "198.51.100.1", 443);
		/* the client is known by a header of another family */
		set_end(&from, AF_INET6,
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
		n = proxy_write(version, &from, &to, text);
		assert_int_equal(parse(text, n, &ends), n);
		assert_false(ends.is_known);
		n = proxy_write(version, &from, &from, text);
		assert_true(n <= PROXY_WRITE_MAX);
		assert_int_equal(parse(text, n, &ends), n);
		check_end(&ends.to, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			  65535);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
