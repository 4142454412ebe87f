/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pager and its file operations on a filesystem made of an array: random
 * operations against a model, errors, reclaim, and threads that read, write,
 * write back and reclaim at the same time.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/pager_int.h"
#include "kernel/vfs/vfs_int.h"
#include "tests/unit/stub_plat.h"
#include "tests/unit/stub_proc.h"

#define DISK_MAX MIB(8)

/* What the fake filesystem has of the one file. */
static struct disk {
	u8 data[DISK_MAX];
	bool ready[DISK_MAX / PAGE_SIZE]; /* prepared */
	u64 nreads, nwrites, nprepares;
	int read_error, write_error, prepare_error; /* once */
	u64 room; /* bytes that can be prepared; 0: all */
} disk;

static int take(int *err)
{
	int e = *err;

	*err = 0;
	return e;
}

static int disk_read(UNUSED struct inode *i, u64 page, u32 n, u8 *data)
{
	atomic_fetch_add(&disk.nreads, 1UL);
	if (disk.read_error)
		return take(&disk.read_error);
	memcpy(data, disk.data + page * PAGE_SIZE, n * PAGE_SIZE);
	return 0;
}

static int disk_write(UNUSED struct inode *i, u64 page, u32 n, const u8 *data)
{
	atomic_fetch_add(&disk.nwrites, 1UL);
	if (disk.write_error)
		return take(&disk.write_error);
	for (u32 k = 0; k < n; k++)
		assert_true(disk.ready[page + k]);
	memcpy(disk.data + page * PAGE_SIZE, data, n * PAGE_SIZE);
	return 0;
}

static int disk_prepare(UNUSED struct inode *i, u64 offset, u64 len)
{
	disk.nprepares++;
	if (disk.prepare_error)
		return take(&disk.prepare_error);
	if (disk.room && offset + len > disk.room)
		return -ENOSPC;
	for (u64 k = offset / PAGE_SIZE; k <= (offset + len - 1) / PAGE_SIZE;
	     k++)
		disk.ready[k] = true;
	return 0;
}

static const struct pager_ops disk_ops = {
	.read = disk_read,
	.write = disk_write,
	.prepare = disk_prepare,
};

int kernel_thread_start(UNUSED const char *name, UNUSED void (*fn)(void *arg),
			UNUSED void *arg)
{
	return 0;
}

static struct fs fs;
static struct mount mount = { .flags = 1024 /* noatime */ };

static struct inode *file_make(u64 size)
{
	struct inode *i = calloc(1, sizeof(*i));

	memset(&disk, 0, sizeof(disk));
	ref_init(&i->ref);
	i->mode = TYPE_REG | 0644;
	i->fs = &fs;
	i->nlink = 1;
	assert_int_equal(pager_attach(i, &disk_ops, size), 0);
	return i;
}

static void file_drop(struct inode *i)
{
	assert_int_equal(pager_drop(i, 0, UINT64_MAX), 0);
	object_put(i->object);
	free(i);
}

static struct file handle(struct inode *i, u32 flags)
{
	struct file f = { .flags = flags,
			  .inode = i,
			  .ops = &pager_fops,
			  .path.mount = &mount };

	return f;
}

static s64 do_write(struct file *f, const void *buf, u64 len, u64 pos)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)buf, len);
	return pager_fops.write(f, &u, &pos);
}

static s64 do_read(struct file *f, void *buf, u64 len, u64 pos)
{
	struct uio u;

	uio_init_kernel(&u, buf, len);
	return pager_fops.read(f, &u, &pos);
}

/* --- One at a time ------------------------------------------------------- */

static void reads_what_the_disk_has(UNUSED void **state)
{
	struct inode *i = file_make(3 * PAGE_SIZE + 100);
	struct file f = handle(i, 0);
	u8 buf[4 * PAGE_SIZE];

	for (u64 k = 0; k < 3 * PAGE_SIZE + 100; k++)
		disk.data[k] = (u8)(k * 7);
	assert_int_equal(do_read(&f, buf, 10, PAGE_SIZE - 5), 10);
	assert_memory_equal(buf, disk.data + PAGE_SIZE - 5, 10);
	assert_int_equal(do_read(&f, buf, sizeof(buf), 0), 3 * PAGE_SIZE + 100);
	assert_memory_equal(buf, disk.data, 3 * PAGE_SIZE + 100);
	disk.nreads = 0;
	assert_int_equal(do_read(&f, buf, sizeof(buf), 0), 3 * PAGE_SIZE + 100);
	assert_int_equal(disk.nreads, 0);
	assert_int_equal(do_read(&f, buf, 1, 3 * PAGE_SIZE + 100), 0);
	file_drop(i);
}

