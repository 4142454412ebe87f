/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the protocols of AF_NETLINK share.
 */
#ifndef JIFFY_KERNEL_NET_NETLINK_H
#define JIFFY_KERNEL_NET_NETLINK_H

#include "kernel/linux/netlink.h"
#include "kernel/net/sock.h"

/* Put messages into a socket's queue, kernel memory. */
int netlink_queue(struct sock *sk, void *data, u32 len);
/* NETLINK_SOCK_DIAG: answer the request, whose length is checked; `port` is the
 * asker's. 0, or -errno for an error message. */
int sockdiag_answer(struct sock *sk, u32 port, const struct nlmsghdr *h);

#endif
