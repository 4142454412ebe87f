/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a new instance.
 */
#include "abi/boot.h"
#include "kernel/vfs/vfs_int.h"

static const struct boot_mount {
	const struct fs_type *type;
	const char *at;
	const char *source;
	const char *options;
	u32 flags;
} boot_mounts[] = {
	{ &proc_type, "/proc", "proc", NULL,
	  LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC },
	{ &sysfs_type, "/sys", "sysfs", NULL,
	  LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC },
	{ &cgroup2_type, "/sys/fs/cgroup", "cgroup", NULL,
	  LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC },
	{ &devfs_type, "/dev", "dev", NULL, LINUX_MS_NOSUID },
	{ &devpts_type, "/dev/pts", "devpts", NULL,
	  LINUX_MS_NOSUID | LINUX_MS_NOEXEC },
	{ &tmpfs_type, "/dev/shm", "shm", "mode=1777",
	  LINUX_MS_NOSUID | LINUX_MS_NODEV },
	{ &mqueue_type, "/dev/mqueue", "mqueue", NULL,
	  LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC },
};

static int mount_at(const struct boot_mount *m)
{
	struct path at;
	int err;

	(void)path_mkdir(AT_FDCWD, m->at, 0755);
	err = path_lookup(AT_FDCWD, m->at, LOOKUP_FOLLOW | LOOKUP_DIRECTORY,
			  &at);
	if (err)
		return err;
	err = mount_add(m->type, m->source, m->options, m->flags, &at);
	path_put(&at);
	return err;
}

static int mount_the_root(void)
{
	if (kernel.boot && kernel.boot->image_fd >= 0)
		return mount_add(&overlay_type, "overlay", NULL, 0, NULL);
	return mount_add(&tmpfs_type, "rootfs", "mode=755", 0, NULL);
}

/* What is mounted now stays: its references need no counting. */
static void keep_mounts(void)
{
	struct mount *m = NULL;

	while ((m = mount_next(m)))
		m->is_boot = true;
}

int vfs_init(void)
{
	int err = mount_init();

	if (!err)
		err = mount_the_root();
	if (err)
		return err;
	for (u32 i = 0; i < ARRAY_SIZE(boot_mounts); i++) {
		if (!boot_mounts[i].type->mount)
			continue; /* not part of this build */
		err = mount_at(&boot_mounts[i]);
		if (err)
			klog("vfs: no %s: error %d", boot_mounts[i].at, -err);
	}
	keep_mounts();
	return 0;
}
