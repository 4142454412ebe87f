/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of membarrier(2), from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_MEMBARRIER_H
#define JIFFY_KERNEL_LINUX_MEMBARRIER_H

#include <linux/membarrier.h>

#endif
