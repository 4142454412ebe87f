/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root filesystem over an image in memory, wherever that is (tests).
 */
#ifndef JIFFY_KERNEL_FS_OVERLAY_H
#define JIFFY_KERNEL_FS_OVERLAY_H

#include "kernel/fs/xattr.h"
#include "kernel/vfs/inode.h"

/* -EUCLEAN, -EINVAL as erofs_image_open(). */
int overlay_mount_image(const struct fs_type *type, u64 magic,
			const void *image, u64 size, struct fs **fs);

#endif
