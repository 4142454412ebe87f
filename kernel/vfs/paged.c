/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files whose data is an object with a pager: reading with read-ahead, writing,
 * the sync flags. What differs from regular.c is only where pages come from;
 * see mm/pager.c for who may be at them.
 */
#include "kernel/linux/fadvise.h"
#include "kernel/mm/pager_int.h"
#include "kernel/vfs/vfs_int.h"

#define PIECE MIB(1) /* moved between looks for a signal */
#define RA_MIN 4U    /* pages */
#define RA_MAX 512U
#define RA_LATER 32U /* from such a window on in the background */
#define DIRECT_ALIGN 512

/* --- Reading ------------------------------------------------------------- */

/* The window behind what was read last, which goes on when it is reached. */
static void read_later(struct file *f)
{
	u64 end = PAGE_UP(inode_size(f->inode)) / PAGE_SIZE;

	f->ra_mark = 0;
	if (f->ra_next >= end)
		return;
	f->ra_pages = MIN(f->ra_pages * 2, RA_MAX);
	if (!pager_read_later(f->inode, f->ra_next, f->ra_pages))
		return;
	f->ra_mark = f->ra_next;
	f->ra_next += f->ra_pages;
}

/* Pages from `page` on are wanted: read them, and more if the file is being
 * read through. */
static int read_ahead(struct file *f, struct pager *p, u64 page, u64 n)
{
	u64 missing = page, end = page + n, want;
	int err;

	while (missing < end && pager_all(p, missing, 1, PAGER_PRESENT))
		missing++;
	if (f->ra_mark && missing < f->ra_next &&
	    missing + 2UL * f->ra_pages >= f->ra_mark) {
		/* On their way, or forgotten. What comes next is, too, before
		 * this is waited for. */
		if (f->ra_mark >= page && f->ra_mark < end)
			read_later(f);
		return pager_read_in(p, missing, end - missing);
	}
	f->ra_mark = 0;
	if (missing == f->ra_next && (missing || n >= RA_LATER))
		f->ra_pages =
			MIN(MAX(MAX(f->ra_pages, (u32)n) * 2, RA_MIN), RA_MAX);
	else
		f->ra_pages = 0;
	want = MAX(end - missing, (u64)f->ra_pages);
	f->ra_next = missing + want;
	err = pager_read_in(p, missing, want);
	if (!err && f->ra_pages >= RA_LATER)
		read_later(f);
	return err;
}

static void mark_used(const struct pager *p, u64 page)
{
	struct pager_chunk *c = pager_chunk(p, page);

	if (c && unlikely(!atomic_load(&c->used)))
		atomic_store(&c->used, 1U);
}

/* Read up to n bytes, all below the end of the file when it was looked at. */
static s64 read_piece(struct file *f, struct pager *p, struct uio *u, u64 pos,
		      u64 n)
{
	u64 page = pos / PAGE_SIZE;
	u64 npages = (pos + n - 1) / PAGE_SIZE - page + 1;
	u64 left = u->left;

	for (;;) {
		u32 removals = atomic_load_acquire(&p->removals);
		s64 moved;
		int err;

		if (unlikely(!pager_all(p, page, npages, PAGER_PRESENT))) {
			if (u->nowait)
				return -EAGAIN;
			err = read_ahead(f, p, page, npages);
			if (err)
				return err;
			if (pos >= atomic_load(&p->object->size))
				return 0;
			if (!pager_all(p, page, npages, PAGER_PRESENT))
				n = MIN(n, PAGE_SIZE - pos % PAGE_SIZE);
			npages = (pos + n - 1) / PAGE_SIZE - page + 1;
			continue;
		}
		mark_used(p, page);
		if (unlikely(f->ra_mark && f->ra_mark < page + npages &&
			     f->ra_mark >= page))
			read_later(f);
		u->left = n;
		moved = object_read(p->object, u, pos);
		u->left = left - (u64)MAX(moved, 0);
		smp_rmb(); /* pairs with remove_pages() */
		if (likely(atomic_load(&p->removals) == removals))
			return moved;
		if (moved > 0)
			uio_revert(u, (u64)moved);
	}
}

