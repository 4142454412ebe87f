/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fingerprint of a directory tree: every name and everything the kernel says
 * about the file, so that any change since is noticed without reading data.
 */
#ifndef JIFFY_IMAGE_WALK_H
#define JIFFY_IMAGE_WALK_H

#include <time.h>

#include "host/err.h"
#include "host/sha256.h"

struct walk {
	struct sha256 *hash;	 /* or NULL */
	struct timespec changed; /* newest ctime */
	time_t modified; /* newest mtime, not counting later than limit */
	time_t limit;	 /* 0: none */
	size_t files;
};

/* Visit path and all below it in a fixed order, never through symbolic links.
 * For a path that is a file, only that. */
int walk_tree(const char *path, struct walk *w, struct err *e);

/* Hash path into h so that a change made right afterwards would give another
 * hash: waits until the clock that stamps files has moved on. */
int walk_fingerprint(const char *path, struct sha256 *h, struct err *e);

#endif
