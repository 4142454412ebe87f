/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that change areas in place or ask about them: mprotect, madvise,
 * mlock, msync, mincore. Called by sys_mm.c for the current process's mm.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/falloc.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/file.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#define MADV_DONTNEED_LOCKED_ 24
#define MADV_COLLAPSE_ 25
#define MCL_ALL (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)
#define RESIDENT_CHUNK 512 /* pages asked of the platform at a time */

/* Round [addr, addr+len) to pages: 0, -EINVAL, -ENOMEM. *end is exclusive. */
static int round_range(uaddr_t addr, u64 len, uaddr_t *end)
{
	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (!user_range_ok(addr, len) || !user_range_ok(addr, PAGE_UP(len)))
		return -ENOMEM;
	*end = addr + PAGE_UP(len);
	return 0;
}

/* Make a begin at addr and end at end, if it reaches past them; the part that
 * lies inside is stored. */
static int isolate(struct area *a, uaddr_t addr, uaddr_t end, struct area **in)
{
	int err = 0;

	if (a->start < addr)
		err = area_split(a, addr, &a);
	if (!err && a->end > end)
		err = area_split(a, end, NULL);
	*in = a;
	return err;
}

/* Walk the areas of a range. at is where the last one ended: if a does not
 * begin there, something is not mapped. */
static struct area *range_next(struct mm *mm, uaddr_t at, uaddr_t end,
			       bool *hole)
{
	struct area *a = at < end ? area_in_range(mm, at, end) : NULL;

	if (at < end && (!a || a->start > at))
		*hole = true;
	return a;
}

/* --- mprotect
 * ------------------------------------------------------------------- */

static int protect_area(struct mm *mm, struct area *a, uaddr_t addr,
			uaddr_t end, u32 prot, uaddr_t *next)
{
	u32 old = a->flags;
	u64 npages = (MIN(a->end, end) - MAX(a->start, addr)) >> PAGE_SHIFT;
	int err;

	*next = MIN(a->end, end);
	if (prot & ~a->max_prot)
		return -EACCES;
	if ((old & AREA_PROT) == prot)
		return 0;
	/* It would count as data from now on. */
	if ((prot & AREA_WRITE) && !(old & (AREA_WRITE | AREA_SHARED)) &&
	    mm_over_data_limit(mm, npages))
		return -ENOMEM;
	err = isolate(a, addr, end, &a);
	if (err)
		return err;
	area_set_flags(a, (old & ~(u32)AREA_PROT) | prot);
	err = area_protect(a, a->start, a->end);
	if (err)
		area_set_flags(a, old);
	area_merge(a);
	return err;
}

static int protect_locked(struct mm *mm, uaddr_t addr, uaddr_t end, int prot)
{
	struct area *a = area_in_range(mm, addr, end);
	bool hole = false;

	if (!a)
		return -ENOMEM;
	if (prot & PROT_GROWSDOWN) {
		if (!(a->flags & AREA_GROWSDOWN))
			return -EINVAL;
		addr = a->start;
	}
	while ((a = range_next(mm, addr, end, &hole)) && !hole) {
		int err = protect_area(mm, a, addr, end, (u32)prot & AREA_PROT,
				       &addr);

		if (err)
			return err;
	}
	return hole ? -ENOMEM : 0;
}

int mm_protect(uaddr_t addr, u64 len, int prot)
{
	struct mm *mm = mm_current();
	int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	uaddr_t end;
	int err;

	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || addr % PAGE_SIZE)
		return -EINVAL;
	if (len == 0)
		return 0;
	err = round_range(addr, len, &end);
	if (err)
		return err;
	if (prot & ~(int)(AREA_PROT | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP))
		return (int)syscall_unsupported("mprotect prot", (u64)prot,
						EINVAL);
	mutex_lock(&mm->lock);
	/* No area here grows upwards. */
	err = grows == PROT_GROWSUP ? -EINVAL
				    : protect_locked(mm, addr, end, prot);
	mutex_unlock(&mm->lock);
	return err;
}

/* --- madvise
 * --------------------------------------------------------------------- */

/* Read, or write without changing, each page. */
static int populate(uaddr_t addr, uaddr_t end, bool write)
{
	for (; addr < end; addr += PAGE_SIZE) {
		u32 value;
		int err = write ? user_atomic_op_u32(addr, 2, 0, &value)
				: user_load_u32(&value, addr);

		if (err)
			return err;
	}
	return 0;
}

/* The object's lock comes before mm->lock: it is given up meanwhile. */
/* Blocks of files on devices go with their pages: that is the file's affair. */
static int punch(struct object *o, struct file *f, u64 offset, u64 len)
{
	if (!o->ops)
		return object_punch(o, offset, len);
	if (!f || !f->ops->fallocate)
		return -EOPNOTSUPP;
	return f->ops->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 offset, len);
}

