/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system-call table as data, for dispatch, tracing and reports.
 */
#ifndef JIFFY_KERNEL_SYS_DISPATCH_H
#define JIFFY_KERNEL_SYS_DISPATCH_H

#include "lib/compiler.h"

#define SYSCALL_MAX 512

struct syscall_row {
	const char *name;   /* NULL: Linux has no such number */
	const char *format; /* arguments, as table.h describes */
	int err;	    /* not 0: refused with this errno */
};
extern const struct syscall_row syscall_rows[SYSCALL_MAX];

struct frame;
/* Do all pending work of the current thread (signals, stop, exit, remote
 * operations), including restarting or finishing an interrupted call. In
 * kernel/proc. */
void thread_work_run(struct frame *f);

#endif