static void whole_pages_are_not_read_before(UNUSED void **state)
{
	static u8 buf[2 * PAGE_SIZE];
	struct inode *i = file_make(4 * PAGE_SIZE);
	struct file f = handle(i, 0);

	memset(disk.data, 1, 4 * PAGE_SIZE);
	memset(buf, 2, sizeof(buf));
	assert_int_equal(do_write(&f, buf, sizeof(buf), PAGE_SIZE),
			 sizeof(buf));
	assert_int_equal(disk.nreads, 0);
	assert_int_equal(do_write(&f, buf, 10, 5), 10);
	assert_int_equal(disk.nreads, 1);
	assert_int_equal(disk.nprepares, 2);
	assert_int_equal(do_write(&f, buf, 10, 5), 10);
	assert_int_equal(disk.nprepares, 2);
	assert_true(pager_is_dirty(i));
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), 0);
	assert_false(pager_is_dirty(i));
	assert_int_equal(disk.nwrites, 1);
	assert_int_equal(disk.data[4], 1);
	assert_int_equal(disk.data[5], 2);
	assert_int_equal(disk.data[15], 1);
	assert_int_equal(disk.data[3 * PAGE_SIZE - 1], 2);
	assert_int_equal(disk.data[3 * PAGE_SIZE], 1);
	/* What has blocks is not prepared again. */
	assert_int_equal(do_write(&f, buf, 10, 5), 10);
	assert_int_equal(disk.nprepares, 2);
	file_drop(i);
}

static void errors_are_reported(UNUSED void **state)
{
	struct inode *i = file_make(2 * PAGE_SIZE);
	struct file f = handle(i, 0);
	u32 seen = object_error_start(i->object), other = seen;
	u8 buf[PAGE_SIZE] = { 1 };

	disk.read_error = -EIO;
	assert_int_equal(do_read(&f, buf, 10, 0), -EIO);
	assert_int_equal(do_read(&f, buf, 10, 0), 10);
	disk.prepare_error = -ENOSPC;
	assert_int_equal(do_write(&f, buf, 10, 0), -ENOSPC);
	assert_false(pager_is_dirty(i));
	disk.read_error = -EIO;
	assert_int_equal(do_write(&f, buf, 10, PAGE_SIZE + 1), -EIO);
	assert_int_equal(do_write(&f, buf, 10, 0), 10);
	disk.write_error = -EIO;
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), -EIO);
	assert_int_equal(object_error(i->object, &seen), -EIO);
	assert_int_equal(object_error(i->object, &seen), 0);
	assert_int_equal(object_error(i->object, &other), -EIO);
	other = object_error_start(i->object);
	assert_int_equal(object_error(i->object, &other), 0);
	object_set_error(i->object, -EIO);
	assert_int_equal(object_error(i->object, &seen), -EIO);
	object_set_error(i->object, -ENOSPC);
	other = object_error_start(i->object); /* nobody knows it yet */
	assert_int_equal(object_error(i->object, &other), -ENOSPC);
	assert_int_equal(object_error(i->object, &other), 0);
	file_drop(i);
}

static void direct_io_is_aligned(UNUSED void **state)
{
	static u8 buf[PAGE_SIZE] ALIGNED(4096);
	struct inode *i = file_make(2 * PAGE_SIZE);
	struct file f = handle(i, O_DIRECT);

	assert_int_equal(do_read(&f, buf, 100, 0), -EINVAL);
	assert_int_equal(do_read(&f, buf + 1, 512, 0), -EINVAL);
	assert_int_equal(do_read(&f, buf, 512, 10), -EINVAL);
	memset(buf, 9, sizeof(buf));
	assert_int_equal(do_write(&f, buf, 512, 512), 512);
	assert_int_equal(disk.data[512], 9);
	assert_int_equal(disk.data[511], 0);
	assert_false(pager_is_dirty(i));
	file_drop(i);
}

static void what_fits_is_written(UNUSED void **state)
{
	static u8 buf[64 * PAGE_SIZE];
	struct inode *i = file_make(0);
	struct file f = handle(i, 0);

	disk.room = 11 * PAGE_SIZE;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(do_write(&f, buf, sizeof(buf), 100),
			 11 * PAGE_SIZE - 100);
	assert_int_equal(do_write(&f, buf, 1, disk.room), -ENOSPC);
	assert_int_equal(inode_size(i), disk.room);
	file_drop(i);
}

