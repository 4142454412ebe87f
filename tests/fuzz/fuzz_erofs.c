/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the EROFS reader: open the bytes as an image, walk a few levels of its
 * tree, read data and attributes. Inputs without a superblock get one, so that
 * the fuzzer need not guess it.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/fs/erofs_image.h"

#define MAX_NODES 64
#define MAX_SIZE (1U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char scratch[65536];

static void use_inode(const struct erofs_image *img,
		      const struct erofs_inode *ino)
{
	struct erofs_xattr x;
	char name[300];
	u64 offset;

	(void)erofs_read(img, ino, scratch, 0, sizeof(scratch));
	(void)erofs_read(img, ino, scratch, ino->size / 2, sizeof(scratch));
	if (ino->size < MAX_SIZE * 4UL)
		(void)erofs_is_mappable(img, ino, &offset);
	for (u32 i = 0; i < 20 && erofs_xattr_at(img, ino, i, &x) == 1; i++)
		if (erofs_xattr_name(&x, name, sizeof(name)))
			memcpy(scratch, x.value,
			       MIN(x.value_len, sizeof(scratch)));
}

static void use_image(const struct erofs_image *img)
{
	u64 nids[MAX_NODES] = { img->root_nid };
	u32 n = 1;

	for (u32 i = 0; i < n; i++) {
		struct erofs_inode ino;
		struct erofs_entry e;
		u64 pos = 0, nid;

		if (erofs_inode_read(img, nids[i], &ino))
			continue;
		use_inode(img, &ino);
		if ((ino.mode & 0170000) != 0040000)
			continue;
		(void)erofs_lookup(img, &ino, "usr", 3, &nid);
		for (u32 k = 0; k < 100; k++) {
			if (erofs_dir_entry(img, &ino, pos, &e) != 1)
				break;
			pos = e.next;
			(void)erofs_lookup(img, &ino, e.name, e.len, &nid);
			if (n < MAX_NODES)
				nids[n++] = e.nid;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t magic[] = { 0xe2, 0xe1, 0xf5, 0xe0 };
	struct erofs_image img;
	uint8_t *copy;

	if (size < 1024 + 128 || size > MAX_SIZE)
		return 0;
	copy = malloc(size);
	memcpy(copy, data, size);
	memcpy(copy + 1024, magic, sizeof(magic));
	copy[1024 + 8] &= (uint8_t)~1; /* no checksum */
	copy[1024 + 12] = 12;
	memset(copy + 1024 + 36, 0, 4); /* not cut off */
	copy[1024 + 80] &= 5;
	memset(copy + 1024 + 81, 0, 3);
	if (!erofs_image_open(&img, copy, size))
		use_image(&img);
	free(copy);
	return 0;
}
