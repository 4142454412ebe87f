/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/volumes: volumes of the store under names of their users. An object's
 * body holds "record", the name in the store; which instances have one attached
 * is in the instances' bodies.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/instances.h"
#include "daemon/program.h"
#include "engine/volume_store.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define SIZE_DEFAULT_MB 128

static const char *record_of(const struct db_object *o)
{
	return json_str_or(o->body, "record", o->name);
}

/* Run `jiffy volume ARG...`; NULL ends the arguments. */
static int volume_program(struct err *e, ...)
{
	cleanup_strv struct strv args = STRV_INIT;
	const char *arg;
	va_list ap;

	strv_add(&args, "volume");
	va_start(ap, e);
	while ((arg = va_arg(ap, const char *)))
		strv_add(&args, arg);
	va_end(ap);
	return program_jiffy(&args, PROGRAM_DISK_SECONDS, NULL, e);
}

/* The instances that have it: their references, and of those that run more. */
static int add_users(struct call *c, const struct db_object *o, json_t *item,
		     bool *is_mounted, struct err *e)
{
	cleanup_db_list struct db_list all = { 0 };
	json_t *attached = json_array(), *mounted = json_array(), *v;
	size_t k;

	json_object_set_new(item, "attached_to", attached);
	json_object_set_new(item, "mounted_by", mounted);
	if (db_list(c->daemon->db, DB_INSTANCE, o->owner, false, NULL, &all, e))
		return -e->code;
	for (size_t i = 0; i < all.count; i++) {
		const struct db_object *user = &all.items[i];
		json_t *list = json_object_get(user->body, "volumes");
		cleanup_instance struct instance in = INSTANCE_INIT;

		json_array_foreach (list, k, v) {
			if (strcmp(json_str_or(v, "uuid", ""), o->uuid) != 0)
				continue;
			json_array_append_new(attached,
					      json_pack("{s:s, s:s}", "uuid",
							user->uuid, "name",
							user->name));
			if (instance_of(c->daemon, user, &in, NULL) ||
			    in.status > INSTANCE_SUSPENDED)
				continue;
			json_array_append_new(
				mounted,
				json_pack("{s:s, s:s, s:b}", "uuid", user->uuid,
					  "name", user->name, "readonly",
					  json_is_true(json_object_get(
						  v, "readonly"))));
		}
	}
	*is_mounted = json_array_size(mounted) > 0;
	return 0;
}

/* One that somebody else has removed, or whose making was cut off: its object
 * goes, too. */
static bool is_gone(struct call *c, const struct db_object *o)
{
	struct err e = ERR_INIT;
	struct timespec now;
	int fd = volume_look(&c->daemon->store, record_of(o), &e);
	int64_t age_ms;

	if (fd >= 0)
		close(fd);
	if (fd != -ENOENT)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	age_ms = (int64_t)now.tv_sec * 1000 - o->created_ms;
	/* Since the daemon runs: it may just be made. */
	if (json_is_true(json_object_get(o->body, "is_new")) &&
	    age_ms < (int64_t)(((uint64_t)monotonic_ns() -
				c->daemon->started_ns) /
			       (uint64_t)NSEC_PER_MSEC))
		return false;
	db_remove(c->daemon->db, o->uuid, NULL);
	return true;
}

int volume_get(struct call *c, struct db_object *o, const json_t *arg,
	       json_t *item, struct err *e)
{
	cleanup_json json_t *about = NULL;
	bool is_mounted;
	const json_t *fs;

	(void)arg;
	if (is_gone(c, o))
		return err_set(e, ENOENT, "No volume with name '%s'", o->name);
	if (add_users(c, o, item, &is_mounted, e) ||
	    volume_json(&c->daemon->store, record_of(o), &about, e))
		return -e->code;
	fs = json_object_get(about, "filesystem");
	json_object_set_new(item, "created_at", api_time(o->created_ms));
	json_object_set_new(item, "state",
			    json_string(is_mounted ? "mounted"
					: json_array_size(json_object_get(
						  item, "attached_to"))
						? "idle"
						: "available"));
	json_object_set_new(item, "size_mb",
			    json_integer(json_int_or(o->body, "size_mb", 0)));
	json_object_set_new(item, "persistent", json_true());
	json_object_set_new(item, "quota_policy", json_string("static"));
	json_object_set_new(item, "filesystem", json_string("ext4"));
	json_object_set_new(item, "access_mode", json_string("rwo"));
	json_object_set_new(item, "delete_lock",
			    json_boolean(json_is_true(
				    json_object_get(o->body, "delete_lock"))));
	if (json_has(o->body, "tags"))
		json_object_set(item, "tags", json_object_get(o->body, "tags"));
	if (json_has(fs, "free"))
		json_object_set_new(
			item, "free_mb",
			json_integer(json_int_or(fs, "free", 0) >> 20));
	return 0;
}

