/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/instances: create, read, start, stop, suspend, delete, wait, log.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/autokill.h"
#include "daemon/bytes.h"
#include "daemon/instances.h"
#include "daemon/schedule.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "engine/logfile.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define STOP_SECONDS 10
#define LOG_DEFAULT 4096
#define LOG_MAX (1 << 20)
#define MSEC (uint64_t) NSEC_PER_MSEC

int api_take_name(const json_t *arg, char name[OBJECT_NAME_SIZE], struct err *e)
{
	const char *given = json_str_or(arg, "name", NULL);

	if (!given) {
		name_generate(name);
		id_generate(name + strlen(name) + 1);
		name[strlen(name)] = '-';
		return 0;
	}
	if (name_check(given, e))
		return API_INVALID;
	snprintf(name, OBJECT_NAME_SIZE, "%s", given);
	return 0;
}

/* The bits of stop_reason. */
enum {
	STOP_KERNEL = 1,
	STOP_APP = 2,
	STOP_PLATFORM = 4,
	STOP_USER = 8,
	STOP_FORCE = 16
};

static int stop_reason(const struct db_object *o, const struct instance *in)
{
	const char *ended_by = json_str_or(in->state, "ended_by", "");
	bool by_user = !strcmp(json_str_or(o->body, "wanted", ""), "stopped");

	if (in->status == INSTANCE_DEAD || !strcmp(ended_by, "crash"))
		return STOP_KERNEL;
	if (!strcmp(ended_by, "killed"))
		return STOP_PLATFORM | STOP_USER | STOP_FORCE;
	if (!strcmp(ended_by, "out of memory"))
		return STOP_KERNEL | STOP_PLATFORM;
	return STOP_KERNEL | STOP_APP |
	       (by_user ? STOP_PLATFORM | STOP_USER : 0);
}

static void add_copies(json_t *item, const json_t *body)
{
	static const char *const keys[] = {
		"image",       "args",	   "env",	    "tags",
		"annotations", "autokill", "features",	    "restart_policy",
		"hostname",    "volumes",  "scale_to_zero", "template",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_has(body, keys[i]))
			json_object_set(item, keys[i],
					json_object_get(body, keys[i]));
}

static void add_times(json_t *item, const struct db_object *o,
		      const struct instance *in)
{
	int64_t now = (int64_t)time(NULL);

	if (in->status == INSTANCE_CREATED)
		return;
	if (in->status <= INSTANCE_RUNNING) {
		json_object_set_new(item, "started_at",
				    api_time((int64_t)in->changed * 1000));
		json_object_set_new(item, "uptime_ms",
				    json_integer((now - in->changed) * 1000));
		return;
	}
	json_object_set_new(item, "stopped_at",
			    api_time((int64_t)in->changed * 1000));
	if (in->status == INSTANCE_SUSPENDED)
		return;
	json_object_set_new(item, "stop_reason",
			    json_integer(stop_reason(o, in)));
	if (json_has(in->state, "exit_code"))
		json_object_set(item, "exit_code",
				json_object_get(in->state, "exit_code"));
}

static void add_group(struct call *c, const json_t *body, json_t *item)
{
	const json_t *ref = json_object_get(body, "service_group");
	cleanup_db_object struct db_object group = DB_OBJECT_INIT;

	if (!ref || db_find(c->daemon->db, DB_SERVICE, NULL,
			    json_str_or(ref, "uuid", ""), NULL, &group, NULL))
		return;
	json_object_set_new(item, "service_group",
			    json_pack("{s:s, s:s, s:o}", "uuid", group.uuid,
				      "name", group.name, "domains",
				      service_domains(c->daemon, &group)));
}

/* All that the API tells of an instance. */
static void describe(struct call *c, const struct db_object *o,
		     const struct instance *in, json_t *item)
{
	const json_t *body = o->body;

	json_object_set_new(item, "created_at", api_time(o->created_ms));
	json_object_set_new(item, "state", json_string(instance_state(in)));
	json_object_set_new(item, "memory_mb",
			    json_integer(json_int_or(body, "memory_mb", 128)));
	json_object_set_new(item, "vcpus",
			    json_integer(json_int_or(body, "vcpus", 1)));
	json_object_set_new(item, "type", json_string("micro"));
	json_object_set_new(item, "restart_policy", json_string("never"));
	json_object_set_new(item, "start_count",
			    json_integer(json_int_or(body, "start_count", 0)));
	json_object_set_new(
		item, "restart_count",
		json_integer(json_int_or(body, "restart_count", 0)));
	json_object_set_new(item, "delete_lock",
			    json_boolean(json_is_true(
				    json_object_get(body, "delete_lock"))));
	add_copies(item, body);
	if (json_has(body, "schedules"))
		json_object_set_new(item, "schedules", schedule_describe(body));
	add_times(item, o, in);
	add_group(c, body, item);
}

