/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs.
 */
#ifndef JIFFY_KERNEL_IPC_PIPE_H
#define JIFFY_KERNEL_IPC_PIPE_H

#include "lib/compiler.h"

struct file;

#define PIPE_BUF_SIZE 4096 /* writes up to this are atomic: PIPE_BUF */
#define PIPE_DEFAULT_PAGES 16
#define PIPE_MAX_PAGES 256 /* 1 MiB: fs.pipe-max-size */

/* Two files, the read end first; flags: O_NONBLOCK, O_CLOEXEC is the caller's
 * business. 0, -ENOMEM, -ENFILE. */
int pipe_new(u32 flags, struct file *ends[2]);

#endif
