/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error numbers (the UAPI's) and the kernel-internal restart codes, which never
 * reach a program.
 */
#ifndef JIFFY_KERNEL_LINUX_ERRNO_H
#define JIFFY_KERNEL_LINUX_ERRNO_H

#include "lib/errno.h"

enum {
	ERESTARTSYS = 512, /* restart if SA_RESTART or no handler, else EINTR */
	ERESTARTNOINTR = 513,	     /* always restart */
	ERESTARTNOHAND = 514,	     /* restart if no handler ran, else EINTR */
	ERESTART_RESTARTBLOCK = 516, /* thread.restart.fn, else EINTR */
};

#endif
