/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File data: blocks read and written for the pager, mapped when they are about
 * to become dirty, as unwritten extents, and made written ones after the
 * data is on the device; truncate, fallocate, fsync.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/linux/falloc.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/pager.h"
#include "kernel/vfs/vfs.h"

#define PREALLOC_FROM KIB(64) /* files of this size preallocate */
#define STEPS_PER_HANDLE 16U

static u32 blocks_per_page(const struct ext4_sb *sb)
{
	return (u32)(PAGE_SIZE >> sb->block_bits);
}

static int map_one(struct inode *i, u32 block, u32 len, struct ext4_map *m)
{
	struct ext4_node *n = ext4_node(i);
	int err;

	rw_read_lock(&n->map_lock);
	err = ext4_map(i, block, len, m);
	rw_read_unlock(&n->map_lock);
	return err;
}

/* --- Reading -------------------------------------------------------------- */

/* How many of n blocks from `block` on are below size? */
static u32 blocks_below(const struct ext4_sb *sb, u64 block, u64 n, u64 size)
{
	u64 end = (size + sb->block_size - 1) >> sb->block_bits;

	if (block >= end)
		return 0;
	return (u32)MIN(n, end - block);
}

static int data_read(struct inode *i, u64 page, u32 npages, u8 *data)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 block = page * blocks_per_page(sb), len = npages * PAGE_SIZE;
	u64 size = inode_size(i), start = page * PAGE_SIZE;
	u32 n = blocks_below(sb, block, len >> sb->block_bits, size);
	u32 done = 0;

	while (done < n) {
		u8 *to = data + ((u64)done << sb->block_bits);
		struct ext4_map m;
		int err = map_one(i, (u32)block + done, n - done, &m);
		u64 bytes;

		if (err)
			return -EIO;
		bytes = (u64)m.len << sb->block_bits;
		if (m.state == EXT4_WRITTEN)
			err = block_read(sb->device, m.start << sb->block_bits,
					 to, bytes);
		else
			memset(to, 0, bytes);
		if (err)
			return -EIO;
		done += m.len;
	}
	if (start + len > size) {
		u64 keep = size > start ? size - start : 0;

		memset(data + keep, 0, len - keep);
	}
	return 0;
}

/* --- Writing -------------------------------------------------------------- */

/* Blocks of the run hold data now; the file reaches up to `end` at least. */
static int written(struct inode *i, u32 block, u32 len, u64 end)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	u32 left = len, at = block;
	struct ext4_map m;
	struct handle h;
	int err = ext4_start(sb, 2 * ext4_extent_credits(n) + 4, &h);

	if (err)
		return err;
	rw_write_lock(&n->map_lock);
	while (left && !err) {
		err = ext4_map(i, at, left, &m);
		if (!err && m.state == EXT4_UNWRITTEN)
			err = ext4_extent_convert(&h, i, at, m.len,
						  EXT4_WRITTEN);
		at += m.len;
		left -= MIN(left, m.len);
		if (left && !err &&
		    journal_extend(&h, ext4_extent_credits(n)) != 0)
			break;
	}
	/* Nothing written may lie behind the size, also if this is only a part
	 * of it. */
	end = MIN(end, (u64)(block + len - left) << sb->block_bits);
	end = MIN(end, inode_size(i));
	if (end > n->disk_size)
		n->disk_size = end;
	if (!err)
		err = ext4_inode_store_data(&h, i);
	rw_write_unlock(&n->map_lock);
	journal_stop(&h);
	if (!err && left)
		return -EAGAIN;
	return err;
}

/* Write the run where it is mapped; holes (punched meanwhile) are skipped.
 * *unwritten: some of it was not written before. */
static int write_run(struct inode *i, u32 block, u32 n, const u8 *data,
		     bool *unwritten)
{
	struct ext4_sb *sb = ext4_sb(i);
	u32 done = 0;

	while (done < n) {
		struct ext4_map m;
		int err = map_one(i, block + done, n - done, &m);

		if (err)
			return -EIO;
		if (m.state != EXT4_HOLE)
			err = block_write(sb->device, m.start << sb->block_bits,
					  data + ((u64)done << sb->block_bits),
					  (u64)m.len << sb->block_bits);
		if (err)
			return err;
		*unwritten |= m.state == EXT4_UNWRITTEN;
		done += m.len;
	}
	return 0;
}

