/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: found by number, read and checked, written back.
 */
#include "kernel/cpu/crc32c.h"
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/object.h"

#define SIZE_MAX_BLOCKS 0xffffffffUL

/* --- The raw inode -------------------------------------------------------- */

int ext4_inode_raw(struct ext4_sb *sb, u64 ino, struct buffer **b,
		   struct ext4_disk_inode **raw)
{
	u32 group = (u32)((ino - 1) / sb->inodes_per_group);
	u32 index = (u32)((ino - 1) % sb->inodes_per_group);
	u64 block =
		sb->groups[group].inode_table + index / sb->inodes_per_block;
	int err = buffer_read(sb->buffers, block, b);

	if (err)
		return err;
	err = ext4_known(sb, *b, EXT4_KIND_INODES, group);
	if (err < 0) {
		buffer_put(*b);
		return err;
	}
	if (err > 0)
		ext4_claim(*b, EXT4_KIND_INODES, group);
	*raw = (struct ext4_disk_inode *)((*b)->data +
					  index % sb->inodes_per_block *
						  sb->inode_size);
	return 0;
}

int ext4_inode_edit(struct handle *h, struct inode *i, struct buffer **b,
		    struct ext4_disk_inode **raw)
{
	int err = ext4_inode_raw(ext4_sb(i), i->ino, b, raw);

	if (err)
		return err;
	err = journal_get_write(h, *b);
	if (err)
		buffer_put(*b);
	return err;
}

static u32 extra_of(const struct ext4_sb *sb, const struct ext4_disk_inode *raw)
{
	return sb->inode_size > EXT4_INODE_OLD_SIZE ? raw->extra_isize : 0;
}

/* Is a field among those that the inode's size and extra_isize cover? */
#define HAS_FIELD(extra, field)                                  \
	(offsetof(struct ext4_disk_inode, field) +               \
		 sizeof(((struct ext4_disk_inode *)0)->field) <= \
	 EXT4_INODE_OLD_SIZE + (extra))

static u32 inode_sum(const struct ext4_sb *sb, const struct ext4_node *n,
		     const struct ext4_disk_inode *raw)
{
	const u32 lo = offsetof(struct ext4_disk_inode, checksum);
	const u32 hi = offsetof(struct ext4_disk_inode, checksum_hi);
	const u8 *p = (const u8 *)raw;
	static const u8 zero[2];
	u32 crc = crc32c(n->csum_seed, p, lo), at = hi;

	crc = crc32c(crc, zero, 2);
	crc = crc32c(crc, p + lo + 2, EXT4_INODE_OLD_SIZE - lo - 2);
	if (sb->inode_size == EXT4_INODE_OLD_SIZE)
		return crc;
	crc = crc32c(crc, p + EXT4_INODE_OLD_SIZE, hi - EXT4_INODE_OLD_SIZE);
	if (HAS_FIELD(raw->extra_isize, checksum_hi)) {
		crc = crc32c(crc, zero, 2);
		at += 2;
	}
	return crc32c(crc, p + at, sb->inode_size - at);
}

static bool sum_ok(const struct ext4_sb *sb, const struct ext4_node *n,
		   const struct ext4_disk_inode *raw)
{
	u32 sum, want = raw->checksum;

	if (!sb->has_csum)
		return true;
	sum = inode_sum(sb, n, raw);
	if (HAS_FIELD(extra_of(sb, raw), checksum_hi))
		want |= (u32)raw->checksum_hi << 16;
	else
		sum &= 0xffff;
	return sum == want;
}

void ext4_inode_sum_set(const struct ext4_sb *sb, const struct ext4_node *n,
			struct ext4_disk_inode *raw)
{
	u32 sum;

	if (!sb->has_csum)
		return;
	sum = inode_sum(sb, n, raw);
	raw->checksum = (u16)sum;
	if (HAS_FIELD(extra_of(sb, raw), checksum_hi))
		raw->checksum_hi = (u16)(sum >> 16);
}

static void node_seed(const struct ext4_sb *sb, struct ext4_node *n, u64 ino)
{
	u32 number = (u32)ino;

	n->csum_seed = crc32c(sb->csum_seed, (const u8 *)&number, 4);
	n->csum_seed = crc32c(n->csum_seed, (const u8 *)&n->generation, 4);
}

