/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of -v arguments.
 */
#include "engine/volumes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/names.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"

/* Cut ":ro" or ":rw" off the end. */
static bool cut_mode(char *text)
{
	size_t len = strlen(text);
	bool is_readonly;

	if (len < 3 || text[len - 3] != ':' || text[len - 2] != 'r')
		return false;
	is_readonly = text[len - 1] == 'o';
	if (is_readonly || text[len - 1] == 'w')
		text[len - 3] = '\0';
	return is_readonly;
}

static bool is_clean_path(const char *path)
{
	return path[0] == '/' && path[1] && !strstr(path, "/../") &&
	       !strstr(path, "//");
}

int volume_mount_parse(const char *text, struct volume_mount *v, struct err *e)
{
	cleanup_free char *copy = xstrdup(text);
	char *colon;

	v->is_readonly = cut_mode(copy);
	colon = strrchr(copy, ':');
	if (!colon || colon == copy || !is_clean_path(colon + 1))
		return err_set(e, EINVAL,
			       "'%.100s' is not VOLUME:/PATH or "
			       "VOLUME:/PATH:ro",
			       text);
	*colon = '\0';
	if (!strchr(copy, '/') && name_check(copy, e) < 0)
		return -EINVAL;
	v->source = xstrdup(copy);
	v->path = xstrdup(colon + 1);
	return 0;
}

void volume_mount_free(struct volume_mount *v)
{
	free(v->source);
	free(v->path);
}

char *volume_file(const char *store_path, const char *source)
{
	cleanup_free char *cwd = NULL;

	if (!strchr(source, '/'))
		return xasprintf("%s/volumes/%s/disk", store_path, source);
	if (source[0] == '/')
		return xstrdup(source);
	cwd = getcwd(NULL, 0);
	return xasprintf("%s/%s", cwd ? cwd : "", source);
}
