/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables. There are no locks: a number is claimed by setting its bit
 * and freed by clearing it, last. Lookup takes a reference only when others can
 * close: files keep their type in memory, so a stale pointer is found out by
 * ref_tryget() and a second look at the slot. A table that only its own single
 * thread can reach needs neither references nor atomic exchanges.
 */
#include "kernel/plat/plat.h"
#include "kernel/vfs/vfs_int.h"

#define RLIM_NOFILE 7
#define BUSY_LOOKS 8
#define TABLE_BYTES 1024 /* more than it has: the heap aligns it to lines */

_Static_assert(sizeof(struct fdtable) <= TABLE_BYTES, "room");

static struct fdtable *table(void)
{
	return process_current()->files;
}

static bool is_mine(const struct fdtable *t)
{
	return fdtable_is_mine(process_current(), t);
}

u32 fd_capacity(void)
{
	const struct fdtable *t = table();
	u32 k = FD_SEGMENTS - 1;

	while (!atomic_load(&t->segments[k])) /* the first one is there */
		k--;
	return FD_FIRST << k;
}

/* --- Segments ------------------------------------------------------------ */

static u32 segment_first(u32 k)
{
	return k ? FD_FIRST << (k - 1) : 0;
}

static u32 segment_size(u32 k)
{
	return k ? FD_FIRST << (k - 1) : FD_FIRST;
}

static struct fdsegment *segment_new(u32 k)
{
	u32 size = segment_size(k);
	size_t bits = size / 8;
	struct fdsegment *s =
		kzalloc(sizeof(*s) + 2 * bits + size * sizeof(struct file *));

	if (!s)
		return NULL;
	s->first = segment_first(k);
	s->size = size;
	s->used = (u64 *)(s + 1);
	s->cloexec = s->used + size / 64;
	s->files = (struct file **)(s->cloexec + size / 64);
	return s;
}

/* The segment of fd, which is < FD_MAX, or NULL. */
static struct fdsegment *segment_of(const struct fdtable *t, u32 fd)
{
	return atomic_load_acquire(&t->segments[fd_segment(fd)]);
}

/* The same, made if it is not there. NULL: no memory. */
static struct fdsegment *segment_make(struct fdtable *t, u32 fd)
{
	u32 k = fd_segment(fd);
	struct fdsegment *there = NULL, *s = segment_of(t, fd);

	if (likely(s))
		return s;
	s = segment_new(k);
	if (!s || atomic_cmpxchg(&t->segments[k], &there, s))
		return s;
	kfree(s); /* another thread was faster */
	return there;
}

/* --- Bits ---------------------------------------------------------------- */

/* Set or clear a number's bit; what it was. */
static bool bit_set(u64 *bits, u32 n, bool mine)
{
	u64 mask = 1UL << n % 64, old = bits[n / 64];

	if (mine)
		bits[n / 64] = old | mask;
	else
		old = atomic_fetch_or(&bits[n / 64], mask);
	return (old & mask) != 0;
}

static void bit_clear(u64 *bits, u32 n, bool mine)
{
	u64 mask = 1UL << n % 64;

	if (mine)
		bits[n / 64] &= ~mask;
	else
		atomic_fetch_and(&bits[n / 64], ~mask);
}

static bool bit_get(const u64 *bits, u32 n)
{
	return atomic_load(&bits[n / 64]) >> n % 64 & 1;
}

static void set_cloexec(struct fdsegment *s, u32 fd, bool cloexec, bool mine)
{
	u32 n = fd - s->first;

	if (bit_get(s->cloexec, n) == cloexec)
		return;
	if (cloexec)
		(void)bit_set(s->cloexec, n, mine);
	else
		bit_clear(s->cloexec, n, mine);
}

/* --- Tables -------------------------------------------------------------- */

struct fdtable *fdtable_new(void)
{
	struct fdtable *t = kzalloc(TABLE_BYTES);

	if (!t)
		return NULL;
	ref_init(&t->ref);
	t->first.size = FD_FIRST;
	t->first.used = &t->first_used;
	t->first.cloexec = &t->first_cloexec;
	t->first.files = t->first_files;
	t->segments[0] = &t->first;
	return t;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	ref_get(&t->ref);
	return t;
}

/* Into a table that nobody else has yet; takes the reference over. */
static int copy_one(struct fdtable *t, u32 fd, struct file *f, bool cloexec)
{
	struct fdsegment *s = segment_make(t, fd);

	if (!s) {
		file_put(f);
		return -ENOMEM;
	}
	s->files[fd - s->first] = f;
	(void)bit_set(s->used, fd - s->first, true);
	set_cloexec(s, fd, cloexec, true);
	return 0;
}

struct fdtable *fdtable_copy(struct fdtable *old)
{
	struct fdtable *t = fdtable_new();
	struct file *f;
	int fd = -1;

