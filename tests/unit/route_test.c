/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/route.c: what names, paths and ports mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/service_int.h"

#define MANY 2000

const struct service_port *service_find_port(const struct service *s,
					     uint16_t port)
{
	for (uint32_t i = 0; i < s->nports; i++)
		if (s->ports[i].port == port)
			return &s->ports[i];
	return NULL;
}

static struct service_port ports[] = { { .port = 80 }, { .port = 443 } };

static void set(struct service *s, const char *name, uint32_t nports,
		const char *const *domains, uint32_t ndomains)
{
	if (!s->routes.next)
		list_init(&s->routes);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->ports = ports;
	s->nports = nports;
	s->domains = (char **)domains;
	s->ndomains = ndomains;
	route_set(s);
}

static void test_names(void **state)
{
	static struct service a, b, c;
	static const char *const as[] = { "a.test", "*.wild.test" };
	static const char *const bs[] = { "x.wild.test", "a.test" };

	(void)state;
	set(&a, "one", 1, as, 2);
	assert_ptr_equal(route_find(80, "", NULL), &a);
	assert_null(route_find(81, "", NULL));
	set(&b, "two", 2, bs, 2);
	set(&c, "three", 0, NULL, 0);
	/* the first of two; letters of any case; exact before a wildcard */
	assert_ptr_equal(route_find(80, "A.test", "/"), &a);
	assert_ptr_equal(route_find(443, "a.test", "/"), &b);
	assert_ptr_equal(route_find(80, "x.wild.test", NULL), &b);
	assert_ptr_equal(route_find(80, "y.wild.test", NULL), &a);
	assert_null(route_find(443, "y.wild.test", NULL));
	assert_null(route_find(80, "y.x.wild.test", NULL));
	assert_null(route_find(80, ".wild.test", NULL));
	/* services' own names, of a port that they have */
	assert_ptr_equal(route_find(443, "TWO", NULL), &b);
	assert_null(route_find(443, "one", NULL));
	assert_null(route_find(80, "three", NULL));
	assert_ptr_equal(route_by_name("three"), &c);
	assert_null(route_by_name("THREE"));
	/* a port of two, then of one */
	assert_null(route_find(80, "", NULL));
	route_clear(&a);
	assert_ptr_equal(route_find(80, "", NULL), &b);
	assert_ptr_equal(route_find(80, "a.test", NULL), &b);
	assert_null(route_by_name("one"));
	set(&b, "two", 2, NULL, 0);
	assert_null(route_find(80, "a.test", NULL));
	route_clear(&b);
	route_clear(&c);
}

static void test_paths(void **state)
{
	static struct service all, api, v2;
	static const char *const alls[] = { "a.test" };
	static const char *const apis[] = { "a.test/api", "a.test/files/" };
	static const char *const v2s[] = { "a.test/api/v2" };

	(void)state;
	set(&all, "all", 1, alls, 1);
	set(&api, "api", 1, apis, 2);
	set(&v2, "v2", 1, v2s, 1);
	assert_ptr_equal(route_find(80, "a.test", "/"), &all);
	assert_ptr_equal(route_find(80, "a.test", "/api"), &api);
	assert_ptr_equal(route_find(80, "a.test", "/api/x"), &api);
	assert_ptr_equal(route_find(80, "a.test", "/apix"), &all);
	assert_ptr_equal(route_find(80, "a.test", "/api/v2/x"), &v2);
	assert_ptr_equal(route_find(80, "a.test", "/files"), &all);
	assert_ptr_equal(route_find(80, "a.test", "/files/x"), &api);
	/* without a path there is none to fit */
	assert_ptr_equal(route_find(80, "a.test", NULL), &all);
	route_clear(&all);
	assert_null(route_find(80, "a.test", NULL));
	assert_null(route_find(80, "a.test", "/"));
	route_clear(&v2);
	/* the only one of a port, but not of all paths */
	assert_null(route_find(80, "", "/"));
	assert_ptr_equal(route_find(80, "", NULL), &api);
	route_clear(&api);
}

static void test_many(void **state)
{
	static struct service s[MANY];
	static char names[MANY][32];
	static const char *domains[MANY];

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu.test", i);
		domains[i] = names[i];
		set(&s[i], names[i] + 1, 1, &domains[i], 1);
	}
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(route_find(80, names[i], "/"), &s[i]);
	for (size_t i = 0; i < MANY; i++)
		route_clear(&s[i]);
	assert_null(route_find(80, names[0], "/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
