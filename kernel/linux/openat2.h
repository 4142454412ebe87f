/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of openat2, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_OPENAT2_H
#define JIFFY_KERNEL_LINUX_OPENAT2_H

#include <linux/openat2.h>

#endif