/* --- Times: 34 bits of seconds, 30 of nanoseconds ------------------------- */

static struct ltimespec time_in(u32 sec, u32 extra)
{
	struct ltimespec t = { .sec = (s32)sec, .nsec = extra >> 2 };

	t.sec += (s64)(extra & 3) << 32;
	if (t.nsec >= NSEC_PER_SEC)
		t.nsec = 0;
	return t;
}

static u32 time_low(struct ltimespec t, bool has_extra)
{
	if (has_extra)
		return (u32)t.sec;
	return (u32)MIN(MAX(t.sec, (s64)INT32_MIN), (s64)INT32_MAX);
}

static u32 time_extra(struct ltimespec t)
{
	u32 epoch = (u32)((t.sec - (s32)t.sec) >> 32) & 3;

	return epoch | (u32)t.nsec << 2;
}

/* --- Reading -------------------------------------------------------------- */

static void take_times(struct inode *i, const struct ext4_disk_inode *raw,
		       u32 extra)
{
	bool has = HAS_FIELD(extra, atime_extra);

	i->atime = time_in(raw->atime, has ? raw->atime_extra : 0);
	i->mtime = time_in(raw->mtime, has ? raw->mtime_extra : 0);
	i->ctime = time_in(raw->ctime, has ? raw->ctime_extra : 0);
	i->btime = i->ctime;
	if (HAS_FIELD(extra, crtime_extra))
		i->btime = time_in(raw->crtime, raw->crtime_extra);
}

static void remember_stored(struct inode *i)
{
	struct ext4_stored *s = &ext4_node(i)->stored;

	s->mode = i->mode;
	s->uid = i->uid;
	s->gid = i->gid;
	s->atime = i->atime;
	s->mtime = i->mtime;
	s->ctime = i->ctime;
}

static int take_size(struct ext4_sb *sb, struct inode *i,
		     const struct ext4_disk_inode *raw)
{
	struct ext4_node *n = ext4_node(i);
	u64 max = SIZE_MAX_BLOCKS << sb->block_bits;

	i->size = raw->size;
	if (inode_is(i, TYPE_REG) || inode_is(i, TYPE_DIR))
		i->size |= (u64)raw->size_hi << 32;
	n->disk_size = i->size;
	i->blocks = raw->blocks;
	if (sb->ro_compat & EXT4_HUGE_FILE)
		i->blocks |= (u64)raw->blocks_hi << 32;
	if ((sb->ro_compat & EXT4_HUGE_FILE) && (n->flags & EXT4_HUGE_FILE_FL))
		i->blocks <<= sb->block_bits - 9;
	if (i->size > max)
		return ext4_corrupt(sb, "size of inode", i->ino);
	/* One larger than the device takes for ever to search. */
	if (inode_is(i, TYPE_DIR) &&
	    ((i->size & (sb->block_size - 1)) ||
	     i->size >> sb->block_bits > sb->blocks_count))
		return ext4_corrupt(sb, "size of directory", i->ino);
	return 0;
}

static int take_type(struct ext4_sb *sb, struct inode *i,
		     const struct ext4_node *n)
{
	switch (i->mode & TYPE_MASK) {
	case TYPE_REG:
	case TYPE_DIR:
		return 0;
	case TYPE_LNK:
		if (i->size == 0 || i->size >= sb->block_size ||
		    i->size >= PATH_MAX_LEN)
			return ext4_corrupt(sb, "size of symlink", i->ino);
		return 0;
	case TYPE_CHR:
	case TYPE_BLK:
		/* Old numbers in the first word, new ones in the second. */
		i->rdev = n->block[0] ? (n->block[0] & 0xffff) : n->block[1];
		return 0;
	case TYPE_FIFO:
	case TYPE_SOCK:
		return 0;
	default:
		return ext4_corrupt(sb, "type of inode", i->ino);
	}
}

