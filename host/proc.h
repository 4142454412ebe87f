/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running helper programs (mkfs.erofs, mmdebstrap, apt-get) and waiting for
 * them: their stderr is read line by line, so that progress can be shown and
 * the line that says what went wrong ends up in our own error.
 */
#ifndef JIFFY_HOST_PROC_H
#define JIFFY_HOST_PROC_H

#include <stdbool.h>
#include <stddef.h>

#include "host/err.h"
#include "host/strv.h"

/* What to run. argv and env are NULL-terminated lists; env entries are added
 * to the caller's environment. The strings are borrowed during proc_run. */
struct proc {
	const struct strv *argv;
	const struct strv *env; /* or NULL */
	const char *cwd;	/* or NULL */
	char **output;		/* or NULL: where its stdout goes as text */
	size_t output_limit;	/* most bytes of output that are kept */
	bool hides_mounts; /* what it mounts, only it sees, and goes with it */

	/* Called for every line of stderr, and with NULL about five times a
	 * second while the program runs. May be NULL. */
	void (*on_line)(void *context, const char *line);
	void *context;
};

/* Run the program to its end with stdin from /dev/null. Returns its exit
 * status (0 to 255), 128 + the signal that ended it, or -errno when it could
 * not be started (-ENOENT: no such program) or the caller was interrupted
 * (-EINTR; the program was told to end, and has). On a status other than 0, e
 * holds the line of stderr that explains it best. */
int proc_run(const struct proc *p, struct err *e);

/* From now on SIGINT, SIGTERM and SIGHUP end proc_run with -EINTR instead of
 * killing this process, so that its caller can clean up. */
void proc_catch_signals(void);

/* The signal that arrived since proc_catch_signals, or 0. */
int proc_interrupted(void);

#endif
