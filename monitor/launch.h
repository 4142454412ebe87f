/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the start of a kernel needs to know of its descriptors: which of ours
 * goes to which number.
 */
#ifndef JIFFY_MONITOR_LAUNCH_H
#define JIFFY_MONITOR_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/err.h"

/* Of an instance, processes and threads. */
#define INSTANCE_PROCESSES_MAX 4096

struct instance;

struct launch_fd {
	int from, to;
};

/* Shared with the child, a vfork. */
struct launch {
	struct instance *in;
	int exe_fd;	   /* what is executed */
	char *const *argv; /* NULL: as the kernel of platform `process` wants */
	gid_t group;	   /* the one it keeps, or (gid_t)-1: none */
	const char *stage; /* what failed */
	int error;
	int monitor;	       /* its process number */
	struct launch_fd *fds; /* that stay open, besides 0-2 */
	unsigned int nfds;
	bool is_in_group; /* of version 2: it was made there */
	char boot_fd[12]; /* the boot block's number, if it is not BOOT_FD */
};

/* Start what l says, confined, as the first process of the instance. */
int launch_start(struct launch *l, struct err *e);

/* Whoever it is has its own: close ours, but a terminal. */
void launch_drop_stdio(const struct instance *in);

/* resume.c: fill l for an instance that goes on from a checkpoint, with numbers
 * that are all free in the child until it places them. */
int resume_place(struct launch *l, struct err *e);
/* In the child, when all are placed: the epoll sets get their members. 0 or
 * -errno. */
int resume_fill_sets(const struct instance *in);

#endif
