/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does to instances: records by the engine's own functions,
 * starts by the program `jiffy`, the rest over control sockets.
 */
#include "daemon/instances.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/program.h"
#include "daemon/services.h"
#include "engine/control.h"
#include "engine/create.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"

#define ANSWER_SECONDS 10
#define SUSPEND_SECONDS 60
#define END_SECONDS 10

static bool is_held(const struct daemon *d, const char *uuid)
{
	for (size_t i = 0; i < d->held.count; i++)
		if (!strcmp(d->held.items[i], uuid))
			return true;
	return false;
}

void daemon_hold(struct daemon *d, const char *uuid)
{
	pthread_mutex_lock(&d->lock);
	while (is_held(d, uuid))
		pthread_cond_wait(&d->released, &d->lock);
	strv_add(&d->held, uuid);
	pthread_mutex_unlock(&d->lock);
}

bool daemon_try_hold(struct daemon *d, const char *uuid)
{
	bool is_free;

	pthread_mutex_lock(&d->lock);
	is_free = !is_held(d, uuid);
	if (is_free)
		strv_add(&d->held, uuid);
	pthread_mutex_unlock(&d->lock);
	return is_free;
}

void daemon_release(struct daemon *d, const char *uuid)
{
	struct strv *held = &d->held;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < held->count; i++) {
		if (strcmp(held->items[i], uuid))
			continue;
		free(held->items[i]);
		held->items[i] = held->items[--held->count];
		held->items[held->count] = NULL;
		break;
	}
	pthread_cond_broadcast(&d->released);
	pthread_mutex_unlock(&d->lock);
}

static const char *record_of(const struct db_object *o)
{
	return json_str_or(o->body, "record", o->name);
}

int instance_of(struct daemon *d, const struct db_object *o,
		struct instance *in, struct err *e)
{
	return instance_load(&d->store, record_of(o), in, e);
}

const char *instance_state(const struct instance *in)
{
	static const char *const names[] = {
		[INSTANCE_STARTING] = "starting",
		[INSTANCE_RUNNING] = "running",
		[INSTANCE_SUSPENDED] = "standby",
		[INSTANCE_EXITED] = "stopped",
		[INSTANCE_CREATED] = "stopped",
		[INSTANCE_DEAD] = "stopped",
	};

	return names[in->status];
}

/* The image's name in our store: as it is, or without registry and path. */
static const char *local_image(struct daemon *d, const char *image)
{
	char digest[SHA256_HEX_SIZE];
	const char *p = strstr(image, "://");

	p = p ? p + 3 : image;
	while (store_resolve(&d->store, p, digest, NULL)) {
		const char *slash = strchr(p, '/');

		if (!slash)
			return p;
		p = slash + 1;
	}
	return p;
}

/* --scale-to-zero's argument. */
static void scale_text(const json_t *scale, struct strv *texts)
{
	const json_t *stateful = json_object_get(scale, "stateful");
	const char *policy = json_str_or(
		scale, "policy",
		json_is_true(json_object_get(scale, "enabled")) ? "on" : "off");

	strv_addf(
		texts, "%s,cooldown=%lld,notify=%lld,stateful=%s", policy,
		(long long)MAX(json_int_or(scale, "cooldown_time_ms", 1000), 1),
		(long long)json_int_or(scale, "notify_time_ms", 0),
		json_is_false(stateful) ? "no" : "yes");
}

/* Options of `jiffy run`, as a creation request has them. Texts that must be
 * made are in *texts. */
static void make_options(struct daemon *d, const json_t *body,
			 struct run_options *o, struct strv *texts)
{
	cleanup_db_object struct db_object group = DB_OBJECT_INIT;
	json_int_t memory = 128, cpus = 1;
	json_t *v;
	const char *key;
	size_t i;

