/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy build: make an image and name it. In jiffy-image.
 */
#include <stdio.h>

#include "cli/cmd.h"
#include "host/log.h"
#include "host/proc.h"
#include "image/build.h"
#include "image/userns.h"

struct build_args {
	const char *tag;
	struct build_changes changes;
	bool no_cache;
	bool no_tag;
	bool is_quiet;
};

static const struct opt build_options[] = {
	OPT_TEXT('t', "tag", "NAME[:TAG]", struct build_args, tag,
		 "what to call it (default: after the source)"),
	OPT_TEXT(0, "cmd", "CMD", struct build_args, changes.cmd,
		 "default command: words, or a JSON array"),
	OPT_TEXT(0, "entrypoint", "CMD", struct build_args, changes.entrypoint,
		 "what comes before every command"),
	OPT_LIST('e', "env", "K=V", struct build_args, changes.env,
		 "set a variable"),
	OPT_TEXT('u', "user", "U", struct build_args, changes.user,
		 "user to run as"),
	OPT_TEXT('w', "workdir", "D", struct build_args, changes.workdir,
		 "directory to start in"),
	OPT_TEXT(0, "stop-signal", "SIG", struct build_args,
		 changes.stop_signal, "what jiffy stop sends"),
	OPT_LIST(0, "expose", "PORT[/udp]", struct build_args, changes.expose,
		 "a port that it serves"),
	OPT_LIST(0, "copy", "DIR:PATH", struct build_args, changes.copies,
		 "put a directory's files into the image"),
	OPT_FLAG(0, "no-cache", struct build_args, no_cache,
		 "build even if nothing has changed"),
	OPT_FLAG(0, "no-tag", struct build_args, no_tag,
		 "give it no name, only print its digest"),
	OPT_FLAG('q', "quiet", struct build_args, is_quiet,
		 "print the digest only"),
};

static int tag_image(struct store *s, const struct build_args *args,
		     const char *source, const char *digest, struct ref *ref,
		     struct err *e)
{
	char name[REF_NAME_MAX + 1];
	int r;

	build_default_name(source, name);
	r = ref_parse(args->tag ? args->tag : name, ref, e);
	return r ? r : store_tag(s, ref, digest, e);
}

static int build(void *opaque, int argc, char **argv, struct err *e)
{
	const struct build_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	struct err no_namespace = ERR_INIT;
	char digest[SHA256_HEX_SIZE];
	struct ref ref;
	int r;

	(void)argc;
	if (args->tag && ref_parse(args->tag, &ref, e) < 0)
		return err_wrap(e, "--tag");
	proc_catch_signals();
	r = store_open(&s, e);
	/* without a namespace deb: is refused, and other files are root's */
	if (!r && userns_enter(&no_namespace) < 0)
		log_info("%s", no_namespace.msg);
	if (!r)
		r = build_image(&s, argv[0], &args->changes, args->no_cache,
				digest, e);
	if (!r && !args->no_tag)
		r = tag_image(&s, args, argv[0], digest, &ref, e);
	if (r < 0)
		return r;
	if (args->is_quiet || args->no_tag)
		printf("sha256:%s\n", digest);
	else
		printf("%s:%s %.12s\n", ref.name, ref.tag, digest);
	return 0;
}

static const char build_notes[] = "sources:\n"
#define SOURCE(scheme, arg, help) "  " #scheme ":" arg "  " help "\n"
#include "image/sources.h"
#undef SOURCE
	;

const struct cmd cmd_build = {
	.options = build_options,
	.noptions = ARRAY_SIZE(build_options),
	.args_size = sizeof(struct build_args),
	.min_operands = 1,
	.max_operands = 1,
	.notes = build_notes,
	.run = build,
};