static int check_supported(const json_t *arg, struct err *e)
{
	const char *mode = json_str_or(arg, "access_mode", "rwo");
	const char *fs = json_str_or(arg, "filesystem", "ext4");
	static const char *const absent[] = { "host_path", "template", "uid",
					      "gid", "args" };

	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (json_has(arg, absent[i]))
			return api_fail(e, API_NOT_SUPPORTED,
					"'%s' is not supported", absent[i]);
	if (strcmp(mode, "rwo") != 0)
		return api_fail(e, API_NOT_SUPPORTED,
				"access_mode '%.20s' is not supported", mode);
	if (strcmp(fs, "ext4") != 0)
		return api_fail(e, API_NOT_SUPPORTED,
				"filesystem '%.20s' is not supported", fs);
	return 0;
}

/* A name in the store: the user's, unless somebody else has it. */
static void choose_record(struct call *c, const char *name,
			  char record[NAME_SIZE])
{
	char id[ID_SIZE];
	int fd;

	snprintf(record, NAME_SIZE, "%s", name);
	fd = volume_look(&c->daemon->store, record, NULL);
	if (fd < 0)
		return;
	close(fd);
	id_generate(id);
	snprintf(record, NAME_SIZE, "%.50s-%s", name, id);
}

/* Insert the object, unless the name is another's that is there. */
static int insert(struct call *c, struct db_object *o, struct err *e)
{
	cleanup_db_object struct db_object old = DB_OBJECT_INIT;
	int r = db_insert(c->daemon->db, o, e);

	if (r == -EEXIST &&
	    !db_find(c->daemon->db, DB_VOLUME, c->user, NULL, o->name, &old,
		     NULL) &&
	    is_gone(c, &old)) {
		*e = (struct err)ERR_INIT;
		r = db_insert(c->daemon->db, o, e);
	}
	return r;
}

int volume_make(struct call *c, struct db_object *o, const char *from,
		struct err *e)
{
	char record[NAME_SIZE], size[32];
	int64_t mb = json_int_or(o->body, "size_mb", SIZE_DEFAULT_MB);
	bool is_held;
	int r;

	choose_record(c, o->name, record);
	memcpy(o->owner, c->user, UUID_SIZE);
	json_object_set_new(o->body, "record", json_string(record));
	json_object_set_new(o->body, "size_mb", json_integer(mb));
	json_object_set_new(o->body, "is_new", json_true());
	is_held = quota_hold(c);
	r = quota_check(c, "volumes", 1, e);
	if (!r)
		r = quota_check(c, "total_volume_mb", mb, e);
	if (!r)
		r = insert(c, o, e);
	quota_release(c, is_held);
	if (r)
		return r == -EEXIST ? api_fail(e, API_EXISTS,
					       "A volume with name '%s' exists",
					       o->name)
				    : r;
	snprintf(size, sizeof(size), "%lldM", (long long)mb);
	r = from ? volume_program(e, "snapshot", from, record, NULL)
		 : volume_program(e, "create", "--size", size, record, NULL);
	if (!r) {
		json_object_del(o->body, "is_new");
		r = db_update(c->daemon->db, o, e);
	}
	if (r)
		db_remove(c->daemon->db, o->uuid, NULL);
	return r;
}

int volume_post(struct call *c, struct db_object *none, const json_t *arg,
		json_t *item, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_VOLUME };
	int r = check_supported(arg, e);

	(void)none;
	if (!r && !json_has(arg, "size_mb"))
		r = api_fail(e, API_INVALID, "Missing member 'size_mb'");
	if (!r)
		r = api_take_name(arg, o.name, e);
	if (r)
		return r;
	o.body = json_deep_copy(arg);
	json_object_del(o.body, "name");
	r = volume_make(c, &o, NULL, e);
	if (r)
		return r;
	json_object_set_new(item, "uuid", json_string(o.uuid));
	json_object_set_new(item, "name", json_string(o.name));
	return volume_get(c, &o, arg, item, e);
}

