/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of the store: volumes/NAME/{disk,volume.json}, an ext4 file system in
 * a sparse file and a few words about it. Each appears and goes by rename, so
 * half a volume is never seen. Whoever reads or writes a disk locks it: the
 * lock belongs to the open file description, which an instance keeps for its
 * life.
 */
#ifndef JIFFY_ENGINE_VOLUME_STORE_H
#define JIFFY_ENGINE_VOLUME_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/names.h"
#include "host/err.h"
#include "host/json.h"
#include "host/strv.h"
#include "image/store.h"

/* A volume being made: a directory beside the others, under a name that no
 * volume can have. */
struct volume_draft {
	const struct store *s;
	char *dir;  /* below the store */
	char *disk; /* absolute path of its file */
	int fd;	    /* the file, empty, open for writing and locked */
};

#define VOLUME_DRAFT_INIT                                      \
	{                                                      \
		.s = NULL, .dir = NULL, .disk = NULL, .fd = -1 \
	}

/* Check the name, that it is free, and begin. */
int volume_draft_new(const struct store *s, const char *name,
		     struct volume_draft *d, struct err *e);
/* Sync it and give it its name; `from` says where it came from. */
int volume_draft_publish(struct volume_draft *d, const char *name,
			 const char *from, struct err *e);
/* Remove what was not published. */
void volume_draft_free(struct volume_draft *d);
#define cleanup_volume_draft __attribute__((cleanup(volume_draft_free)))

/* Open and lock a volume's disk: flags O_RDONLY locks out writers, O_RDWR
 * everybody. The descriptor, or -errno: -ENOENT, -EBUSY. */
int volume_open(const struct store *s, const char *name, int flags,
		struct err *e);
/* Open without a lock, for looking. */
int volume_look(const struct store *s, const char *name, struct err *e);
/* Take a volume, open and locked for writing, away. */
int volume_remove(const struct store *s, const char *name, struct err *e);

/* Absolute path of the disk; the caller frees. */
char *volume_disk(const struct store *s, const char *name);
/* Sorted names of all volumes. */
int volume_names(const struct store *s, struct strv *names, struct err *e);

enum volume_use { VOLUME_FREE, VOLUME_READ, VOLUME_WRITTEN };
/* Who has the file locked, from the kernel's list of locks: a look, no more. */
enum volume_use volume_use(int fd);

/* What an ext4 superblock says. */
struct volume_fs {
	uint64_t size; /* of the file system, bytes */
	uint64_t nfree;
	uint32_t block_size;
	uint32_t ninodes, nfree_inodes;
	char label[17];
	char uuid[37];
	bool needs_recovery; /* was not unmounted: the journal will be replayed
			      */
	bool has_errors;
};
/* Read it from a file: -EINVAL with what is wrong (no ext4, another file
 * system, shorter than it says). `what` names the file in the message. */
int volume_fs_read(int fd, const char *what, struct volume_fs *fs,
		   struct err *e);

/* All that is known of a volume, for `inspect` and `ls -o json`. */
int volume_json(const struct store *s, const char *name, json_t **out,
		struct err *e);

#endif
