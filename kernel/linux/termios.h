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

struct linux_termio { /* of System V: TCGETA, TCSETA */
	u16 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line, c_cc[8];
};

_Static_assert(sizeof(struct linux_termio) == 18, "Linux ABI");
_Static_assert(sizeof(struct termios) == 36, "Linux ABI");
_Static_assert(sizeof(struct termios2) == 44, "Linux ABI");

#endif
