/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexed directories, reading: block 0 and the blocks below it map hashes of
 * names to leaves, which are ordinary directory blocks.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/htree.h"
#include "kernel/kernel.h"

bool ext4_dir_is_htree(const struct inode *dir)
{
	return (ext4_sb(dir)->compat & EXT4_DIR_INDEX) &&
	       (ext4_node(dir)->flags & EXT4_INDEX_FL);
}

/* --- Checks --------------------------------------------------------------- */

/* Where the entries of an index block begin: only roots have a ".". */
static u32 entries_at(const u8 *data)
{
	const struct ext4_dirent *e = (const struct ext4_dirent *)data;

	return e->rec_len == 12 ? EXT4_DX_ROOT_ENTRIES : EXT4_DX_NODE_ENTRIES;
}

u32 ext4_index_limit(const struct ext4_sb *sb, bool is_root)
{
	u32 head = is_root ? EXT4_DX_ROOT_ENTRIES : EXT4_DX_NODE_ENTRIES;
	u32 tail = sb->has_csum ? (u32)sizeof(struct ext4_dx_tail) : 0;

	return (sb->block_size - head - tail) /
	       (u32)sizeof(struct ext4_dx_entry);
}

static struct ext4_dx_count *count_of(u8 *data, u32 offset)
{
	return (struct ext4_dx_count *)(data + offset);
}

static struct ext4_dx_tail *tail_of(u8 *data, u32 offset)
{
	return (struct ext4_dx_tail *)(data + offset +
				       count_of(data, offset)->limit *
					       sizeof(struct ext4_dx_entry));
}

static u32 index_sum(const struct inode *dir, u8 *data, u32 offset)
{
	static const u8 zero[4];
	u32 used = count_of(data, offset)->count *
		   (u32)sizeof(struct ext4_dx_entry);
	u32 crc = crc32c(ext4_node(dir)->csum_seed, data, offset + used);

	crc = crc32c(crc, (const u8 *)tail_of(data, offset), 4);
	return crc32c(crc, zero, 4);
}

void ext4_index_sum(const struct inode *dir, u8 *data)
{
	u32 offset = entries_at(data);

	tail_of(data, offset)->checksum = index_sum(dir, data, offset);
}

static bool entries_ok(const struct inode *dir, u8 *data, u32 offset)
{
	const struct ext4_sb *sb = ext4_sb(dir);
	const struct ext4_dx_count *c = count_of(data, offset);
	const struct ext4_dx_entry *e = (const void *)(data + offset);
	u32 limit = ext4_index_limit(sb, offset == EXT4_DX_ROOT_ENTRIES);

	if (c->limit != limit || c->count == 0 || c->count > limit)
		return false;
	for (u32 k = 0; k < c->count; k++)
		if (e[k].block == 0 ||
		    e[k].block >= dir->size >> sb->block_bits ||
		    (k > 1 && e[k].hash < e[k - 1].hash))
			return false;
	return !sb->has_csum ||
	       tail_of(data, offset)->checksum == index_sum(dir, data, offset);
}

static bool root_ok(const struct inode *dir, u8 *data)
{
	const struct ext4_sb *sb = ext4_sb(dir);
	const struct ext4_dx_root *r = (const struct ext4_dx_root *)data;
	const struct ext4_dirent *dot = (const struct ext4_dirent *)r->dot;
	const struct ext4_dirent *up = (const struct ext4_dirent *)r->dotdot;
	u32 max = sb->incompat & EXT4_LARGEDIR ? 2 : 1;

	return dot->rec_len == 12 && dot->name_len == 1 &&
	       up->rec_len == sb->block_size - 12 && up->name_len == 2 &&
	       up->inode <= sb->inodes_count && r->reserved == 0 &&
	       r->hash_version <= EXT4_HASH_TEA_UNSIGNED &&
	       r->info_length == 8 && r->levels <= max &&
	       entries_ok(dir, data, EXT4_DX_ROOT_ENTRIES);
}

static bool node_ok(const struct inode *dir, u8 *data)
{
	const struct ext4_dirent *e = (const struct ext4_dirent *)data;

	return e->inode == 0 && e->rec_len == ext4_sb(dir)->block_size &&
	       entries_ok(dir, data, EXT4_DX_NODE_ENTRIES);
}

static int index_read(struct inode *dir, u32 n, struct buffer **b)
{
	struct ext4_sb *sb = ext4_sb(dir);
	int err = ext4_dir_raw_block(dir, n, b);
	bool ok;

	if (err)
		return err;
	if (!*b)
		return ext4_corrupt(sb, "hole in directory", dir->ino);
	err = ext4_known(sb, *b, EXT4_KIND_INDEX, dir->ino);
	if (err > 0) {
		ok = n ? node_ok(dir, (*b)->data) : root_ok(dir, (*b)->data);
		err = ok ? 0 : ext4_corrupt(sb, "index of directory", dir->ino);
		if (ok)
			ext4_claim(*b, EXT4_KIND_INDEX, dir->ino);
	} else if (!err && (entries_at((*b)->data) == EXT4_DX_ROOT_ENTRIES) !=
				   (n == 0)) {
		err = ext4_corrupt(sb, "index of directory", dir->ino);
	}
	if (err)
		buffer_put(*b);
	return err;
}

