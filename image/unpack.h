/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking tar archives (plain or compressed) into a directory that becomes an
 * image's root. The archive is hostile: nothing is ever written outside the
 * directory, whatever its names and links say. Needs libarchive; jiffy-image
 * only.
 */
#ifndef JIFFY_IMAGE_UNPACK_H
#define JIFFY_IMAGE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "host/err.h"
#include "host/sha256.h"

/* A tree under construction: one or more archives, then unpack_finish. */
struct unpack {
	int root;      /* the directory */
	bool is_root;  /* owners and devices can be kept */
	time_t newest; /* newest modification time seen */
	uint64_t entries;
	uint64_t skipped;	 /* sockets, and devices when not root */
	struct unpack_dir *dirs; /* times to set at the end */
	size_t ndirs;
	struct unpack_seen *seen; /* what the current layer has written */
};

/* Start with an open, empty directory, which stays the caller's. */
void unpack_init(struct unpack *u, int root);
void unpack_fini(struct unpack *u);

/* Unpack the archive read from fd over what is there. With is_layer, OCI
 * whiteouts (.wh.NAME, .wh..wh..opq) delete what earlier layers left. When
 * digest is not NULL the bytes of fd must have this SHA-256, and size bytes.
 * Errors name the entry. */
int unpack_archive(struct unpack *u, int fd, bool is_layer, const char *digest,
		   uint64_t size, struct err *e);

/* Open the directory path of the tree root, as the image will see it, making it
 * and those above it if they are missing. A descriptor or -errno. */
int unpack_open_dir(int root, const char *path, struct err *e);

/* Set the times of directories, which unpacking into them has changed. */
void unpack_finish(struct unpack *u);

#endif
