/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar:FILE, an archive of a root filesystem, plain or compressed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "host/cleanup.h"
#include "host/log.h"
#include "host/xmalloc.h"
#include "image/build.h"
#include "image/progress.h"
#include "image/unpack.h"
#include "image/walk.h"

static int tar_key(struct build *b, struct sha256 *h, struct err *e)
{
	cleanup_free char *path = realpath(b->arg, NULL);
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return err_sys(e, errno, "cannot read");
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "not a file");
	sha256_add(h, "tar", 4);
	return walk_fingerprint(path, h, e);
}

static int tar_make(struct build *b, struct err *e)
{
	cleanup_close int file = -1;
	cleanup_close int root = -1;
	struct unpack u;
	int r;

	file = open(b->arg, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return err_sys(e, errno, "cannot read");
	b->tree = xasprintf("%s/root", b->work_path);
	if (mkdir(b->tree, 0755) < 0 ||
	    (root = open(b->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_sys(e, errno, "%s", b->tree);
	progress_step("unpacking");
	unpack_init(&u, root);
	r = unpack_archive(&u, file, false, NULL, 0, e);
	if (!r)
		unpack_finish(&u);
	if (!r && u.skipped)
		log_warning("%s: %llu sockets or devices left out", b->source,
			    (unsigned long long)u.skipped);
	b->newest = u.newest;
	unpack_fini(&u);
	return r;
}

const struct source_class src_tar = {
	.key = tar_key,
	.make = tar_make,
};
