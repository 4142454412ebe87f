/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS images: superblock, inodes, data, directories, attributes. All bytes
 * are reached through get(), which checks bounds.
 */
#include "kernel/fs/erofs_image.h"

#include "kernel/cpu/crc32c.h"
#include "kernel/linux/errno.h"
#include "lib/ckd.h"
#include "lib/string.h"

enum {
	SB_OFFSET = 1024,
	SB_SIZE = 128,
	COMPAT_CHECKSUM = 1,
	INCOMPAT_LZ4_0PADDING = 1, /* says nothing about plain files */
	INCOMPAT_CHUNKED = 4,
};
enum { LAYOUT_PLAIN = 0, LAYOUT_INLINE = 2, LAYOUT_CHUNK = 4 };
enum {
	CHUNK_BITS = 0x1f,    /* chunk size is block << this */
	CHUNK_INDEXES = 0x20, /* 8-byte entries with device numbers */
	CHUNK_KNOWN = CHUNK_BITS | CHUNK_INDEXES,
};
#define CHUNK_NULL 0xffffffffU
#define DIRENT_SIZE 12U
#define XATTR_HEADER 12U

/* --- Bytes --------------------------------------------------------------- */

static const u8 *get(const struct erofs_image *img, u64 offset, u64 n)
{
	u64 end;

	if (ckd_add(&end, offset, n) || end > img->size)
		return NULL;
	return img->base + offset;
}

static u16 le16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static u32 le32(const u8 *p)
{
	return le16(p) | (u32)le16(p + 2) << 16;
}

static u64 le64(const u8 *p)
{
	return le32(p) | (u64)le32(p + 4) << 32;
}

/* --- Superblock ---------------------------------------------------------- */

/* The sum covers the rest of the first block, with its own field as zero. */
static bool checksum_ok(const struct erofs_image *img, const u8 *sb)
{
	static const u8 zero[4];
	u64 n = EROFS_BLOCK - SB_OFFSET;
	u32 crc;

	if (!get(img, SB_OFFSET, n))
		return false;
	crc = crc32c(~0U, sb, 4);
	crc = crc32c(crc, zero, 4);
	crc = crc32c(crc, sb + 8, n - 8);
	return crc == le32(sb + 4);
}

int erofs_image_open(struct erofs_image *img, const void *base, u64 size)
{
	struct erofs_inode root;
	const u8 *sb;
	int err;

	memset(img, 0, sizeof(*img));
	img->base = base;
	img->size = size;
	sb = get(img, SB_OFFSET, SB_SIZE);
	if (!sb || le32(sb) != EROFS_MAGIC)
		return -EUCLEAN;
	if (sb[12] != 12)
		return -EINVAL; /* blocks that are not pages */
	if (le32(sb + 80) & ~(u32)(INCOMPAT_LZ4_0PADDING | INCOMPAT_CHUNKED))
		return -EINVAL;
	if ((le32(sb + 8) & COMPAT_CHECKSUM) && !checksum_ok(img, sb))
		return -EUCLEAN;
	img->root_nid = le16(sb + 14);
	img->ninodes = le64(sb + 16);
	img->build_sec = le64(sb + 24);
	img->build_nsec = le32(sb + 32) % 1000000000U;
	img->meta_offset = le32(sb + 40) * EROFS_BLOCK;
	img->xattr_offset = le32(sb + 44) * EROFS_BLOCK;
	if (le32(sb + 36) > size / EROFS_BLOCK)
		return -EUCLEAN; /* cut off */
	err = erofs_inode_read(img, img->root_nid, &root);
	if (err)
		return err;
	return (root.mode & 0170000) == 0040000 ? 0 : -EUCLEAN;
}

/* --- Inodes -------------------------------------------------------------- */

static void inode_compact(const struct erofs_image *img, const u8 *p,
			  struct erofs_inode *ino)
{
	ino->nlink = le16(p + 6);
	ino->size = le32(p + 8);
	ino->uid = le16(p + 24);
	ino->gid = le16(p + 26);
	ino->mtime_sec = img->build_sec;
	ino->mtime_nsec = img->build_nsec;
}

static void inode_extended(const u8 *p, struct erofs_inode *ino)
{
	ino->size = le64(p + 8);
	ino->uid = le32(p + 24);
	ino->gid = le32(p + 28);
	ino->mtime_sec = le64(p + 32);
	ino->mtime_nsec = le32(p + 40) % 1000000000U;
	ino->nlink = le32(p + 44);
}

