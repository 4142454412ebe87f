/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP API: requests as the server has read them, handled on threads of the
 * pool against the table of routes. Handlers may block.
 */
#ifndef JIFFY_DAEMON_API_H
#define JIFFY_DAEMON_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/daemon.h"
#include "daemon/db.h"
#include "daemon/schema.h"
#include "host/err.h"

/* What is wrong with an item, as clients of the API know it. */
enum api_error {
	API_UNKNOWN = 0,
	API_NOT_SUPPORTED = 1,
	API_WRONG_METHOD = 2,
	API_NO_ENDPOINT = 3,
	API_TOO_MANY = 5,
	API_INVALID = 7,
	API_NOT_FOUND = 8,
	API_FAILED = 10,
	API_WRONG_STATE = 11,
	API_TIMED_OUT = 12,
	API_MISSING_ID = 13,
	API_NOT_ALLOWED = 14,
	API_ATTACHED = 15,
	API_MALFORMED = 16,
	API_NOT_BOTH = 17,
	API_QUOTA = 19,
	API_NOT_ATTACHED = 21,
	API_TOO_LONG = 22,
	API_EXISTS = 23,
	API_CANNOT_BE_USED = 24,
	API_AUTOSCALE_INSTANCE = 25,
	API_AUTOSCALE_CONFIGURED = 26,
	API_AUTOSCALE_UNCONFIGURED = 27,
	API_AUTOSCALE_SIZE = 29,
	API_CERTIFICATE_CN = 30,
};

/* Not an error: handle the whole request again when something has changed, or
 * at call->again_ms (0: not before). Only of requests that change nothing. */
#define API_AGAIN -1

struct api_request {
	char *method;
	char *path;   /* without the query */
	char *query;  /* "" if there is none */
	char *token;  /* of the Authorization header, or NULL */
	char *accept; /* or NULL */
	char *body;   /* or NULL */
	size_t body_len;
	bool is_local;	     /* came over the unix socket from our own user */
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	/* Filled when it is first handled. */
	char user[UUID_SIZE]; /* who asks, "" if anybody may */
	bool is_counted;      /* among the user's daemon->waiting */
	bool has_turn;	      /* and among daemon->handled, now */
};

struct stream;

struct api_response {
	unsigned int status; /* HTTP */
	const char *type;    /* of the content */
	char *body;
	size_t body_len;
	struct stream *stream; /* its body in pieces instead (stream.h) */
	bool needs_turn;   /* not handled: the user has API_THREADS_PER_USER */
	uint64_t again_ns; /* not ready: ask again then, or on a change; 0: it
			    * is ready */
};

void api_request_fini(struct daemon *d, struct api_request *rq);

/* Requests of one user that are read, handled or wait (but those that came over
 * our own socket: beyond them 429), and those of them that are handled now:
 * others wait for their turn, which costs no thread. */
#define API_REQUESTS_PER_USER 256
#define API_THREADS_PER_USER 8

/* Handle a request; the response's body is the caller's. On a thread of the
 * pool. */
void api_handle(struct daemon *d, struct api_request *rq,
		struct api_response *rs);

/* Give the turn of a request that was handled back; give it one, if there is
 * one. From any thread. */
void api_turn_give(struct daemon *d, struct api_request *rq);
bool api_turn_take(struct daemon *d, struct api_request *rq);

/* An answer without a handler, for requests that could not be read. */
void api_refuse(struct api_response *rs, unsigned int status,
		const char *message, uint64_t started_ns);

struct call;

enum api_permission { API_PUBLIC, API_USER, API_ADMIN };

/* Handles one item: o is the object that it is about, NULL where one is to be
 * made or all is handled at once; arg: the checked arguments. Fills item. 0 or
 * API_AGAIN, or an enum api_error with e filled, or -errno (but EPERM, which
 * is -1). */
typedef int api_handler(struct call *c, struct db_object *o, const json_t *arg,
			json_t *item, struct err *e);

enum api_how {
	API_CREATE, /* for each item of the body */
	API_SELECT, /* for each object that is named */
	API_LIST,   /* for each object that is named, or for all */
	API_WHOLE,  /* once: it fills call->response */
};