static int inode_parse(struct ext4_sb *sb, struct inode *i,
		       const struct ext4_disk_inode *raw, u32 flags)
{
	struct ext4_node *n = ext4_node(i);
	u32 extra = extra_of(sb, raw);

	if (extra && (extra % 4 || extra < 4 ||
		      EXT4_INODE_OLD_SIZE + extra > sb->inode_size))
		return ext4_corrupt(sb, "extra size of inode", i->ino);
	n->extra_isize = (u16)extra;
	n->generation = raw->generation;
	node_seed(sb, n, i->ino);
	if (!sb->is_lenient && !sum_ok(sb, n, raw))
		return ext4_corrupt(sb, "checksum of inode", i->ino);
	i->mode = raw->mode;
	i->nlink = raw->nlink;
	if (!(flags & EXT4_IGET_ORPHAN) && (i->nlink == 0 || i->mode == 0))
		return flags & EXT4_IGET_SPECIAL
			       ? ext4_corrupt(sb, "unused inode", i->ino)
			       : -ESTALE;
	i->uid = raw->uid | (u32)raw->uid_hi << 16;
	i->gid = raw->gid | (u32)raw->gid_hi << 16;
	n->flags = raw->flags;
	n->file_acl = raw->file_acl;
	if (sb->incompat & EXT4_64BIT)
		n->file_acl |= (u64)raw->file_acl_hi << 32;
	if (n->file_acl && !ext4_blocks_ok(sb, n->file_acl, 1))
		return ext4_corrupt(sb, "attribute block of inode", i->ino);
	if (n->flags & (EXT4_EA_INODE_FL | EXT4_INLINE_DATA_FL))
		return ext4_corrupt(sb, "flags of inode", i->ino);
	memcpy(n->root, raw->block, sizeof(n->root));
	take_times(i, raw, extra);
	if (take_size(sb, i, raw) || take_type(sb, i, n))
		return -EUCLEAN;
	remember_stored(i);
	return 0;
}

/* --- The table ------------------------------------------------------------ */

static struct ext4_node **bucket(struct ext4_sb *sb, u64 ino)
{
	return &sb->table[ino % EXT4_TABLE_BUCKETS];
}

static void table_insert(struct ext4_sb *sb, struct ext4_node *n)
{
	struct ext4_node **b = bucket(sb, n->inode->ino);

	n->next = *b;
	*b = n;
}

static void table_remove(struct ext4_sb *sb, struct ext4_node *n)
{
	struct ext4_node **p;

	mutex_lock(&sb->table_lock);
	for (p = bucket(sb, n->inode->ino); *p && *p != n; p = &(*p)->next)
		;
	if (*p)
		*p = n->next;
	mutex_unlock(&sb->table_lock);
	waitq_wake_after(&sb->evicted, ~0U, ~0U);
}

static struct ext4_node *table_find(struct ext4_sb *sb, u64 ino)
{
	struct ext4_node *n = *bucket(sb, ino);

	while (n && n->inode->ino != ino)
		n = n->next;
	return n;
}

/* 0: found, with a reference; -ENOENT: not there, and the table is locked;
 * -EAGAIN: it is on its way out. */
static int table_get(struct ext4_sb *sb, u64 ino, struct inode **i)
{
	struct ext4_node *n;

	mutex_lock(&sb->table_lock);
	n = table_find(sb, ino);
	if (!n)
		return -ENOENT;
	*i = n->inode;
	if (!ref_tryget(&(*i)->ref))
		n = NULL;
	mutex_unlock(&sb->table_lock);
	return n ? 0 : -EAGAIN;
}

static bool is_in_table(struct ext4_sb *sb, u64 ino)
{
	bool found;

	mutex_lock(&sb->table_lock);
	found = table_find(sb, ino) != NULL;
	mutex_unlock(&sb->table_lock);
	return found;
}

static void wait_evicted(struct ext4_sb *sb, u64 ino)
{
	struct waiter w;

	waiter_init(&w);
	waitq_add(&sb->evicted, &w);
	if (is_in_table(sb, ino))
		(void)thread_sleep(NSEC_MAX, false);
	waitq_remove(&w);
}

static struct inode *node_new(struct fs *fs, struct inode *dir, u32 mode)
{
	struct ext4_node *n = kzalloc(sizeof(*n));
	struct inode *i = n ? inode_new(fs, dir, mode) : NULL;

	if (!i) {
		kfree(n);
		return NULL;
	}
	list_init(&n->orphan);
	n->inode = i;
	i->data = n;
	i->flags |= INODE_BLOCKS;
	return i;
}

