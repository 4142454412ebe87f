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
/* epoll_wait(2): up to max events into out (kernel memory); how many, 0 timed
 * out, -EINTR. deadline as in poll_items(). */
int epoll_collect(struct file *set, struct linux_epoll_event *out, int max,
		  nsec_t deadline);
bool file_is_epoll(const struct file *f);

#endif
