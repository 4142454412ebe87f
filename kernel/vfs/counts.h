/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many objects of the file layer are alive: for leak tests and --stats.
 */
#ifndef JIFFY_KERNEL_VFS_COUNTS_H
#define JIFFY_KERNEL_VFS_COUNTS_H

#include "lib/compiler.h"

/* Any pointer may be NULL. */
void vfs_counts(u64 *files, u64 *inodes, u64 *dentries);

#endif
