/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making the root filesystem file of an image from a directory tree.
 */
#ifndef JIFFY_IMAGE_EROFS_H
#define JIFFY_IMAGE_EROFS_H

#include <stdint.h>

#include "host/err.h"

/* Run mkfs.erofs: uncompressed, every file's data page-aligned (so that it can
 * be mapped in place), the same bytes for the same tree. Owners, modes,
 * extended attributes, hard links and devices are kept; modification times are
 * kept up to newest. When not root all files belong to root. */
int erofs_make(const char *tree, const char *file, int64_t newest,
	       struct err *e);

#endif
