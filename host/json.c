/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checked JSON access over jansson. No state but jansson's hash seed.
 */
#include "host/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/xmalloc.h"

void json_init_seed(void)
{
	unsigned long at = getauxval(AT_RANDOM);
	uint32_t seed = 0;

	if (at)
		memcpy(&seed, (const void *)at, sizeof(seed));
	json_object_seed(seed ? seed : 1);
}

int json_parse(const char *what, const char *text, size_t len, json_t **obj,
	       struct err *e)
{
	json_error_t why;
	json_t *root;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(e, EINVAL, "%s: line %d: %s", what, why.line,
			       why.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(e, EINVAL, "%s: expected a JSON object", what);
	}
	*obj = root;
	return 0;
}

int json_read(int dirfd, const char *path, size_t limit, json_t **obj,
	      struct err *e)
{
	cleanup_free char *text = NULL;
	const char *base = strrchr(path, '/');
	size_t len;
	int r;

	r = io_read_file(dirfd, path, limit, &text, &len, e);
	if (r < 0)
		return r;
	return json_parse(base ? base + 1 : path, text, len, obj, e);
}

int json_write(int dirfd, const char *path, const json_t *obj, struct err *e)
{
	cleanup_free char *text = json_dumps(obj, JSON_INDENT(2));
	cleanup_free char *line = NULL;

	if (!text)
		return err_set(e, EINVAL, "%s: cannot be written as JSON",
			       path);
	line = xasprintf("%s\n", text);
	return io_write_atomic(dirfd, path, line, strlen(line), 0644, e);
}

static int fail(struct err *e, const char *at, const char *key,
		const char *expected)
{
	return err_set(e, EINVAL, "%s%s%s: expected %s", at, *at ? "." : "",
		       key, expected);
}

int json_only(const json_t *obj, const char *at, const char *const *keys,
	      struct err *e)
{
	const char *const *known;
	const char *key;
	json_t *value;

	/* jansson's iterators take a non-const object but do not change it */
	json_object_foreach ((json_t *)obj, key, value) {
		for (known = keys; *known; known++)
			if (!strcmp(key, *known))
				break;
		if (!*known)
			return err_set(e, EINVAL, "%s%s%.64s: unknown key", at,
				       *at ? "." : "", key);
	}
	return 0;
}

int json_get_str(const json_t *obj, const char *at, const char *key,
		 const char **out, struct err *e)
{
	const json_t *value = json_object_get(obj, key);

	if (!json_is_string(value))
		return fail(e, at, key, "a string");
	*out = json_string_value(value);
	return 0;
}

int json_get_int(const json_t *obj, const char *at, const char *key,
		 int64_t min, int64_t max, int64_t *out, struct err *e)
{
	const json_t *value = json_object_get(obj, key);
	int64_t n;

	if (!json_is_integer(value))
		return fail(e, at, key, "an integer");
	n = json_integer_value(value);
	if (n < min || n > max)
		return err_set(e, ERANGE,
			       "%s%s%s: %lld is not between %lld and %lld", at,
			       *at ? "." : "", key, (long long)n,
			       (long long)min, (long long)max);
	*out = n;
	return 0;
}

int json_get_bool(const json_t *obj, const char *at, const char *key, bool *out,
		  struct err *e)
{
	const json_t *value = json_object_get(obj, key);

	if (!json_is_boolean(value))
		return fail(e, at, key, "true or false");
	*out = json_is_true(value);
	return 0;
}

int json_get_obj(const json_t *obj, const char *at, const char *key,
		 json_t **out, struct err *e)
{
	json_t *value = json_object_get(obj, key);

	if (!json_is_object(value))
		return fail(e, at, key, "an object");
	*out = value;
	return 0;
}

int json_get_array(const json_t *obj, const char *at, const char *key,
		   json_t **out, struct err *e)
{
	json_t *value = json_object_get(obj, key);

	if (!json_is_array(value))
		return fail(e, at, key, "an array");
	*out = value;
	return 0;
}

int json_get_strv(const json_t *obj, const char *at, const char *key,
		  struct strv *out, struct err *e)
{
	json_t *array;
	json_t *item;
	size_t i;
	int r;

	r = json_get_array(obj, at, key, &array, e);
	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		if (!json_is_string(item))
			return err_set(e, EINVAL,
				       "%s%s%s[%zu]: expected a string", at,
				       *at ? "." : "", key, i);
		strv_add(out, json_string_value(item));
	}
	return 0;
}

bool json_has(const json_t *obj, const char *key)
{
	const json_t *value = json_object_get(obj, key);

	return value && !json_is_null(value);
}

const char *json_str_or(const json_t *obj, const char *key,
			const char *fallback)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : fallback;
}

json_t *json_text(const char *s)
{
	cleanup_free char *ascii = NULL;
	json_t *value = json_string(s);

	if (value)
		return value;
	ascii = xstrdup(s);
	for (char *p = ascii; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(ascii);
}

int64_t json_int_or(const json_t *obj, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

json_t *json_from_strv(const struct strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->count; i++)
		json_array_append_new(array, json_text(v->items[i]));
	return array;
}
