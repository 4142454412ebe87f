/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffy snapshot: the files of suspended instances. Who can read them is the
 * monitor.
 */
#include <errno.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/libexec.h"

static int snapshot(void *opaque, int argc, char **argv, struct err *e)
{
	static char option[] = "--verify";
	char *command[] = { NULL, option, argv[1], NULL };

	(void)opaque;
	(void)argc;
	if (strcmp(argv[0], "verify") != 0)
		return err_set(e, EINVAL,
			       "unknown command '%.40s' (see 'jiffy snapshot "
			       "--help')",
			       argv[0]);
	return libexec_exec("jiffy-monitor", command, e);
}

const struct cmd cmd_snapshot = {
	.args_size = 1,
	.min_operands = 2,
	.max_operands = 2,
	.notes = "verify reads all of a checkpoint and says what is wrong with "
		 "it. A wake checks\nall but the private pages of processes, "
		 "which it does not read.\n",
	.run = snapshot,
};