static int remove_pages(struct area *a, uaddr_t start, uaddr_t end)
{
	struct object *o = a->object;
	u64 offset = a->offset + (start - a->start);
	struct file *f = a->file;
	struct mm *mm = a->mm;
	int err;

	if (a->flags & AREA_LOCKED || !o || o->backing != PLAT_CACHE)
		return -EINVAL;
	if (!(a->flags & AREA_SHARED) || !(a->flags & AREA_WRITE))
		return -EACCES;
	object_get(o);
	if (f)
		file_get(f);
	mutex_unlock(&mm->lock);
	err = punch(o, f, offset, end - start);
	object_put(o);
	if (f)
		file_put(f);
	mutex_lock(&mm->lock);
	return err;
}

/* Advice kept in the area's flags: what fork does with it. */
static int advise_fork(struct area *a, uaddr_t start, uaddr_t end, int advice)
{
	static const struct {
		int advice;
		u32 set, clear;
		enum plat_advice plat;
		bool anon_only;
	} table[] = {
		{ MADV_DONTFORK, AREA_DONTFORK, 0, PLAT_DONTFORK, false },
		{ MADV_DOFORK, 0, AREA_DONTFORK, PLAT_DOFORK, false },
		{ MADV_WIPEONFORK, AREA_WIPEONFORK, 0, PLAT_WIPEONFORK, true },
		{ MADV_KEEPONFORK, 0, AREA_WIPEONFORK, PLAT_KEEPONFORK, false },
	};
	unsigned int i = 0;
	int err;

	while (table[i].advice != advice)
		i++;
	if (table[i].anon_only && !area_is_private_anon(a))
		return -EINVAL;
	err = isolate(a, start, end, &a);
	if (err)
		return err;
	if (table[i].anon_only)
		err = plat_woken_settle(a->start, a->end - a->start,
					(int)(a->flags & AREA_PROT));
	if (!err)
		err = plat_advise(a->start, a->end - a->start, table[i].plat);
	if (!err)
		area_set_flags(a, (a->flags | table[i].set) & ~table[i].clear);
	area_merge(a);
	return err;
}

static int advise_dump(struct area *a, uaddr_t start, uaddr_t end, bool dump)
{
	int err = isolate(a, start, end, &a);

	if (err)
		return err;
	area_set_flags(a, dump ? a->flags & ~(u32)AREA_DONTDUMP
			       : a->flags | AREA_DONTDUMP);
	area_merge(a);
	return 0;
}

/* What a wake has mapped there from elsewhere goes first. */
static int drop_woken(struct area *a, uaddr_t start, uaddr_t end)
{
	for (uaddr_t stop = end; plat_woken_part(&start, &stop); stop = end) {
		int err = area_map(a, start, stop);

		if (!err && (a->flags & AREA_WIPEONFORK))
			err = plat_advise(start, stop - start, PLAT_WIPEONFORK);
		if (!err && (a->flags & AREA_DONTFORK))
			err = plat_advise(start, stop - start, PLAT_DONTFORK);
		if (err)
			return err;
		start = stop;
	}
	return 0;
}

static int drop_pages(struct area *a, uaddr_t start, uaddr_t end, int advice)
{
	int err;

	if ((a->flags & AREA_LOCKED) && advice != MADV_DONTNEED_LOCKED_)
		return -EINVAL;
	if (advice == MADV_FREE && !area_is_private_anon(a))
		return -EINVAL;
	if (a->flags & AREA_SHARED)
		return 0; /* the object keeps its data */
	err = drop_woken(a, start, end);
	if (err)
		return err;
	return plat_advise(start, end - start,
			   advice == MADV_FREE ? PLAT_FREE : PLAT_DONTNEED);
}

static int advise_area(struct area *a, uaddr_t start, uaddr_t end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED_:
	case MADV_FREE:
		return drop_pages(a, start, end, advice);
	case MADV_REMOVE:
		return remove_pages(a, start, end);
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		return advise_fork(a, start, end, advice);
	case MADV_DONTDUMP:
	case MADV_DODUMP:
		return advise_dump(a, start, end, advice == MADV_DODUMP);
	case MADV_HUGEPAGE: /* wishes: the host may not know them */
	case MADV_NOHUGEPAGE:
		(void)plat_advise(start, end - start,
				  advice == MADV_HUGEPAGE ? PLAT_HUGE
							  : PLAT_NOHUGE);
		return 0;
	default: /* hints about use: nothing to do */
		return 0;
	}
}

