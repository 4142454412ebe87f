/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files over pipes and sockets of the outside that one command's standard
 * input and output are (abi/broker.h). Unlike the instance's own stdio
 * (console.h) they do not block, and end before the instance does.
 */
#ifndef JIFFY_KERNEL_DEV_OUTPIPE_H
#define JIFFY_KERNEL_DEV_OUTPIPE_H

#include "lib/compiler.h"

struct file;
struct outpipe;

/* Take over hfd, also on failure. One reference, the caller's. NULL: no memory.
 */
struct outpipe *outpipe_new(int hfd);
/* A file over it; flags: O_RDONLY or O_WRONLY. 0, -ENOMEM, -ENFILE. */
int outpipe_open(struct outpipe *o, u32 flags, struct file **f);
/* Let go of what is outside: its other end learns that this one is closed,
 * files that are left of it are at their end (reads) or give EIO. Gives back
 * the caller's reference. */
void outpipe_end(struct outpipe *o);

#endif
