/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/users: users, their tokens (of which only hashes are kept), and quotas.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/api.h"
#include "daemon/instances.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/sha256.h"
#include "host/xmalloc.h"

/* What a user may have who has no quotas of his own. */
static const struct {
	const char *name;
	int64_t hard;
} quotas[] = {
	{ "instances", 100000 },      { "live_instances", 100000 },
	{ "live_vcpus", 1000000 },    { "live_memory_mb", 1 << 30 },
	{ "service_groups", 100000 }, { "services", 1000000 },
	{ "volumes", 100000 },	      { "total_volume_mb", 1 << 30 },
};

static int count_instances(struct call *c, const char *user, json_t *used,
			   struct err *e)
{
	cleanup_db_list struct db_list all = { 0 };
	int64_t live = 0, vcpus = 0, memory = 0;

	if (db_list(c->daemon->db, DB_INSTANCE, user, false, NULL, &all, e))
		return -e->code;
	for (size_t i = 0; i < all.count; i++) {
		const struct db_object *o = &all.items[i];
		cleanup_instance struct instance in = INSTANCE_INIT;

		if (instance_of(c->daemon, o, &in, NULL) ||
		    in.status > INSTANCE_RUNNING)
			continue;
		live++;
		vcpus += json_int_or(o->body, "vcpus", 1);
		memory += json_int_or(o->body, "memory_mb", 128);
	}
	json_object_set_new(used, "instances",
			    json_integer((json_int_t)all.count));
	json_object_set_new(used, "live_instances", json_integer(live));
	json_object_set_new(used, "live_vcpus", json_integer(vcpus));
	json_object_set_new(used, "live_memory_mb", json_integer(memory));
	return 0;
}

static int count_others(struct call *c, const char *user, json_t *used,
			struct err *e)
{
	cleanup_db_list struct db_list groups = { 0 }, volumes = { 0 };
	int64_t services = 0, mb = 0;

	if (db_list(c->daemon->db, DB_SERVICE, user, false, NULL, &groups, e) ||
	    db_list(c->daemon->db, DB_VOLUME, user, false, NULL, &volumes, e))
		return -e->code;
	for (size_t i = 0; i < groups.count; i++)
		services += (int64_t)json_array_size(
			json_object_get(groups.items[i].body, "services"));
	for (size_t i = 0; i < volumes.count; i++)
		mb += json_int_or(volumes.items[i].body, "size_mb", 0);
	json_object_set_new(used, "service_groups",
			    json_integer((json_int_t)groups.count));
	json_object_set_new(used, "services", json_integer(services));
	json_object_set_new(used, "volumes",
			    json_integer((json_int_t)volumes.count));
	json_object_set_new(used, "total_volume_mb", json_integer(mb));
	return 0;
}

static json_t *hard_of(const struct db_object *user)
{
	const json_t *own = json_object_get(user->body, "quotas");
	json_t *hard = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(quotas); i++)
		json_object_set_new(
			hard, quotas[i].name,
			json_integer(json_int_or(own, quotas[i].name,
						 quotas[i].hard)));
	return hard;
}

int quota_check(struct call *c, const char *what, int64_t more, struct err *e)
{
	cleanup_db_object struct db_object user = DB_OBJECT_INIT;
	cleanup_json json_t *used = json_object(), *hard = NULL;
	int64_t limit, now;
	int r;

	if (db_find(c->daemon->db, DB_USER, NULL, c->user, NULL, &user, e))
		return -e->code;
	if (!json_has(user.body, "quotas"))
		return 0; /* only then is it worth counting */
	r = !strncmp(what, "live", 4) || !strcmp(what, "instances")
		    ? count_instances(c, c->user, used, e)
		    : count_others(c, c->user, used, e);
	if (r)
		return r;
	hard = hard_of(&user);
	limit = json_int_or(hard, what, INT64_MAX);
	now = json_int_or(used, what, 0);
	if (now + more <= limit)
		return 0;
	return api_fail(e, API_QUOTA,
			"Quota of %s: %lld of %lld used, %lld more asked for",
			what, (long long)now, (long long)limit,
			(long long)more);
}

bool quota_hold(struct call *c)
{
	cleanup_db_object struct db_object user = DB_OBJECT_INIT;

	if (db_find(c->daemon->db, DB_USER, NULL, c->user, NULL, &user, NULL) ||
	    !json_has(user.body, "quotas"))
		return false;
	daemon_hold(c->daemon, c->user);
	return true;
}

void quota_release(struct call *c, bool is_held)
{
	if (is_held)
		daemon_release(c->daemon, c->user);
}

