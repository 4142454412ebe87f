/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of disks that stay sparse.
 */
#ifndef JIFFY_CLI_VOLUME_COPY_H
#define JIFFY_CLI_VOLUME_COPY_H

#include "host/err.h"

/* Make `to`, an empty regular file, share all blocks of `from`: one moment's
 * contents. -EOPNOTSUPP if the host's file system cannot. */
int volume_clone(int from, int to);

/* Copy all of `from` to `to`. Holes, and blocks of zeroes read from a pipe or a
 * device, become holes if `to` is a regular file (empty before), zeroes else.
 */
int volume_copy(int from, int to, struct err *e);

#endif
