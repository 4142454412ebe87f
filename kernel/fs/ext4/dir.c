/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory blocks: checked once when they come from disk, searched, changed;
 * directories without an index.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

#define TAIL_SIZE ((u32)sizeof(struct ext4_dirent_tail))

u32 ext4_dir_room(const struct ext4_sb *sb)
{
	return sb->block_size - (sb->has_csum ? TAIL_SIZE : 0);
}

u8 ext4_dirent_type(const struct ext4_sb *sb, u32 mode)
{
	static const u8 types[16] = {
		[TYPE_FIFO >> 12] = EXT4_FT_FIFO,
		[TYPE_CHR >> 12] = EXT4_FT_CHR,
		[TYPE_DIR >> 12] = EXT4_FT_DIR,
		[TYPE_BLK >> 12] = EXT4_FT_BLK,
		[TYPE_REG >> 12] = EXT4_FT_REG,
		[TYPE_LNK >> 12] = EXT4_FT_LNK,
		[TYPE_SOCK >> 12] = EXT4_FT_SOCK,
	};

	if (!(sb->incompat & EXT4_FILETYPE))
		return EXT4_FT_UNKNOWN;
	return types[mode >> 12 & 15];
}

static struct ext4_dirent *at(u8 *data, u32 offset)
{
	return (struct ext4_dirent *)(data + offset);
}

/* --- Checks --------------------------------------------------------------- */

static struct ext4_dirent_tail *tail_of(const struct ext4_sb *sb, u8 *data)
{
	return (struct ext4_dirent_tail *)(data + sb->block_size - TAIL_SIZE);
}

void ext4_dir_tail_init(const struct ext4_sb *sb, u8 *data)
{
	struct ext4_dirent_tail *t = tail_of(sb, data);

	if (!sb->has_csum)
		return;
	memset(t, 0, sizeof(*t));
	t->rec_len = (u16)TAIL_SIZE;
	t->type = EXT4_FT_TAIL;
}

static u32 leaf_sum(const struct inode *dir, const u8 *data)
{
	return crc32c(ext4_node(dir)->csum_seed, data,
		      ext4_sb(dir)->block_size - TAIL_SIZE);
}

static bool tail_ok(const struct inode *dir, u8 *data)
{
	const struct ext4_dirent_tail *t = tail_of(ext4_sb(dir), data);

	return t->zero == 0 && t->rec_len == TAIL_SIZE && t->zero_len == 0 &&
	       t->type == EXT4_FT_TAIL && t->checksum == leaf_sum(dir, data);
}

static bool entries_ok(const struct ext4_sb *sb, u8 *data, u32 size)
{
	u32 offset = 0;

	while (offset < size) {
		const struct ext4_dirent *e = at(data, offset);

		if (size - offset < EXT4_DIRENT_HEAD ||
		    e->rec_len < EXT4_DIRENT_HEAD || e->rec_len % 4 ||
		    e->rec_len > size - offset)
			return false;
		if (e->inode && (e->name_len == 0 ||
				 EXT4_DIRENT_SIZE(e->name_len) > e->rec_len ||
				 memchr(e->name, '/', e->name_len) ||
				 e->inode > sb->inodes_count))
			return false;
		offset += e->rec_len;
	}
	return true;
}

int ext4_dir_raw_block(struct inode *dir, u32 n, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct ext4_map m;
	int err;

	*b = NULL;
	rw_read_lock(&ext4_node(dir)->map_lock);
	err = ext4_map(dir, n, 1, &m);
	rw_read_unlock(&ext4_node(dir)->map_lock);
	if (err || m.state == EXT4_HOLE)
		return err;
	if (m.state == EXT4_UNWRITTEN)
		return ext4_corrupt(sb, "unwritten directory", dir->ino);
	return buffer_read(sb->buffers, m.start, b);
}

