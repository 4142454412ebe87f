/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening files to run them.
 */
#ifndef JIFFY_KERNEL_PROC_EXEC_H
#define JIFFY_KERNEL_PROC_EXEC_H

#include "lib/compiler.h"

struct file;

/* Open name for exec: a regular file the caller may execute, on a mount that
 * allows it. lookup: LOOKUP_*. 0 or -errno as execve() gives it. */
int exec_open(int dirfd, const char *name, u32 lookup, struct file **f);

#endif
