# SPDX-License-Identifier: Apache-2.0
EXT4_SRCS := balloc.c dir.c extent.c extent_edit.c file.c group.c hash.c \
	htree.c htree_edit.c ialloc.c indirect.c inode.c ioctl.c mount.c namei.c \
	orphan.c orphan_file.c prealloc.c readdir.c resize.c super.c symlink.c xattr.c
EXT4_SRCS := $(addprefix kernel/fs/ext4/,$(EXT4_SRCS))
