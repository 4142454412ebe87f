/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of an OCI image layout: index, image manifest, configuration. All
 * are outside data: every digest is checked before its content is used.
 */
#ifndef JIFFY_IMAGE_OCI_H
#define JIFFY_IMAGE_OCI_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "host/err.h"
#include "host/sha256.h"
#include "image/manifest.h"
#include "image/ref.h"

#define OCI_LAYERS_MAX 512
#define OCI_DOCUMENT_MAX (8 << 20)

/* A reference to a blob. */
struct oci_blob {
	char sha256[SHA256_HEX_SIZE];
	uint64_t size;
	char type[128]; /* media type, may be "" */
};

/* An image found in a layout. Zeroed is empty. */
struct oci_image {
	struct oci_blob manifest;
	struct oci_blob config;
	struct oci_blob *layers;
	size_t nlayers;
};

void oci_image_fini(struct oci_image *image);

/* Find the linux/amd64 image of this tag (NULL: the only one there) in the
 * layout directory, and read its manifest. */
int oci_find(int layout, const char *tag, struct oci_image *image,
	     struct err *e);

/* Read the configuration blob into m: what to run and how. */
int oci_read_config(int layout, const struct oci_image *image,
		    struct manifest *m, struct err *e);

/* Open a blob; its content is not checked yet. Returns a descriptor. */
int oci_open_blob(int layout, const struct oci_blob *blob, struct err *e);

/* The parsers, for tests: one descriptor, one configuration. */
int oci_parse_blob(const json_t *obj, const char *at, struct oci_blob *blob,
		   struct err *e);
int oci_parse_config(const json_t *obj, struct manifest *m, struct err *e);

#endif
