/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel does to files of its instance for the outside, as root and
 * without a program in there: one request and one reply after the other on a
 * stream socket (BROKER_EXEC_FILES), each with `len` bytes behind it. Paths are
 * absolute and terminated. Both sides take each other's bytes as hostile.
 */
#ifndef JIFFY_ABI_FILES_H
#define JIFFY_ABI_FILES_H

#include <assert.h>
#include <stdint.h>

#define FILES_PATH_MAX 4096
#define FILES_BYTES_MAX 65536 /* behind a request or reply */

enum files_op {
	FILES_STAT = 1, /* path -> struct files_attr */
	FILES_READLINK, /* path -> the target, not terminated */
	FILES_LIST,	/* directory path from `at` on, 0 first -> entries:
			 * struct files_entry and name; at: where to go on; no
			 * bytes: that was all */
	FILES_OPEN,	/* regular file path, in place of the one that is open.
			 * With FILES_WRITES: made with `mode` if it is not
			 * there, and emptied */
	FILES_READ,	/* up to `mode` bytes at `at` -> bytes, none: the end */
	FILES_WRITE,	/* bytes at `at` */
	FILES_CLOSE,	/* the one that is open */
	FILES_MKDIR,	/* path with `mode` */
	FILES_SYMLINK,	/* path, target */
	FILES_LINK,	/* path, path of a file that it is to be */
	FILES_REMOVE,	/* path: a file or an empty directory */
	FILES_SET, /* struct files_attr, path: what FILES_HAS_* of `mode` say */
};

enum files_flags {
	FILES_FOLLOW = 1, /* a symbolic link at the end of the path */
	FILES_WRITES = 2,
	FILES_NEW = 4, /* and it must not be there */
};

enum files_has { FILES_HAS_MODE = 1, FILES_HAS_OWNER = 2, FILES_HAS_TIME = 4 };

struct files_request {
	uint32_t op; /* enum files_op */
	uint32_t len;
	uint32_t flags; /* enum files_flags */
	uint32_t mode;
	uint64_t at;
};
static_assert(sizeof(struct files_request) == 24, "ABI");

struct files_reply {
	int32_t error; /* 0 or a positive errno */
	uint32_t len;
	uint64_t at;
};
static_assert(sizeof(struct files_reply) == 16, "ABI");

struct files_attr {
	uint32_t mode; /* S_IF* and permissions */
	uint32_t uid, gid;
	uint32_t nlink;
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t rdev;
};
static_assert(sizeof(struct files_attr) == 40, "ABI");

struct files_entry {
	uint16_t len;  /* of the name that follows, without terminator */
	uint16_t type; /* S_IF* */
};
static_assert(sizeof(struct files_entry) == 4, "ABI");

#endif
