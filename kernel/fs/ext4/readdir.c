/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing directories. Where names are hashed they come in the order of their
 * hashes, and the position is the hash: it stays good when names are removed,
 * added, or leaves are split. Otherwise it is the offset.
 */
#include "kernel/fs/ext4/htree.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/vfs.h"

#define FIRST_POS 2UL /* behind "." and ".." */
#define END_POS ((u64)INT64_MAX)
#define NAMES_MAX 512U

struct item {
	u64 pos;
	u16 offset;
};

/* One for an open directory that was left in the middle of names of one
 * hash. */
struct cursor {
	u64 pos;
	u32 skip; /* names at pos that were given already */
};

struct listing {
	struct inode *dir;
	struct dir_context *ctx;
	struct cursor *cursor;
	struct buffer *b;
	u32 n;
	struct item item[NAMES_MAX];
};

static u32 type_mode(const struct ext4_dirent *e)
{
	static const u32 modes[] = {
		0,	  TYPE_REG,  TYPE_DIR,	TYPE_CHR,
		TYPE_BLK, TYPE_FIFO, TYPE_SOCK, TYPE_LNK,
	};

	return e->type < ARRAY_SIZE(modes) ? modes[e->type] : 0;
}

static bool is_dots(const struct ext4_dirent *e)
{
	return e->name[0] == '.' &&
	       (e->name_len == 1 || (e->name_len == 2 && e->name[1] == '.'));
}

static struct ext4_dirent *at(const struct buffer *b, u32 offset)
{
	return (struct ext4_dirent *)(b->data + offset);
}

static u64 hash_pos(struct ext4_hash hash)
{
	return FIRST_POS + ((u64)(hash.major >> 1) << 32 | hash.minor);
}

/* --- In the order of hashes ----------------------------------------------- */

static void item_insert(struct listing *l, u64 pos, u32 offset)
{
	u32 k = l->n++;

	for (; k > 0 && l->item[k - 1].pos > pos; k--)
		l->item[k] = l->item[k - 1];
	l->item[k].pos = pos;
	l->item[k].offset = (u16)offset;
}

/* The names of a leaf at or behind the position, sorted. */
static int collect(struct listing *l, u32 version)
{
	struct ext4_sb *sb = ext4_sb(l->dir);
	const struct ext4_dirent *e;
	u32 size = ext4_dir_room(sb);

	l->n = 0;
	for (u32 offset = 0; offset < size; offset += e->rec_len) {
		struct ext4_hash hash;

		e = at(l->b, offset);
		if (!e->inode || is_dots(e))
			continue;
		if (ext4_name_hash(version, sb->hash_seed, e->name, e->name_len,
				   &hash) ||
		    l->n == NAMES_MAX)
			return -EUCLEAN;
		if (hash_pos(hash) >= l->ctx->pos)
			item_insert(l, hash_pos(hash), offset);
	}
	return 0;
}

/* 1: all of them were taken. */
static int emit_items(struct listing *l)
{
	struct dir_context *ctx = l->ctx;
	u32 same = 0;

	for (u32 k = 0; k < l->n; k++) {
		const struct ext4_dirent *e = at(l->b, l->item[k].offset);
		u64 pos = l->item[k].pos, next = pos + 1;

		same = k && l->item[k - 1].pos == pos ? same + 1 : 0;
		if (l->cursor->pos == pos && same < l->cursor->skip)
			continue;
		if (k + 1 < l->n && l->item[k + 1].pos == pos)
			next = pos;
		if (!ctx->emit(ctx, e->name, e->name_len, e->inode,
			       type_mode(e), next)) {
			l->cursor->pos = pos;
			l->cursor->skip = same;
			ctx->pos = pos;
			return 0;
		}
		ctx->pos = next;
	}
	return 1;
}

