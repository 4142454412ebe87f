/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the start of a kernel needs to know of its descriptors: which of ours
 * goes to which number.
 */
#ifndef JIFFY_MONITOR_LAUNCH_H
#define JIFFY_MONITOR_LAUNCH_H

#include "host/err.h"

struct instance;

struct launch_fd {
	int from, to;
};

/* Shared with the child, a vfork. */
struct launch {
	struct instance *in;
	const char *stage; /* what failed */
	int error;
	int monitor;	       /* its process number */
	struct launch_fd *fds; /* that stay open, besides 0-2 */
	unsigned int nfds;
	char boot_fd[12]; /* the boot block's number, if it is not BOOT_FD */
};

/* resume.c: fill l for an instance that goes on from a checkpoint, with numbers
 * that are all free in the child until it places them. */
int resume_place(struct launch *l, struct err *e);
/* In the child, when all are placed: the epoll sets get their members. 0 or
 * -errno. */
int resume_fill_sets(const struct instance *in);

#endif
