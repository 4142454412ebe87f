/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes, in the inode's own space and in a block. All of an
 * inode's are read at once; a change writes all of them anew, the inode's space
 * first.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/fs/xattr.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define ITEMS_MAX 256U
#define VALUE_ALIGN 4U
enum { FLAG_CREATE = 1, FLAG_REPLACE = 2 };

struct item {
	const char *name; /* without its prefix */
	const u8 *value;
	u32 size;
	u8 index, len;
	bool is_inside; /* goes into the inode */
};
struct set {
	u32 n;
	struct item item[ITEMS_MAX];
	u8 inode[4096]; /* copies that items point into */
	u8 block[4096];
};

/* --- Names ---------------------------------------------------------------- */

static const struct prefix {
	u8 index;
	const char *text;
} prefixes[] = {
	{ 1, "user." },
	{ 4, "trusted." },
	{ 6, "security." },
};

static int name_parse(const char *name, struct item *key)
{
	for (u32 k = 0; k < ARRAY_SIZE(prefixes); k++) {
		size_t n = strlen(prefixes[k].text);

		if (strncmp(name, prefixes[k].text, n) != 0)
			continue;
		key->index = prefixes[k].index;
		key->name = name + n;
		if (strlen(key->name) > 255)
			return -ERANGE;
		key->len = (u8)strlen(key->name);
		return 0;
	}
	return -EOPNOTSUPP;
}

static const char *prefix_of(const struct item *it)
{
	for (u32 k = 0; k < ARRAY_SIZE(prefixes); k++)
		if (prefixes[k].index == it->index)
			return prefixes[k].text;
	return NULL;
}

/* Linux searches blocks in this order. */
static int compare(const struct item *a, const struct item *b)
{
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->name, b->name, a->len);
}

/* --- Reading -------------------------------------------------------------- */

/* Entries from `first` to a zero word; values are offsets from `base`. */
static int parse(struct set *s, const u8 *base, u32 first, u32 size)
{
	u32 at = first;

	for (;;) {
		const struct ext4_xattr_entry *e;
		struct item *it = &s->item[s->n];
		u32 end;

		if (at + 4 > size)
			return -EUCLEAN;
		e = (const struct ext4_xattr_entry *)(base + at);
		if (e->name_len == 0 && e->index == 0 && e->value_offset == 0)
			return 0;
		if (at + sizeof(*e) > size || s->n == ITEMS_MAX)
			return -EUCLEAN;
		end = at + EXT4_XATTR_ENTRY_SIZE(e->name_len);
		if (end + 4 > size || e->value_inum != 0 ||
		    e->value_size > size || e->value_offset > size ||
		    e->value_offset + e->value_size > size)
			return -EUCLEAN;
		it->name = e->name;
		it->len = e->name_len;
		it->index = e->index;
		it->size = e->value_size;
		it->value = base + e->value_offset;
		s->n++;
		at = end;
	}
}

static u32 inside_start(const struct ext4_node *n)
{
	return EXT4_INODE_OLD_SIZE + n->extra_isize;
}

/* Bytes for attributes in the inode, behind the magic number. */
static u32 inside_room(const struct ext4_sb *sb, const struct ext4_node *n)
{
	if (n->extra_isize == 0 || inside_start(n) + 8 > sb->inode_size)
		return 0;
	return sb->inode_size - inside_start(n) - 4;
}

static int load_inode(struct inode *i, struct set *s)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	struct ext4_disk_inode *raw;
	u32 room = inside_room(sb, n), magic;
	struct buffer *b;
	int err;

	if (!room)
		return 0;
	err = ext4_inode_raw(sb, i->ino, &b, &raw);
	if (err)
		return err;
	memcpy(&magic, (u8 *)raw + inside_start(n), 4);
	memcpy(s->inode, (u8 *)raw + inside_start(n) + 4, room);
	buffer_put(b);
	if (magic != EXT4_XATTR_MAGIC)
		return 0;
	return parse(s, s->inode, 0, room);
}