	if (!t)
		return NULL;
	while ((fd = fdtable_next(old, fd + 1, &f)) >= 0) {
		struct fdsegment *s = segment_of(old, (u32)fd);
		bool cloexec = bit_get(s->cloexec, (u32)fd - s->first);

		/* The flag may be another file's that is there by now. */
		if (atomic_load_acquire(fd_slot(old, (u32)fd)) != f) {
			file_put(f);
			fd--;
			continue;
		}
		if (copy_one(t, (u32)fd, f, cloexec) != 0) {
			fdtable_put(t);
			return NULL;
		}
	}
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

static void segment_close(struct fdtable *t, struct fdsegment *s)
{
	for (u32 i = 0; i < s->size; i++)
		if (s->files[i])
			file_close(t, s->files[i]);
	if (s != &t->first)
		kfree(s);
}

void fdtable_put(struct fdtable *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	for (u32 k = 0; k < FD_SEGMENTS; k++)
		if (t->segments[k])
			segment_close(t, t->segments[k]);
	kfree(t);
}

/* --- Lookup -------------------------------------------------------------- */

static struct fdref table_get(struct fdtable *t, u32 fd)
{
	struct fdref r = { NULL, false };
	struct file **slot = fd < FD_MAX ? fd_slot(t, fd) : NULL;
	struct file *f;

