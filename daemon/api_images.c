/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /v1/images: the images of the store.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

static json_t *env_of(const struct manifest *m)
{
	json_t *env = json_object();

	for (size_t i = 0; i < m->env.count; i++) {
		const char *eq = strchr(m->env.items[i], '=');

		if (eq)
			json_object_setn_new(env, m->env.items[i],
					     (size_t)(eq - m->env.items[i]),
					     json_text(eq + 1));
	}
	return env;
}

static void add_image(struct call *c, const struct store_image *image)
{
	cleanup_manifest struct manifest m = { 0 };
	cleanup_strv struct strv args = STRV_INIT;
	cleanup_free char *url = NULL, *tag = NULL;

	if (store_load(&c->daemon->store, image->digest, &m, NULL))
		return;
	strv_add_all(&args, &m.entrypoint);
	strv_add_all(&args, &m.cmd);
	url = xasprintf("oci://jiffy/%s@sha256:%s",
			image->ref.tag[0] ? image->ref.name : "none",
			image->digest);
	tag = xasprintf("%s:%s", image->ref.name, image->ref.tag);
	json_array_append_new(
		c->items,
		json_pack("{s:s, s:s, s:s, s:b, s:I, s:o, s:o, s:[O], s:b}",
			  "status", "success", "url", url, "created_at",
			  m.created ? m.created : "", "initrd_or_rom", 0,
			  "size_in_bytes", (json_int_t)m.root_size, "args",
			  json_from_strv(&args), "env", env_of(&m), "tags",
			  json_string(tag), "persistent", 1));
}

static bool is_wanted(const struct store_image *image, const json_t *query)
{
	const char *digest = json_str_or(query, "digest", NULL);
	const char *tag = json_str_or(query, "tag", NULL);
	struct ref ref;

	if (digest && !strncmp(digest, "sha256:", 7))
		digest += 7;
	if (digest && strcmp(digest, image->digest) != 0)
		return false;
	if (!tag)
		return true;
	return !ref_parse(tag, &ref, NULL) &&
	       !strcmp(ref.name, image->ref.name) &&
	       !strcmp(ref.tag, image->ref.tag);
}

static int list_images(struct call *c, struct db_object *o, const json_t *arg,
		       json_t *item, struct err *e)
{
	struct store_image *list = NULL;
	size_t count = 0;
	int r = store_list(&c->daemon->store, &list, &count, e);

	(void)o;
	(void)item;
	for (size_t i = 0; !r && i < count; i++)
		if (is_wanted(&list[i], arg))
			add_image(c, &list[i]);
	free(list);
	return r;
}

int image_get(struct call *c, struct db_object *o, const json_t *arg,
	      json_t *item, struct err *e)
{
	int r = list_images(c, o, arg, item, e);

	if (!r)
		api_answer(c);
	return r;
}
