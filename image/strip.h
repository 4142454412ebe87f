/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking out of a freshly installed Debian tree what an image does not need:
 * documentation, translations, caches, logs, traces of the build.
 */
#ifndef JIFFY_IMAGE_STRIP_H
#define JIFFY_IMAGE_STRIP_H

#include "host/err.h"

/* Clean the tree; root is an open directory. */
int strip_tree(int root, struct err *e);

#endif
