/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy image export: what boots an image on a third-party hypervisor. The
 * monitor writes it, as it makes boot blocks.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "engine/spec.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "image/store.h"

struct export_args {
	struct run_options run;
	const char *format;
	const char *output;
};

static const struct opt export_options[] = {
	OPT_TEXT(0, "format", "FORMAT", struct export_args, format,
		 "raw: the image is a disk; elf+initrd: it is in the initrd"),
	OPT_TEXT('o', "output", "DIR", struct export_args, output,
		 "directory to write to"),
	OPT_LIST('p', "publish", "HOST:GUEST[/udp]", struct export_args,
		 run.publish, "the guest's port may be listened on"),
	OPT_LIST('e', "env", "K=V", struct export_args, run.env,
		 "set a variable; K alone passes the caller's"),
	OPT_LIST(0, "env-file", "F", struct export_args, run.env_files,
		 "set variables from a file of K=V lines"),
	OPT_TEXT('u', "user", "USER", struct export_args, run.user,
		 "user (name or number)[:group] to run as"),
	OPT_TEXT('w', "workdir", "DIR", struct export_args, run.workdir,
		 "directory to start in"),
	OPT_TEXT(0, "entrypoint", "CMD", struct export_args, run.entrypoint,
		 "run this instead of the image's entry point"),
	OPT_TEXT(0, "hostname", "H", struct export_args, run.hostname,
		 "its host name (default: jiffy)"),
};

/* Ports that the image says it serves may be listened on, too. */
static void add_exposed(const struct manifest *m, struct strv *publish)
{
	for (size_t i = 0; i < m->exposed.count; i++)
		strv_addf(publish, "0:%s", m->exposed.items[i]);
}

static int make_spec(struct export_args *a, const char *image, int argc,
		     char **argv, json_t **spec, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	cleanup_manifest struct manifest m = { 0 };
	char digest[SHA256_HEX_SIZE], nowhere[] = "";
	struct spec_place place = { .name = "jiffy",
				    .image = image,
				    .digest = digest,
				    .state_dir = nowhere };
	int r;

	if (spec_check_options(&a->run, e) || store_open(&s, e) ||
	    store_resolve(&s, image, digest, e) ||
	    store_load(&s, digest, &m, e))
		return -e->code;
	add_exposed(&m, &a->run.publish);
	place.store = s.path;
	place.root = store_root_path(&s, digest);
	r = spec_make(&m, &a->run, &place, argc, argv, spec, e);
	free(place.root);
	return r;
}

static int export(void *opaque, int argc, char **argv, struct err *e)
{
	struct export_args *a = opaque;
	cleanup_json json_t *spec = NULL;

	if (!a->format || !a->output)
		return err_set(e, EINVAL, "--format and --output are needed");
	if (strcmp(a->format, "raw") && strcmp(a->format, "elf+initrd"))
		return err_set(e, EINVAL,
			       "--format: '%.40s' is not raw or elf+initrd",
			       a->format);
	if (make_spec(a, argv[0], argc - 1, argv + 1, &spec, e))
		return -e->code;
	json_object_del(spec, "state_dir");
	return launch_export(spec, a->output, a->format, e);
}

static const struct cmd export_cmd = {
	.options = export_options,
	.noptions = ARRAY_SIZE(export_options),
	.args_size = sizeof(struct export_args),
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "Writes DIR/kernel and DIR/initrd, with raw also "
		 "DIR/root.raw, its first disk.\n",
	.run = export,
};

static const struct command export_command = {
	"image export", "IMAGE [COMMAND [ARG...]]",
	"write what boots an image on a hypervisor", "jiffy", &export_cmd
};

static int image(void *opaque, int argc, char **argv, struct err *e)
{
	(void)opaque;
	if (!strcmp(argv[0], "export"))
		return front_run(&export_command, argc, argv);
	return err_set(e, EINVAL,
		       "unknown command '%s' (see 'jiffy image --help')",
		       argv[0]);
}

const struct cmd cmd_image = {
	.args_size = 1,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "commands:\n"
		 "  export  write what boots an image on a hypervisor\n"
		 "\n'jiffy image export --help' tells more.\n",
	.run = image,
};
