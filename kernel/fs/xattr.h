/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes kept in memory (inode->xattrs). The caller holds the
 * inode's lock: reading for get and list, writing for the rest.
 */
#ifndef JIFFY_KERNEL_FS_XATTR_H
#define JIFFY_KERNEL_FS_XATTR_H

#include "lib/compiler.h"

struct inode;

#define XATTR_NAME_LIMIT 255
#define XATTR_SIZE_LIMIT 65536

/* Value's length; copied to buf if n is not 0. -ENODATA, -ERANGE. */
s64 xattr_list_get(struct inode *i, const char *name, void *buf, size_t n);
/* flags: XATTR_CREATE 1, XATTR_REPLACE 2. -EEXIST, -ENODATA, -ENOSPC. */
int xattr_list_set(struct inode *i, const char *name, const void *buf, size_t n,
		   int flags);
int xattr_list_remove(struct inode *i, const char *name);
/* Names with their terminators: length; copied if n is not 0. -ERANGE. */
s64 xattr_list_names(struct inode *i, char *buf, size_t n);
void xattr_list_free(struct inode *i);

#endif
