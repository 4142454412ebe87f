/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File data that lives on a device: an object whose pages are read when they
 * are first used and written back when they are dirty. The object is a window
 * of the page cache as any other, so that reading, writing and mapping it is
 * the same code; the pager keeps, per page, whether it holds data (present) and
 * whether it is newer than the device (dirty).
 *
 * Locking: the inode's lock is held for write by whoever changes its size or
 * contents, for read or not at all by readers; pager->lock protects the page
 * states and is taken after it. io operations are called without pager->lock,
 * with the pages of the run marked busy.
 */
#ifndef JIFFY_KERNEL_MM_PAGER_H
#define JIFFY_KERNEL_MM_PAGER_H

#include "kernel/mm/object.h"

struct pager;
struct fs;
struct inode;

struct pager_ops {
	/* Fill npages pages from page number `page` on, at `data` (contiguous
	 * kernel memory): from the device, zero for holes, unwritten blocks
	 * and what lies past the end. The memory is zero before. 0, -EIO. */
	int (*read)(struct inode *i, u64 page, u32 npages, u8 *data);
	/* Write them to their blocks, which exist (prepare), and then make
	 * the filesystem know that they hold data and up to where the file
	 * reaches. Not yet durable: flush and commit are fsync's. */
	int (*write)(struct inode *i, u64 page, u32 npages, const u8 *data);
	/* Bytes [offset, offset+len) are about to become dirty: make sure that
	 * they have blocks. 0, -ENOSPC, -EDQUOT, -EROFS, -EIO. Under the
	 * inode's lock (write), or, for a first write by a mapping, its
	 * mapping's mm lock. */
	int (*prepare)(struct inode *i, u64 offset, u64 len);
};

/* Make i->object (of size bytes, with nothing present) one with a pager. 0,
 * -ENOMEM. Gone with the object; its dirty pages must be gone before. */
int pager_attach(struct inode *i, const struct pager_ops *ops, u64 size);

/* What regular_fops does, for inodes with a pager: fs/ext4 uses these as
 * its file operations (read, write, O_DIRECT, lseek, mmap, fallocate). */
extern const struct file_ops pager_fops;

/* Read in what is not present of the range. 0, -EIO, -ENOMEM. */
int pager_fill(struct inode *i, u64 offset, u64 len);
/* The same, in the background. False: it will not be done. */
bool pager_read_later(struct inode *i, u64 page, u64 n);
/* Write whole pages from the program's memory (in its own space), which are not
 * in the cache then. Inode locked for write. 0, or an error after which nothing
 * is promised about the range; -EFAULT and -EAGAIN (mapped): by way of the
 * cache, then. */
int pager_write_direct(struct inode *i, u64 offset, u64 len, const u8 *from);
/* Write back dirty pages of the range and wait: 0, or the first error. */
int pager_write_back(struct inode *i, u64 offset, u64 len);
/* The pages of the range are gone from the file (truncate, punch, O_DIRECT
 * write): drop them, dirty or not; partial pages at the ends are zeroed in the
 * range if present. Inode locked for write. */
int pager_drop(struct inode *i, u64 offset, u64 len);
/* Zero a part of one page, which has blocks, in memory: it is dirty then. Inode
 * locked for write. 0, -EIO, -ENOMEM. */
int pager_zero(struct inode *i, u64 offset, u64 len);
bool pager_is_dirty(const struct inode *i);
/* O_DIRECT and others: the pages are in memory, or not. */
bool pager_has(const struct inode *i, u64 offset, u64 len);

/* All dirty inodes of a filesystem, oldest first (sync, unmount, the
 * write-back thread). */
int pager_sync_fs(struct fs *fs);

/* Give back clean pages that nobody maps, least recently used first, until
 * npages are free: how many. Called when memory is short. */
u64 pager_reclaim(u64 npages);
/* How much memory there is, in bytes; and start a thread of process 0 that
 * writes back what has been dirty for long, or when there is much of it. Once,
 * before the first filesystem is used. */
int pager_start(u64 memory);
/* Whoever has made a lot dirty writes some back. No lock held. */
void pager_throttle(struct inode *i);

/* Give back clean pages of the range that nobody maps (posix_fadvise()). */
void pager_release(struct inode *i, u64 offset, u64 len);

/* For /proc/meminfo and limits: pages present, dirty, being written. */
struct pager_counts {
	u64 present, dirty, writeback;
};
void pager_count(struct pager_counts *c);

#endif
