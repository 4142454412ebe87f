/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of EROFS images in memory (on-disk format v1, uncompressed). The
 * image is outside data: every offset is checked, nonsense gives -EUCLEAN,
 * never a crash. Uses nothing of the kernel, so tests and fuzzers link it.
 */
#ifndef JIFFY_KERNEL_FS_EROFS_IMAGE_H
#define JIFFY_KERNEL_FS_EROFS_IMAGE_H

#include "lib/compiler.h"

#define EROFS_MAGIC 0xe0f5e1e2U
#define EROFS_BLOCK 4096UL
#define EROFS_NAME_MAX 255

struct erofs_image {
	const u8 *base;
	u64 size;
	u64 meta_offset, xattr_offset;
	u64 root_nid;
	u64 ninodes;
	u64 build_sec;
	u32 build_nsec;
};

struct erofs_inode {
	u64 nid;
	u64 size;
	u32 mode, uid, gid, nlink, rdev;
	u64 mtime_sec;
	u32 mtime_nsec;
	u32 layout; /* data layout of the format */
	u32 raw;    /* block address, device or chunk format */
	u64 xattr_offset, xattr_size; /* in the image; size 0: none */
	u64 tail_offset; /* in the image: what follows inode and xattrs */
};

struct erofs_entry {
	u64 nid;
	const char *name; /* in the image, not terminated */
	u32 len;
	u32 type; /* file type of the format; 2 directory */
	u64 next; /* position of the next entry */
};

struct erofs_xattr {
	u32 prefix; /* index of the name's prefix */
	const char *name;
	u32 name_len;
	const void *value;
	u32 value_len;
};

/* Check the superblock. -EUCLEAN, or -EINVAL: a feature we do not read. */
int erofs_image_open(struct erofs_image *img, const void *base, u64 size);
int erofs_inode_read(const struct erofs_image *img, u64 nid,
		     struct erofs_inode *ino);

#define EROFS_HOLE UINT64_MAX
/* Where file byte `offset` is in the image (or EROFS_HOLE) and how many
 * bytes follow it there. offset < ino->size. */
int erofs_map(const struct erofs_image *img, const struct erofs_inode *ino,
	      u64 offset, u64 *image_offset, u64 *run);
/* Copy file bytes: how many, fewer at the end. */
s64 erofs_read(const struct erofs_image *img, const struct erofs_inode *ino,
	       void *buf, u64 offset, u64 n);
/* True and *offset set if all data is in one run that starts on a page. */
bool erofs_is_mappable(const struct erofs_image *img,
		       const struct erofs_inode *ino, u64 *offset);

/* -ENOENT. */
int erofs_lookup(const struct erofs_image *img, const struct erofs_inode *dir,
		 const char *name, u32 len, u64 *nid);
/* The entry at position pos (0 first): 1, 0 at the end, -EUCLEAN. */
int erofs_dir_entry(const struct erofs_image *img,
		    const struct erofs_inode *dir, u64 pos,
		    struct erofs_entry *entry);

/* The index-th attribute: 1, 0 none, -EUCLEAN. */
int erofs_xattr_at(const struct erofs_image *img, const struct erofs_inode *ino,
		   u32 index, struct erofs_xattr *x);
/* Full name of x, terminated, into buf: its length, or 0 if it does not fit or
 * has a prefix we do not know. */
u32 erofs_xattr_name(const struct erofs_xattr *x, char *buf, u32 size);

#endif
