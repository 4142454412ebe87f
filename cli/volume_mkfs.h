/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and growing the file system of a volume, by the tools of e2fsprogs.
 */
#ifndef JIFFY_CLI_VOLUME_MKFS_H
#define JIFFY_CLI_VOLUME_MKFS_H

#include <stdint.h>

#include "engine/volume_store.h"

#define VOLUME_MIN (UINT64_C(16) << 20)

/* Make ext4 on a file that has its size and holds nothing. */
int volume_mkfs(const char *disk, uint64_t size, const char *label,
		struct err *e);
/* Let the file system grow to the file's size; nobody uses it. fs: as it was. A
 * journal that is not empty is replayed first. */
int volume_grow_fs(const char *disk, const struct volume_fs *fs, struct err *e);

#endif
