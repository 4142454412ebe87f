/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux's open(2), fcntl(2) and *at() flags, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_FCNTL_H
#define JIFFY_KERNEL_LINUX_FCNTL_H

#include <linux/fcntl.h>

/* <linux/fs.h> has these among much else. */
#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif
#ifndef SEEK_DATA
#define SEEK_DATA 3
#define SEEK_HOLE 4
#endif

#endif
