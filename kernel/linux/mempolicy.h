/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's MPOL_* constants, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_MEMPOLICY_H
#define JIFFY_KERNEL_LINUX_MEMPOLICY_H

#include <linux/mempolicy.h>

#endif
