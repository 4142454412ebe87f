/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network interfaces a program sees: lo and jiffy0. They exist in name
 * only; nothing is sent through them.
 */
#ifndef JIFFY_KERNEL_NET_NETDEV_H
#define JIFFY_KERNEL_NET_NETDEV_H

#include "lib/compiler.h"

struct fmt_buf;

struct netdev {
	const char *name;
	u32 index; /* from 1 */
	u32 flags; /* IFF_* */
	u32 mtu;
	u16 type; /* ARPHRD_* */
	u8 mac[6];
	u8 prefix_len; /* of the IPv4 address */
	bool has_v6_loopback;
};

enum { NETDEV_COUNT = 2, JIFFY_IFINDEX = 2 /* to the outside */ };
/* By position 0..NETDEV_COUNT-1. */
const struct netdev *netdev_at(u32 i);
/* By name: the index, 0: none. */
u32 netdev_index_of(const char *name);
u32 netdev_ip(const struct netdev *d);	     /* IPv4, network order */
void netdev_show(struct fmt_buf *out);	     /* /proc/net/dev */
void netdev_show_v6(struct fmt_buf *out);    /* /proc/net/if_inet6 */
void netdev_show_route(struct fmt_buf *out); /* /proc/net/route */

#endif
