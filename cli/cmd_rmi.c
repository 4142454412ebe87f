/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy rmi: remove a tag, and the image when that was its last one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "engine/instance.h"
#include "engine/template.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "image/store.h"

struct rmi_args {
	bool forces;
};

static const struct opt rmi_options[] = {
	OPT_FLAG('f', "force", struct rmi_args, forces,
		 "even if an instance or a template is of it"),
};

static int check_unused(const struct store *s, const char *digest,
			struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;
	int r;

	r = instance_names(s, &names, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;
		const json_t *image;

		if (instance_load(s, names.items[i], &in, NULL) < 0 ||
		    in.status > INSTANCE_SUSPENDED)
			continue;
		image = json_object_get(in.spec, "image");
		if (!strcmp(json_str_or(image, "digest", ""), digest))
			return err_set(e, EBUSY, "instance %s runs it",
				       in.name);
	}
	return 0;
}

static int check_no_template(const struct store *s, const char *digest,
			     struct err *e)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (template_names(s, &names, e))
		return -e->code;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_template struct template t = TEMPLATE_INIT;
		const json_t *image;

		if (template_open(s, names.items[i], &t, NULL))
			continue;
		image = json_object_get(t.spec, "image");
		if (!strcmp(json_str_or(image, "digest", ""), digest))
			return err_set(e, EBUSY, "template %s is of it",
				       names.items[i]);
	}
	return 0;
}

static int count_tags(const struct store *s, const char *digest, size_t *ntags,
		      struct err *e)
{
	cleanup_free struct store_image *list = NULL;
	size_t count;
	int r;

	r = store_list(s, &list, &count, e);
	*ntags = 0;
	for (size_t i = 0; !r && i < count; i++)
		*ntags += list[i].ref.tag[0] && !strcmp(list[i].digest, digest);
	return r;
}

static int remove_image(struct store *s, const char *name, bool forces,
			struct err *e)
{
	char digest[SHA256_HEX_SIZE];
	char tagged[SHA256_HEX_SIZE];
	struct ref ref;
	size_t ntags;
	bool by_tag;
	int r;

	r = store_resolve(s, name, digest, e);
	if (!r)
		r = count_tags(s, digest, &ntags, e);
	if (r < 0)
		return r;
	/* a digest names all of the image's tags */
	by_tag = ref_parse(name, &ref, NULL) == 0 && ntags > 1 &&
		 store_resolve(s, name, tagged, NULL) == 0 &&
		 strncmp(digest, name, strlen(name)) != 0;
	if (by_tag)
		return store_untag(s, &ref, e);
	r = forces ? 0 : check_unused(s, digest, e);
	if (!r && !forces)
		r = check_no_template(s, digest, e);
	return r ? r : store_remove(s, digest, e);
}

static int rmi(void *opaque, int argc, char **argv, struct err *e)
{
	const struct rmi_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	int r;

	r = store_open(&s, e);
	for (int i = 0; !r && i < argc; i++) {
		r = remove_image(&s, argv[i], args->forces, e);
		if (r < 0)
			return err_wrap(e, "%s", argv[i]);
		printf("%s\n", argv[i]);
	}
	return r;
}

const struct cmd cmd_rmi = {
	.options = rmi_options,
	.noptions = ARRAY_SIZE(rmi_options),
	.args_size = sizeof(struct rmi_args),
	.min_operands = 1,
	.max_operands = -1,
	.run = rmi,
};
