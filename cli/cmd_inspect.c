/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy inspect: everything that is known about instances or images, as a JSON
 * array.
 */
#include <errno.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "engine/control.h"
#include "engine/instance.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define ANSWER_SECONDS 5

static json_t *instance_json(const struct instance *in)
{
	cleanup_json json_t *request = json_pack("{s:s}", "op", "inspect");
	json_t *obj = json_object();
	json_t *live = NULL;
	char status[48];

	json_object_set_new(obj, "kind", json_string("instance"));
	json_object_set_new(obj, "name", json_text(in->name));
	json_object_set_new(obj, "status",
			    json_text(instance_status_text(in, status)));
	json_object_set_new(obj, "created",
			    json_integer((json_int_t)in->created));
	json_object_set(obj, "spec", in->spec);
	json_object_set(obj, "state", in->state);
	if (in->status <= INSTANCE_RUNNING &&
	    control_call(in, request, ANSWER_SECONDS, &live, NULL) == 0) {
		json_object_del(live, "ok");
		json_object_set_new(obj, "live", live);
	}
	return obj;
}

static int image_json(const struct store *s, const char *name, json_t **out,
		      struct err *e)
{
	cleanup_manifest struct manifest m = { 0 };
	char digest[SHA256_HEX_SIZE];
	json_t *obj;
	int r;

	r = store_resolve(s, name, digest, e);
	if (!r)
		r = store_load(s, digest, &m, e);
	if (r < 0)
		return r;
	obj = json_object();
	json_object_set_new(obj, "kind", json_string("image"));
	json_object_set_new(obj, "digest", json_string(digest));
	json_object_set_new(obj, "manifest", manifest_json(&m));
	*out = obj;
	return 0;
}

static int inspect_one(const struct store *s, const char *name, json_t **obj,
		       struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r;

	r = instance_load(s, name, &in, e);
	if (!r) {
		*obj = instance_json(&in);
		return 0;
	}
	if (r != -ENOENT)
		return r;
	r = image_json(s, name, obj, e);
	if (r == -ENOENT || r == -EINVAL)
		return err_set(e, -r, "no instance or image '%.80s'", name);
	return r;
}

static int inspect(void *opaque, int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_json json_t *list = json_array();
	int r;

	(void)opaque;
	r = store_open(&s, e);
	for (int i = 0; !r && i < argc; i++) {
		json_t *obj = NULL;

		r = inspect_one(&s, argv[i], &obj, e);
		if (!r)
			json_array_append_new(list, obj);
	}
	if (r < 0)
		return r;
	json_dumpf(list, stdout, JSON_INDENT(2));
	printf("\n");
	return 0;
}

const struct cmd cmd_inspect = {
	.min_operands = 1,
	.max_operands = -1,
	.run = inspect,
};
