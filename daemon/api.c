/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch: who asks, which route, which objects, and the envelope around what
 * the route's handler says of each.
 */
#include "daemon/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/instances.h"
#include "daemon/audit.h"
#include "daemon/schema.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "host/sha256.h"
#include "host/xmalloc.h"

#define ITEMS_MAX 1000
#define DEPTH_MAX 64
#define MSEC 1000000u

/* clang-format off */
const struct route api_routes[] = {
#define ROUTE(method, path, key, how, kind, handler, permission, query, body, \
	      summary)                                                        \
	{ method, path, key, how, kind, handler, permission, &schema_##query, \
	  &schema_##body, summary },
#include "daemon/routes.h"
#undef ROUTE
	{ .method = NULL },
};
/* clang-format on */

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * (uint64_t)NSEC_PER_SEC +
	       (uint64_t)ts.tv_nsec;
}

bool api_turn_take(struct daemon *d, struct api_request *rq)
{
	rq->has_turn = limits_take(&d->handled, rq->user, API_THREADS_PER_USER);
	return rq->has_turn;
}

void api_turn_give(struct daemon *d, struct api_request *rq)
{
	if (rq->has_turn)
		limits_give(&d->handled, rq->user);
	rq->has_turn = false;
}

void api_request_fini(struct daemon *d, struct api_request *rq)
{
	api_turn_give(d, rq);
	if (rq->is_counted)
		limits_give(&d->waiting, rq->user);
	free(rq->method);
	free(rq->path);
	free(rq->query);
	free(rq->token);
	free(rq->accept);
	free(rq->body);
	*rq = (struct api_request){ 0 };
}

int api_fail(struct err *e, enum api_error code, const char *fmt, ...)
{
	va_list ap;
	char text[ERR_MSG_SIZE];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(e, EREMOTEIO, "%s", text);
	return code;
}

static void set_body(struct api_response *rs, unsigned int status,
		     json_t *envelope)
{
	rs->status = status;
	rs->type = "application/json";
	rs->body = json_dumps(envelope, JSON_COMPACT);
	if (!rs->body)
		rs->body = xstrdup("{\"status\":\"error\"}");
	rs->body_len = strlen(rs->body);
}

void api_refuse(struct api_response *rs, unsigned int status,
		const char *message, uint64_t started_ns)
{
	cleanup_json json_t *envelope = json_pack(
		"{s:s, s:o, s:[{s:i}], s:I}", "status", "error", "message",
		json_text(message), "errors", "status", (int)status,
		"op_time_us", (json_int_t)((clock_ns() - started_ns) / 1000));

	set_body(rs, status, envelope);
}

const char *api_kind_name(enum db_kind kind)
{
	static const char *const names[] = {
		[DB_USER] = "user",
		[DB_INSTANCE] = "instance",
		[DB_SERVICE] = "service group",
		[DB_VOLUME] = "volume",
		[DB_CERTIFICATE] = "certificate",
		[DB_TEMPLATE] = "template",
	};

	return names[kind];
}