	for (;;) {
		f = slot ? atomic_load_acquire(slot) : NULL;
		if (!f)
			return r;
		if (!ref_tryget(&f->ref))
			continue;
		/* Pairs with slot_take(): still in the table, so ours. */
		if (likely(atomic_load_acquire(slot) == f)) {
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

/* Lowest number >= min without its bit; FD_MAX: none. */
static u32 find_free(const struct fdtable *t, u32 min)
{
	u32 fd = min;

	while (fd < FD_MAX) {
		const struct fdsegment *s = segment_of(t, fd);
		u64 bits;

		if (!s)
			return fd;
		bits = ~atomic_load(&s->used[(fd - s->first) / 64]) &
		       (~0UL << fd % 64);
		if (bits)
			return fd / 64 * 64 + (u32)__builtin_ctzl(bits);
		fd = fd / 64 * 64 + 64;
	}
	return FD_MAX;
}

static void hint_taken(struct fdtable *t, u64 seen, u32 fd, bool mine)
{
	u64 next = (seen >> 32 << 32) | (fd + 1);

	if (mine)
		t->hint = next;
	else /* fails if a number was freed since it was looked for */
		(void)atomic_cmpxchg(&t->hint, &seen, next);
}

static void hint_freed(struct fdtable *t, u32 fd, bool mine)
{
	u64 old = atomic_load(&t->hint), next;

	do {
		next = ((old >> 32) + 1) << 32 | MIN((u32)old, fd);
		if (mine) {
			t->hint = next;
			return;
		}
	} while (!atomic_cmpxchg(&t->hint, &old, next));
}

static int reserve(struct fdtable *t, u32 min, bool cloexec, bool mine)
{
	for (;;) {
		u64 hint = atomic_load_acquire(&t->hint);
		u32 fd = find_free(t, MAX(min, (u32)hint));
		struct fdsegment *s;

		if (fd >= fd_limit())
			return -EMFILE;
		s = segment_make(t, fd);
		if (!s)
			return -ENOMEM;
		if (unlikely(bit_set(s->used, fd - s->first, mine)))
			continue; /* another thread was faster */
		set_cloexec(s, fd, cloexec, mine);
		if (min <= (u32)hint)
			hint_taken(t, hint, fd, mine);
		return (int)fd;
	}
}

int fd_reserve(int min, bool cloexec)
{
	struct fdtable *t = table();

	return reserve(t, (u32)min, cloexec, is_mine(t));
}

void fd_publish(int fd, struct file *f)
{
	/* Pairs with the lookups: f is whole when it can be found. */
	atomic_store_release(fd_slot(table(), (u32)fd), f);
}

static void number_free(struct fdtable *t, struct fdsegment *s, u32 fd,
			bool mine)
{
	set_cloexec(s, fd, false, mine);
	bit_clear(s->used, fd - s->first, mine);
	hint_freed(t, fd, mine);
}

/* The file in a slot, which becomes free; NULL if there is none. */
static struct file *slot_take(struct fdtable *t, u32 fd, bool mine)
{
	struct fdsegment *s = fd < FD_MAX ? segment_of(t, fd) : NULL;
	struct file *f, **slot;

	if (!s)
		return NULL;
	slot = &s->files[fd - s->first];
	f = atomic_load(slot);
	if (f && mine)
		atomic_store_release(slot, (struct file *)NULL);
	else if (f)
		f = atomic_xchg(slot, (struct file *)NULL);
	if (f)
		number_free(t, s, fd, mine);
	return f;
}

void fd_unreserve(int fd)
{
	struct fdtable *t = table();

	number_free(t, segment_of(t, (u32)fd), (u32)fd, is_mine(t));
}

int fd_install(struct file *f, int min, bool cloexec)
{
	int fd = fd_reserve(min, cloexec);

	if (fd < 0)
		file_put(f);
	else
		fd_publish(fd, f);
	return fd;
}

int fd_close(int fd)
{
	struct fdtable *t = table();
	struct file *f = slot_take(t, (u32)fd, is_mine(t));

	if (!f)
		return -EBADF;
	file_close(t, f);
	return 0;
}

/* Put f into a slot: true, *old is what was there. False: another thread has
 * the number, but no file there. Who copies the table never finds f there
 * without its close-on-exec flag, so that is set before. */
static bool slot_replace(struct fdsegment *s, u32 fd, struct file *f,
			 bool cloexec, bool mine, struct file **old)
{
	struct file **slot = &s->files[fd - s->first];

	*old = atomic_load(slot);
	if (!*old && bit_set(s->used, fd - s->first, mine))
		return false;
	if (cloexec)
		set_cloexec(s, fd, true, mine);
	if (*old && !mine)
		return atomic_cmpxchg(slot, old, f);
	atomic_store_release(slot, f);
	return true;
}

int fd_replace(int fd, struct file *f, bool cloexec)
{
	struct fdtable *t = table();
	bool mine = is_mine(t);
	struct fdsegment *s;
	struct file *old;

	if ((u32)fd >= fd_limit())
		return -EBADF;
	s = segment_make(t, (u32)fd);
	if (!s)
		return -ENOMEM;
	/* Who opens or closes it at the same time is soon done. */
	for (int i = 0; !slot_replace(s, (u32)fd, f, cloexec, mine, &old);
	     i++) {
		if (i == BUSY_LOOKS)
			return -EBUSY;
		plat_yield();
	}
	set_cloexec(s, (u32)fd, cloexec, mine);
	if (old)
		file_close(t, old);
	return fd;
}

/* --- Flags and ranges ---------------------------------------------------- */

/* The segment of an open descriptor, or NULL. */
static struct fdsegment *open_segment(const struct fdtable *t, u32 fd)
{
	struct fdsegment *s = fd < FD_MAX ? segment_of(t, fd) : NULL;

	return s && atomic_load(&s->files[fd - s->first]) ? s : NULL;
}

int fd_get_flags(int fd)
{
	const struct fdsegment *s = open_segment(table(), (u32)fd);

	if (!s)
		return -EBADF;
	return bit_get(s->cloexec, (u32)fd - s->first) ? FD_CLOEXEC : 0;
}

int fd_set_flags(int fd, bool cloexec)
{
	struct fdtable *t = table();
	struct fdsegment *s = open_segment(t, (u32)fd);

	if (!s)
		return -EBADF;
	set_cloexec(s, (u32)fd, cloexec, is_mine(t));
	return 0;
}

/* The next number >= fd that has its bit, or FD_MAX. */
static u32 next_used(const struct fdtable *t, u32 fd)
{
	while (fd < FD_MAX) {
		const struct fdsegment *s = segment_of(t, fd);
		u64 bits;

		if (!s) {
			fd = segment_first(fd_segment(fd) + 1);
			continue;
		}
		bits = atomic_load(&s->used[(fd - s->first) / 64]) &
		       (~0UL << fd % 64);
		if (bits)
			return fd / 64 * 64 + (u32)__builtin_ctzl(bits);
		fd = fd / 64 * 64 + 64;
	}
	return FD_MAX;
}

void fdtable_close_on_exec(struct fdtable *t)
{
	bool mine = is_mine(t);

	for (u32 fd = 0; (fd = next_used(t, fd)) < FD_MAX; fd++) {
		const struct fdsegment *s = segment_of(t, fd);
		struct file *f = NULL;

		if (bit_get(s->cloexec, fd - s->first))
			f = slot_take(t, fd, mine);
		if (f)
			file_close(t, f);
	}
}

int fd_close_range(u32 first, u32 last, bool only_cloexec)
{
	struct fdtable *t = table();

	if (first > last)
		return -EINVAL;
	for (u32 fd = first; fd < FD_MAX; fd++) {
		fd = next_used(t, fd);
		if (fd > last || fd == FD_MAX)
			break;
		if (only_cloexec)
			(void)fd_set_flags((int)fd, true);
		else
			(void)fd_close((int)fd);
	}
	return 0;
}

int fdtable_next(struct fdtable *t, int fd, struct file **f)
{
	for (u32 n = (u32)MAX(fd, 0); (n = next_used(t, n)) < FD_MAX; n++) {
		struct fdref r = table_get(t, n);

		if (r.file) {
			*f = r.file;
			return (int)n;
		}
	}
	return -1;
}
