/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/services/.../autoscale: configurations and their policies, kept in the
 * body of the service group.
 */
#include <errno.h>
#include <string.h>

#include "daemon/api.h"
#include "host/cleanup.h"
#include "host/json.h"

static json_t *config_of(struct db_object *o, int *r, struct err *e)
{
	json_t *config = json_object_get(o->body, "autoscale");

	*r = config ? 0
		    : api_fail(e, API_AUTOSCALE_UNCONFIGURED,
			       "Autoscale is not configured");
	return config;
}

/* Policies are by steps; other kinds are refused. */
static int check_policy(const json_t *policy, struct err *e)
{
	const char *type = json_str_or(policy, "type", "step");

	if (strcmp(type, "step") != 0)
		return api_fail(e, API_NOT_SUPPORTED,
				"Policies of type '%.20s' are not supported",
				type);
	if (!json_array_size(json_object_get(policy, "steps")))
		return api_fail(e, API_INVALID, "Policy '%.60s' has no steps",
				json_str_or(policy, "name", ""));
	return 0;
}

static int make_config(struct call *c, const json_t *arg, json_t *config,
		       struct err *e)
{
	static const char *const keys[] = { "min_size", "max_size",
					    "warmup_time_ms",
					    "cooldown_time_ms", "policies" };
	const json_t *ref = json_object_get(arg, "template");
	cleanup_db_object struct db_object t = DB_OBJECT_INIT;
	json_t *policy;
	size_t i;
	int r;

	if (!ref)
		ref = json_object_get(json_object_get(arg, "create_args"),
				      "template");
	if (!ref)
		return api_fail(e, API_INVALID, "Missing member 'template'");
	if (json_has(arg, "high_watermark"))
		return api_fail(e, API_NOT_SUPPORTED,
				"'high_watermark' is not supported");
	r = api_find(c, DB_TEMPLATE, ref, &t, e);
	if (r)
		return r;
	if (json_int_or(arg, "min_size", 1) > json_int_or(arg, "max_size", 1))
		return api_fail(e, API_AUTOSCALE_SIZE,
				"min_size is above max_size");
	json_array_foreach (json_object_get(arg, "policies"), i, policy) {
		r = check_policy(policy, e);
		if (r)
			return r;
	}
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_has(arg, keys[i]))
			json_object_set(config, keys[i],
					json_object_get(arg, keys[i]));
	json_object_set_new(
		config, "template",
		json_pack("{s:s, s:s}", "uuid", t.uuid, "name", t.name));
	return 0;
}

int autoscale_post(struct call *c, struct db_object *o, const json_t *arg,
		   json_t *item, struct err *e)
{
	cleanup_json json_t *config = json_object();
	int r;

	(void)item;
	if (json_has(o->body, "autoscale"))
		return api_fail(e, API_AUTOSCALE_CONFIGURED,
				"Autoscale is configured already");
	r = make_config(c, arg, config, e);
	if (r)
		return r;
	json_object_set(o->body, "autoscale", config);
	return db_update(c->daemon->db, o, e);
}

int autoscale_get(struct call *c, struct db_object *o, const json_t *arg,
		  json_t *item, struct err *e)
{
	const json_t *config = json_object_get(o->body, "autoscale");

	(void)c;
	(void)arg;
	(void)e;
	json_object_set_new(item, "enabled", json_boolean(config != NULL));
	if (config)
		json_object_update_missing(item, (json_t *)config);
	return 0;
}

int autoscale_delete(struct call *c, struct db_object *o, const json_t *arg,
		     json_t *item, struct err *e)
{
	int r;

	(void)arg;
	(void)item;
	if (!config_of(o, &r, e))
		return r;
	json_object_del(o->body, "autoscale");
	return db_update(c->daemon->db, o, e);
}

static size_t find_policy(const json_t *list, const char *name)
{
	json_t *policy;
	size_t i;

	json_array_foreach (list, i, policy)
		if (!strcmp(json_str_or(policy, "name", ""), name))
			return i;
	return json_array_size(list);
}

int policy_post(struct call *c, struct db_object *o, const json_t *arg,
		json_t *item, struct err *e)
{
	cleanup_json json_t *policy = json_deep_copy(arg);
	const char *name = json_str_or(arg, "name", "");
	json_t *config, *list;
	int r;

	(void)item;
	json_object_del(policy, "uuid");
	config = config_of(o, &r, e);
	if (!r)
		r = check_policy(policy, e);
	if (r)
		return r;
	list = json_object_get(config, "policies");
	if (!list) {
		list = json_array();
		json_object_set_new(config, "policies", list);
	}
	if (find_policy(list, name) < json_array_size(list))
		return api_fail(e, API_EXISTS,
				"A policy with name '%.60s' exists", name);
	json_array_append(list, policy);
	return db_update(c->daemon->db, o, e);
}

int policy_get(struct call *c, struct db_object *o, const json_t *arg,
	       json_t *item, struct err *e)
{
	json_t *config, *list;
	size_t i;
	int r;

	(void)arg;
	config = config_of(o, &r, e);
	if (!config)
		return r;
	list = json_object_get(config, "policies");
	if (!c->name) {
		json_object_set_new(item, "policies",
				    list ? json_incref(list) : json_array());
		return 0;
	}
	i = find_policy(list, c->name);
	if (i == json_array_size(list))
		return api_fail(e, API_NOT_FOUND, "No policy with name '%.60s'",
				c->name);
	json_object_set(item, "policy", json_array_get(list, i));
	return 0;
}

int policy_delete(struct call *c, struct db_object *o, const json_t *arg,
		  json_t *item, struct err *e)
{
	json_t *config, *list;
	size_t i;
	int r;

	(void)arg;
	(void)item;
	config = config_of(o, &r, e);
	if (!config)
		return r;
	list = json_object_get(config, "policies");
	i = find_policy(list, c->name);
	if (i == json_array_size(list))
		return api_fail(e, API_NOT_FOUND, "No policy with name '%.60s'",
				c->name);
	json_array_remove(list, i);
	return db_update(c->daemon->db, o, e);
}
