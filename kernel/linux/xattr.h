/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's constants of xattr, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_XATTR_H
#define JIFFY_KERNEL_LINUX_XATTR_H

#include <linux/xattr.h>

#endif
