/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mremap: shrink, grow in place, move, duplicate. Called by sys_mm.c for the
 * current process's mm.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/area.h"
#include "kernel/plat/plat.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

struct remap {
	struct mm *mm;
	uaddr_t old;
	u64 old_len;
	u64 new_len;
	int flags;
	uaddr_t new;
};

/* Move private pages. The platform moves what is one mapping to it, which our
 * area need not be: try less until it goes. */
static int move_pages(const struct area *a, uaddr_t from, u64 len, uaddr_t to)
{
	int ready = plat_woken_settle(from, len, area_host_prot(a));
	u64 done = 0;

	if (ready)
		return ready;
	while (done < len) {
		u64 step = len - done;
		int err = plat_move(from + done, step, to + done, step);

		while (err == -EFAULT && step > PAGE_SIZE) {
			step = PAGE_UP(step / 2);
			err = plat_move(from + done, step, to + done, step);
		}
		if (err)
			return err;
		done += step;
	}
	return 0;
}

/* The platform's side of moving old_len bytes of `a` at r->old to b, which is
 * new_len long. */
static int move_mapping(const struct remap *r, struct area *a, struct area *b)
{
	uaddr_t from = r->old;
	u64 len = MIN(r->old_len, r->new_len);
	int err = 0;

	if (a->flags & AREA_SHARED) {
		/* The data is the object's: map it there as well. */
		return area_map(b, b->start, b->end);
	}
	if (a->object) { /* pages past the end were never there */
		u64 backed = a->backed_end > from ? a->backed_end - from : 0;
		u64 n = MIN(len, backed);

		err = area_map(b, b->start, b->end);
		return err || n == 0 ? err : move_pages(a, from, n, b->start);
	}
	err = move_pages(a, from, len, b->start);
	if (!err && b->start + len < b->end)
		err = area_map(b, b->start + len, b->end);
	return err;
}

/* Something old stays mapped after its pages went away (DONTUNMAP). */
static int leave_empty(struct area *a)
{
	a->backed_end = a->start;
	return area_map(a, a->start, a->end);
}

/* Make [r->old, r->old + r->old_len) of a an area of its own at r->new. */
static s64 move_area(struct remap *r, struct area *a)
{
	bool keeps_old = r->old_len == 0 || (r->flags & MREMAP_DONTUNMAP);
	struct area *b;
	int err = 0;

	if (r->mm->nareas + 3 >= MM_AREAS_MAX)
		return -ENOMEM;
	if (r->old_len > 0 && a->start < r->old)
		err = area_split(a, r->old, &a);
	if (!err && r->old_len > 0 && a->end > r->old + r->old_len)
		err = area_split(a, r->old + r->old_len, NULL);
	if (err)
		return err;
	b = area_new(r->mm, a);
	if (!b)
		return -ENOMEM;
	b->start = r->new;
	b->end = r->new + r->new_len;
	b->offset = a->offset + (r->old - a->start);
	b->backed_end = b->start;
	area_insert(r->mm, b);
	if (b->open)
		b->open(b);
	err = move_mapping(r, a, b);
	if (err) {
		(void)plat_unmap(b->start, b->end - b->start);
		area_remove(b);
		area_free(b);
		return err;
	}
	if (!keeps_old) {
		err = plat_unmap(a->start, a->end - a->start);
		area_remove(a);
		area_free(a);
	} else if (r->old_len > 0) {
		err = leave_empty(a);
	}
	area_merge(b);
	return err ? err : (s64)r->new;
}

/* May the area at r->old become new_len long? The area is stored. */
static int check_resize(struct remap *r, struct area **area)
{
	struct area *a = area_find(r->mm, r->old);
	u64 more;

	if (!a)
		return -EFAULT;
	*area = a;
	if (r->old_len == 0 && !(a->flags & AREA_SHARED))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && (a->flags & AREA_SHM))
		return -EINVAL;
	if (r->old_len > a->end - r->old)
		return -EFAULT;
	if (r->new_len <= r->old_len)
		return 0;
	more = (r->new_len - r->old_len) >> PAGE_SHIFT;
	if (a->flags & AREA_LOCKED) {
		int err = mm_check_locked(r->mm, more);

		if (err)
			return err;
	}
	return mm_over_limit(r->mm, a->flags, more) ? -ENOMEM : 0;
}

static int clear_range(struct mm *mm, uaddr_t addr, u64 len)
{
	int err = area_clear(mm, addr, addr + len);

	return err ? err : plat_unmap(addr, len);
}

