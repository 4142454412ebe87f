/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --trace: strace-like lines from the formats of table.h.
 */
#ifndef JIFFY_KERNEL_SYS_TRACE_H
#define JIFFY_KERNEL_SYS_TRACE_H

#include "lib/fmt.h"

struct frame;
struct syscall_row;

struct trace_call { /* on the caller's stack during the call */
	const struct syscall_row *row;
	u64 args[6];
	struct fmt_buf out;
	char line[512];
};

/* Before the body: note the arguments and print those that are inputs. */
void trace_enter(struct trace_call *c, const struct frame *f,
		 const struct syscall_row *row);
/* After it: print outputs and the result, and emit the line. */
void trace_leave(struct trace_call *c, long result);
/* A signal is delivered to the current thread. */
void trace_signal(int sig);

#endif
