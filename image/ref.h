/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How people name images: NAME[:TAG], where NAME may have parts separated by
 * slashes, or a digest.
 */
#ifndef JIFFY_IMAGE_REF_H
#define JIFFY_IMAGE_REF_H

#include <stdbool.h>
#include <stddef.h>

#include "host/err.h"

#define REF_NAME_MAX 200
#define REF_TAG_MAX 128

struct ref {
	char name[REF_NAME_MAX + 1];
	char tag[REF_TAG_MAX + 1]; /* "latest" when none was given */
};

/* Parse NAME[:TAG]. Lower-case names as in OCI references. */
int ref_parse(const char *text, struct ref *ref, struct err *e);

/* Whether text is a valid NAME, without tag. */
bool ref_name_ok(const char *text, size_t len);

/* Whether text consists of lower-case hex digits only, len of them. */
bool ref_is_hex(const char *text, size_t len);

/* Turn any words (a path's last part, a package name) into a valid NAME. */
void ref_name_from(const char *text, char name[REF_NAME_MAX + 1]);

#endif
