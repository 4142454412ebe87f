/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty pages: which files have them, writing them back by order, by age and
 * by amount.
 *
 * Theory of operation. A run of dirty pages is marked as being written and as
 * clean, then read straight out of the page cache by the device; writers are
 * not kept out, since whatever they change meanwhile is dirty again and written
 * again before an fsync() of theirs returns. Pages that a mapping may write to
 * stay dirty in effect until nothing maps the file any more: each round writes
 * them.
 */
#include "kernel/kernel.h"
#include "kernel/mm/pager_int.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"
#include "kernel/vfs/inode.h"

#define AGE_MAX (30 * NSEC_PER_SEC) /* as Linux: dirty_expire_centisecs */
#define ROUND (5 * NSEC_PER_SEC)    /* dirty_writeback_centisecs */

/* --- Which files --------------------------------------------------------- */

static void wake_thread(void)
{
	atomic_fetch_add(&pagers.wanted, 1U);
	plat_wake(&pagers.wanted, ~0U);
}

void pager_update_list(struct pager *p)
{
	bool want = p->ndirty || p->nshared;
	bool first = false;

	if (likely(want == p->is_listed))
		return;
	mutex_lock(&pagers.dirty_lock);
	if (want) {
		p->dirty_since = plat_clock(PLAT_MONOTONIC);
		first = list_empty(&pagers.dirty);
		list_append(&pagers.dirty, &p->dirty_node);
	} else {
		list_del(&p->dirty_node);
		list_init(&p->dirty_node);
	}
	p->is_listed = want;
	mutex_unlock(&pagers.dirty_lock);
	if (first && atomic_load(&pagers.is_idle))
		wake_thread();
}

/* A file that is written through is on its way to the device long before
 * somebody waits for it. Under the lock. */
static void note_stream(struct pager *p, u64 page, u64 n)
{
	if (page != p->stream_end)
		atomic_store(&p->stream_start, page);
	atomic_store(&p->stream_end, page + n);
	if (likely(page + n - p->stream_start < pagers.stream_max) ||
	    atomic_xchg(&pagers.has_stream, true))
		return;
	wake_thread();
}

void pager_set_dirty(struct pager *p, u64 page, u64 n)
{
	u64 fresh = pager_set(p, page, n, PAGER_DIRTY);
	u64 total;

	if (!fresh)
		return;
	p->dirty_low = p->ndirty ? MIN(p->dirty_low, page) : page;
	p->ndirty += fresh;
	note_stream(p, page, n);
	total = atomic_fetch_add(&pagers.ndirty, fresh) + fresh;
	pager_update_list(p);
	if (unlikely(total > pagers.dirty_max / 2 &&
		     total - fresh <= pagers.dirty_max / 2))
		wake_thread();
}

void pager_forget(struct pager *p)
{
	mutex_lock(&pagers.lock);
	list_del(&p->node);
	mutex_unlock(&pagers.lock);
	mutex_lock(&pagers.dirty_lock);
	if (p->is_listed)
		list_del(&p->dirty_node);
	mutex_unlock(&pagers.dirty_lock);
	atomic_fetch_sub(&pagers.ndirty, p->ndirty);
}

bool pager_is_dirty(const struct inode *i)
{
	const struct pager *p = pager_of(i);

	return p && (p->ndirty || p->nshared || p->nwriting);
}

/* --- Writing back -------------------------------------------------------- */

/* The first page of the range that must be written, or end. Under the lock. */
static u64 next_dirty(const struct pager *p, u64 page, u64 end)
{
	u64 dirty = end;

	if (p->ndirty)
		dirty = pager_find(p, MAX(page, p->dirty_low), end,
				   PAGER_DIRTY);
	if (p->nshared)
		dirty = MIN(dirty, pager_find(p, page, end, PAGER_SHARED));
	return dirty;
}

static bool is_at(const struct pager *p, u64 page, enum pager_bit bit)
{
	return pager_all(p, page, 1, bit);
}

/* How many pages from a dirty one on can be written at once. */
static u64 dirty_run(const struct pager *p, u64 page, u64 end)
{
	u64 n = 0;

	end = MIN(end, page + PAGER_WRITE_MAX);
	while (page + n < end && !is_at(p, page + n, PAGER_WRITING) &&
	       !is_at(p, page + n, PAGER_BUSY) &&
	       (is_at(p, page + n, PAGER_DIRTY) ||
		is_at(p, page + n, PAGER_SHARED)))
		n++;
	return n;
}

/* What a mapping wrote behind the end of the file does not get to the device.
 * Under the lock: a writer that makes the file longer is not at it. */
