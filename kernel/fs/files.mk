# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS +=
KERNEL_SRCS += kernel/fs/pseudo.c kernel/fs/procfs.c kernel/fs/procfs_status.c \
	kernel/fs/procfs_maps.c kernel/fs/procfs_fd.c kernel/fs/procfs_mounts.c \
	kernel/fs/procfs_system.c kernel/fs/procfs_cpuinfo.c \
	kernel/fs/procfs_sys.c kernel/fs/procfs_net.c kernel/fs/sysfs.c \
	kernel/fs/cgroupfs.c kernel/fs/devfs.c kernel/fs/devpts.c
include kernel/fs/ext4/files.mk
KERNEL_SRCS += $(EXT4_SRCS)
KERNEL_SRCS += kernel/fs/ext4/buffer.c kernel/fs/ext4/checkpoint.c \
	kernel/fs/ext4/commit.c kernel/fs/ext4/journal.c kernel/fs/ext4/logio.c \
	kernel/fs/ext4/recovery.c kernel/fs/ext4/revoke.c
KERNEL_SRCS += kernel/fs/erofs_image.c kernel/fs/overlay.c kernel/fs/tmpfs.c \
	kernel/fs/xattr.c
