/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files inside a running instance, as its root sees them and without a program
 * in there. Calls block. What comes back is the instance's word: names are
 * checked to be names, nothing else is true for sure.
 */
#ifndef JIFFY_ENGINE_GUEST_FILES_H
#define JIFFY_ENGINE_GUEST_FILES_H

#include <stdbool.h>

#include "abi/files.h"
#include "engine/instance.h"

struct guest_files {
	int fd;		      /* the server in the kernel */
	int control;	      /* the monitor: closing it ends the server */
	char name[NAME_SIZE]; /* of the instance, for messages */
	int64_t answer_ms;    /* for one answer; 0: no limit */
	int64_t end_ms;	      /* of all, CLOCK_MONOTONIC; 0: none */
	int64_t until_ms;     /* of the call that is made */
};

#define GUEST_FILES_INIT                \
	{                               \
		.fd = -1, .control = -1 \
	}

/* 0, -EAGAIN: it is just being suspended, -errno. */
int guest_files_open(const struct instance *in, struct guest_files *g,
		     struct err *e);
void guest_files_close(struct guest_files *g);
/* From now on an answer may take so long, and all together (0: no limit):
 * -ETIMEDOUT, after which it can only be closed. */
void guest_files_limit(struct guest_files *g, int answer_s, int total_s);

/* All: 0 or -errno, with e filled; the code is Linux's. */
int guest_stat(struct guest_files *g, const char *path, bool follows,
	       struct files_attr *a, struct err *e);
/* target has FILES_PATH_MAX bytes. */
int guest_readlink(struct guest_files *g, const char *path, char *target,
		   struct err *e);
/* Call fn for each entry but "." and "..", until it returns other than 0. It
 * may use g. */
typedef int guest_entry_fn(void *arg, const char *name, uint32_t type,
			   struct err *e);
int guest_list(struct guest_files *g, const char *path, guest_entry_fn *fn,
	       void *arg, struct err *e);
/* Append {name, type, mode, size, uid, gid, mtime} of each to rows: -E2BIG if
 * there are more than max. type: "file", "directory", "link", "other". */
int guest_list_json(struct guest_files *g, const char *path, size_t max,
		    json_t *rows, struct err *e);
/* flags: enum files_flags. One file at a time. */
int guest_open(struct guest_files *g, const char *path, uint32_t flags,
	       uint32_t mode, struct err *e);
/* At most FILES_BYTES_MAX: how many, 0 at the end. */
ssize_t guest_read(struct guest_files *g, uint64_t at, void *buf, size_t len,
		   struct err *e);
int guest_write(struct guest_files *g, uint64_t at, const void *buf, size_t len,
		struct err *e);
int guest_mkdir(struct guest_files *g, const char *path, uint32_t mode,
		struct err *e);
int guest_symlink(struct guest_files *g, const char *path, const char *target,
		  struct err *e);
int guest_link(struct guest_files *g, const char *path, const char *target,
	       struct err *e);
int guest_remove(struct guest_files *g, const char *path, struct err *e);
/* has: FILES_HAS_*. A symbolic link is not followed. */
int guest_set(struct guest_files *g, const char *path,
	      const struct files_attr *a, uint32_t has, struct err *e);

#endif
