/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll's operations and flags (linux/eventpoll.h), with the packed event as
 * x86-64 has it.
 */
#ifndef JIFFY_KERNEL_LINUX_EPOLL_H
#define JIFFY_KERNEL_LINUX_EPOLL_H

#include "lib/compiler.h"

enum { EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3 };

#define EPOLLEXCLUSIVE (1U << 28)
#define EPOLLWAKEUP (1U << 29)
#define EPOLLONESHOT (1U << 30)
#define EPOLLET (1U << 31)

struct linux_epoll_event {
	u32 events;
	u64 data;
} PACKED;

#endif
