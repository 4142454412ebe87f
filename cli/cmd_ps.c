/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy ps: list instances.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "engine/instance.h"
#include "cli/table.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

struct ps_args {
	bool shows_all;
	const char *output;
};

static const struct opt ps_options[] = {
	OPT_FLAG('a', "all", struct ps_args, shows_all, "ended ones too"),
	OPT_TEXT('o', "output", "FORMAT", struct ps_args, output,
		 "table or json"),
};

static char *command_text(const struct instance *in)
{
	const json_t *argv = json_object_get(in->spec, "argv");
	char *text = xstrdup("");
	json_t *word;
	size_t i;

	json_array_foreach (argv, i, word) {
		char *longer = xasprintf(
			"%s%s%s", text, i ? " " : "",
			json_is_string(word) ? json_string_value(word) : "?");

		free(text);
		text = longer;
	}
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return text;
}

static char *ports_text(const struct instance *in)
{
	const json_t *ports = json_object_get(in->spec, "ports");
	char *text = xstrdup("");
	json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		int host =
			(int)json_integer_value(json_object_get(port, "host"));
		int guest =
			(int)json_integer_value(json_object_get(port, "guest"));
		cleanup_free char *outside =
			json_is_true(json_object_get(port, "deliver"))
				? xstrdup("deliver")
				: xasprintf("%s:%d",
					    json_str_or(port, "ip", "?"), host);
		char *longer = xasprintf("%s%s%s->%d/%s", text, i ? ", " : "",
					 outside, guest,
					 json_str_or(port, "proto", "?"));

		free(text);
		text = longer;
	}
	return text;
}

static const char *image_name(const struct instance *in)
{
	return json_str_or(json_object_get(in->spec, "image"), "name", "?");
}

static void add_row(const struct instance *in, struct strv *cells)
{
	cleanup_free char *command = command_text(in);
	char status[48];
	char age[UNITS_SIZE];

	strv_add(cells, in->name);
	strv_add(cells, image_name(in));
	if (strlen(command) > 40)
		memcpy(command + 37, "...", 4);
	strv_add(cells, command);
	strv_add(cells, instance_status_text(in, status));
	strv_addf(cells, "%s ago", units_age(in->created, age));
	strv_take(cells, ports_text(in));
}

static json_t *row_json(const struct instance *in)
{
	static const char *const from_spec[] = { "id", "image", "argv",
						 "ports" };
	static const char *const from_state[] = { "pid", "exit_code",
						  "ended_by", "reason" };
	json_t *row = json_object();

	json_object_set_new(row, "name", json_text(in->name));
	json_object_set_new(row, "status",
			    json_string(instance_status_word(in->status)));
	json_object_set_new(row, "created",
			    json_integer((json_int_t)in->created));
	for (size_t i = 0; i < ARRAY_SIZE(from_spec); i++)
		json_object_set(row, from_spec[i],
				json_object_get(in->spec, from_spec[i]));
	for (size_t i = 0; i < ARRAY_SIZE(from_state); i++)
		json_object_set(row, from_state[i],
				json_object_get(in->state, from_state[i]));
	return row;
}

static int ps(void *opaque, int argc, char **argv, struct err *e)
{
	const struct ps_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_strv struct strv cells = STRV_INIT;
	cleanup_json json_t *rows = json_array();
	int as_json = table_format(args->output, e);
	int r;

	(void)argc;
	(void)argv;
	r = as_json < 0 ? as_json : store_open(&s, e);
	if (!r)
		r = instance_names(&s, &names, e);
	if (r < 0)
		return r;
	strv_split(&cells, "NAME|IMAGE|COMMAND|STATUS|CREATED|PORTS", '|');
	for (size_t i = 0; i < names.count; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;

		if (instance_load(&s, names.items[i], &in, NULL) < 0)
			continue; /* removed meanwhile */
		if (!args->shows_all && in.status > INSTANCE_SUSPENDED)
			continue;
		add_row(&in, &cells);
		json_array_append_new(rows, row_json(&in));
	}
	if (as_json)
		json_dumpf(rows, stdout, JSON_INDENT(2));
	else
		table_print(&cells, 6);
	if (as_json)
		printf("\n");
	return 0;
}

const struct cmd cmd_ps = {
	.options = ps_options,
	.noptions = ARRAY_SIZE(ps_options),
	.args_size = sizeof(struct ps_args),
	.run = ps,
};
