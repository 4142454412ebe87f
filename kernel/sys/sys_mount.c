/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount, umount2, pivot_root.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/mount.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/vfs.h"

#define MS_NOUSER (1UL << 31) /* the kernel's own mounts */
#define KEPT_FLAGS                                                  \
	(LINUX_MS_RDONLY | LINUX_MS_NOSUID | LINUX_MS_NODEV |       \
	 LINUX_MS_NOEXEC | LINUX_MS_NOATIME | LINUX_MS_NODIRATIME | \
	 LINUX_MS_RELATIME | LINUX_MS_STRICTATIME)
#define KNOWN_FLAGS                                                      \
	(KEPT_FLAGS | LINUX_MS_REMOUNT | LINUX_MS_BIND | LINUX_MS_MOVE | \
	 LINUX_MS_REC | LINUX_MS_SILENT | LINUX_MS_UNBINDABLE |          \
	 LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_SHARED)
#define PROPAGATION                                                \
	(LINUX_MS_UNBINDABLE | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | \
	 LINUX_MS_SHARED)
#define MAGIC_OLD 0xc0ed0000UL /* old programs put it in the upper half */

/* An optional string of the program: *out NULL if addr is. kfree it. */
static int string_in(uaddr_t addr, char **out)
{
	*out = NULL;
	int err = addr ? path_name_in(addr, LOOKUP_EMPTY, out) : 0;

	return err == -ENAMETOOLONG ? -EINVAL : err;
}

static long mount_new_fs(const struct path *at, const char *type_name,
			 const char *source, u32 flags, const char *options)
{
	const struct fs_type *type = fs_type_find(type_name);

	if (!type)
		return syscall_unsupported("mount type", 0, ENODEV);
	return mount_add(type, source, options, flags & KEPT_FLAGS, at);
}

static long mount_from(const struct path *at, const char *source, u32 flags)
{
	struct path from;
	long err;

	if (!source || !*source)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
	if (err)
		return err;
	if (flags & LINUX_MS_MOVE)
		err = mount_move(&from, at);
	else
		err = mount_bind(&from, (flags & LINUX_MS_REC) != 0, at);
	path_put(&from);
	return err;
}

/* There is one mount namespace, so how changes spread between several makes
 * no difference; sharing with others cannot be had. */
static long mount_propagation(const struct path *at, u32 flags)
{
	if (at->dentry != at->mount->root)
		return -EINVAL;
	if (flags & LINUX_MS_SHARED)
		return syscall_unsupported("mount flags", flags, EINVAL);
	return 0;
}

static long mount_at(const struct path *at, const char *source,
		     const char *type, u32 flags, const char *options)
{
	if (flags & LINUX_MS_REMOUNT)
		return mount_change(at, flags & KEPT_FLAGS);
	if (flags & (LINUX_MS_BIND | LINUX_MS_MOVE))
		return mount_from(at, source, flags);
	if (flags & PROPAGATION)
		return mount_propagation(at, flags);
	if (!type)
		return -EINVAL;
	return mount_new_fs(at, type, source, flags, options);
}

static long do_mount(const char *source, uaddr_t target, const char *type,
		     u64 flags, const char *options)
{
	struct path at;
	long err;

	if ((flags & 0xffff0000UL) == MAGIC_OLD)
		flags &= ~0xffff0000UL;
	err = path_lookup_user(AT_FDCWD, target, LOOKUP_FOLLOW, &at);
	if (err)
		return err;
	if (flags & MS_NOUSER)
		err = -EINVAL;
	else if (!vfs_capable(CAP_SYS_ADMIN))
		err = -EPERM;
	else if (flags & ~(u64)KNOWN_FLAGS)
		err = syscall_unsupported("mount flags", flags, EINVAL);
	else
		err = mount_at(&at, source, type, (u32)flags, options);
	path_put(&at);
	return err;
}

SYSCALL5(mount, uaddr_t, source_addr, uaddr_t, target, uaddr_t, type_addr, u64,
	 flags, uaddr_t, options_addr)
{
	char *source = NULL, *type = NULL, *options = NULL;
	long err = string_in(source_addr, &source);

	if (!err)
		err = string_in(type_addr, &type);
	if (!err)
		err = string_in(options_addr, &options);
	if (!err)
		err = do_mount(source, target, type, flags, options);
	kfree(options);
	kfree(type);
	kfree(source);
	return err;
}

SYSCALL2(umount2, uaddr_t, target, int, flags)
{
	const int known = LINUX_MNT_FORCE | LINUX_MNT_DETACH |
			  LINUX_UMOUNT_NOFOLLOW;
	u32 lookup = flags & LINUX_UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path at;
	long err;

	if (flags & ~known)
		return syscall_unsupported("umount2 flags", (u64)flags, EINVAL);
	err = path_lookup_user(AT_FDCWD, target, lookup, &at);
	if (err)
		return err;
	err = vfs_capable(CAP_SYS_ADMIN) ? mount_remove(&at, flags) : -EPERM;
	path_put(&at);
	return err;
}

SYSCALL2(pivot_root, uaddr_t, new_name, uaddr_t, old_name)
{
	const u32 lookup = LOOKUP_FOLLOW | LOOKUP_DIRECTORY;
	struct fs_context *fs = fs_context_current();
	struct path new, old;
	long err;

	if (!vfs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = path_lookup_user(AT_FDCWD, new_name, lookup, &new);
	if (err)
		return err;
	err = path_lookup_user(AT_FDCWD, old_name, lookup, &old);
	if (!err) {
		err = mount_pivot(&new, &old);
		path_put(&old);
	}
	if (!err) {
		fs_context_set_root(fs, &new);
		fs_context_set_cwd(fs, &new);
	}
	path_put(&new);
	return err;
}
