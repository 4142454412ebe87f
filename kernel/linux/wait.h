/* SPDX-License-Identifier: Apache-2.0 */
/* Options of wait4() and waitid(). */
#ifndef JIFFY_KERNEL_LINUX_WAIT_H
#define JIFFY_KERNEL_LINUX_WAIT_H

#include <linux/wait.h>

#endif
