/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/pg_wire.c: first packets, routing names, rewritten
 * StartupMessages, cancel keys, errors and framing, whole and cut.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/pg_wire.h"

#define VERSION "\0\3\0\0"

/* A StartupMessage of these parameters, a string with NULs in it. */
static size_t startup(uint8_t *out, const char *params, size_t len)
{
	size_t total = 8 + len + 1;

	memset(out, 0, total);
	out[2] = (uint8_t)(total >> 8);
	out[3] = (uint8_t)total;
	memcpy(out + 4, VERSION, 4);
	memcpy(out + 8, params, len);
	return total;
}
#define STARTUP(out, text) startup(out, text "\0", sizeof(text))

static void test_first(void **state)
{
	static const uint8_t ssl[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f };
	static const uint8_t gss[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x30 };
	static const uint8_t cancel[] = { 0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e,
					  0, 0, 0, 1,  2, 3,	4,    5 };
	uint8_t buf[64];
	size_t len, n = STARTUP(buf, "user\0a");

	(void)state;
	assert_int_equal(pg_first(ssl, 8, &len), PG_FIRST_SSL);
	assert_int_equal(len, 8);
	assert_int_equal(pg_first(gss, 8, &len), PG_FIRST_GSS);
	assert_int_equal(pg_first(cancel, 16, &len), PG_FIRST_CANCEL);
	assert_int_equal(pg_first(buf, n, &len), PG_FIRST_STARTUP);
	assert_int_equal(len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pg_first(buf, i, &len), PG_FIRST_MORE);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(pg_first(ssl, i, &len), PG_FIRST_MORE);
	assert_int_equal(pg_first((const uint8_t *)"\x16", 1, &len),
			 PG_FIRST_TLS);
	assert_int_equal(pg_first((const uint8_t *)"GET / HT", 8, &len),
			 PG_FIRST_BAD);
	memcpy(buf, "\0\0\x27\x11", 4); /* 10,001 */
	assert_int_equal(pg_first(buf, 4, &len), PG_FIRST_BAD);
	memcpy(buf, "\0\0\0\x9\4\xd2\x16\x2f", 8); /* SSLRequest of 9 */
	assert_int_equal(pg_first(buf, 9, &len), PG_FIRST_BAD);
	memcpy(buf, "\0\0\0\x9\0\2\0\0", 8); /* protocol 2 */
	assert_int_equal(pg_first(buf, 9, &len), PG_FIRST_BAD);
}

static void test_startup(void **state)
{
	uint8_t buf[512];
	struct pg_startup s;
	size_t n = STARTUP(buf, "user\0bob.acme\0database\0shop\0options\0"
				"-c geqo=off endpoint=blue");

	(void)state;
	assert_int_equal(pg_startup_parse(buf, n, &s), 0);
	assert_string_equal(s.user, "bob.acme");
	assert_string_equal(s.tenant, "acme");
	assert_string_equal(s.database, "shop");
	assert_string_equal(s.endpoint, "blue");
	n = STARTUP(buf, "user\0bob");
	assert_int_equal(pg_startup_parse(buf, n, &s), 0);
	assert_string_equal(s.database, "bob");
	assert_string_equal(s.tenant, "");
	assert_string_equal(s.endpoint, "");
	/* a leading dot is no tenant; nothing at all is a user of "" */
	n = STARTUP(buf, "user\0.x");
	assert_int_equal(pg_startup_parse(buf, n, &s), 0);
	assert_string_equal(s.tenant, "");
	n = startup(buf, "", 0);
	assert_int_equal(pg_startup_parse(buf, n, &s), 0);
	assert_string_equal(s.user, "");
}

static void test_startup_bad(void **state)
{
	uint8_t buf[512];
	struct pg_startup s;
	size_t n = STARTUP(buf, "user\0a\0user\0b");

	(void)state;
	assert_int_equal(pg_startup_parse(buf, n, &s), -EINVAL);
	n = STARTUP(buf, "user\0a\0options\0endpoint=a endpoint=b");
	assert_int_equal(pg_startup_parse(buf, n, &s), -EINVAL);
	n = STARTUP(buf, "user\0a\0options\0endpoint=");
	assert_int_equal(pg_startup_parse(buf, n, &s), -EINVAL);
	/* no end; a name without a value; bytes after the end */
	n = startup(buf, "user\0a", 6);
	buf[3]--;
	assert_int_equal(pg_startup_parse(buf, n - 1, &s), -EINVAL);
	n = startup(buf, "user", 4);
	assert_int_equal(pg_startup_parse(buf, n, &s), -EINVAL);
	n = startup(buf, "\0x", 2);
	assert_int_equal(pg_startup_parse(buf, n, &s), -EINVAL);
}

