/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness: how poll, select and epoll learn of it. A file's poll() operation
 * returns the events that hold now and, given a table, names every source that
 * may change them: wait queues inside the kernel and outside descriptors.
 */
#ifndef JIFFY_KERNEL_VFS_POLL_H
#define JIFFY_KERNEL_VFS_POLL_H

#include "lib/compiler.h"

struct file;
struct fmt_buf;
struct waitq;

/* Linux's poll and epoll bits. */
enum {
	EV_IN = 0x001,
	EV_PRI = 0x002,
	EV_OUT = 0x004,
	EV_ERR = 0x008,
	EV_HUP = 0x010,
	EV_NVAL = 0x020,
	EV_RDNORM = 0x040,
	EV_RDBAND = 0x080,
	EV_WRNORM = 0x100,
	EV_WRBAND = 0x200,
	EV_MSG = 0x400,
	EV_RDHUP = 0x2000,
};

struct poll_table {
	/* Register with a queue inside the kernel. NULL: nobody will wait. */
	void (*add_queue)(struct poll_table *pt, struct waitq *q);
	/* Register an outside descriptor; its readiness counts as the file's
	 * for the bits in `events`, so poll() must not ask the platform itself
	 * when pt is given. */
	void (*add_hfd)(struct poll_table *pt, int hfd, u32 events);
	u32 wanted; /* events the caller asked for */
};

static inline void poll_wait(struct poll_table *pt, struct waitq *q)
{
	if (pt && pt->add_queue)
		pt->add_queue(pt, q);
}
static inline void poll_hfd(struct poll_table *pt, int hfd, u32 events)
{
	if (pt)
		pt->add_hfd(pt, hfd, events);
}

/* file_poll(), the events of a file now, is in file.h. */

/* Ready now, outside descriptors included (asks the platform, no waiting). */
u32 file_poll_now(struct file *f, u32 wanted);

#endif
