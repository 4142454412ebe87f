/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of directory entries that one archive has written, for whiteouts.
 * An entry is known by its directory's inode and its name, so that two ways to
 * the same directory agree.
 */
#ifndef JIFFY_IMAGE_SEEN_H
#define JIFFY_IMAGE_SEEN_H

#include <stdbool.h>

struct unpack_seen;

struct unpack_seen *seen_new(void);
void seen_free(struct unpack_seen *s);
void seen_clear(struct unpack_seen *s);

/* dir is an open directory. */
void seen_add(struct unpack_seen *s, int dir, const char *name);
bool seen_has(const struct unpack_seen *s, int dir, const char *name);

#endif
