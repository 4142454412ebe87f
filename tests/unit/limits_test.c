/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/limits.c: whoever floods stops before the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/limits.h"

#define FILES 1200

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ss = { .ss_family = AF_INET };

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&ss)->sin_addr) !=
	    1) {
		ss.ss_family = AF_INET6;
		assert_int_equal(
			inet_pton(AF_INET6, text,
				  &((struct sockaddr_in6 *)&ss)->sin6_addr),
			1);
	}
	return ss;
}

/* A host's own programs, which have no share. */
static const struct sockaddr_storage local = { .ss_family = AF_UNIX };

/* Clients come to a port as long as it has room; two descriptors each. */
static unsigned int flood(uint16_t port)
{
	unsigned int n = 0;

	for (; limits_admits(port, &local); n++) {
		limits_enter(port, &local);
		limits_hold_file();
		limits_hold_file();
	}
	return n;
}

static void leave(uint16_t port, unsigned int n)
{
	for (; n; n--) {
		limits_leave(port, 16384);
		limits_release_file();
		limits_release_file();
	}
}

static void test_ports(void **state)
{
	unsigned int first, second, third;

	(void)state;
	limits_set(FILES, 1 << 20);
	first = flood(80);
	assert_int_equal(2 * first, FILES / 2);
	assert_true(limits_is_crowded(80));
	assert_false(limits_is_crowded(81));
	second = flood(81);
	assert_int_equal(2 * second, FILES / 4);
	third = flood(82);
	assert_true(third);
	leave(80, first);
	leave(81, second);
	leave(82, third);
	assert_false(limits_is_crowded(80));
	assert_int_equal(flood(80), first);
	leave(80, first);
}

/* One service of a port has less than the port. */
static void test_services(void **state)
{
	unsigned int n = 0, source = 0;

	(void)state;
	limits_set(FILES, 1 << 20);
	for (; limits_admits_call(n); n++) {
		assert_true(limits_admits(80, &local));
		source = limits_enter(80, &local);
		limits_hold_file();
		limits_hold_file();
	}
	assert_int_equal(2 * n, FILES / 3);
	assert_true(limits_admits(80, &local));
	assert_true(limits_admits_call(0));
	assert_int_equal(source, 16384);
	leave(80, n);
}

static unsigned int flood_from(uint16_t port, const char *from,
			       uint32_t *source)
{
	struct sockaddr_storage client = address(from);
	unsigned int n = 0;

	for (; limits_admits(port, &client); n++) {
		*source = limits_enter(port, &client);
		limits_hold_file();
		limits_hold_file();
	}
	return n;
}

/* One address has less than a port, over all ports; others come in. */
static void test_addresses(void **state)
{
	struct sockaddr_storage other = address("192.0.2.2");
	unsigned int n, six;
	uint32_t source, source6;

	(void)state;
	limits_set(FILES, 1 << 20);
	n = flood_from(80, "192.0.2.1", &source);
	assert_int_equal(2 * n, FILES / 4);
	assert_int_equal(flood_from(81, "192.0.2.1", &source), 0);
	assert_true(limits_admits(80, &other));
	assert_true(limits_admits(80, &local));
	six = flood_from(80, "2001:db8::1", &source6);
	assert_true(six);
	/* Of the same network. */
	assert_int_equal(flood_from(80, "2001:db8::2:1", &source6), 0);
	for (unsigned int i = 0; i < n + six; i++) {
		limits_leave(80, i < n ? source : source6);
		limits_release_file();
		limits_release_file();
	}
	assert_int_equal(flood_from(80, "127.0.0.1", &source) * 2, FILES / 2);
	leave(80, FILES / 4);
	assert_int_equal(flood_from(80, "192.0.2.1", &source), n);
	for (unsigned int i = 0; i < n; i++) {
		limits_leave(80, source);
		limits_release_file();
		limits_release_file();
	}
}

static void test_bytes(void **state)
{
	(void)state;
	limits_set(FILES, 1 << 20);
	assert_int_equal(limits_read_size(), LIMITS_READ);
	limits_hold_bytes(1 << 19);
	assert_int_equal(limits_read_size(), LIMITS_READ_TIGHT);
	limits_release_bytes(1);
	assert_int_equal(limits_read_size(), LIMITS_READ);
	limits_release_bytes((1 << 19) - 1);
	assert_int_equal(limits_held_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
