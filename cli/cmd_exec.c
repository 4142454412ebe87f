/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy exec: start another program in an instance. A suspended one is woken.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/attach.h"
#include "cli/cmd.h"
#include "engine/control.h"
#include "engine/create.h"
#include "engine/spec.h"
#include "engine/units.h"
#include "host/cleanup.h"
#include "host/json.h"

#define ANSWER_SECONDS 60
#define SUSPEND_SECONDS 60
#define TRIES 5
#define TIMEOUT_MAX 86400

struct exec_args {
	struct strv env;
	struct strv env_files;
	const char *user;
	const char *workdir;
	const char *timeout;
	bool wants_stdin;
	bool wants_tty;
	bool is_detached;
};

static const struct opt exec_options[] = {
	OPT_FLAG('i', "interactive", struct exec_args, wants_stdin,
		 "give it our standard input"),
	OPT_FLAG('t', "tty", struct exec_args, wants_tty, "give it a terminal"),
	OPT_FLAG('d', "detach", struct exec_args, is_detached,
		 "do not wait for it; its output is dropped"),
	OPT_LIST('e', "env", "K=V", struct exec_args, env,
		 "set a variable; K alone passes the caller's"),
	OPT_LIST(0, "env-file", "F", struct exec_args, env_files,
		 "set variables from a file of K=V lines"),
	OPT_TEXT('u', "user", "USER", struct exec_args, user,
		 "user (name or number)[:group] to run as"),
	OPT_TEXT('w', "workdir", "DIR", struct exec_args, workdir,
		 "directory to start in"),
	OPT_TEXT(0, "timeout", "SECONDS", struct exec_args, timeout,
		 "end it after so long: exit status 124"),
};

static json_t *make_request(const struct exec_args *args, int argc, char **argv,
			    struct err *e)
{
	cleanup_strv struct strv env = STRV_INIT;
	json_t *request, *list;
	struct winsize ws;

	if (spec_variables(&args->env_files, &args->env, &env, e))
		return NULL;
	request = json_pack("{s:s,s:b,s:b}", "op", "exec", "tty",
			    args->wants_tty, "detach", args->is_detached);
	list = json_array();
	for (int i = 0; i < argc; i++)
		json_array_append_new(list, json_text(argv[i]));
	json_object_set_new(request, "argv", list);
	json_object_set_new(request, "env", json_from_strv(&env));
	if (args->user)
		json_object_set_new(request, "user", json_text(args->user));
	if (args->workdir)
		json_object_set_new(request, "cwd", json_text(args->workdir));
	if (args->wants_tty && !ioctl(STDIN_FILENO, TIOCGWINSZ, &ws)) {
		json_object_set_new(request, "rows", json_integer(ws.ws_row));
		json_object_set_new(request, "cols", json_integer(ws.ws_col));
	}
	return request;
}

static int run_detached(const struct instance *in, json_t *request,
			struct err *e)
{
	cleanup_json json_t *answer = NULL;
	int64_t code = 0;

	if (control_call(in, request, ANSWER_SECONDS, &answer, e))
		return -e->code;
	if (!json_has(answer, "exit_code"))
		return 0;
	fprintf(stderr, "jiffy: exec: %s\n",
		json_str_or(answer, "reason", "it ended at once"));
	return json_get_int(answer, "answer", "exit_code", 0, 255, &code, e)
		       ? -e->code
		       : (int)code;
}

static int run_once(const struct store *s, const char *name, json_t *request,
		    const struct exec_args *args, int timeout_s, struct err *e)
{
	const struct attach_options o = { .has_input = args->wants_stdin,
					  .has_tty = args->wants_tty,
					  .timeout_s = timeout_s };
	cleanup_instance struct instance in = INSTANCE_INIT;
	int r = instance_load_awake(s, name, &in, e);

	if (r)
		return r;
	r = args->is_detached ? run_detached(&in, request, e)
			      : attach_run(&in, request, &o, e);
	/* It is asleep in a moment: then it is woken. */
	if (r == -EAGAIN)
		(void)instance_wait(&in, SUSPEND_SECONDS);
	return r;
}

static int exec(void *opaque, int argc, char **argv, struct err *e)
{
	const struct exec_args *args = opaque;
	cleanup_store struct store s = STORE_INIT;
	cleanup_json json_t *request = NULL;
	long timeout = 0;
	int r = 0;

	if (args->timeout && units_parse_number(args->timeout, "--timeout", 1,
						TIMEOUT_MAX, &timeout, e))
		return -e->code;
	if (args->wants_tty && args->wants_stdin && !isatty(STDIN_FILENO))
		return err_set(e, ENOTTY,
			       "--tty: our standard input is not a terminal");
	if (args->is_detached &&
	    (args->wants_stdin || args->wants_tty || args->timeout))
		return err_set(e, EINVAL,
			       "--detach goes without --interactive, --tty and "
			       "--timeout");
	request = make_request(args, argc - 1, argv + 1, e);
	if (!request || store_open(&s, e))
		return -e->code;
	for (int i = 0; i < TRIES; i++) {
		*e = (struct err)ERR_INIT;
		r = run_once(&s, argv[0], request, args, (int)timeout, e);
		if (r != -EAGAIN)
			break;
	}
	return r;
}

const struct cmd cmd_exec = {
	.options = exec_options,
	.noptions = ARRAY_SIZE(exec_options),
	.args_size = sizeof(struct exec_args),
	.stop_at_operand = true,
	.min_operands = 2,
	.max_operands = -1,
	.notes = "The exit status is the program's (128+N after signal N); "
		 "125: Jiffy failed, 126: cannot\nrun, 127: not found, 137: "
		 "the instance has ended. A suspended instance is woken.\n",
	.run = exec,
};
