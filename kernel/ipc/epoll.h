/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll sets.
 */
#ifndef JIFFY_KERNEL_IPC_EPOLL_H
#define JIFFY_KERNEL_IPC_EPOLL_H

#include "kernel/linux/epoll.h"
#include "lib/compiler.h"

struct file;

int epoll_new(struct file **f);
/* epoll_ctl(2): target is the file that descriptor fd names now. */
int epoll_control(struct file *set, int op, int fd, struct file *target,
		  const struct linux_epoll_event *ev);

struct epoll_output { /* of one call: n of at most max events, kernel memory */
	struct linux_epoll_event *events;
	int max, n;
	u64 call; /* its number, by epoll_collect() */
};

/* epoll_wait(2): fills o, of which n is 0; how many, 0 timed out, -EINTR.
 * deadline as in poll_items(). */
int epoll_collect(struct file *set, struct epoll_output *o, nsec_t deadline);
/* The same call again, with more room: what else is ready now. */
void epoll_collect_more(struct file *set, struct epoll_output *o);
bool file_is_epoll(const struct file *f);

#endif
