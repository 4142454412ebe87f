/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which template a clone may begin from: one of the same image, ports and
 * volumes, whose own spec makes sense.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/compiler.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"

size_t boot_hosts(const struct spec *s, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "hosts of %s\n", s->hostname);
}

#define START "{\"schema\":1,\"argv\":[\"a\"],\"env\":[]"
#define IMAGE ",\"image\":{\"root\":\"/i\"}"
#define PORT(guest, proto)                                \
	"{\"ip\":\"0.0.0.0\",\"host\":1,\"guest\":" guest \
	",\"proto\":\"" proto "\"}"
#define PORTS(list) ",\"ports\":[" list "]"
#define VOLUME(file, readonly)                           \
	",\"volumes\":[{\"name\":\"v\",\"file\":\"" file \
	"\",\"path\":\"/v\",\"readonly\":" readonly "}]"
#define NAMED(name) ",\"name\":\"" name "\",\"hostname\":\"" name "\"}"

/* What clone_match() says of a template's spec and a clone's. */
static void expect(const char *of, const char *own, const char *error)
{
	struct checkpoint cp = { .spec = of, .h.spec.count = strlen(of) };
	struct err e = ERR_INIT, none = ERR_INIT;
	struct spec s = { 0 };
	int r;

	assert_int_equal(spec_parse(own, strlen(own), &s, &none), 0);
	r = clone_match(&cp, &s, &e);
	assert_int_equal(r, -e.code);
	if (error ? !strstr(e.msg, error) : e.code)
		fail_msg("'%s' instead of '%s'", e.msg, error ? error : "");
	spec_free(&s);
}

static void same(UNUSED void **state)
{
	expect(START IMAGE NAMED("a"), START IMAGE NAMED("b"), NULL);
	expect(START NAMED("a"), START NAMED("b"), NULL);
	expect(START IMAGE PORTS(PORT("80", "tcp")) NAMED("a"),
	       START IMAGE PORTS(PORT("80", "tcp")) NAMED("b"), NULL);
	expect(START IMAGE VOLUME("/d", "true") NAMED("a"),
	       START IMAGE VOLUME("/d", "true") NAMED("b"), NULL);
}

static void others(UNUSED void **state)
{
	expect(START IMAGE NAMED("a"), START NAMED("b"), "another image");
	expect(START NAMED("a"), START IMAGE NAMED("b"), "another image");
	expect(START IMAGE PORTS(PORT("80", "tcp")) NAMED("a"),
	       START IMAGE NAMED("b"), "other ports");
	expect(START IMAGE NAMED("a"),
	       START IMAGE PORTS(PORT("80", "tcp")) NAMED("b"), "other ports");
	expect(START IMAGE PORTS(PORT("80", "tcp")) NAMED("a"),
	       START IMAGE PORTS(PORT("81", "tcp")) NAMED("b"), "other ports");
	expect(START IMAGE PORTS(PORT("80", "udp")) NAMED("a"),
	       START IMAGE PORTS(PORT("80", "tcp")) NAMED("b"), "other ports");
	expect(START IMAGE VOLUME("/d", "false") NAMED("a"),
	       START IMAGE VOLUME("/d", "false") NAMED("b"), "other volumes");
	expect(START IMAGE VOLUME("/d", "true") NAMED("a"),
	       START IMAGE VOLUME("/e", "true") NAMED("b"), "other volumes");
	expect(START IMAGE VOLUME("/d", "true") NAMED("a"),
	       START IMAGE NAMED("b"), "other volumes");
}

/* Every cut of a good spec, and some that are wrong at their end. */
static void nonsense(UNUSED void **state)
{
	static const char good[] = START IMAGE PORTS(PORT("80", "tcp"))
		VOLUME("/d", "true") NAMED("a");
	static const char own[] = START IMAGE NAMED("b");

	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		char cut[sizeof(good)];

		snprintf(cut, sizeof(cut), "%.*s", (int)n, good);
		expect(cut, own, "template");
	}
	expect(START IMAGE PORTS(PORT("0", "tcp")) NAMED("a"), own, "ports");
	expect(START IMAGE PORTS(PORT("1", "icmp")) NAMED("a"), own, "icmp");
	expect(START IMAGE PORTS(PORT("1", "tcp") ",7") NAMED("a"), own,
	       "ports");
	expect(START IMAGE VOLUME("/d", "true") ",\"x\":1}", own, "x");
	expect(START ",\"clone_signal\":\"SIGX\"" NAMED("a"), own, "signal");
}

static void own_things(UNUSED void **state)
{
	static struct boot_block block;
	struct instance in = { .boot = &block, .is_clone = true };
	static char name[] = "mine";
	uint8_t before[sizeof(block.clone.id)];
	struct err e = ERR_INIT;

	in.spec.hostname = name;
	in.spec.clone_signal = 12;
	in.spec.memory_bytes = 1 << 20;
	assert_int_equal(clone_fill(&in, &e), 0);
	assert_true(block.flags & BOOT_CLONE);
	assert_string_equal(block.clone.hostname, "mine");
	assert_memory_equal(block.clone.hosts, "hosts of mine\n", 14);
	assert_int_equal(block.clone.hosts_len, 14);
	assert_int_equal(block.clone.signal, 12);
	assert_int_equal(block.memory_limit, 1 << 20);
	memcpy(before, block.clone.id, sizeof(before));
	assert_int_equal(clone_fill(&in, &e), 0);
	assert_memory_not_equal(before, block.clone.id, sizeof(before));
	/* One that was a clone and sleeps as itself is none. */
	in.is_clone = false;
	assert_int_equal(clone_fill(&in, &e), 0);
	assert_false(block.flags & BOOT_CLONE);
	assert_string_equal(block.clone.hostname, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same),
		cmocka_unit_test(others),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(own_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