int ext4_dir_block(struct inode *dir, u32 n, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(dir);
	int err = ext4_dir_raw_block(dir, n, b);

	if (err || !*b)
		return err;
	err = ext4_known(sb, *b, EXT4_KIND_DIR, dir->ino);
	if (err > 0) {
		err = 0;
		if (sb->has_csum && !tail_ok(dir, (*b)->data))
			err = ext4_corrupt(sb, "checksum of directory",
					   dir->ino);
		else if (!entries_ok(sb, (*b)->data, ext4_dir_room(sb)))
			err = ext4_corrupt(sb, "entries of directory",
					   dir->ino);
		else
			ext4_claim(*b, EXT4_KIND_DIR, dir->ino);
	}
	if (err)
		buffer_put(*b);
	return err;
}

void ext4_dir_dirty(struct handle *h, struct inode *dir, struct buffer *b)
{
	const struct ext4_sb *sb = ext4_sb(dir);

	if (sb->has_csum && (b->checked & 15) == EXT4_KIND_INDEX)
		ext4_index_sum(dir, b->data);
	else if (sb->has_csum)
		tail_of(sb, b->data)->checksum = leaf_sum(dir, b->data);
	journal_dirty(h, b);
}

/* --- One block ------------------------------------------------------------ */

struct ext4_dirent *ext4_block_find(const struct ext4_sb *sb UNUSED, u8 *data,
				    u32 size, const char *name, u32 len,
				    struct ext4_dirent **prev)
{
	struct ext4_dirent *e, *before = NULL;

	for (u32 offset = 0; offset < size; offset += e->rec_len) {
		e = at(data, offset);
		if (e->inode && e->name_len == len &&
		    memcmp(e->name, name, len) == 0) {
			*prev = before;
			return e;
		}
		before = e;
	}
	return NULL;
}

int ext4_block_insert(const struct ext4_sb *sb UNUSED, u8 *data, u32 size,
		      const char *name, u32 len, u32 ino, u8 type)
{
	u32 need = EXT4_DIRENT_SIZE(len), used;
	struct ext4_dirent *e, *rest;

	for (u32 offset = 0; offset < size; offset += e->rec_len) {
		e = at(data, offset);
		used = e->inode ? EXT4_DIRENT_SIZE(e->name_len) : 0;
		if (e->rec_len < used + need)
			continue;
		if (used) {
			rest = at(data, offset + used);
			rest->rec_len = (u16)(e->rec_len - used);
			e->rec_len = (u16)used;
			e = rest;
		}
		e->inode = ino;
		e->name_len = (u8)len;
		e->type = type;
		memcpy(e->name, name, len);
		return 0;
	}
	return -ENOSPC;
}

/* --- Whole directories ---------------------------------------------------- */

static u32 nblocks(const struct inode *dir)
{
	return (u32)(dir->size >> ext4_sb(dir)->block_bits);
}

static int find_linear(struct inode *dir, const char *name, u32 len,
		       struct ext4_place *p)
{
	struct ext4_sb *sb = ext4_sb(dir);

	for (u32 n = 0; n < nblocks(dir); n++) {
		int err = ext4_dir_block(dir, n, &p->b);

		if (err)
			return err;
		if (!p->b)
			continue;
		p->e = ext4_block_find(sb, p->b->data, ext4_dir_room(sb), name,
				       len, &p->prev);
		if (p->e)
			return 0;
		buffer_put(p->b);
	}
	return -ENOENT;
}

int ext4_dir_find(struct inode *dir, const char *name, u32 len,
		  struct ext4_place *p)
{
	if (len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	if (ext4_dir_is_htree(dir))
		return ext4_htree_find(dir, name, len, p);
	return find_linear(dir, name, len, p);
}

static int append_alloc(struct handle *h, struct inode *dir, u32 n, u64 *block)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct ext4_node *node = ext4_node(dir);
	struct ext4_map m = { .block = n, .len = 1, .state = EXT4_WRITTEN };
	u64 goal = node->goal;
	int err;