	if (json_has(body, "memory_mb"))
		memory = json_integer_value(json_object_get(body, "memory_mb"));
	if (json_has(body, "vcpus"))
		cpus = json_integer_value(json_object_get(body, "vcpus"));
	strv_addf(texts, "%lldM", (long long)memory);
	strv_addf(texts, "%lld", (long long)cpus);
	o->memory = texts->items[0];
	o->cpus = texts->items[1];
	o->hostname = json_str_or(body, "hostname", NULL);
	o->is_detached = true;
	json_object_foreach (json_object_get(body, "env"), key, v)
		strv_addf(&o->env, "%s=%s", key, json_string_value(v));
	json_array_foreach (json_object_get(body, "volumes"), i, v)
		strv_addf(&o->volumes, "%s:%s%s", json_str_or(v, "volume", "?"),
			  json_str_or(v, "at", "/"),
			  json_is_true(json_object_get(v, "readonly")) ? ":ro"
								       : "");
	if (!db_find(d->db, DB_SERVICE, NULL,
		     json_str_or(json_object_get(body, "service_group"), "uuid",
				 ""),
		     NULL, &group, NULL))
		service_publish(&group, &o->publish);
	if (json_is_object(json_object_get(body, "scale_to_zero"))) {
		scale_text(json_object_get(body, "scale_to_zero"), texts);
		o->scale = texts->items[texts->count - 1];
	}
}

static void free_options(struct run_options *o)
{
	strv_fini(&o->env);
	strv_fini(&o->volumes);
	strv_fini(&o->publish);
}

static void make_args(const json_t *body, struct strv *args)
{
	json_t *v;
	size_t i;

	json_array_foreach (json_object_get(body, "args"), i, v)
		strv_add(args, json_string_value(v));
}

static int prepare(struct daemon *d, const json_t *body, const char *record,
		   const struct instance *again, char name[NAME_SIZE],
		   struct err *e)
{
	struct run_options options = { .name = record };
	cleanup_strv struct strv texts = STRV_INIT, args = STRV_INIT;
	const char *image = local_image(d, json_str_or(body, "image", ""));
	int r;

	make_options(d, body, &options, &texts);
	make_args(body, &args);
	if (again)
		r = instance_respec(&d->store, again, &options, image,
				    (int)args.count, args.items, e);
	else
		r = instance_prepare(&d->store, &options, image,
				     (int)args.count, args.items, name, e);
	free_options(&options);
	return r;
}

/* Begin as a template is: it runs at once. */
static int begin_clone(struct daemon *d, const json_t *body, const char *record,
		       char name[NAME_SIZE], struct err *e)
{
	struct run_options options = { .name = record };
	cleanup_strv struct strv texts = STRV_INIT, args = STRV_INIT;
	cleanup_free char *output = NULL;
	int r;

	make_options(d, body, &options, &texts);
	strv_add(&args, "run");
	strv_add(&args, "-d");
	strv_add(&args, "--from");
	strv_add(&args, json_str_or(json_object_get(body, "template"),
				    "snapshot", ""));
	strv_add(&args, "-m");
	strv_add(&args, options.memory);
	if (record) {
		strv_add(&args, "--name");
		strv_add(&args, record);
	}
	for (size_t i = 0; i < options.publish.count; i++) {
		strv_add(&args, "-p");
		strv_add(&args, options.publish.items[i]);
	}
	if (options.scale) {
		strv_add(&args, "--scale-to-zero");
		strv_add(&args, options.scale);
	}
	free_options(&options);
	r = program_jiffy(&args, PROGRAM_SECONDS, &output, e);
	if (!r)
		snprintf(name, NAME_SIZE, "%.*s", (int)strcspn(output, "\n"),
			 output);
	return r;
}

static int make(struct daemon *d, const struct db_object *o, const char *record,
		char name[NAME_SIZE], struct err *e)
{
	return json_has(o->body, "template")
		       ? begin_clone(d, o->body, record, name, e)
		       : prepare(d, o->body, record, NULL, name, e);
}

/* Whether the store has a record of that name. */
static bool is_taken(struct daemon *d, const char *name)
{
	cleanup_instance struct instance in = INSTANCE_INIT;

	return instance_load(&d->store, name, &in, NULL) != -ENOENT;
}

int instance_make(struct daemon *d, struct db_object *o, struct err *e)
{
	char name[NAME_SIZE];
	int r;

	pthread_rwlock_rdlock(&d->making);
	/* Taken: another user's, or the command line's. */
	r = make(d, o, is_taken(d, o->name) ? NULL : o->name, name, e);
	if (r == -EEXIST)
		r = make(d, o, NULL, name, e);
	if (!r) {
		json_object_set_new(o->body, "record", json_string(name));
		r = db_update(d->db, o, e);
	}
	pthread_rwlock_unlock(&d->making);
	return r;
}