json_t *api_time(int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char text[40];

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* Segments of a path and of a route's path, side by side. */
static bool match_path(const char *pattern, const char *path, char **uuid,
		       char **name)
{
	free(take_ptr(*uuid));
	free(take_ptr(*name));
	while (*pattern && *path) {
		char **to = pattern[1] == 'n' ? name : uuid;
		size_t len = strcspn(path, "/");

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		if (!len)
			return false;
		free(take_ptr(*to));
		*to = url_decode(path, len, false);
		if (!*to)
			return false;
		path += len;
		pattern = strchr(pattern, '}') + 1;
	}
	return !*pattern && !*path;
}

/* Routes with fixed segments stand before those with parameters. */
static const struct route *find_route(struct call *c, bool *has_path)
{
	const char *path = c->request->path;

	*has_path = false;
	for (const struct route *r = api_routes; r->method; r++) {
		if (!match_path(r->path, path, &c->uuid, &c->name))
			continue;
		if (strchr(r->path, '{') && *has_path)
			break; /* "start" is no uuid */
		if (!strcmp(r->method, c->request->method))
			return r;
		if (!strchr(r->path, '{'))
			*has_path = true;
	}
	for (const struct route *r = api_routes; r->method; r++)
		*has_path |= match_path(r->path, path, &c->uuid, &c->name);
	return NULL;
}

static int find_user(struct call *c, struct err *e)
{
	struct daemon *d = c->daemon;
	cleanup_db_object struct db_object user = DB_OBJECT_INIT;
	struct sha256 h;
	char hash[SHA256_HEX_SIZE];
	const char *token = c->request->token;

	if (!token) {
		if (!c->request->is_local)
			return -EACCES;
		memcpy(c->user, d->admin, UUID_SIZE);
		strcpy(c->user_name, "admin");
		c->is_admin = true;
		return 0;
	}
	sha256_init(&h);
	sha256_add(&h, token, strlen(token));
	sha256_hex(&h, hash);
	if (db_token_user(d->db, hash, c->user, e) ||
	    db_find(d->db, DB_USER, NULL, c->user, NULL, &user, e))
		return e->code == ENOENT ? -EACCES : -e->code;
	c->is_admin = json_is_true(json_object_get(user.body, "admin"));
	memcpy(c->user_name, user.name, OBJECT_NAME_SIZE);
	return 0;
}

/* Users know of themselves only. */
static bool is_told(const struct call *c, const struct db_object *user)
{
	return c->is_admin || !strcmp(user->uuid, c->user);
}

/* To the store's owner an instance is called as its record, whoever made it,
 * and what is done to it counts as its owner's. */
static bool find_record(struct call *c, enum db_kind kind, const char *name,
			struct db_object *o)
{
	if (kind != DB_INSTANCE || !name || !c->request ||
	    !c->request->is_local || c->request->token ||
	    instance_object(c->daemon, name, o, NULL))
		return false;
	memcpy(c->user, o->owner, UUID_SIZE);
	return true;
}

int api_find(struct call *c, enum db_kind kind, const json_t *ref,
	     struct db_object *o, struct err *e)
{
	const char *uuid = json_str_or(ref, "uuid", NULL);
	const char *name = json_str_or(ref, "name", NULL);
	const char *owner = kind == DB_USER ? NULL : c->user;
	const char *what = api_kind_name(kind);
	int r;

	if (!uuid && !name)
		return api_fail(e, API_MISSING_ID, "No uuid or name of the %s",
				what);
	if (uuid && name)
		return api_fail(e, API_NOT_BOTH,
				"Either a uuid or a name, not both");
	if (uuid && !uuid_is_valid(uuid))
		return api_fail(e, API_INVALID, "Invalid uuid '%.60s'", uuid);
	if (!uuid && find_record(c, kind, name, o))
		return 0;
	r = db_find(c->daemon->db, kind, owner, uuid, name, o, e);
	if (!r && kind == DB_USER && !is_told(c, o)) {
		db_object_fini(o);
		r = -ENOENT;
	}
	if (r == -ENOENT)
		return api_fail(e, API_NOT_FOUND, "No %s with %s '%.80s'", what,
				uuid ? "uuid" : "name", uuid ? uuid : name);
	return r ? api_fail(e, API_FAILED, "%s", e->msg) : 0;
}

static int error_code(int r)
{
	switch (r) {
	case -ENOENT:
		return API_NOT_FOUND;
	case -EEXIST:
		return API_EXISTS;
	case -EINVAL:
	case -ERANGE:
		return API_INVALID;
	case -EBUSY:
	case -EALREADY:
	case -ESRCH:
		return API_WRONG_STATE;
	case -ETIMEDOUT:
		return API_TIMED_OUT;
	case -ENOTSUP:
		return API_NOT_SUPPORTED;
	default:
		return r > 0 ? r : API_FAILED;
	}
}

/* Put "status" and what goes with it into an item. */
static void finish_item(json_t *item, int r, const struct err *e)
{
	json_object_set_new(item, "status",
			    json_string(r ? "error" : "success"));
	if (!r)
		return;
	json_object_set_new(item, "message", json_text(e->msg));
	json_object_set_new(item, "error", json_integer(error_code(r)));
}

static void name_item(json_t *item, const struct db_object *o,
		      const json_t *ref)
{
	if (o && o->uuid[0]) {
		json_object_set_new(item, "uuid", json_string(o->uuid));
		json_object_set_new(item, "name", json_text(o->name));
		return;
	}
	if (json_has(ref, "uuid"))
		json_object_set(item, "uuid", json_object_get(ref, "uuid"));
	if (json_has(ref, "name"))
		json_object_set(item, "name", json_object_get(ref, "name"));
}

/* is_all: of a list of all, in which what is gone by now is not. */
static int run_item(struct call *c, struct db_object *o, const json_t *arg,
		    bool is_all)
{
	json_t *item = json_object();
	struct err e = ERR_INIT;
	int r;

	name_item(item, o, NULL);
	r = c->route->handler(c, o, arg, item, &e);
	if (r == API_AGAIN || (!r && c->response && c->response->stream) ||
	    (r == -ENOENT && is_all)) {
		json_decref(item);
		return r == API_AGAIN ? r : 0;
	}
	if (json_has(arg, "id") && !json_has(item, "id"))
		json_object_set(item, "id", json_object_get(arg, "id"));
	finish_item(item, r, &e);
	json_array_append_new(c->items, item);
	return 0;
}

/* The one object that ref means; one that is not there is an item, too. */
static int run_ref(struct call *c, const json_t *ref, const json_t *arg)
{
	cleanup_db_object struct db_object o = DB_OBJECT_INIT;
	struct err e = ERR_INIT;
	json_t *item;
	int r = api_find(c, c->route->kind, ref, &o, &e);

	if (!r)
		return run_item(c, &o, arg, false);
	item = json_object();
	name_item(item, NULL, ref);
	finish_item(item, r, &e);
	json_array_append_new(c->items, item);
	return 0;
}

/* References in a query: uuid=...&name=... */
static int run_query(struct call *c, const char *key)
{
	json_t *ref;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(c->query, key), i, ref) {
		cleanup_json json_t *o = json_pack("{s:O}", key, ref);

		r = r ? r : run_ref(c, o, c->query);
	}
	return r;
}

