/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbolic links: short ones in the inode, others in a block of their own.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"
#include "kernel/mm/heap.h"

#define FAST_SIZE (EXT4_NBLOCKS * 4)

/* The text of a long link, which the journal may hold. */
static int read_block(struct inode *i, char *buf)
{
	struct ext4_sb *sb = ext4_sb(i);
	struct buffer *b;
	struct ext4_map m;
	int err;

	rw_read_lock(&ext4_node(i)->map_lock);
	err = ext4_map(i, 0, 1, &m);
	rw_read_unlock(&ext4_node(i)->map_lock);
	if (!err && m.state != EXT4_WRITTEN)
		err = ext4_corrupt(sb, "symlink", i->ino);
	if (!err)
		err = buffer_read(sb->buffers, m.start, &b);
	if (err)
		return err;
	err = ext4_known(sb, b, EXT4_KIND_LINK, i->ino);
	if (err >= 0) {
		ext4_claim(b, EXT4_KIND_LINK, i->ino);
		memcpy(buf, b->data, i->size);
		err = 0;
	}
	buffer_put(b);
	return err;
}

int ext4_readlink(struct inode *i, char *buf, size_t size)
{
	int err = 0;

	if (i->size >= size)
		return -ENAMETOOLONG;
	if (i->size < FAST_SIZE)
		memcpy(buf, ext4_node(i)->root, i->size);
	else
		err = read_block(i, buf);
	if (err)
		return err;
	buf[i->size] = '\0';
	if (strlen(buf) != i->size)
		return ext4_corrupt(ext4_sb(i), "symlink", i->ino);
	return (int)i->size;
}

static int store_block(struct handle *h, struct inode *i, const char *target,
		       u32 len)
{
	struct buffer *b;
	u32 n;
	int err;

	ext4_node(i)->flags |= EXT4_EXTENTS_FL;
	ext4_extent_root_init(ext4_node(i));
	err = ext4_dir_append(h, i, &n, &b);
	if (err)
		return err;
	ext4_claim(b, EXT4_KIND_LINK, i->ino);
	memset(b->data, 0, ext4_sb(i)->block_size);
	memcpy(b->data, target, len);
	journal_dirty(h, b);
	buffer_put(b);
	return 0;
}

int ext4_symlink_store(struct handle *h, struct inode *i, const char *target,
		       u32 len)
{
	struct ext4_node *n = ext4_node(i);
	int err = 0;

	if (len < FAST_SIZE)
		memcpy(n->root, target, len);
	else
		err = store_block(h, i, target, len);
	i->size = len;
	n->disk_size = len;
	return err ? err : ext4_inode_store(h, i);
}