/* One that exists, or with a size a new one, which is noted. */
static int take_volume(struct call *c, const json_t *v, struct db_object *o,
		       json_t *made, struct err *e)
{
	cleanup_json json_t *ref = json_object();
	int r;

	if (json_has(v, "host_path"))
		return api_fail(e, API_NOT_SUPPORTED,
				"'host_path' is not supported");
	if (!json_has(v, "size_mb") || json_has(v, "uuid")) {
		if (json_has(v, "uuid"))
			json_object_set(ref, "uuid",
					json_object_get(v, "uuid"));
		else if (json_has(v, "name"))
			json_object_set(ref, "name",
					json_object_get(v, "name"));
		return api_find(c, DB_VOLUME, ref, o, e);
	}
	r = check_supported(v, e);
	if (!r)
		r = api_take_name(v, o->name, e);
	if (r)
		return r;
	o->kind = DB_VOLUME;
	o->body = json_pack("{s:O}", "size_mb", json_object_get(v, "size_mb"));
	if (json_has(v, "tags"))
		json_object_set(o->body, "tags", json_object_get(v, "tags"));
	r = volume_make(c, o, NULL, e);
	if (!r)
		json_array_append_new(made,
				      json_pack("{s:s, s:s}", "uuid", o->uuid,
						"record", record_of(o)));
	return r;
}

void volume_unmake(struct call *c, const json_t *made)
{
	json_t *v;
	size_t i;

	json_array_foreach (made, i, v)
		if (!volume_program(NULL, "rm", json_str_or(v, "record", ""),
				    NULL))
			db_remove(c->daemon->db, json_str_or(v, "uuid", ""),
				  NULL);
}

int volume_resolve(struct call *c, json_t *body, json_t *made, struct err *e)
{
	cleanup_json json_t *list = json_array();
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(body, "volumes"), i, v) {
		cleanup_db_object struct db_object o = DB_OBJECT_INIT;
		int r = take_volume(c, v, &o, made, e);

		if (r)
			return r;
		json_array_append_new(
			list,
			json_pack(
				"{s:s, s:s, s:s, s:O, s:b}", "uuid", o.uuid,
				"name", o.name, "volume", record_of(&o), "at",
				json_object_get(v, "at"), "readonly",
				json_is_true(json_object_get(v, "readonly"))));
	}
	if (json_array_size(list))
		json_object_set(body, "volumes", list);
	return 0;
}

int volume_patch(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	int64_t before = json_int_or(o->body, "size_mb", 0), after;
	char size[32];
	int r = api_edit(c, o, arg, &schema_volume_create, e);

	(void)item;
	if (r)
		return r;
	after = json_int_or(o->body, "size_mb", 0);
	if (after < before)
		return api_fail(e, API_INVALID, "A volume cannot shrink");
	if (after > before) {
		r = quota_check(c, "total_volume_mb", after - before, e);
		snprintf(size, sizeof(size), "%lldM", (long long)after);
		if (!r)
			r = volume_program(e, "resize", record_of(o), size,
					   NULL);
	}
	return r ? r : db_update(c->daemon->db, o, e);
}

int volume_delete(struct call *c, struct db_object *o, const json_t *arg,
		  json_t *item, struct err *e)
{
	cleanup_json json_t *users = json_object();
	bool is_mounted;

	(void)arg;
	(void)item;
	if (api_check_lock(o, e))
		return API_NOT_ALLOWED;
	if (add_users(c, o, users, &is_mounted, e))
		return -e->code;
	if (json_array_size(json_object_get(users, "attached_to")))
		return api_fail(e, API_ATTACHED,
				"The volume is attached to an instance");
	if (volume_program(e, "rm", record_of(o), NULL))
		return -e->code;
	return db_remove(c->daemon->db, o->uuid, e);
}

/* The place of a volume among an instance's, or the number of them. */
static size_t find_attached(const json_t *list, const char *uuid)
{
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v)
		if (!strcmp(json_str_or(v, "uuid", ""), uuid))
			return i;
	return json_array_size(list);
}

