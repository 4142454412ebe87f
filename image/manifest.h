/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of a Jiffy image: what to run and which root filesystem. It is
 * a small JSON file beside the root; files of strangers go through the same
 * strict parser. Reference: docs/man/jiffy-build.1.
 */
#ifndef JIFFY_IMAGE_MANIFEST_H
#define JIFFY_IMAGE_MANIFEST_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "host/err.h"
#include "host/sha256.h"
#include "host/strv.h"

#define MANIFEST_SCHEMA 1
#define MANIFEST_FILE "manifest.json"
#define MANIFEST_ROOT "root.erofs"
#define MANIFEST_SIZE_MAX (1 << 20)

/* All strings are owned. A zeroed struct is empty and may be passed to
 * manifest_fini. */
struct manifest {
	char *name;    /* where it came from, not its tag */
	char *created; /* RFC 3339, UTC */
	struct strv entrypoint;
	struct strv cmd;
	struct strv env;     /* NAME=VALUE */
	char *user;	     /* "" is root */
	char *workdir;	     /* absolute */
	struct strv exposed; /* PORT/tcp or PORT/udp */
	struct strv label_names;
	struct strv label_values; /* same index as its name */
	char *stop_signal;	  /* as signame_parse takes it */
	uint64_t root_size;	  /* bytes of MANIFEST_ROOT */
	char root_sha256[SHA256_HEX_SIZE];
};

/* Set the strings that a fresh image starts with. */
void manifest_init(struct manifest *m, const char *name);
void manifest_fini(struct manifest *m);

/* Parse and check len bytes. On success *m is filled (call manifest_fini);
 * else m is empty and e says what is wrong and where. what names the input. */
int manifest_parse(const char *what, const char *text, size_t len,
		   struct manifest *m, struct err *e);

/* Check one field of an image under construction, as the parser would. */
int manifest_check_env(const char *entry, struct err *e);
int manifest_check_port(const char *port, struct err *e);

/* The manifest as JSON; the caller json_decref()s. */
json_t *manifest_json(const struct manifest *m);

/* The digest that names the image: over the manifest in canonical form (sorted
 * keys, no spaces) without the time of its making. As the manifest holds the
 * root's digest, it covers the root too. */
void manifest_digest(const struct manifest *m, char hex[SHA256_HEX_SIZE]);

#define cleanup_manifest __attribute__((cleanup(manifest_fini)))

#endif