static bool is_aligned(const struct uio *u, u64 pos)
{
	u64 all = pos | u->left;

	for (u32 i = 0; i < u->niov; i++)
		all |= u->iov[i].base | u->iov[i].len;
	return all % DIRECT_ALIGN == 0;
}

static s64 paged_read(struct file *f, struct uio *u, u64 *pos)
{
	struct pager *p = pager_of(f->inode);
	s64 total = 0, moved = 0;

	if (unlikely(!p))
		return -EIO;
	if (unlikely(f->flags & O_DIRECT) && !is_aligned(u, *pos))
		return -EINVAL;
	while (u->left > 0) {
		u64 size = atomic_load(&p->object->size), n;

		if (*pos >= size)
			break;
		n = MIN(MIN(u->left, size - *pos), PIECE);
		moved = read_piece(f, p, u, *pos, n);
		if (moved <= 0)
			break;
		total += moved;
		*pos += (u64)moved;
		if (u->left > 0 && thread_interrupted())
			break;
	}
	inode_accessed(f->inode, f->path.mount, f);
	return total ? total : moved;
}

/* --- Writing ------------------------------------------------------------- */

struct write {
	struct pager *p;
	u64 pos, len;
	u64 page, npages;
	u64 old_end; /* pages the file had: what lies behind is zero */
	bool has_busy;
};

static bool is_absent(const struct pager *p, u64 page)
{
	return !pager_all(p, page, 1, PAGER_PRESENT);
}

/* Pages that are changed in part, or that a mapping shows, are read first. */
static int write_fill(struct write *w)
{
	u64 last = w->page + w->npages - 1;
	bool whole = list_empty(&w->p->object->mappings);
	int err = 0;

	if (!whole)
		return pager_read_in(w->p, w->page, w->npages);
	if (w->pos % PAGE_SIZE && is_absent(w->p, w->page))
		err = pager_read_in(w->p, w->page, 1);
	if (!err && (w->pos + w->len) % PAGE_SIZE && is_absent(w->p, last) &&
	    !(last == w->page && w->pos % PAGE_SIZE))
		err = pager_read_in(w->p, last, 1);
	return err;
}

/* A page that is changed in part was given back since it was read. */
static bool has_lost_part(const struct write *w)
{
	u64 last = w->page + w->npages - 1;

	return (w->pos % PAGE_SIZE && w->page < w->old_end &&
		is_absent(w->p, w->page)) ||
	       ((w->pos + w->len) % PAGE_SIZE && last < w->old_end &&
		is_absent(w->p, last));
}

/* Under pager.lock: present pages become dirty before they are changed, so that
 * they stay; absent ones are busy until they have been overwritten. */
static int write_mark(struct write *w)
{
	struct pager *p = w->p;
	u64 end = w->page + w->npages, page = w->page;
	int err = pager_chunks(p, page, w->npages);

	pager_wait_range(p, page, w->npages, PAGER_BUSY);
	if (!err && has_lost_part(w))
		return -EAGAIN;
	while (!err && page < end) {
		u64 n = pager_absent_run(p, page, end - page);

		if (n) {
			pager_set(p, page, n, PAGER_BUSY);
			w->has_busy = true;
			page += n;
		} else {
			pager_set_dirty(p, page++, 1);
		}
	}
	return err;
}

static int write_prepare(struct write *w)
{
	struct pager *p = w->p;
	int err = 0;

	if (!pager_all(p, w->page, w->npages, PAGER_READY))
		err = p->ops->prepare(p->inode, w->pos, w->len);
	if (err)
		return err;
	do {
		err = write_fill(w);
		if (err)
			return err;
		mutex_lock(&p->lock);
		err = write_mark(w);
		if (!err)
			pager_set(p, w->page, w->npages, PAGER_READY);
		mutex_unlock(&p->lock);
	} while (err == -EAGAIN);
	return err;
}

/* The busy pages: those that were overwritten as a whole hold data now, and
 * new ones hold what was written and zero. Others go again; bytes that were
 * written to them do not count. Under pager.lock. */