static bool is_known_advice(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case MADV_DONTNEED_LOCKED_:
		return true;
	default: /* MERGEABLE and COLLAPSE as where the kernel lacks them */
		return false;
	}
}

static int advise_locked(struct mm *mm, uaddr_t addr, uaddr_t end, int advice)
{
	bool hole = false;
	struct area *a;

	while ((a = range_next(mm, addr, end, &hole)) != NULL) {
		uaddr_t start = MAX(addr, a->start);
		uaddr_t stop = MIN(end, a->end);
		int err = advise_area(a, start, stop, advice);

		if (err)
			return err;
		addr = stop;
	}
	return hole ? -ENOMEM : 0;
}

int mm_advise(uaddr_t addr, u64 len, int advice)
{
	struct mm *mm = mm_current();
	uaddr_t end;
	int err;

	if (!is_known_advice(advice))
		return (int)syscall_unsupported("madvise", (u64)advice, EINVAL);
	if (addr % PAGE_SIZE || PAGE_UP(len) < len ||
	    addr + PAGE_UP(len) < addr)
		return -EINVAL;
	err = round_range(addr, len, &end);
	if (err)
		return err;
	if (addr == end)
		return 0;
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE) {
		err = mm_check_range(addr, end - addr);
		return err ? err
			   : populate(addr, end, advice == MADV_POPULATE_WRITE);
	}
	mutex_lock(&mm->lock);
	err = advise_locked(mm, addr, end, advice);
	mutex_unlock(&mm->lock);
	return err;
}

int mm_check_range(uaddr_t addr, u64 len)
{
	struct mm *mm = mm_current();
	uaddr_t end = addr + PAGE_UP(len);
	bool hole = false;
	struct area *a;

	mutex_lock(&mm->lock);
	while ((a = range_next(mm, addr, end, &hole)) && !hole)
		addr = a->end;
	mutex_unlock(&mm->lock);
	return hole ? -ENOMEM : 0;
}

/* --- mlock
 * -----------------------------------------------------------------------------
 */
/*
 * Nothing here is ever paged out by the instance's kernel; locking counts
 * against RLIMIT_MEMLOCK and shows in /proc, and populates as Linux does.
 */

static int lock_range(struct mm *mm, uaddr_t addr, uaddr_t end, bool lock)
{
	bool hole = false;
	struct area *a;

	while ((a = range_next(mm, addr, end, &hole)) && !hole) {
		u32 flags = lock ? a->flags | AREA_LOCKED
				 : a->flags & ~(u32)AREA_LOCKED;
		int err;

		uaddr_t next = MIN(end, a->end);

		if (flags != a->flags) {
			err = isolate(a, addr, end, &a);
			if (err)
				return err;
			area_set_flags(a, flags);
			area_merge(a);
		}
		addr = next;
	}
	return hole ? -ENOMEM : 0;
}

/* Pages of [addr, end) that are locked already. */
static u64 locked_in_range(struct mm *mm, uaddr_t addr, uaddr_t end)
{
	u64 n = 0;

	for (struct area *a = area_in_range(mm, addr, end); a && a->start < end;
	     a = mm_area_next(a))
		if (a->flags & AREA_LOCKED)
			n += MIN(a->end, end) - MAX(a->start, addr);
	return n >> PAGE_SHIFT;
}

int mm_lock(uaddr_t addr, u64 len, bool lock)
{
	struct mm *mm = mm_current();
	uaddr_t end;
	int err = 0;

	len += addr % PAGE_SIZE;
	addr = PAGE_DOWN(addr);
	end = addr + PAGE_UP(len);
	if (end < addr)
		return -EINVAL;
	if (addr == end)
		return 0;
	if (!user_range_ok(addr, end - addr))
		return -ENOMEM;
	mutex_lock(&mm->lock);
	if (lock)
		err = mm_check_locked(mm,
				      ((end - addr) >> PAGE_SHIFT) -
					      locked_in_range(mm, addr, end));
	if (err == -EAGAIN)
		err = -ENOMEM;
	if (!err)
		err = lock_range(mm, addr, end, lock);
	mutex_unlock(&mm->lock);
	return err;
}

int mm_populate(uaddr_t addr, u64 len)
{
	struct mm *mm = mm_current();
	uaddr_t end = PAGE_UP(addr + len), next;
	bool write, hole = false;
	struct area *a;

	for (addr = PAGE_DOWN(addr); addr < end; addr = next) {
		mutex_lock(&mm->lock);
		a = range_next(mm, addr, end, &hole);
		hole = hole || !a || !(a->flags & AREA_PROT);
		next = hole ? end : MIN(a->end, end);
		write = !hole && (a->flags & AREA_WRITE) &&
			!(a->flags & AREA_SHARED);
		mutex_unlock(&mm->lock);
		if (hole || populate(addr, next, write))
			return -ENOMEM;
	}
	return 0;
}

