/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building an image from a source: deb:, dir:, tar:, oci:. The kinds of source
 * are the rows of image/sources.h; each has one file image/src_KIND.c.
 */
#ifndef JIFFY_IMAGE_BUILD_H
#define JIFFY_IMAGE_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "host/err.h"
#include "host/sha256.h"
#include "host/strv.h"
#include "image/manifest.h"
#include "image/store.h"

/* What the user wants changed in the image's manifest; NULL keeps. */
struct build_changes {
	const char *entrypoint; /* words or a JSON array */
	const char *cmd;	/* words or a JSON array */
	const char *user;
	const char *workdir;
	const char *stop_signal; /* name, or number */
	struct strv env;	 /* NAME=VALUE */
	struct strv expose;	 /* PORT[/udp] */
	struct strv copies;	 /* DIR:PATH; these change the root itself */
};

/* A build under way. A source reads arg and fills in the rest. */
struct build {
	struct store *store;
	const char *arg;    /* the source without its scheme */
	const char *source; /* the whole source, for messages */
	char *work;	    /* the work directory, relative to the store */
	char *work_path;    /* the same, absolute */
	int work_fd;
	char *tree;	/* directory to make the root from; owned */
	int64_t newest; /* times in the root are cut to this; 0: none are */
	struct manifest manifest;
	void *state; /* the source's own, from key() to done() */
};

/* A kind of source. */
struct source_class {
	/* Write into h whatever decides the content. Returns 0, 1 when the
	 * source cannot tell (then nothing is cached), or -errno. */
	int (*key)(struct build *b, struct sha256 *h, struct err *e);

	/* Make the tree and fill in the manifest. */
	int (*make)(struct build *b, struct err *e);

	/* Called once at the end; may be NULL. */
	void (*done)(struct build *b);
};

#define SOURCE(scheme, arg, help) extern const struct source_class src_##scheme;
#include "image/sources.h"
#undef SOURCE

/* Whether text starts with the scheme of a known source. */
bool build_is_source(const char *text);

/* Build source, or find it in the cache unless no_cache, and return the
 * image's digest. Leaves nothing behind when it fails. */
int build_image(struct store *s, const char *source,
		const struct build_changes *changes, bool no_cache,
		char digest[SHA256_HEX_SIZE], struct err *e);

/* The name an image of this source gets when no tag is given. */
void build_default_name(const char *source, char name[REF_NAME_MAX + 1]);

/* Split a command into words: a JSON array of strings, or words with '…', "…"
 * and \ as in a shell, nothing else expanded. */
int build_words(const char *text, struct strv *words, struct err *e);

#endif