int instance_remake(struct daemon *d, const struct db_object *o,
		    const struct instance *in, struct err *e)
{
	if (in->status <= INSTANCE_SUSPENDED ||
	    json_is_true(json_object_get(o->body, "adopted")) ||
	    json_has(o->body, "template"))
		return 0; /* at its next start */
	return prepare(d, o->body, NULL, in, NULL, e);
}

int instance_launch(struct daemon *d, const struct db_object *o, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_strv struct strv args = STRV_INIT;

	if (instance_of(d, o, &in, e))
		return -e->code;
	if (in.status <= INSTANCE_RUNNING)
		return err_set(e, EALREADY, "%s is running", o->name);
	if (in.status != INSTANCE_SUSPENDED && instance_remake(d, o, &in, e))
		return -e->code;
	strv_add(&args, "start");
	strv_add(&args, in.name);
	return program_jiffy(&args, PROGRAM_SECONDS, NULL, e);
}

static int kill_now(const struct instance *in)
{
	cleanup_json json_t *request =
		json_pack("{s:s,s:i}", "op", "kill", "signal", SIGKILL);

	return control_call(in, request, ANSWER_SECONDS, NULL, NULL);
}

void instance_kill(struct daemon *d, const struct db_object *o)
{
	cleanup_instance struct instance in = INSTANCE_INIT;

	if (!instance_of(d, o, &in, NULL) && in.status <= INSTANCE_RUNNING)
		(void)kill_now(&in);
}

int instance_end(struct daemon *d, const struct instance *in, int grace_s,
		 struct err *e)
{
	cleanup_json json_t *request =
		json_pack("{s:s,s:i}", "op", "stop", "timeout_s", grace_s);
	int r;

	(void)d;
	if (in->status == INSTANCE_SUSPENDED)
		return instance_drop_checkpoint(in, e);
	if (in->status > INSTANCE_SUSPENDED)
		return err_set(e, EALREADY, "%s is stopped", in->name);
	r = grace_s ? control_call(in, request, grace_s + ANSWER_SECONDS, NULL,
				   e)
		    : kill_now(in);
	/* It may end before it has answered: that is what we want. */
	if (instance_wait(in, END_SECONDS) == 0)
		return 0;
	return r ? err_wrap(e, "stop")
		 : err_set(e, ETIMEDOUT, "%s does not end", in->name);
}

int instance_sleep(struct daemon *d, const struct instance *in, struct err *e)
{
	cleanup_json json_t *request = json_pack("{s:s}", "op", "suspend");

	(void)d;
	if (in->status == INSTANCE_SUSPENDED)
		return 0;
	if (in->status > INSTANCE_SUSPENDED)
		return err_set(e, EALREADY, "%s is stopped", in->name);
	return control_call(in, request, SUSPEND_SECONDS, NULL, e);
}

int instance_erase(struct daemon *d, const struct db_object *o, struct err *e)
{
	cleanup_strv struct strv args = STRV_INIT;
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r = instance_of(d, o, &in, e);

	if (r)
		return r == -ENOENT ? 0 : r;
	strv_add(&args, "rm");
	strv_add(&args, "-f");
	strv_add(&args, in.name);
	return program_jiffy(&args, PROGRAM_SECONDS, NULL, e);
}

/* The arguments that would have created it. */
static json_t *body_of(const struct instance *in)
{
	json_t *env = json_object(), *v;
	json_int_t memory =
		json_integer_value(json_object_get(in->spec, "memory_bytes"));
	json_int_t cpus = json_integer_value(json_object_get(in->spec, "cpus"));
	json_t *body = json_pack(
		"{s:s, s:b, s:s, s:s}", "record", in->name, "adopted", 1,
		"wanted",
		in->status <= INSTANCE_RUNNING ? "running" : "stopped", "image",
		json_str_or(json_object_get(in->spec, "image"), "name", "?"));
	size_t i;

	json_array_foreach (json_object_get(in->spec, "env"), i, v) {
		const char *text = json_string_value(v);
		const char *eq = text ? strchr(text, '=') : NULL;

		if (eq)
			json_object_setn_new(env, text, (size_t)(eq - text),
					     json_text(eq + 1));
	}
	json_object_set_new(body, "env", env);
	json_object_set(body, "args", json_object_get(in->spec, "argv"));
	if (json_has(in->spec, "restart"))
		json_object_set(body, "restart_policy",
				json_object_get(in->spec, "restart"));
	json_object_set_new(body, "memory_mb", json_integer(memory >> 20));
	json_object_set_new(body, "vcpus", json_integer(cpus));
	return body;
}

