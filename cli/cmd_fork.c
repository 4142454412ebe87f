/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy fork: clones of a running instance, all from one copy of its memory,
 * which goes with the last of them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/clone.h"
#include "cli/cmd.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/clock.h"

#define CLONES_MAX 10000

struct fork_args {
	const char *count;
	const char *prefix;
	const char *signal;
	const char *memory;
	struct strv publish;
	bool is_removed;
};

static const struct opt fork_options[] = {
	OPT_TEXT('n', "number", "N", struct fork_args, count,
		 "how many (default: 1)"),
	OPT_TEXT(0, "name", "PREFIX", struct fork_args, prefix,
		 "name them PREFIX-1 and so on (default: made up)"),
	OPT_LIST('p', "publish", "[IP:]HOST:GUEST[/udp]", struct fork_args,
		 publish, "make a port of each reachable from the host"),
	OPT_TEXT('m', "memory", "SIZE", struct fork_args, memory,
		 "most memory each may touch"),
	OPT_TEXT(0, "after-clone", "SIGNAL", struct fork_args, signal,
		 "what the first process of each is sent before it goes on"),
	OPT_FLAG(0, "rm", struct fork_args, is_removed,
		 "remove their records when they end"),
};

static int start_all(const struct store *s, const struct template *t,
		     const char *of, const struct fork_args *args, long n,
		     struct err *e)
{
	struct run_options o = { .is_detached = true,
				 .is_removed = args->is_removed,
				 .memory = args->memory,
				 .publish = args->publish };
	char wanted[NAME_SIZE + 16], name[NAME_SIZE];

	for (long i = 1; i <= n; i++) {
		if (args->prefix) {
			snprintf(wanted, sizeof(wanted), "%s-%ld", args->prefix,
				 i);
			o.name = wanted;
		}
		if (spec_check_options(&o, e) ||
		    clone_start(s, t, of, &o, monotonic_ns(), name, e))
			return -e->code;
		printf("%s\n", name);
	}
	return 0;
}

static int fork_instance(void *opaque, int argc, char **argv, struct err *e)
{
	const struct fork_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_template struct template t = TEMPLATE_INIT;
	long n = 1, pause_us;

	(void)argc;
	if (args->count && units_parse_number(args->count, "--number", 1,
					      CLONES_MAX, &n, e) < 0)
		return -e->code;
	if (args->prefix && strlen(args->prefix) > NAME_MAX_LEN - 6)
		return err_set(e, ENAMETOOLONG, "--name: over %d characters",
			       NAME_MAX_LEN - 6);
	if (store_open(&s, e) || instance_load(&s, argv[0], &in, e) ||
	    template_make(&s, &in, NULL, args->signal, &t, &pause_us, e))
		return -e->code;
	return start_all(&s, &t, in.name, args, n, e);
}

const struct cmd cmd_fork = {
	.options = fork_options,
	.noptions = ARRAY_SIZE(fork_options),
	.args_size = sizeof(struct fork_args),
	.min_operands = 1,
	.max_operands = 1,
	.notes = "The instance stands still for a moment and goes on. Its "
		 "clones have its memory,\nbut not its connections. Their "
		 "names are printed.\n",
	.run = fork_instance,
};
