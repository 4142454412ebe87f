/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unit tests' one process with one thread: what tests may set.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_PROCESS_H
#define JIFFY_TESTS_UNIT_STUB_PROCESS_H

#include "kernel/proc/process.h"

struct stub_process {
	struct process process;
	struct thread thread;
	struct cred cred;
	u64 limits[RLIM_NLIMITS]; /* all unlimited at first */
	bool is_capable;	  /* true at first */
	int (*on_sleep)(void);	  /* what happens while the thread sleeps, and
				   * what thread_sleep() returns */
};
extern struct stub_process stub_process;

/* Make it current; after heap_init(). */
void stub_process_start(void);

#endif