int instance_object(struct daemon *d, const char *record, struct db_object *o,
		    struct err *e)
{
	cleanup_db_list struct db_list all = { 0 };
	int r = db_list_by(d->db, DB_INSTANCE, DB_BY_RECORD, record, &all, e);

	if (r || !all.count)
		return r ? r : -ENOENT;
	*o = all.items[0];
	all.items[0].body = NULL;
	return 0;
}

static int adopt(struct daemon *d, const struct instance *in, struct err *e)
{
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	int r = instance_object(d, in->name, &o, e);

	if (r != -ENOENT)
		return r;
	o.kind = DB_INSTANCE;
	o.body = body_of(in);
	memcpy(o.owner, d->admin, UUID_SIZE);
	snprintf(o.name, sizeof(o.name), "%s", in->name);
	r = db_insert(d->db, &o, e);
	if (!r)
		log_info("adopted instance=%s", in->name);
	return r;
}

int instance_adopt(struct daemon *d, const char *record, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r;

	pthread_rwlock_wrlock(&d->making);
	r = instance_load(&d->store, record, &in, e);
	if (!r && json_object_size(in.spec)) /* else it is being made */
		r = adopt(d, &in, e);
	pthread_rwlock_unlock(&d->making);
	return r;
}

bool instance_is_to_restart(const struct db_object *o,
			    const struct instance *in)
{
	const char *policy = json_str_or(o->body, "restart_policy", "never");

	if (in->status <= INSTANCE_SUSPENDED ||
	    in->status == INSTANCE_CREATED ||
	    strcmp(json_str_or(o->body, "wanted", ""), "running") != 0 ||
	    json_is_true(json_object_get(in->state, "asked")) ||
	    !strcmp(json_str_or(in->state, "ended_by", ""), "killed"))
		return false;
	if (!strcmp(policy, "on-failure"))
		return in->status == INSTANCE_DEAD ||
		       json_int_or(in->state, "exit_code", 0) != 0;
	return !strcmp(policy, "always");
}

static bool is_started_again(const struct db_object *o,
			     const struct instance *in)
{
	return in->status == INSTANCE_RUNNING &&
	       !strcmp(json_str_or(o->body, "wanted", ""), "stopped") &&
	       json_int_or(in->state, "pid", 0) !=
		       json_int_or(o->body, "stopped_pid", 0);
}

void instance_note_start(struct daemon *d, const char *record)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	char uuid[UUID_SIZE];

	if (instance_object(d, record, &o, NULL))
		return;
	memcpy(uuid, o.uuid, UUID_SIZE);
	/* Who holds it says what is wanted. */
	if (strcmp(json_str_or(o.body, "wanted", ""), "stopped") != 0 ||
	    !daemon_try_hold(d, uuid))
		return;
	db_object_fini(&o);
	if (!db_find(d->db, DB_INSTANCE, NULL, uuid, NULL, &o, NULL) &&
	    !instance_of(d, &o, &in, NULL) && is_started_again(&o, &in)) {
		json_object_set_new(o.body, "wanted", json_string("running"));
		db_update(d->db, &o, NULL);
	}
	daemon_release(d, uuid);
}

void instance_forget(struct daemon *d, const char *record)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;

	/* Perhaps there is another of that name by now. */
	if (instance_load(&d->store, record, &in, NULL) == -ENOENT &&
	    instance_object(d, record, &o, NULL) == 0) {
		service_leave(d, &o);
		db_remove(d->db, o.uuid, NULL);
	}
}

int instances_adopt(struct daemon *d, struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_db_list struct db_list all = { 0 };

	if (db_list(d->db, DB_INSTANCE, NULL, false, NULL, &all, e) ||
	    instance_names(&d->store, &names, e))
		return -e->code;
	for (size_t i = 0; i < all.count; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;

		if (instance_of(d, &all.items[i], &in, NULL) != -ENOENT)
			continue;
		log_warning("the record is gone instance=%s",
			    all.items[i].name);
		db_remove(d->db, all.items[i].uuid, NULL);
	}
	for (size_t i = 0; i < names.count; i++)
		instance_adopt(d, names.items[i], NULL);
	return 0;
}