static s64 settle_busy(struct write *w, s64 moved)
{
	struct pager *p = w->p;
	u64 end = w->page + w->npages;
	u64 reached = w->pos + (u64)MAX(moved, 0);

	for (u64 page = w->page; page < end; page++) {
		u64 start = page * PAGE_SIZE;

		if (!pager_all(p, page, 1, PAGER_BUSY))
			continue;
		if (reached >= start + PAGE_SIZE ||
		    (reached > start && page >= w->old_end)) {
			atomic_fetch_add(&pagers.present,
					 pager_set(p, page, 1, PAGER_PRESENT));
		} else {
			object_clear(p->object, start, PAGE_SIZE);
			if (reached > start)
				moved = (s64)(start - w->pos);
		}
		pager_clear(p, page, 1, PAGER_BUSY);
	}
	pager_wake(p);
	return moved;
}

/* After the copy: what was written is dirty, also if it was written back in
 * between. */
static s64 write_finish(struct write *w, struct uio *u, s64 moved)
{
	struct pager *p = w->p;
	s64 kept = moved;
	u64 n;

	smp_mb(); /* pairs with write_run(): it writes this, or we see it */
	if (!w->has_busy &&
	    (moved <= 0 || pager_all(p, w->page, w->npages, PAGER_DIRTY)))
		return moved;
	mutex_lock(&p->lock);
	if (w->has_busy)
		kept = settle_busy(w, moved);
	if (kept > 0) {
		n = (w->pos + (u64)kept - 1) / PAGE_SIZE - w->page + 1;
		pager_set_dirty(p, w->page, n);
	}
	mutex_unlock(&p->lock);
	if (moved > 0 && kept < moved)
		uio_revert(u, (u64)(moved - kept));
	return kept || moved <= 0 ? kept : -EFAULT;
}

/* Before we are a writer, whose own file is left alone. If all is dirty, this
 * file's pages are written back. */
static void write_room(struct pager *p, u64 npages)
{
	if (likely(!pager_over_limit(npages)))
		return;
	pager_make_room(npages);
	if (pager_over_limit(npages)) {
		(void)pager_write_back(p->inode, 0, UINT64_MAX);
		pager_make_room(npages);
	}
}

static s64 write_piece(struct pager *p, struct uio *u, u64 pos, u64 len)
{
	u64 first = pos / PAGE_SIZE, left = u->left;
	struct write w = {
		.p = p,
		.pos = pos,
		.len = len,
		.page = first,
		.npages = (pos + len - 1) / PAGE_SIZE - first + 1,
		.old_end = PAGE_UP(atomic_load(&p->object->size)) / PAGE_SIZE,
	};
	s64 moved = 0;
	int err = 0;

	write_room(p, w.npages);
	/* Pairs with reclaim_pager(). */
	atomic_fetch_add(&p->nwriters, 1U);
	if (!pager_all(p, w.page, w.npages, PAGER_DIRTY))
		err = write_prepare(&w);
	if (!err) {
		u->left = len;
		moved = object_write(p->object, u, pos);
		u->left = left - (u64)MAX(moved, 0);
		moved = write_finish(&w, u, moved);
	}
	atomic_fetch_sub(&p->nwriters, 1U);
	return err ? err : moved;
}

/* Pieces end where pages do. */
static u64 piece_len(u64 pos, u64 left)
{
	return MIN(left, PIECE - pos % PAGE_SIZE);
}

/* About half of a piece: it ends with a page. */
static u64 half_piece(u64 pos, u64 n)
{
	u64 end = PAGE_DOWN(pos + n / 2);

	return end > pos ? end - pos : PAGE_SIZE - pos % PAGE_SIZE;
}

#define DIRECT_MIN KIB(64)
#define DIRECT_MAX MIB(8)

/* A large part of an O_DIRECT write: bytes written, 0 if it goes by way of the
 * cache. */
static s64 write_direct(struct inode *i, struct uio *u, u64 pos)
{
	u64 len = MIN(PAGE_DOWN(u->left), DIRECT_MAX), from;
	int err;

	if (!uio_is_simple(u, len) || len < DIRECT_MIN)
		return 0;
	from = u->iov->base + u->done;
	if ((pos | from) % PAGE_SIZE || !user_range_ok(from, len))
		return 0;
	err = pager_write_direct(i, pos, len, (const u8 *)from);
	if (err)
		return err == -EIO ? err : 0;
	uio_advance(u, len);
	return (s64)len;
}

