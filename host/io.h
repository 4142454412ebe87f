/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories for host programs: whole reads and writes, writes that
 * are there entirely or not at all, and directory trees by descriptor so that a
 * renamed parent cannot redirect them. All return 0 or -errno and fill e.
 */
#ifndef JIFFY_HOST_IO_H
#define JIFFY_HOST_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "host/err.h"

/* Read until len bytes or the end of file; returns the count or -errno. */
ssize_t io_read_full(int fd, void *buf, size_t len);

/* Write all of it; 0 or -errno. */
int io_write_full(int fd, const void *buf, size_t len);

/* The whole file as a NUL-terminated string in *text, which the caller frees;
 * *len, when not NULL, is its length. Files past limit bytes are -EFBIG. */
int io_read_file(int dirfd, const char *path, size_t limit, char **text,
		 size_t *len, struct err *e);

/* Replace path by these bytes: a temporary file beside it, fsync, rename, and
 * fsync of the directory. Readers see the old or the new content. */
int io_write_atomic(int dirfd, const char *path, const void *buf, size_t len,
		    mode_t mode, struct err *e);

/* Copy from in to out until the end of file. */
int io_copy_fd(int in, int out, struct err *e);

/* mkdir -p: existing directories are fine. */
int io_mkdirs(const char *path, mode_t mode, struct err *e);

/* rm -rf of name in dirfd. Never follows symbolic links, never leaves the
 * filesystem that name is on (a mount left behind is an error, not a loss).
 * An absent name is success. */
int io_remove_tree(int dirfd, const char *name, struct err *e);

/* fsync the directory, so that renames in it survive a power cut. */
int io_sync_dir(int dirfd, const char *path, struct err *e);

/* Make a new directory "<prefix>XXXXXX" in dirfd with a random name, which the
 * caller frees. */
int io_make_temp_dir(int dirfd, const char *prefix, char **name, struct err *e);

#endif