/* MREMAP_FIXED or MREMAP_DONTUNMAP. */
static s64 remap_to(struct remap *r)
{
	struct area *a;
	int err;

	if (r->flags & MREMAP_FIXED) {
		if (r->new % PAGE_SIZE || !user_range_ok(r->new, r->new_len))
			return -EINVAL;
		if (r->old + r->old_len > r->new &&
		    r->new + r->new_len > r->old)
			return -EINVAL;
		if (r->new < USER_START)
			return -EPERM;
	}
	err = check_resize(r, &a);
	if (err)
		return err;
	if (r->flags & MREMAP_FIXED) {
		err = clear_range(r->mm, r->new, r->new_len);
	} else {
		uaddr_t hint = PAGE_DOWN(r->new);

		if (!hint || !area_range_free(r->mm, hint, r->new_len))
			hint = area_find_room(r->mm, r->new_len, PAGE_SIZE);
		r->new = hint;
		err = hint ? 0 : -ENOMEM;
	}
	if (!err && r->old_len > r->new_len) {
		err = clear_range(r->mm, r->old + r->new_len,
				  r->old_len - r->new_len);
		r->old_len = r->new_len;
	}
	if (err)
		return err;
	a = area_find(r->mm, r->old); /* what was cleared may have cut it */
	return a ? move_area(r, a) : -EFAULT;
}

static s64 grow(struct remap *r)
{
	struct area *a;
	u64 more = r->new_len - r->old_len;
	uaddr_t end = r->old + r->old_len;
	int err = check_resize(r, &a);

	if (err)
		return err;
	if (r->old_len > 0 && end == a->end && user_range_ok(end, more) &&
	    area_range_free(r->mm, end, more)) {
		area_set_range(a, a->start, a->end + more);
		err = area_map(a, end, a->end);
		if (err)
			area_set_range(a, a->start, end);
		else
			area_merge(a);
		return err ? err : (s64)r->old;
	}
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	r->new = area_find_room(r->mm, r->new_len, PAGE_SIZE);
	return r->new ? move_area(r, a) : -ENOMEM;
}

static s64 remap_locked(struct remap *r)
{
	int err;

	if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return remap_to(r);
	if (r->old_len >= r->new_len) {
		if (!area_find(r->mm, r->old))
			return -EFAULT;
		if (r->old_len == r->new_len)
			return (s64)r->old;
		err = clear_range(r->mm, r->old + r->new_len,
				  r->old_len - r->new_len);
		return err ? err : (s64)r->old;
	}
	return grow(r);
}

s64 mm_remap(uaddr_t old, u64 old_len, u64 new_len, int flags, uaddr_t new)
{
	struct remap r = { mm_current(),     old,   PAGE_UP(old_len),
			   PAGE_UP(new_len), flags, new };
	s64 ret;

	if (flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) &&
	    (!(flags & MREMAP_MAYMOVE) || r.old_len != r.new_len))
		return -EINVAL;
	if (old % PAGE_SIZE || r.new_len == 0 || r.new_len < new_len)
		return -EINVAL;
	if (r.old_len < old_len)
		return -EINVAL;
	if (!user_range_ok(old, r.old_len))
		return -EFAULT; /* nothing is mapped there */
	if (r.new_len > USER_END)
		return flags & MREMAP_FIXED ? -EINVAL : -ENOMEM;
	mutex_lock(&r.mm->lock);
	ret = remap_locked(&r);
	mutex_unlock(&r.mm->lock);
	return ret;
}

/* The one shared object behind all of [start, end), with references in r; the
 * areas must follow each other in it. */
static int shared_range(struct mm *mm, uaddr_t start, uaddr_t end,
			struct map_request *r)
{
	struct area *first = mm_area_at(mm, start), *a = first;

	if (!a || a->start > start || !(a->flags & AREA_SHARED) || !a->object)
		return -EINVAL;
	if (a->close)
		return syscall_unsupported("remap_file_pages of SysV memory", 0,
					   EINVAL);
	for (; a->end < end; a = mm_area_next(a)) {
		struct area *next = mm_area_next(a);

		if (!next || next->start != a->end ||
		    next->object != first->object ||
		    (next->flags ^ first->flags) & AREA_PROT)
			return -EINVAL;
	}
	r->prot = (int)(first->flags & AREA_PROT);
	r->deny_prot = AREA_PROT & ~first->max_prot;
	r->object = first->object;
	object_get(r->object);
	r->file = first->file;
	if (r->file)
		file_get(r->file);
	return 0;
}

int mm_remap_file(uaddr_t start, u64 len, u64 pgoff, int flags)
{
	struct mm *mm = mm_current();
	struct map_request r = { .addr = start,
				 .len = len,
				 .flags = MAP_SHARED | MAP_FIXED |
					  MAP_POPULATE | (flags & MAP_NONBLOCK),
				 .offset = pgoff << PAGE_SHIFT };
	s64 ret;

	mutex_lock(&mm->lock);
	ret = shared_range(mm, start, start + len, &r);
	mutex_unlock(&mm->lock);
	if (ret)
		return (int)ret;
	ret = mm_map(&r);
	object_put(r.object);
	if (r.file)
		file_put(r.file);
	return ret < 0 ? (int)ret : 0;
}