static int list_hashed(struct listing *l)
{
	struct inode *dir = l->dir;
	bool is_htree = ext4_dir_is_htree(dir);
	u32 version =
		ext4_hash_version(ext4_sb(dir), ext4_sb(dir)->hash_version);
	u32 major = (u32)((l->ctx->pos - FIRST_POS) >> 32) << 1, next = ~0U;
	int err = is_htree ? ext4_htree_version(dir, &version) : 0;

	while (!err) {
		if (is_htree)
			err = ext4_htree_leaf(dir, major, &l->b, &next);
		else
			err = ext4_dir_block(dir, 0, &l->b);
		if (err || !l->b)
			return err;
		err = collect(l, version);
		if (!err)
			err = emit_items(l) ? 0 : 1;
		buffer_put(l->b);
		if (err || next == ~0U)
			break;
		major = next;
	}
	if (!err)
		l->ctx->pos = END_POS;
	return MIN(err, 0);
}

/* --- In the order of blocks ----------------------------------------------- */

/* The first entry of the block that begins at `from` or behind. Entries may
 * have been joined since the position was given out. */
static int emit_block(struct listing *l, u64 base, u32 from)
{
	struct dir_context *ctx = l->ctx;
	const struct ext4_dirent *e;
	u32 size = ext4_dir_room(ext4_sb(l->dir));

	for (u32 offset = 0; offset < size; offset += e->rec_len) {
		u64 next;

		e = at(l->b, offset);
		next = FIRST_POS + base + offset + e->rec_len;
		if (offset < from || !e->inode || is_dots(e))
			continue;
		if (!ctx->emit(ctx, e->name, e->name_len, e->inode,
			       type_mode(e), next))
			return 0;
		ctx->pos = next;
	}
	return 1;
}

static int list_linear(struct listing *l)
{
	struct ext4_sb *sb = ext4_sb(l->dir);
	int more = 1;

	while (more == 1 && l->ctx->pos - FIRST_POS < l->dir->size) {
		u64 offset = l->ctx->pos - FIRST_POS;
		u64 base = ROUND_DOWN(offset, (u64)sb->block_size);
		int err = ext4_dir_block(l->dir, (u32)(base >> sb->block_bits),
					 &l->b);

		if (err)
			return err;
		if (l->b) {
			more = emit_block(l, base, (u32)(offset - base));
			buffer_put(l->b);
		}
		if (more == 1)
			l->ctx->pos = FIRST_POS + base + sb->block_size;
	}
	return 0;
}

/* --- Operations ----------------------------------------------------------- */

/* A small directory will be hashed once it grows: positions must stay good. */
static bool is_hashed(const struct inode *dir)
{
	const struct ext4_sb *sb = ext4_sb(dir);

	return ext4_dir_is_htree(dir) ||
	       ((sb->compat & EXT4_DIR_INDEX) && dir->size == sb->block_size);
}

static int list(struct file *f, struct dir_context *ctx)
{
	struct listing *l = kmalloc(sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->dir = f->inode;
	l->ctx = ctx;
	l->cursor = f->data;
	if (l->cursor->pos != ctx->pos)
		l->cursor->skip = 0;
	rw_read_lock(&f->inode->lock);
	if (f->inode->flags & INODE_DEAD)
		err = 0;
	else
		err = is_hashed(f->inode) ? list_hashed(l) : list_linear(l);
	rw_read_unlock(&f->inode->lock);
	kfree(l);
	return err;
}

int ext4_readdir(struct file *f, struct dir_context *ctx)
{
	int err = 0;

	if (!f->data)
		f->data = kzalloc(sizeof(struct cursor));
	if (!f->data)
		return -ENOMEM;
	if (dir_emit_dots(f, ctx) && ctx->pos < END_POS)
		err = list(f, ctx);
	inode_accessed(f->inode, f->path.mount, f);
	return err;
}

static s64 dir_lseek(struct file *f, s64 offset, int whence)
{
	return file_seek(f, offset, whence, (s64)END_POS, INT64_MAX);
}

static int dir_fsync(struct file *f, bool data_only)
{
	return ext4_inode_sync(f->inode, data_only);
}

static void dir_release(struct file *f)
{
	kfree(f->data);
}

const struct file_ops ext4_dir_fops = {
	.name = "directory",
	.lseek = dir_lseek,
	.readdir = ext4_readdir,
	.fsync = dir_fsync,
	.ioctl = ext4_ioctl,
	.release = dir_release,
};
