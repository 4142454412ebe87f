/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy sandbox: an instance as a place for somebody else's code. Most verbs
 * are other commands under names that agents expect; reading, writing and
 * listing files need no program in there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/table.h"
#include "engine/create.h"
#include "engine/guest_files.h"
#include "host/cleanup.h"
#include "host/io.h"
#include "host/json.h"
#include "host/xmalloc.h"

#define SUSPEND_SECONDS 60
#define TRIES 5

extern const struct cmd cmd_run, cmd_exec, cmd_fork, cmd_suspend, cmd_resume,
	cmd_rm;

struct files_args {
	const char *mode;
	const char *output;
};

static const struct opt write_options[] = {
	OPT_TEXT('m', "mode", "MODE", struct files_args, mode,
		 "permissions of a new file, in octal (default 644)"),
};

static const struct opt ls_options[] = {
	OPT_TEXT('o', "output", "FORMAT", struct files_args, output,
		 "table or json"),
};

typedef int files_fn(struct guest_files *g, const char *path,
		     const struct files_args *args, struct err *e);

/* Whether it is being suspended is known with the first answer: nothing has
 * been read or printed then. */
static int with_files_once(char **argv, files_fn *fn,
			   const struct files_args *args, struct err *e)
{
	cleanup_instance struct instance in = INSTANCE_INIT;
	cleanup_store struct store s = STORE_INIT;
	struct guest_files g = GUEST_FILES_INIT;
	struct files_attr a;

	if (store_open(&s, e) || instance_load_awake(&s, argv[0], &in, e) ||
	    guest_files_open(&in, &g, e))
		return -e->code;
	if (!guest_stat(&g, "/", true, &a, e))
		fn(&g, argv[1], args, e);
	guest_files_close(&g);
	if (e->code == EAGAIN)
		(void)instance_wait(&in, SUSPEND_SECONDS);
	return -e->code;
}

static int with_files(char **argv, files_fn *fn, const struct files_args *args,
		      struct err *e)
{
	if (argv[1][0] != '/')
		return err_set(e, EINVAL, "'%.100s' is not absolute", argv[1]);
	for (int i = 0; i < TRIES; i++) {
		*e = (struct err)ERR_INIT;
		if (with_files_once(argv, fn, args, e) != -EAGAIN)
			break;
	}
	return -e->code;
}

static int read_file(struct guest_files *g, const char *path,
		     const struct files_args *args, struct err *e)
{
	cleanup_free char *buf = xmalloc(FILES_BYTES_MAX);
	uint64_t at = 0;
	ssize_t n;

	(void)args;
	if (guest_open(g, path, FILES_FOLLOW, 0, e))
		return -e->code;
	while ((n = guest_read(g, at, buf, FILES_BYTES_MAX, e)) > 0) {
		int r = io_write_full(STDOUT_FILENO, buf, (size_t)n);

		if (r)
			return err_sys(e, -r, "write");
		at += (uint64_t)n;
	}
	return (int)n;
}

static int write_file(struct guest_files *g, const char *path,
		      const struct files_args *args, struct err *e)
{
	cleanup_free char *buf = xmalloc(FILES_BYTES_MAX);
	uint32_t mode = 0644;
	uint64_t at = 0;
	ssize_t n;
	char *end;

	if (args->mode) {
		mode = (uint32_t)strtoul(args->mode, &end, 8);
		if (!args->mode[0] || *end || mode > 0777)
			return err_set(e, EINVAL, "--mode: '%.20s' is no mode",
				       args->mode);
	}
	if (guest_open(g, path, FILES_WRITES | FILES_FOLLOW, mode, e))
		return -e->code;
	while ((n = io_read_full(STDIN_FILENO, buf, FILES_BYTES_MAX)) > 0) {
		if (guest_write(g, at, buf, (size_t)n, e))
			return -e->code;
		at += (uint64_t)n;
	}
	return n < 0 ? err_sys(e, (int)-n, "read") : 0;
}

static void print_rows(const json_t *rows)
{
	struct strv cells = STRV_INIT;
	json_t *row;
	size_t i;

	strv_split(&cells, "TYPE|MODE|SIZE|NAME", '|');
	json_array_foreach (rows, i, row) {
		cleanup_free char *name =
			xstrdup(json_str_or(row, "name", "?"));

		for (char *p = name; *p; p++)
			if (*p < ' ' || *p == 0x7f)
				*p = '?';
		strv_add(&cells, json_str_or(row, "type", "?"));
		strv_addf(&cells, "%04o",
			  (unsigned int)json_int_or(row, "mode", 0));
		strv_addf(&cells, "%lld",
			  (long long)json_int_or(row, "size", 0));
		strv_add(&cells, name);
	}
	table_print(&cells, 4);
	strv_fini(&cells);
}