/* All of "a,b" are among the object's tags. */
static bool has_tags(const struct db_object *o, const char *wanted)
{
	cleanup_strv struct strv v = STRV_INIT;
	json_t *tag;
	size_t i;

	strv_split(&v, wanted, ',');
	for (size_t n = 0; n < v.count; n++) {
		bool is_there = false;

		json_array_foreach (json_object_get(o->body, "tags"), i, tag)
			is_there |= json_is_string(tag) &&
				    !strcmp(json_string_value(tag), v.items[n]);
		if (!is_there)
			return false;
	}
	return true;
}

/* Copies of instances are of one kind, and in lists by their use. */
static bool is_listed(const struct call *c, const struct db_object *o)
{
	const char *use = json_str_or(o->body, "use", NULL);

	return !use || strstr(c->route->path, use);
}

static int run_all(struct call *c, struct err *e)
{
	cleanup_db_list struct db_list all = { 0 };
	const char *tags = json_str_or(c->query, "tags", NULL);
	const char *owner = c->route->kind == DB_USER ? NULL : c->user;
	int64_t count = ITEMS_MAX;
	bool is_desc = !strcmp(json_str_or(c->query, "order", "asc"), "desc");

	if (json_has(c->query, "count"))
		count = json_integer_value(json_object_get(c->query, "count"));
	if (db_list(c->daemon->db, c->route->kind, owner, is_desc,
		    json_str_or(c->query, "from", NULL), &all, e))
		return -e->code;
	for (size_t i = 0; i < all.count && count > 0; i++) {
		if ((tags && !has_tags(&all.items[i], tags)) ||
		    !is_listed(c, &all.items[i]) ||
		    (c->route->kind == DB_USER && !is_told(c, &all.items[i])))
			continue;
		run_item(c, &all.items[i], c->query, true);
		count--;
	}
	return 0;
}

