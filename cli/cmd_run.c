/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy run: find (or build) the image, record the instance, become its
 * monitor. On the path of every cold start: a handful of system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/clone.h"
#include "cli/cmd.h"
#include "engine/create.h"
#include "engine/instance.h"
#include "engine/launch.h"
#include "cli/source.h"
#include "engine/spec.h"
#include "host/cleanup.h"
#include "host/clock.h"
#include "host/io.h"
#include "host/json.h"
#include "image/store.h"

static const struct opt run_cmd_options[] = {
	OPT_LIST('p', "publish", "[IP:]HOST:GUEST[/udp]", struct run_options,
		 publish, "make a port reachable from the host"),
	OPT_LIST('e', "env", "K=V", struct run_options, env,
		 "set a variable; K alone passes the caller's"),
	OPT_LIST(0, "env-file", "F", struct run_options, env_files,
		 "set variables from a file of K=V lines"),
	OPT_LIST('v', "volume", "VOLUME:/PATH[:ro]", struct run_options,
		 volumes, "mount a volume (a name or a file) at a path"),
	OPT_TEXT('m', "memory", "SIZE", struct run_options, memory,
		 "most memory it may touch, such as 128M"),
	OPT_TEXT(0, "cpus", "N", struct run_options, cpus, "CPUs that it sees"),
	OPT_TEXT('u', "user", "USER", struct run_options, user,
		 "user (name or number)[:group] to run as"),
	OPT_TEXT('w', "workdir", "DIR", struct run_options, workdir,
		 "directory to start in"),
	OPT_TEXT(0, "from", "TEMPLATE", struct run_options, from,
		 "begin as a template is: no image, no command"),
	OPT_TEXT(0, "name", "NAME", struct run_options, name,
		 "name of the instance (default: made up)"),
	OPT_FLAG('d', "detach", struct run_options, is_detached,
		 "run in the background, print the name"),
	OPT_FLAG('i', "interactive", struct run_options, wants_stdin,
		 "keep stdin when detached"),
	OPT_FLAG('t', "tty", struct run_options, wants_tty,
		 "give it a terminal"),
	OPT_TEXT(0, "restart", "POLICY", struct run_options, restart,
		 "never, always or on-failure: jiffyd starts it again"),
	OPT_FLAG(0, "rm", struct run_options, is_removed,
		 "remove its record when it ends"),
	OPT_TEXT(0, "entrypoint", "CMD", struct run_options, entrypoint,
		 "run this instead of the image's entry point"),
	OPT_TEXT(0, "hostname", "H", struct run_options, hostname,
		 "its host name (default: its name)"),
	OPT_TEXT(0, "platform", "P", struct run_options, platform,
		 "auto, process, qemu or kvm"),
	OPT_TEXT(0, "net", "N", struct run_options, net,
		 "broker, packet or none"),
	OPT_TEXT(0, "egress", "POLICY", struct run_options, egress,
		 "connections out: allow, deny or allow=NETWORK|NAME,..."),
	OPT_TEXT(0, "timeout", "SECONDS", struct run_options, timeout,
		 "end it after so long, asleep or not"),
	OPT_MAYBE(0, "trace", "[=FILE]", struct run_options, trace,
		  "print its system calls"),
	OPT_MAYBE(0, "stats", "[=FILE.json]", struct run_options, stats,
		  "print times, memory, system-call counts as JSON"),
	OPT_TEXT(0, "scale-to-zero", "POLICY[,SETTING=VALUE...]",
		 struct run_options, scale,
		 "sleep while idle: off, on or idle; cooldown=MS, notify=MS, "
		 "grace=MS, stateful=yes|no"),
	OPT_TEXT(0, "core", "DIR", struct run_options, core,
		 "write core files of its programs to DIR"),
};

static int find_image(const struct store *s, const char *operand,
		      char digest[SHA256_HEX_SIZE], struct manifest *m,
		      struct err *e)
{
	int r;

	if (source_is(operand))
		r = source_build(operand, digest, e);
	else
		r = store_resolve(s, operand, digest, e);
	return r ? r : store_load(s, digest, m, e);
}

