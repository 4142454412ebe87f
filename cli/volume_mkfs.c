/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mke2fs, e2fsck and resize2fs on volumes. Features are given by name, so that
 * the host's configuration of mke2fs does not matter.
 */
#include "cli/volume_mkfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/proc.h"
#include "host/strv.h"
#include "host/xmalloc.h"

/* What every mount of ext4 in an instance knows. */
#define FEATURES                                                            \
	"none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent," \
	"64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,"        \
	"extra_isize,metadata_csum"

/* e2fsprogs is in directories that are not in everybody's PATH. */
static char *find_tool(const char *name)
{
	const char *path = getenv("PATH");
	cleanup_strv struct strv dirs = STRV_INIT;

	strv_split(&dirs, path ? path : "", ':');
	strv_add(&dirs, "/usr/sbin");
	strv_add(&dirs, "/sbin");
	for (size_t i = 0; i < dirs.count; i++) {
		cleanup_free char *file =
			xasprintf("%s/%s", dirs.items[i], name);

		if (dirs.items[i][0] == '/' && access(file, X_OK) == 0)
			return take_ptr(file);
	}
	return NULL;
}

/* Run a tool; a status above `fine` is a failure. */
static int run_tool(struct strv *argv, int fine, struct err *e)
{
	struct proc p = { .argv = argv };
	cleanup_free char *name = xstrdup(argv->items[0]);
	cleanup_free char *file = find_tool(name);
	int status;

	if (!file)
		return err_set(e, ENOENT, "%s is not there: install e2fsprogs",
			       name);
	free(argv->items[0]);
	argv->items[0] = take_ptr(file);
	status = proc_run(&p, e);
	if (status < 0)
		return status;
	if (status <= fine)
		return 0;
	if (!e->msg[0])
		return err_set(e, EIO, "%s failed (status %d)", name, status);
	e->code = EIO;
	return err_wrap(e, "%s", name);
}

/* In MiB: what a few seconds of busy changes of metadata need. Its blocks are
 * written once now, so that no commit waits for the host to find room. */
static unsigned int journal_size(uint64_t size)
{
	const uint64_t gib = UINT64_C(1) << 30;

	if (size < gib / 8)
		return 4;
	if (size < gib)
		return 8;
	if (size < 4 * gib)
		return 16;
	return size < 64 * gib ? 32 : 128;
}

int volume_mkfs(const char *disk, uint64_t size, const char *label,
		struct err *e)
{
	cleanup_strv struct strv argv = STRV_INIT;

	strv_split(&argv, "mke2fs -q -F -t ext4 -b 4096 -I 256 -m 0", ' ');
	strv_add(&argv, "-O");
	strv_add(&argv, FEATURES);
	strv_add(&argv, "-J");
	strv_addf(&argv, "size=%u", journal_size(size));
	/* The file is a hole: nothing of it has to be zeroed, now or later. */
	strv_add(&argv, "-E");
	strv_add(&argv, "lazy_itable_init=0,lazy_journal_init=0,"
			"root_owner=0:0");
	if (label) {
		strv_add(&argv, "-L");
		strv_add(&argv, label);
	}
	strv_add(&argv, disk);
	return run_tool(&argv, 0, e);
}

int volume_grow_fs(const char *disk, const struct volume_fs *fs, struct err *e)
{
	cleanup_strv struct strv check = STRV_INIT;
	cleanup_strv struct strv grow = STRV_INIT;
	int r = 0;

	if (fs->has_errors)
		return err_set(e, EIO,
			       "the file system has errors (run e2fsck %s)",
			       disk);
	if (fs->needs_recovery) {
		strv_split(&check, "e2fsck -p -E journal_only", ' ');
		strv_add(&check, disk);
		r = run_tool(&check, 1, e);
	}
	if (r < 0)
		return r;
	/* By force: it wants a full check first, which would take its time. */
	strv_split(&grow, "resize2fs -f", ' ');
	strv_add(&grow, disk);
	return run_tool(&grow, 0, e);
}