static void check_copy(const char *params, size_t nparams, bool cut,
		       const char *want, size_t nwant)
{
	uint8_t in[512], out[512], wanted[512];
	struct pg_startup s;
	size_t n = startup(in, params, nparams);
	size_t m = startup(wanted, want, nwant);
	ssize_t len;

	assert_int_equal(pg_startup_parse(in, n, &s), 0);
	len = pg_startup_copy(in, n, &s, cut, out, sizeof(out));
	assert_int_equal(len, m);
	assert_memory_equal(out, wanted, m);
	assert_int_equal(pg_startup_copy(in, n, &s, cut, out, m - 1), -ENOSPC);
}
#define CHECK_COPY(params, cut, want) \
	check_copy(params, sizeof(params), cut, want, sizeof(want))

static void test_copy(void **state)
{
	(void)state;
	CHECK_COPY("user\0bob.acme\0database\0x", true,
		   "user\0bob\0database\0x");
	CHECK_COPY("user\0bob.acme", false, "user\0bob.acme");
	CHECK_COPY("user\0a\0options\0endpoint=e\0database\0d", true,
		   "user\0a\0database\0d");
	CHECK_COPY("user\0a\0options\0-c  x=1\\ 2 -c endpoint=e  -d", true,
		   "user\0a\0options\0-c  x=1\\ 2 -d ");
	CHECK_COPY("user\0a\0options\0 -cgeqo=off", true,
		   "user\0a\0options\0 -cgeqo=off");
}

static void test_cancel(void **state)
{
	uint8_t out[12 + PG_SECRET_MAX];
	struct pg_key key = { .pid = 77, .nsecret = 32 }, back;
	size_t n, len;

	(void)state;
	memset(key.secret, 0xab, sizeof(key.secret));
	n = pg_cancel_write(&key, out);
	assert_int_equal(n, 44);
	assert_int_equal(pg_first(out, n, &len), PG_FIRST_CANCEL);
	assert_int_equal(len, n);
	assert_int_equal(pg_cancel_parse(out, n, &back), 0);
	assert_int_equal(back.pid, 77);
	assert_int_equal(back.nsecret, 32);
	assert_memory_equal(back.secret, key.secret, 32);
	assert_int_equal(pg_cancel_parse(out, 15, &back), -EINVAL);
}

static void test_error(void **state)
{
	uint8_t out[128];
	size_t n = pg_error_write("57P03", "asleep", out, sizeof(out));

	(void)state;
	assert_int_equal(out[0], 'E');
	assert_int_equal(out[4], n - 1);
	assert_true(pg_error_is(out + 5, n - 5, "57P03"));
	assert_false(pg_error_is(out + 5, n - 5, "57P01"));
	assert_false(pg_error_is(out + 5, 3, "57P03"));
	assert_false(pg_error_is(out + 5, 0, "57P03"));
	assert_int_equal(pg_error_write("57P03", "asleep", out, 10), 0);
}

static void test_frames(void **state)
{
	static const uint8_t bytes[] = { 'R', 0, 0, 0, 8,   0, 0, 0, 0, 'n',
					 0,   0, 0, 4, 'Z', 0, 0, 0, 5, 'I' };
	static const uint8_t bad[] = { 'Z', 0, 0, 0, 3 };
	struct pg_frames f;

	(void)state;
	for (size_t cut = 1; cut <= sizeof(bytes); cut++) {
		char seen[16] = "";
		size_t nseen = 0, body = 0;

		f = (struct pg_frames){ 0 };
		for (size_t at = 0; at < sizeof(bytes); at += cut) {
			size_t n = sizeof(bytes) - at < cut ? sizeof(bytes) - at
							    : cut;
			size_t pos = 0, old = 0;
			enum pg_event event;

			while ((event = pg_frames_next(&f, bytes + at, n,
						       &pos)) !=
			       PG_EVENT_MORE) {
				assert_int_not_equal(event, PG_EVENT_BAD);
				if (event == PG_EVENT_HEAD)
					seen[nseen++] = (char)f.head[0];
				else
					body += pos - old;
				old = pos;
			}
			assert_int_equal(pos, n);
		}
		assert_string_equal(seen, "RnZ");
		assert_int_equal(body, 5);
		assert_int_equal(f.left, 0);
	}
	f = (struct pg_frames){ 0 };
	size_t pos = 0;
	assert_int_equal(pg_frames_next(&f, bad, 5, &pos), PG_EVENT_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_startup_bad),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