void ext4_set_ops(struct inode *i)
{
	switch (i->mode & TYPE_MASK) {
	case TYPE_DIR:
		i->ops = &ext4_dir_ops;
		i->fops = &ext4_dir_fops;
		break;
	case TYPE_REG:
		i->ops = &ext4_file_iops;
		i->fops = &ext4_file_ops;
		break;
	case TYPE_LNK:
		i->ops = &ext4_link_ops;
		break;
	default:
		i->ops = &ext4_node_ops;
	}
}

static void node_free(struct inode *i)
{
	kfree(i->data);
	i->data = NULL;
	inode_put(i);
}

/* The table is locked, so that nobody else reads the same inode. */
static int iget_new(struct fs *fs, u64 ino, u32 flags, struct inode **out)
{
	struct ext4_sb *sb = fs->data;
	struct ext4_disk_inode *raw;
	struct inode *i;
	struct buffer *b;
	int err = ext4_inode_raw(sb, ino, &b, &raw);

	if (err)
		return err;
	i = node_new(fs, NULL, 0);
	if (!i) {
		buffer_put(b);
		return -ENOMEM;
	}
	i->ino = ino;
	err = inode_parse(sb, i, raw, flags);
	buffer_put(b);
	if (err) {
		node_free(i);
		return err;
	}
	ext4_set_ops(i);
	table_insert(sb, i->data);
	*out = i;
	return 0;
}

int ext4_iget(struct fs *fs, u64 ino, u32 flags, struct inode **i)
{
	struct ext4_sb *sb = fs->data;
	int err;

	if (ino == 0 || ino > sb->inodes_count ||
	    (ino < sb->first_ino && ino != EXT4_ROOT_INO &&
	     !(flags & EXT4_IGET_SPECIAL)))
		return ext4_corrupt(sb, "inode number", ino);
	for (;;) {
		err = table_get(sb, ino, i);
		if (err != -EAGAIN)
			break;
		wait_evicted(sb, ino);
	}
	if (err != -ENOENT)
		return err;
	err = iget_new(fs, ino, flags, i);
	mutex_unlock(&sb->table_lock);
	return err;
}

/* --- Writing -------------------------------------------------------------- */

static void put_times(const struct inode *i, struct ext4_disk_inode *raw,
		      u32 extra)
{
	bool has = HAS_FIELD(extra, atime_extra);

	raw->atime = time_low(i->atime, has);
	raw->mtime = time_low(i->mtime, has);
	raw->ctime = time_low(i->ctime, has);
	if (has) {
		raw->atime_extra = time_extra(i->atime);
		raw->mtime_extra = time_extra(i->mtime);
		raw->ctime_extra = time_extra(i->ctime);
	}
	if (HAS_FIELD(extra, crtime_extra)) {
		raw->crtime = time_low(i->btime, true);
		raw->crtime_extra = time_extra(i->btime);
	}
}

static void put_size(const struct ext4_sb *sb, struct inode *i,
		     struct ext4_disk_inode *raw)
{
	struct ext4_node *n = ext4_node(i);
	u64 blocks = i->blocks;
	u64 size = inode_is(i, TYPE_REG) ? n->disk_size : i->size;

	raw->size = (u32)size;
	if (inode_is(i, TYPE_REG) || inode_is(i, TYPE_DIR))
		raw->size_hi = (u32)(size >> 32);
	n->flags &= ~(u32)EXT4_HUGE_FILE_FL;
	if ((sb->ro_compat & EXT4_HUGE_FILE) && blocks >> 48) {
		n->flags |= EXT4_HUGE_FILE_FL;
		blocks >>= sb->block_bits - 9;
	}
	raw->blocks = (u32)blocks;
	if (sb->ro_compat & EXT4_HUGE_FILE)
		raw->blocks_hi = (u16)(blocks >> 32);
}

static void raw_fill(const struct ext4_sb *sb, struct inode *i,
		     struct ext4_disk_inode *raw)
{
	struct ext4_node *n = ext4_node(i);

	raw->mode = (u16)i->mode;
	raw->nlink = (u16)i->nlink;
	raw->uid = (u16)i->uid;
	raw->uid_hi = (u16)(i->uid >> 16);
	raw->gid = (u16)i->gid;
	raw->gid_hi = (u16)(i->gid >> 16);
	put_times(i, raw, n->extra_isize);
	put_size(sb, i, raw);
	raw->flags = n->flags;
	raw->generation = n->generation;
	raw->file_acl = (u32)n->file_acl;
	if (sb->incompat & EXT4_64BIT)
		raw->file_acl_hi = (u16)(n->file_acl >> 32);
	memcpy(raw->block, n->root, sizeof(n->root));
}

