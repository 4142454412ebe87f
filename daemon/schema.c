/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of JSON against schemas, query strings, and schemas as OpenAPI.
 */
#include "daemon/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define SCHEMA(name, what) static const struct field name##_fields[] = {
#define FIELD(name, types, sub, min, max, values, need) \
	{ #name, types, sub, min, max, values, need },
/* clang-format off */
#define SCHEMA_END { .name = NULL } };
/* clang-format on */
#include "daemon/schemas.h"
#undef SCHEMA
#undef FIELD
#undef SCHEMA_END

#define SCHEMA(name, what) \
	const struct schema schema_##name = { #name, what, name##_fields };
#define FIELD(name, types, sub, min, max, values, need)
#define SCHEMA_END
#include "daemon/schemas.h"
#undef SCHEMA
#undef FIELD
#undef SCHEMA_END

static const struct schema *const schemas[] = {
#define SCHEMA(name, what) &schema_##name,
#define FIELD(name, types, sub, min, max, values, need)
#define SCHEMA_END
#include "daemon/schemas.h"
#undef SCHEMA
#undef FIELD
#undef SCHEMA_END
};

static const struct {
	unsigned int type;
	const char *name;
} type_names[] = {
	{ FIELD_STRING, "string" }, { FIELD_INTEGER, "integer" },
	{ FIELD_NUMBER, "number" }, { FIELD_BOOL, "boolean" },
	{ FIELD_OBJECT, "object" }, { FIELD_MAP, "object" },
	{ FIELD_ARRAY, "array" },   { FIELD_STRINGS, "array" },
};

static const char *expected_name(unsigned int types)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
		if (types & type_names[i].type)
			return type_names[i].name;
	return "any";
}

static const char *json_type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int wrong_type(const struct schema *s, const char *name, const json_t *v,
		      const char *wanted, struct err *e)
{
	return err_set(e, EINVAL,
		       "'%.60s' in %s has type '%s', but expected '%s'", name,
		       s->what, json_type_name(v), wanted);
}

static const struct field *find_field(const struct schema *s, const char *name)
{
	for (const struct field *f = s->fields; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

static bool is_one_of(const char *text, const char *values)
{
	size_t len = strlen(text);

	for (const char *p = values; p; p = strchr(p, '|')) {
		p += *p == '|';
		if (!strncmp(p, text, len) && (!p[len] || p[len] == '|'))
			return true;
	}
	return false;
}

static int check_string(const struct schema *s, const struct field *f,
			const json_t *v, struct err *e)
{
	if (!f->values || is_one_of(json_string_value(v), f->values))
		return 0;
	return err_set(e, EINVAL,
		       "'%s' in %s has invalid value '%.40s', expected one of "
		       "%.120s",
		       f->name, s->what, json_string_value(v), f->values);
}

static int check_integer(const struct schema *s, const struct field *f,
			 const json_t *v, struct err *e)
{
	if (json_integer_value(v) >= f->min && json_integer_value(v) <= f->max)
		return 0;
	return err_set(e, EINVAL,
		       "'%s' in %s is out of range: %lld, expected %lld to "
		       "%lld",
		       f->name, s->what, (long long)json_integer_value(v),
		       (long long)f->min, (long long)f->max);
}

static int check_strings(const struct schema *s, const struct field *f,
			 const json_t *v, struct err *e)
{
	json_t *item;
	size_t i;

	json_array_foreach (v, i, item)
		if (!json_is_string(item))
			return wrong_type(s, f->name, item, "string", e);
	return 0;
}

static int check_map(const struct schema *s, json_t *v, struct err *e)
{
	const char *key;
	json_t *item;

	json_object_foreach (v, key, item)
		if (!json_is_string(item))
			return wrong_type(s, key, item, "string", e);
	return 0;
}

static int check_array(const struct schema *s, const struct field *f,
		       const json_t *v, struct err *e)
{
	json_t *item;
	size_t i;

	json_array_foreach (v, i, item) {
		if (!json_is_object(item))
			return wrong_type(s, f->name, item, "object", e);
		if (schema_check(f->sub, item, e))
			return -e->code;
	}
	return 0;
}

static int check_field(const struct schema *s, const struct field *f, json_t *v,
		       struct err *e)
{
	if (f->types & FIELD_ANY)
		return 0;
	if (json_is_string(v) && f->types & FIELD_STRING)
		return check_string(s, f, v, e);
	if (json_is_integer(v) && f->types & FIELD_INTEGER)
		return check_integer(s, f, v, e);
	if (json_is_real(v) && f->types & FIELD_NUMBER)
		return 0;
	if (json_is_boolean(v) && f->types & FIELD_BOOL)
		return 0;
	if (json_is_object(v) && f->types & FIELD_OBJECT)
		return schema_check(f->sub, v, e);
	if (json_is_object(v) && f->types & FIELD_MAP)
		return check_map(s, v, e);
	if (json_is_array(v) && f->types & FIELD_STRINGS)
		return check_strings(s, f, v, e);
	if (json_is_array(v) && f->types & FIELD_ARRAY)
		return check_array(s, f, v, e);
	return wrong_type(s, f->name, v, expected_name(f->types), e);
}

int schema_check_some(const struct schema *s, const json_t *object,
		      struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)object, key, v) {
		const struct field *f = find_field(s, key);

		if (!f)
			return err_set(e, EINVAL, "Unknown member '%.80s'",
				       key);
		if (!json_is_null(v) && check_field(s, f, v, e))
			return -e->code;
	}
	return 0;
}

