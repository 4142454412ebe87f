/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to pipe.c and splice.c: the ring of a pipe. A splice that moves data
 * between a pipe and a file that may block does so without the lock: it claims
 * the end it works at, and who wants that end meanwhile waits.
 */
#ifndef JIFFY_KERNEL_IPC_PIPE_INT_H
#define JIFFY_KERNEL_IPC_PIPE_INT_H

#include "kernel/proc/lock.h"
#include "kernel/proc/waitq.h"

struct file;
struct uio;

struct pipe {
	struct mutex lock; /* all below, except the queues */
	u64 head, tail; /* bytes ever written, read; head - tail are inside */
	u32 npages;	/* capacity, a power of two */
	u32 nreaders, nwriters;
	u32 nopens;			/* files: the pipe dies with the last */
	u32 reader_opens, writer_opens; /* FIFO: ever opened, for open() */
	bool read_claimed, write_claimed; /* by a splice, which sleeps */
	u8 **pages; /* npages slots; NULL: not allocated */
	u8 *spare;  /* the last page freed */
	struct waitq read_wait, write_wait, open_wait;
};

/* The pipe behind f, or NULL. */
struct pipe *pipe_of(const struct file *f);

/* The rest with the lock held. */
static inline u64 pipe_used(const struct pipe *p)
{
	return p->head - p->tail;
}
/* A page that is still being read is not written again, as on Linux. */
static inline u64 pipe_room(const struct pipe *p)
{
	return ROUND_DOWN(p->tail, PAGE_SIZE) + (u64)p->npages * PAGE_SIZE -
	       p->head;
}
static inline bool pipe_can_read(const struct pipe *p)
{
	return pipe_used(p) && !p->read_claimed;
}
static inline bool pipe_can_write(const struct pipe *p)
{
	return pipe_room(p) && !p->write_claimed;
}
/* The page that byte number `at` of the stream, which is inside, lies in. */
u8 *pipe_page(struct pipe *p, u64 at);
/* Take n bytes out, which are inside. */
void pipe_skip(struct pipe *p, u64 n);
/* Move bytes in from u, as many as there is room for; -EFAULT or -ENOMEM if
 * none. */
s64 pipe_fill(struct pipe *p, struct uio *u);
/* Wait until there is something to read (0: the end), or room. 1; 0; -EAGAIN;
 * -ERESTARTSYS; -EPIPE, with its signal sent. The lock is held on return. */
int pipe_wait_data(struct pipe *p, bool nonblock);
int pipe_wait_room(struct pipe *p, bool nonblock);
void pipe_wake_readers(struct pipe *p);
void pipe_wake_writers(struct pipe *p);

#endif