/* Under io_lock: what is mapped stays so until it is written. */
static int write_mapped(struct inode *i, u64 page, u32 npages, const u8 *data)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 block = page * blocks_per_page(sb), len = npages * PAGE_SIZE;
	u64 end = page * PAGE_SIZE + len;
	u32 n = blocks_below(sb, block, len >> sb->block_bits, inode_size(i));
	bool unwritten = false, tried = false;
	int err;

	if (n == 0)
		return 0;
	err = write_run(i, (u32)block, n, data, &unwritten);
	/* What a program was promised is lost: no more promises. */
	if (err == -EIO && sb->journal)
		journal_abort(sb->journal, err, "writing data");
	if (err)
		return err;
	if (!unwritten &&
	    MIN(end, inode_size(i)) <= atomic_load(&ext4_node(i)->disk_size))
		return 0;
	do {
		err = written(i, (u32)block, n, end);
		/* The extents may need a block; this must not fail. */
		if (err == -ENOSPC && !tried && ext4_make_room(sb)) {
			tried = true;
			err = -EAGAIN;
		}
	} while (err == -EAGAIN);
	return err;
}

static int data_write(struct inode *i, u64 page, u32 npages, const u8 *data)
{
	struct ext4_node *n = ext4_node(i);
	int err;

	rw_read_lock(&n->io_lock);
	err = write_mapped(i, page, npages, data);
	rw_read_unlock(&n->io_lock);
	return err;
}

/* --- Mapping -------------------------------------------------------------- */

static u64 file_goal(struct inode *i, u32 block)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	struct ext4_map m;

	if (block && ext4_map(i, block - 1, 1, &m) == 0 && m.state != EXT4_HOLE)
		return m.start + 1;
	if (n->goal)
		return n->goal;
	return ext4_group_first(sb, (u32)((i->ino - 1) / sb->inodes_per_group));
}

/* Blocks for the hole m: *m is cut to what was found. */
static int alloc_data(struct inode *i, struct handle *h, struct ext4_map *m)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	u64 goal = file_goal(i, m->block);
	bool is_append = (u64)m->block << sb->block_bits >= n->disk_size;
	int err;

	if (!ext4_has_room(sb, m->len, 0))
		return -ENOSPC;
	if (!(n->pa_len && n->pa_block == m->block) && is_append &&
	    inode_size(i) >= PREALLOC_FROM && m->len < EXT4_PREALLOC_MAX)
		ext4_prealloc(i, h, m->block, goal);
	if (n->pa_len && n->pa_block == m->block) {
		m->len = MIN(m->len, n->pa_len);
		m->start = n->pa_start;
		err = ext4_alloc_held(sb, h, m->start, m->len);
		if (err)
			return err;
		n->pa_block += m->len;
		n->pa_start += m->len;
		n->pa_len -= m->len;
	} else {
		m->len = MIN(m->len, EXT4_UNWRITTEN_MAX);
		err = ext4_alloc(sb, h, goal, &m->len, 0, &m->start);
		if (err)
			return err;
	}
	n->goal = m->start + m->len;
	return 0;
}

/* Map the first hole in [block, block + len) as unwritten: *next is where to
 * go on. */
static int fill_hole(struct inode *i, u32 block, u32 len, u32 *next)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	struct ext4_map m;
	struct handle h;
	int err = ext4_start(sb, ext4_extent_credits(n) + 8, &h);

	if (err)
		return err;
	rw_write_lock(&n->map_lock);
	err = ext4_map(i, block, len, &m);
	if (!err && m.state == EXT4_HOLE) {
		m.state = EXT4_UNWRITTEN;
		err = alloc_data(i, &h, &m);
		if (!err) {
			err = ext4_extent_insert(&h, i, &m);
			if (err)
				(void)ext4_free(sb, &h, m.start, m.len);
			else
				i->blocks +=
					(u64)m.len * (sb->block_size / 512);
		}
		if (!err)
			err = ext4_inode_store_data(&h, i);
	}
	rw_write_unlock(&n->map_lock);
	journal_stop(&h);
	*next = block + m.len;
	return err;
}

