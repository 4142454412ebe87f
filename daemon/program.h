/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running Jiffy's own programs from a thread of the pool.
 */
#ifndef JIFFY_DAEMON_PROGRAM_H
#define JIFFY_DAEMON_PROGRAM_H

#include "host/err.h"
#include "host/strv.h"

/* A start, a removal: nothing that copies much. */
#define PROGRAM_SECONDS 120
/* A disk is made, checked, copied. */
#define PROGRAM_DISK_SECONDS 3600

/* Run `jiffy` with these arguments to its end, of which it has so many seconds:
 * then it is killed, -ETIMEDOUT. What it wrote to stdout is in *output, unless
 * that is NULL; the caller frees it. -EREMOTEIO with its own words, or -errno
 * if it cannot be run. */
int program_jiffy(const struct strv *args, int seconds, char **output,
		  struct err *e);

#endif
