/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that the user puts into an image beside what its source brings.
 */
#ifndef JIFFY_IMAGE_COPY_H
#define JIFFY_IMAGE_COPY_H

#include "host/err.h"
#include "host/sha256.h"
#include "host/strv.h"
#include "image/build.h"

/* Each item of copies is DIR:PATH: what DIR holds goes to the absolute PATH. */

/* Hash where the copies go and what they are. 0 or -errno. */
int copy_key(const struct strv *copies, struct sha256 *h, struct err *e);

/* Put them into the tree of b, over what is there; files belong to root, and
 * symbolic links of the tree never lead out of it. A tree that is not the
 * build's own is copied first. */
int copy_into(struct build *b, const struct strv *copies, struct err *e);

#endif