/* The data must be inside the image. */
static int check_data(const struct erofs_image *img,
		      const struct erofs_inode *ino)
{
	u64 start = ino->raw * EROFS_BLOCK, n = ino->size;
	u64 tail = n % EROFS_BLOCK;

	switch (ino->layout) {
	case LAYOUT_PLAIN:
		return n == 0 || get(img, start, n) ? 0 : -EUCLEAN;
	case LAYOUT_INLINE:
		if (n - tail && !get(img, start, n - tail))
			return -EUCLEAN;
		return get(img, ino->tail_offset, tail) ? 0 : -EUCLEAN;
	case LAYOUT_CHUNK:
		return ino->raw & ~(u32)CHUNK_KNOWN ? -EUCLEAN : 0;
	default:
		return -EUCLEAN; /* compressed: refused by the superblock */
	}
}

static int check_type(struct erofs_inode *ino)
{
	switch (ino->mode & 0170000) {
	case 0100000:
	case 0040000:
	case 0120000:
		return 1;
	case 0020000:
	case 0060000:
		ino->rdev = ino->raw;
		ino->size = 0;
		return 0;
	case 0010000:
	case 0140000:
		ino->size = 0;
		return 0;
	default:
		return -EUCLEAN;
	}
}

int erofs_inode_read(const struct erofs_image *img, u64 nid,
		     struct erofs_inode *ino)
{
	u64 offset, size = 32;
	const u8 *p;
	u32 format, icount;
	int kind;

	memset(ino, 0, sizeof(*ino));
	if (nid > UINT64_MAX / 32 ||
	    ckd_add(&offset, img->meta_offset, nid * 32))
		return -EUCLEAN;
	p = get(img, offset, 32);
	if (!p)
		return -EUCLEAN;
	format = le16(p);
	if (format & 1)
		size = 64;
	p = get(img, offset, size);
	if (!p || (format & ~0xfU))
		return -EUCLEAN;
	ino->nid = nid;
	ino->layout = format >> 1 & 7;
	icount = le16(p + 2);
	ino->mode = le16(p + 4);
	ino->raw = le32(p + 16);
	if (format & 1)
		inode_extended(p, ino);
	else
		inode_compact(img, p, ino);
	ino->xattr_offset = offset + size;
	if (icount)
		ino->xattr_size = XATTR_HEADER + 4 * (icount - 1U);
	if (!get(img, ino->xattr_offset, ino->xattr_size))
		return -EUCLEAN;
	ino->tail_offset = ino->xattr_offset + ino->xattr_size;
	if (ino->size > INT64_MAX)
		return -EUCLEAN;
	kind = check_type(ino);
	return kind <= 0 ? kind : check_data(img, ino);
}

/* --- Data ---------------------------------------------------------------- */

static int map_chunk(const struct erofs_image *img,
		     const struct erofs_inode *ino, u64 offset, u64 *at,
		     u64 *run)
{
	u32 bits = 12 + (ino->raw & CHUNK_BITS);
	u64 unit = ino->raw & CHUNK_INDEXES ? 8 : 4;
	u64 chunk = offset >> bits, within = offset & ((1UL << bits) - 1);
	u64 table = ROUND_UP(ino->tail_offset, unit), entry;
	const u8 *p;
	u32 block;

	if (ckd_mul(&entry, chunk, unit) || ckd_add(&entry, entry, table))
		return -EUCLEAN;
	p = get(img, entry, unit);
	if (!p)
		return -EUCLEAN;
	if (unit == 8 && le16(p + 2) != 0)
		return -EUCLEAN; /* on another device */
	block = le32(unit == 8 ? p + 4 : p);
	*run = MIN((1UL << bits) - within, ino->size - offset);
	*at = EROFS_HOLE;
	if (block == CHUNK_NULL)
		return 0;
	*at = block * EROFS_BLOCK + within;
	return get(img, *at, *run) ? 0 : -EUCLEAN;
}

