/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orphans: inodes that are being deleted or truncated, so that a crash in the
 * middle loses no blocks. On disk a list from the superblock through the
 * inodes' deletion times, newest first.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

static void set_first(struct ext4_disk_sb *raw, u32 ino)
{
	raw->last_orphan = ino;
}

/* The inode's link to the next orphan. */
static int set_next(struct handle *h, struct inode *i, u32 next)
{
	struct ext4_node *n = ext4_node(i);
	struct ext4_disk_inode *raw;
	struct buffer *b;
	int err = ext4_inode_edit(h, i, &b, &raw);

	if (err)
		return err;
	mutex_lock(&n->lock);
	raw->dtime = next;
	ext4_inode_sum_set(ext4_sb(i), n, raw);
	mutex_unlock(&n->lock);
	journal_dirty(h, b);
	buffer_put(b);
	return 0;
}

static u32 ino_at(const struct ext4_sb *sb, struct list *at)
{
	if (at == &sb->orphans)
		return 0;
	return (u32)list_entry(at, struct ext4_node, orphan)->inode->ino;
}

static int add_locked(struct ext4_sb *sb, struct handle *h, struct inode *i)
{
	struct ext4_node *n = ext4_node(i);
	int err = set_next(h, i, ino_at(sb, sb->orphans.next));

	if (!err)
		err = ext4_super_store(sb, h, set_first, (u32)i->ino);
	if (!err) {
		list_push(&sb->orphans, &n->orphan);
		n->is_orphan = true;
	}
	return err;
}

int ext4_orphan_add(struct handle *h, struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);
	int err = 0;

	mutex_lock(&sb->orphan_lock);
	if (!ext4_node(i)->is_orphan)
		err = add_locked(sb, h, i);
	mutex_unlock(&sb->orphan_lock);
	return err;
}

static int del_locked(struct ext4_sb *sb, struct handle *h, struct inode *i)
{
	struct ext4_node *n = ext4_node(i), *before;
	u32 next = ino_at(sb, n->orphan.next);
	int err;

	if (n->orphan.prev == &sb->orphans) {
		err = ext4_super_store(sb, h, set_first, next);
	} else {
		before = list_entry(n->orphan.prev, struct ext4_node, orphan);
		err = set_next(h, before->inode, next);
	}
	if (!err)
		err = set_next(h, i, 0);
	if (!err) {
		list_del(&n->orphan);
		n->is_orphan = false;
	}
	return err;
}

int ext4_orphan_del(struct handle *h, struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);
	int err = 0;

	mutex_lock(&sb->orphan_lock);
	if (ext4_node(i)->is_orphan)
		err = del_locked(sb, h, i);
	mutex_unlock(&sb->orphan_lock);
	return err;
}

int ext4_orphan_done(struct handle *h, struct inode *i)
{
	struct ext4_sb *sb = ext4_sb(i);
	int err = 0;

	/* Who takes the last name away sets the count, then adds it. */
	mutex_lock(&sb->orphan_lock);
	if (ext4_node(i)->is_orphan && i->nlink)
		err = del_locked(sb, h, i);
	mutex_unlock(&sb->orphan_lock);
	return err;
}

/* --- At mount ------------------------------------------------------------- */

/* Put one on the list in memory, with a reference: *next is what follows. */
static int load_one(struct ext4_sb *sb, u64 ino, u32 *next)
{
	struct ext4_disk_inode *raw;
	struct ext4_node *n;
	struct buffer *b;
	struct inode *i;
	int err;

	if (ino < sb->first_ino || ino > sb->inodes_count ||
	    !ext4_inode_in_use(sb, ino))
		return ext4_corrupt(sb, "orphan inode", ino);
	err = ext4_inode_raw(sb, ino, &b, &raw);
	if (err)
		return err;
	*next = raw->dtime;
	buffer_put(b);
	err = ext4_iget(sb->fs, ino, EXT4_IGET_ORPHAN, &i);
	if (err)
		return err;
	n = ext4_node(i);
	if (n->is_orphan) {
		inode_put(i);
		return ext4_corrupt(sb, "circle of orphans at", ino);
	}
	list_append(&sb->orphans, &n->orphan);
	n->is_orphan = true;
	return 0;
}

/* Cut it to its size, or, as it has no name, delete it with its reference. */
static int finish_one(struct ext4_sb *sb, struct inode *i)
{
	struct handle h;
	int err = 0;

	if (i->nlink && inode_is(i, TYPE_REG))
		err = ext4_truncate(i, i->size);
	if (i->nlink && !err) {
		err = ext4_start(sb, 6, &h);
		if (!err) {
			err = ext4_orphan_del(&h, i);
			journal_stop(&h);
		}
	}
	inode_put(i);
	return err;
}

static struct ext4_node *first_of(struct ext4_sb *sb)
{
	if (list_empty(&sb->orphans))
		return NULL;
	return list_first(&sb->orphans, struct ext4_node, orphan);
}

/* What could not be dealt with stays on the list on disk. */
static void forget_all(struct ext4_sb *sb)
{
	struct ext4_node *n;

	while ((n = first_of(sb)) != NULL) {
		list_del(&n->orphan);
		n->is_orphan = false;
		n->is_left = true;
		inode_put(n->inode);
	}
}

int ext4_orphans_process(struct ext4_sb *sb)
{
	u32 ino = ext4_super_raw(sb)->last_orphan, count = 0;
	struct ext4_node *n, *before = NULL;
	int err = 0;

	for (; ino && !err; count++)
		err = load_one(sb, ino, &ino);
	if (err) {
		forget_all(sb);
		return err;
	}
	while (!err && (n = first_of(sb)) != NULL && n != before) {
		before = n;
		err = finish_one(sb, n->inode);
	}
	if (count)
		klog("ext4: %s: %u orphan inodes deleted or truncated",
		     sb->device->name, count);
	if (!err)
		err = ext4_orphan_file_process(sb);
	return err;
}
