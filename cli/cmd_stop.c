/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy stop and jiffy kill: both ask the instance's monitor.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/daemon.h"
#include "engine/control.h"
#include "engine/instance.h"
#include "engine/units.h"
#include "host/json.h"
#include "host/signame.h"

#define STOP_SECONDS "10"
#define EXTRA_SECONDS 10 /* the monitor's own time to end */
#define KILL_ANSWER_SECONDS 10

struct stop_args {
	const char *time;
};

struct kill_args {
	const char *signal;
};

static const struct opt stop_options[] = {
	OPT_TEXT('t', "time", "SECONDS", struct stop_args, time,
		 "kill it after this long (default " STOP_SECONDS ")"),
};

static const struct opt kill_options[] = {
	OPT_TEXT('s', "signal", "SIG", struct kill_args, signal,
		 "name or number (default KILL)"),
};

/* Asked, it may end before it has answered: that is what we want. */
static int end_one(const struct instance *in, const json_t *request,
		   int timeout_s, struct err *e)
{
	int r = control_call(in, request, timeout_s, NULL, e);

	return (r == -EPIPE || !r) && instance_wait(in, EXTRA_SECONDS) == 0 ? 0
									    : r;
}

static bool sleeps_by_policy(const struct instance *in)
{
	const json_t *scale = json_object_get(in->spec, "scale_to_zero");

	return in->status == INSTANCE_SUSPENDED &&
	       strcmp(json_str_or(scale, "policy", "off"), "off") != 0;
}

/* One that sleeps by itself and will be woken by anybody is stopped, too; what
 * the user has suspended is not thrown away by that. */
static int stop_one(const struct store *s, const struct instance *in,
		    const json_t *request, int timeout_s, struct err *e)
{
	int r;

	if (in->status == INSTANCE_SUSPENDED && !sleeps_by_policy(in))
		return err_set(e, ESRCH,
			       "%s is not running but suspended (see 'jiffy rm "
			       "--force')",
			       in->name);
	r = daemon_do(s, in, "stop",
		      json_pack("{s:O}", "timeout_s",
				json_object_get(request, "timeout_s")),
		      timeout_s + EXTRA_SECONDS, e);
	if (r != DAEMON_NONE)
		return r;
	return in->status == INSTANCE_SUSPENDED
		       ? instance_drop_checkpoint(in, e)
		       : end_one(in, request, timeout_s, e);
}

static int kill_one(const struct store *s, const struct instance *in,
		    const json_t *request, int timeout_s, struct err *e)
{
	(void)s;
	return control_call(in, request, timeout_s, NULL, e);
}

/* One error is returned as it is; those before it have been printed. */
static int for_each(const char *command, int argc, char **argv,
		    int (*act)(const struct store *s, const struct instance *in,
			       const json_t *request, int timeout_s,
			       struct err *e),
		    const json_t *request, int timeout_s, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	int result = store_open(&s, e);

	for (int i = 0; i < argc && s.fd >= 0; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;
		struct err failed = ERR_INIT;
		int r;

		r = instance_load(&s, argv[i], &in, &failed);
		if (!r)
			r = act(&s, &in, request, timeout_s, &failed);
		if (r < 0 && result < 0)
			fprintf(stderr, "jiffy: %s: %s\n", command, e->msg);
		if (r < 0) {
			*e = failed;
			result = r;
		} else {
			printf("%s\n", argv[i]);
		}
	}
	return result;
}

static int stop(void *opaque, int argc, char **argv, struct err *e)
{
	const struct stop_args *args = opaque;
	cleanup_json json_t *request = NULL;
	long seconds;

	if (units_parse_number(args->time ? args->time : STOP_SECONDS, "--time",
			       0, 86400, &seconds, e) < 0)
		return -e->code;
	request = json_pack("{s:s,s:I}", "op", "stop", "timeout_s",
			    (json_int_t)seconds);
	return for_each("stop", argc, argv, stop_one, request,
			(int)seconds + EXTRA_SECONDS, e);
}

static int kill_instances(void *opaque, int argc, char **argv, struct err *e)
{
	const struct kill_args *args = opaque;
	const char *name = args->signal ? args->signal : "KILL";
	cleanup_json json_t *request = NULL;
	int sig = signame_parse(name);

	if (sig < 0)
		return err_set(e, EINVAL, "--signal: '%.40s' is not a signal",
			       name);
	request = json_pack("{s:s,s:i}", "op", "kill", "signal", sig);
	return for_each("kill", argc, argv, kill_one, request,
			KILL_ANSWER_SECONDS, e);
}

const struct cmd cmd_stop = {
	.options = stop_options,
	.noptions = ARRAY_SIZE(stop_options),
	.args_size = sizeof(struct stop_args),
	.min_operands = 1,
	.max_operands = -1,
	.notes = "Sends the image's stop signal (SIGTERM unless it says "
		 "otherwise), and SIGKILL later.\n",
	.run = stop,
};

const struct cmd cmd_kill = {
	.options = kill_options,
	.noptions = ARRAY_SIZE(kill_options),
	.args_size = sizeof(struct kill_args),
	.min_operands = 1,
	.max_operands = -1,
	.run = kill_instances,
};
