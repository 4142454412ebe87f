/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of NETLINK_SOCK_DIAG (UAPI).
 */
#ifndef JIFFY_KERNEL_LINUX_SOCKDIAG_H
#define JIFFY_KERNEL_LINUX_SOCKDIAG_H

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#endif
