/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of random, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_RANDOM_H
#define JIFFY_KERNEL_LINUX_RANDOM_H

#include <linux/random.h>

#endif
