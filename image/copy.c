/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --copy DIR:PATH. cp does the copying; its destination is a directory that was
 * opened inside the tree, which it starts in.
 */
#include "image/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/proc.h"
#include "host/xmalloc.h"
#include "image/progress.h"
#include "image/unpack.h"
#include "image/walk.h"

/* Split DIR:PATH: the directory's real path, and PATH, which lies in item. */
static int parse(const char *item, char **dir, const char **path, struct err *e)
{
	const char *colon = strrchr(item, ':');
	cleanup_free char *name = NULL;
	struct stat st;

	if (!colon || colon == item || colon[1] != '/')
		return err_set(e, EINVAL,
			       "--copy: '%.200s' is not DIR:PATH "
			       "with an absolute path",
			       item);
	name = xstrdup(item);
	name[colon - item] = '\0';
	*dir = realpath(name, NULL);
	if (!*dir || stat(*dir, &st) < 0)
		return err_sys(e, errno, "--copy: %s", name);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "--copy: %s is not a directory",
			       name);
	*path = colon + 1;
	return 0;
}

int copy_key(const struct strv *copies, struct sha256 *h, struct err *e)
{
	for (size_t i = 0; i < copies->count; i++) {
		cleanup_free char *dir = NULL;
		const char *path;
		int r;

		r = parse(copies->items[i], &dir, &path, e);
		if (r < 0)
			return r;
		sha256_add(h, "copy", 5);
		sha256_add(h, path, strlen(path) + 1);
		r = walk_fingerprint(dir, h, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void on_line(void *context, const char *line)
{
	(void)context;
	(void)line;
	progress_tick();
}

/* Copy what dir holds into the directory fd. */
static int run_cp(const char *dir, int fd, bool keeps_owner, struct err *e)
{
	cleanup_free char *cwd = xasprintf("/proc/self/fd/%d", fd);
	cleanup_strv struct strv argv = STRV_INIT;
	struct proc p = { .argv = &argv, .cwd = cwd, .on_line = on_line };
	int r;

	strv_add(&argv, "cp");
	strv_add(&argv, "-a");
	strv_add(&argv, "--remove-destination");
	if (!keeps_owner)
		strv_add(&argv, "--no-preserve=ownership");
	strv_add(&argv, "--");
	strv_addf(&argv, "%s/.", dir);
	strv_add(&argv, ".");
	r = proc_run(&p, e);
	return r > 0 ? -e->code : r;
}

/* Give the build a tree of its own. */
static int own_tree(struct build *b, struct err *e)
{
	char *root = xasprintf("%s/root", b->work_path);
	cleanup_close int fd = -1;
	int r;

	if (mkdir(root, 0755) < 0 ||
	    (fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		r = err_sys(e, errno, "%s", root);
		free(root);
		return r;
	}
	r = run_cp(b->tree, fd, true, e);
	free(b->tree);
	b->tree = root;
	return r;
}

static int copy_one(struct build *b, int root, const char *item, struct err *e)
{
	cleanup_free char *dir = NULL;
	cleanup_close int fd = -1;
	struct walk w = { 0 };
	const char *path;
	int r;

	r = parse(item, &dir, &path, e);
	if (r < 0)
		return r;
	fd = unpack_open_dir(root, path, e);
	if (fd < 0)
		return err_wrap(e, "--copy");
	r = run_cp(dir, fd, false, e);
	if (!r)
		r = walk_tree(dir, &w, e);
	if (w.modified > b->newest)
		b->newest = w.modified;
	return r < 0 ? err_wrap(e, "--copy %s", dir) : 0;
}

int copy_into(struct build *b, const struct strv *copies, struct err *e)
{
	size_t n = strlen(b->work_path);
	cleanup_close int root = -1;
	int r = 0;

	if (!copies->count)
		return 0;
	progress_step("copying");
	if (strncmp(b->tree, b->work_path, n) != 0 || b->tree[n] != '/')
		r = own_tree(b, e);
	if (r < 0)
		return r;
	root = open(b->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, errno, "%s", b->tree);
	for (size_t i = 0; !r && i < copies->count; i++)
		r = copy_one(b, root, copies->items[i], e);
	return r;
}
