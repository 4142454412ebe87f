/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy images: list images.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/table.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "image/store.h"

struct images_args {
	bool shows_all;
	const char *output;
};

static const struct opt images_options[] = {
	OPT_FLAG('a', "all", struct images_args, shows_all,
		 "images without a name too"),
	OPT_TEXT('o', "output", "FORMAT", struct images_args, output,
		 "table or json"),
};

static void add_row(const struct store_image *image, const struct manifest *m,
		    struct strv *cells)
{
	char size[UNITS_SIZE];

	strv_add(cells, image->ref.tag[0] ? image->ref.name : "<none>");
	strv_add(cells, image->ref.tag[0] ? image->ref.tag : "<none>");
	strv_addf(cells, "%.12s", image->digest);
	strv_add(cells, m->created);
	strv_add(cells, units_size(m->root_size, size));
}

static json_t *row_json(const struct store_image *image,
			const struct manifest *m)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "name", image->ref.name,
			 "tag", image->ref.tag, "digest", image->digest,
			 "source", m->name, "created", m->created, "size",
			 (json_int_t)m->root_size);
}

static int images(void *opaque, int argc, char **argv, struct err *e)
{
	const struct images_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_free struct store_image *list = NULL;
	cleanup_strv struct strv cells = STRV_INIT;
	cleanup_json json_t *rows = json_array();
	int as_json = table_format(args->output, e);
	size_t count = 0;
	int r;

	(void)argc;
	(void)argv;
	r = as_json < 0 ? as_json : store_open(&s, e);
	if (!r)
		r = store_list(&s, &list, &count, e);
	if (r < 0)
		return r;
	strv_split(&cells, "NAME|TAG|DIGEST|CREATED|SIZE", '|');
	for (size_t i = 0; i < count; i++) {
		cleanup_manifest struct manifest m = { 0 };
		struct err bad = ERR_INIT;

		if (!list[i].ref.tag[0] && !args->shows_all)
			continue;
		if (store_load(&s, list[i].digest, &m, &bad) < 0) {
			fprintf(stderr, "jiffy: images: %s\n", bad.msg);
			continue;
		}
		add_row(&list[i], &m, &cells);
		json_array_append_new(rows, row_json(&list[i], &m));
	}
	if (as_json) {
		json_dumpf(rows, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		table_print(&cells, 5);
	}
	return 0;
}

const struct cmd cmd_images = {
	.options = images_options,
	.noptions = ARRAY_SIZE(images_options),
	.args_size = sizeof(struct images_args),
	.run = images,
};
