/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for several files at once: the mechanism of poll, ppoll and select.
 */
#ifndef JIFFY_KERNEL_IPC_POLL_H
#define JIFFY_KERNEL_IPC_POLL_H

#include "kernel/vfs/file.h"

struct poll_item {
	int fd;		  /* < 0: skipped */
	u32 events;	  /* wanted; ERR and HUP always count */
	u32 revents;	  /* out; EV_NVAL for a bad descriptor */
	struct fdref ref; /* poll_items()'s own */
};

/* Wait until an item is ready or the deadline (monotonic; 0: do not wait): how
 * many have revents, 0 timed out, -EINTR interrupted, -ENOMEM. */
int poll_items(struct poll_item *items, u32 n, nsec_t deadline);

#endif
