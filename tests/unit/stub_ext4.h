/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file layer on ext4 for tests: on memory of the C library, with a pager
 * that writes through at once, so that the sanitizers see every object and what
 * a test wrote is on the device when the call returns.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_EXT4_H
#define JIFFY_TESTS_UNIT_STUB_EXT4_H

#include "kernel/vfs/inode.h"
#include "tests/unit/stub_block.h"

/* Mount d on /mnt (made if need be). 0 or -errno. */
int stub_ext4_mount(struct block_device *d, const char *options);
/* Unmount and flush. */
int stub_ext4_unmount(void);
struct fs *stub_ext4_fs(void);

#endif
