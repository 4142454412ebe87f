/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The times of schedules.
 */
#include "daemon/schedule.h"

#include <string.h>

#include "daemon/api.h"
#include "daemon/calendar.h"
#include "host/cleanup.h"
#include "host/json.h"

static int check(const json_t *schedule, const json_t *next, struct err *e)
{
	const char *name = json_str_or(schedule, "name", "");
	const char *action = json_str_or(schedule, "action", "");
	bool has_args = json_array_size(json_object_get(schedule, "args")) > 0;

	if (!strcmp(action, "checkpoint"))
		return api_fail(e, API_NOT_SUPPORTED,
				"Schedule '%.40s': action 'checkpoint' is not "
				"supported",
				name);
	if (!*name || json_has(next, name))
		return api_fail(e, API_INVALID,
				"Schedule '%.40s': the name is empty or taken",
				name);
	if (has_args != !strcmp(action, "exec"))
		return api_fail(e, API_INVALID,
				"Schedule '%.40s': 'args' are those of 'exec'",
				name);
	return 0;
}

static int next_of(const json_t *schedule, int64_t after, int64_t *next,
		   struct err *e)
{
	struct calendar c;

	if (calendar_parse(json_str_or(schedule, "when", ""), &c, e))
		return API_INVALID;
	*next = calendar_next(&c, after);
	return 0;
}

/* The first of all next times, or none. */
static void set_first(json_t *body, const json_t *next)
{
	json_int_t first = INT64_MAX;
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)next, key, v)
		first = MIN(first, json_integer_value(v));
	if (first == INT64_MAX)
		json_object_del(body, "schedule_at");
	else
		json_object_set_new(body, "schedule_at", json_integer(first));
}

/* The time that one of that name had which was the same. */
static json_t *kept_next(const json_t *before, const json_t *schedule)
{
	const char *name = json_str_or(schedule, "name", "");
	json_t *old;
	size_t i;

	json_array_foreach (json_object_get(before, "schedules"), i, old)
		if (json_equal(old, schedule))
			return json_object_get(
				json_object_get(before, "schedule_next"), name);
	return NULL;
}

int schedule_set(json_t *body, const json_t *before, int64_t now, struct err *e)
{
	cleanup_json json_t *next = json_object();
	const json_t *list = json_object_get(body, "schedules");
	json_t *schedule;
	size_t i;

	if (json_array_size(list) > SCHEDULES_MAX)
		return api_fail(e, API_TOO_MANY, "More than %d schedules",
				SCHEDULES_MAX);
	json_array_foreach (list, i, schedule) {
		json_t *kept = kept_next(before, schedule);
		int64_t at = -1;
		int r;

		json_object_del(schedule, "next_at"); /* ours to say */
		r = check(schedule, next, e);
		if (!r)
			r = next_of(schedule, now, &at, e);
		if (r)
			return r;
		if (kept)
			json_object_set(next, json_str_or(schedule, "name", ""),
					kept);
		else if (at >= 0)
			json_object_set_new(next,
					    json_str_or(schedule, "name", ""),
					    json_integer(at));
	}
	set_first(body, next);
	if (json_array_size(list))
		json_object_set(body, "schedule_next", next);
	else
		json_object_del(body, "schedule_next");
	return 0;
}

void schedule_take_due(json_t *body, int64_t now, json_t *due)
{
	json_t *next = json_object_get(body, "schedule_next"), *schedule;
	size_t i;

	json_array_foreach (json_object_get(body, "schedules"), i, schedule) {
		const char *name = json_str_or(schedule, "name", "");
		int64_t at = -1;

		if (json_int_or(next, name, INT64_MAX) > now)
			continue;
		json_array_append(due, schedule);
		if (next_of(schedule, now, &at, NULL) || at < 0)
			json_object_del(next, name);
		else
			json_object_set_new(next, name, json_integer(at));
	}
	set_first(body, next);
}

json_t *schedule_describe(const json_t *body)
{
	json_t *list = json_deep_copy(json_object_get(body, "schedules"));
	const json_t *next = json_object_get(body, "schedule_next");
	json_t *schedule;
	size_t i;

	json_array_foreach (list, i, schedule) {
		int64_t at = json_int_or(next,
					 json_str_or(schedule, "name", ""), -1);

		if (at >= 0)
			json_object_set_new(schedule, "next_at",
					    api_time(at * 1000));
	}
	return list;
}