/* Bring in all that is mapped and may be used, as far as there is memory. The
 * stack is mapped to its limit: it comes in as it grows. */
static void populate_all(struct mm *mm)
{
	uaddr_t at = 0, start;
	struct area *a;
	u32 flags;

	for (;;) {
		mutex_lock(&mm->lock);
		a = mm_area_at(mm, at);
		start = a ? MAX(a->start, at) : 0;
		at = a ? a->end : 0;
		flags = a ? a->flags : 0;
		mutex_unlock(&mm->lock);
		if (!a || thread_interrupted())
			return;
		if ((flags & AREA_PROT) && !(flags & AREA_STACK))
			(void)populate(start, at,
				       (flags & AREA_WRITE) &&
					       !(flags & AREA_SHARED));
	}
}

int mm_lock_all(int flags)
{
	struct mm *mm = mm_current();
	struct rb_node *n;
	int err = 0;

	if (flags & ~MCL_ALL || flags == MCL_ONFAULT)
		return -EINVAL;
	mutex_lock(&mm->lock);
	if (flags & MCL_CURRENT)
		err = mm_check_locked(mm, mm->total_pages - mm->locked_pages);
	else if (flags)
		err = mm_check_locked(mm, 0);
	if (err == -EAGAIN)
		err = -ENOMEM;
	if (!err) {
		mm->default_flags = flags & MCL_FUTURE ? AREA_LOCKED : 0;
		mm->lock_onfault = (flags & MCL_ONFAULT) != 0;
		for (n = rb_first(&mm->areas); n; n = rb_next(n)) {
			struct area *a = rb_entry(n, struct area, node);

			if (flags & MCL_CURRENT)
				area_set_flags(a, a->flags | AREA_LOCKED);
			else if (!flags)
				area_set_flags(a, a->flags & ~(u32)AREA_LOCKED);
		}
	}
	mutex_unlock(&mm->lock);
	if (!err && (flags & MCL_CURRENT) && !(flags & MCL_ONFAULT))
		populate_all(mm);
	return err;
}

/* --- msync
 * -----------------------------------------------------------------------------
 */

/* The next file in the range that msync must write back, with a reference. */
static int sync_next(struct mm *mm, uaddr_t *addr, uaddr_t end, int flags,
		     bool *hole, struct file **f)
{
	struct area *a;

	*f = NULL;
	while (!*f && (a = range_next(mm, *addr, end, hole)) != NULL) {
		if ((flags & MS_INVALIDATE) && (a->flags & AREA_LOCKED))
			return -EBUSY;
		*addr = MIN(a->end, end);
		if (flags & MS_SYNC)
			area_clean(a);
		if ((flags & MS_SYNC) && (a->flags & AREA_SHARED) && a->file &&
		    a->file->ops->fsync) {
			*f = a->file;
			file_get(*f);
		}
	}
	return 0;
}

int mm_sync(uaddr_t addr, u64 len, int flags)
{
	struct mm *mm = mm_current();
	bool hole = false;
	uaddr_t end;
	int err;

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (PAGE_UP(len) == 0 && addr % PAGE_SIZE == 0)
		return 0; /* Linux rounds before it looks */
	err = round_range(addr, len, &end);
	if (err)
		return err;
	while (addr < end) {
		struct file *f;

		mutex_lock(&mm->lock);
		err = sync_next(mm, &addr, end, flags, &hole, &f);
		mutex_unlock(&mm->lock);
		if (f) {
			err = f->ops->fsync(f, true);
			file_put(f);
		}
		if (err)
			return err;
		if (!f)
			break;
	}
	return hole ? -ENOMEM : 0;
}

/* --- mincore
 * -----------------------------------------------------------------------------
 */

int mm_resident(uaddr_t addr, u64 len, uaddr_t vec)
{
	u64 npages = PAGE_UP(len) >> PAGE_SHIFT;
	u8 chunk[RESIDENT_CHUNK];
	uaddr_t end;
	int err;

	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (round_range(addr, len, &end))
		return -ENOMEM;
	if (!user_range_ok(vec, npages))
		return -EFAULT;
	err = mm_check_range(addr, len);
	while (!err && npages > 0) {
		u64 n = MIN(npages, RESIDENT_CHUNK);

		err = plat_resident(addr, n, chunk);
		for (u64 i = 0; i < n; i++)
			chunk[i] &= 1;
		if (!err)
			err = user_copy_out(vec, chunk, n);
		addr += n << PAGE_SHIFT;
		vec += n;
		npages -= n;
	}
	return err;
}