int instance_get(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;

	(void)arg;
	if (instance_of(c->daemon, o, &in, e))
		return -e->code;
	describe(c, o, &in, item);
	return 0;
}

/* Images are those of the store: none is pulled. */
static int check_image(const json_t *image, struct err *e)
{
	if (json_has(image, "credentials") || json_has(image, "headers"))
		return api_fail(e, API_NOT_SUPPORTED,
				"'image.credentials' and 'image.headers' are "
				"not supported: images are not pulled");
	if (!strcmp(json_str_or(image, "pull_policy", ""), "always"))
		return api_fail(e, API_NOT_SUPPORTED,
				"'image.pull_policy' cannot be 'always': "
				"images are not pulled");
	return 0;
}

/* What is not built says so. */
static int check_supported(const json_t *arg, struct err *e)
{
	static const char *const absent[] = {
		"roms",
		"plugins",
		"gateway",
		"nameserver",
		"network_interfaces",
		"gpus",
		"dependencies",
		"branch_from",
	};

	int r = check_image(json_object_get(arg, "image"), e);
	json_t *feature;
	size_t i;

	if (r)
		return r;
	for (i = 0; i < ARRAY_SIZE(absent); i++) {
		const json_t *v = json_object_get(arg, absent[i]);

		if (v && !json_is_null(v) &&
		    !(json_is_array(v) && !json_array_size(v)) &&
		    !(json_is_integer(v) && !json_integer_value(v)))
			return api_fail(e, API_NOT_SUPPORTED,
					"'%s' is not supported", absent[i]);
	}
	if (json_int_or(json_object_get(arg, "autokill"), "num_requests", 0))
		return api_fail(e, API_NOT_SUPPORTED,
				"'autokill.num_requests' is not supported");
	if (strcmp(json_str_or(arg, "sched_priority", "normal"), "normal") != 0)
		return api_fail(e, API_NOT_SUPPORTED,
				"'sched_priority' is not supported");
	if (strcmp(json_str_or(arg, "type", "micro"), "micro") != 0)
		return api_fail(e, API_NOT_SUPPORTED,
				"Only instances of type 'micro' are there");
	json_array_foreach (json_object_get(arg, "features"), i, feature)
		if (strcmp(json_string_value(feature), "delete-on-stop") != 0)
			return api_fail(e, API_NOT_SUPPORTED,
					"Feature '%.40s' is not supported",
					json_string_value(feature));
	return 0;
}

/* The object's body from the request: the image as a string. */
static json_t *body_of(const json_t *arg)
{
	json_t *body = json_deep_copy(arg);
	const json_t *image = json_object_get(body, "image");

	if (json_is_object(image))
		json_object_set_new(body, "image",
				    json_text(json_str_or(image, "url", "")));
	json_object_del(body, "name");
	json_object_del(body, "replicas");
	json_object_del(body, "timeout_s");
	json_object_del(body, "wait_timeout_ms");
	autokill_set(body);
	return body;
}

/* What it takes once it runs. With quotas held. */
static int check_live(struct call *c, const struct db_object *o, struct err *e)
{
	int r = quota_check(c, "live_instances", 1, e);

	if (!r)
		r = quota_check(c, "live_memory_mb",
				json_int_or(o->body, "memory_mb", 128), e);
	if (!r)
		r = quota_check(c, "live_vcpus",
				json_int_or(o->body, "vcpus", 1), e);
	return r;
}

static int launch(struct call *c, struct db_object *o, struct err *e)
{
	bool is_held = quota_hold(c);
	int r = check_live(c, o, e);

	if (!r)
		r = instance_launch(c->daemon, o, e);
	quota_release(c, is_held);
	if (r)
		return r;
	json_object_set_new(o->body, "wanted", json_string("running"));
	json_object_set_new(
		o->body, "start_count",
		json_integer(json_int_or(o->body, "start_count", 0) + 1));
	return db_update(c->daemon->db, o, e);
}