/* Query and body of one item are one: later wins. */
static json_t *merge(const struct call *c, const json_t *item)
{
	json_t *arg = json_copy(c->query);

	json_object_update(arg, (json_t *)item);
	return arg;
}

static int run_body(struct call *c)
{
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach (c->body, i, item) {
		cleanup_json json_t *arg = merge(c, item);
		cleanup_json json_t *ref =
			c->uuid ? json_pack("{s:o}", "uuid", json_text(c->uuid))
				: json_incref(arg);

		if (r)
			break;
		if (c->route->how == API_CREATE)
			r = run_item(c, NULL, item, false);
		else
			r = run_ref(c, ref, arg);
	}
	return r;
}

/* 0, API_AGAIN, or -errno. */
static int run(struct call *c, struct err *e)
{
	bool has_refs = json_has(c->query, "uuid") ||
			json_has(c->query, "name");

	if (c->route->how == API_WHOLE)
		return c->route->handler(c, NULL, c->query, NULL, e);
	if (json_array_size(c->body))
		return run_body(c);
	if (c->uuid) {
		cleanup_json json_t *ref =
			json_pack("{s:o}", "uuid", json_text(c->uuid));

		return run_ref(c, ref, c->query);
	}
	if (has_refs)
		return run_query(c, "uuid") || run_query(c, "name") ? API_AGAIN
								    : 0;
	if (c->route->how == API_LIST)
		return run_all(c, e);
	return err_set(e, EINVAL, "%s",
		       c->route->how == API_CREATE ? "Missing request body"
						   : "Missing uuid or name");
}

/* Whether brackets are nested so deep that reading or writing them would take
 * much of a thread's stack. */
static bool is_deep(const char *text, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			in_string = !in_string;
		else if (in_string && text[i] == '\\')
			i++;
		else if (!in_string && strchr("[{", text[i]) && text[i])
			depth++;
		else if (!in_string && strchr("]}", text[i]) && text[i])
			depth -= depth > 0;
		if (depth > DEPTH_MAX)
			return true;
	}
	return false;
}

/* One object or a list of objects -> a list; checked. */
static int read_body(struct call *c, struct err *e)
{
	const struct api_request *rq = c->request;
	cleanup_json json_t *v = NULL;
	json_error_t why;
	json_t *item;
	size_t i;

	c->body = json_array();
	if (!rq->body_len || c->route->body == &schema_bytes)
		return 0;
	if (is_deep(rq->body, rq->body_len))
		return err_set(e, EINVAL, "Malformed JSON: nested too deep");
	v = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, &why);
	if (!v)
		return err_set(e, EINVAL, "Malformed JSON: %s", why.text);
	if (json_is_object(v)) {
		/* A list command with an empty object means all. */
		if (json_object_size(v) || c->route->how == API_CREATE ||
		    c->uuid)
			json_array_append(c->body, v);
	} else if (json_is_array(v) && json_array_size(v) <= ITEMS_MAX) {
		json_array_extend(c->body, v);
	} else {
		return err_set(e, EINVAL,
			       "The request body must be an object or an array "
			       "of at most %d",
			       ITEMS_MAX);
	}
	json_array_foreach (c->body, i, item) {
		if (!json_is_object(item))
			return err_set(e, EINVAL,
				       "Items of the request body must be "
				       "objects");
		if (schema_check(c->route->body, item, e))
			return -e->code;
	}
	return 0;
}

