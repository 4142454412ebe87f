/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink messages and the attributes of NETLINK_ROUTE (UAPI).
 */
#ifndef JIFFY_KERNEL_LINUX_NETLINK_H
#define JIFFY_KERNEL_LINUX_NETLINK_H

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#endif
