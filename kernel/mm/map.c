/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap, munmap and brk: which mapping is asked for, whether it is allowed,
 * where it goes, and the platform's mappings that make it up. Called by
 * sys_mm.c, exec and SysV shared memory, for the current process's mm.
 */
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/capability.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/mman.h"
#include "kernel/linux/mount.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"
#include "kernel/sys/syscall.h"
#include "kernel/vfs/inode.h"

#define PROT_ALL (PROT_READ | PROT_WRITE | PROT_EXEC)
#define HUGE_ALIGN MIB(2)

/* Flags of mmap() that MAP_SHARED and MAP_PRIVATE silently allow. */
#define LEGACY_FLAGS                                                       \
	(MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |            \
	 MAP_EXECUTABLE | MAP_UNINITIALIZED | MAP_GROWSDOWN | MAP_LOCKED | \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |         \
	 MAP_HUGETLB | MAP_32BIT |                                         \
	 (int)((u32)MAP_HUGE_MASK << MAP_HUGE_SHIFT))

/* --- The platform's side of an area
 * ------------------------------------------- */

static enum plat_backing area_backing(const struct area *a)
{
	if (a->object->backing == PLAT_IMAGE)
		return PLAT_IMAGE;
	return a->flags & AREA_SHARED ? PLAT_CACHE : PLAT_CACHE_COW;
}

/* Where the object's data ends inside the area: past that page nothing is
 * mapped, so that a touch faults. */
static uaddr_t data_end(const struct area *a)
{
	u64 size = PAGE_UP(atomic_load(&a->object->size));

	if (size <= a->offset)
		return a->start;
	return size - a->offset < a->end - a->start
		       ? a->start + (size - a->offset)
		       : a->end;
}

/* Small pieces are brought in when they are mapped. */
#define LAZY_MIN KIB(256)
#define LAZY_MAX MIB(16)

/* The rights that [start, end) of a can have before it is touched. */
static int early_prot(struct area *a, uaddr_t start, uaddr_t end)
{
	int prot = area_host_prot(a);

	if (!area_is_lazy(a) || !prot)
		return prot;
	if (end - start > LAZY_MIN ||
	    a->object->ops->fault(a->object, a->offset + (start - a->start),
				  end - start, false))
		return 0;
	return a->flags & AREA_SHARED ? prot & ~PROT_WRITE : prot;
}

/* The piece around addr: a thousandth of a large area, so that the host's
 * mappings stay few. */
static void lazy_piece(const struct area *a, uaddr_t addr, uaddr_t *start,
		       uaddr_t *end)
{
	u64 size = LAZY_MIN;

	while (size < LAZY_MAX && size < (a->end - a->start) / 1024)
		size *= 2;
	*start = MAX(ROUND_DOWN(addr, size), a->start);
	*end = MIN(ROUND_DOWN(addr, size) + size, a->backed_end);
}

int area_fault(struct area *a, uaddr_t addr, bool is_write)
{
	bool is_shared_write = is_write && (a->flags & AREA_SHARED);
	int prot = area_host_prot(a);
	struct object *o = a->object;
	uaddr_t start, end;
	int err;

	addr = PAGE_DOWN(addr);
	lazy_piece(a, addr, &start, &end);
	err = o->ops->fault(o, a->offset + (start - a->start), end - start,
			    is_shared_write);
	if (err) { /* the rest of the piece may be what is bad */
		start = addr;
		end = addr + PAGE_SIZE;
		err = o->ops->fault(o, a->offset + (start - a->start),
				    PAGE_SIZE, is_shared_write);
	}
	if (err)
		return err;
	if ((a->flags & AREA_SHARED) && !is_write)
		prot &= ~PROT_WRITE;
	else if (is_shared_write)
		object_mark(o, a->offset + (start - a->start), end - start,
			    true);
	return plat_protect(start, end - start, prot);
}

/* Map what the object has in [start, end) of a. */
static int map_object(struct area *a, uaddr_t start, uaddr_t end)
{
	int prot = start < end ? early_prot(a, start, end) : 0;
	bool can_write = (a->flags & AREA_SHARED) && (prot & PROT_WRITE);

	while (start < end) {
		u64 offset = a->offset + (start - a->start);
		u64 at, run;
		int err = object_resolve(a->object, offset, end - start, &at,
					 &run);

		if (err)
			return -ENOMEM;
		err = plat_map(start, run, prot, area_backing(a), at);
		if (err)
			return err;
		object_mark(a->object, offset, run, can_write);
		start += run;
	}
	return 0;
}

