/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of what `jiffy run` makes of its arguments: ports, sizes, names,
 * command, environment, spec.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/names.h"
#include "engine/ports.h"
#include "engine/spec.h"
#include "engine/units.h"
#include "host/json.h"

static void expect_port(const char *text, const char *ip, int host, int guest,
			bool is_udp)
{
	struct err e = ERR_INIT;
	struct port p;

	assert_int_equal(port_parse(text, &p, &e), 0);
	assert_string_equal(p.ip, ip);
	assert_int_equal(p.host, host);
	assert_int_equal(p.guest, guest);
	assert_int_equal(p.is_udp, is_udp);
}

static void test_ports(void **state)
{
	static const char *const bad[] = {
		"",	   "80",       ":80",	   "80:",	    "8080:0",
		"1:65536", "1:2/sctp", "1:2/",	   "x:1:2",	    "1.2.3:1:2",
		"1:2:3:4", "-1:2",     "1:+2",	   "1.2.3.4.5:1:2", "[::1]:1:2",
		" 1:2",	   "1:2/udp/", "100000:1",
	};
	struct err e = ERR_INIT;
	struct port p;

	(void)state;
	expect_port("8080:80", "0.0.0.0", 8080, 80, false);
	expect_port("127.0.0.1:8080:80/tcp", "127.0.0.1", 8080, 80, false);
	expect_port("0:53/udp", "0.0.0.0", 0, 53, true);
	expect_port("255.255.255.255:65535:65535", "255.255.255.255", 65535,
		    65535, false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(port_parse(bad[i], &p, &e) < 0);
}

static void test_sizes(void **state)
{
	static const char *const bad[] = { "",
					   "x",
					   "1x",
					   "-1",
					   "1 M",
					   "M",
					   "1MBx",
					   "99999999999999999999",
					   "9999999999999T" };
	struct err e = ERR_INIT;
	char buf[UNITS_SIZE];
	uint64_t n;
	long number;

	(void)state;
	assert_int_equal(units_parse_size("128M", &n, &e), 0);
	assert_int_equal(n, 128 << 20);
	assert_int_equal(units_parse_size("1g", &n, &e), 0);
	assert_int_equal(n, 1 << 30);
	assert_int_equal(units_parse_size("64KiB", &n, &e), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(units_parse_size("77", &n, &e), 0);
	assert_int_equal(n, 77);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(units_parse_size(bad[i], &n, &e), -EINVAL);
	assert_int_equal(units_parse_number("7", "x", 1, 9, &number, &e), 0);
	assert_int_equal(units_parse_number("10", "x", 1, 9, &number, &e),
			 -EINVAL);
	assert_string_equal(e.msg, "x: '10' is not a number from 1 to 9");
	assert_string_equal(units_size(4096, buf), "4.1 kB");
	assert_string_equal(units_size(999, buf), "999 B");
}

static void test_names(void **state)
{
	struct err e = ERR_INIT;
	char name[NAME_SIZE];
	char id[ID_SIZE];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		name_generate(name);
		assert_int_equal(name_check(name, &e), 0);
	}
	id_generate(id);
	assert_int_equal(strlen(id), 12);
	assert_int_equal(name_check("web-1.a_B", &e), 0);
	assert_true(name_check("", &e) < 0);
	assert_true(name_check(".hidden", &e) < 0);
	assert_true(name_check("a/b", &e) < 0);
	assert_true(name_check("..", &e) < 0);
	memset(name, 'a', sizeof(name));
	name[NAME_MAX_LEN] = '\0';
	assert_int_equal(name_check(name, &e), 0);
}

static char *words(const struct manifest *m, const char *entrypoint, int argc,
		   char **argv)
{
	cleanup_strv struct strv out = STRV_INIT;
	static char line[256];
	struct err e = ERR_INIT;

	line[0] = '\0';
	if (spec_argv(m, entrypoint, argc, argv, &out, &e) < 0)
		return e.msg[0] ? strcpy(line, "error") : NULL;
	for (size_t i = 0; i < out.count; i++)
		strcat(strcat(line, i ? " " : ""), out.items[i]);
	return line;
}

static void test_argv(void **state)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_manifest struct manifest empty = { 0 };
	char arg[] = "arg";
	char *argv[] = { arg, NULL };

	(void)state;
	manifest_init(&m, "x");
	manifest_init(&empty, "x");
	strv_add(&m.entrypoint, "entry");
	strv_add(&m.cmd, "cmd");
	assert_string_equal(words(&m, NULL, 0, argv), "entry cmd");
	assert_string_equal(words(&m, NULL, 1, argv), "entry arg");
	assert_string_equal(words(&m, "other", 0, argv), "other");
	assert_string_equal(words(&m, "other", 1, argv), "other arg");
	assert_string_equal(words(&m, "", 1, argv), "arg");
	assert_string_equal(words(&m, "", 0, argv), "error");
	assert_string_equal(words(&empty, NULL, 0, argv), "error");
}

