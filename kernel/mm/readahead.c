/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading ahead in the background: threads of process 0 read what files
 * that are read through will need next, so that the device works while the
 * program does, and on two requests at a time. Requests are hints: those that
 * find no room are left out.
 */
#include "kernel/kernel.h"
#include "kernel/mm/pager_int.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"

#define REQUESTS_MAX 16U
#define NTHREADS 2U

struct request {
	struct inode *inode; /* with a reference */
	u64 page, n;
};

static struct readahead {
	struct mutex lock;
	struct request ring[REQUESTS_MAX];
	u32 first, n;
	struct mutex busy[NTHREADS]; /* has taken one; before lock */
	u32 event;		     /* atomic: the threads sleep on it */
	bool has_threads;
} ra;

bool pager_read_later(struct inode *i, u64 page, u64 n)
{
	bool any = false;
	u64 step;

	mutex_lock(&ra.lock);
	while (ra.has_threads && n > 0 && ra.n < REQUESTS_MAX) {
		step = MIN(n, PAGER_FILL_MAX);
		inode_get(i);
		ra.ring[(ra.first + ra.n++) % REQUESTS_MAX] =
			(struct request){ i, page, step };
		any = true;
		page += step;
		n -= step;
	}
	mutex_unlock(&ra.lock);
	if (!any)
		return false;
	atomic_fetch_add(&ra.event, 1U);
	plat_wake(&ra.event, NTHREADS);
	return true;
}

static bool take(struct request *r)
{
	bool found;

	mutex_lock(&ra.lock);
	found = ra.n > 0;
	if (found) {
		*r = ra.ring[ra.first];
		ra.first = (ra.first + 1) % REQUESTS_MAX;
		ra.n--;
	}
	mutex_unlock(&ra.lock);
	return found;
}

static bool read_one(struct mutex *busy)
{
	struct request r;
	bool found;

	mutex_lock(busy);
	found = take(&r);
	if (found) {
		/* Whoever needs the pages learns of errors. */
		(void)pager_read_in(pager_of(r.inode), r.page, r.n);
		inode_put(r.inode);
	}
	mutex_unlock(busy);
	return found;
}

void pager_read_drain(void)
{
	struct request r;

	while (take(&r))
		inode_put(r.inode);
	for (u32 i = 0; i < NTHREADS; i++) {
		mutex_lock(&ra.busy[i]);
		mutex_unlock(&ra.busy[i]);
	}
}

static void run(void *busy)
{
	for (;;) {
		u32 event = atomic_load(&ra.event);

		if (!read_one(busy))
			(void)plat_wait(&ra.event, event, NSEC_MAX);
	}
}

int readahead_start(void)
{
	int err = 0;

	for (u32 i = 0; i < NTHREADS && !err; i++)
		err = kernel_thread_start("readahead", run, &ra.busy[i]);
	ra.has_threads = !err;
	return err;
}
