/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What uname() and /proc say this kernel is: the one place.
 */
#ifndef JIFFY_KERNEL_VERSION_H
#define JIFFY_KERNEL_VERSION_H

#define KERNEL_SYSNAME "Linux"
#define KERNEL_RELEASE "6.1.0-jiffy"
#define KERNEL_VERSION "#1 SMP PREEMPT_DYNAMIC Jiffy 0.1"
#define KERNEL_MACHINE "x86_64"

#endif
