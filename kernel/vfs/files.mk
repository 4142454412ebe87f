# SPDX-License-Identifier: Apache-2.0
KERNEL_SRCS += kernel/vfs/anon.c kernel/vfs/dentry.c kernel/vfs/dirops.c \
	kernel/vfs/fd.c kernel/vfs/file.c kernel/vfs/fscontext.c \
	kernel/vfs/init.c kernel/vfs/inode.c kernel/vfs/lockf.c \
	kernel/vfs/mount.c kernel/vfs/name.c kernel/vfs/notify.c \
	kernel/vfs/open.c kernel/vfs/path.c kernel/vfs/pool.c \
	kernel/vfs/paged.c kernel/vfs/regular.c kernel/vfs/special.c kernel/vfs/uio.c
KERNEL_SRCS += kernel/vfs/poll.c kernel/vfs/async.c
