/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's error numbers, for code that kernel and hosts share.
 */
#ifndef JIFFY_LIB_ERRNO_H
#define JIFFY_LIB_ERRNO_H

#include <asm/errno.h>

#endif
