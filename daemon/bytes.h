/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that may be anything, as JSON has them.
 */
#ifndef JIFFY_DAEMON_BYTES_H
#define JIFFY_DAEMON_BYTES_H

#include <jansson.h>
#include <stddef.h>

#include "host/err.h"

/* A new string: the bytes in base64. */
json_t *bytes_base64(const void *data, size_t len);

/* Undo that: the bytes, which the caller frees, and how many. -EINVAL if it is
 * no base64 (RFC 4648 with its padding, no spaces). */
int bytes_from_base64(const char *text, char **out, size_t *len, struct err *e);

/* How many of the last bytes begin a character of UTF-8 whose rest is not
 * there yet: 0 to 3. */
size_t bytes_utf8_rest(const void *data, size_t len);

/* Write the line {"NAME":"text"} into buf, or {"NAME_base64":"..."} if the
 * bytes are no text or their text would not fit: its length. size: more than
 * 4/3 of len, and 64. */
size_t bytes_line(const char *name, const void *data, size_t len, char *buf,
		  size_t size);

#endif
