/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of files into and out of an instance, for `jiffy cp`.
 */
#ifndef JIFFY_CLI_COPY_H
#define JIFFY_CLI_COPY_H

#include <archive.h>
#include <stdbool.h>

#include "engine/guest_files.h"

/* Write what is at path in the instance to an archive or, is_disk, to the
 * current directory, as `name`, which is relative. What the instance says of
 * its files cannot lead out of there: links are not followed, set-id bits
 * are dropped unless keeps_owner. Devices and sockets are left out. */
struct copy_out {
	struct guest_files *g;
	bool is_disk, keeps_owner;
	struct archive *a;
};
/* To descriptor fd as a tar, or to the disk with -1. */
int copy_out_begin(struct copy_out *o, int fd, struct err *e);
int copy_out_tree(struct copy_out *o, const char *path, const char *name,
		  struct err *e);
int copy_out_end(struct copy_out *o, struct err *e);

/* Into the instance; owned by its root unless keeps_owner. */
struct copy_in {
	struct guest_files *g;
	bool keeps_owner;
	struct copy_late *late; /* directories' attributes: set at the end */
	size_t nlate;
};
/* The file or directory name in dirfd becomes path; a directory that is there
 * is filled. */
int copy_in_tree(struct copy_in *c, int dirfd, const char *name,
		 const char *path, struct err *e);
/* The entries of a tar on descriptor fd go below directory path. */
int copy_in_tar(struct copy_in *c, int fd, const char *path, struct err *e);
int copy_in_end(struct copy_in *c, struct err *e);

#endif
