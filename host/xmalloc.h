/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that cannot fail, for command-line programs: out of memory prints
 * one line and ends the process with 125. Not for the monitor's run loop.
 */
#ifndef JIFFY_HOST_XMALLOC_H
#define JIFFY_HOST_XMALLOC_H

#include <stdarg.h>
#include <stddef.h>

#include "lib/compiler.h"

/* Like malloc, calloc, realloc(array) and strdup; the caller frees. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);

/* A formatted string that the caller frees. */
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *xvasprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

#endif
