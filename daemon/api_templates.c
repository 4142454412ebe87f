/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/instances/templates and /checkpoints: copies of running instances that
 * others begin as, made by `jiffy snapshot`. Both are the same to us; "use" in
 * the body tells which list one is in.
 */
#include <errno.h>
#include <string.h>

#include "daemon/api.h"
#include "daemon/instances.h"
#include "daemon/program.h"
#include "engine/template.h"
#include "host/cleanup.h"
#include "host/json.h"

/* "template" or "checkpoint", by the route. */
static const char *use_of(const struct call *c)
{
	return strstr(c->route->path, "checkpoints") ? "checkpoint"
						     : "template";
}

static int check_use(const struct call *c, const struct db_object *o,
		     struct err *e)
{
	if (!strcmp(json_str_or(o->body, "use", ""), use_of(c)))
		return 0;
	return api_fail(e, API_NOT_FOUND, "No %s with name '%s'", use_of(c),
			o->name);
}

static void describe(const struct db_object *o, json_t *item)
{
	static const char *const keys[] = {
		"image", "args",	"env",	"memory_mb", "vcpus",
		"tags",	 "delete_lock", "from", "pause_us"
	};

	json_object_set_new(item, "created_at", api_time(o->created_ms));
	json_object_set(item, "state", json_object_get(o->body, "use"));
	json_object_set_new(item, "restart_policy", json_string("never"));
	json_object_set_new(item, "type", json_string("micro"));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_has(o->body, keys[i]))
			json_object_set(item, keys[i],
					json_object_get(o->body, keys[i]));
}

/* The instance that it is made of: {uuid|name} itself, or "from". */
static int find_source(struct call *c, const json_t *arg,
		       struct db_object *source, struct err *e)
{
	cleanup_json json_t *ref = json_object();
	const json_t *from = json_object_get(arg, "from");
	const json_t *named = from ? from : arg;

	if (json_has(named, "uuid"))
		json_object_set(ref, "uuid", json_object_get(named, "uuid"));
	else if (json_has(named, "name"))
		json_object_set(ref, "name", json_object_get(named, "name"));
	return api_find(c, DB_INSTANCE, ref, source, e);
}

static json_t *body_of(struct call *c, const struct db_object *source,
		       const json_t *arg, const char *record)
{
	json_t *body = json_deep_copy(source->body);
	static const char *const dropped[] = {
		"service_group", "wanted",	   "delete_lock",
		"tags",		 "restart_policy", "adopted",
		"start_count",	 "template",	   "autokill",
		"autokill_ms",	 "features",	   "restart_count",
		"schedules",	 "schedule_next",  "schedule_at"
	};

	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		json_object_del(body, dropped[i]);
	json_object_set_new(body, "record", json_null());
	json_object_set_new(body, "snapshot", json_string(record));
	json_object_set_new(body, "use", json_string(use_of(c)));
	json_object_set_new(body, "from",
			    json_pack("{s:s, s:s}", "uuid", source->uuid,
				      "name", source->name));
	if (json_has(arg, "tags"))
		json_object_set(body, "tags", json_object_get(arg, "tags"));
	return body;
}

static int snapshot(struct call *c, const struct db_object *source,
		    const char *record, struct err *e)
{
	cleanup_strv struct strv args = STRV_INIT;
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r = instance_of(c->daemon, source, &in, e);

	if (r)
		return r;
	if (in.status > INSTANCE_RUNNING)
		return api_fail(e, API_WRONG_STATE, "Instance is %s",
				instance_state(&in));
	strv_add(&args, "snapshot");
	strv_add(&args, "-t");
	strv_add(&args, record);
	strv_add(&args, in.name);
	return program_jiffy(&args, PROGRAM_SECONDS, NULL, e);
}

int template_post(struct call *c, struct db_object *none, const json_t *arg,
		  json_t *item, struct err *e)
{
	cleanup_db_object struct db_object source = DB_OBJECT_INIT;
	cleanup_db_object struct db_object o = { .kind = DB_TEMPLATE };
	const char *name = json_str_or(
		arg, json_has(arg, "from") ? "name" : "template_name", NULL);
	char record[NAME_SIZE];
	int r = find_source(c, arg, &source, e);

	(void)none;
	if (!r && json_has(arg, "autokill"))
		r = api_fail(e, API_NOT_SUPPORTED,
			     "'autokill' of copies is not supported");
	if (!r && name && name_check(name, e))
		r = API_INVALID;
	if (r)
		return r;
	uuid_generate(o.uuid);
	snprintf(record, sizeof(record), "t-%s", o.uuid);
	snprintf(o.name, sizeof(o.name), "%s", name ? name : source.name);
	memcpy(o.owner, c->user, UUID_SIZE);
	o.body = body_of(c, &source, arg, record);
	r = db_insert(c->daemon->db, &o, e);
	if (r)
		return r == -EEXIST ? api_fail(e, API_EXISTS,
					       "A %s with name '%s' exists",
					       use_of(c), o.name)
				    : r;
	daemon_hold(c->daemon, source.uuid);
	r = snapshot(c, &source, record, e);
	daemon_release(c->daemon, source.uuid);
	if (r) {
		db_remove(c->daemon->db, o.uuid, NULL);
		return r;
	}
	json_object_set_new(item, "uuid", json_string(o.uuid));
	json_object_set_new(item, "name", json_string(o.name));
	describe(&o, item);
	return 0;
}