int erofs_map(const struct erofs_image *img, const struct erofs_inode *ino,
	      u64 offset, u64 *image_offset, u64 *run)
{
	u64 tail = ino->size - ino->size % EROFS_BLOCK;

	if (offset >= ino->size)
		return -EINVAL;
	if (ino->layout == LAYOUT_CHUNK)
		return map_chunk(img, ino, offset, image_offset, run);
	if (ino->layout == LAYOUT_INLINE && offset >= tail) {
		*image_offset = ino->tail_offset + (offset - tail);
		*run = ino->size - offset;
		return 0;
	}
	*image_offset = ino->raw * EROFS_BLOCK + offset;
	*run = (ino->layout == LAYOUT_INLINE ? tail : ino->size) - offset;
	return 0;
}

s64 erofs_read(const struct erofs_image *img, const struct erofs_inode *ino,
	       void *buf, u64 offset, u64 n)
{
	u64 done = 0, at, run;
	int err;

	if (offset >= ino->size)
		return 0;
	n = MIN(n, ino->size - offset);
	while (done < n) {
		const u8 *p;

		err = erofs_map(img, ino, offset + done, &at, &run);
		if (err)
			return err;
		run = MIN(run, n - done);
		p = at == EROFS_HOLE ? NULL : get(img, at, run);
		if (p)
			memcpy((u8 *)buf + done, p, run);
		else if (at == EROFS_HOLE)
			memset((u8 *)buf + done, 0, run);
		else
			return -EUCLEAN;
		done += run;
	}
	return (s64)done;
}

bool erofs_is_mappable(const struct erofs_image *img,
		       const struct erofs_inode *ino, u64 *offset)
{
	u64 at, run, next = 0;

	if (ino->size == 0)
		return false;
	for (u64 done = 0; done < ino->size; done += run) {
		if (erofs_map(img, ino, done, &at, &run) != 0 ||
		    at == EROFS_HOLE)
			return false;
		if (done == 0)
			*offset = at;
		else if (at != next)
			return false;
		next = at + run;
	}
	return IS_ALIGNED(*offset, EROFS_BLOCK) &&
	       get(img, *offset, ROUND_UP(ino->size, EROFS_BLOCK));
}

/* --- Directories --------------------------------------------------------- */

struct dir_block {
	const u8 *data;
	u32 size, count;
};

static int dir_block(const struct erofs_image *img,
		     const struct erofs_inode *dir, u64 index,
		     struct dir_block *b)
{
	u64 at, run, offset = index * EROFS_BLOCK;
	u32 first;
	int err = erofs_map(img, dir, offset, &at, &run);

	if (err || at == EROFS_HOLE)
		return -EUCLEAN;
	b->size = (u32)MIN(EROFS_BLOCK, dir->size - offset);
	b->data = run >= b->size ? get(img, at, b->size) : NULL;
	if (!b->data || b->size < DIRENT_SIZE)
		return -EUCLEAN;
	first = le16(b->data + 8);
	if (first < DIRENT_SIZE || first % DIRENT_SIZE || first > b->size)
		return -EUCLEAN;
	b->count = first / DIRENT_SIZE;
	return 0;
}

static int block_entry(const struct dir_block *b, u32 i, struct erofs_entry *e)
{
	const u8 *d = b->data + i * DIRENT_SIZE;
	u32 start = le16(d + 8), end = b->size;

	if (i + 1 < b->count)
		end = le16(d + DIRENT_SIZE + 8);
	if (start < b->count * DIRENT_SIZE || start >= end || end > b->size)
		return -EUCLEAN;
	e->nid = le64(d);
	e->type = d[10];
	e->name = (const char *)b->data + start;
	e->len = (u32)strnlen(e->name, end - start);
	if (e->len == 0 || e->len > EROFS_NAME_MAX ||
	    memchr(e->name, '/', e->len))
		return -EUCLEAN;
	return 0;
}

static int name_compare(const char *a, u32 a_len, const char *b, u32 b_len)
{
	int order = memcmp(a, b, MIN(a_len, b_len));

	if (order)
		return order;
	return a_len < b_len ? -1 : a_len > b_len;
}

/* Last block whose first name is not above `name`. */
static int find_block(const struct erofs_image *img,
		      const struct erofs_inode *dir, const char *name, u32 len,
		      struct dir_block *found)
{
	u64 lo = 0, hi = (dir->size + EROFS_BLOCK - 1) / EROFS_BLOCK;
	struct erofs_entry e;
	struct dir_block b;
	int err;