static int map_range(struct inode *i, u32 block, u32 end)
{
	bool tried = false;
	struct ext4_map m;
	int err;

	while (block < end) {
		err = map_one(i, block, end - block, &m);
		if (err)
			return -EIO;
		if (m.state != EXT4_HOLE) {
			/* The host's file may be a sparse copy. */
			err = ext4_host_reserve(ext4_sb(i), m.start, m.len);
			if (err)
				return err;
			block += m.len;
			continue;
		}
		if (!ext4_has_extents(ext4_node(i)))
			return -EOPNOTSUPP;
		err = fill_hole(i, block, m.len, &block);
		if (err == -ENOSPC && !tried && ext4_make_room(ext4_sb(i))) {
			tried = true;
			block = m.block;
			err = 0;
		}
		if (err)
			return err;
	}
	return 0;
}

static int data_prepare(struct inode *i, u64 offset, u64 len)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 end;

	if (atomic_load(&sb->fs->is_readonly))
		return -EROFS;
	if (len == 0)
		return 0;
	if (ckd_add(&end, offset, len + PAGE_SIZE - 1))
		return -EFBIG;
	/* Pages have all of their blocks, or none: once one was prepared, the
	 * pager need not ask again. */
	end = PAGE_DOWN(end) >> sb->block_bits;
	if (end > EXT4_BLOCK_END)
		return -EFBIG;
	return map_range(i, (u32)(PAGE_DOWN(offset) >> sb->block_bits),
			 (u32)end);
}

static const struct pager_ops data_ops = {
	.read = data_read,
	.write = data_write,
	.prepare = data_prepare,
};

/* Under the inode's lock, once it is opened or truncated. */
int ext4_attach_data(struct inode *i)
{
	if (i->object || !inode_is(i, TYPE_REG))
		return 0;
	return pager_attach(i, &data_ops, i->size);
}

void ext4_data_evict(struct inode *i)
{
	if (!i->object)
		return;
	if (i->nlink == 0)
		(void)pager_drop(i, 0, ~0UL);
	else
		(void)pager_write_back(i, 0, ~0UL);
}

/* --- Freeing -------------------------------------------------------------- */

static bool has_blocks(struct inode *i)
{
	if (inode_is(i, TYPE_LNK))
		return i->size >= EXT4_NBLOCKS * 4;
	return inode_is(i, TYPE_REG) || inode_is(i, TYPE_DIR);
}

/* Some steps in a handle that has credits for one: 1 if there is more. */
static int remove_steps(struct handle *h, struct inode *i, u32 from, u32 to)
{
	struct ext4_node *n = ext4_node(i);
	int err = 1;

	rw_write_lock(&n->map_lock);
	for (u32 k = 0; err == 1 && k < STEPS_PER_HANDLE; k++) {
		if (k && journal_extend(h, ext4_remove_credits(i)) != 0)
			break;
		if (ext4_has_extents(n))
			err = ext4_extent_remove(h, i, from, to);
		else if (to == EXT4_BLOCK_END)
			err = ext4_indirect_remove(h, i, from);
		else
			err = -EOPNOTSUPP;
	}
	rw_write_unlock(&n->map_lock);
	if (err >= 0 && ext4_inode_store_data(h, i))
		err = -EIO;
	return err;
}

u32 ext4_remove_credits(const struct inode *i)
{
	u32 n = ext4_extent_credits(ext4_node(i)) + 8;

	return inode_is(i, TYPE_REG) ? n + 64 : n + 128;
}

/* Under io_lock. */
static int remove_blocks(struct inode *i, u32 from, u32 to)
{
	struct handle h;
	int err;

	do {
		err = ext4_start(ext4_sb(i), ext4_remove_credits(i), &h);
		if (err)
			return err;
		err = remove_steps(&h, i, from, to);
		journal_stop(&h);
	} while (err == 1);
	return err;
}