static u32 block_sum(const struct ext4_sb *sb, const struct buffer *b)
{
	const u32 at = offsetof(struct ext4_xattr_header, checksum);
	static const u8 zero[4];
	u32 crc = crc32c(sb->csum_seed, (const u8 *)&b->block, 8);

	crc = crc32c(crc, b->data, at);
	crc = crc32c(crc, zero, 4);
	return crc32c(crc, b->data + at + 4, sb->block_size - at - 4);
}

static struct ext4_xattr_header *header_of(const struct buffer *b)
{
	return (struct ext4_xattr_header *)b->data;
}

static int block_read_checked(struct ext4_sb *sb, u64 block, struct buffer **b)
{
	const struct ext4_xattr_header *head;
	int err = buffer_read(sb->buffers, block, b);

	if (err)
		return err;
	head = header_of(*b);
	err = ext4_known(sb, *b, EXT4_KIND_XATTR, 0);
	if (err > 0) {
		err = 0;
		if (head->magic != EXT4_XATTR_MAGIC || head->blocks != 1 ||
		    head->refcount == 0 ||
		    head->refcount > EXT4_XATTR_REFCOUNT_MAX)
			err = ext4_corrupt(sb, "attribute block", block);
		else if (sb->has_csum && head->checksum != block_sum(sb, *b))
			err = ext4_corrupt(sb, "checksum of attribute block",
					   block);
		else
			ext4_claim(*b, EXT4_KIND_XATTR, 0);
	}
	if (err)
		buffer_put(*b);
	return err;
}

static int load_block(struct inode *i, struct set *s)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct buffer *b;
	int err;

	if (!ext4_node(i)->file_acl)
		return 0;
	err = block_read_checked(sb, ext4_node(i)->file_acl, &b);
	if (err)
		return err;
	memcpy(s->block, b->data, sb->block_size);
	buffer_put(b);
	return parse(s, s->block, sizeof(struct ext4_xattr_header),
		     sb->block_size);
}

static int load(struct inode *i, struct set **out)
{
	struct set *s = kmalloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->n = 0;
	err = load_inode(i, s);
	if (!err)
		err = load_block(i, s);
	if (err) {
		kfree(s);
		return err == -EUCLEAN
			       ? ext4_corrupt(ext4_sb(i), "attributes of inode",
					      i->ino)
			       : err;
	}
	*out = s;
	return 0;
}

/* All of an inode's, and the one of a name among them: NULL if there is none.
 * key: the name, to add it by. */
static int find(struct inode *i, const char *name, struct item *key,
		struct set **s, struct item **it)
{
	int err = name_parse(name, key);

	if (!err)
		err = load(i, s);
	if (err)
		return err;
	*it = NULL;
	for (u32 k = 0; k < (*s)->n && !*it; k++)
		if (compare(&(*s)->item[k], key) == 0)
			*it = &(*s)->item[k];
	return 0;
}

s64 ext4_getxattr(struct inode *i, const char *name, void *buf, size_t n)
{
	struct item key, *it;
	struct set *s;
	s64 ret = find(i, name, &key, &s, &it);

	if (ret)
		return ret;
	if (!it)
		ret = -ENODATA;
	else if (n && n < it->size)
		ret = -ERANGE;
	else
		ret = it->size;
	if (ret > 0 && n)
		memcpy(buf, it->value, it->size);
	kfree(s);
	return ret;
}

s64 ext4_listxattr(struct inode *i, char *buf, size_t n)
{
	struct set *s;
	s64 total = 0;
	int err = load(i, &s);

	if (err)
		return err;
	for (u32 k = 0; k < s->n; k++) {
		const struct item *it = &s->item[k];
		const char *prefix = prefix_of(it);
		size_t head = prefix ? strlen(prefix) : 0;

		if (!prefix)
			continue;
		if (n && (u64)total + head + it->len + 1 > n) {
			kfree(s);
			return -ERANGE;
		}
		if (n) {
			memcpy(buf + total, prefix, head);
			memcpy(buf + total + head, it->name, it->len);
			buf[total + (s64)head + it->len] = '\0';
		}
		total += (s64)head + it->len + 1;
	}
	kfree(s);
	return total;
}

