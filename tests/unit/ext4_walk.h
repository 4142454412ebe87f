/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Use everything of a mounted filesystem that may be broken: what comes out
 * does not matter, only that nothing crashes, hangs or reads out of bounds.
 */
#ifndef JIFFY_TESTS_UNIT_EXT4_WALK_H
#define JIFFY_TESTS_UNIT_EXT4_WALK_H

#include "tests/unit/stub_ext4.h"

/* Mount the disk, look at up to `max` files, change some unless the mount is
 * read-only, unmount. False: it was refused. */
bool ext4_walk(struct block_device *d, const char *options, unsigned int max);

#endif
