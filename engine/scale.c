/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an instance scales to zero.
 */
#include "engine/scale.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/strv.h"
#include "lib/compiler.h"

#define DAY_MS 86400000

/* Of Unikraft Cloud, whose images have them. */
#define LABELS "cloud.unikraft.v1.instances/scale_to_zero."

struct setting {
	const char *word;   /* of the option */
	const char *member; /* of the spec */
	long min;
};

static const struct setting times[] = {
	{ "cooldown", "cooldown_time_ms", 1 },
	{ "notify", "notify_time_ms", 0 },
	{ "grace", "transaction_grace_ms", 0 },
};

static int set_policy(json_t *o, const char *policy, struct err *e)
{
	if (strcmp(policy, "off") != 0 && strcmp(policy, "on") != 0 &&
	    strcmp(policy, "idle") != 0)
		return err_set(e, EINVAL, "'%.20s' is not off, on or idle",
			       policy);
	json_object_set_new(o, "policy", json_string(policy));
	return 0;
}

static int set_stateful(json_t *o, const char *value, struct err *e)
{
	bool yes = !strcmp(value, "yes") || !strcmp(value, "true");

	if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
		return err_set(e, EINVAL, "stateful: '%.20s' is not yes or no",
			       value);
	json_object_set_new(o, "stateful", json_boolean(yes));
	return 0;
}

/* word is a time of the option or, where it comes from a label, of the spec. */
static int set(json_t *o, const char *word, const char *value, struct err *e)
{
	long n;

	if (!strcmp(word, "policy"))
		return set_policy(o, value, e);
	if (!strcmp(word, "stateful"))
		return set_stateful(o, value, e);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		const struct setting *t = &times[i];

		if (strcmp(word, t->word) != 0 && strcmp(word, t->member) != 0)
			continue;
		if (units_parse_number(value, t->word, t->min, DAY_MS, &n, e))
			return -e->code;
		json_object_set_new(o, t->member, json_integer(n));
		return 0;
	}
	return err_set(e, EINVAL, "'%.40s' is not known", word);
}

static int check(const json_t *o, struct err *e)
{
	const json_t *cooldown = json_object_get(o, "cooldown_time_ms");
	json_int_t notify =
		json_integer_value(json_object_get(o, "notify_time_ms"));

	if (!json_object_get(o, "policy"))
		return err_set(e, EINVAL, "no policy: off, on or idle");
	if (notify &&
	    notify >= (cooldown ? json_integer_value(cooldown) : 1000))
		return err_set(e, EINVAL, "notify: not below the cool-down");
	return 0;
}

int scale_parse(const char *text, json_t **out, struct err *e)
{
	cleanup_strv struct strv parts = STRV_INIT;
	cleanup_json json_t *o = json_object();

	strv_split(&parts, text, ',');
	for (size_t i = 0; i < parts.count; i++) {
		char *value = strchr(parts.items[i], '=');

		if (value)
			*value++ = '\0';
		if (value ? set(o, parts.items[i], value, e)
			  : set_policy(o, parts.items[i], e))
			return -e->code;
	}
	if (check(o, e))
		return -e->code;
	*out = take_ptr(o);
	return 0;
}

int scale_from_labels(const struct manifest *m, json_t **out, struct err *e)
{
	cleanup_json json_t *o = json_object();
	size_t len = strlen(LABELS);

	*out = NULL;
	for (size_t i = 0; i < m->label_names.count; i++) {
		const char *name = m->label_names.items[i];

		if (strncmp(name, LABELS, len) == 0 &&
		    set(o, name + len, m->label_values.items[i], e))
			return err_wrap(e, "label %.80s", name);
	}
	if (!json_object_size(o))
		return 0;
	if (check(o, e))
		return err_wrap(e, "labels of the image");
	*out = take_ptr(o);
	return 0;
}
