/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs.erofs (erofs-utils) as the maker of root filesystems.
 */
#include "image/erofs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/proc.h"
#include "image/progress.h"

static void on_line(void *context, const char *line)
{
	(void)context;
	(void)line;
	progress_tick();
}

int erofs_make(const char *tree, const char *file, int64_t newest,
	       struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv env = STRV_INIT;
	struct proc p = { .argv = &argv, .env = &env, .on_line = on_line };
	int r;

	progress_step("writing the root filesystem");
	strv_add(&argv, "mkfs.erofs");
	strv_add(&argv, "--quiet");
	strv_add(&argv, "-Enoinline_data");
	strv_add(&argv, "-U6a696666-7920-4000-8000-726f6f746673");
	if (geteuid() != 0)
		strv_add(&argv, "--all-root");
	strv_add(&argv, file);
	strv_add(&argv, tree);
	/* as an environment variable it cuts times, as -T it replaces them */
	strv_addf(&env, "SOURCE_DATE_EPOCH=%lld", (long long)newest);
	r = proc_run(&p, e);
	if (r == -ENOENT || r == 127)
		return err_set(e, ENOENT,
			       "mkfs.erofs is not installed "
			       "(package erofs-utils)");
	return r > 0 ? -e->code : r;
}
