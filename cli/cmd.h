/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command of jiffy is: its options, how many operands it takes, and the
 * function that does it. The front (cli/front.c) parses and prints errors.
 */
#ifndef JIFFY_CLI_CMD_H
#define JIFFY_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/launch.h"
#include "host/err.h"
#include "host/opt.h"

struct cmd {
	const struct opt *options;
	size_t noptions;
	size_t args_size;     /* of the struct that the options fill */
	bool stop_at_operand; /* what follows is another program's */
	int min_operands;
	int max_operands;  /* -1: any number */
	const char *notes; /* printed below the options in the help, or NULL */

	/* Returns the exit status, or -errno with e filled. args is zeroed
	 * before the options are stored in it. */
	int (*run)(void *args, int argc, char **argv, struct err *e);
};

/* One row of commands.h. cmd is NULL for commands of another program. */
struct command {
	const char *name;
	const char *args;
	const char *help;
	const char *program; /* "jiffy" or "jiffy-image" */
	const struct cmd *cmd;
};

/* Run argv[0], one of the table's commands that is in this program. Prints
 * errors as one line. Returns the exit status. */
int front_run(const struct command *command, int argc, char **argv);

/* Print the help of one command. */
void front_help(const struct command *command);

#endif
