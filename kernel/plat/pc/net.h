/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network: one virtio-net device and the TCP/IP stack behind one lock.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_NET_H
#define JIFFY_KERNEL_PLAT_PC_NET_H

#include "kernel/plat/pc/pc.h"

/* Held around every call of the stack, and its callbacks. Sleeps. */
extern struct mutex net_lock;
void net_enter(void);
/* The device is told of what was sent. */
void net_leave(void);
/* The stack, its thread and, by virtio_net_begin(), its device. */
void net_begin(void);
/* Whoever called the stack may have set a timer: the thread is to look. */
void net_look(void);
bool net_is_up(void);

/* netaddr.c: the device has its addresses, or asks for them. */
struct netif;
void address_begin(struct netif *n);

/* socket.c: for the broker. All give an hfd or -errno; addresses are Linux
 * sockaddrs. */
int socket_listen(const void *addr, u32 len, u32 backlog);
int socket_connect(const void *addr, u32 len, void *local, u32 *local_len);
int socket_udp(const void *addr, u32 len, bool is_connected, u16 port);
int socket_udp_send(u16 port, const void *addr, u32 len, const void *data,
		    u32 n);

#endif
