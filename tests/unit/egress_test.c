/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Egress policy: what lists allow, what is no list, and answers of DNS, cut off
 * anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "host/json.h"
#include "lib/compiler.h"
#include "monitor/egress.h"

static int parse(const char *text, struct egress *g)
{
	struct err e = ERR_INIT;
	json_t *list = json_loads(text, 0, NULL);
	int r;

	memset(g, 0, sizeof(*g));
	assert_non_null(list);
	r = egress_parse(list, g, &e);
	json_decref(list);
	return r;
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ss = { .ss_family = AF_INET };
	struct sockaddr_in *sin = (void *)&ss;
	struct sockaddr_in6 *sin6 = (void *)&ss;

	if (inet_pton(AF_INET, text, &sin->sin_addr) == 1)
		return ss;
	ss.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &sin6->sin6_addr), 1);
	return ss;
}

static bool allows(const struct egress *g, const char *to)
{
	struct sockaddr_storage ss = address(to);

	return egress_allows(g, NULL, &ss, 0);
}

static void no_list_allows_all(void **state)
{
	struct egress g = { 0 };

	(void)state;
	assert_true(allows(&g, "192.0.2.1"));
	assert_true(egress_allows_name(&g, "example.com"));
}

static void an_empty_list_denies_all(void **state)
{
	struct egress g;

	(void)state;
	assert_int_equal(parse("[]", &g), 0);
	assert_false(allows(&g, "192.0.2.1"));
	assert_false(allows(&g, "2001:db8::1"));
	assert_false(egress_allows_name(&g, "example.com"));
}

static void networks(void **state)
{
	struct egress g;

	(void)state;
	assert_int_equal(parse("[\"10.1.0.0/15\", \"192.0.2.7\", "
			       "\"2001:db8:8000::/33\", \"198.51.100.3/31\"]",
			       &g),
			 0);
	assert_true(allows(&g, "10.1.255.255"));
	assert_true(allows(&g, "10.0.255.255"));
	assert_false(allows(&g, "10.2.0.0"));
	assert_true(allows(&g, "192.0.2.7"));
	assert_false(allows(&g, "192.0.2.6"));
	assert_true(allows(&g, "::ffff:192.0.2.7"));
	assert_true(allows(&g, "2001:db8:8000::1"));
	assert_true(allows(&g, "2001:db8:ffff:ffff::"));
	assert_false(allows(&g, "2001:db8:7fff::1"));
	assert_true(allows(&g, "198.51.100.2"));
	assert_false(allows(&g, "198.51.100.4"));
	egress_free(&g);
	assert_int_equal(parse("[\"0.0.0.0/0\"]", &g), 0);
	assert_true(allows(&g, "203.0.113.1"));
	assert_false(allows(&g, "2001:db8::1"));
}

static void names(void **state)
{
	struct egress g;

	(void)state;
	assert_int_equal(parse("[\"example.com\", \"*.example.org\"]", &g), 0);
	assert_true(egress_allows_name(&g, "example.com"));
	assert_true(egress_allows_name(&g, "EXAMPLE.com."));
	assert_false(egress_allows_name(&g, "www.example.com"));
	assert_false(egress_allows_name(&g, "badexample.com"));
	assert_true(egress_allows_name(&g, "a.b.example.org"));
	assert_false(egress_allows_name(&g, "example.org"));
	assert_false(egress_allows_name(&g, "badexample.org"));
	assert_false(egress_allows_name(&g, ""));
	egress_free(&g);
}

static void bad_lists(void **state)
{
	static const char *const bad[] = {
		"[1]",
		"[\"\"]",
		"[\"10.0.0.0/33\"]",
		"[\"10.0.0.0/\"]",
		"[\"10.0.0.0/-1\"]",
		"[\"a/8\"]",
		"[\"2001:db8::/129\"]",
		"[\"2001:::1\"]",
		"[\"a..b\"]",
		"[\"a b\"]",
		"[\"*.\"]",
		"[\"a*b\"]",
		"{}",
	};
	struct egress g;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_not_equal(parse(bad[i], &g), 0);
		egress_free(&g);
	}
}

/* www.example.com: CNAME x.example.com, A 192.0.2.9, AAAA 2001:db8::9 */
static const uint8_t answer[] = {
	0x12, 0x34, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0,
	/* question */
	3, 'w', 'w', 'w', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o',
	'm', 0, 0, 1, 0, 1,
	/* CNAME */
	0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 'x', 0xc0, 16,
	/* A, for ten minutes */
	1, 'x', 0xc0, 16, 0, 1, 0, 1, 0, 0, 2, 88, 0, 4, 192, 0, 2, 9,
	/* AAAA */
	0xc0, 45, 0, 28, 0, 1, 0, 0, 0, 1, 0, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 9
};

static void answers_are_learned(void **state)
{
	struct sockaddr_storage a = address("192.0.2.9"),
				aaaa = address("2001:db8::9"),
				other = address("192.0.2.8");
	struct egress_known known = { 0 };
	struct egress g;

	(void)state;
	assert_int_equal(parse("[\"www.example.com\"]", &g), 0);
	assert_false(egress_allows(&g, &known, &a, 1));
	egress_learn(&known, answer, sizeof(answer), 1);
	assert_true(egress_allows(&g, &known, &a, 599000000000));
	assert_false(egress_allows(&g, &known, &a, 601000000000));
	assert_true(egress_allows(&g, &known, &aaaa, 299000000000));
	assert_false(egress_allows(&g, &known, &other, 1));
	/* Twice is once. */
	egress_learn(&known, answer, sizeof(answer), 1);
	assert_int_equal(known.next, 2);
	egress_free(&g);
}

static void answers_cut_off_and_changed(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(answer); n++) {
		struct egress_known known = { 0 };
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, answer, n);
		egress_learn(&known, copy, n, 1);
		assert_true(known.next < 2);
		for (size_t i = 0; i < n; i++) {
			copy[i] = (uint8_t)(answer[i] ^ 0xff);
			egress_learn(&known, copy, n, 1);
			copy[i] = answer[i];
		}
		free(copy);
	}
}

static void the_oldest_goes_first(void **state)
{
	struct sockaddr_storage first = address("192.0.2.9");
	struct egress_known known = { 0 };
	uint8_t copy[sizeof(answer)];
	struct egress g;

	(void)state;
	assert_int_equal(parse("[\"www.example.com\"]", &g), 0);
	memcpy(copy, answer, sizeof(copy));
	for (int i = 0; i < 2 * EGRESS_KNOWN_MAX; i++) {
		copy[sizeof(copy) - 2] = (uint8_t)i;
		copy[sizeof(copy) - 3] = (uint8_t)(i >> 8);
		copy[66] = (uint8_t)i; /* of the A */
		egress_learn(&known, copy, sizeof(copy), 1);
	}
	assert_true(known.next >= EGRESS_KNOWN_MAX);
	egress_learn(&known, answer, sizeof(answer), 1);
	assert_true(egress_allows(&g, &known, &first, 1));
	egress_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_list_allows_all),
		cmocka_unit_test(an_empty_list_denies_all),
		cmocka_unit_test(networks),
		cmocka_unit_test(names),
		cmocka_unit_test(bad_lists),
		cmocka_unit_test(answers_are_learned),
		cmocka_unit_test(answers_cut_off_and_changed),
		cmocka_unit_test(the_oldest_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