static int describe_quotas(struct call *c, struct db_object *o,
			   const json_t *arg, json_t *item, struct err *e)
{
	json_t *used = json_object();

	(void)arg;
	json_object_set_new(item, "used", used);
	json_object_set_new(item, "hard", hard_of(o));
	json_object_set_new(
		item, "limits",
		json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}",
			  "min_memory_mb", 4, "max_memory_mb", 1 << 24,
			  "min_volume_mb", 16, "max_volume_mb", 1 << 24,
			  "min_autoscale_size", 0, "max_autoscale_size", 65535,
			  "min_vcpus", 1, "max_vcpus", 1024));
	return count_instances(c, o->uuid, used, e) ||
			       count_others(c, o->uuid, used, e)
		       ? -e->code
		       : 0;
}

int user_quotas(struct call *c, struct db_object *o, const json_t *arg,
		json_t *item, struct err *e)
{
	(void)o;
	(void)arg;
	(void)item;
	if (c->uuid && !c->is_admin && strcmp(c->uuid, c->user) != 0) {
		json_array_append_new(c->items,
				      json_pack("{s:s, s:s, s:s, s:i}", "uuid",
						c->uuid, "status", "error",
						"message", "No such user",
						"error", API_NOT_FOUND));
		api_answer(c);
		return 0;
	}
	if (!c->uuid)
		c->uuid = xstrdup(c->user);
	return api_each(c, API_SELECT, describe_quotas, e);
}

int user_get(struct call *c, struct db_object *o, const json_t *arg,
	     json_t *item, struct err *e)
{
	(void)c;
	(void)arg;
	(void)e;
	json_object_set_new(item, "created_at", api_time(o->created_ms));
	json_object_set_new(
		item, "admin",
		json_boolean(json_is_true(json_object_get(o->body, "admin"))));
	return 0;
}

static void make_token(char token[49])
{
	unsigned char bytes[24];

	while (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

int user_post(struct call *c, struct db_object *none, const json_t *arg,
	      json_t *item, struct err *e)
{
	cleanup_db_object struct db_object o = { .kind = DB_USER };
	const char *token = json_str_or(arg, "token", NULL);
	char made[49], hash[SHA256_HEX_SIZE], other[UUID_SIZE];
	struct sha256 h;
	int r = api_take_name(arg, o.name, e);

	(void)none;
	if (r)
		return r;
	if (token && strlen(token) < 16)
		return api_fail(e, API_INVALID,
				"A token has at least 16 characters");
	if (!token) {
		make_token(made);
		token = made;
	}
	sha256_init(&h);
	sha256_add(&h, token, strlen(token));
	sha256_hex(&h, hash);
	if (!db_token_user(c->daemon->db, hash, other, NULL))
		return api_fail(e, API_EXISTS, "The token is taken");
	o.body = json_pack("{s:b}", "admin",
			   json_is_true(json_object_get(arg, "admin")));
	if (json_has(arg, "quotas"))
		json_object_set(o.body, "quotas",
				json_object_get(arg, "quotas"));
	r = db_insert(c->daemon->db, &o, e);
	if (r == -EEXIST)
		return api_fail(e, API_EXISTS, "A user with name '%s' exists",
				o.name);
	if (r || db_token_add(c->daemon->db, hash, o.uuid, e))
		return -e->code;
	json_object_set_new(item, "uuid", json_string(o.uuid));
	json_object_set_new(item, "name", json_string(o.name));
	json_object_set_new(item, "token", json_string(token)); /* only here */
	return 0;
}

/* One who owns something stays. */
int user_delete(struct call *c, struct db_object *o, const json_t *arg,
		json_t *item, struct err *e)
{
	static const enum db_kind kinds[] = { DB_INSTANCE, DB_SERVICE,
					      DB_VOLUME, DB_CERTIFICATE,
					      DB_TEMPLATE };

	(void)arg;
	(void)item;
	if (!strcmp(o->uuid, c->daemon->admin))
		return api_fail(e, API_NOT_ALLOWED,
				"The first administrator stays");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cleanup_db_list struct db_list all = { 0 };

		if (db_list(c->daemon->db, kinds[i], o->uuid, false, NULL, &all,
			    e))
			return -e->code;
		if (all.count)
			return api_fail(e, API_CANNOT_BE_USED,
					"The user has %zu %ss", all.count,
					api_kind_name(kinds[i]));
	}
	return db_tokens_remove(c->daemon->db, o->uuid, e) ||
			       db_remove(c->daemon->db, o->uuid, e)
		       ? -e->code
		       : 0;
}