static int store_locked(struct handle *h, struct inode *i, bool fresh)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	struct ext4_disk_inode *raw;
	struct buffer *b;
	int err = ext4_inode_edit(h, i, &b, &raw);

	if (err)
		return err;
	if (fresh)
		memset(raw, 0, sb->inode_size);
	if (fresh && n->extra_isize)
		raw->extra_isize = n->extra_isize;
	raw_fill(sb, i, raw);
	ext4_inode_sum_set(sb, n, raw);
	journal_dirty(h, b);
	buffer_put(b);
	remember_stored(i);
	n->tid = handle_tid(h);
	if (!n->is_changed)
		atomic_store(&n->data_tid, n->tid);
	n->is_changed = true;
	return 0;
}

int ext4_inode_store(struct handle *h, struct inode *i)
{
	struct ext4_node *n = ext4_node(i);
	int err;

	mutex_lock(&n->lock);
	err = store_locked(h, i, false);
	mutex_unlock(&n->lock);
	return err;
}

int ext4_inode_store_data(struct handle *h, struct inode *i)
{
	int err = ext4_inode_store(h, i);

	atomic_store(&ext4_node(i)->data_tid, handle_tid(h));
	return err;
}

static bool time_differs(const struct ltimespec *a, const struct ltimespec *b)
{
	return a->sec != b->sec || a->nsec != b->nsec;
}

static bool differs(const struct inode *i)
{
	const struct ext4_stored *s = &ext4_node(i)->stored;

	return s->mode != i->mode || s->uid != i->uid || s->gid != i->gid ||
	       time_differs(&s->mtime, &i->mtime) ||
	       time_differs(&s->ctime, &i->ctime) ||
	       time_differs(&s->atime, &i->atime);
}

int ext4_inode_flush(struct inode *i)
{
	struct handle h;
	int err;

	if (!differs(i))
		return 0;
	err = ext4_start(ext4_sb(i), 2, &h);
	if (err)
		return err;
	err = ext4_inode_store(&h, i);
	journal_stop(&h);
	return err;
}

/* The first node from n on, or in the buckets behind, that has changed, with a
 * reference. */
static struct ext4_node *changed_from(struct ext4_sb *sb, struct ext4_node *n,
				      u32 *bucket_no)
{
	for (;;) {
		for (; n; n = n->next)
			if (differs(n->inode) && ref_tryget(&n->inode->ref))
				return n;
		if (++*bucket_no >= EXT4_TABLE_BUCKETS)
			return NULL;
		n = sb->table[*bucket_no];
	}
}

int ext4_inodes_flush(struct ext4_sb *sb)
{
	struct ext4_node *n, *next;
	u32 bucket_no = 0;
	int err = 0, ret;

	mutex_lock(&sb->table_lock);
	n = changed_from(sb, sb->table[0], &bucket_no);
	mutex_unlock(&sb->table_lock);
	while (n) {
		ret = ext4_inode_flush(n->inode);
		err = err ? err : ret;
		mutex_lock(&sb->table_lock);
		next = changed_from(sb, n->next, &bucket_no);
		mutex_unlock(&sb->table_lock);
		inode_put(n->inode);
		n = next;
	}
	return err;
}

/* Its blocks are wanted by others. */
void ext4_prealloc_drop_all(struct ext4_sb *sb)
{
	for (u32 k = 0; k < EXT4_TABLE_BUCKETS; k++) {
		struct ext4_node *n, *found;

		do {
			found = NULL;
			mutex_lock(&sb->table_lock);
			for (n = sb->table[k]; n && !found; n = n->next)
				if (atomic_load(&n->pa_len) &&
				    ref_tryget(&n->inode->ref))
					found = n;
			mutex_unlock(&sb->table_lock);
			if (found) {
				ext4_prealloc_drop(found->inode);
				inode_put(found->inode);
			}
		} while (found);
	}
}

/* --- New ones ------------------------------------------------------------- */

