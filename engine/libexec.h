/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding Jiffy's other programs: in $JIFFY_LIBEXEC, beside this program, or in
 * ../libexec/jiffy from it.
 */
#ifndef JIFFY_ENGINE_LIBEXEC_H
#define JIFFY_ENGINE_LIBEXEC_H

#include "host/err.h"

/* Replace this process by the program. argv[0] is set to its name. Returns only
 * on failure, -errno. */
int libexec_exec(const char *program, char **argv, struct err *e);

/* The program's path, which the caller frees. */
int libexec_find(const char *program, char **path, struct err *e);

#endif