static int start(const struct run_options *o, const struct spec_place *place,
		 const struct instance_dir *dir, struct err *e)
{
	cleanup_close int log = -1;
	int r;

	if (!o->is_detached)
		return launch_foreground(dir->spec_fd, e);
	log = openat(dir->fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		     0600);
	if (log < 0)
		return err_sys(e, errno, "%s/log", place->state_dir);
	r = launch_detached(dir->spec_fd, log, o->wants_stdin, e);
	if (r > 0) {
		fprintf(stderr, "jiffy: run: %s\n", e->msg);
		return r;
	}
	printf("%s\n", place->name);
	return 0;
}

/* Make the record and start; leaves no record if that fails. */
static int run_image(const struct store *s, const struct run_options *o,
		     const struct manifest *m, struct spec_place *place,
		     int argc, char **argv, struct err *e)
{
	struct instance_dir dir = INSTANCE_DIR_INIT;
	cleanup_json json_t *spec = NULL;
	int r;

	r = instance_create(s, o->name, place->name, &dir, e);
	if (r < 0)
		return r;
	place->state_dir = instance_path(s, place->name);
	r = spec_make(m, o, place, argc, argv, &spec, e);
	if (!r)
		r = instance_write_spec(&dir, spec, e);
	if (!r)
		r = start(o, place, &dir, e);
	if (r)
		instance_discard(s, place->name);
	instance_dir_close(&dir);
	return r;
}

static int run_template(const struct run_options *o, int argc, struct err *e)
{
	int64_t started_ns = monotonic_ns();
	cleanup_store struct store s = STORE_INIT;
	cleanup_template struct template t = TEMPLATE_INIT;
	char name[NAME_SIZE];

	if (clone_check_options(o, argc, e) || spec_check_options(o, e) ||
	    store_open(&s, e) || template_open(&s, o->from, &t, e) ||
	    clone_start(&s, &t, o->from, o, started_ns, name, e))
		return -e->code;
	printf("%s\n", name);
	return 0;
}

static int run(void *opaque, int argc, char **argv, struct err *e)
{
	const struct run_options *o = opaque;
	struct spec_place place = { .started_ns = monotonic_ns(),
				    .image = argv[0] };
	cleanup_store struct store s = STORE_INIT;
	cleanup_manifest struct manifest m = { 0 };
	char digest[SHA256_HEX_SIZE];
	int r;

	if (o->from)
		return run_template(o, argc, e);
	if (!argc)
		return err_set(e, EINVAL, "an image, or --from, is missing");
	r = spec_check_options(o, e);
	if (!r)
		r = store_open(&s, e);
	if (!r)
		r = find_image(&s, argv[0], digest, &m, e);
	if (r)
		return r < 0 ? r : EXIT_JIFFY;
	id_generate(place.id);
	place.digest = digest;
	place.store = s.path;
	place.root = store_root_path(&s, digest);
	r = run_image(&s, o, &m, &place, argc - 1, argv + 1, e);
	free(place.state_dir);
	free(place.root);
	return r;
}

static int create(void *opaque, int argc, char **argv, struct err *e)
{
	struct run_options *o = opaque;
	cleanup_store struct store s = STORE_INIT;
	char digest[SHA256_HEX_SIZE], name[NAME_SIZE];
	const char *image = argv[0];

	o->is_detached = true;
	if (o->from || o->is_removed)
		return err_set(e, EINVAL, "%s: only with jiffy run",
			       o->from ? "--from" : "--rm");
	if (spec_check_options(o, e) || store_open(&s, e))
		return -e->code;
	if (source_is(image)) {
		int r = source_build(image, digest, e);

		if (r)
			return r < 0 ? r : EXIT_JIFFY;
		image = digest;
	}
	if (instance_prepare(&s, o, image, argc - 1, argv + 1, name, e))
		return -e->code;
	printf("%s\n", name);
	return 0;
}

const struct cmd cmd_create = {
	.options = run_cmd_options,
	.noptions = ARRAY_SIZE(run_cmd_options),
	.args_size = sizeof(struct run_options),
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "Takes the options of run. 'jiffy start' starts it.\n",
	.run = create,
};

const struct cmd cmd_run = {
	.options = run_cmd_options,
	.noptions = ARRAY_SIZE(run_cmd_options),
	.args_size = sizeof(struct run_options),
	.stop_at_operand = true,
	.min_operands = 0, /* with --from */
	.max_operands = -1,
	.notes = "In the foreground stdin, stdout and stderr are the "
		 "program's, and so is the exit\nstatus (128+N after signal "
		 "N); 125: Jiffy failed, 126: cannot run, 127: not found.\n",
	.run = run,
};