int ext4_remove_blocks(struct inode *i, u32 from, u32 to)
{
	struct ext4_node *n = ext4_node(i);
	int err;

	if (!has_blocks(i))
		return 0;
	rw_write_lock(&n->io_lock);
	err = remove_blocks(i, from, to);
	rw_write_unlock(&n->io_lock);
	return err;
}

/* Zero bytes [from, to) of one block on the device. */
static int zero_on_device(struct ext4_sb *sb, u64 block, u64 from, u64 to)
{
	u8 *data = kmalloc(sb->block_size);
	int err;

	if (!data)
		return -ENOMEM;
	err = block_read(sb->device, block << sb->block_bits, data,
			 sb->block_size);
	if (!err) {
		memset(data + from, 0, to - from);
		err = block_write(sb->device, block << sb->block_bits, data,
				  sb->block_size);
	}
	kfree(data);
	return err;
}

static int zero_blocks(struct inode *i, u64 from, u64 to)
{
	struct ext4_sb *sb = ext4_sb(i);
	int err = 0;

	while (from < to && !err) {
		u64 start = ROUND_DOWN(from, (u64)sb->block_size);
		u64 end = MIN(start + sb->block_size, to);
		struct ext4_map m;

		err = map_one(i, (u32)(from >> sb->block_bits), 1, &m);
		if (!err && m.state == EXT4_WRITTEN)
			err = zero_on_device(sb, m.start, from - start,
					     end - start);
		from = end;
	}
	return err;
}

/* Zero bytes [from, to) of the file, within a page, where they were ever
 * written. By way of the page if there may be one: its other bytes may be newer
 * than the device, and on their way there. */
static int zero_bytes(struct inode *i, u64 from, u64 to)
{
	struct ext4_map m;
	int err;

	if (from >= to)
		return 0;
	if (!i->object)
		return zero_blocks(i, from, to);
	err = map_one(i, (u32)(from >> ext4_sb(i)->block_bits), 1, &m);
	if (err || m.state == EXT4_HOLE)
		return err;
	err = pager_zero(i, from, to - from);
	return err ? err : pager_write_back(i, from, to - from);
}

static u64 block_up(const struct ext4_sb *sb, u64 x)
{
	return ROUND_UP(x, (u64)sb->block_size);
}

/* Take what is behind `size` out of memory and, of the last block, off the
 * device: it must not come back when the file grows. */
static int cut_pages(struct inode *i, u64 size)
{
	u64 old = inode_size(i);
	int err = 0;

	if (i->object) {
		err = pager_drop(i, size, ~0UL - size);
		if (!err)
			err = object_resize(i->object, size);
		/* What mappings brought in meanwhile. */
		if (!err)
			err = pager_drop(i, size, ~0UL - size);
	}
	i->size = size;
	if (err)
		return err;
	return zero_bytes(i, size, MIN(old, block_up(ext4_sb(i), size)));
}

/* Blocks of the last page behind the end stay, but hold nothing. */
static int tail_unwritten(struct handle *h, struct inode *i, u32 block, u32 end)
{
	int err = 0;

	while (block < end && ext4_has_extents(ext4_node(i)) && !err) {
		struct ext4_map m;

		err = ext4_map(i, block, end - block, &m);
		if (!err && m.state == EXT4_WRITTEN)
			err = ext4_extent_convert(h, i, block, m.len,
						  EXT4_UNWRITTEN);
		block += m.len;
	}
	return err;
}

/* Under io_lock: 1 if the inode is an orphan then, as it took several steps. */
static int cut_blocks(struct inode *i, u64 size)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	u32 tail = (u32)(block_up(sb, size) >> sb->block_bits);
	u32 from = (u32)(PAGE_UP(size) >> sb->block_bits);
	struct handle h;
	int ret, err;

	err = ext4_start(
		sb, ext4_remove_credits(i) + 3 * ext4_extent_credits(n) + 4,
		&h);
	if (err)
		return err;
	rw_write_lock(&n->map_lock);
	n->disk_size = MIN(n->disk_size, size);
	err = tail_unwritten(&h, i, tail, from);
	rw_write_unlock(&n->map_lock);
	ret = err ? err : remove_steps(&h, i, from, EXT4_BLOCK_END);
	if (ret == 1)
		err = ext4_orphan_add(&h, i);
	journal_stop(&h);
	if (ret <= 0 || err)
		return ret < 0 ? ret : err;
	err = remove_blocks(i, from, EXT4_BLOCK_END);
	return err ? err : 1;
}

