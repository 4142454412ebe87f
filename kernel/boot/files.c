/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that differ per instance, written over the image's at start.
 */
#include "abi/boot.h"
#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/vfs/vfs.h"

static int write_file(const char *name, const char *text, size_t len)
{
	struct file *f;
	struct uio u;
	u64 pos = 0;
	s64 n;
	int err;

	err = path_open(-100, name, O_WRONLY | O_CREAT | O_TRUNC, 0644,
			LOOKUP_FOLLOW, &f);
	if (err)
		return err;
	uio_init_kernel(&u, (void *)(uintptr_t)text, len);
	n = file_write(f, &u, &pos);
	file_put(f);
	return n < 0 ? (int)n : 0;
}

int boot_write_files(const struct boot_block *b)
{
	char name[80];
	int err = 0;

	/* An image of one program may have no /etc; then it gets one. */
	(void)path_mkdir(-100, "/etc", 0755);
	if (b->resolv_conf.len)
		err = write_file("/etc/resolv.conf",
				 boot_string(&b->resolv_conf),
				 b->resolv_conf.len);
	if (!err && b->hosts.len)
		err = write_file("/etc/hosts", boot_string(&b->hosts),
				 b->hosts.len);
	fmt_format(name, sizeof(name), "%s\n", kernel.hostname);
	if (!err && kernel.hostname[0])
		err = write_file("/etc/hostname", name, strlen(name));
	/* As the container engines do, unless the image has one. */
	if (!err)
		(void)path_symlink("/proc/mounts", -100, "/etc/mtab");
	return err;
}
