/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network device (virtio-net, 5.1): packets of the TCP/IP stack to and from
 * its queues, without copying the large ones. All under net_lock.
 */
#ifndef JIFFY_KERNEL_PLAT_PC_VNET_H
#define JIFFY_KERNEL_PLAT_PC_VNET_H

#include "kernel/plat/pc/pc.h"

struct netif;
struct virtio;

/* Use the device: false: it refuses. on_irq is called when there is something
 * to take. */
bool vnet_begin(struct virtio *d, void (*on_irq)(struct virtio *d));
/* For netif_add(): an err_t. */
s8 vnet_netif(struct netif *n);
/* Packets that have arrived go to n->input; what was sent is freed. */
void vnet_take(struct netif *n);
/* From now on an interrupt tells of the next. True: it has come already. */
bool vnet_listen(void);
/* Tell the device what was sent since the last time. */
void vnet_flush(void);
/* The most that TCP may give as one segment: a multiple of mss that the device
 * cuts, or mss. */
u16 vnet_segment_max(u16 mss);

#endif