/* One of a template runs already; if it is not to, it sleeps. */
static int begin(struct call *c, struct db_object *o, bool is_started,
		 struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;

	if (!json_has(o->body, "template"))
		return is_started ? launch(c, o, e) : 0;
	json_object_set_new(o->body, "wanted", json_string("running"));
	if (db_update(c->daemon->db, o, e))
		return -e->code;
	if (is_started)
		return 0;
	return instance_of(c->daemon, o, &in, e) ||
			       instance_sleep(c->daemon, &in, e)
		       ? -e->code
		       : 0;
}

static int insert_one(struct call *c, const json_t *arg, struct db_object *o,
		      struct err *e)
{
	bool is_held;
	int r;

	o->body = body_of(arg);
	r = schedule_set(o->body, NULL, (int64_t)time(NULL), e);
	if (r)
		return r;
	memcpy(o->owner, c->user, UUID_SIZE);
	json_object_set_new(o->body, "wanted", json_string("stopped"));
	json_object_set_new(o->body, "record", json_string(""));
	is_held = quota_hold(c);
	r = quota_check(c, "instances", 1, e);
	if (!r)
		r = db_insert(c->daemon->db, o, e);
	quota_release(c, is_held);
	return r == -EEXIST
		       ? api_fail(e, API_EXISTS,
				  "An instance with name '%s' exists", o->name)
		       : r;
}

/* Its record; one of a template runs from now on. */
static int make_one(struct call *c, struct db_object *o, struct err *e)
{
	bool is_held;
	int r;

	if (!json_has(o->body, "template"))
		return instance_make(c->daemon, o, e);
	is_held = quota_hold(c);
	r = check_live(c, o, e);
	if (!r)
		r = instance_make(c->daemon, o, e);
	quota_release(c, is_held);
	return r;
}

static int create_one(struct call *c, const json_t *arg, struct db_object *o,
		      json_t *item, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_json json_t *made = json_array(); /* volumes */
	bool has_group = false; /* until then the body's is as it was asked */
	int r = api_take_name(arg, o->name, e);

	if (!r)
		r = insert_one(c, arg, o, e);
	if (r)
		return r;
	r = template_resolve(c, o->body, e);
	if (!r)
		r = volume_resolve(c, o->body, made, e);
	if (!r) {
		r = service_resolve(c, o->body, e);
		has_group = !r;
	}
	if (!r)
		r = make_one(c, o, e);
	if (!r)
		r = begin(c, o, json_is_true(json_object_get(arg, "autostart")),
			  e);
	if (!r)
		r = service_join(c->daemon, o, e);
	if (r) {
		if (has_group)
			service_leave(c->daemon, o);
		instance_erase(c->daemon, o, NULL);
		db_remove(c->daemon->db, o->uuid, NULL);
		volume_unmake(c, made);
		return r;
	}
	json_object_set_new(item, "uuid", json_string(o->uuid));
	json_object_set_new(item, "name", json_text(o->name));
	if (instance_of(c->daemon, o, &in, e))
		return -e->code;
	describe(c, o, &in, item);
	return 0;
}

int instance_post_one(struct call *c, const json_t *arg, json_int_t number,
		      json_t *item, struct err *e)
{
	cleanup_db_object struct db_object made = { .kind = DB_INSTANCE };
	cleanup_json json_t *own = json_copy((json_t *)arg);
	int r;

	if (number && json_has(arg, "name"))
		json_object_set_new(own, "name",
				    json_sprintf("%s-%lld",
						 json_str_or(arg, "name", ""),
						 (long long)number));
	uuid_generate(made.uuid);
	daemon_hold(c->daemon, made.uuid);
	r = create_one(c, own, &made, item, e);
	daemon_release(c->daemon, made.uuid);
	server_changed(c->daemon->server);
	schedule_changed(c->daemon);
	return r;
}

int instance_post(struct call *c, struct db_object *o, const json_t *arg,
		  json_t *item, struct err *e)
{
	json_int_t replicas = json_int_or(arg, "replicas", 0);
	int r = check_supported(arg, e);

	(void)o;
	if (!r && !json_has(arg, "image") && !json_has(arg, "template") &&
	    !json_has(arg, "checkpoint"))
		r = api_fail(e, API_INVALID, "Missing member 'image'");
	/* Replicas are items of their own, before the first. */
	for (json_int_t i = replicas; !r && i > 0; i--) {
		json_t *other = json_object();

		r = instance_post_one(c, arg, i, other, e);
		if (r) {
			json_decref(other);
			break;
		}
		json_object_set_new(other, "status", json_string("success"));
		json_array_append_new(c->items, other);
	}
	return r ? r : instance_post_one(c, arg, 0, item, e);
}

