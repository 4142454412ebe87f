/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: plat.h group 1. A mapping is a region; pages come with the
 * first touch.
 */
#include "kernel/mm/heap.h"
#include "kernel/plat/pc/pc.h"

#define PF_WRITE 2u
#define PF_FETCH 16u

/* The first one is there before there is a heap. They are used again, never
 * freed: a late look at one that is gone reads stale numbers. */
static struct plat_space first_space;
static struct plat_space *unused = &first_space;
static struct spin unused_lock;

static struct plat_space *here(void)
{
	return slot_now()->space;
}

static struct plat_space *take_unused(void)
{
	u64 flags = spin_lock(&unused_lock);
	struct plat_space *s = unused;

	if (s)
		unused = s->next;
	spin_unlock(&unused_lock, flags);
	return s;
}

static void put_unused(struct plat_space *s)
{
	u64 flags = spin_lock(&unused_lock);

	s->next = unused;
	unused = s;
	spin_unlock(&unused_lock, flags);
}

struct plat_space *space_new(void)
{
	struct plat_space *s = take_unused();

	if (!s)
		s = kmalloc(sizeof(*s));
	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->nthreads = 1;
	s->root = root_new();
	if (s->root != FRAME_NONE)
		return s;
	put_unused(s);
	return NULL;
}

void space_free(struct plat_space *s)
{
	/* CPUs that have nothing else to do may have its tables loaded. */
	if (atomic_load(&s->cpus))
		cpus_flush_space(s, 0, USER_END);
	kassert(!atomic_load(&s->cpus));
	pages_drop(s, 0, USER_END);
	region_free_all(s);
	root_free(s->root);
	put_unused(s);
}

void space_leave(void)
{
	struct plat_space *s = slot_now()->space;
	u64 flags = irq_save();

	sched_charge();
	slot_now()->space = NULL;
	cpu_load_space(this_cpu(), NULL);
	irq_restore(flags);
	if (atomic_fetch_sub(&s->nthreads, 1) == 1)
		space_free(s);
}

static int copy_region(struct plat_space *from, struct plat_space *to,
		       const struct region *r)
{
	int err;

	if (r->flags & REGION_DONTFORK)
		return 0;
	err = region_add(to, r);
	if (err || r->flags & REGION_WIPEONFORK)
		return err;
	return pages_share(from, to, r);
}

struct plat_space *space_copy(struct plat_space *from)
{
	struct plat_space *to = space_new();
	int err = 0;

	if (!to)
		return NULL;
	mutex_lock(&from->lock);
	for (struct region *r = region_after(from, 0); r && !err;
	     r = region_next(r))
		err = copy_region(from, to, r);
	cpus_flush_space(from, 0, USER_END);
	mutex_unlock(&from->lock);
	if (!err)
		return to;
	space_free(to);
	return NULL;
}

static bool allows(const struct region *r, u64 error)
{
	if (error & PF_WRITE)
		return r->prot & PLAT_WRITE;
	if (error & PF_FETCH)
		return r->prot & PLAT_EXEC;
	return r->prot != 0;
}

int space_fault(struct plat_space *s, u64 va, u64 error)
{
	struct region *r;
	int err = -EFAULT;

	va = PAGE_DOWN(va);
	mutex_lock(&s->lock);
	r = region_after(s, va);
	if (r && r->start <= va && allows(r, error))
		err = page_fault(s, r, va, error & PF_WRITE);
	mutex_unlock(&s->lock);
	return err;
}

paddr_t space_hold(struct plat_space *s, u64 va, bool is_write)
{
	paddr_t pa = 0;
	struct region *r;
	u64 *pte, at, size;

	mutex_lock(&s->lock);
	r = region_after(s, va);
	if (r && r->start <= va && allows(r, is_write ? PF_WRITE : 0) &&
	    page_fault(s, r, PAGE_DOWN(va), is_write) == 0) {
		at = PAGE_DOWN(va);
		pte = pte_next(s->root, &at, at + PAGE_SIZE, &size);
		pa = (*pte & PTE_ADDRESS) + PAGE_DOWN(va & (size - 1));
		frame_get(pa);
	}
	mutex_unlock(&s->lock);
	return pa;
}

/* --- plat.h ------------------------------------------------------------------
 */

static void check_range(uaddr_t addr, u64 len)
{
	kassert(addr + len <= USER_END && addr + len > addr);
}

int plat_map(uaddr_t addr, u64 len, int prot, enum plat_backing backing,
	     u64 offset)
{
	struct region r = { .start = addr,
			    .end = addr + len,
			    .offset = offset,
			    .prot = (u8)prot,
			    .backing = (u8)backing };
	struct plat_space *s = here();
	int err;

	check_range(addr, len);
	mutex_lock(&s->lock);
	err = region_cut(s, r.start, r.end);
	if (!err) {
		pages_drop(s, r.start, r.end);
		err = region_add(s, &r);
	}
	mutex_unlock(&s->lock);
	return err;
}

int plat_unmap(uaddr_t addr, u64 len)
{
	struct plat_space *s = here();
	int err;

	check_range(addr, len);
	mutex_lock(&s->lock);
	err = region_cut(s, addr, addr + len);
	if (!err)
		pages_drop(s, addr, addr + len);
	mutex_unlock(&s->lock);
	return err;
}