void api_answer(struct call *c)
{
	size_t n = json_array_size(c->items), nfailed = 0, i;
	const char *status = "success";
	json_t *item, *envelope = json_object();

	json_array_foreach (c->items, i, item)
		nfailed += !strcmp(json_str_or(item, "status", ""), "error");
	if (nfailed)
		status = nfailed == n ? "error" : "partial_success";
	json_object_set_new(envelope, "status", json_string(status));
	if (nfailed)
		json_object_set_new(
			envelope, "message",
			json_string(nfailed == n
					    ? "Failed to perform all operations"
					    : "Failed to perform some "
					      "operations"));
	json_object_set_new(envelope, "data",
			    json_pack("{s:O}", c->route->key, c->items));
	json_object_set_new(envelope, "op_time_us",
			    json_integer((json_int_t)((clock_ns() -
						       c->request->started_ns) /
						      1000)));
	set_body(c->response, 200, envelope);
	json_decref(envelope);
}

/* One more of the user's, unless there are too many. */
static bool is_counted(struct call *c)
{
	struct api_request *rq = c->request;

	if (rq->user[0])
		return true;
	if (!rq->is_local) {
		if (!limits_take(&c->daemon->waiting, c->user,
				 API_REQUESTS_PER_USER))
			return false;
		rq->is_counted = true;
	}
	/* The command line does not wait behind the administrator's. */
	if (rq->is_local && !rq->token)
		snprintf(rq->user, sizeof(rq->user), "local");
	else
		memcpy(rq->user, c->user, UUID_SIZE);
	return true;
}

/* HTTP's status, 0 if the handlers may go on. */
static unsigned int check_call(struct call *c, struct err *e)
{
	struct api_request *rq = c->request;
	bool has_path;
	int r;

	c->route = find_route(c, &has_path);
	if (!c->route || c->route->permission != API_PUBLIC) {
		r = find_user(c, e);
		if (r == -EACCES) {
			err_set(e, EACCES, "Unauthorized");
			return 401;
		}
		if (r)
			return 500;
		if (!is_counted(c)) {
			err_set(e, EAGAIN, "Too many requests at once");
			return 429;
		}
	}
	if (!c->route) {
		err_set(e, ENOENT,
			has_path ? "Wrong method for this endpoint"
				 : "No such endpoint");
		return has_path ? 405 : 404;
	}
	if (c->route->permission == API_ADMIN && !c->is_admin) {
		err_set(e, EPERM, "Permission denied");
		return 403;
	}
	if (schema_query(c->route->query, rq->query, strlen(rq->query),
			 &c->query, e) ||
	    read_body(c, e))
		return 400;
	if (c->uuid && !uuid_is_valid(c->uuid)) {
		err_set(e, EINVAL, "Invalid uuid '%.60s'", c->uuid);
		return 400;
	}
	return 0;
}

int api_each(struct call *c, enum api_how how, api_handler *handler,
	     struct err *e)
{
	const struct route *whole = c->route;
	struct route each = *whole;
	int r;

	each.how = how;
	each.handler = handler;
	c->route = &each;
	r = run(c, e);
	if (!r)
		api_answer(c);
	c->route = whole;
	return r;
}

void api_handle(struct daemon *d, struct api_request *rq,
		struct api_response *rs)
{
	struct call c = { .daemon = d,
			  .request = rq,
			  .response = rs,
			  .now_ns = clock_ns(),
			  .items = json_array() };
	struct err e = ERR_INIT;
	unsigned int status = check_call(&c, &e);
	int r;

	if (status) {
		api_refuse(rs, status, e.msg, rq->started_ns);
	} else if (rq->user[0] && !rq->has_turn && !api_turn_take(d, rq)) {
		rs->needs_turn = true;
	} else {
		r = run(&c, &e);
		if (r == API_AGAIN)
			rs->again_ns = c.again_ns ? c.again_ns : UINT64_MAX;
		else if (r)
			api_refuse(rs,
				   r == -EINVAL	  ? 400
				   : r == -ENOENT ? 404
						  : 500,
				   e.msg, rq->started_ns);
		else if (rs->stream)
			rs->status = 200;
		else if (c.route->how != API_WHOLE)
			api_answer(&c);
	}
	if (c.user[0] && rs->status && strcmp(rq->method, "GET") != 0)
		audit_note(&c);
	json_decref(c.query);
	json_decref(c.body);
	json_decref(c.items);
	free(c.uuid);
	free(c.name);
}