int area_map(struct area *a, uaddr_t start, uaddr_t end)
{
	uaddr_t edge;
	int err;

	if (!a->object)
		return plat_map(start, end - start, (int)(a->flags & AREA_PROT),
				PLAT_ANON, 0);
	edge = MAX(start, MIN(end, data_end(a)));
	err = map_object(a, start, edge);
	if (!err && edge < end)
		err = plat_map(edge, end - edge, 0, PLAT_ANON, 0);
	if (!err && start <= a->backed_end)
		a->backed_end = MAX(a->backed_end, edge);
	return err;
}

int area_back_more(struct area *a)
{
	uaddr_t edge = data_end(a);
	int err;

	if (edge <= a->backed_end)
		return 0;
	err = map_object(a, a->backed_end, edge);
	if (!err)
		a->backed_end = edge;
	return err;
}

int area_cut_backing(struct area *a)
{
	uaddr_t edge = data_end(a);
	uaddr_t old = a->backed_end;

	if (edge >= old)
		return 0;
	a->backed_end = edge;
	return plat_map(edge, old - edge, 0, PLAT_ANON, 0);
}

int area_protect(struct area *a, uaddr_t start, uaddr_t end)
{
	int prot = area_host_prot(a);

	if (a->object) {
		end = MIN(end, a->backed_end);
		if (start >= end)
			return 0;
		prot = early_prot(a, start, end);
		if ((a->flags & AREA_SHARED) && (prot & PROT_WRITE))
			object_mark(a->object, a->offset + (start - a->start),
				    end - start, true);
	}
	return plat_protect(start, end - start, prot);
}

/* --- Writes to files by mappings ----------------------------------------- */

bool area_is_tracked(const struct area *a)
{
	struct inode *i = a->file ? a->file->inode : NULL;

	return (a->flags & AREA_SHARED) && (a->max_prot & PROT_WRITE) && i &&
	       inode_is(i, TYPE_REG) && i->fs->times_mappings;
}

int area_written(struct area *a)
{
	int err;

	area_set_flags(a, a->flags & ~(u32)AREA_CLEAN);
	err = area_protect(a, a->start, a->end);
	if (err)
		area_set_flags(a, a->flags | AREA_CLEAN);
	else
		inode_touch(a->file->inode, ATTR_MTIME | ATTR_CTIME);
	return err;
}

static bool is_only_writer(const struct area *a)
{
	const u32 mask = AREA_SHARED | AREA_WRITE;
	struct area *b;

	list_for_each (b, &a->object->mappings, object_node)
		if (b != a && (b->flags & mask) == mask)
			return false;
	return true;
}

/* Rights come by faults again. */
static void lazy_clean(struct area *a)
{
	struct object *o = a->object;

	if ((a->flags & (AREA_SHARED | AREA_WRITE)) !=
		    (AREA_SHARED | AREA_WRITE) ||
	    area_protect(a, a->start, a->end))
		return;
	mutex_lock(&o->map_lock);
	if (is_only_writer(a))
		o->ops->unshared(o);
	mutex_unlock(&o->map_lock);
}

void area_clean(struct area *a)
{
	u32 old = a->flags;

	if (area_is_lazy(a)) {
		lazy_clean(a);
		return;
	}
	if (!area_is_tracked(a) || (old & AREA_CLEAN))
		return;
	area_set_flags(a, old | AREA_CLEAN);
	if (area_protect(a, a->start, a->end))
		area_set_flags(a, old);
}

/* --- Limits
 * --------------------------------------------------------------------- */

static bool over_rlimit(unsigned int which, u64 npages)
{
	u64 limit = rlimit_current(which);

	return limit != LINUX_RLIM_INFINITY && npages > limit >> PAGE_SHIFT;
}

bool mm_over_data_limit(const struct mm *mm, u64 npages)
{
	return over_rlimit(RLIMIT_DATA, mm->data_pages + npages);
}

bool mm_over_limit(struct mm *mm, u32 flags, u64 npages)
{
	if (over_rlimit(RLIMIT_AS, mm->total_pages + npages))
		return true;
	if ((flags & (AREA_WRITE | AREA_SHARED | AREA_STACK |
		      AREA_GROWSDOWN)) != AREA_WRITE)
		return false;
	return mm_over_data_limit(mm, npages);
}

int mm_check_locked(struct mm *mm, u64 npages)
{
	if (cred_capable(CAP_IPC_LOCK))
		return 0;
	if (rlimit_current(RLIMIT_MEMLOCK) == 0)
		return -EPERM;
	if (over_rlimit(RLIMIT_MEMLOCK, mm->locked_pages + npages))
		return -EAGAIN;
	return 0;
}

