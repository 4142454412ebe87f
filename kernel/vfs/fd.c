/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables. Lookup takes no lock: files keep their type in memory, so
 * a stale pointer is found out by ref_tryget() and a second look at the slot.
 * Arrays that grew out stay until the table dies. A table that only its own
 * single thread can reach needs neither locks nor references.
 */
#include "kernel/vfs/vfs_int.h"

#define FD_MAX (1U << 20)
#define RLIM_NOFILE 7

static struct fdtable *table(void)
{
	return process_current()->files;
}

/* True if the lock was taken. */
static bool table_lock(struct fdtable *t)
{
	if (fdtable_is_mine(process_current(), t))
		return false;
	mutex_lock(&t->lock);
	return true;
}

static void table_unlock(struct fdtable *t, bool is_locked)
{
	if (is_locked)
		mutex_unlock(&t->lock);
}

u32 fd_capacity(void)
{
	return atomic_load_acquire(&table()->array)->size;
}

/* --- Tables -------------------------------------------------------------- */

struct fdtable *fdtable_new(void)
{
	struct fdtable *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	ref_init(&t->ref);
	t->first.size = FD_FIRST;
	t->first.used = &t->first_used;
	t->first.cloexec = &t->first_cloexec;
	t->first.files = t->first_files;
	t->array = &t->first;
	return t;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	ref_get(&t->ref);
	return t;
}

static struct fdarray *array_new(u32 size)
{
	size_t bits = size / 8;
	struct fdarray *a =
		kzalloc(sizeof(*a) + 2 * bits + size * sizeof(struct file *));

	if (!a)
		return NULL;
	a->size = size;
	a->used = (u64 *)(a + 1);
	a->cloexec = a->used + size / 64;
	a->files = (struct file **)(a->cloexec + size / 64);
	return a;
}

/* Make slot fd exist. Lock held. */
static int table_grow(struct fdtable *t, u32 fd)
{
	struct fdarray *a = t->array, *bigger;
	u32 size = a->size;

	if (fd >= FD_MAX)
		return -EMFILE;
	while (size <= fd)
		size *= 2;
	if (size == a->size)
		return 0;
	bigger = array_new(size);
	if (!bigger)
		return -ENOMEM;
	memcpy(bigger->used, a->used, a->size / 8);
	memcpy(bigger->cloexec, a->cloexec, a->size / 8);
	memcpy(bigger->files, a->files, a->size * sizeof(struct file *));
	bigger->old = a;
	/* Pairs with the load in fd_lookup(): filled before it is seen. */
	atomic_store_release(&t->array, bigger);
	return 0;
}

struct fdtable *fdtable_copy(struct fdtable *old)
{
	struct fdtable *t = fdtable_new();
	struct fdarray *a;

	if (!t)
		return NULL;
	mutex_lock(&old->lock);
	a = old->array;
	if (a->size > FD_FIRST && table_grow(t, a->size - 1) != 0) {
		mutex_unlock(&old->lock);
		fdtable_put(t);
		return NULL;
	}
	for (u32 fd = 0; fd < a->size; fd++) {
		struct file *f = a->files[fd];

		if (!f)
			continue;
		file_get(f);
		t->array->files[fd] = f;
		t->array->used[fd / 64] |= 1UL << fd % 64;
		t->array->cloexec[fd / 64] |= a->cloexec[fd / 64] &
					      1UL << fd % 64;
	}
	mutex_unlock(&old->lock);
	return t;
}

static void file_close(struct fdtable *t, struct file *f)
{
	if (unlikely(f->inode->locks))
		lockf_close(f, t);
	if (unlikely(f->inode->watches))
		dnotify_close(f, t);
	if (f->ops->flush && !f->is_path_only)
		f->ops->flush(f);
	file_put(f);
}

void fdtable_put(struct fdtable *t)
{
	struct fdarray *a, *old;

	if (!t || !ref_put(&t->ref))
		return;
	a = t->array;
	for (u32 fd = 0; fd < a->size; fd++)
		if (a->files[fd])
			file_close(t, a->files[fd]);
	for (; a != &t->first; a = old) {
		old = a->old;
		kfree(a);
	}
	kfree(t);
}