/* --- Writing -------------------------------------------------------------- */

static u32 space(const struct item *it)
{
	return EXT4_XATTR_ENTRY_SIZE(it->len) + ROUND_UP(it->size, VALUE_ALIGN);
}

/* Decide where each goes. -ENOSPC. */
static int place(const struct ext4_sb *sb, const struct ext4_node *n,
		 struct set *s)
{
	u32 room = inside_room(sb, n), used = 4;
	u32 block = sizeof(struct ext4_xattr_header) + 4;

	for (u32 k = 0; k < s->n; k++) {
		struct item *it = &s->item[k];

		it->is_inside = used + space(it) <= room;
		if (it->is_inside)
			used += space(it);
		else
			block += space(it);
	}
	return block <= sb->block_size ? 0 : -ENOSPC;
}

static u32 entry_hash(const struct item *it)
{
	u32 hash = 0, word;

	for (u32 k = 0; k < it->len; k++)
		hash = (hash << 5) ^ (hash >> 27) ^ (u8)it->name[k];
	for (u32 k = 0; k < it->size; k += 4) {
		word = 0;
		memcpy(&word, it->value + k, MIN(4U, it->size - k));
		hash = (hash << 16) ^ (hash >> 16) ^ word;
	}
	return hash;
}

/* Entries from `at` up, values from the end down: the hash of all. */
static u32 fill(const struct set *s, bool inside, u8 *base, u32 at, u32 end)
{
	u32 hash = 0;

	for (u32 k = 0; k < s->n; k++) {
		const struct item *it = &s->item[k];
		struct ext4_xattr_entry *e =
			(struct ext4_xattr_entry *)(base + at);

		if (it->is_inside != inside)
			continue;
		e->name_len = it->len;
		e->index = it->index;
		e->value_size = it->size;
		memcpy(e->name, it->name, it->len);
		if (it->size) {
			end -= ROUND_UP(it->size, VALUE_ALIGN);
			e->value_offset = (u16)end;
			memcpy(base + end, it->value, it->size);
		}
		if (!inside)
			e->hash = entry_hash(it);
		hash = (hash << 16) ^ (hash >> 16) ^ e->hash;
		at += EXT4_XATTR_ENTRY_SIZE(it->len);
	}
	return hash;
}

static int store_inside(struct handle *h, struct inode *i, const struct set *s)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	u32 room = inside_room(sb, n), magic = EXT4_XATTR_MAGIC;
	struct ext4_disk_inode *raw;
	struct buffer *b;
	u8 *area;
	int err;

	if (!room)
		return 0;
	err = ext4_inode_edit(h, i, &b, &raw);
	if (err)
		return err;
	mutex_lock(&n->lock);
	area = (u8 *)raw + inside_start(n);
	memset(area, 0, room + 4);
	memcpy(area, &magic, 4);
	(void)fill(s, true, area + 4, 0, room);
	ext4_inode_sum_set(sb, n, raw);
	mutex_unlock(&n->lock);
	journal_dirty(h, b);
	buffer_put(b);
	return 0;
}

/* This inode no longer uses its block. */
static int block_drop(struct handle *h, struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	struct buffer *b;
	int err;

	if (!n->file_acl)
		return 0;
	err = block_read_checked(sb, n->file_acl, &b);
	if (err)
		return err;
	if (header_of(b)->refcount > 1) {
		err = journal_get_write(h, b);
		if (!err) {
			header_of(b)->refcount--;
			if (sb->has_csum)
				header_of(b)->checksum = block_sum(sb, b);
			journal_dirty(h, b);
		}
	} else {
		b->checked = 0;
		(void)journal_forget(h, b, n->file_acl);
		err = ext4_free(sb, h, n->file_acl, 1);
	}
	buffer_put(b);
	n->file_acl = 0;
	i->blocks -= sb->block_size / 512;
	return err;
}