/* Put the states before and after into the item. */
static void tell_states(struct call *c, const struct db_object *o,
			const char *before, json_t *item)
{
	cleanup_instance struct instance in = INSTANCE_INIT;

	if (before)
		json_object_set_new(item, "previous_state",
				    json_string(before));
	if (!instance_of(c->daemon, o, &in, NULL))
		json_object_set_new(item, "state",
				    json_string(instance_state(&in)));
}

/* Act on a held instance and tell its states. */
static int
change(struct call *c, struct db_object *o, const json_t *arg, json_t *item,
       int (*act)(struct call *c, struct db_object *o, struct instance *in,
		  const json_t *arg, struct err *e),
       struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r;

	daemon_hold(c->daemon, o->uuid);
	/* as it is now that it is held */
	db_object_fini(o);
	r = db_find(c->daemon->db, DB_INSTANCE, c->user, o->uuid, NULL, o, e);
	if (!r)
		r = instance_of(c->daemon, o, &in, e);
	if (!r)
		r = act(c, o, &in, arg, e);
	daemon_release(c->daemon, o->uuid);
	tell_states(c, o, in.fd >= 0 ? instance_state(&in) : NULL, item);
	server_changed(c->daemon->server);
	return r;
}

static int act_start(struct call *c, struct db_object *o, struct instance *in,
		     const json_t *arg, struct err *e)
{
	(void)arg;
	if (in->status <= INSTANCE_RUNNING)
		return api_fail(e, API_WRONG_STATE,
				"Instance is already running");
	return launch(c, o, e);
}

int instance_put_start(struct call *c, struct db_object *o, const json_t *arg,
		       json_t *item, struct err *e)
{
	return change(c, o, arg, item, act_start, e);
}

static int act_stop(struct call *c, struct db_object *o, struct instance *in,
		    const json_t *arg, struct err *e)
{
	bool force = json_is_true(json_object_get(arg, "force"));
	json_int_t drain = json_int_or(arg, "drain_timeout_ms", 0);
	const char *ifstate = json_str_or(arg, "ifstate", NULL);
	int grace = STOP_SECONDS;

	if (force && json_has(arg, "drain_timeout_ms"))
		return api_fail(e, API_NOT_BOTH,
				"'force' and 'drain_timeout_ms' exclude each "
				"other");
	if (json_is_true(json_object_get(arg, "dump")))
		return api_fail(e, API_NOT_SUPPORTED,
				"'dump' is not supported");
	if (ifstate && strcmp(ifstate, instance_state(in)) != 0)
		return api_fail(e, API_WRONG_STATE, "Instance is %s, not %.20s",
				instance_state(in), ifstate);
	json_object_set_new(o->body, "wanted", json_string("stopped"));
	json_object_set_new(o->body, "stopped_pid",
			    json_integer(json_int_or(in->state, "pid", 0)));
	if (db_update(c->daemon->db, o, e))
		return -e->code;
	if (in->status > INSTANCE_SUSPENDED)
		return 0; /* it may have been about to be restarted */
	if (force)
		grace = 0;
	else if (drain > STOP_SECONDS * 1000)
		grace = (int)MIN(drain / 1000, 60);
	else if (json_has(arg, "timeout_s"))
		grace = (int)json_int_or(arg, "timeout_s", STOP_SECONDS);
	return instance_end(c->daemon, in, grace, e);
}

int instance_put_stop(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	return change(c, o, arg, item, act_stop, e);
}

static int act_suspend(struct call *c, struct db_object *o, struct instance *in,
		       const json_t *arg, struct err *e)
{
	(void)arg;
	(void)o;
	if (in->status > INSTANCE_SUSPENDED)
		return api_fail(e, API_WRONG_STATE, "Instance is stopped");
	return instance_sleep(c->daemon, in, e);
}

int instance_put_suspend(struct call *c, struct db_object *o, const json_t *arg,
			 json_t *item, struct err *e)
{
	return change(c, o, arg, item, act_suspend, e);
}

static int act_wake(struct call *c, struct db_object *o, struct instance *in,
		    const json_t *arg, struct err *e)
{
	(void)arg;
	return in->status == INSTANCE_SUSPENDED ? launch(c, o, e) : 0;
}

