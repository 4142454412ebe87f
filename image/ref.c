/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: parsing and checking. No state.
 */
#include "image/ref.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_separator(char c)
{
	return c == '.' || c == '_' || c == '-';
}

bool ref_name_ok(const char *text, size_t len)
{
	bool start = true; /* a letter or digit must come next */

	if (!len || len > REF_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (is_name_char(c))
			start = false;
		else if (start || !(is_separator(c) || c == '/' || c == ':'))
			return false;
		else if (c == '/')
			start = true;
		else if (c == ':' && !memchr(text + i, '/', len - i))
			return false; /* a colon only in HOST:PORT/… */
	}
	return is_name_char(text[len - 1]);
}

static bool tag_ok(const char *tag)
{
	size_t len = strlen(tag);

	if (!len || len > REF_TAG_MAX || is_separator(tag[0]))
		return tag[0] == '_' && len <= REF_TAG_MAX;
	for (size_t i = 0; i < len; i++)
		if (!is_name_char(tag[i]) && !is_separator(tag[i]) &&
		    !(tag[i] >= 'A' && tag[i] <= 'Z'))
			return false;
	return true;
}

int ref_parse(const char *text, struct ref *ref, struct err *e)
{
	const char *slash = strrchr(text, '/');
	const char *colon = strchr(slash ? slash : text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	const char *tag = colon ? colon + 1 : "latest";

	if (!ref_name_ok(text, len))
		return err_set(e, EINVAL,
			       "'%.80s' is not an image name (lower-case "
			       "letters, digits, . _ - /)",
			       text);
	if (!tag_ok(tag))
		return err_set(e, EINVAL, "'%.80s' is not an image tag", tag);
	memcpy(ref->name, text, len);
	ref->name[len] = '\0';
	memcpy(ref->tag, tag, strlen(tag) + 1);
	return 0;
}

bool ref_is_hex(const char *text, size_t len)
{
	return len && strspn(text, "0123456789abcdef") == len &&
	       strlen(text) == len;
}

void ref_name_from(const char *text, char name[REF_NAME_MAX + 1])
{
	size_t n = 0;

	for (; *text && n < REF_NAME_MAX; text++) {
		char c = *text;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (is_name_char(c))
			name[n++] = c;
		else if (n && !is_separator(name[n - 1]))
			name[n++] = is_separator(c) ? c : '-';
	}
	while (n && is_separator(name[n - 1]))
		n--;
	name[n] = '\0';
	if (!n)
		snprintf(name, REF_NAME_MAX + 1, "image");
}
