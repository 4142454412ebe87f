/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's system call numbers of x86-64, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_UNISTD_H
#define JIFFY_KERNEL_LINUX_UNISTD_H

#include <asm/unistd.h>

#endif
