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

/* What is in /etc/hosts of ours. */
static char hosts_text[512];
static size_t hosts_len;

static int write_hosts(const char *text, size_t len)
{
	hosts_len = MIN(len, sizeof(hosts_text));
	memcpy(hosts_text, text, hosts_len);
	return write_file("/etc/hosts", text, len);
}

static int write_hostname(void)
{
	char name[80];

	fmt_format(name, sizeof(name), "%s\n", kernel.hostname);
	return write_file("/etc/hostname", name, strlen(name));
}

/* Does the file have this text, and no more? */
static bool is_text(const char *name, const char *text, size_t len)
{
	char buf[sizeof(hosts_text) + 1];
	struct file *f;
	s64 n;

	if (path_open(-100, name, O_RDONLY, 0, LOOKUP_FOLLOW, &f))
		return false;
	n = file_read_kernel(f, buf, sizeof(buf), 0);
	file_put(f);
	return n == (s64)len && memcmp(buf, text, len) == 0;
}

void boot_rename_files(const char *old_hostname, const char *hosts, size_t len)
{
	char name[80];

	if (is_text("/etc/hosts", hosts_text, hosts_len))
		(void)write_hosts(hosts, len);
	fmt_format(name, sizeof(name), "%s\n", old_hostname);
	if (is_text("/etc/hostname", name, strlen(name)))
		(void)write_hostname();
}

/* Where programs that were written for Unikraft Cloud look for the counter. */
static void add_foreign_name(void)
{
	(void)path_mkdir(-100, "/uk", 0755);
	(void)path_mkdir(-100, "/uk/libukp", 0755);
	(void)path_symlink("/dev/jiffy/keepawake", -100,
			   "/uk/libukp/scale_to_zero_disable");
}

int boot_write_files(const struct boot_block *b)
{
	const char *resolv = boot_resolv_conf();
	int err = 0;

	/* An image of one program may have no /etc; then it gets one. */
	(void)path_mkdir(-100, "/etc", 0755);
	if (*resolv)
		err = write_file("/etc/resolv.conf", resolv, strlen(resolv));
	if (!err && b->hosts.len)
		err = write_hosts(boot_string(&b->hosts), b->hosts.len);
	if (!err && kernel.hostname[0])
		err = write_hostname();
	/* As the container engines do, unless the image has one. */
	if (!err)
		(void)path_symlink("/proc/mounts", -100, "/etc/mtab");
	if (!err && b->flags & BOOT_SLEEPS)
		add_foreign_name();
	return err;
}