static int truncate_down(struct inode *i, u64 size)
{
	struct ext4_node *n = ext4_node(i);
	struct handle h;
	int err = cut_pages(i, size);

	if (err)
		return err;
	ext4_prealloc_drop(i);
	rw_write_lock(&n->io_lock);
	err = cut_blocks(i, size);
	rw_write_unlock(&n->io_lock);
	if (err <= 0)
		return err;
	err = ext4_start(ext4_sb(i), 6, &h);
	if (err)
		return err;
	err = ext4_orphan_done(&h, i);
	journal_stop(&h);
	return err;
}

static int truncate_up(struct inode *i, u64 size)
{
	struct ext4_node *n = ext4_node(i);
	struct handle h;
	int err = 0;

	if (size > (u64)EXT4_BLOCK_END << ext4_sb(i)->block_bits)
		return -EFBIG;
	if (i->object)
		err = object_resize(i->object, size);
	if (!err)
		err = ext4_start(ext4_sb(i), 2, &h);
	if (err)
		return err;
	i->size = size;
	rw_write_lock(&n->map_lock);
	n->disk_size = size;
	rw_write_unlock(&n->map_lock);
	err = ext4_inode_store_data(&h, i);
	journal_stop(&h);
	return err;
}

int ext4_truncate(struct inode *i, u64 size)
{
	u64 old = inode_size(i);

	if (!inode_is(i, TYPE_REG))
		return -EINVAL;
	if (atomic_load(&ext4_sb(i)->fs->is_readonly))
		return -EROFS;
	if (size > old)
		return truncate_up(i, size);
	/* The same size frees what fallocate() kept behind it. */
	return truncate_down(i, size);
}

/* --- fallocate ------------------------------------------------------------ */

/* Whole pages become holes; parts of pages zero. */
static int punch(struct inode *i, u64 offset, u64 end)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 first = PAGE_UP(offset), last = PAGE_DOWN(end);
	int err;

	if (i->object) {
		err = pager_drop(i, offset, end - offset);
		if (err)
			return err;
	}
	if (first > last) /* within one page */
		return zero_bytes(i, offset, end);
	err = zero_bytes(i, offset, first);
	if (!err)
		err = zero_bytes(i, last, end);
	if (!err && first < last)
		err = ext4_remove_blocks(i, (u32)(first >> sb->block_bits),
					 (u32)(last >> sb->block_bits));
	/* What a mapping read in meanwhile is from before. */
	if (!err && i->object && first < last)
		err = pager_drop(i, first, last - first);
	return err;
}

static int grow_to(struct inode *i, u64 end)
{
	return end > inode_size(i) ? truncate_up(i, end) : 0;
}

static int fallocate_locked(struct inode *i, int mode, u64 offset, u64 end)
{
	u64 size = inode_size(i);
	int err = 0;

	if ((mode & FALLOC_FL_PUNCH_HOLE) && offset >= size)
		return ext4_remove_behind(i, offset, end);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = punch(i, offset, end);
	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE))
		err = data_prepare(i, offset, end - offset);
	if (!err && !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)))
		err = grow_to(i, end);
	return err;
}

int ext4_remove_behind(struct inode *i, u64 offset, u64 end)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 first = PAGE_UP(offset) >> sb->block_bits;
	u64 last = PAGE_DOWN(end) >> sb->block_bits;

	last = MIN(last, (u64)EXT4_BLOCK_END);
	if (first >= last)
		return 0;
	return ext4_remove_blocks(i, (u32)first, (u32)last);
}

