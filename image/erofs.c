/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkfs.erofs (erofs-utils) as the maker of root filesystems.
 */
#include "image/erofs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/proc.h"
#include "host/xmalloc.h"
#include "image/progress.h"

#define PIECE_SIZE (1UL << 20)

static int copy_pieces(int in, int out, struct err *e)
{
	cleanup_free char *buf = xmalloc(PIECE_SIZE);
	ssize_t n;
	int r;

	while ((n = io_read_full(in, buf, PIECE_SIZE)) > 0) {
		r = io_write_full(out, buf, (size_t)n);
		if (r < 0)
			return err_sys(e, -r, "write");
	}
	return n < 0 ? err_sys(e, (int)-n, "read") : 0;
}

/* mkfs.erofs writes block by block, and so the host's page cache holds its file
 * in single pages. Written again in large aligned pieces it is in large folios,
 * which instances map, and send to sockets, for less. */
static int rewrite(const char *from, const char *to, struct err *e)
{
	cleanup_close int in = open(from, O_RDONLY | O_CLOEXEC);
	cleanup_close int out = -1;
	int r;

	if (in < 0)
		return err_sys(e, errno, "%s", from);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (out < 0)
		return err_sys(e, errno, "%s", to);
	r = copy_pieces(in, out, e);
	if (!r && unlink(from) < 0)
		r = err_sys(e, errno, "%s", from);
	return r;
}

static void on_line(void *context, const char *line)
{
	(void)context;
	(void)line;
	progress_tick();
}

int erofs_make(const char *tree, const char *file, int64_t newest,
	       struct err *e)
{
	cleanup_free char *raw = xasprintf("%s.mkfs", file);
	cleanup_strv struct strv argv = STRV_INIT;
	cleanup_strv struct strv env = STRV_INIT;
	struct proc p = { .argv = &argv, .env = &env, .on_line = on_line };
	int r;

	progress_step("writing the root filesystem");
	strv_add(&argv, "mkfs.erofs");
	strv_add(&argv, "--quiet");
	strv_add(&argv, "-Enoinline_data");
	strv_add(&argv, "-U6a696666-7920-4000-8000-726f6f746673");
	if (geteuid() != 0)
		strv_add(&argv, "--all-root");
	strv_add(&argv, raw);
	strv_add(&argv, tree);
	/* as an environment variable it cuts times, as -T it replaces them */
	strv_addf(&env, "SOURCE_DATE_EPOCH=%lld", (long long)newest);
	r = proc_run(&p, e);
	if (r == -ENOENT || r == 127)
		return err_set(e, ENOENT,
			       "mkfs.erofs is not installed "
			       "(package erofs-utils)");
	if (r)
		return r > 0 ? -e->code : r;
	return rewrite(raw, file, e);
}
