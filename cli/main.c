/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy, the command line: finds the command in the table, runs it here or
 * hands it to the program it lives in. Static and small: `jiffy run` is on the
 * path of every cold start.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "engine/libexec.h"
#include "host/json.h"
#include "host/log.h"

#define HERE_jiffy(name) &cmd_##name
#define HERE_image(name) NULL
#define PROGRAM_jiffy "jiffy"
#define PROGRAM_image "jiffy-image"
#define DECLARE_jiffy(name) extern const struct cmd cmd_##name;
#define DECLARE_image(name)

#define COMMAND(name, args, help, where) DECLARE_##where(name)
#include "cli/commands.h"
#undef COMMAND

static const struct command commands[] = {
#define COMMAND(name, args, help, where) \
	{ #name, args, help, PROGRAM_##where, HERE_##where(name) },
#include "cli/commands.h"
#undef COMMAND
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	bool is_option = name[0] == '-';

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (is_option || !opt_is_near(commands[i].name, name))
			continue;
		fprintf(stderr,
			"jiffy: unknown command '%s', perhaps '%s' (see "
			"'jiffy help')\n",
			name, commands[i].name);
		return EXIT_JIFFY;
	}
	fprintf(stderr, "jiffy: unknown %s '%s' (see 'jiffy help')\n",
		is_option ? "option" : "command", name);
	return EXIT_JIFFY;
}

/* argv[0] is the command's name. */
static int dispatch(const struct command *command, int argc, char **argv)
{
	struct err e = ERR_INIT;

	if (command->cmd)
		return front_run(command, argc, argv);
	libexec_exec(command->program, argv - 1, &e);
	fprintf(stderr, "jiffy: %s: %s\n", command->name, e.msg);
	return EXIT_JIFFY;
}

static void help_all(void)
{
	printf("usage: jiffy COMMAND [OPTIONS] [OPERANDS]\n\n"
	       "Runs ordinary Linux programs as unikernels.\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].help);
	printf("  %-9s %s\n", "help", "explain a command");
	printf("\n'jiffy help COMMAND' or 'jiffy COMMAND --help' tells more.\n"
	       "All state is in $JIFFY_HOME (default ~/.local/share/jiffy, "
	       "/var/lib/jiffy as root).\n");
}

static int help(int argc, char **argv)
{
	static char option[] = "--help";
	const struct command *command;

	if (argc < 2) {
		help_all();
		return 0;
	}
	command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	if (command->cmd) {
		front_help(command);
		return 0;
	}
	/* "jiffy help build" becomes "jiffy build --help" */
	argv[0] = argv[1];
	argv[1] = option;
	return dispatch(command, 2, argv);
}

/* Descriptors 0-2 that the caller closed become /dev/null, so that no file of
 * ours takes their place. */
static void open_stdio(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", O_RDWR);
}

int main(int argc, char **argv)
{
	static char version[] = "version";
	const struct command *command;

	open_stdio();
	log_init("jiffy");
	json_init_seed();
	if (argc < 2) {
		fprintf(stderr, "jiffy: no command (see 'jiffy help')\n");
		return EXIT_JIFFY;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
	    !strcmp(argv[1], "-h"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version"))
		argv[1] = version;
	command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	return dispatch(command, argc - 1, argv + 1);
}