int schema_check(const struct schema *s, const json_t *object, struct err *e)
{
	if (schema_check_some(s, object, e))
		return -e->code;
	for (const struct field *f = s->fields; f->name; f++)
		if (f->is_required && !json_has(object, f->name))
			return err_set(e, EINVAL, "Missing member '%s' in %s",
				       f->name, s->what);
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *url_decode(const char *p, size_t len, bool has_plus)
{
	char *out = xmalloc(len + 1), *to = out;

	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (p[i] != '%') {
			*to++ = p[i] == '+' && has_plus ? ' ' : p[i];
			continue;
		}
		high = i + 2 < len ? hex(p[i + 1]) : -1;
		low = i + 2 < len ? hex(p[i + 2]) : -1;
		if (high < 0 || low < 0 || !(high | low)) {
			free(out);
			return NULL;
		}
		*to++ = (char)(high << 4 | low);
		i += 2;
	}
	*to = '\0';
	return out;
}

/* The value of a query's word as the field's type. */
static json_t *from_text(const struct field *f, const char *text)
{
	char *end;
	long long n;

	if (f->types & FIELD_BOOL) {
		if (!strcmp(text, "true") || !strcmp(text, "1") || !*text)
			return json_true();
		return !strcmp(text, "false") || !strcmp(text, "0")
			       ? json_false()
			       : json_string(text);
	}
	if (f->types & FIELD_INTEGER) {
		errno = 0;
		n = strtoll(text, &end, 10);
		if (*text && !*end && !errno)
			return json_integer(n);
	}
	return json_string(text);
}

static int add_parameter(const struct schema *s, json_t *object,
			 const char *name, const char *text, struct err *e)
{
	const struct field *f = find_field(s, name);
	json_t *v, *list;

	if (!f)
		return err_set(e, EINVAL, "Unknown member '%.80s'", name);
	v = from_text(f, text);
	if (!v)
		return err_set(e, EINVAL, "'%s' is not valid UTF-8", name);
	if (!(f->types & FIELD_STRINGS)) {
		json_object_set_new(object, name, v);
		return 0;
	}
	list = json_object_get(object, name);
	if (!list) {
		list = json_array();
		json_object_set_new(object, name, list);
	}
	json_array_append_new(list, v);
	return 0;
}