static void zero_behind_end(struct pager *p, u64 page, u64 n, u8 *data)
{
	u64 size = atomic_load(&p->object->size);

	if (!p->nshared || atomic_load(&p->nwriters) || size % PAGE_SIZE == 0 ||
	    size / PAGE_SIZE < page || size / PAGE_SIZE >= page + n)
		return;
	memset(data + (size - page * PAGE_SIZE), 0,
	       PAGE_SIZE - size % PAGE_SIZE);
}

static int prepare(struct pager *p, u64 page, u64 n)
{
	u64 size = atomic_load(&p->object->size), start = page * PAGE_SIZE;

	if (start >= size)
		return 0;
	return p->ops->prepare(p->inode, start,
			       MIN(n * PAGE_SIZE, size - start));
}

/* Write the run that starts with a dirty page; how many pages it had. Called
 * and returns with the lock. */
static u64 write_run(struct pager *p, u64 page, u64 end, int *err)
{
	u64 n = dirty_run(p, page, end), run, ndirty;
	bool has_blocks;
	u8 *data =
		object_window(p->object, page * PAGE_SIZE, n * PAGE_SIZE, &run);

	if (!data) { /* they are present: there is one */
		*err = -EIO;
		return n;
	}
	n = MIN(n, run / PAGE_SIZE);
	ndirty = pager_clear(p, page, n, PAGER_DIRTY);
	p->ndirty -= ndirty;
	atomic_fetch_sub(&pagers.ndirty, ndirty);
	pager_set(p, page, n, PAGER_WRITING);
	p->nwriting += n;
	if (list_empty(&p->object->mappings))
		p->nshared -= pager_clear(p, page, n, PAGER_SHARED);
	zero_behind_end(p, page, n, data);
	/* A hole was punched where a mapping goes on writing. */
	has_blocks = pager_all(p, page, n, PAGER_READY);
	mutex_unlock(&p->lock);
	atomic_fetch_add(&pagers.writing, n);
	*err = has_blocks ? 0 : prepare(p, page, n);
	if (!*err)
		*err = p->ops->write(p->inode, page, (u32)n, data);
	if (*err)
		object_set_error(p->object, *err);
	atomic_fetch_sub(&pagers.writing, n);
	mutex_lock(&p->lock);
	pager_clear(p, page, n, PAGER_WRITING);
	p->nwriting -= n;
	pager_wake(p);
	return n;
}

static int write_back(struct pager *p, u64 first, u64 end)
{
	u64 page = first;
	int err = 0;

	while ((page = next_dirty(p, page, end)) < end) {
		int e = 0;

		if (is_at(p, page, PAGER_WRITING) ||
		    is_at(p, page, PAGER_BUSY)) {
			pager_wait(p);
			continue;
		}
		page += write_run(p, page, end, &e);
		err = err ? err : e;
	}
	/* What others are writing of it: what they begin now is not ours. */
	page = first;
	while (p->nwriting &&
	       (page = pager_find(p, page, end, PAGER_WRITING)) < end) {
		if (is_at(p, page, PAGER_WRITING))
			pager_wait(p);
		if (!is_at(p, page, PAGER_WRITING))
			page++;
	}
	pager_update_list(p);
	return err;
}

int pager_write_back(struct inode *i, u64 offset, u64 len)
{
	struct pager *p = pager_of(i);
	u64 end;
	int err;

	if (!p)
		return 0;
	if (ckd_add(&end, offset, len) || end > UINT64_MAX - PAGE_SIZE)
		end = ROUND_DOWN(UINT64_MAX, PAGE_SIZE);
	mutex_lock(&p->lock);
	end = MIN(PAGE_UP(end) / PAGE_SIZE, (u64)p->max * CHUNK_PAGES);
	err = write_back(p, offset / PAGE_SIZE, end);
	mutex_unlock(&p->lock);
	return err;
}

/* --- All of them --------------------------------------------------------- */

/* The first dirty file that fits, with a reference on its inode. fs NULL: any.
 * *busy: one was on its way out, which writes it back, too. */
static struct inode *next_file(const struct fs *fs, nsec_t older_than,
			       bool *busy)
{
	struct inode *found = NULL;
	struct pager *p;

	mutex_lock(&pagers.dirty_lock);
	list_for_each (p, &pagers.dirty, dirty_node) {
		if ((fs && p->inode->fs != fs) || p->dirty_since > older_than)
			continue;
		if (ref_tryget(&p->inode->ref)) {
			found = p->inode;
			break;
		}
		*busy = true;
	}
	mutex_unlock(&pagers.dirty_lock);
	return found;
}

