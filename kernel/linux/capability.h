/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of capability, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_CAPABILITY_H
#define JIFFY_KERNEL_LINUX_CAPABILITY_H

#include <linux/capability.h>

#endif
