/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front of jiffy's programs: options of a command, its help, its errors.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "host/xmalloc.h"

void front_help(const struct command *command)
{
	const struct cmd *cmd = command->cmd;

	printf("usage: jiffy %s%s%s%s\n\n%c%s.\n", command->name,
	       cmd->noptions ? " [OPTIONS]" : "", *command->args ? " " : "",
	       command->args, command->help[0] - 'a' + 'A', command->help + 1);
	if (cmd->noptions) {
		printf("\noptions:\n");
		opt_help(cmd->options, cmd->noptions, stdout);
	}
	if (cmd->notes)
		printf("\n%s", cmd->notes);
}

static bool wants_help(const struct cmd *cmd, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (!strcmp(argv[i], "--help"))
			return true;
		if (cmd->stop_at_operand && argv[i][0] != '-')
			return false;
	}
	return false;
}

/* The usage errors get a hint; other errors stand alone. */
static int usage_error(const struct command *command, struct err *e)
{
	fprintf(stderr, "jiffy: %s: %s (see 'jiffy %s --help')\n",
		command->name, e->msg, command->name);
	return EXIT_JIFFY;
}

static int check_operands(const struct cmd *cmd, int n, char **operands,
			  struct err *e)
{
	if (n < cmd->min_operands)
		return err_set(e, EINVAL, "an operand is missing");
	if (cmd->max_operands >= 0 && n > cmd->max_operands)
		return err_set(e, EINVAL, "unexpected operand '%s'",
			       operands[cmd->max_operands]);
	return 0;
}

int front_run(const struct command *command, int argc, char **argv)
{
	const struct cmd *cmd = command->cmd;
	struct err e = ERR_INIT;
	void *args;
	int first;
	int r;

	if (wants_help(cmd, argc, argv)) {
		front_help(command);
		return 0;
	}
	args = xcalloc(1, cmd->args_size);
	first = opt_parse(cmd->options, cmd->noptions, cmd->stop_at_operand,
			  argc - 1, argv + 1, args, &e);
	if (first < 0)
		return usage_error(command, &e);
	argc -= 1 + first;
	argv += 1 + first;
	if (check_operands(cmd, argc, argv, &e) < 0)
		return usage_error(command, &e);
	r = cmd->run(args, argc, argv, &e);
	free(args); /* lists in it live until the process ends */
	if (r >= 0)
		return r;
	fprintf(stderr, "jiffy: %s: %s\n", command->name, e.msg);
	return EXIT_JIFFY;
}
