/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of mman, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_MMAN_H
#define JIFFY_KERNEL_LINUX_MMAN_H

#include <linux/mman.h>

#endif
