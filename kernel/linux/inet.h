/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the Internet protocols (UAPI).
 */
#ifndef JIFFY_KERNEL_LINUX_INET_H
#define JIFFY_KERNEL_LINUX_INET_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "kernel/linux/socket.h"

/* Checksum coverage; the UAPI leaves them to libcs. */
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11

#endif