static void reclaim_takes_what_is_clean(UNUSED void **state)
{
	static u8 buf[64 * PAGE_SIZE];
	struct inode *i = file_make(64 * PAGE_SIZE);
	struct file f = handle(i, 0);
	struct pager_counts before, after;

	memset(disk.data, 3, 64 * PAGE_SIZE);
	assert_int_equal(do_read(&f, buf, sizeof(buf), 0), sizeof(buf));
	buf[0] = 4;
	assert_int_equal(do_write(&f, buf, 1, 7 * PAGE_SIZE), 1);
	pager_count(&before);
	assert_int_equal(pager_reclaim(1000), 63);
	pager_count(&after);
	assert_int_equal(before.present - after.present, 63);
	assert_int_equal(after.dirty, 1);
	disk.nreads = 0;
	assert_int_equal(do_read(&f, buf, sizeof(buf), 0), sizeof(buf));
	assert_true(disk.nreads > 0);
	assert_int_equal(buf[7 * PAGE_SIZE], 4);
	assert_int_equal(buf[7 * PAGE_SIZE + 1], 3);
	assert_int_equal(buf[8 * PAGE_SIZE], 3);
	file_drop(i);
}

static void read_ahead_grows(UNUSED void **state)
{
	static u8 buf[PAGE_SIZE];
	struct inode *i = file_make(MIB(4));
	struct file f = handle(i, 0);

	for (u64 at = 0; at < MIB(4); at += PAGE_SIZE)
		assert_int_equal(do_read(&f, buf, PAGE_SIZE, at), PAGE_SIZE);
	assert_true(disk.nreads < 20);
	file_drop(i);
}

/* --- Against a model ----------------------------------------------------- */

static u64 random_state = 88172645463325252UL;

static u64 rnd(u64 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static u8 model[DISK_MAX], io[DISK_MAX];
static u64 model_size;

static void model_write(struct file *f)
{
	u64 pos = rnd(MIB(1)), n = 1 + rnd(rnd(2) ? 5000 : 100000);

	if (rnd(3) == 0) {
		pos = PAGE_DOWN(pos);
		n = PAGE_UP(n);
	}
	for (u64 k = 0; k < n; k++)
		io[k] = (u8)rnd(256);
	assert_int_equal(do_write(f, io, n, pos), n);
	memcpy(model + pos, io, n);
	model_size = MAX(model_size, pos + n);
}

static void model_read(struct file *f)
{
	u64 pos = rnd(MIB(1)), n = 1 + rnd(rnd(2) ? 5000 : 200000);
	u64 want = pos >= model_size ? 0 : MIN(n, model_size - pos);

	assert_int_equal(do_read(f, io, n, pos), want);
	assert_memory_equal(io, model + pos, want);
}

/* As a filesystem truncates: pages, size, then its blocks. */
static void model_resize(struct inode *i)
{
	u64 size = rnd(MIB(1));

	if (size < model_size) {
		assert_int_equal(pager_drop(i, size, UINT64_MAX - size), 0);
		memset(model + size, 0, DISK_MAX - size);
	}
	assert_int_equal(object_resize(i->object, size), 0);
	if (size < model_size) {
		u64 first = PAGE_UP(size) / PAGE_SIZE;

		memset(disk.data + size, 0, DISK_MAX - size);
		memset(disk.ready + first, 0, DISK_MAX / PAGE_SIZE - first);
	}
	model_size = size;
}

static void model_punch(struct inode *i)
{
	u64 pos = rnd(MIB(1)), n = 1 + rnd(100000);
	u64 first = PAGE_UP(pos) / PAGE_SIZE, last = (pos + n) / PAGE_SIZE;

	assert_int_equal(pager_drop(i, pos, n), 0);
	memset(disk.data + pos, 0, n);
	for (u64 k = first; k < last; k++)
		disk.ready[k] = false;
	memset(model + pos, 0, n);
}

/* A mapping goes on writing, without a fault, where a hole was punched. */
static void mappings_survive_holes(UNUSED void **state)
{
	struct inode *i = file_make(4 * PAGE_SIZE);
	struct object *o = i->object;
	struct list area = LIST_INIT(area);
	u64 run;
	u8 *data;

	memset(disk.data, 1, 4 * PAGE_SIZE);
	list_append(&o->mappings, &area);
	assert_int_equal(o->ops->fault(o, 0, 2 * PAGE_SIZE, true), 0);
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), 0);
	assert_int_equal(pager_drop(i, 0, 4 * PAGE_SIZE), 0);
	memset(disk.data, 0, 4 * PAGE_SIZE);
	memset(disk.ready, 0, sizeof(disk.ready));
	data = object_window(o, 0, 2 * PAGE_SIZE, &run);
	assert_non_null(data);
	assert_int_equal(data[PAGE_SIZE], 0);
	data[PAGE_SIZE] = 7;
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), 0);
	assert_int_equal(disk.data[PAGE_SIZE], 7);
	list_del(&area);
	file_drop(i);
}