static void node_init(struct ext4_sb *sb, struct inode *i,
		      const struct inode *dir, u32 rdev)
{
	struct ext4_node *n = ext4_node(i);

	n->generation = atomic_fetch_add(&sb->next_generation, 1);
	n->flags = ext4_node(dir)->flags & EXT4_FL_INHERITED;
	n->extra_isize = 0;
	if (sb->inode_size >= sizeof(struct ext4_disk_inode))
		n->extra_isize =
			sizeof(struct ext4_disk_inode) - EXT4_INODE_OLD_SIZE;
	node_seed(sb, n, i->ino);
	switch (i->mode & TYPE_MASK) {
	case TYPE_REG:
	case TYPE_DIR:
		n->flags |= EXT4_EXTENTS_FL;
		ext4_extent_root_init(n);
		break;
	case TYPE_CHR:
	case TYPE_BLK:
		i->rdev = rdev;
		n->block[rdev < 0x10000 ? 0 : 1] = rdev;
		break;
	default:
		break;
	}
}

int ext4_inode_new(struct handle *h, struct inode *dir, u32 mode, u32 rdev,
		   struct inode **out)
{
	struct ext4_sb *sb = ext4_sb(dir);
	bool is_dir = (mode & TYPE_MASK) == TYPE_DIR;
	struct inode *i;
	u64 ino;
	int err;

	i = node_new(dir->fs, dir, mode);
	if (!i)
		return -ENOMEM;
	err = ext4_inode_alloc(sb, h, dir, is_dir, &ino);
	if (err) {
		node_free(i);
		return err;
	}
	i->ino = ino;
	node_init(sb, i, dir, rdev);
	ext4_set_ops(i);
	err = store_locked(h, i, true);
	if (err) {
		(void)ext4_inode_free(sb, h, ino, is_dir);
		i->ops = NULL;
		node_free(i);
		return err;
	}
	mutex_lock(&sb->table_lock);
	table_insert(sb, i->data);
	mutex_unlock(&sb->table_lock);
	*out = i;
	return 0;
}

/* --- The end -------------------------------------------------------------- */

static void mark_deleted(struct ext4_sb *sb, struct handle *h, struct inode *i)
{
	struct ext4_disk_inode *raw;
	struct buffer *b;

	if (ext4_inode_edit(h, i, &b, &raw))
		return;
	raw->dtime = (u32)time_now().sec;
	ext4_inode_sum_set(sb, ext4_node(i), raw);
	journal_dirty(h, b);
	buffer_put(b);
}

/* No name and no user: its blocks, then the inode. What fails here is done at
 * the next mount, by the orphan list. */
static void delete (struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);
	struct handle h;
	int err;

	if (i->size || i->blocks)
		if (ext4_remove_blocks(i, 0, EXT4_BLOCK_END))
			return;
	err = ext4_start(sb, 16, &h);
	if (err)
		return;
	err = ext4_xattr_delete(&h, i);
	if (!err) {
		i->size = 0;
		n->disk_size = 0;
		err = ext4_inode_store(&h, i);
	}
	if (!err)
		err = ext4_orphan_del(&h, i);
	if (!err) {
		mark_deleted(sb, &h, i);
		(void)ext4_inode_free(sb, &h, i->ino, inode_is(i, TYPE_DIR));
	}
	journal_stop(&h);
}

void ext4_evict(struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct ext4_node *n = ext4_node(i);

	if (!n)
		return;
	ext4_data_evict(i);
	if (sb->journal && !atomic_load(&sb->fs->is_readonly)) {
		ext4_prealloc_drop(i);
		if (i->nlink == 0 && !n->is_left)
			delete (i);
		else
			(void)ext4_inode_flush(i);
	}
	if (n->is_orphan) {
		mutex_lock(&sb->orphan_lock);
		list_del(&n->orphan);
		mutex_unlock(&sb->orphan_lock);
	}
	table_remove(sb, n);
	kfree(n);
	i->data = NULL;
}

int ext4_setattr(struct inode *i, const struct attr *a)
{
	struct attr fields = *a;
	struct handle h;
	int err;

	if (a->valid & ATTR_SIZE) {
		err = ext4_truncate(i, a->size);
		if (err)
			return err;
		fields.valid &= ~(u32)ATTR_SIZE;
	}
	err = ext4_start(ext4_sb(i), 2, &h);
	if (err)
		return err;
	err = inode_setattr_fields(i, &fields);
	if (!err)
		err = ext4_inode_store(&h, i);
	journal_stop(&h);
	return err;
}