/* --- Lookup -------------------------------------------------------------- */

static struct fdref table_get(struct fdtable *t, u32 fd)
{
	struct fdref r = { NULL, false };
	struct fdarray *a;
	struct file *f;

	for (;;) {
		a = atomic_load_acquire(&t->array);
		if (fd >= a->size)
			return r;
		f = atomic_load_acquire(&a->files[fd]);
		if (!f)
			return r;
		if (!ref_tryget(&f->ref))
			continue;
		/* Pairs with slot_take(): still in the table, so ours. */
		a = atomic_load_acquire(&t->array);
		if (likely(atomic_load_acquire(&a->files[fd]) == f)) {
			r.file = f;
			r.has_ref = true;
			return r;
		}
		file_put(f);
	}
}

struct fdref fd_get_shared(int fd, bool with_path_only)
{
	struct fdtable *t = table();
	struct fdref r = { NULL, false };

	if (unlikely(!t))
		return r;
	r = table_get(t, (u32)fd);
	if (r.file && unlikely(r.file->is_path_only) && !with_path_only) {
		file_put(r.file);
		r.file = NULL;
		r.has_ref = false;
	}
	return r;
}

void fd_put_slow(struct fdref r)
{
	file_put(r.file);
}

/* --- Numbers ------------------------------------------------------------- */

static u32 fd_limit(void)
{
	u64 limit = atomic_load(&process_current()->rlimits[RLIM_NOFILE].cur);

	return (u32)MIN(limit, FD_MAX);
}

/* Lowest number >= min that is not in use; may be the array's size. */
static u32 find_free(const struct fdarray *a, u32 min)
{
	u32 word = min / 64;
	u64 bits;

	if (min >= a->size)
		return min;
	bits = ~a->used[word] & (~0UL << min % 64);
	while (!bits) {
		if (++word == a->size / 64)
			return a->size;
		bits = ~a->used[word];
	}
	return word * 64 + (u32)__builtin_ctzl(bits);
}

static void set_cloexec(struct fdarray *a, u32 fd, bool cloexec)
{
	if (cloexec)
		a->cloexec[fd / 64] |= 1UL << fd % 64;
	else
		a->cloexec[fd / 64] &= ~(1UL << fd % 64);
}

/* Lock held. */
static int reserve(struct fdtable *t, int min, bool cloexec)
{
	u32 start = MAX((u32)min, t->first_free);
	u32 fd = find_free(t->array, start);
	int err;

	if (fd >= fd_limit())
		return -EMFILE;
	if (unlikely(fd >= t->array->size)) {
		err = table_grow(t, fd);
		if (err)
			return err;
	}
	t->array->used[fd / 64] |= 1UL << fd % 64;
	set_cloexec(t->array, fd, cloexec);
	if ((u32)min <= t->first_free)
		t->first_free = fd + 1;
	return (int)fd;
}

int fd_reserve(int min, bool cloexec)
{
	struct fdtable *t = table();
	bool is_locked = table_lock(t);
	int fd = reserve(t, min, cloexec);

	table_unlock(t, is_locked);
	return fd;
}

void fd_publish(int fd, struct file *f)
{
	struct fdtable *t = table();
	bool is_locked = table_lock(t); /* against table_grow() */

	/* Pairs with the lookups: f is whole when it can be found. */
	atomic_store_release(&t->array->files[fd], f);
	table_unlock(t, is_locked);
}

/* The file in a slot, which becomes free; NULL if there is none. Lock held. */
static struct file *slot_take(struct fdtable *t, u32 fd)
{
	struct fdarray *a = t->array;
	struct file *f;

	if (fd >= a->size)
		return NULL;
	f = a->files[fd];
	if (!f)
		return NULL;
	atomic_store_release(&a->files[fd], (struct file *)NULL);
	a->used[fd / 64] &= ~(1UL << fd % 64);
	a->cloexec[fd / 64] &= ~(1UL << fd % 64);
	if (fd < t->first_free)
		t->first_free = fd;
	return f;
}

void fd_unreserve(int fd)
{
	struct fdtable *t = table();
	bool is_locked = table_lock(t);

	t->array->used[fd / 64] &= ~(1UL << fd % 64);
	t->array->cloexec[fd / 64] &= ~(1UL << fd % 64);
	if ((u32)fd < t->first_free)
		t->first_free = (u32)fd;
	table_unlock(t, is_locked);
}

