/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process with one thread, for tests of the file layer, and system calls
 * made on its behalf.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_PROC_H
#define JIFFY_TESTS_UNIT_STUB_PROC_H

#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"

struct stub_proc {
	struct process process;
	struct thread thread;
	struct cred cred;
	u32 nunsupported; /* calls of syscall_unsupported() */
	u32 nsignals;	  /* sent to the thread; the last one is in `signal` */
	int signal;
	bool is_sleeping_ok; /* thread_sleep() returns 0, not -EINTR */
};
extern struct stub_proc stub_proc;

/* Root, all capabilities, 1,024 descriptors. After vfs_init(). */
void stub_proc_start(void);
void stub_proc_stop(void);
/* Become uid/gid without capabilities, or root again. */
void stub_proc_user(u32 id);

/* A system call. Strings and buffers must be static or from the heap. */
long stub_call(syscall_fn *fn, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
#define CALL_(fn, a, b, c, d, e, f, ...)                                      \
	stub_call(sys_##fn, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), \
		  (u64)(f))
#define CALL(fn, ...) CALL_(fn, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

#endif
