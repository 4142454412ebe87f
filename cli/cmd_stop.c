/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy stop and jiffy kill: both ask the instance's monitor.
 */
#include <errno.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/control.h"
#include "cli/instance.h"
#include "cli/units.h"
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

/* One error is returned as it is; those before it have been printed. */
static int for_each(const char *command, int argc, char **argv,
		    const json_t *request, int timeout_s, bool waits,
		    struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	int result = store_open(&s, e);

	for (int i = 0; i < argc && s.fd >= 0; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;
		struct err failed = ERR_INIT;
		int r;

		r = instance_load(&s, argv[i], &in, &failed);
		if (!r)
			r = control_call(&in, request, timeout_s, NULL,
					 &failed);
		/* it may end before it has answered: that is what we want */
		if (waits && (r == -EPIPE || !r) &&
		    instance_wait(&in, EXTRA_SECONDS) == 0)
			r = 0;
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
	return for_each("stop", argc, argv, request,
			(int)seconds + EXTRA_SECONDS, true, e);
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
	return for_each("kill", argc, argv, request, KILL_ANSWER_SECONDS, false,
			e);
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
