/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy snapshot: templates, which instances are cloned from, and the files of
 * suspended instances. Who can read such a file is the monitor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cmd.h"
#include "engine/libexec.h"
#include "cli/table.h"
#include "engine/template.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"

struct snapshot_args {
	const char *template;
	const char *signal;
	const char *output;
};

static const struct opt snapshot_options[] = {
	OPT_TEXT('t', "template", "TEMPLATE", struct snapshot_args, template,
		 "copy a running instance to a template of this name"),
	OPT_TEXT(0, "after-clone", "SIGNAL", struct snapshot_args, signal,
		 "what each clone's first process is sent before it goes on"),
	OPT_TEXT('o', "output", "FORMAT", struct snapshot_args, output,
		 "of ls: table or json"),
};

static int make(const struct snapshot_args *args, const char *name,
		struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_template struct template t = TEMPLATE_INIT;
	long pause_us;

	if (store_open(&s, e) || instance_load(&s, name, &in, e) ||
	    template_make(&s, &in, args->template, args->signal, &t, &pause_us,
			  e))
		return -e->code;
	printf("%s\n", args->template);
	return 0;
}

static json_t *describe(const struct store *s, const char *name,
			const struct template *t)
{
	struct stat st = { 0 };

	(void)s;
	fstat(t->fd, &st);
	return json_pack(
		"{s:s, s:s, s:s, s:I, s:I}", "name", name, "image",
		json_str_or(json_object_get(t->spec, "image"), "name", "?"),
		"instance", json_str_or(t->spec, "name", "?"), "bytes",
		(json_int_t)st.st_size, "created", (json_int_t)st.st_mtime);
}

static void add_row(const json_t *o, struct strv *cells)
{
	char size[UNITS_SIZE], age[UNITS_SIZE];

	strv_add(cells, json_str_or(o, "name", ""));
	strv_add(cells, json_str_or(o, "image", ""));
	strv_add(cells, json_str_or(o, "instance", ""));
	strv_add(cells, units_size((uint64_t)json_integer_value(
					   json_object_get(o, "bytes")),
				   size));
	strv_addf(cells, "%s ago",
		  units_age((time_t)json_integer_value(
				    json_object_get(o, "created")),
			    age));
}

static int list(const struct snapshot_args *args, struct err *e)
{
	static const char *const titles[] = { "TEMPLATE", "IMAGE", "INSTANCE",
					      "SIZE", "CREATED" };
	cleanup_store struct store s = STORE_INIT;
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_strv struct strv cells = STRV_INIT;
	cleanup_json json_t *all = json_array();
	int as_json = table_format(args->output, e);

	if (as_json < 0 || store_open(&s, e) || template_names(&s, &names, e))
		return -e->code;
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		strv_add(&cells, titles[i]);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_template struct template t = TEMPLATE_INIT;
		json_t *o;

		if (template_open(&s, names.items[i], &t, NULL))
			continue; /* removed meanwhile */
		o = describe(&s, names.items[i], &t);
		add_row(o, &cells);
		json_array_append_new(all, o);
	}
	if (!as_json) {
		table_print(&cells, ARRAY_SIZE(titles));
		return 0;
	}
	json_dumpf(all, stdout, JSON_INDENT(2));
	printf("\n");
	return 0;
}

static int remove_all(int argc, char **argv, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;

	if (store_open(&s, e))
		return -e->code;
	for (int i = 0; i < argc; i++) {
		if (template_remove(&s, argv[i], e))
			return -e->code;
		printf("%s\n", argv[i]);
	}
	return 0;
}

/* A file, or the name of a template. */
static int verify(char *what, struct err *e)
{
	static char option[] = "--verify";
	cleanup_store struct store s = STORE_INIT;
	cleanup_free char *file = NULL;
	char *command[] = { NULL, option, what, NULL };

	if (!strchr(what, '/')) {
		if (store_open(&s, e))
			return -e->code;
		file = template_file(&s, what);
		command[2] = file;
	}
	return libexec_exec("jiffy-monitor", command, e);
}

static int snapshot(void *opaque, int argc, char **argv, struct err *e)
{
	const struct snapshot_args *args = opaque;

	if (args->template && argc == 1)
		return make(args, argv[0], e);
	if (args->template || args->signal)
		return err_set(e, EINVAL,
			       args->template
				       ? "--template takes one instance"
				       : "--after-clone needs --template");
	if (!strcmp(argv[0], "ls") && argc == 1)
		return list(args, e);
	if (!strcmp(argv[0], "rm") && argc > 1)
		return remove_all(argc - 1, argv + 1, e);
	if (!strcmp(argv[0], "verify") && argc == 2)
		return verify(argv[1], e);
	return err_set(e, EINVAL,
		       "'%.40s': --template, or another operand, is missing "
		       "(see 'jiffy snapshot --help')",
		       argv[0]);
}

const struct cmd cmd_snapshot = {
	.options = snapshot_options,
	.noptions = ARRAY_SIZE(snapshot_options),
	.args_size = sizeof(struct snapshot_args),
	.min_operands = 1,
	.max_operands = -1,
	.notes = "INSTANCE -t TEMPLATE copies a running instance, which goes "
		 "on; 'jiffy run --from'\nmakes clones of it. ls and rm are "
		 "for templates. verify reads all of a template or\nof a "
		 "suspended instance's file and says what is wrong with it; a "
		 "wake checks all\nbut the private pages of processes.\n",
	.run = snapshot,
};