static s64 write_locked(struct inode *i, struct uio *u, u64 *pos, bool direct)
{
	struct pager *p = pager_of(i);
	s64 total = 0, moved = 0;
	u64 n = u->left;
	int err = inode_write_limit(*pos, &n);

	if (err)
		return err;
	u->left = n;
	while (u->left > 0) {
		moved = direct ? write_direct(i, u, *pos) : 0;
		n = moved ? (u64)moved : piece_len(*pos, u->left);
		if (moved == 0)
			moved = write_piece(p, u, *pos, n);
		/* Room for a part of it? */
		while (moved == -ENOSPC && n > PAGE_SIZE - *pos % PAGE_SIZE) {
			n = half_piece(*pos, n);
			moved = write_piece(p, u, *pos, n);
		}
		if (moved <= 0)
			break;
		total += moved;
		*pos += (u64)moved;
		if ((u64)moved < n || (u->left > 0 && thread_interrupted()))
			break;
	}
	if (total <= 0)
		return moved;
	if (unlikely(i->mode & (MODE_SUID | MODE_SGID)))
		inode_drop_suid(i);
	i->mtime = time_now();
	i->ctime = i->mtime;
	return total;
}

/* 1: data and what is needed to find it; 2: all about the file. */
static unsigned int sync_of(const struct file *f, const struct uio *u)
{
	unsigned int by_flag = 0;

	if (unlikely(f->flags & O_DSYNC))
		by_flag = (f->flags & O_SYNC) == O_SYNC ? 2 : 1;
	return MAX(by_flag, (unsigned int)u->sync);
}

/* What was written is to be on stable storage, or at least on the device. */
static int write_through(struct file *f, unsigned int sync, u64 pos, u64 n)
{
	int err = 0;

	if (f->flags & O_DIRECT)
		err = pager_write_back(f->inode, pos, n);
	if (!err && sync && f->ops->fsync)
		err = f->ops->fsync(f, sync == 1);
	return err;
}

static s64 paged_write(struct file *f, struct uio *u, u64 *pos)
{
	unsigned int sync = sync_of(f, u);
	struct inode *i = f->inode;
	u64 start;
	s64 n;

	if (u->left == 0)
		return 0;
	if (unlikely(!pager_of(i)))
		return -EIO;
	if (unlikely(f->flags & O_DIRECT) && !is_aligned(u, *pos))
		return -EINVAL;
	pager_throttle(i);
	rw_write_lock(&i->lock);
	if ((f->flags & O_APPEND) || u->append)
		*pos = inode_size(i);
	start = *pos;
	n = write_locked(i, u, pos, f->flags & O_DIRECT);
	rw_write_unlock(&i->lock);
	if (n > 0 && unlikely(sync || (f->flags & O_DIRECT))) {
		int err = write_through(f, sync, start, (u64)n);

		n = err ? err : n;
	}
	return n;
}

/* --- The rest ------------------------------------------------------------ */

static s64 paged_lseek(struct file *f, s64 offset, int whence)
{
	return regular_fops.lseek(f, offset, whence);
}

static int paged_mmap(struct file *f, struct map_request *req)
{
	return regular_fops.mmap(f, req);
}

/* Write it back, and no more: a filesystem has its own. */
static int paged_fsync(struct file *f, UNUSED bool data_only)
{
	return pager_write_back(f->inode, 0, UINT64_MAX);
}

static int paged_advise(struct file *f, u64 offset, u64 len, int advice)
{
	switch (advice) {
	case POSIX_FADV_WILLNEED:
		(void)pager_fill(f->inode, offset, MIN(len, MIB(2)));
		return 0;
	case POSIX_FADV_DONTNEED:
		(void)pager_write_back(f->inode, offset, len);
		pager_release(f->inode, offset, len);
		return 0;
	default:
		return 0;
	}
}

static int paged_sync_range(struct file *f, u64 offset, u64 len)
{
	return pager_write_back(f->inode, offset, len);
}

const struct file_ops pager_fops = {
	.name = "file",
	.read = paged_read,
	.write = paged_write,
	.lseek = paged_lseek,
	.mmap = paged_mmap,
	.fsync = paged_fsync,
	.advise = paged_advise,
	.sync_range = paged_sync_range,
};
