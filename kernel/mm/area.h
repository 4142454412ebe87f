/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Areas of one mm: the tree, splitting, joining, finding room. For the files of
 * kernel/mm; mm->lock is held by the caller throughout.
 */
#ifndef JIFFY_KERNEL_MM_AREA_H
#define JIFFY_KERNEL_MM_AREA_H

#include "kernel/mm/mm.h"

/* What mapping calls fill in before a struct area is made of it. */
struct area *area_new(struct mm *mm, const struct area *like);
/* Drop an area that is in no tree: references, close(). */
void area_free(struct area *a);

/* Link into the tree and the object's list; counts pages. */
void area_insert(struct mm *mm, struct area *a);
void area_remove(struct area *a);
/* Cut a at `at` (inside): the upper part is a new area, stored in *upper if not
 * NULL. -ENOMEM also when there are too many areas. */
int area_split(struct area *a, uaddr_t at, struct area **upper);
/* Join a with equal neighbours; the area that now holds a's range. */
struct area *area_merge(struct area *a);
/* Change flags of a; keeps the counts right. */
void area_set_flags(struct area *a, u32 flags);
/* Change the range of a, which must stay between its neighbours. */
void area_set_range(struct area *a, uaddr_t start, uaddr_t end);

/* The area that holds addr, or NULL. */
struct area *area_find(struct mm *mm, uaddr_t addr);
struct area *area_prev(struct area *a);
/* First area that ends after addr and starts before end, or NULL. */
struct area *area_in_range(struct mm *mm, uaddr_t addr, uaddr_t end);
/* Nothing in [addr, addr+len), guard gaps of stacks included. */
bool area_range_free(struct mm *mm, uaddr_t addr, u64 len);
/* Room for len bytes, aligned: highest below `top`, not below `bottom`; or 0.
 */
uaddr_t area_find_room(struct mm *mm, u64 len, u64 align);
uaddr_t area_find_room_between(struct mm *mm, u64 len, uaddr_t bottom,
			       uaddr_t top);

/* Forget the areas of [addr, end), splitting at the ends; the platform's
 * mappings stay. */
int area_clear(struct mm *mm, uaddr_t addr, uaddr_t end);
/* Make the platform's mapping of [start, end) of a. */
int area_map(struct area *a, uaddr_t start, uaddr_t end);
/* The object has grown / shrunk: map what is new / unmap what is gone. */
int area_back_more(struct area *a);
int area_cut_backing(struct area *a);
/* Set the platform's protection of [start, end) of a to its flags. */
int area_protect(struct area *a, uaddr_t start, uaddr_t end);

/* Does the first write through the area set the times of its file? Such an area
 * is AREA_CLEAN when it is made and after msync(): its host mappings are
 * without the right to write, so that the write is seen. */
bool area_is_tracked(const struct area *a);
/* A clean area is about to be written. 0 or -errno: it still is clean. */
int area_written(struct area *a);
/* Make a tracked area clean (again). */
void area_clean(struct area *a);

/* Not all that its object holds is in memory: the host's mappings of such an
 * area get their rights piece by piece, at the first touch of each. */
static inline bool area_is_lazy(const struct area *a)
{
	return a->object && a->object->ops;
}
/* The program touched addr, or is about to: bring its piece in and allow what
 * the area allows. 0 or -errno. */
int area_fault(struct area *a, uaddr_t addr, bool is_write);

/* Would npages more pass RLIMIT_AS / RLIMIT_DATA (for those flags)? */
bool mm_over_limit(struct mm *mm, u32 flags, u64 npages);
bool mm_over_data_limit(const struct mm *mm, u64 npages);
/* The same for locked memory: 0, -EAGAIN, -EPERM. */
int mm_check_locked(struct mm *mm, u64 npages);

static inline u64 area_pages(const struct area *a)
{
	return (a->end - a->start) >> PAGE_SHIFT;
}

/* The rights its host mappings have. */
static inline int area_host_prot(const struct area *a)
{
	u32 prot = a->flags & AREA_PROT;

	return (int)(a->flags & AREA_CLEAN ? prot & ~(u32)AREA_WRITE : prot);
}

static inline bool area_is_private_anon(const struct area *a)
{
	return !a->object && !(a->flags & AREA_SHARED);
}

#endif