/* Pages of [addr, end) that areas hold already. */
static u64 pages_in_range(struct mm *mm, uaddr_t addr, uaddr_t end)
{
	u64 n = 0;

	for (struct area *a = area_in_range(mm, addr, end); a && a->start < end;
	     a = mm_area_next(a))
		n += MIN(a->end, end) - MAX(a->start, addr);
	return n >> PAGE_SHIFT;
}

/* --- What is asked for
 * ------------------------------------------------------------ */

/* Flags as Linux checks them before it looks at anything else. */
static int check_flags(struct map_request *r)
{
	int type = r->flags & MAP_TYPE;

	if (r->len > USER_END) /* found by Linux before it looks at flags */
		return -ENOMEM;
	if (type == MAP_SHARED_VALIDATE) {
		if (!r->file)
			return -EINVAL;
		if (r->flags & ~LEGACY_FLAGS)
			return -EOPNOTSUPP; /* MAP_SYNC among them */
		r->flags = (r->flags & ~MAP_TYPE) | MAP_SHARED;
		type = MAP_SHARED;
	}
	if (type != MAP_SHARED && type != MAP_PRIVATE)
		return -EINVAL;
	if (r->flags & MAP_FIXED_NOREPLACE)
		r->flags |= MAP_FIXED;
	if (r->flags & MAP_HUGETLB) /* there is no pool of huge pages */
		return r->file ? -EINVAL : -ENOMEM;
	if ((r->flags & MAP_GROWSDOWN) && (r->file || type == MAP_SHARED))
		return -EINVAL;
	return 0;
}

static int check_range(struct map_request *r)
{
	u64 end;

	if (r->len == 0)
		return -EINVAL;
	r->len = PAGE_UP(r->len);
	if (r->offset % PAGE_SIZE)
		return -EINVAL;
	if (ckd_add(&end, r->offset, r->len) || end > (u64)INT64_MAX)
		return -EOVERFLOW;
	if (!(r->flags & MAP_FIXED))
		return 0;
	if (r->addr % PAGE_SIZE)
		return -EINVAL;
	if (!user_range_ok(r->addr, r->len))
		return -ENOMEM;
	return r->addr < USER_START ? -EPERM : 0;
}

/* What the file allows: max_prot. */
static int check_file(const struct map_request *r, u32 *max_prot)
{
	struct file *f = r->file;
	struct mount *mnt = f->path.mount;

	*max_prot = PROT_ALL;
	if ((r->flags & MAP_TYPE) == MAP_SHARED && !f->can_write) {
		if (r->prot & PROT_WRITE)
			return -EACCES;
		*max_prot &= ~(u32)PROT_WRITE;
	}
	if (!f->can_read)
		return -EACCES;
	if (mnt && (mnt->flags & LINUX_MS_NOEXEC)) {
		if (r->prot & PROT_EXEC)
			return -EPERM;
		*max_prot &= ~(u32)PROT_EXEC;
	}
	return 0;
}

/* Find the object behind the file; it stays the file's. */
static int find_object(struct map_request *r)
{
	if (r->file->ops->mmap)
		return r->file->ops->mmap(r->file, r);
	if (!r->file->inode || !inode_is(r->file->inode, TYPE_REG) ||
	    !r->file->inode->object)
		return -ENODEV;
	r->object = r->file->inode->object;
	return 0;
}

static u32 flags_of(const struct map_request *r, const struct mm *mm)
{
	u32 flags = ((u32)r->prot & PROT_ALL) | r->area_flags |
		    mm->default_flags;

	if ((r->flags & MAP_TYPE) == MAP_SHARED)
		flags |= AREA_SHARED;
	if (r->flags & MAP_GROWSDOWN)
		flags |= AREA_GROWSDOWN;
	if (r->flags & MAP_LOCKED)
		flags |= AREA_LOCKED;
	if (r->flags & MAP_NORESERVE)
		flags |= AREA_NORESERVE;
	return flags;
}

/* --- Where
 * ------------------------------------------------------------------------- */

