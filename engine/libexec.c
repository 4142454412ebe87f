/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for Jiffy's other programs. Tries to execute in order, so that
 * the common case costs one call.
 */
#include "engine/libexec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/xmalloc.h"

enum place { FROM_ENV, BESIDE, LIBEXEC, NPLACES };

/* The path of program in one of the places, or NULL if there is no such. */
static char *candidate(enum place place, const char *program)
{
	const char *env = getenv("JIFFY_LIBEXEC");
	char exe[PATH_MAX];
	char *slash;
	ssize_t n;

	if (place == FROM_ENV)
		return env && *env ? xasprintf("%s/%s", env, program) : NULL;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		return NULL;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	return xasprintf("%s/%s%s", exe,
			 place == BESIDE ? "" : "../libexec/jiffy/", program);
}

static int not_found(const char *program, struct err *e)
{
	return err_set(e, ENOENT,
		       "%s is not installed: not beside jiffy, nor in "
		       "../libexec/jiffy, nor in $JIFFY_LIBEXEC",
		       program);
}

int libexec_exec(const char *program, char **argv, struct err *e)
{
	char *name = xstrdup(program);

	argv[0] = name;
	for (int place = 0; place < NPLACES; place++) {
		char *path = candidate((enum place)place, program);

		if (!path)
			continue;
		execv(path, argv);
		if (errno != ENOENT) {
			err_sys(e, errno, "%s", path);
			free(path);
			return -e->code;
		}
		free(path);
	}
	return not_found(program, e);
}

int libexec_find(const char *program, char **path, struct err *e)
{
	for (int place = 0; place < NPLACES; place++) {
		char *found = candidate((enum place)place, program);

		if (found && access(found, X_OK) == 0) {
			*path = found;
			return 0;
		}
		free(found);
	}
	return not_found(program, e);
}
