/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image store: a directory tree that any number of processes share.
 *
 *   images/sha256/DIGEST/{root.erofs,manifest.json}   never changed once there
 *   tags/NAME/TAG       one line: DIGEST ('/' in NAME is written '+')
 *   cache/KEY           one line: DIGEST that a source with this key gave
 *   tmp/build-*         work of a running build, locked (flock) while it runs
 *   instances/NAME/     records of instances, see engine/instance.h
 *   templates/NAME/     what clones are made from, see engine/template.h
 *   lock                taken (flock) while tags and images change
 *
 * Everything appears by rename after fsync, so a power cut leaves the old or
 * the new state. A work directory that nobody locks was left by a crash and is
 * removed by the next build.
 */
#ifndef JIFFY_IMAGE_STORE_H
#define JIFFY_IMAGE_STORE_H

#include <stdbool.h>

#include "host/err.h"
#include "host/sha256.h"
#include "image/manifest.h"
#include "image/ref.h"

struct store {
	char *path; /* absolute */
	int fd;	    /* the directory */
};

#define STORE_INIT                     \
	{                              \
		.path = NULL, .fd = -1 \
	}

/* One image as `jiffy images` shows it. */
struct store_image {
	char digest[SHA256_HEX_SIZE];
	struct ref ref; /* name and tag; tag is "" for an untagged image */
};

/* Open the store at $JIFFY_HOME, or /var/lib/jiffy as root, or
 * ~/.local/share/jiffy, making it first when it is not there. */
int store_open(struct store *s, struct err *e);
void store_close(struct store *s);

/* The digest that NAME[:TAG], a digest, or a unique prefix of one (six digits
 * or more) means. -ENOENT when there is no such image. */
int store_resolve(const struct store *s, const char *image,
		  char digest[SHA256_HEX_SIZE], struct err *e);

/* The manifest of an image; the root file must have the manifest's size. */
int store_load(const struct store *s, const char *digest, struct manifest *m,
	       struct err *e);

/* The path of an image's root file; the caller frees. */
char *store_root_path(const struct store *s, const char *digest);

bool store_has(const struct store *s, const char *digest);

/* A new locked work directory. *name is its path below the store, which the
 * caller frees; *fd the directory, whose closing gives up the lock. Removes
 * what crashed builds left. */
int store_work_begin(struct store *s, char **name, int *fd, struct err *e);
void store_work_end(struct store *s, const char *name, int *fd);

/* Publish the directory `dir` (relative to the store) that holds root.erofs;
 * m names its size and digest. Writes the manifest, syncs, renames. The image's
 * digest is returned; if the image was there already the directory is left. */
int store_publish(struct store *s, const char *dir, const struct manifest *m,
		  char digest[SHA256_HEX_SIZE], struct err *e);

int store_tag(struct store *s, const struct ref *ref, const char *digest,
	      struct err *e);
int store_untag(struct store *s, const struct ref *ref, struct err *e);

/* The digest remembered for a source's key: 1 if known and still there. */
int store_cache_get(const struct store *s, const char *key,
		    char digest[SHA256_HEX_SIZE]);
int store_cache_put(struct store *s, const char *key, const char *digest,
		    struct err *e);

/* All tags, then untagged images, in *list, which the caller frees. */
int store_list(const struct store *s, struct store_image **list, size_t *count,
	       struct err *e);

/* Delete an image, its tags and cache entries. */
int store_remove(struct store *s, const char *digest, struct err *e);

#define cleanup_store __attribute__((cleanup(store_close)))

#endif