static int block_make(struct handle *h, struct inode *i, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	u64 goal = ext4_group_first(sb,
				    (u32)((i->ino - 1) / sb->inodes_per_group));
	u32 len = 1;
	u64 block;
	int err = ext4_alloc(sb, h, goal, &len, 0, &block);

	if (err)
		return err;
	err = buffer_new(sb->buffers, block, b);
	if (err) {
		(void)ext4_free(sb, h, block, 1);
		return err;
	}
	ext4_claim(*b, EXT4_KIND_XATTR, 0);
	n->file_acl = block;
	i->blocks += sb->block_size / 512;
	return 0;
}

static bool has_outside(const struct set *s)
{
	for (u32 k = 0; k < s->n; k++)
		if (!s->item[k].is_inside)
			return true;
	return false;
}

/* A block that only this inode uses. */
static int block_own(struct handle *h, struct inode *i, struct buffer **b)
{
	struct ext4_node *n = ext4_node(i);
	int err;

	if (n->file_acl) {
		err = block_read_checked(ext4_sb(i), n->file_acl, b);
		if (err || header_of(*b)->refcount == 1)
			return err;
		buffer_put(*b);
		err = block_drop(h, i);
		if (err)
			return err;
	}
	return block_make(h, i, b);
}

static int store_outside(struct handle *h, struct inode *i, const struct set *s)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_xattr_header *head;
	struct buffer *b;
	int err;

	if (!has_outside(s))
		return block_drop(h, i);
	err = block_own(h, i, &b);
	if (err)
		return err;
	err = journal_get_write(h, b);
	if (!err) {
		head = header_of(b);
		memset(b->data, 0, sb->block_size);
		head->magic = EXT4_XATTR_MAGIC;
		head->refcount = 1;
		head->blocks = 1;
		head->hash =
			fill(s, false, b->data, sizeof(*head), sb->block_size);
		if (sb->has_csum)
			head->checksum = block_sum(sb, b);
		journal_dirty(h, b);
	}
	buffer_put(b);
	return err;
}

static void sort(struct set *s)
{
	for (u32 k = 1; k < s->n; k++) {
		struct item it = s->item[k];
		u32 at = k;

		for (; at > 0 && compare(&s->item[at - 1], &it) > 0; at--)
			s->item[at] = s->item[at - 1];
		s->item[at] = it;
	}
}

static int store(struct inode *i, struct set *s)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct handle h;
	int err;

	sort(s);
	err = place(sb, ext4_node(i), s);
	if (!err)
		err = ext4_start(sb, 12, &h);
	if (err)
		return err;
	err = store_outside(&h, i, s);
	if (!err)
		err = store_inside(&h, i, s);
	if (!err)
		err = ext4_inode_store(&h, i);
	journal_stop(&h);
	return err;
}

int ext4_setxattr(struct inode *i, const char *name, const void *buf, size_t n,
		  int flags)
{
	struct item key, *it;
	struct set *s;
	int err = find(i, name, &key, &s, &it);

	if (err)
		return err;
	key.value = buf;
	key.size = (u32)n;
	if (n > ext4_sb(i)->block_size)
		err = -ENOSPC;
	else if (it && (flags & FLAG_CREATE))
		err = -EEXIST;
	else if (!it && (flags & FLAG_REPLACE))
		err = -ENODATA;
	else if (!it && s->n == ITEMS_MAX)
		err = -ENOSPC;
	if (!err) {
		if (!it)
			it = &s->item[s->n++];
		*it = key;
		err = store(i, s);
	}
	kfree(s);
	return err;
}

int ext4_removexattr(struct inode *i, const char *name)
{
	struct item key, *it;
	struct set *s;
	int err = find(i, name, &key, &s, &it);

	if (err)
		return err;
	if (it) {
		*it = s->item[--s->n];
		err = store(i, s);
	} else {
		err = -ENODATA;
	}
	kfree(s);
	return err;
}

int ext4_xattr_delete(struct handle *h, struct inode *i)
{
	return block_drop(h, i);
}