int ext4_htree_root(struct inode *dir, struct buffer **b)
{
	return index_read(dir, 0, b);
}

/* --- Frames --------------------------------------------------------------- */

void ext4_frames_put(struct ext4_frames *f)
{
	for (u32 l = 0; l < f->n; l++)
		buffer_put(f->frame[l].b);
	f->n = 0;
}

static void frame_search(struct ext4_frame *f, u32 hash)
{
	u32 lo = 1, hi = ext4_frame_count(f)->count;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (f->entries[mid].hash <= hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	f->at = lo - 1;
}

int ext4_frames_find(struct inode *dir, u32 hash, struct ext4_frames *f)
{
	u32 block = 0, levels = 0;

	memset(f, 0, sizeof(*f));
	for (u32 l = 0; l <= levels; l++) {
		struct ext4_frame *frame = &f->frame[l];
		int err = index_read(dir, block, &frame->b);

		if (err) {
			ext4_frames_put(f);
			return err;
		}
		f->n = l + 1;
		frame->entries =
			(void *)(frame->b->data + entries_at(frame->b->data));
		if (l == 0)
			levels =
				MIN((u32)((struct ext4_dx_root *)frame->b->data)
					    ->levels,
				    EXT4_FRAMES_MAX - 1U);
		frame_search(frame, hash);
		block = frame->entries[frame->at].block;
	}
	f->leaf = block;
	return 0;
}

/* The hash at which the leaf behind the frames' begins, or ~0. */
static u32 next_hash(const struct ext4_frames *f)
{
	for (u32 l = f->n; l-- > 0;) {
		const struct ext4_frame *frame = &f->frame[l];

		if (frame->at + 1 < ext4_frame_count(frame)->count)
			return frame->entries[frame->at + 1].hash;
	}
	return ~0U;
}

int ext4_htree_leaf(struct inode *dir, u32 major, struct buffer **b, u32 *next)
{
	struct ext4_frames f;
	int err = ext4_frames_find(dir, major, &f);

	if (err)
		return err;
	*next = next_hash(&f);
	if (*next != ~0U && *next <= major)
		err = ext4_corrupt(ext4_sb(dir), "index of directory",
				   dir->ino);
	if (!err)
		err = ext4_dir_block(dir, f.leaf, b);
	if (!err && !*b)
		err = ext4_corrupt(ext4_sb(dir), "hole in directory", dir->ino);
	ext4_frames_put(&f);
	return err;
}

/* --- Finding -------------------------------------------------------------- */

int ext4_htree_version(struct inode *dir, u32 *version)
{
	struct buffer *b;
	int err = index_read(dir, 0, &b);

	if (err)
		return err;
	*version = ext4_hash_version(
		ext4_sb(dir),
		((const struct ext4_dx_root *)b->data)->hash_version);
	buffer_put(b);
	return 0;
}

int ext4_htree_hash(struct inode *dir, const char *name, u32 len,
		    struct ext4_hash *hash)
{
	u32 version;
	int err = ext4_htree_version(dir, &version);

	if (err)
		return err;
	return ext4_name_hash(version, ext4_sb(dir)->hash_seed, name, len,
			      hash);
}

/* "." and ".." are in the root. */
static int find_dots(struct inode *dir, u32 len, struct ext4_place *p)
{
	struct ext4_dx_root *r;
	int err = index_read(dir, 0, &p->b);

	if (err)
		return err;
	r = (struct ext4_dx_root *)p->b->data;
	p->e = (struct ext4_dirent *)(len == 1 ? r->dot : r->dotdot);
	p->prev = NULL;
	return 0;
}

int ext4_htree_find(struct inode *dir, const char *name, u32 len,
		    struct ext4_place *p)
{
	struct ext4_sb *sb = ext4_sb(dir);
	struct ext4_hash hash;
	u32 major, next;
	int err;

	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return find_dots(dir, len, p);
	err = ext4_htree_hash(dir, name, len, &hash);
	/* Names of one hash may go on in the next leaf. */
	for (major = hash.major; !err; major = next) {
		err = ext4_htree_leaf(dir, major, &p->b, &next);
		if (err)
			break;
		p->e = ext4_block_find(sb, p->b->data, ext4_dir_room(sb), name,
				       len, &p->prev);
		if (p->e)
			return 0;
		buffer_put(p->b);
		if (next == ~0U || (next & ~1U) != hash.major)
			err = -ENOENT;
	}
	return err;
}

int ext4_htree_is_empty(struct inode *dir)
{
	const struct ext4_dirent *e;
	struct buffer *b;
	u32 major = 0, next;

	do {
		u32 size = ext4_dir_room(ext4_sb(dir));
		int err = ext4_htree_leaf(dir, major, &b, &next);
		bool used = false;

		if (err)
			return err;
		for (u32 offset = 0; offset < size; offset += e->rec_len) {
			e = (const struct ext4_dirent *)(b->data + offset);
			used |= e->inode != 0;
		}
		buffer_put(b);
		if (used)
			return 0;
		major = next;
	} while (next != ~0U);
	return 1;
}