	if (!goal)
		goal = ext4_group_first(
			sb, (u32)((dir->ino - 1) / sb->inodes_per_group));
	err = ext4_alloc(sb, h, goal, &m.len, 0, &m.start);
	if (err)
		return err;
	rw_write_lock(&node->map_lock);
	err = ext4_extent_insert(h, dir, &m);
	if (!err) {
		dir->blocks += sb->block_size / 512;
		node->goal = m.start + 1;
	}
	rw_write_unlock(&node->map_lock);
	if (err)
		(void)ext4_free(sb, h, m.start, 1);
	*block = m.start;
	return err;
}

int ext4_dir_append(struct handle *h, struct inode *dir, u32 *n,
		    struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(dir);
	u64 block;
	int err;

	*n = nblocks(dir);
	if (!ext4_has_extents(ext4_node(dir)) || *n >= EXT4_BLOCK_END - 1)
		return -EOPNOTSUPP;
	err = append_alloc(h, dir, *n, &block);
	if (err)
		return err;
	dir->size += sb->block_size;
	err = buffer_new(sb->buffers, block, b);
	if (!err) {
		err = journal_get_write(h, *b);
		if (err)
			buffer_put(*b);
	}
	if (err) /* the block stays a part of the directory, and zero */
		return err;
	ext4_claim(*b, EXT4_KIND_DIR, dir->ino);
	at((*b)->data, 0)->rec_len = (u16)ext4_dir_room(sb);
	ext4_dir_tail_init(sb, (*b)->data);
	return ext4_inode_store_data(h, dir);
}

/* Into some block of a directory without an index. */
static int insert_linear(struct handle *h, struct inode *dir, const char *name,
			 u32 len, u32 ino, u8 type)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct buffer *b;
	int err = -ENOSPC;

	for (u32 n = 0; n < nblocks(dir) && err == -ENOSPC; n++) {
		err = ext4_dir_block(dir, n, &b);
		if (err)
			return err;
		err = -ENOSPC;
		if (!b)
			continue;
		/* Only what changes need go through the journal. */
		if (ext4_block_room(sb, b->data, EXT4_DIRENT_SIZE(len)))
			err = journal_get_write(h, b);
		if (!err) {
			err = ext4_block_insert(sb, b->data, ext4_dir_room(sb),
						name, len, ino, type);
			ext4_dir_dirty(h, dir, b);
		}
		buffer_put(b);
	}
	return err;
}

bool ext4_block_room(const struct ext4_sb *sb, u8 *data, u32 need)
{
	const struct ext4_dirent *e;
	u32 used;

	for (u32 offset = 0; offset < ext4_dir_room(sb); offset += e->rec_len) {
		e = at(data, offset);
		used = e->inode ? EXT4_DIRENT_SIZE(e->name_len) : 0;
		if (e->rec_len >= used + need)
			return true;
	}
	return false;
}

static int insert_appending(struct handle *h, struct inode *dir,
			    const char *name, u32 len, u32 ino, u8 type)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct buffer *b;
	u32 n;
	int err = ext4_dir_append(h, dir, &n, &b);

	if (err)
		return err;
	err = ext4_block_insert(sb, b->data, ext4_dir_room(sb), name, len, ino,
				type);
	ext4_dir_dirty(h, dir, b);
	buffer_put(b);
	return err;
}

u32 ext4_insert_credits(const struct inode *dir)
{
	return 3 * (ext4_extent_credits(ext4_node(dir)) + 3) + 4;
}

