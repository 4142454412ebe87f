/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's futex operations and flags, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_FUTEX_H
#define JIFFY_KERNEL_LINUX_FUTEX_H

#include <linux/futex.h>

#include "lib/compiler.h"

struct linux_futex_waitv {
	u64 val;
	u64 uaddr;
	u32 flags;
	u32 reserved;
};

#endif