static s64 choose_address(struct mm *mm, const struct map_request *r)
{
	uaddr_t addr = PAGE_UP(r->addr);
	u64 align = PAGE_SIZE;

	if (r->flags & MAP_FIXED) {
		if ((r->flags & MAP_FIXED_NOREPLACE) &&
		    area_in_range(mm, r->addr, r->addr + r->len))
			return -EEXIST;
		return (s64)r->addr;
	}
	if (r->flags & MAP_32BIT) {
		if (addr && addr + r->len <= 0x80000000UL &&
		    area_range_free(mm, addr, r->len))
			return (s64)addr;
		addr = area_find_room_between(mm, r->len, 0x40000000UL,
					      0x80000000UL);
		return addr ? (s64)addr : -ENOMEM;
	}
	if (addr && area_range_free(mm, addr, r->len))
		return (s64)addr;
	/* Room for the host's huge pages. */
	if (!r->file && r->len % HUGE_ALIGN == 0)
		align = HUGE_ALIGN;
	addr = area_find_room(mm, r->len, align);
	return addr ? (s64)addr : -ENOMEM;
}

/* --- mmap
 * ------------------------------------------------------------------------------
 */

/* Under mm->lock: put an area like `t` at [t->start, t->end). */
static int place_area(struct mm *mm, const struct area *t)
{
	struct area *a;
	int err;

	if (mm->nareas >= MM_AREAS_MAX)
		return -ENOMEM;
	err = area_clear(mm, t->start, t->end);
	if (err)
		return err;
	a = area_new(mm, t);
	if (!a) {
		(void)plat_unmap(t->start, t->end - t->start);
		return -ENOMEM;
	}
	a->backed_end = a->start;
	/* On the object's list before its size is looked at: whoever shrinks it
	 * later finds us. */
	area_insert(mm, a);
	err = area_map(a, a->start, a->end);
	if (err) {
		(void)plat_unmap(a->start, a->end - a->start);
		area_remove(a);
		a->close = NULL;
		area_free(a);
		return err;
	}
	area_merge(a);
	return 0;
}

static s64 map_locked(struct mm *mm, const struct map_request *r, u32 max_prot)
{
	struct area t = {
		.flags = flags_of(r, mm),
		.max_prot = max_prot,
		.object = r->object,
		.offset = r->object ? r->offset : 0,
		.file = r->file,
		.close = r->close,
		.open = r->open,
		.private_data = r->private_data,
	};
	s64 addr = choose_address(mm, r);
	u64 replaced = 0;
	int err;

	if (addr < 0)
		return addr;
	if (area_is_tracked(&t))
		t.flags |= AREA_CLEAN;
	t.start = (uaddr_t)addr;
	t.end = t.start + r->len;
	if (r->flags & MAP_FIXED)
		replaced = pages_in_range(mm, t.start, t.end);
	if (mm_over_limit(mm, t.flags, (r->len >> PAGE_SHIFT) - replaced))
		return -ENOMEM;
	if (t.flags & AREA_LOCKED) {
		err = mm_check_locked(mm, r->len >> PAGE_SHIFT);
		if (err)
			return err;
	}
	err = place_area(mm, &t);
	return err ? err : addr;
}

/* mlockall(MCL_FUTURE): what is mapped comes in at once. */
static bool locks_future(const struct mm *mm, const struct map_request *r)
{
	return mm->default_flags && !mm->lock_onfault &&
	       !(r->area_flags & AREA_STACK);
}

s64 mm_map(const struct map_request *req)
{
	struct mm *mm = mm_current();
	struct map_request r = *req;
	u32 max_prot = PROT_ALL;
	bool own_object = false;
	s64 addr;
	int err;

	err = check_flags(&r);
	if (!err)
		err = check_range(&r);
	if (!err && r.file)
		err = check_file(&r, &max_prot);
	if (!err && r.file && !r.object)
		err = find_object(&r);
	if (err)
		return err;
	if (!r.object && (r.flags & MAP_TYPE) == MAP_SHARED) {
		err = object_new_cache(r.len, &r.object);
		if (err)
			return -ENOMEM;
		own_object = true;
		r.offset = 0;
	}
	if (r.object && r.object->backing == PLAT_IMAGE &&
	    (r.flags & MAP_TYPE) == MAP_SHARED) {
		if (r.prot & PROT_WRITE)
			return -EACCES;
		max_prot &= ~(u32)PROT_WRITE;
	}
	max_prot &= ~r.deny_prot;
	mutex_lock(&mm->lock);
	addr = map_locked(mm, &r, max_prot);
	mutex_unlock(&mm->lock);
	if (own_object)
		object_put(r.object);
	if (addr >= 0 &&
	    ((r.flags & (MAP_POPULATE | MAP_LOCKED)) || locks_future(mm, &r)) &&
	    !(r.flags & MAP_NONBLOCK) && r.prot != PROT_NONE)
		(void)mm_advise((uaddr_t)addr, r.len,
				(r.prot & PROT_WRITE) && (r.flags & MAP_PRIVATE)
					? MADV_POPULATE_WRITE
					: MADV_POPULATE_READ);
	return addr;
}