static int list_files(struct guest_files *g, const char *path,
		      const struct files_args *args, struct err *e)
{
	cleanup_json json_t *rows = json_array();
	int as_json = table_format(args->output, e);

	if (as_json < 0 || guest_list_json(g, path, SIZE_MAX, rows, e))
		return -e->code;
	if (!as_json) {
		print_rows(rows);
		return 0;
	}
	json_dumpf(rows, stdout, JSON_INDENT(2));
	printf("\n");
	return 0;
}

static int run_read(void *args, int argc, char **argv, struct err *e)
{
	(void)argc;
	return with_files(argv, read_file, args, e);
}

static int run_write(void *args, int argc, char **argv, struct err *e)
{
	(void)argc;
	return with_files(argv, write_file, args, e);
}

static int run_ls(void *args, int argc, char **argv, struct err *e)
{
	static char root[] = "/";
	char *both[] = { argv[0], argc > 1 ? argv[1] : root };

	return with_files(both, list_files, args, e);
}

static const struct cmd cmd_read = {
	.args_size = sizeof(struct files_args),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_read,
};

static const struct cmd cmd_write = {
	.options = write_options,
	.noptions = ARRAY_SIZE(write_options),
	.args_size = sizeof(struct files_args),
	.min_operands = 2,
	.max_operands = 2,
	.run = run_write,
};

static const struct cmd cmd_ls = {
	.options = ls_options,
	.noptions = ARRAY_SIZE(ls_options),
	.args_size = sizeof(struct files_args),
	.min_operands = 1,
	.max_operands = 2,
	.run = run_ls,
};

/* A verb, as another command with an option of its own. */
static const struct verb {
	struct command command;
	const char *option;
} verbs[] = {
	{ { "sandbox create", "[IMAGE [COMMAND [ARG...]]]",
	    "start one of an image or, with --from, of a template", "jiffy",
	    &cmd_run },
	  "-d" },
	{ { "sandbox exec", "SANDBOX COMMAND [ARG...]", "run a command in it",
	    "jiffy", &cmd_exec },
	  NULL },
	{ { "sandbox read", "SANDBOX PATH", "print a file", "jiffy",
	    &cmd_read },
	  NULL },
	{ { "sandbox write", "SANDBOX PATH", "make a file of standard input",
	    "jiffy", &cmd_write },
	  NULL },
	{ { "sandbox ls", "SANDBOX [PATH]", "list a directory", "jiffy",
	    &cmd_ls },
	  NULL },
	{ { "sandbox fork", "SANDBOX", "start copies of it", "jiffy",
	    &cmd_fork },
	  NULL },
	{ { "sandbox pause", "SANDBOX...", "put it to sleep", "jiffy",
	    &cmd_suspend },
	  NULL },
	{ { "sandbox resume", "SANDBOX...", "let it go on", "jiffy",
	    &cmd_resume },
	  NULL },
	{ { "sandbox kill", "SANDBOX...", "end and remove it", "jiffy",
	    &cmd_rm },
	  "-f" },
};

static int run_verb(const struct verb *v, int argc, char **argv)
{
	char **all = xcalloc((size_t)argc + 2, sizeof(*all));
	int n = 0, r;

	all[n++] = argv[0];
	if (v->option)
		all[n++] = (char *)(uintptr_t)v->option;
	for (int i = 1; i < argc; i++)
		all[n++] = argv[i];
	r = front_run(&v->command, n, all);
	free(all);
	return r;
}

static int sandbox(void *opaque, int argc, char **argv, struct err *e)
{
	(void)opaque;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(strchr(verbs[i].command.name, ' ') + 1, argv[0]))
			return run_verb(&verbs[i], argc, argv);
	return err_set(e, EINVAL, "no such verb: '%.40s'", argv[0]);
}

const struct cmd cmd_sandbox = {
	.args_size = 1,
	.stop_at_operand = true,
	.min_operands = 1,
	.max_operands = -1,
	.notes = "verbs: create, exec, read, write, ls, fork, pause, resume, "
		 "kill; 'jiffy sandbox VERB --help'\ntells more. What sleeps "
		 "is woken by exec, read, write and ls.\n",
	.run = sandbox,
};