int schema_query(const struct schema *s, const char *query, size_t len,
		 json_t **object, struct err *e)
{
	cleanup_json json_t *o = json_object();
	const char *end = query + len;

	for (const char *p = query, *stop; p < end; p = stop + 1) {
		const char *eq;
		char *name, *text;
		int r;

		stop = memchr(p, '&', (size_t)(end - p));
		stop = stop ? stop : end;
		if (stop == p)
			continue;
		eq = memchr(p, '=', (size_t)(stop - p));
		name = url_decode(p, (size_t)((eq ? eq : stop) - p), true);
		text = eq ? url_decode(eq + 1, (size_t)(stop - eq - 1), true)
			  : xstrdup("");
		r = name && text ? add_parameter(s, o, name, text, e)
				 : err_set(e, EINVAL, "Malformed query");
		free(name);
		free(text);
		if (r)
			return r;
	}
	if (schema_check(s, o, e))
		return -e->code;
	*object = take_ptr(o);
	return 0;
}

static json_t *ref_to(const struct schema *s)
{
	cleanup_free char *path = xasprintf("#/components/schemas/%s", s->name);

	return json_pack("{s:s}", "$ref", path);
}

static json_t *enum_openapi(const char *values)
{
	cleanup_strv struct strv v = STRV_INIT;

	strv_split(&v, values, '|');
	return json_pack("{s:s, s:o}", "type", "string", "enum",
			 json_from_strv(&v));
}

/* One of the types that a field may have. */
static json_t *type_openapi(const struct field *f, unsigned int type)
{
	if (type == FIELD_OBJECT)
		return ref_to(f->sub);
	if (type == FIELD_ARRAY)
		return json_pack("{s:s, s:o}", "type", "array", "items",
				 ref_to(f->sub));
	if (type == FIELD_STRINGS)
		return json_pack("{s:s, s:{s:s}}", "type", "array", "items",
				 "type", "string");
	if (type == FIELD_MAP)
		return json_pack("{s:s, s:{s:s}}", "type", "object",
				 "additionalProperties", "type", "string");
	if (type == FIELD_STRING && f->values)
		return enum_openapi(f->values);
	if (type == FIELD_INTEGER && !(f->types & FIELD_NUMBER))
		return json_pack("{s:s, s:s, s:I, s:I}", "type", "integer",
				 "format", "int64", "minimum",
				 (json_int_t)f->min, "maximum",
				 (json_int_t)f->max);
	return json_pack("{s:s}", "type", expected_name(type));
}

static json_t *field_openapi(const struct field *f)
{
	cleanup_json json_t *all = json_array();
	unsigned int types = f->types;

	if (types & FIELD_ANY)
		return json_object();
	if (types & FIELD_NUMBER)
		types = FIELD_NUMBER;
	for (unsigned int bit = 1; bit < FIELD_ANY; bit <<= 1)
		if (types & bit)
			json_array_append_new(all, type_openapi(f, bit));
	if (json_array_size(all) == 1)
		return json_incref(json_array_get(all, 0));
	return json_pack("{s:O}", "oneOf", all);
}

json_t *schema_openapi(const struct schema *s)
{
	json_t *properties = json_object();
	json_t *required = json_array();
	json_t *o = json_pack("{s:s, s:s, s:b, s:o}", "type", "object",
			      "description", s->what, "additionalProperties", 0,
			      "properties", properties);

	for (const struct field *f = s->fields; f->name; f++) {
		json_object_set_new(properties, f->name, field_openapi(f));
		if (f->is_required)
			json_array_append_new(required, json_string(f->name));
	}
	if (json_array_size(required))
		json_object_set(o, "required", required);
	json_decref(required);
	return o;
}

json_t *schema_openapi_all(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(schemas); i++)
		json_object_set_new(all, schemas[i]->name,
				    schema_openapi(schemas[i]));
	return all;
}