int mm_map_stack(uaddr_t top, u64 limit, bool is_exec)
{
	struct mm *mm = mm_current();
	u64 len = PAGE_UP(MIN(MAX(limit, 32 * PAGE_SIZE), GIB(1)));
	struct map_request r = {
		.addr = top - len,
		.len = len,
		.prot = PROT_READ | PROT_WRITE | (is_exec ? PROT_EXEC : 0),
		.flags = MAP_PRIVATE | MAP_FIXED | MAP_GROWSDOWN,
		.area_flags = AREA_STACK,
	};
	s64 addr = mm_map(&r);

	if (addr < 0)
		return (int)addr;
	mm->stack_top = top;
	mm->stack_limit = len;
	return 0;
}

/* --- munmap
 * ------------------------------------------------------------------------------
 */

static int unmap_locked(struct mm *mm, uaddr_t addr, u64 len)
{
	int err;

	if (!area_in_range(mm, addr, addr + len))
		return 0;
	err = area_clear(mm, addr, addr + len);
	return err ? err : plat_unmap(addr, len);
}

#define LINUX_TASK_END 0x7ffffffff000UL /* of x86-64 programs there */

int mm_unmap(uaddr_t addr, u64 len)
{
	struct mm *mm = mm_current();
	int err;

	/* What Linux has above our user range holds nothing of the program. */
	if (addr < USER_END && len > USER_END - addr &&
	    len <= LINUX_TASK_END - addr)
		len = USER_END - addr;
	if (addr % PAGE_SIZE || len == 0 || !user_range_ok(addr, len))
		return -EINVAL;
	len = PAGE_UP(len);
	if (!user_range_ok(addr, len))
		return -EINVAL;
	mutex_lock(&mm->lock);
	err = unmap_locked(mm, addr, len);
	mutex_unlock(&mm->lock);
	return err;
}

/* The attached range that begins with area a: what split off it stays next to
 * it, with the same private_data. */
int mm_detach_shm(uaddr_t addr)
{
	struct mm *mm = mm_current();
	struct area *a, *first;
	int err = -EINVAL;

	mutex_lock(&mm->lock);
	first = area_find(mm, addr);
	if (first && first->start == addr && (first->flags & AREA_SHM) &&
	    first->offset == 0) {
		u64 len = first->object->size;
		void *data = first->private_data;
		uaddr_t end = addr + PAGE_UP(len);

		err = 0;
		for (a = first; a && a->start < end && !err;) {
			struct area *next = mm_area_next(a);

			if (a->private_data == data &&
			    a->start - addr == a->offset)
				err = unmap_locked(mm, a->start,
						   a->end - a->start);
			a = next;
		}
	}
	mutex_unlock(&mm->lock);
	return err;
}

/* --- brk
 * ---------------------------------------------------------------------------------
 */

static bool brk_grow(struct mm *mm, uaddr_t from, uaddr_t to)
{
	struct area t = {
		.start = from,
		.end = to,
		.flags = AREA_READ | AREA_WRITE | AREA_HEAP | mm->default_flags,
		.max_prot = PROT_ALL,
	};

	if (mm_over_limit(mm, t.flags, (to - from) >> PAGE_SHIFT) ||
	    !area_range_free(mm, from, to - from))
		return false;
	if ((t.flags & AREA_LOCKED) &&
	    mm_check_locked(mm, (to - from) >> PAGE_SHIFT))
		return false;
	return place_area(mm, &t) == 0;
}

uaddr_t mm_brk(uaddr_t brk)
{
	struct mm *mm = mm_current();
	uaddr_t from, to, result;

	mutex_lock(&mm->lock);
	from = PAGE_UP(mm->brk);
	to = PAGE_UP(brk);
	if (brk >= mm->brk_start && brk < USER_END &&
	    !(brk > mm->brk &&
	      over_rlimit(RLIMIT_DATA, (to - mm->brk_start) >> PAGE_SHIFT))) {
		bool ok = true;

		if (to < from)
			ok = unmap_locked(mm, to, from - to) == 0;
		else if (to > from)
			ok = brk_grow(mm, from, to);
		if (ok)
			mm->brk = brk;
	}
	result = mm->brk;
	mutex_unlock(&mm->lock);
	if (unlikely(mm->default_flags) && result == brk && to > from &&
	    !mm->lock_onfault)
		(void)mm_populate(from, to - from);
	return result;
}