static int file_fallocate(struct file *f, int mode, u64 offset, u64 len)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			  FALLOC_FL_ZERO_RANGE;
	struct inode *i = f->inode;
	u64 end = offset + len;
	int err;

	if ((mode & ~known) ||
	    ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE)) ||
	    ((mode & FALLOC_FL_PUNCH_HOLE) && (mode & FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	if (end > (u64)EXT4_BLOCK_END << ext4_sb(i)->block_bits)
		return -EFBIG;
	if (!(mode & FALLOC_FL_KEEP_SIZE)) {
		err = inode_size_limit(i, end);
		if (err)
			return err;
	}
	rw_write_lock(&i->lock);
	err = fallocate_locked(i, mode, offset, end);
	if (!err) {
		inode_drop_suid(i);
		inode_touch(i, ATTR_MTIME | ATTR_CTIME);
		err = ext4_inode_flush(i);
	}
	rw_write_unlock(&i->lock);
	return err;
}

/* --- Holes ---------------------------------------------------------------- */

/* The first byte from offset on that is data, or is not. Unwritten blocks are
 * holes unless memory has newer data, which is written out first. */
static s64 seek(struct inode *i, u64 offset, bool data)
{
	struct ext4_sb *sb = ext4_sb(i);
	u64 size = inode_size(i), at = offset;
	struct ext4_map m;
	int err;

	if (offset >= size)
		return -ENXIO;
	err = i->object ? pager_write_back(i, offset, size - offset) : 0;
	while (!err && at < size) {
		err = map_one(i, (u32)(at >> sb->block_bits), EXT4_INIT_MAX,
			      &m);
		if (!err && (m.state == EXT4_WRITTEN) == data)
			return (s64)at;
		at = ROUND_DOWN(at, (u64)sb->block_size) +
		     ((u64)m.len << sb->block_bits);
	}
	if (err)
		return err;
	return data ? -ENXIO : (s64)size;
}

static s64 file_lseek(struct file *f, s64 offset, int whence)
{
	s64 pos;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return pager_fops.lseek(f, offset, whence);
	if (offset < 0)
		return -ENXIO;
	pos = seek(f->inode, (u64)offset, whence == SEEK_DATA);
	if (pos >= 0)
		f->pos = (u64)pos;
	return pos;
}

/* --- fsync ---------------------------------------------------------------- */

/* Everything about the inode is on stable storage. */
int ext4_inode_sync(struct inode *i, bool data_only)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	bool flushed = false;
	int err = 0;

	if (!sb->journal)
		return 0;
	if (journal_error(sb->journal))
		return -EIO;
	if (!data_only)
		err = ext4_inode_flush(i);
	if (!err && n->is_changed)
		err = journal_commit(
			sb->journal,
			atomic_load(data_only ? &n->data_tid : &n->tid),
			&flushed);
	if (flushed)
		ext4_prealloc_write(i);
	if (!err && !flushed && inode_is(i, TYPE_REG)) {
		err = block_flush(sb->device);
		/* What was lost may be anybody's. */
		if (err)
			journal_abort(sb->journal, err, "flushing data");
	}
	return err;
}

static int file_fsync(struct file *f, bool data_only)
{
	struct inode *i = f->inode;
	int err = i->object ? pager_write_back(i, 0, ~0UL) : 0;

	return err ? err : ext4_inode_sync(i, data_only);
}

/* --- Operations ----------------------------------------------------------- */

static int file_open(struct inode *i, UNUSED struct file *f)
{
	int err;

	if (atomic_load_acquire(&i->object))
		return 0;
	rw_write_lock(&i->lock);
	err = ext4_attach_data(i);
	rw_write_unlock(&i->lock);
	return err;
}

static void file_release(struct file *f)
{
	if (f->can_write && atomic_load(&f->inode->writers) <= 0)
		ext4_prealloc_drop(f->inode);
	if (pager_fops.release)
		pager_fops.release(f);
}

struct file_ops ext4_file_ops;

void ext4_file_init(void)
{
	struct file_ops ops = pager_fops;

	ops.lseek = file_lseek;
	ops.fallocate = file_fallocate;
	ops.fsync = file_fsync;
	ops.ioctl = ext4_ioctl;
	ops.release = file_release;
	ext4_file_ops = ops;
}

const struct inode_ops ext4_file_iops = {
	.open = file_open,
	.setattr = ext4_setattr,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.listxattr = ext4_listxattr,
	.removexattr = ext4_removexattr,
	.evict = ext4_evict,
};
