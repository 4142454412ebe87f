/* SPDX-License-Identifier: Apache-2.0 */
/*
 * printf-style formatting without libc: %d %i %u %x %X %o %c %s %p %%, with
 * h hh l ll z j, width, precision, `-`, `0`, `#`, `*`. No floating point.
 */
#ifndef JIFFY_LIB_FMT_H
#define JIFFY_LIB_FMT_H

#include <stdarg.h>

#include "lib/compiler.h"

/* Write at most size bytes including the terminator (size 0: nothing); the
 * length the whole text has, as vsnprintf() does. */
int fmt_vformat(char *buf, size_t size, const char *fmt, va_list ap)
	PRINTF_LIKE(3, 0);
int fmt_format(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* An append-only text in a fixed buffer; further text is dropped once full. */
struct fmt_buf {
	char *data;
	size_t size; /* of data, in bytes */
	size_t len;  /* without the terminator, < size */
	bool is_cut;
};

void fmt_buf_init(struct fmt_buf *b, char *data, size_t size);
void fmt_buf_add(struct fmt_buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void fmt_buf_put(struct fmt_buf *b, const char *bytes, size_t n);

#endif
