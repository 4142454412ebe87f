/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/services: service groups.
 */
#include <errno.h>
#include <string.h>

#include "daemon/api.h"
#include "daemon/instances.h"
#include "daemon/services.h"
#include "host/cleanup.h"
#include "host/json.h"

static int describe(struct call *c, const struct db_object *o, json_t *item,
		    struct err *e)
{
	cleanup_db_list struct db_list members = { 0 };
	json_t *list = json_array();
	const json_t *body = o->body;

	if (db_list_by(c->daemon->db, DB_INSTANCE, DB_BY_GROUP, o->uuid,
		       &members, e)) {
		json_decref(list);
		return -e->code;
	}
	for (size_t i = 0; i < members.count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "uuid",
						members.items[i].uuid, "name",
						members.items[i].name));
	json_object_set_new(item, "instances", list);
	json_object_set_new(item, "created_at", api_time(o->created_ms));
	json_object_set_new(item, "persistent",
			    json_boolean(json_is_true(
				    json_object_get(body, "persistent"))));
	json_object_set_new(item, "autoscale",
			    json_boolean(json_has(body, "autoscale")));
	json_object_set_new(item, "soft_limit",
			    json_integer(json_int_or(body, "soft_limit", 1)));
	json_object_set_new(
		item, "hard_limit",
		json_integer(json_int_or(body, "hard_limit", 65535)));
	json_object_set(item, "services", json_object_get(body, "services"));
	json_object_set_new(item, "domains", service_domains(c->daemon, o));
	return 0;
}

/* Groups go with their last instance, or by request. */
static int check_autokill(const struct db_object *o, struct err *e)
{
	return json_has(o->body, "autokill")
		       ? api_fail(e, API_NOT_SUPPORTED,
				  "'autokill' of service groups is not "
				  "supported")
		       : 0;
}

int service_make(struct call *c, struct db_object *o, struct err *e)
{
	cleanup_db_object struct db_object other = DB_OBJECT_INIT;
	int r;

	memcpy(o->owner, c->user, UUID_SIZE);
	r = service_check(c->daemon, o, e);
	if (!r)
		r = check_autokill(o, e);
	if (!r)
		r = quota_check(c, "service_groups", 1, e);
	if (!r)
		r = quota_check(c, "services",
				(int64_t)json_array_size(
					json_object_get(o->body, "services")),
				e);
	if (r)
		return r;
	/* Its name is a part of domains: nobody else may have it. */
	db_lock(c->daemon->db);
	r = db_find(c->daemon->db, DB_SERVICE, NULL, NULL, o->name, &other, e);
	if (!r)
		r = api_fail(e, API_EXISTS,
			     "A service group with name '%s' exists", o->name);
	else if (r == -ENOENT)
		r = db_insert(c->daemon->db, o, e);
	db_unlock(c->daemon->db);
	if (r)
		return r;
	r = service_apply(c->daemon, o, e);
	if (r)
		db_remove(c->daemon->db, o->uuid, NULL);
	return r;
}

int group_post(struct call *c, struct db_object *none, const json_t *arg,
	       json_t *item, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_SERVICE };
	int r = api_take_name(arg, o.name, e);

	(void)none;
	if (r)
		return r;
	o.body = json_deep_copy(arg);
	json_object_del(o.body, "name");
	json_object_set_new(o.body, "persistent", json_true());
	r = service_make(c, &o, e);
	if (r)
		return r;
	json_object_set_new(item, "uuid", json_string(o.uuid));
	json_object_set_new(item, "name", json_string(o.name));
	return describe(c, &o, item, e);
}

int group_get(struct call *c, struct db_object *o, const json_t *arg,
	      json_t *item, struct err *e)
{
	(void)arg;
	return describe(c, o, item, e);
}

int group_patch(struct call *c, struct db_object *o, const json_t *arg,
		json_t *item, struct err *e)
{
	cleanup_json json_t *before = json_deep_copy(o->body);
	int r = api_edit(c, o, arg, &schema_service_create, e);

	(void)item;
	if (!r)
		r = service_check(c->daemon, o, e);
	if (!r)
		r = check_autokill(o, e);
	if (!r)
		r = service_apply(c->daemon, o, e);
	if (!r)
		r = db_update(c->daemon->db, o, e);
	if (!r)
		return 0;
	json_decref(o->body);
	o->body = take_ptr(before);
	service_apply(c->daemon, o, NULL);
	return r;
}

int group_delete(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	cleanup_db_list struct db_list members = { 0 };
	int r;

	(void)arg;
	(void)item;
	if (db_list_by(c->daemon->db, DB_INSTANCE, DB_BY_GROUP, o->uuid,
		       &members, e))
		return -e->code;
	if (members.count)
		return api_fail(e, API_ATTACHED,
				"The service group has %zu instances",
				members.count);
	r = db_remove(c->daemon->db, o->uuid, e);
	if (!r)
		service_withdraw(c->daemon, o);
	return r;
}

/* The group of an instance that is being created: one that exists, or one of
 * its own. */
int service_resolve(struct call *c, json_t *body, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_SERVICE };
	json_t *asked = json_object_get(body, "service_group");
	cleanup_json json_t *ref = json_object();
	int r;

	if (!asked || json_is_null(asked))
		return 0;
	if (json_has(asked, "services")) {
		r = api_take_name(asked, o.name, e);
		o.body = json_deep_copy(asked);
		json_object_del(o.body, "name");
		json_object_set_new(o.body, "persistent", json_false());
		if (!r)
			r = service_make(c, &o, e);
	} else {
		if (json_has(asked, "uuid"))
			json_object_set(ref, "uuid",
					json_object_get(asked, "uuid"));
		else if (json_has(asked, "name"))
			json_object_set(ref, "name",
					json_object_get(asked, "name"));
		r = api_find(c, DB_SERVICE, ref, &o, e);
	}
	if (r)
		return r;
	json_object_set_new(
		body, "service_group",
		json_pack("{s:s, s:s}", "uuid", o.uuid, "name", o.name));
	return 0;
}