int fd_install(struct file *f, int min, bool cloexec)
{
	struct fdtable *t = table();
	bool is_locked;
	int fd;

	is_locked = table_lock(t);
	fd = reserve(t, min, cloexec);
	if (fd >= 0)
		atomic_store_release(&t->array->files[fd], f);
	table_unlock(t, is_locked);
	if (fd < 0)
		file_put(f);
	return fd;
}

int fd_close(int fd)
{
	struct fdtable *t = table();
	bool is_locked = table_lock(t);
	struct file *f = slot_take(t, (u32)fd);

	table_unlock(t, is_locked);
	if (!f)
		return -EBADF;
	file_close(t, f);
	return 0;
}

int fd_replace(int fd, struct file *f, bool cloexec)
{
	struct fdtable *t = table();
	struct file *old;
	bool is_locked;
	int err = 0;

	if ((u32)fd >= fd_limit())
		return -EBADF;
	is_locked = table_lock(t);
	if ((u32)fd >= t->array->size)
		err = table_grow(t, (u32)fd);
	else if ((t->array->used[fd / 64] >> fd % 64 & 1) &&
		 !t->array->files[fd])
		err = -EBUSY; /* another thread is about to publish it */
	if (err) {
		table_unlock(t, is_locked);
		return err;
	}
	old = t->array->files[fd];
	t->array->used[fd / 64] |= 1UL << fd % 64;
	set_cloexec(t->array, (u32)fd, cloexec);
	atomic_store_release(&t->array->files[fd], f);
	table_unlock(t, is_locked);
	if (old)
		file_close(t, old);
	return fd;
}

/* --- Flags and ranges ---------------------------------------------------- */

static bool is_open(const struct fdarray *a, u32 fd)
{
	return fd < a->size && a->files[fd];
}

int fd_get_flags(int fd)
{
	const struct fdarray *a = atomic_load_acquire(&table()->array);

	if (!is_open(a, (u32)fd))
		return -EBADF;
	return a->cloexec[fd / 64] >> fd % 64 & 1 ? FD_CLOEXEC : 0;
}

int fd_set_flags(int fd, bool cloexec)
{
	struct fdtable *t = table();
	bool is_locked = table_lock(t);
	int err = 0;

	if (is_open(t->array, (u32)fd))
		set_cloexec(t->array, (u32)fd, cloexec);
	else
		err = -EBADF;
	table_unlock(t, is_locked);
	return err;
}

/* Close the open descriptors of [first, last] that `mask` names. */
static void close_range_masked(struct fdtable *t, u32 first, u32 last,
			       bool only_marked)
{
	for (u32 fd = first; fd <= last; fd++) {
		bool is_locked = table_lock(t);
		struct file *f = NULL;

		if (fd >= t->array->size) {
			table_unlock(t, is_locked);
			return;
		}
		if (!only_marked || (t->array->cloexec[fd / 64] >> fd % 64 & 1))
			f = slot_take(t, fd);
		table_unlock(t, is_locked);
		if (f)
			file_close(t, f);
	}
}

void fdtable_close_on_exec(struct fdtable *t)
{
	for (u32 word = 0; word < t->array->size / 64; word++)
		if (t->array->cloexec[word])
			close_range_masked(t, word * 64, word * 64 + 63, true);
}

int fd_close_range(u32 first, u32 last, bool only_cloexec)
{
	struct fdtable *t = table();

	if (first > last)
		return -EINVAL;
	if (!only_cloexec) {
		close_range_masked(t, first, last, false);
		return 0;
	}
	for (u32 fd = first; fd <= last && fd < t->array->size; fd++)
		(void)fd_set_flags((int)fd, true);
	return 0;
}

int fdtable_next(struct fdtable *t, int fd, struct file **f)
{
	struct fdref r;
	u32 n;

	for (n = (u32)MAX(fd, 0); n < atomic_load_acquire(&t->array)->size;
	     n++) {
		r = table_get(t, n);
		if (r.file) {
			*f = r.file;
			return (int)n;
		}
	}
	return -1;
}
