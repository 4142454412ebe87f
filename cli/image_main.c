/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy-image: the commands that need archive libraries. Started by jiffy, with
 * the same arguments.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "host/json.h"
#include "host/log.h"

#define HERE_jiffy(name, args, help)
#define HERE_image(name, args, help) \
	{ #name, args, help, "jiffy-image", &cmd_##name },
#define DECLARE_jiffy(name)
#define DECLARE_image(name) extern const struct cmd cmd_##name;

#define COMMAND(name, args, help, where) DECLARE_##where(name)
#include "cli/commands.h"
#undef COMMAND

static const struct command commands[] = {
#define COMMAND(name, args, help, where) HERE_##where(name, args, help)
#include "cli/commands.h"
#undef COMMAND
};

int main(int argc, char **argv)
{
	log_init("jiffy");
	json_init_seed();
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[1]))
			return front_run(&commands[i], argc - 1, argv + 1);
	fprintf(stderr, "jiffy: jiffy-image is started by jiffy: see "
			"'jiffy help'\n");
	return EXIT_JIFFY;
}
