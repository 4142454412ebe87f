/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes that the monitor handed in are mounted where its spec says,
 * before the first program runs.
 */
#include "abi/boot.h"
#include "kernel/boot/boot.h"
#include "kernel/dev/block.h"
#include "kernel/kernel.h"
#include "kernel/linux/mount.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/pager.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/vfs.h"

#define AT_FDCWD_ (-100)

void boot_make_directories(const char *name)
{
	size_t n = strlen(name);
	char *part = kmalloc(n + 1);

	if (!part)
		return;
	for (size_t i = 1; i <= n; i++) {
		if (name[i] != '/' && name[i] != '\0')
			continue;
		memcpy(part, name, i);
		part[i] = '\0';
		(void)path_mkdir(AT_FDCWD_, part, 0755);
	}
	kfree(part);
}

/* For those errors of which the file system has not said more. */
static const char *mount_problem(int err)
{
	switch (err) {
	case -ENODEV:
		return "this version has no ext4";
	case -EINVAL:
		return "not an ext4 file system";
	case -EUCLEAN:
		return "it is corrupt: run e2fsck";
	case -EROFS:
		return "its journal must be replayed: mount it for writing "
		       "once";
	case -ENOSPC:
		return "the host's disk is full";
	case -EIO:
		return "input/output error";
	case -ENOMEM:
		return "no memory";
	case -ENOTDIR:
		return "no directory can be made at its path";
	default:
		return "cannot be mounted";
	}
}

/* What the file system logged, as one line: "ext4: a\next4: b\n" is "a; b". */
static void one_line(const char *text, char *line, size_t size)
{
	static const char prefix[] = "ext4: ";
	const size_t n = sizeof(prefix) - 1;
	struct fmt_buf out;

	fmt_buf_init(&out, line, size);
	while (*text) {
		const char *end = strchr(text, '\n');

		if (strncmp(text, prefix, n) == 0)
			text += n;
		if (out.len)
			fmt_buf_put(&out, "; ", 2);
		fmt_buf_put(&out, text, (size_t)(end - text));
		text = end + 1;
	}
}

static void log_lines(char *text)
{
	for (char *end; (end = strchr(text, '\n')); text = end + 1) {
		*end = '\0';
		klog("%s", text);
	}
}

static int mount_volume(struct block_device *d, const char *where)
{
	u32 flags = d->is_readonly ? LINUX_MS_RDONLY : 0;
	const struct fs_type *type = fs_type_find("ext4");
	struct path at;
	char source[32];
	int err;

	if (!type)
		return -ENODEV;
	boot_make_directories(where);
	err = path_lookup(AT_FDCWD_, where, LOOKUP_FOLLOW | LOOKUP_DIRECTORY,
			  &at);
	if (err)
		return -ENOTDIR;
	(void)fmt_format(source, sizeof(source), "/dev/%s", d->name);
	err = mount_add(type, source, d->is_readonly ? "ro" : NULL, flags, &at);
	if (!err) {
		mount_cross(&at);
		if (at.mount->fs->is_readonly && !d->is_readonly) {
			klog("mount it with :ro");
			err = -EROFS;
		}
	}
	path_put(&at);
	return err;
}

void boot_mount_volumes(const struct boot_block *b)
{
	if (b->nvolumes && pager_start(b->host_memory))
		kpanic("cannot start: no thread for writing back");
	for (u32 i = 0; i < MIN(b->nvolumes, BOOT_VOLUMES_MAX); i++) {
		struct block_device *d = block_device(i);
		const char *name = boot_string(&b->volumes[i].name);
		const char *where = boot_string(&b->volumes[i].path);
		char why[300], line[300] = "";
		int err;

		klog_hold(why, sizeof(why));
		err = d ? mount_volume(d, where) : -ENODEV;
		klog_hold(NULL, 0);
		if (!err) {
			log_lines(why);
			continue;
		}
		one_line(why, line, sizeof(line));
		if (!line[0] || err == -EIO)
			boot_refuse(125 << 8, "volume %.100s: %s%s%s", name,
				    line, line[0] ? "; " : "",
				    mount_problem(err));
		boot_refuse(125 << 8, "volume %.100s: %s", name, line);
	}
}
