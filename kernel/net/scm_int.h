/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by scm.c and scm_gc.c: the count of what is in flight.
 */
#ifndef JIFFY_KERNEL_NET_SCM_INT_H
#define JIFFY_KERNEL_NET_SCM_INT_H

#include "kernel/net/scm.h"
#include "kernel/proc/lock.h"

struct scm_state {
	struct mutex lock; /* everything but the dead; sock.inflight* */
	u64 nfiles;	   /* in flight */
	u32 nsocks;	   /* distinct AF_UNIX sockets in flight */
	struct list socks; /* sock.inflight_node */
	struct list work;  /* of a collection: the same, to be looked at */
	u64 gc_at;	   /* nfiles at which senders collect */

	struct mutex dead_lock;
	struct list dead; /* struct scm_files.node, waiting for scm_bury() */
	bool is_burying;
	bool gc_wanted; /* by somebody who met is_burying */
};
extern struct scm_state scm_state;

/* scm_gc.c, lock held: one more or one less flight of f. */
void scm_count(struct file *f, bool begins);
/* Move the files of all garbage to dead. */
void scm_collect(struct list *dead);

#endif