/* To the end of the list: its turn was now. */
static void requeue(struct pager *p)
{
	mutex_lock(&pagers.dirty_lock);
	if (p->is_listed) {
		p->dirty_since = plat_clock(PLAT_MONOTONIC);
		list_del(&p->dirty_node);
		list_append(&pagers.dirty, &p->dirty_node);
	}
	mutex_unlock(&pagers.dirty_lock);
}

static int write_all(const struct fs *fs, nsec_t older_than)
{
	nsec_t begun = plat_clock(PLAT_MONOTONIC);
	struct inode *i;
	bool busy;
	int err = 0;

	older_than = MIN(older_than, begun);
	for (;;) {
		busy = false;
		i = next_file(fs, older_than, &busy);
		if (i) {
			int e = pager_write_back(i, 0, UINT64_MAX);

			err = err ? err : e;
			/* Dirty again, or mapped: not in this round. */
			requeue(pager_of(i));
			inode_put(i);
		} else if (busy) {
			plat_yield();
		} else {
			return err;
		}
	}
}

/* Afterwards the thread has no inode of this filesystem in its hands, nor will
 * it take one until something is dirty again: it can be unmounted. */
int pager_sync_fs(struct fs *fs)
{
	int err;

	pager_read_drain();
	mutex_lock(&pagers.round);
	err = write_all(fs, NSEC_MAX);
	mutex_unlock(&pagers.round);
	return err;
}

void pager_throttle(struct inode *i)
{
	bool busy = false;
	struct inode *oldest;

	if (likely(atomic_load(&pagers.ndirty) <= pagers.dirty_max))
		return;
	if (pager_of(i)->ndirty > pagers.dirty_max / 8) {
		(void)pager_write_back(i, 0, UINT64_MAX);
		return;
	}
	oldest = next_file(NULL, NSEC_MAX, &busy);
	if (!oldest)
		return;
	(void)pager_write_back(oldest, 0, UINT64_MAX);
	requeue(pager_of(oldest));
	inode_put(oldest);
}

/* --- The thread ---------------------------------------------------------- */

static bool is_much(void)
{
	return atomic_load(&pagers.ndirty) > pagers.dirty_max / 2;
}

/* A file with a long stream, and where that is; what comes next to it is a new
 * one. */
static struct inode *next_stream(u64 *start, u64 *end)
{
	struct inode *found = NULL;
	struct pager *p;

	mutex_lock(&pagers.dirty_lock);
	list_for_each (p, &pagers.dirty, dirty_node) {
		*start = atomic_load(&p->stream_start);
		*end = atomic_load(&p->stream_end);
		if (*end < *start + pagers.stream_max ||
		    !ref_tryget(&p->inode->ref))
			continue;
		atomic_store(&p->stream_start, *end);
		found = p->inode;
		break;
	}
	mutex_unlock(&pagers.dirty_lock);
	return found;
}

static void write_streams(void)
{
	struct inode *i;
	u64 start, end;

	while (atomic_xchg(&pagers.has_stream, false))
		while ((i = next_stream(&start, &end)) != NULL) {
			(void)pager_write_back(i, start * PAGE_SIZE,
					       (end - start) * PAGE_SIZE);
			inode_put(i);
		}
}

static void round_of_thread(void)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);

	mutex_lock(&pagers.round);
	write_streams();
	(void)write_all(NULL, is_much() ? now : now - AGE_MAX);
	mutex_unlock(&pagers.round);
}

static void run(UNUSED void *arg)
{
	for (;;) {
		u32 wanted = atomic_load(&pagers.wanted);
		nsec_t deadline = plat_clock(PLAT_MONOTONIC) + ROUND;

		atomic_store(&pagers.is_idle, true);
		smp_mb(); /* pairs with pager_update_list(): listed, then idle?
			   */
		if (!list_empty(&pagers.dirty))
			atomic_store(&pagers.is_idle, false);
		else
			deadline = NSEC_MAX;
		if (!is_much() && !atomic_load(&pagers.has_stream))
			(void)plat_wait(&pagers.wanted, wanted, deadline);
		atomic_store(&pagers.is_idle, false);
		round_of_thread();
	}
}

int pager_start(u64 memory)
{
	u64 pages = memory / PAGE_SIZE;
	int err;

	if (kernel.memory_limit)
		pages = MIN(pages, kernel.memory_limit / PAGE_SIZE);
	pagers.max = kernel.memory_limit ? pages / 2 : pages / 4;
	pagers.dirty_max = MAX(MIN(pages / 5, GIB(1) / PAGE_SIZE), 64UL);
	pagers.stream_max = MIN(MIB(16) / PAGE_SIZE, pagers.dirty_max / 8);
	err = readahead_start();
	return err ? err : kernel_thread_start("writeback", run, NULL);
}
