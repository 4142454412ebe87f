/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of areas of an address space: find, insert, split, join, and the
 * search for room. No mapping is made here (map.c does that). Callers hold
 * mm->lock.
 */
#include "kernel/mm/area.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/vfs/file.h"

/* --- Making and dropping
 * --------------------------------------------------------- */

struct area *area_new(struct mm *mm, const struct area *like)
{
	struct area *a = kmalloc(sizeof(*a));

	if (!a)
		return NULL;
	*a = *like;
	a->mm = mm;
	list_init(&a->object_node);
	if (a->object)
		object_get(a->object);
	if (a->file)
		file_get(a->file);
	return a;
}

void area_free(struct area *a)
{
	if (a->close)
		a->close(a);
	if (a->object)
		object_put(a->object);
	if (a->file)
		file_put(a->file);
	kfree(a);
}

/* --- The tree
 * ----------------------------------------------------------------------- */

static bool counts_as_data(u32 flags)
{
	return (flags & (AREA_WRITE | AREA_SHARED | AREA_STACK |
			 AREA_GROWSDOWN)) == AREA_WRITE;
}

static void count(struct mm *mm, u32 flags, s64 npages)
{
	mm->total_pages += (u64)npages;
	if (counts_as_data(flags))
		mm->data_pages += (u64)npages;
	if (flags & AREA_LOCKED)
		mm->locked_pages += (u64)npages;
}

static struct area *entry(struct rb_node *n)
{
	return n ? rb_entry(n, struct area, node) : NULL;
}

struct area *mm_area_at(struct mm *mm, uaddr_t addr)
{
	struct area *best = mm->last_found;
	struct rb_node *n = mm->areas.node;