/* What copy number i of n is asked for as. */
static json_t *fork_request(const struct db_object *source, const json_t *arg,
			    const char *template, json_int_t i, json_int_t n)
{
	static const char *const keys[] = { "tags", "memory_mb",
					    "scale_to_zero", "autokill" };
	json_t *o = json_pack("{s:b, s:{s:s}}", "autostart", 1, "template",
			      "uuid", template);
	const char *name = json_str_or(arg, "name", NULL);

	if (json_has(source->body, "memory_mb"))
		json_object_set(o, "memory_mb",
				json_object_get(source->body, "memory_mb"));
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		if (json_has(arg, keys[k]))
			json_object_set(o, keys[k],
					json_object_get(arg, keys[k]));
	if (name)
		json_object_set_new(
			o, "name",
			n > 1 ? json_sprintf("%.50s-%lld", name, (long long)i)
			      : json_text(name));
	return o;
}

/* Items of their own, but the last, which is `item`. */
static int fork_all(struct call *c, const struct db_object *source,
		    const json_t *arg, const char *template, json_t *item,
		    struct err *e)
{
	json_int_t n = json_int_or(arg, "count", 1);
	int r = 0;

	for (json_int_t i = 1; !r && i <= n; i++) {
		cleanup_json json_t *request =
			fork_request(source, arg, template, i, n);
		cleanup_json json_t *other = json_object();

		r = instance_post_one(c, request, 0, i == n ? item : other, e);
		if (r || i == n)
			continue;
		json_object_set_new(other, "status", json_string("success"));
		json_array_append(c->items, other);
	}
	return r;
}

void templates_sweep(struct daemon *d)
{
	cleanup_db_list struct db_list all = { 0 };

	if (db_list(d->db, DB_TEMPLATE, NULL, false, NULL, &all, NULL))
		return;
	for (size_t i = 0; i < all.count; i++) {
		const json_t *body = all.items[i].body;

		if (strcmp(json_str_or(body, "use", ""), "fork") != 0)
			continue;
		template_remove(&d->store, json_str_or(body, "snapshot", ""),
				NULL);
		db_remove(d->db, all.items[i].uuid, NULL);
	}
}

/* By a template that nobody sees, and that goes when all have its memory. */
int instance_fork(struct call *c, struct db_object *source, const json_t *arg,
		  json_t *item, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_TEMPLATE };
	cleanup_instance struct instance in = INSTANCE_INIT;
	char record[NAME_SIZE];
	int r = instance_awake(c, source, &in, e);

	if (r)
		return r;
	uuid_generate(o.uuid);
	snprintf(record, sizeof(record), "t-%s", o.uuid);
	snprintf(o.name, sizeof(o.name), "fork-%s", o.uuid);
	memcpy(o.owner, c->user, UUID_SIZE);
	o.body = body_of(c, source, arg, record);
	json_object_set_new(o.body, "use", json_string("fork"));
	r = db_insert(c->daemon->db, &o, e);
	if (r)
		return r;
	daemon_hold(c->daemon, source->uuid);
	r = snapshot(c, source, record, e);
	daemon_release(c->daemon, source->uuid);
	if (!r) {
		r = fork_all(c, source, arg, o.uuid, item, e);
		template_remove(&c->daemon->store, record, NULL);
	}
	db_remove(c->daemon->db, o.uuid, NULL);
	return r;
}

int template_get(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	(void)arg;
	if (check_use(c, o, e))
		return API_NOT_FOUND;
	describe(o, item);
	return 0;
}

int template_patch(struct call *c, struct db_object *o, const json_t *arg,
		   json_t *item, struct err *e)
{
	int r = check_use(c, o, e);

	(void)item;
	if (!r && !strcmp(json_str_or(arg, "prop", ""), "autokill"))
		r = api_fail(e, API_NOT_SUPPORTED,
			     "'autokill' of copies is not supported");
	if (!r)
		r = api_edit(c, o, arg, &schema_instance_create, e);
	return r ? r : db_update(c->daemon->db, o, e);
}

int template_delete(struct call *c, struct db_object *o, const json_t *arg,
		    json_t *item, struct err *e)
{
	int r = check_use(c, o, e);

	(void)arg;
	(void)item;
	if (!r)
		r = api_check_lock(o, e);
	if (!r)
		r = template_remove(&c->daemon->store,
				    json_str_or(o->body, "snapshot", ""), e);
	return r && r != -ENOENT ? r : db_remove(c->daemon->db, o->uuid, e);
}

int template_resolve(struct call *c, json_t *body, struct err *e)
{
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	const char *use = json_has(body, "checkpoint") ? "checkpoint"
						       : "template";
	const json_t *asked = json_object_get(body, use);
	cleanup_json json_t *ref = json_object();
	static const char *const copied[] = { "image", "args", "env", "vcpus" };
	int r;

	if (!asked)
		return 0;
	if (json_has(asked, "prepare") || json_has(asked, "create_args"))
		return api_fail(e, API_NOT_SUPPORTED,
				"Templates are not made on demand");
	if (json_has(asked, "uuid"))
		json_object_set(ref, "uuid", json_object_get(asked, "uuid"));
	else if (json_has(asked, "name"))
		json_object_set(ref, "name", json_object_get(asked, "name"));
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
		if (json_has(body, copied[i]))
			return api_fail(e, API_NOT_SUPPORTED,
					"'%s': an instance of a %s has what "
					"that has",
					copied[i], use);
	r = api_find(c, DB_TEMPLATE, ref, &o, e);
	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
		if (json_has(o.body, copied[i]))
			json_object_set(body, copied[i],
					json_object_get(o.body, copied[i]));
	json_object_del(body, "checkpoint");
	json_object_set_new(body, "template",
			    json_pack("{s:s, s:s, s:O}", "uuid", o.uuid, "name",
				      o.name, "snapshot",
				      json_object_get(o.body, "snapshot")));
	return 0;
}
