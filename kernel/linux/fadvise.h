/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of fadvise, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_FADVISE_H
#define JIFFY_KERNEL_LINUX_FADVISE_H

#include <linux/fadvise.h>

#endif
