/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy suspend and jiffy resume: an instance becomes a file, and runs again.
 * jiffy start: what has ended runs anew.
 */
#include <errno.h>
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/daemon.h"
#include "engine/control.h"
#include "engine/create.h"
#include "engine/instance.h"
#include "host/cleanup.h"
#include "host/json.h"

#define ANSWER_SECONDS 60
#define DAEMON_SECONDS 120

struct resume_args {
	bool or_boots;
};

static const struct opt resume_options[] = {
	OPT_FLAG(0, "or-boot", struct resume_args, or_boots,
		 "boot anew what has no checkpoint that can be used"),
};

/* One error is returned as it is; those before it have been printed. */
static int for_each(const char *command, int argc, char **argv,
		    int (*act)(const struct store *s, struct instance *in,
			       const void *args, struct err *e),
		    const void *args, struct err *e)
{
	cleanup_store struct store s = STORE_INIT;
	int result = store_open(&s, e);

	for (int i = 0; i < argc && s.fd >= 0; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;
		struct err failed = ERR_INIT;
		int r;

		r = instance_load(&s, argv[i], &in, &failed);
		if (!r)
			r = act(&s, &in, args, &failed);
		if (!r) {
			printf("%s\n", argv[i]);
			continue;
		}
		if (result)
			fprintf(stderr, "jiffy: %s: %s\n", command, e->msg);
		*e = failed;
		result = -failed.code;
	}
	return result;
}

static int suspend_one(const struct store *s, struct instance *in,
		       const void *args, struct err *e)
{
	cleanup_json json_t *request = json_pack("{s:s}", "op", "suspend");
	int r;

	(void)args;
	if (in->status == INSTANCE_SUSPENDED)
		return err_set(e, EALREADY, "%s is suspended already",
			       in->name);
	r = daemon_do(s, in, "suspend", NULL, DAEMON_SECONDS, e);
	if (r != DAEMON_NONE)
		return r;
	/* When this is answered the record is free for the next command, or
	 * for a wake. */
	return control_call(in, request, ANSWER_SECONDS, NULL, e) < 0 ? -e->code
								      : 0;
}

static int resume_one(const struct store *s, struct instance *in,
		      const void *opaque, struct err *e)
{
	const struct resume_args *args = opaque;
	int r;

	if (in->status <= INSTANCE_RUNNING)
		return err_set(e, EALREADY, "%s is running", in->name);
	if (in->status != INSTANCE_SUSPENDED)
		return args->or_boots
			       ? instance_boot(in, e)
			       : err_set(e, ENOENT, "%s is not suspended",
					 in->name);
	r = daemon_do(s, in, "start", NULL, DAEMON_SECONDS, e);
	if (r == DAEMON_NONE)
		r = instance_resume(in, e);
	if (!r || !args->or_boots)
		return r;
	fprintf(stderr, "jiffy: resume: %s: it boots anew\n", e->msg);
	return instance_boot(in, e);
}

static int start_one(const struct store *s, struct instance *in,
		     const void *args, struct err *e)
{
	int r;

	(void)args;
	if (in->status <= INSTANCE_RUNNING)
		return err_set(e, EALREADY, "%s is running", in->name);
	r = daemon_do(s, in, "start", NULL, DAEMON_SECONDS, e);
	return r == DAEMON_NONE ? instance_start(in, e) : r;
}

static int start(void *opaque, int argc, char **argv, struct err *e)
{
	(void)opaque;
	return for_each("start", argc, argv, start_one, NULL, e);
}

static int suspend(void *opaque, int argc, char **argv, struct err *e)
{
	(void)opaque;
	return for_each("suspend", argc, argv, suspend_one, NULL, e);
}

static int resume(void *opaque, int argc, char **argv, struct err *e)
{
	return for_each("resume", argc, argv, resume_one, opaque, e);
}

const struct cmd cmd_suspend = {
	.args_size = 1,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "All of a suspended instance is a file of its record; its "
		 "volumes are free for others,\nbut then it cannot go on.\n",
	.run = suspend,
};

const struct cmd cmd_resume = {
	.options = resume_options,
	.noptions = ARRAY_SIZE(resume_options),
	.args_size = sizeof(struct resume_args),
	.min_operands = 1,
	.max_operands = -1,
	.notes = "An instance goes on once from its checkpoint, and only with "
		 "its volumes as they were.\n",
	.run = resume,
};

const struct cmd cmd_start = {
	.args_size = 1,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "Starts what was created or has ended anew, from its image; "
		 "what is suspended goes on.\n",
	.run = start,
};
