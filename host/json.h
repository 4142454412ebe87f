/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed, checked reading of JSON from outside, over jansson. Every error names
 * the place: "manifest.json: root.size: expected an integer from 0". `at` is
 * the path of the object itself, "" at the top.
 */
#ifndef JIFFY_HOST_JSON_H
#define JIFFY_HOST_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/err.h"
#include "host/strv.h"

/* Give jansson its hash seed from the process's own random bytes, which saves
 * opening /dev/urandom. Once, before the first object. */
void json_init_seed(void);

/* Parse len bytes as one JSON object: duplicate keys, trailing bytes and NULs
 * are errors. what names the input in messages. The caller json_decref()s. */
int json_parse(const char *what, const char *text, size_t len, json_t **obj,
	       struct err *e);

/* Read and parse a file of at most limit bytes. */
int json_read(int dirfd, const char *path, size_t limit, json_t **obj,
	      struct err *e);

/* Write obj and a newline, in place of path (see io_write_atomic). */
int json_write(int dirfd, const char *path, const json_t *obj, struct err *e);

/* -EINVAL unless every key of obj is in the NULL-terminated list. */
int json_only(const json_t *obj, const char *at, const char *const *keys,
	      struct err *e);

/* A required member of the wanted type. Strings and objects are borrowed from
 * obj; lists are appended to an initialised *out. */
int json_get_str(const json_t *obj, const char *at, const char *key,
		 const char **out, struct err *e);
int json_get_int(const json_t *obj, const char *at, const char *key,
		 int64_t min, int64_t max, int64_t *out, struct err *e);
int json_get_bool(const json_t *obj, const char *at, const char *key, bool *out,
		  struct err *e);
int json_get_obj(const json_t *obj, const char *at, const char *key,
		 json_t **out, struct err *e);
int json_get_array(const json_t *obj, const char *at, const char *key,
		   json_t **out, struct err *e);
int json_get_strv(const json_t *obj, const char *at, const char *key,
		  struct strv *out, struct err *e);

/* Whether the optional member is there and not null. */
bool json_has(const json_t *obj, const char *key);

/* A string member or fallback, for display of records that are our own. */
const char *json_str_or(const json_t *obj, const char *key,
			const char *fallback);

/* An integer member or fallback. */
int64_t json_int_or(const json_t *obj, const char *key, int64_t fallback);

/* New array of strings. */
json_t *json_from_strv(const struct strv *v);

/* A new string value, always valid: bytes that are not UTF-8 become '?'. */
json_t *json_text(const char *s);

static inline void cleanup_jsonp(json_t **obj)
{
	json_decref(*obj);
}

#define cleanup_json __attribute__((cleanup(cleanup_jsonp)))

#endif