int ext4_dir_insert(struct handle *h, struct inode *dir, const char *name,
		    u32 len, const struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(dir);
	u8 type = ext4_dirent_type(sb, i->mode);
	u32 ino = (u32)i->ino;
	int err;

	if (len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	if (!ext4_dir_is_htree(dir)) {
		if (ext4_node(dir)->flags & EXT4_INDEX_FL)
			return ext4_corrupt(sb, "index of directory", dir->ino);
		err = insert_linear(h, dir, name, len, ino, type);
		if (err != -ENOSPC)
			return err;
		if (nblocks(dir) != 1 || !(sb->compat & EXT4_DIR_INDEX))
			return insert_appending(h, dir, name, len, ino, type);
		err = ext4_htree_make(h, dir);
		if (err)
			return err;
	}
	return ext4_htree_insert(h, dir, name, len, ino, type);
}

int ext4_dir_remove(struct handle *h, struct inode *dir, struct ext4_place *p)
{
	int err = journal_get_write(h, p->b);

	if (err)
		return err;
	if (p->prev)
		p->prev->rec_len = (u16)(p->prev->rec_len + p->e->rec_len);
	else
		p->e->inode = 0;
	ext4_dir_dirty(h, dir, p->b);
	return 0;
}

static void put_dot(u8 *data, u32 offset, u32 rec_len, const char *name,
		    u64 ino, u8 type)
{
	struct ext4_dirent *e = at(data, offset);

	e->inode = (u32)ino;
	e->rec_len = (u16)rec_len;
	e->name_len = (u8)strlen(name);
	e->type = type;
	memcpy(e->name, name, e->name_len);
}

int ext4_dir_init(struct handle *h, struct inode *dir, u64 parent)
{
	struct ext4_sb *sb = ext4_sb(dir);
	u8 type = ext4_dirent_type(sb, TYPE_DIR);
	struct buffer *b;
	u32 n;
	int err = ext4_dir_append(h, dir, &n, &b);

	if (err)
		return err;
	put_dot(b->data, 0, 12, ".", dir->ino, type);
	put_dot(b->data, 12, ext4_dir_room(sb) - 12, "..", parent, type);
	ext4_dir_dirty(h, dir, b);
	buffer_put(b);
	return 0;
}

static bool is_dots(const struct ext4_dirent *e)
{
	return e->name[0] == '.' &&
	       (e->name_len == 1 || (e->name_len == 2 && e->name[1] == '.'));
}

static int block_is_empty(struct inode *dir, u32 n)
{
	struct ext4_sb *sb = ext4_sb(dir);
	const struct ext4_dirent *e;
	struct buffer *b;
	int err = ext4_dir_block(dir, n, &b);

	if (err || !b)
		return err ? err : 1;
	err = 1;
	for (u32 offset = 0; offset < ext4_dir_room(sb); offset += e->rec_len) {
		e = at(b->data, offset);
		if (e->inode && !(n == 0 && is_dots(e)))
			err = 0;
	}
	buffer_put(b);
	return err;
}

int ext4_dir_is_empty(struct inode *dir)
{
	int empty = 1;

	if (ext4_dir_is_htree(dir))
		return ext4_htree_is_empty(dir);
	for (u32 n = 0; n < nblocks(dir) && empty == 1; n++)
		empty = block_is_empty(dir, n);
	return empty;
}

int ext4_dir_set_parent(struct handle *h, struct inode *dir, u64 parent)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct ext4_dirent *e;
	struct buffer *b;
	int err;

	if (ext4_dir_is_htree(dir))
		err = ext4_htree_root(dir, &b);
	else
		err = ext4_dir_block(dir, 0, &b);
	if (err)
		return err;
	if (!b)
		return ext4_corrupt(sb, "hole in directory", dir->ino);
	e = at(b->data, at(b->data, 0)->rec_len);
	if (at(b->data, 0)->rec_len > sb->block_size - 24 || e->name_len != 2 ||
	    memcmp(e->name, "..", 2) != 0)
		err = ext4_corrupt(sb, "parent of directory", dir->ino);
	if (!err)
		err = journal_get_write(h, b);
	if (!err) {
		e->inode = (u32)parent;
		ext4_dir_dirty(h, dir, b);
	}
	buffer_put(b);
	return err;
}