/* An instance of the caller's, held, as it is now that it is. */
static int hold_instance(struct call *c, const json_t *ref, struct db_object *o,
			 struct err *e)
{
	char uuid[UUID_SIZE];
	int r = api_find(c, DB_INSTANCE, ref, o, e);

	if (r)
		return r;
	memcpy(uuid, o->uuid, UUID_SIZE);
	daemon_hold(c->daemon, uuid);
	db_object_fini(o);
	r = db_find(c->daemon->db, DB_INSTANCE, c->user, uuid, NULL, o, e);
	if (r)
		daemon_release(c->daemon, uuid);
	return r;
}

static int attach(struct call *c, const struct db_object *o, const json_t *arg,
		  struct db_object *to, struct err *e)
{
	json_t *list = json_object_get(to->body, "volumes");

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(to->body, "volumes", list);
	}
	if (find_attached(list, o->uuid) < json_array_size(list))
		return api_fail(e, API_ATTACHED,
				"The volume is attached to '%s'", to->name);
	json_array_append_new(
		list,
		json_pack("{s:s, s:s, s:s, s:s, s:b}", "uuid", o->uuid, "name",
			  o->name, "volume", record_of(o), "at",
			  json_str_or(arg, "at", "/"), "readonly",
			  json_is_true(json_object_get(arg, "readonly"))));
	return db_update(c->daemon->db, to, e);
}

int volume_put_attach(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	cleanup_db_object struct db_object to = DB_OBJECT_INIT;
	int r = hold_instance(c, json_object_get(arg, "attach_to"), &to, e);

	(void)item;
	if (r)
		return r;
	r = attach(c, o, arg, &to, e);
	daemon_release(c->daemon, to.uuid);
	return r;
}

/* Take it from an instance that is held. */
static int detach(struct call *c, const struct db_object *o,
		  struct db_object *user, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	json_t *list = json_object_get(user->body, "volumes");

	if (instance_of(c->daemon, user, &in, e) == 0 &&
	    in.status <= INSTANCE_SUSPENDED)
		return api_fail(e, API_WRONG_STATE,
				"Instance '%s' is %s: stop it first",
				user->name, instance_state(&in));
	json_array_remove(list, find_attached(list, o->uuid));
	return db_update(c->daemon->db, user, e);
}

int volume_put_detach(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	cleanup_json json_t *users = json_object();
	const json_t *from = json_object_get(arg, "from");
	json_t *ref;
	bool is_mounted;
	size_t i, n = 0;
	int r;

	(void)item;
	if (add_users(c, o, users, &is_mounted, e))
		return -e->code;
	json_array_foreach (json_object_get(users, "attached_to"), i, ref) {
		cleanup_db_object struct db_object user = DB_OBJECT_INIT;
		cleanup_json json_t *by_uuid = json_pack(
			"{s:O}", "uuid", json_object_get(ref, "uuid"));
		const char *uuid = json_str_or(ref, "uuid", "");
		const char *name = json_str_or(ref, "name", "");

		if (from && (strcmp(json_str_or(from, "uuid", uuid), uuid) ||
			     strcmp(json_str_or(from, "name", name), name)))
			continue;
		r = hold_instance(c, by_uuid, &user, e);
		if (r)
			return r;
		r = detach(c, o, &user, e);
		daemon_release(c->daemon, user.uuid);
		if (r)
			return r;
		n++;
	}
	return n ? 0
		 : api_fail(e, API_NOT_ATTACHED, "The volume is not attached");
}

int volume_post_clone(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	cleanup_db_object struct db_object copy = { .kind = DB_VOLUME };
	cleanup_json json_t *name = json_object();
	int r = check_supported(arg, e);

	if (json_has(arg, "vol_name"))
		json_object_set(name, "name", json_object_get(arg, "vol_name"));
	if (!r)
		r = api_take_name(name, copy.name, e);
	if (r)
		return r;
	copy.body = json_pack("{s:I}", "size_mb",
			      (json_int_t)json_int_or(o->body, "size_mb", 0));
	if (json_has(arg, "tags"))
		json_object_set(copy.body, "tags",
				json_object_get(arg, "tags"));
	r = volume_make(c, &copy, record_of(o), e);
	if (r)
		return r;
	json_object_set_new(item, "uuid", json_string(copy.uuid));
	json_object_set_new(item, "name", json_string(copy.name));
	return volume_get(c, &copy, arg, item, e);
}
