/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl numbers of sockets, pipes and terminals (asm-generic/ioctls.h).
 */
#ifndef JIFFY_KERNEL_LINUX_IOCTL_H
#define JIFFY_KERNEL_LINUX_IOCTL_H

#include <asm/ioctls.h>

#endif
