/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that stand for a process: readable once it has ended.
 */
#ifndef JIFFY_KERNEL_PROC_PIDFD_H
#define JIFFY_KERNEL_PROC_PIDFD_H

#include "lib/compiler.h"

struct file;
struct process;

/* A new file for p (a reference is taken). 0, -ENOMEM, -ENFILE. */
int pidfd_new(struct process *p, u32 flags, struct file **f);
/* The process of a pidfd, with a reference; NULL: f is something else. */
struct process *pidfd_process(struct file *f);

#endif
