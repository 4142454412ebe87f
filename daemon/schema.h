/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What JSON a request may hold: schemas made of schemas.h, against which
 * arguments are checked and from which the OpenAPI document is made.
 */
#ifndef JIFFY_DAEMON_SCHEMA_H
#define JIFFY_DAEMON_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/err.h"

enum field_type {
	FIELD_STRING = 1,
	FIELD_INTEGER = 2,
	FIELD_NUMBER = 4,
	FIELD_BOOL = 8,
	FIELD_OBJECT = 16,
	FIELD_ARRAY = 32,   /* of objects */
	FIELD_STRINGS = 64, /* an array of strings */
	FIELD_MAP = 128,    /* of strings */
	FIELD_ANY = 256,
};

struct schema;

struct field {
	const char *name;	  /* NULL ends a list */
	unsigned int types;	  /* enum field_type, any of these */
	const struct schema *sub; /* of objects */
	int64_t min, max;	  /* of integers */
	const char *values;	  /* of strings, "a|b"; NULL: any */
	bool is_required;
};

struct schema {
	const char *name;
	const char *what; /* for messages: "instance creation arguments" */
	const struct field *fields;
};

#define SCHEMA(name, what) extern const struct schema schema_##name;
#define FIELD(name, types, sub, min, max, values, need)
#define SCHEMA_END
#include "daemon/schemas.h"
#undef SCHEMA
#undef FIELD
#undef SCHEMA_END

/* 0, or -EINVAL with the words of the API: "Unknown member 'x'". */
int schema_check(const struct schema *s, const json_t *object, struct err *e);
/* The same, of some members: others may be missing. */
int schema_check_some(const struct schema *s, const json_t *object,
		      struct err *e);

/* From a query string ("a=1&b=x%20y&b=z") to an object of the fields' types;
 * the caller json_decref()s. */
int schema_query(const struct schema *s, const char *query, size_t len,
		 json_t **object, struct err *e);

/* Undo the %-encoding of a piece of a URL. The string, which the caller frees,
 * or NULL if it is malformed or holds a NUL. */
char *url_decode(const char *p, size_t len, bool has_plus);

/* The schema as OpenAPI has it. */
json_t *schema_openapi(const struct schema *s);
/* All of them, by name. */
json_t *schema_openapi_all(void);

#endif
