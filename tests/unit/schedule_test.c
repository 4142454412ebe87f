/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of calendar expressions and of schedules' next times, by a clock
 * of their own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "daemon/api.h"
#include "daemon/calendar.h"
#include "daemon/schedule.h"
#include "host/json.h"
#include "lib/compiler.h"

/* daemon/api.c's */
int api_fail(struct err *e, enum api_error code, const char *fmt, ...)
{
	err_set(e, EREMOTEIO, "%s", fmt);
	return code;
}

json_t *api_time(int64_t ms)
{
	return json_integer(ms / 1000);
}

static int64_t at(const char *text)
{
	struct tm tm = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (int64_t)timegm(&tm);
}

static void check(const char *when, const char *after, const char *next)
{
	struct calendar c;
	struct err e = ERR_INIT;

	assert_int_equal(calendar_parse(when, &c, &e), 0);
	if (calendar_next(&c, at(after)) != (next ? at(next) : -1))
		fail_msg("'%s' after %s: %lld", when, after,
			 (long long)calendar_next(&c, at(after)));
}

static void test_next(void **state)
{
	(void)state;
	check("daily", "2026-11-22 17:00:00", "2026-11-23 00:00:00");
	check("hourly", "2026-11-22 17:00:00", "2026-11-22 18:00:00");
	check("minutely", "2026-12-31 23:59:59", "2027-01-01 00:00:00");
	check("weekly", "2026-11-22 17:00:00", "2026-11-23 00:00:00");
	check("yearly", "2026-11-22 17:00:00", "2027-01-01 00:00:00");
	check("*:*:*", "2026-11-22 17:00:00", "2026-11-22 17:00:01");
	check("*:0/15", "2026-11-22 17:01:00", "2026-11-22 17:15:00");
	check("*:0/15", "2026-11-22 17:45:00", "2026-11-22 18:00:00");
	check("09:30", "2026-11-22 09:29:59", "2026-11-22 09:30:00");
	check("09:30", "2026-11-22 09:30:00", "2026-11-23 09:30:00");
	check("Mon..Fri 09:00", "2026-11-20 09:00:00", "2026-11-23 09:00:00");
	check("sat,Sunday 8..10:00", "2026-11-22 09:00:00",
	      "2026-11-22 10:00:00");
	check("*-*-01 03:00:00 UTC", "2026-11-22 17:00:00",
	      "2026-12-01 03:00:00");
	check("2026-12-24 18:00", "2026-11-22 17:00:00", "2026-12-24 18:00:00");
	check("2020-01-01 00:00", "2026-11-22 17:00:00", NULL);
	check("*-02-29 12:00", "2026-11-22 17:00:00", "2028-02-29 12:00:00");
	check("*-02-30 12:00", "2026-11-22 17:00:00", NULL);
	check("30 3 * * *", "2026-11-22 03:30:00", "2026-11-23 03:30:00");
	check("*/20 * * * *", "2026-11-22 17:41:00", "2026-11-22 18:00:00");
	check("0 0 1 * 1", "2026-11-22 17:00:00", "2026-11-23 00:00:00");
	check("0 0 1 * *", "2026-11-22 17:00:00", "2026-12-01 00:00:00");
	check("0 12 * 1-3 7", "2026-11-22 17:00:00", "2027-01-03 12:00:00");
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",	   " ",		 "now",		 "25:00",	"10:60",
		"1 2 3 4", "1 2 3 4 8",	 "*-13-01",	 "*-*-0 1:00",	"Mon..",
		"5..3:00", "*:0/0",	 "*:0/61",	 "*:-5",	"::",
		"1,,2:00", "0 0 32 * *", "Mon Mon 1:00", "0 0 * * * *", "a:b",
	};
	char longer[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct calendar c;

		if (calendar_parse(texts[i], &c, NULL) != -EINVAL)
			fail_msg("'%s' is taken", texts[i]);
	}
	memset(longer, '1', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(calendar_parse(longer, &(struct calendar){ 0 }, NULL),
			 -EINVAL);
}

