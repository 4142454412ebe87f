/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminal structures, flags and ioctl numbers of Linux on x86-64.
 */
#ifndef JIFFY_KERNEL_LINUX_TERMIOS_H
#define JIFFY_KERNEL_LINUX_TERMIOS_H

#include <asm/ioctls.h>
#include <asm/termbits.h> /* struct termios, termios2 and the flags */

#include "lib/compiler.h"

struct linux_winsize {
	u16 rows, cols, xpixel, ypixel;
};

_Static_assert(sizeof(struct termios) == 36, "Linux ABI");
_Static_assert(sizeof(struct termios2) == 44, "Linux ABI");

#endif
