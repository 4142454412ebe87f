/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy rm: remove records of instances; with --force end them first.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/daemon.h"
#include "engine/control.h"
#include "engine/instance.h"
#include "host/cleanup.h"
#include "host/json.h"

#define ANSWER_SECONDS 2
#define END_SECONDS 5
#define DAEMON_SECONDS 120
#define WAKES_MAX 5

struct rm_args {
	bool forces;
};

static const struct opt rm_options[] = {
	OPT_FLAG('f', "force", struct rm_args, forces,
		 "end running instances first"),
};

/* End a monitor that does not listen. The lock shows that the process with the
 * recorded number is still the monitor at the time it is opened. */
static void kill_monitor(const struct instance *in)
{
	long pid = (long)json_integer_value(json_object_get(in->state, "pid"));
	cleanup_close int fd = -1;

	if (pid <= 1)
		return;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0 && instance_is_live(in))
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static void end_instance(const struct instance *in)
{
	cleanup_json json_t *request =
		json_pack("{s:s,s:i}", "op", "kill", "signal", SIGKILL);

	if (control_call(in, request, ANSWER_SECONDS, NULL, NULL) < 0 ||
	    instance_wait(in, END_SECONDS) < 0) {
		kill_monitor(in);
		instance_wait(in, END_SECONDS);
		instance_kill_left(in);
	}
}

static int try_remove(const struct store *s, const char *name, bool forces,
		      struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r;

	r = instance_load(s, name, &in, e);
	if (r < 0)
		return r;
	if (forces || in.status > INSTANCE_SUSPENDED) {
		r = daemon_do(s, &in, "delete", NULL, DAEMON_SECONDS, e);
		if (r != DAEMON_NONE)
			return r;
	}
	if (forces && in.status <= INSTANCE_SUSPENDED) {
		if (in.status <= INSTANCE_RUNNING)
			end_instance(&in);
		in.status = INSTANCE_EXITED; /* the lock has the last word */
	}
	/* Its end is on record a moment before its monitor is gone. */
	if (in.status == INSTANCE_EXITED)
		instance_wait(&in, END_SECONDS);
	return instance_remove(s, &in, e);
}

static int remove_one(const struct store *s, const char *name, bool forces,
		      struct err *e)
{
	int r = try_remove(s, name, forces, e);

	/* One that slept may have been woken meanwhile, even more than once. */
	for (int i = 0; forces && r == -EBUSY && i < WAKES_MAX; i++)
		r = try_remove(s, name, forces, e);
	/* with `run --rm` the monitor removes the record itself */
	return forces && r == -ENOENT ? 0 : r;
}

static int rm(void *opaque, int argc, char **argv, struct err *e)
{
	const struct rm_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	int result = store_open(&s, e);

	for (int i = 0; i < argc && s.fd >= 0; i++) {
		struct err failed = ERR_INIT;
		int r = remove_one(&s, argv[i], args->forces, &failed);

		if (r < 0 && result < 0)
			fprintf(stderr, "jiffy: rm: %s\n", e->msg);
		if (r < 0) {
			*e = failed;
			result = r;
		} else {
			printf("%s\n", argv[i]);
		}
	}
	return result;
}

const struct cmd cmd_rm = {
	.options = rm_options,
	.noptions = ARRAY_SIZE(rm_options),
	.args_size = sizeof(struct rm_args),
	.min_operands = 1,
	.max_operands = -1,
	.run = rm,
};