static json_t *body_with(const char *list)
{
	json_t *body = json_object();

	json_object_set_new(body, "schedules",
			    json_loads(list, JSON_DECODE_ANY, NULL));
	assert_true(json_is_array(json_object_get(body, "schedules")));
	return body;
}

static const char two[] =
	"[{\"name\":\"on\",\"when\":\"08:00\",\"action\":\"start\"},"
	"{\"name\":\"off\",\"when\":\"18:00\",\"action\":\"stop\"}]";

static void test_due(void **state)
{
	json_t *body = body_with(two), *due = json_array(), *told;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(
		schedule_set(body, NULL, at("2026-11-22 09:00:00"), &e), 0);
	assert_int_equal(json_int_or(body, "schedule_at", 0),
			 at("2026-11-22 18:00:00"));
	told = schedule_describe(body);
	assert_int_equal(json_int_or(json_array_get(told, 0), "next_at", 0),
			 at("2026-11-23 08:00:00"));
	json_decref(told);
	schedule_take_due(body, at("2026-11-22 17:59:59"), due);
	assert_int_equal(json_array_size(due), 0);
	schedule_take_due(body, at("2026-11-22 18:00:00"), due);
	assert_int_equal(json_array_size(due), 1);
	assert_string_equal(json_str_or(json_array_get(due, 0), "name", ""),
			    "off");
	assert_int_equal(json_int_or(body, "schedule_at", 0),
			 at("2026-11-23 08:00:00"));
	/* Three days later: what was missed is due once. */
	json_array_clear(due);
	schedule_take_due(body, at("2026-11-25 20:00:00"), due);
	assert_int_equal(json_array_size(due), 2);
	assert_int_equal(json_int_or(body, "schedule_at", 0),
			 at("2026-11-26 08:00:00"));
	json_decref(due);
	json_decref(body);
}

/* A change of one keeps the times of the others; none is left at the end. */
static void test_change(void **state)
{
	json_t *before = body_with(two), *body, *due = json_array();

	(void)state;
	assert_int_equal(
		schedule_set(before, NULL, at("2026-11-22 09:00:00"), NULL), 0);
	body = json_deep_copy(before);
	json_object_set_new(
		json_array_get(json_object_get(body, "schedules"), 0), "when",
		json_string("*:30"));
	/* while the other was due: it is not lost */
	assert_int_equal(
		schedule_set(body, before, at("2026-11-22 18:00:05"), NULL), 0);
	assert_int_equal(json_int_or(body, "schedule_at", 0),
			 at("2026-11-22 18:00:00"));
	schedule_take_due(body, at("2026-11-22 18:00:06"), due);
	assert_int_equal(json_array_size(due), 1);
	assert_int_equal(json_int_or(body, "schedule_at", 0),
			 at("2026-11-22 18:30:00"));
	json_object_del(body, "schedules");
	assert_int_equal(schedule_set(body, before, 0, NULL), 0);
	assert_false(json_has(body, "schedule_at"));
	assert_false(json_has(body, "schedule_next"));
	json_decref(due);
	json_decref(body);
	json_decref(before);
}

static void test_bad_schedules(void **state)
{
	static const struct {
		const char *list;
		int error;
	} bad[] = {
		{ "[{\"name\":\"a\",\"when\":\"x\",\"action\":\"stop\"}]",
		  API_INVALID },
		{ "[{\"name\":\"a\",\"when\":\"daily\","
		  "\"action\":\"checkpoint\"}]",
		  API_NOT_SUPPORTED },
		{ "[{\"name\":\"a\",\"when\":\"daily\","
		  "\"action\":\"exec\"}]",
		  API_INVALID },
		{ "[{\"name\":\"a\",\"when\":\"daily\",\"action\":\"stop\"},"
		  "{\"name\":\"a\",\"when\":\"daily\",\"action\":\"stop\"}]",
		  API_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *body = body_with(bad[i].list);
		struct err e = ERR_INIT;

		assert_int_equal(schedule_set(body, NULL, 0, &e), bad[i].error);
		json_decref(body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_bad_schedules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
