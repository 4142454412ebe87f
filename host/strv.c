/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The string list of host programs. Allocates with xmalloc.
 */
#include "host/strv.h"

#include <stdlib.h>
#include <string.h>

#include "host/xmalloc.h"

void strv_fini(struct strv *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct strv)STRV_INIT;
}

void strv_take(struct strv *v, char *s)
{
	if (v->count + 1 >= v->room) {
		v->room = v->room ? v->room * 2 : 8;
		v->items = xreallocarray(v->items, v->room, sizeof(char *));
	}
	v->items[v->count++] = s;
	v->items[v->count] = NULL;
}

void strv_add(struct strv *v, const char *s)
{
	strv_take(v, xstrdup(s));
}

void strv_addf(struct strv *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_take(v, xvasprintf(fmt, ap));
	va_end(ap);
}

void strv_add_all(struct strv *v, const struct strv *from)
{
	for (size_t i = 0; i < from->count; i++)
		strv_add(v, from->items[i]);
}

void strv_split(struct strv *v, const char *s, char sep)
{
	const char *end;

	while ((end = strchr(s, sep))) {
		strv_take(v, xstrndup(s, (size_t)(end - s)));
		s = end + 1;
	}
	strv_add(v, s);
}

static char **env_find(const struct strv *v, const char *name, size_t len)
{
	for (size_t i = 0; i < v->count; i++)
		if (!strncmp(v->items[i], name, len) && v->items[i][len] == '=')
			return &v->items[i];
	return NULL;
}

void strv_setenv(struct strv *v, const char *assignment)
{
	char **old = env_find(v, assignment, strcspn(assignment, "="));

	if (!old) {
		strv_add(v, assignment);
		return;
	}
	free(*old);
	*old = xstrdup(assignment);
}

const char *strv_getenv(const struct strv *v, const char *name)
{
	size_t len = strlen(name);
	char **entry = env_find(v, name, len);

	return entry ? *entry + len + 1 : NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	if (v->count)
		qsort(v->items, v->count, sizeof(char *), compare);
}