int instance_awake(struct call *c, struct db_object *o, struct instance *in,
		   struct err *e)
{
	cleanup_json json_t *item = json_object();
	int r = instance_of(c->daemon, o, in, e);

	if (r || in->status <= INSTANCE_RUNNING)
		return r;
	if (in->status != INSTANCE_SUSPENDED)
		return api_fail(e, API_WRONG_STATE, "Instance is stopped");
	instance_unload(in);
	*in = (struct instance)INSTANCE_INIT;
	r = change(c, o, NULL, item, act_wake, e);
	return r ? r : instance_of(c->daemon, o, in, e);
}

int api_check_lock(const struct db_object *o, struct err *e)
{
	if (!json_is_true(json_object_get(o->body, "delete_lock")))
		return 0;
	return api_fail(e, API_NOT_ALLOWED,
			"The %s has deletion protection (delete_lock)",
			api_kind_name(o->kind));
}

static int act_delete(struct call *c, struct db_object *o, struct instance *in,
		      const json_t *arg, struct err *e)
{
	int r;

	if (api_check_lock(o, e))
		return API_NOT_ALLOWED;
	/* Ours only: somebody may have started it before it was held. */
	if (json_is_true(json_object_get(arg, "ended")) &&
	    in->status != INSTANCE_EXITED && in->status != INSTANCE_DEAD)
		return api_fail(e, API_WRONG_STATE, "Instance is %s",
				instance_state(in));
	json_object_set_new(o->body, "wanted", json_string("stopped"));
	if (db_update(c->daemon->db, o, e) || instance_erase(c->daemon, o, e))
		return -e->code;
	service_leave(c->daemon, o);
	r = db_remove(c->daemon->db, o->uuid, e);
	return r == -ENOENT ? 0 : r; /* whoever watches records was faster */
}

int instance_delete(struct call *c, struct db_object *o, const json_t *arg,
		    json_t *item, struct err *e)
{
	struct err locked = ERR_INIT;
	int r;

	/* Whoever waits for its end, and holds it, has that at once. */
	if (!api_check_lock(o, &locked))
		instance_kill(c->daemon, o);
	r = change(c, o, arg, item, act_delete, e);
	json_object_del(item, "state");
	return r;
}

int instance_create_for(struct daemon *d, const char *user, const json_t *arg,
			struct err *e)
{
	struct call c = { .daemon = d };
	cleanup_json json_t *item = json_object();

	memcpy(c.user, user, UUID_SIZE);
	return instance_post_one(&c, arg, 0, item, e);
}

int instance_delete_for(struct daemon *d, const struct db_object *o,
			bool has_ended, struct err *e)
{
	struct call c = { .daemon = d };
	cleanup_json json_t *item = json_object();
	cleanup_json json_t *arg = json_pack("{s:b}", "ended", has_ended);
	cleanup_db_object struct db_object copy = *o;

	memcpy(c.user, o->owner, UUID_SIZE);
	json_incref(copy.body);
	return change(&c, &copy, arg, item, act_delete, e);
}

/* By a schedule: one that runs already need not be started. */
static int act_run(struct call *c, struct db_object *o, struct instance *in,
		   const json_t *arg, struct err *e)
{
	return in->status <= INSTANCE_RUNNING ? 0 : act_start(c, o, in, arg, e);
}

int instance_act_for(struct daemon *d, const struct db_object *o,
		     const json_t *schedule, struct err *e)
{
	static const struct {
		const char *name;
		int (*act)(struct call *c, struct db_object *o,
			   struct instance *in, const json_t *arg,
			   struct err *e);
	} acts[] = {
		{ "start", act_run },	    { "stop", act_stop },
		{ "suspend", act_suspend }, { "resume", act_wake },
		{ "delete", act_delete },
	};
	struct call c = { .daemon = d };
	cleanup_json json_t *item = json_object(), *none = json_object();
	cleanup_db_object struct db_object copy = *o;
	const char *action = json_str_or(schedule, "action", "");

	memcpy(c.user, o->owner, UUID_SIZE);
	json_incref(copy.body);
	if (!strcmp(action, "exec"))
		return instance_exec_detached(
			&c, &copy, json_object_get(schedule, "args"), e);
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		if (!strcmp(action, acts[i].name))
			return change(&c, &copy, none, item, acts[i].act, e);
	return err_set(e, EINVAL, "no such action");
}

