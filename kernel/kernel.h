/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all of the kernel uses: the log, panics, assertions, and the boot
 * options of this instance.
 */
#ifndef JIFFY_KERNEL_KERNEL_H
#define JIFFY_KERNEL_KERNEL_H

#include "kernel/linux/errno.h"
#include "lib/atomic.h"
#include "lib/ckd.h"
#include "lib/compiler.h"
#include "lib/fmt.h"
#include "lib/list.h"
#include "lib/string.h"

/* A line for the operator; no newline. Not for events a program can cause at
 * will. */
void klog(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Keep what this thread logs from now on in buf instead, lines ended by '\n',
 * until buf is NULL: whoever asked for something may say why it failed. One
 * thread at a time; at boot. */
void klog_hold(char *buf, size_t size);
/* An invariant of the kernel is broken: say which, with the values, and end
 * the instance. */
NORETURN void kpanic(const char *fmt, ...) PRINTF_LIKE(1, 2);

#define kassert(cond)                                                    \
	do {                                                             \
		if (unlikely(!(cond)))                                   \
			kpanic("assertion %s at %s:%d", #cond, __FILE__, \
			       __LINE__);                                \
	} while (0)

struct boot_block;
struct kernel {
	const struct boot_block *boot; /* validated copy in kernel memory */
	bool trace;		       /* --trace: slow path on every call */
	bool count;		       /* --stats: per-call counters */
	u32 ncpus;		       /* of the instance */
	u64 memory_limit;	       /* bytes; 0: none */
	nsec_t boot_time;	       /* monotonic */
	nsec_t boot_realtime;
	char hostname[65];
	char domainname[65];
	int clone_signal; /* for the first process of a clone */
	char boot_id[37];
	u64 generation; /* dev/generation.h */
};
extern struct kernel kernel;

#endif