	if (best && addr >= best->start && addr < best->end)
		return best;
	best = NULL;
	while (n) {
		struct area *a = entry(n);

		if (addr < a->end) {
			best = a;
			if (addr >= a->start)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (best)
		mm->last_found = best;
	return best;
}

struct area *mm_area_next(struct area *a)
{
	return entry(rb_next(&a->node));
}

struct area *area_prev(struct area *a)
{
	return entry(rb_prev(&a->node));
}

struct area *area_find(struct mm *mm, uaddr_t addr)
{
	struct area *a = mm_area_at(mm, addr);

	return a && a->start <= addr ? a : NULL;
}

struct area *area_in_range(struct mm *mm, uaddr_t addr, uaddr_t end)
{
	struct area *a = mm_area_at(mm, addr);

	return a && a->start < end ? a : NULL;
}

void area_insert(struct mm *mm, struct area *a)
{
	struct rb_node **link = &mm->areas.node;
	struct rb_node *parent = NULL;

	while (*link) {
		parent = *link;
		if (a->start < entry(parent)->start)
			link = &parent->left;
		else
			link = &parent->right;
	}
	rb_insert(&mm->areas, &a->node, parent, link);
	mm->nareas++;
	count(mm, a->flags, (s64)area_pages(a));
	if (a->object) {
		mutex_lock(&a->object->map_lock);
		list_append(&a->object->mappings, &a->object_node);
		mutex_unlock(&a->object->map_lock);
	}
}

/* The gap that [start, end) becomes part of may serve the next search. */
static void note_gap(struct mm *mm, const struct area *next, uaddr_t end)
{
	uaddr_t top = next ? next->start : mm->mmap_top;

	if (end > mm->gap_top)
		mm->gap_top = MIN(top, mm->mmap_top);
}

void area_remove(struct area *a)
{
	struct mm *mm = a->mm;

	note_gap(mm, mm_area_next(a), a->end);
	if (a->object) {
		mutex_lock(&a->object->map_lock);
		list_del(&a->object_node);
		mutex_unlock(&a->object->map_lock);
	}
	if (mm->last_found == a)
		mm->last_found = NULL;
	rb_erase(&mm->areas, &a->node);
	mm->nareas--;
	count(mm, a->flags, -(s64)area_pages(a));
}

void area_set_flags(struct area *a, u32 flags)
{
	count(a->mm, a->flags, -(s64)area_pages(a));
	a->flags = flags;
	count(a->mm, a->flags, (s64)area_pages(a));
}

void area_set_range(struct area *a, uaddr_t start, uaddr_t end)
{
	if (start > a->start || end < a->end)
		note_gap(a->mm, mm_area_next(a), a->end);
	count(a->mm, a->flags, -(s64)area_pages(a));
	a->offset += start - a->start;
	a->start = start;
	a->end = end;
	count(a->mm, a->flags, (s64)area_pages(a));
}

int area_split(struct area *a, uaddr_t at, struct area **upper)
{
	struct area *b;

	if (a->mm->nareas >= MM_AREAS_MAX)
		return -ENOMEM;
	b = area_new(a->mm, a);
	if (!b)
		return -ENOMEM;
	b->start = at;
	b->offset = a->offset + (at - a->start);
	b->backed_end = MAX(a->backed_end, at);
	a->backed_end = MIN(a->backed_end, at);
	count(a->mm, a->flags, -(s64)area_pages(b));
	a->end = at;
	area_insert(a->mm, b);
	if (b->open)
		b->open(b);
	if (upper)
		*upper = b;
	return 0;
}

static bool can_merge(const struct area *a, const struct area *b)
{
	if (a->end != b->start || a->flags != b->flags ||
	    a->max_prot != b->max_prot || a->object != b->object ||
	    a->file != b->file || a->close || b->close)
		return false;
	if (!a->object)
		return true;
	return a->offset + (a->end - a->start) == b->offset &&
	       (a->backed_end == a->end || b->backed_end == b->start);
}

/* b goes, a takes over its range. */
static void absorb(struct area *a, struct area *b)
{
	uaddr_t end = b->end;

	if (a->backed_end == a->end)
		a->backed_end = b->backed_end;
	area_remove(b);
	count(a->mm, a->flags, (s64)area_pages(b));
	a->end = end;
	area_free(b);
}

struct area *area_merge(struct area *a)
{
	struct area *prev = area_prev(a);
	struct area *next = mm_area_next(a);

	if (next && can_merge(a, next))
		absorb(a, next);
	if (prev && can_merge(prev, a)) {
		absorb(prev, a);
		a = prev;
	}
	return a;
}

int area_clear(struct mm *mm, uaddr_t addr, uaddr_t end)
{
	struct area *a = area_in_range(mm, addr, end);
	struct area *next;
	int err = 0;

	if (a && a->start < addr) {
		/* A hole in the middle makes one area two. */
		err = area_split(a, addr, &next);
		if (err)
			return err;
		a = next;
	}
	for (; a && a->start < end; a = next) {
		if (a->end > end) {
			err = area_split(a, end, NULL);
			if (err)
				return err;
		}
		next = mm_area_next(a);
		area_remove(a);
		area_free(a);
	}
	return 0;
}

/* --- Room
 * ------------------------------------------------------------------------------
 */

/* Where a begins as far as others are concerned. */
static uaddr_t guarded_start(const struct area *a)
{
	if (!(a->flags & AREA_GROWSDOWN))
		return a->start;
	return a->start > USER_START + MM_STACK_GAP ? a->start - MM_STACK_GAP
						    : USER_START;
}

bool area_range_free(struct mm *mm, uaddr_t addr, u64 len)
{
	struct area *a = mm_area_at(mm, addr);

	if (addr < USER_START || len > USER_END || addr > USER_END - len)
		return false;
	return !a || guarded_start(a) >= addr + len;
}

/* The last area that starts below addr. */
static struct area *area_below(struct mm *mm, uaddr_t addr)
{
	struct area *a = mm_area_at(mm, addr);

	if (a)
		return a->start < addr ? a : area_prev(a);
	return entry(rb_last(&mm->areas));
}

/* Walk down from *top; on success *top is the end of the gap used; *largest is
 * the longest gap passed over. */
static uaddr_t room_below(struct mm *mm, u64 len, u64 align, uaddr_t bottom,
			  uaddr_t top, u64 *largest)
{
	struct area *a = area_below(mm, top);
	struct area *above = a ? mm_area_next(a) : entry(rb_first(&mm->areas));

	if (above)
		top = MIN(top, guarded_start(above));
	for (;;) {
		uaddr_t floor = a ? MAX(a->end, bottom) : bottom;

		if (top > floor && top - floor >= len) {
			uaddr_t addr = ROUND_DOWN(top - len, align);

			if (addr >= floor)
				return addr;
		}
		if (!a || a->start <= bottom)
			return 0;
		if (top > floor)
			*largest = MAX(*largest, top - floor);
		top = guarded_start(a);
		a = area_prev(a);
	}
}

uaddr_t area_find_room_between(struct mm *mm, u64 len, uaddr_t bottom,
			       uaddr_t top)
{
	u64 largest = 0;

	return room_below(mm, len, PAGE_SIZE, bottom, top, &largest);
}

uaddr_t area_find_room(struct mm *mm, u64 len, u64 align)
{
	u64 largest = mm->gap_max;
	uaddr_t from = mm->gap_top;
	uaddr_t addr;

	if (len <= mm->gap_max || from > mm->mmap_top) {
		from = mm->mmap_top;
		largest = 0;
	}
	addr = room_below(mm, len, align, USER_START, from, &largest);
	if (addr) {
		/* What alignment wasted is a gap passed over, too. */
		mm->gap_top = addr;
		mm->gap_max = MAX(largest, align > PAGE_SIZE ? align : 0);
		return addr;
	}
	mm->gap_top = mm->mmap_top;
	mm->gap_max = 0;
	addr = room_below(mm, len, PAGE_SIZE, USER_START, mm->mmap_top,
			  &largest);
	if (!addr) /* beside the stack, the last resort */
		addr = room_below(mm, len, PAGE_SIZE, mm->mmap_top, USER_END,
				  &largest);
	return addr;
}