static void test_env(void **state)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_strv struct strv env = STRV_INIT;
	struct run_options o = { .wants_tty = true };
	struct err e = ERR_INIT;

	(void)state;
	manifest_init(&m, "x");
	strv_add(&m.env, "PATH=/only");
	strv_add(&m.env, "A=image");
	setenv("FROM_CALLER", "yes", 1);
	unsetenv("NOT_THERE");
	strv_add(&o.env, "A=option");
	strv_add(&o.env, "FROM_CALLER");
	strv_add(&o.env, "NOT_THERE");
	assert_int_equal(spec_env(&m, &o, "host", &env, &e), 0);
	assert_string_equal(strv_getenv(&env, "PATH"), "/only");
	assert_string_equal(strv_getenv(&env, "A"), "option");
	assert_string_equal(strv_getenv(&env, "FROM_CALLER"), "yes");
	assert_string_equal(strv_getenv(&env, "HOSTNAME"), "host");
	assert_string_equal(strv_getenv(&env, "HOME"), "/root");
	assert_string_equal(strv_getenv(&env, "TERM"), "xterm");
	assert_null(strv_getenv(&env, "NOT_THERE"));
	strv_add(&o.env, "=x");
	assert_int_equal(spec_env(&m, &o, "host", &env, &e), -EINVAL);
	strv_fini(&o.env);
}

static void test_spec(void **state)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_json json_t *spec = NULL;
	struct run_options o = { .memory = "64M", .cpus = "2", .trace = "-" };
	struct spec_place place = { .name = "n", .id = "0", .root = NULL };
	char dir[] = "/s", root[] = "/r", sh[] = "sh";
	char *argv[] = { sh, NULL };
	struct err e = ERR_INIT;

	(void)state;
	place.state_dir = dir;
	place.root = root;
	place.image = "i";
	place.digest = "d";
	manifest_init(&m, "x");
	strv_add(&o.publish, "1:2");
	assert_int_equal(spec_check_options(&o, &e), 0);
	assert_int_equal(spec_make(&m, &o, &place, 1, argv, &spec, &e), 0);
	assert_int_equal(
		json_integer_value(json_object_get(spec, "memory_bytes")),
		64 << 20);
	assert_string_equal(json_str_or(spec, "trace", ""), "-");
	assert_true(json_is_null(json_object_get(spec, "stats")));
	assert_true(json_is_null(json_object_get(spec, "log")));
	assert_int_equal(json_array_size(json_object_get(spec, "ports")), 1);
	o.memory = "1k";
	assert_int_equal(spec_make(&m, &o, &place, 1, argv, &spec, &e),
			 -ERANGE);
	strv_fini(&o.publish);
}

static void test_options(void **state)
{
	const struct run_options bad[] = {
		{ .platform = "kvm" },
		{ .platform = "x" },
		{ .net = "packet" },
		{ .net = "x" },
		{ .hostname = "a b" },
		{ .hostname = "" },
		{ .workdir = "tmp" },
		{ .name = "a/b" },
		{ .is_detached = true, .wants_tty = true },
	};
	const struct run_options ok = { .platform = "auto", .net = "none" };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(spec_check_options(&ok, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(spec_check_options(&bad[i], &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),	cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_names),	cmocka_unit_test(test_argv),
		cmocka_unit_test(test_env),	cmocka_unit_test(test_spec),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