/* What an adopted one was started with is its record's, not ours to change. */
static int check_adopted(const struct db_object *o, const char *prop,
			 struct err *e)
{
	static const char *const fixed[] = { "image",	  "args",  "env",
					     "memory_mb", "vcpus", "hostname" };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!strcmp(prop, fixed[i]) &&
		    json_is_true(json_object_get(o->body, "adopted")))
			return api_fail(e, API_NOT_SUPPORTED,
					"'%s' of an instance that was made by "
					"the command line",
					prop);
	return 0;
}

static int act_patch(struct call *c, struct db_object *o, struct instance *in,
		     const json_t *arg, struct err *e)
{
	cleanup_json json_t *value =
		json_pack("{s:O}", json_str_or(arg, "prop", "?"),
			  json_has(arg, "value") ? json_object_get(arg, "value")
						 : json_null());
	cleanup_json json_t *before = json_deep_copy(o->body);
	int r = check_adopted(o, json_str_or(arg, "prop", ""), e);

	(void)in;
	if (!r && strcmp(json_str_or(arg, "op", ""), "del") != 0)
		r = check_supported(value, e);
	if (!r)
		r = api_edit(c, o, arg, &schema_instance_create, e);
	if (!r && json_is_object(json_object_get(o->body, "image")))
		json_object_set_new(
			o->body, "image",
			json_text(json_str_or(json_object_get(o->body, "image"),
					      "url", "")));
	if (!r)
		r = schedule_set(o->body, before, (int64_t)time(NULL), e);
	if (r)
		return r;
	autokill_set(o->body);
	return db_update(c->daemon->db, o, e);
}

int instance_patch(struct call *c, struct db_object *o, const json_t *arg,
		   json_t *item, struct err *e)
{
	int r = change(c, o, arg, item, act_patch, e);

	schedule_changed(c->daemon);
	json_object_del(item, "state");
	json_object_del(item, "previous_state");
	return r;
}

/* When a wait is over: never, unless it says so. */
static uint64_t deadline(struct call *c, const json_t *arg)
{
	json_int_t ms = json_int_or(arg, "timeout_ms", -1);

	if (json_has(arg, "timeout_s"))
		ms = json_int_or(arg, "timeout_s", -1) * 1000;
	return ms < 0 ? UINT64_MAX
		      : c->request->started_ns + (uint64_t)ms * MSEC;
}

int instance_wait_for(struct call *c, struct db_object *o, const json_t *arg,
		      json_t *item, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	const char *wanted = json_str_or(arg, "state", "running");
	uint64_t until = deadline(c, arg);

	if (instance_of(c->daemon, o, &in, e))
		return -e->code;
	json_object_set_new(item, "state", json_string(instance_state(&in)));
	if (!strcmp(instance_state(&in), wanted))
		return 0;
	if (c->now_ns >= until)
		return api_fail(e, API_TIMED_OUT,
				"Timed out: the instance is %s",
				instance_state(&in));
	c->again_ns = c->again_ns ? MIN(c->again_ns, until) : until;
	return API_AGAIN;
}

int instance_log(struct call *c, struct db_object *o, const json_t *arg,
		 json_t *item, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_free unsigned char *buf = NULL;
	cleanup_logfile struct logfile log = LOGFILE_INIT;
	json_int_t from = json_int_or(arg, "offset", 0);
	json_int_t limit = MIN(json_int_or(arg, "limit", LOG_DEFAULT), LOG_MAX);
	uint64_t start = 0, end = 0;
	ssize_t n = 0;
	int r;

	if (instance_of(c->daemon, o, &in, e))
		return -e->code;
	r = logfile_open(&in, &log, e);
	if (r && r != -ENOENT)
		return r;
	if (!r)
		start = logfile_first(&log, 0, &end);
	if (from < 0)
		from += (json_int_t)end;
	from = MIN(MAX(from, (json_int_t)start), (json_int_t)end);
	buf = xmalloc((size_t)limit + 1);
	if (!r)
		n = pread(log.fd, buf, (size_t)limit, from);
	if (n < 0)
		return err_sys(e, errno, "log");
	json_object_set_new(item, "output", bytes_base64(buf, (size_t)n));
	json_object_set_new(item, "available",
			    json_pack("{s:I, s:I}", "start", (json_int_t)start,
				      "end", (json_int_t)end));
	json_object_set_new(
		item, "range",
		json_pack("{s:I, s:I}", "start", from, "end", from + n));
	json_object_set_new(item, "state", json_string(instance_state(&in)));
	return 0;
}