int plat_protect(uaddr_t addr, u64 len, int prot)
{
	struct plat_space *s = here();
	struct region *r;
	int err;

	check_range(addr, len);
	mutex_lock(&s->lock);
	err = region_split(s, addr, addr + len);
	for (r = region_after(s, addr); !err && r && r->start < addr + len;
	     r = region_next(r))
		r->prot = (u8)prot;
	if (!err)
		pages_protect(s, addr, addr + len, prot);
	mutex_unlock(&s->lock);
	return err;
}

/* The regions of [from, from+len) at `to`; the last one is longer by more. */
static int move_regions(struct plat_space *s, u64 from, u64 len, u64 to,
			u64 more)
{
	struct region *r, *next;
	int err = 0;

	for (r = region_after(s, from); r && r->start < from + len && !err;
	     r = next) {
		struct region moved = *r;

		next = region_next(r);
		moved.start = to + (r->start - from);
		moved.end = to + (r->end - from);
		if (r->end == from + len)
			moved.end += more;
		err = region_add(s, &moved);
	}
	return err;
}

static int move(struct plat_space *s, u64 from, u64 len, u64 to, u64 new_len)
{
	u64 more = new_len > len ? new_len - len : 0;
	int err = region_split(s, from, from + len);

	len = MIN(len, new_len);
	if (!err)
		err = region_cut(s, to, to + new_len);
	if (err)
		return err;
	pages_drop(s, to, to + new_len);
	err = move_regions(s, from, len, to, more);
	if (!err)
		err = pages_move(s, from, len, to);
	if (!err)
		err = region_cut(s, from, from + len);
	return err;
}

/* In place. */
static int grow(struct plat_space *s, u64 from, u64 len, u64 new_len)
{
	struct region *r = region_after(s, from + len - 1);
	struct region more;

	if (new_len <= len)
		return 0;
	if (!r || r->start >= from + len)
		return -EFAULT;
	more = *r;
	more.start = from + len;
	more.end = from + new_len;
	more.offset = r->offset + (more.start - r->start);
	if (region_cut(s, more.start, more.end))
		return -ENOMEM;
	pages_drop(s, more.start, more.end);
	return region_add(s, &more);
}

int plat_move(uaddr_t from, u64 len, uaddr_t to, u64 new_len)
{
	struct plat_space *s = here();
	int err;

	kassert(from + len <= USER_END && to + new_len <= USER_END);
	mutex_lock(&s->lock);
	err = from == to ? grow(s, from, len, new_len)
			 : move(s, from, len, to, new_len);
	mutex_unlock(&s->lock);
	return err;
}

static int set_flags(struct plat_space *s, u64 start, u64 end, u8 set, u8 clear)
{
	int err = region_split(s, start, end);

	for (struct region *r = region_after(s, start);
	     !err && r && r->start < end; r = region_next(r))
		r->flags = (u8)((r->flags | set) & ~clear);
	return err;
}

int plat_advise(uaddr_t addr, u64 len, enum plat_advice advice)
{
	struct plat_space *s = here();
	u64 end = addr + len;
	int err = 0;

	kassert(end <= USER_END);
	mutex_lock(&s->lock);
	switch (advice) {
	case PLAT_DONTNEED:
	case PLAT_FREE:
		err = region_split(s, addr, end);
		if (!err)
			pages_drop(s, addr, end);
		break;
	case PLAT_WIPEONFORK:
		err = set_flags(s, addr, end, REGION_WIPEONFORK, 0);
		break;
	case PLAT_KEEPONFORK:
		err = set_flags(s, addr, end, 0, REGION_WIPEONFORK);
		break;
	case PLAT_DONTFORK:
		err = set_flags(s, addr, end, REGION_DONTFORK, 0);
		break;
	case PLAT_DOFORK:
		err = set_flags(s, addr, end, 0, REGION_DONTFORK);
		break;
	case PLAT_HUGE:
		err = set_flags(s, addr, end, REGION_HUGE, REGION_NOHUGE);
		break;
	case PLAT_NOHUGE:
		err = set_flags(s, addr, end, REGION_NOHUGE, REGION_HUGE);
		break;
	case PLAT_WILLNEED:
		break;
	}
	mutex_unlock(&s->lock);
	return err;
}

int plat_resident(uaddr_t addr, u64 npages, u8 *vec)
{
	struct plat_space *s = here();

	mutex_lock(&s->lock);
	pages_resident(s, addr, npages, vec);
	mutex_unlock(&s->lock);
	return 0;
}

u64 plat_space_rss(struct plat_space *space)
{
	return atomic_load(&space->nprivate) * PAGE_SIZE;
}

/* Nothing was woken here. */
bool plat_cache_is_left(void)
{
	return false;
}

bool plat_woken_part(UNUSED uaddr_t *start, UNUSED uaddr_t *end)
{
	return false;
}

int plat_woken_settle(UNUSED uaddr_t addr, UNUSED u64 len, UNUSED int prot)
{
	return 0;
}

void plat_image_forget(void)
{
}

void plat_kernel_hot(UNUSED void *addr)
{
}
