/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of prctl(2) and arch_prctl(2), from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_PRCTL_H
#define JIFFY_KERNEL_LINUX_PRCTL_H

#include <asm/prctl.h>
#include <linux/prctl.h>

#endif
