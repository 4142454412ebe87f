/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time stamps of network data (UAPI): SOF_TIMESTAMPING_* of SO_TIMESTAMPING.
 */
#ifndef JIFFY_KERNEL_LINUX_NETSTAMP_H
#define JIFFY_KERNEL_LINUX_NETSTAMP_H

#include <linux/net_tstamp.h>

#endif
