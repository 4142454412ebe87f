/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `jiffy run SOURCE`: building the image first, through jiffy-image.
 */
#ifndef JIFFY_CLI_SOURCE_H
#define JIFFY_CLI_SOURCE_H

#include <stdbool.h>

#include "host/err.h"
#include "host/sha256.h"

/* Whether an operand is a source (deb:, dir:, …) and not an image's name. */
bool source_is(const char *operand);

/* Build it, or find it in the cache. Returns 0 with the digest, 1 when
 * jiffy-image failed and has said why, or -errno. */
int source_build(const char *source, char digest[SHA256_HEX_SIZE],
		 struct err *e);

#endif