struct route {
	const char *method;
	const char
		*path;	 /* segments in braces are parameters: {uuid}, {name} */
	const char *key; /* of the list in the answer */
	enum api_how how;
	enum db_kind kind;
	api_handler *handler;
	enum api_permission permission;
	const struct schema *query, *body; /* or NULL */
	const char *summary;
};

/* One request while it is handled. */
struct call {
	struct daemon *daemon;
	struct api_request *request;
	const struct route *route;
	struct api_response *response;
	char user[UUID_SIZE];
	char user_name[OBJECT_NAME_SIZE];
	bool is_admin;
	uint64_t now_ns, again_ns;
	json_t *query; /* checked */
	json_t *body;  /* not checked, or NULL */
	char *uuid;    /* of the path, or NULL */
	char *name;    /* {name} of the path, or NULL */
	json_t *items; /* of the answer */
};

#define ROUTE(method, path, key, how, kind, handler, permission, query, body, \
	      summary)                                                        \
	api_handler handler;
#include "daemon/routes.h"
#undef ROUTE

/* The routes; the last has no method. */
extern const struct route api_routes[];

/* Fill e and return code. */
int api_fail(struct err *e, enum api_error code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Find an object of the caller's by a reference {uuid | name}. 0 or an enum
 * api_error. `what` names the kind in messages. */
int api_find(struct call *c, enum db_kind kind, const json_t *ref,
	     struct db_object *o, struct err *e);

const char *api_kind_name(enum db_kind kind);

/* For a handler of a whole request that turns out to be about items: handle
 * each by `handler`, and write the envelope. */
int api_each(struct call *c, enum api_how how, api_handler *handler,
	     struct err *e);

/* Write the envelope around c->items. */
void api_answer(struct call *c);

/* "2026-11-22T12:00:00Z" */
json_t *api_time(int64_t ms);

/* Apply {op, value} to the member `prop` of body, as lists, maps and plain
 * values are changed. 0 or an enum api_error. */
int api_patch(json_t *body, const char *prop, const json_t *arg, struct err *e);

/* The same on an object's body, whose member is then checked against the schema
 * that it was created by. The object is not stored. */
int api_edit(struct call *c, struct db_object *o, const json_t *arg,
	     const struct schema *s, struct err *e);

/* Whether the object may not be deleted: fills e. */
int api_check_lock(const struct db_object *o, struct err *e);

/* A name that was given, or a new one. 0 or an enum api_error. */
int api_take_name(const json_t *arg, char name[OBJECT_NAME_SIZE],
		  struct err *e);

/* The quotas of a user: what is used and what is allowed (quotas.c). 0, or
 * API_QUOTA if `more` of `what` would be too much. */
int quota_check(struct call *c, const char *what, int64_t more, struct err *e);
/* Keep other requests of a user who has quotas from using them up between a
 * check and what it was for; nothing else may be waited for meanwhile. */
bool quota_hold(struct call *c);
void quota_release(struct call *c, bool is_held);

/* Make a volume: its object, whose name and body are set, and its disk, empty
 * or a copy of the volume with record `from` (api_volumes.c). 0 or an enum
 * api_error or -errno, as the next. */
int volume_make(struct call *c, struct db_object *o, const char *from,
		struct err *e);
/* Find or make the volumes of an instance that is being created: its body's
 * "volumes" then name records. Those that were made are in the list `made`,
 * also if it fails. */
int volume_resolve(struct call *c, json_t *body, json_t *made, struct err *e);
/* Remove them. */
void volume_unmake(struct call *c, const json_t *made);

/* The same of its service group, which then is {uuid, name}
 * (api_services.c). */
int service_resolve(struct call *c, json_t *body, struct err *e);
/* Make a group: its object, whose name and body are set. */
int service_make(struct call *c, struct db_object *o, struct err *e);

/* The same of the template or checkpoint that it begins as, which then is
 * "template": {uuid, name, snapshot} (api_templates.c). */
int template_resolve(struct call *c, json_t *body, struct err *e);

/* The OpenAPI document; the caller json_decref()s. */
json_t *openapi_document(void);

#endif
