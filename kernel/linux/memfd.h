/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of memfd, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_MEMFD_H
#define JIFFY_KERNEL_LINUX_MEMFD_H

#include <linux/memfd.h>

#endif