	found->count = 0;
	while (lo < hi) {
		u64 mid = lo + (hi - lo) / 2;

		err = dir_block(img, dir, mid, &b);
		if (!err)
			err = block_entry(&b, 0, &e);
		if (err)
			return err;
		if (name_compare(e.name, e.len, name, len) <= 0) {
			*found = b;
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return 0;
}

int erofs_lookup(const struct erofs_image *img, const struct erofs_inode *dir,
		 const char *name, u32 len, u64 *nid)
{
	struct erofs_entry e;
	struct dir_block b;
	u32 lo = 0, hi;
	int err = find_block(img, dir, name, len, &b);

	if (err)
		return err;
	hi = b.count;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		int order;

		err = block_entry(&b, mid, &e);
		if (err)
			return err;
		order = name_compare(e.name, e.len, name, len);
		if (order == 0) {
			*nid = e.nid;
			return 0;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return -ENOENT;
}

/* A position is the block's number times 512, plus the entry's in it. */
#define ENTRIES_MAX 512U

int erofs_dir_entry(const struct erofs_image *img,
		    const struct erofs_inode *dir, u64 pos,
		    struct erofs_entry *entry)
{
	u64 block = pos / ENTRIES_MAX;
	u32 i = (u32)(pos % ENTRIES_MAX);
	struct dir_block b;
	int err;

	for (; block < (dir->size + EROFS_BLOCK - 1) / EROFS_BLOCK; block++) {
		err = dir_block(img, dir, block, &b);
		if (err)
			return err;
		if (i < b.count) {
			entry->next = block * ENTRIES_MAX + i + 1;
			err = block_entry(&b, i, entry);
			return err ? err : 1;
		}
		i = 0;
	}
	return 0;
}

/* --- Extended attributes ------------------------------------------------- */

static int xattr_parse(const struct erofs_image *img, u64 offset,
		       struct erofs_xattr *x, u64 *next)
{
	const u8 *p = get(img, offset, 4);
	u64 size;

	if (!p)
		return -EUCLEAN;
	x->name_len = p[0];
	x->prefix = p[1];
	x->value_len = le16(p + 2);
	size = 4UL + x->name_len + x->value_len;
	p = get(img, offset, size);
	if (!p)
		return -EUCLEAN;
	x->name = (const char *)p + 4;
	x->value = p + 4 + x->name_len;
	*next = offset + ROUND_UP(size, 4UL);
	return 1;
}

int erofs_xattr_at(const struct erofs_image *img, const struct erofs_inode *ino,
		   u32 index, struct erofs_xattr *x)
{
	u64 at = ino->xattr_offset + XATTR_HEADER;
	u64 end = ino->xattr_offset + ino->xattr_size;
	const u8 *header;
	u32 nshared;
	int err;

	if (ino->xattr_size == 0)
		return 0;
	header = get(img, ino->xattr_offset, XATTR_HEADER);
	if (!header)
		return -EUCLEAN;
	nshared = header[4];
	if (at + 4UL * nshared > end)
		return -EUCLEAN;
	if (index < nshared) {
		const u8 *id = get(img, at + 4UL * index, 4);
		u64 unused;

		if (!id)
			return -EUCLEAN;
		return xattr_parse(img, img->xattr_offset + 4UL * le32(id), x,
				   &unused);
	}
	at += 4UL * nshared;
	for (index -= nshared; at + 4 <= end; index--) {
		err = xattr_parse(img, at, x, &at);
		if (err < 0 || at > end)
			return -EUCLEAN;
		if (index == 0)
			return 1;
	}
	return 0;
}

u32 erofs_xattr_name(const struct erofs_xattr *x, char *buf, u32 size)
{
	static const char *const prefixes[] = {
		[1] = "user.",
		[2] = "system.posix_acl_access",
		[3] = "system.posix_acl_default",
		[4] = "trusted.",
		[6] = "security.",
	};
	const char *prefix;
	u32 len;

	if (x->prefix >= ARRAY_SIZE(prefixes) || !prefixes[x->prefix])
		return 0;
	prefix = prefixes[x->prefix];
	len = (u32)strlen(prefix);
	if (len + x->name_len + 1 > size)
		return 0;
	memcpy(buf, prefix, len);
	memcpy(buf + len, x->name, x->name_len);
	len += x->name_len;
	buf[len] = '\0';
	return (u32)strnlen(buf, len);
}
