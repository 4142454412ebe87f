/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of falloc, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_FALLOC_H
#define JIFFY_KERNEL_LINUX_FALLOC_H

#include <linux/falloc.h>

#endif
