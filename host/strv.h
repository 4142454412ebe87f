/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing list of strings that stays NULL-terminated, so that items can be
 * passed to execve as it is. Used for argument lists, environments, options
 * that may be given many times.
 */
#ifndef JIFFY_HOST_STRV_H
#define JIFFY_HOST_STRV_H

#include <stddef.h>

#include "lib/compiler.h"

/* items is NULL while count is 0. The list owns its strings. */
struct strv {
	char **items;
	size_t count;
	size_t room;
};

#define STRV_INIT                                    \
	{                                            \
		.items = NULL, .count = 0, .room = 0 \
	}

void strv_fini(struct strv *v);

/* Append a copy of s, a formatted string, or copies of all of from. */
void strv_add(struct strv *v, const char *s);
void strv_addf(struct strv *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strv_add_all(struct strv *v, const struct strv *from);

/* Append s itself: the list frees it. */
void strv_take(struct strv *v, char *s);

/* Split s at every sep and append the pieces, empty ones included. */
void strv_split(struct strv *v, const char *s, char sep);

/* Set "NAME=value" in an environment list: replaces an entry of that name. */
void strv_setenv(struct strv *v, const char *assignment);

/* The value of name in an environment list, or NULL. Borrowed. */
const char *strv_getenv(const struct strv *v, const char *name);

void strv_sort(struct strv *v);

#define cleanup_strv __attribute__((cleanup(strv_fini)))

#endif
