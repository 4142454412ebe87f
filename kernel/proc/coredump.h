/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core dumps: an ELF file with the memory and registers of a process that a
 * signal ends, as core(5) says. coredump.c stops the threads and makes the
 * file, core_elf.c writes it.
 */
#ifndef JIFFY_KERNEL_PROC_COREDUMP_H
#define JIFFY_KERNEL_PROC_COREDUMP_H

#include "kernel/cpu/frame.h"
#include "kernel/linux/signal.h"
#include "lib/list.h"

struct file;
struct process;

enum { /* bits of coredump_filter */
       CORE_ANON_PRIVATE = 1,
       CORE_ANON_SHARED = 2,
       CORE_MAPPED_PRIVATE = 4,
       CORE_MAPPED_SHARED = 8,
       CORE_ELF_HEADERS = 16,
       CORE_FILTER_DEFAULT = 0x33,
       CORE_FILTER_KNOWN = 0x1ff,
};

#define CORE_PATTERN_MAX 128
extern char core_pattern[CORE_PATTERN_MAX]; /* /proc/sys/kernel/core_pattern */
extern u32 core_uses_pid;

struct core_thread {
	struct list node; /* of core_dump.threads */
	s32 tid;
	u64 sig_pending, sig_blocked, fs_base;
	struct frame frame;
	u8 xstate[]; /* fpu_dump_size() bytes */
};

struct core_dump {
	struct list threads; /* the one that was hit first; sig_lock */
	const struct linux_siginfo *info;
};

/* Does the signal's default action dump core? */
bool signal_dumps_core(int sig);
/* The current thread, in the program at f, is about to end its process by
 * info's signal: write a core file if that is wanted and allowed. True: done.
 */
bool core_dump(struct frame *f, const struct linux_siginfo *info);
/* WORK_DUMP: another thread writes one. Hand it our registers and wait for the
 * end. */
void core_join(struct frame *f);

/* Where a core file goes: one of the two. */
struct core_sink {
	struct file *file;
	struct core_outside *outside;
};
/* core_elf.c: 0 or -errno. limit: bytes at most. */
int core_write(struct process *p, const struct core_dump *core,
	       const struct core_sink *sink, u64 limit);

/* core_outside.c: did the user ask for core files outside the instance? */
bool core_goes_outside(void);
/* Such a file for p, NULL: cannot be had. Bytes that are not written are zero;
 * closing sets the size. */
struct core_outside *core_outside_open(struct process *p);
int core_outside_write(struct core_outside *o, const void *data, u64 n,
		       u64 pos);
void core_outside_close(struct core_outside *o, u64 size);

#endif