/* The rest of a page that is zeroed in part is still written. */
static void zeroed_pages_are_dirty(UNUSED void **state)
{
	struct inode *i = file_make(2 * PAGE_SIZE);
	struct file f = handle(i, 0);
	u8 byte = 9;

	memset(disk.data, 1, 2 * PAGE_SIZE);
	disk.ready[1] = true;
	assert_int_equal(do_write(&f, &byte, 1, PAGE_SIZE), 1);
	assert_int_equal(pager_zero(i, PAGE_SIZE + 10, 90), 0);
	assert_true(pager_is_dirty(i));
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), 0);
	assert_int_equal(disk.data[PAGE_SIZE], 9);
	assert_int_equal(disk.data[PAGE_SIZE + 9], 1);
	assert_int_equal(disk.data[PAGE_SIZE + 10], 0);
	assert_int_equal(disk.data[PAGE_SIZE + 99], 0);
	assert_int_equal(disk.data[PAGE_SIZE + 100], 1);
	file_drop(i);
}

static void agrees_with_the_model(UNUSED void **state)
{
	struct inode *i = file_make(0);
	struct file f = handle(i, 0);

	memset(model, 0, sizeof(model));
	model_size = 0;
	for (int k = 0; k < 6000; k++) {
		switch (rnd(12)) {
		case 0:
			model_resize(i);
			break;
		case 1:
			model_punch(i);
			break;
		case 2:
			(void)pager_reclaim(rnd(100));
			break;
		case 3:
			assert_int_equal(
				pager_write_back(i, rnd(MIB(1)), rnd(200000)),
				0);
			break;
		case 4:
			pager_release(i, rnd(MIB(1)), rnd(MIB(1)));
			break;
		case 5:
		case 6:
		case 7:
			model_write(&f);
			break;
		default:
			model_read(&f);
		}
	}
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), 0);
	assert_memory_equal(disk.data, model, model_size);
	file_drop(i);
}

/* --- Several at a time --------------------------------------------------- */

#define RECORD 96 /* lies across pages */
#define NRECORDS 2000

struct worker {
	struct inode *inode;
	u64 seed;
	u64 first, count; /* records it writes */
	u8 version[NRECORDS];
	pthread_t thread;
};
static u32 stop;

static void record_fill(u8 *r, u64 n, u8 version)
{
	memset(r, (int)(n * 31 + version), RECORD);
}

static void *writer(void *arg)
{
	struct worker *w = arg;
	struct file f = handle(w->inode, 0);
	u8 r[RECORD], back[RECORD];

	for (u64 k = 0; k < 20000; k++) {
		u64 n = w->first + k * 7919 % w->count;

		w->version[n]++;
		record_fill(r, n, w->version[n]);
		assert_int_equal(do_write(&f, r, RECORD, n * RECORD), RECORD);
		n = w->first + k * 104729 % w->count;
		if (!w->version[n])
			continue;
		record_fill(r, n, w->version[n]);
		assert_int_equal(do_read(&f, back, RECORD, n * RECORD), RECORD);
		assert_memory_equal(r, back, RECORD);
	}
	return NULL;
}

static void *disturber(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&stop)) {
		(void)pager_write_back(w->inode, 0, UINT64_MAX);
		(void)pager_reclaim(100);
	}
	return NULL;
}

static void threads_see_their_own(UNUSED void **state)
{
	static struct worker w[3];
	struct inode *i = file_make(NRECORDS * RECORD);
	u8 r[RECORD];

	stop = 0;
	for (int k = 0; k < 3; k++) {
		w[k].inode = i;
		w[k].first = (u64)k * NRECORDS / 2;
		w[k].count = NRECORDS / 2;
		pthread_create(&w[k].thread, NULL, k < 2 ? writer : disturber,
			       &w[k]);
	}
	pthread_join(w[0].thread, NULL);
	pthread_join(w[1].thread, NULL);
	stop = 1;
	pthread_join(w[2].thread, NULL);
	assert_int_equal(pager_write_back(i, 0, UINT64_MAX), 0);
	for (u64 n = 0; n < NRECORDS; n++) {
		u8 version = w[n >= NRECORDS / 2].version[n];

		record_fill(r, n, version);
		if (version)
			assert_memory_equal(disk.data + n * RECORD, r, RECORD);
	}
	file_drop(i);
}

static int start(UNUSED void **state)
{
	stub_plat_start();
	heap_init();
	stub_proc.thread.proc = &stub_proc.process;
	for (size_t i = 0; i < ARRAY_SIZE(stub_proc.process.rlimits); i++)
		stub_proc.process.rlimits[i].cur = UINT64_MAX;
	unit_current = &stub_proc.thread;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_disk_has),
		cmocka_unit_test(whole_pages_are_not_read_before),
		cmocka_unit_test(errors_are_reported),
		cmocka_unit_test(direct_io_is_aligned),
		cmocka_unit_test(what_fits_is_written),
		cmocka_unit_test(reclaim_takes_what_is_clean),
		cmocka_unit_test(read_ahead_grows),
		cmocka_unit_test(mappings_survive_holes),
		cmocka_unit_test(zeroed_pages_are_dirty),
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(threads_see_their_own),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
