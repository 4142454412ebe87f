/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice(2) and family: moving bytes between pipes and other files inside the
 * kernel. Bytes are copied, pages are not passed on.
 */
#ifndef JIFFY_KERNEL_IPC_SPLICE_H
#define JIFFY_KERNEL_IPC_SPLICE_H

#include "lib/compiler.h"

struct file;
struct uio;

enum { /* SPLICE_F_*; MOVE, MORE and GIFT are hints */
       SPLICE_NONBLOCK = 2,
       SPLICE_KNOWN = 15,
};

/* Up to len bytes; at least one of the files is a pipe. The positions are of
 * the file that is none. Bytes moved, 0 at the end of input, -errno. */
s64 splice_files(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
		 u64 len, u32 flags);
/* The same bytes again into a second pipe. */
s64 splice_tee(struct file *in, struct file *out, u64 len, u32 flags);
/* vmsplice(): from the program's buffers into a pipe open for writing, or to
 * them. -EBADF: no pipe. */
s64 splice_user(struct file *f, struct uio *u, u32 flags);
/* A pipe, inside or (standard input and output) outside. */
bool file_is_pipe(const struct file *f);

/* Can its bytes be taken or given inside the kernel? Not eventfds and such. */
bool file_can_splice(const struct file *f);

#endif
