/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large writes with O_DIRECT: from the program's memory to the blocks, past the
 * page cache. What the cache has of the range is written back and given up
 * first; who reads it meanwhile waits.
 */
#include "kernel/kernel.h"
#include "kernel/linux/errno.h"
#include "kernel/mm/pager_int.h"

/* Nothing of the range is in the cache then, and all of it is busy. */
static int claim(struct pager *p, u64 page, u64 n)
{
	int err = pager_write_back(p->inode, page * PAGE_SIZE, n * PAGE_SIZE);

	if (err)
		return err;
	mutex_lock(&p->lock);
	err = pager_chunks(p, page, n);
	pager_wait_range(p, page, n, PAGER_BUSY);
	if (!err && !pager_give_up(p, page, n))
		err = -EAGAIN;
	if (!err)
		pager_set(p, page, n, PAGER_BUSY);
	mutex_unlock(&p->lock);
	return err;
}

/* The size follows the data on the device, but write() goes by it. */
static int write_claimed(struct pager *p, u64 page, u64 n, const u8 *from)
{
	u64 size = atomic_load(&p->object->size);
	u64 end = (page + n) * PAGE_SIZE;
	int err = 0;

	if (end > size)
		err = object_resize(p->object, end);
	if (!err)
		err = p->ops->write(p->inode, page, (u32)n, from);
	if (err && end > size)
		(void)object_resize(p->object, size);
	return err;
}

int pager_write_direct(struct inode *i, u64 offset, u64 len, const u8 *from)
{
	struct pager *p = pager_of(i);
	u64 page = offset / PAGE_SIZE, n = len / PAGE_SIZE;
	int err = p->ops->prepare(i, offset, len);

	if (!err)
		err = claim(p, page, n);
	if (err)
		return err;
	err = write_claimed(p, page, n, from);
	mutex_lock(&p->lock);
	pager_clear(p, page, n, PAGER_BUSY);
	pager_wake(p);
	mutex_unlock(&p->lock);
	return err;
}
