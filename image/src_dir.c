/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir:PATH, a directory as it is. mkfs.erofs reads it in place; nothing is
 * copied first.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "host/xmalloc.h"
#include "image/build.h"
#include "image/walk.h"

static int dir_key(struct build *b, struct sha256 *h, struct err *e)
{
	char *path = realpath(b->arg, NULL);
	struct stat st;
	int r;

	if (!path || stat(path, &st) < 0)
		return err_sys(e, errno, "cannot read");
	b->tree = path;
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "not a directory");
	sha256_add(h, "dir", 4);
	r = walk_fingerprint(path, h, e);
	return r;
}

static int dir_make(struct build *b, struct err *e)
{
	struct walk w = { 0 };
	int r;

	r = walk_tree(b->tree, &w, e);
	b->newest = w.modified;
	return r;
}

const struct source_class src_dir = {
	.key = dir_key,
	.make = dir_make,
};
