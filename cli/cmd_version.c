/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy version.
 */
#include <stdio.h>

#include "cli/cmd.h"
#include "engine/version.h"

static int version(void *args, int argc, char **argv, struct err *e)
{
	(void)args;
	(void)argc;
	(void)argv;
	(void)e;
	printf("jiffy %s\n", JIFFY_VERSION);
	return 0;
}

const struct cmd cmd_version = {
	.run = version,
};
