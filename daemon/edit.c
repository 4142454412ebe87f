/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of single properties, as PATCH requests ask for them: {prop, op,
 * value}. Lists take and give items, maps take pairs and give keys, all else is
 * set.
 */
#include <errno.h>
#include <string.h>

#include "daemon/api.h"
#include "host/json.h"

/* What names an item of a list: itself, or its name. */
static bool is_item(const json_t *item, const json_t *wanted)
{
	const char *name = json_is_object(item) ? json_str_or(item, "name", "")
						: json_string_value(item);
	const char *text = json_is_object(wanted)
				   ? json_str_or(wanted, "name", NULL)
				   : json_string_value(wanted);

	if (text)
		return name && !strcmp(name, text);
	if (json_is_integer(wanted)) /* a service, by its port */
		return json_integer_value(json_object_get(item, "port")) ==
		       json_integer_value(wanted);
	return json_equal(item, wanted);
}

static void remove_item(json_t *list, const json_t *wanted)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (is_item(json_array_get(list, i), wanted))
			json_array_remove(list, i);
}

/* One value or a list of them, as a list of its own. */
static json_t *as_list(json_t *v)
{
	return json_is_array(v) ? json_copy(v) : json_pack("[O]", v);
}

static void edit_list(json_t *body, const char *prop, json_t *v, bool is_add)
{
	json_t *changes = as_list(v);
	json_t *list = json_deep_copy(json_object_get(body, prop));
	json_t *item;
	size_t i;

	if (!json_is_array(list)) {
		json_decref(list);
		list = json_array();
	}
	json_array_foreach (changes, i, item) {
		remove_item(list, item);
		if (is_add)
			json_array_append(list, item);
	}
	json_decref(changes);
	json_object_set_new(body, prop, list);
}

static void edit_map(json_t *body, const char *prop, json_t *v, bool is_add)
{
	json_t *map = json_deep_copy(json_object_get(body, prop));
	json_t *keys, *item;
	const char *key;
	size_t i;

	if (!json_is_object(map)) {
		json_decref(map);
		map = json_object();
	}
	if (is_add) {
		json_object_update(map, v);
	} else if (json_is_object(v)) {
		json_object_foreach (v, key, item)
			json_object_del(map, key);
	} else {
		keys = as_list(v);
		json_array_foreach (keys, i, item)
			if (json_is_string(item))
				json_object_del(map, json_string_value(item));
		json_decref(keys);
	}
	json_object_set_new(body, prop, map);
}

int api_patch(json_t *body, const char *prop, const json_t *arg, struct err *e)
{
	static const char *const maps[] = { "env", "annotations" };
	static const char *const lists[] = { "tags", "args", "services",
					     "domains", "schedules" };
	const char *op = json_str_or(arg, "op", "set");
	json_t *v = json_object_get(arg, "value");
	bool is_add = !strcmp(op, "add");

	if (!strcmp(op, "set") || !v || json_is_null(v)) {
		if (is_add)
			return api_fail(e, API_INVALID, "'%s': no value", prop);
		if (!strcmp(op, "set") && v && !json_is_null(v))
			json_object_set(body, prop, v);
		else
			json_object_del(body, prop);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		if (strcmp(prop, maps[i]))
			continue;
		if (is_add && !json_is_object(v))
			return api_fail(e, API_INVALID, "'%s' takes an object",
					prop);
		edit_map(body, prop, v, is_add);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (!strcmp(prop, lists[i])) {
			edit_list(body, prop, v, is_add);
			return 0;
		}
	}
	if (!is_add)
		json_object_del(body, prop);
	else if (json_is_object(v) &&
		 json_is_object(json_object_get(body, prop)))
		edit_map(body, prop, v, true);
	else
		json_object_set(body, prop, v);
	return 0;
}

int api_edit(struct call *c, struct db_object *o, const json_t *arg,
	     const struct schema *s, struct err *e)
{
	const char *prop = json_str_or(arg, "prop", "");
	json_t *check;
	int r = api_patch(o->body, prop, arg, e);

	(void)c;
	if (r || !json_has(o->body, prop))
		return r;
	if (!strcmp(prop, "delete_lock")) {
		if (json_is_boolean(json_object_get(o->body, prop)))
			return 0;
		return api_fail(e, API_INVALID, "'delete_lock' is a boolean");
	}
	check = json_pack("{s:O}", prop, json_object_get(o->body, prop));
	r = schema_check_some(s, check, e);
	json_decref(check);
	return r ? API_INVALID : 0;
}
