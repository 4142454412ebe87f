/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces as wholes: made, copied for fork, emptied for exec, dropped;
 * page faults that the kernel repairs; futex keys; numbers for /proc.
 */
#include "kernel/mm/mm.h"

#include "kernel/cpu/patch.h"
#include "kernel/cpu/usercopy.h"
#include "kernel/kernel.h"
#include "kernel/linux/mman.h"
#include "kernel/linux/resource.h"
#include "kernel/linux/signal.h"
#include "kernel/mm/area.h"
#include "kernel/mm/heap.h"
#include "kernel/proc/process.h"

#define RANDOM_PAGES_MASK 0x0fffffffUL /* 28 bits of pages, as x86-64 Linux */
/* So many within this time: a loop of faults makes them in some milliseconds.
 */
#define RETRIES_MAX 1000
#define RETRIES_TIME (100 * NSEC_PER_MSEC)
#define REST_EVERY (20 * NSEC_PER_MSEC)
#define STACK_ROOM_MIN MIB(128)
#define STACK_ROOM_MAX (USER_END / 6)

struct mm *mm_current(void)
{
	return process_current()->mm;
}

void mm_rest_slow(struct mm *mm)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);

	if (now - atomic_load(&mm->rested_at) < REST_EVERY)
		return;
	atomic_store(&mm->rested_at, now);
	atomic_store(&mm->looked_at_image, 0);
	plat_image_forget();
}

/* Leave room for the stack, then a random distance. */
static void choose_top(struct mm *mm)
{
	u64 room = rlimit_current(RLIMIT_STACK);
	u64 random;

	plat_entropy(&random, sizeof(random));
	if (room > STACK_ROOM_MAX)
		room = STACK_ROOM_MAX;
	room = MAX(room + MM_STACK_GAP + GIB(16), STACK_ROOM_MIN);
	random = (random & RANDOM_PAGES_MASK) << PAGE_SHIFT;
	mm->mmap_top = PAGE_DOWN(USER_END - room - random);
	mm->gap_top = mm->mmap_top;
	mm->gap_max = 0;
}

struct mm *mm_new(void)
{
	struct mm *mm = kzalloc(sizeof(*mm));

	if (!mm)
		return NULL;
	ref_init(&mm->ref);
	list_init(&mm->threads_hint);
	mm->mmap_top = USER_END - GIB(64);
	mm->gap_top = mm->mmap_top;
	mm->generation = kernel.generation;
	return mm;
}

void mm_get(struct mm *mm)
{
	ref_get(&mm->ref);
}

/* Forget all areas; mappings are the caller's business. */
static void drop_areas(struct mm *mm)
{
	struct rb_node *n;

	while ((n = rb_first(&mm->areas)) != NULL) {
		struct area *a = rb_entry(n, struct area, node);

		area_remove(a);
		area_free(a);
	}
}

/* The parent's areas may change again. */
static void fork_release(struct mm *mm)
{
	struct mm *parent = mm->fork_parent;

	if (!parent)
		return;
	mm->fork_parent = NULL;
	mutex_unlock(&parent->lock);
	mm_put(parent);
}

void mm_put(struct mm *mm)
{
	struct mm *parent;

	/* A child that never ran may be the last to hold its parent; one step
	 * is enough, as a parent in fork is running. */
	for (; mm && ref_put(&mm->ref); mm = parent) {
		parent = mm->fork_parent;
		if (parent)
			mutex_unlock(&parent->lock);
		drop_areas(mm);
		patch_reset(mm);
		kfree(mm);
	}
}

/* --- fork, exec
 * --------------------------------------------------------------------- */

static int copy_areas(struct mm *to, struct mm *from)
{
	for (struct rb_node *n = rb_first(&from->areas); n; n = rb_next(n)) {
		struct area *a = rb_entry(n, struct area, node);
		struct area *copy;

		if (a->flags & AREA_DONTFORK)
			continue;
		copy = area_new(to, a);
		if (!copy)
			return -ENOMEM;
		copy->flags &= ~(u32)AREA_LOCKED;
		area_insert(to, copy);
		if (copy->open)
			copy->open(copy);
	}
	return 0;
}

int mm_fork(struct mm **child)
{
	struct mm *from = mm_current();
	struct mm *mm = mm_new();
	int err;

	if (!mm)
		return -ENOMEM;
	err = patch_fork(from, mm);
	if (err) {
		mm_put(mm);
		return err;
	}
	mutex_lock(&from->lock);
	mm->mmap_top = from->mmap_top;
	mm->gap_top = from->mmap_top;
	mm->brk_start = from->brk_start;
	mm->brk = from->brk;
	mm->stack_top = from->stack_top;
	mm->stack_limit = from->stack_limit;
	err = copy_areas(mm, from);
	if (err) {
		mutex_unlock(&from->lock);
		mm_put(mm);
		return err;
	}
	mm_get(from);
	mm->fork_parent = from;
	lock_hand_over(&from->lock);
	*child = mm;
	return 0;
}

void mm_fork_finish(struct mm *mm)
{
	fork_release(mm);
}

void mm_reset(struct mm *mm)
{
	patch_reset(mm);
	mutex_lock(&mm->lock);
	drop_areas(mm);
	(void)plat_unmap(USER_START, USER_END - USER_START);
	mm->default_flags = 0;
	mm->brk_start = 0;
	mm->brk = 0;
	mm->stack_top = 0;
	mm->stack_limit = 0;
	mm->rested_at = 0;
	mm_look_at_image(mm);
	choose_top(mm);
	mutex_unlock(&mm->lock);
}

/* --- Faults
 * ---------------------------------------------------------------------------
 */

/* An access just below a stack that may grow. */
static bool grow_stack(struct mm *mm, struct area *a, uaddr_t addr)
{
	uaddr_t start = PAGE_DOWN(addr);
	u64 grow = a->start - start;
	struct area *below;

	if (!(a->flags & AREA_GROWSDOWN) ||
	    a->end - start > rlimit_current(RLIMIT_STACK) ||
	    start < USER_START + MM_STACK_GAP)
		return false;
	below = area_prev(a);
	if (below && (below->flags & AREA_PROT) &&
	    below->end + MM_STACK_GAP > start)
		return false;
	if (below && below->end > start)
		return false;
	if (mm_over_limit(mm, a->flags, grow >> PAGE_SHIFT) ||
	    plat_map(start, grow, (int)(a->flags & AREA_PROT), PLAT_ANON, 0))
		return false;
	area_set_range(a, start, a->end);
	return true;
}

static bool allows(const struct area *a, const struct plat_fault *fault)
{
	bool is_write = fault->error_code & 2;
	bool is_fetch = fault->error_code & 16;

	if (is_write)
		return a->flags & AREA_WRITE;
	if (is_fetch)
		return a->flags & AREA_EXEC;
	return (a->flags & AREA_PROT) != 0;
}

/* Mapped and allowed: another thread was changing it just now, or a wake has
 * left it elsewhere. But not for ever, should the platform see it otherwise. */
static bool may_retry(struct mm *mm, uaddr_t addr)
{
	nsec_t now = plat_clock(PLAT_MONOTONIC);

	if (mm->retry_address != addr ||
	    now - mm->retried_since > RETRIES_TIME) {
		mm->retry_address = addr;
		mm->retried_since = now;
		mm->nretries = 0;
	}
	return ++mm->nretries < RETRIES_MAX;
}

#define LEFT_PIECE KIB(64)

/* Map [start, end) of a anew, if a wake may have left some of it elsewhere. */
static bool bring_left(struct area *a, uaddr_t start, uaddr_t end)
{
	if (!plat_cache_is_left() || !a->object ||
	    a->object->backing != PLAT_CACHE || !(a->flags & AREA_SHARED))
		return false;
	start = MAX(PAGE_DOWN(start), a->start);
	end = MIN(PAGE_UP(end), a->backed_end);
	return start < end && area_map(a, start, end) == 0;
}

static bool bring_left_piece(struct area *a, uaddr_t addr)
{
	uaddr_t start = addr - (a->offset + (addr - a->start)) % LEFT_PIECE;

	return bring_left(a, start, start + LEFT_PIECE);
}

/* Under mm->lock. */
static bool repair(struct mm *mm, const struct plat_fault *fault, int *sig,
		   int *code)
{
	uaddr_t addr = PAGE_DOWN(fault->address);
	struct area *a = mm_area_at(mm, addr);

	*sig = LINUX_SIGSEGV;
	*code = LINUX_SEGV_MAPERR;
	if (!a)
		return false;
	if (a->start > addr)
		return grow_stack(mm, a, addr);
	*code = LINUX_SEGV_ACCERR;
	if (!allows(a, fault))
		return false;
	*sig = LINUX_SIGBUS;
	*code = LINUX_BUS_ADRERR;
	if (a->object && addr >= a->backed_end) {
		/* Past the end; unless the file has grown since. */
		return area_back_more(a) == 0 && addr < a->backed_end;
	}
	if (fault->kind == PLAT_FAULT_BUS && bring_left_piece(a, addr))
		return may_retry(mm, addr);
	if (area_is_lazy(a))
		return area_fault(a, addr, fault->error_code & 2) == 0;
	if ((a->flags & AREA_CLEAN) && (fault->error_code & 2))
		return area_written(a) == 0;
	return fault->kind != PLAT_FAULT_BUS && may_retry(mm, addr);
}

bool mm_fault(const struct plat_fault *fault, int *sig, int *code)
{
	struct mm *mm = mm_current();
	bool ok;

	*sig = fault->kind == PLAT_FAULT_BUS ? LINUX_SIGBUS : LINUX_SIGSEGV;
	*code = fault->kind == PLAT_FAULT_BUS ? LINUX_BUS_ADRERR
					      : LINUX_SEGV_MAPERR;
	if (fault->kind != PLAT_FAULT_SEGV_MAPERR &&
	    fault->kind != PLAT_FAULT_SEGV_ACCERR &&
	    fault->kind != PLAT_FAULT_BUS)
		return false;
	if (!mm || fault->address >= USER_END)
		return false;
	mutex_lock(&mm->lock);
	ok = repair(mm, fault, sig, code);
	mutex_unlock(&mm->lock);
	return ok;
}

/* The host could not reach all of [start, end) of a. */
static bool bring_in(struct area *a, uaddr_t start, uaddr_t end)
{
	bool is_write = (a->flags & AREA_WRITE) != 0;
	bool changed = false;

	end = MIN(end, a->backed_end);
	for (start = MAX(start, a->start); start < end;
	     start = PAGE_DOWN(start) + PAGE_SIZE)
		changed |= area_fault(a, start, is_write) == 0;
	return changed;
}

bool mm_expect_writes(const struct plat_iovec *iov, int n)
{
	struct mm *mm = mm_current();
	bool changed = false;

	mutex_lock(&mm->lock);
	for (int i = 0; i < n; i++) {
		uaddr_t end = iov[i].base + iov[i].len;
		struct area *a = area_in_range(mm, iov[i].base, end);

		for (; a && a->start < end; a = mm_area_next(a)) {
			if ((a->flags & AREA_WRITE) &&
			    bring_left(a, iov[i].base, end))
				changed |= may_retry(mm, iov[0].base);
			if (area_is_lazy(a) && (a->flags & AREA_PROT) &&
			    may_retry(mm, iov[0].base))
				changed |= bring_in(a, iov[i].base, end);
			if ((a->flags & AREA_CLEAN) && (a->flags & AREA_WRITE))
				changed |= area_written(a) == 0;
			else if (!area_is_lazy(a) && (a->flags & AREA_WRITE))
				/* Somebody was changing it (repair()). */
				changed |= may_retry(mm, iov[0].base);
		}
	}
	mutex_unlock(&mm->lock);
	return changed;
}

bool mm_expect_reads(const struct plat_iovec *iov, int n)
{
	struct mm *mm = mm_current();
	bool is_new;
	u8 byte;

	for (int i = 0; i < n; i++) {
		uaddr_t at = iov[i].base, end = at + iov[i].len;

		for (; at < end; at = PAGE_DOWN(at) + PAGE_SIZE)
			if (user_copy_in_some(&byte, at, 1) != 1)
				return false;
	}
	mutex_lock(&mm->lock);
	is_new = n && may_retry(mm, iov[0].base);
	mutex_unlock(&mm->lock);
	return is_new;
}

/* --- Questions
 * ---------------------------------------------------------------------------
 */

int mm_futex_key(uaddr_t addr, bool is_private, struct futex_key *key)
{
	struct mm *mm = mm_current();
	struct area *a;

	if (addr % 4)
		return -EINVAL;
	if (!user_range_ok(addr, 4))
		return -EFAULT;
	key->a = (u64)mm;
	key->b = addr;
	if (is_private)
		return 0;
	mutex_lock(&mm->lock);
	a = area_find(mm, addr);
	if (a && (a->flags & AREA_SHARED) && a->object) {
		key->a = (u64)a->object;
		key->b = a->offset + (addr - a->start);
	}
	mutex_unlock(&mm->lock);
	return a ? 0 : -EFAULT;
}

#define MEASURE_PAGES (16UL << (20 - PAGE_SHIFT))
#define MEASURE_PAUSE (10 * NSEC_PER_MSEC)

void mm_measure(struct mm *mm)
{
	struct mm_usage u;
	nsec_t now;

	if (mm->data_pages < MEASURE_PAGES)
		return;
	now = plat_clock(PLAT_MONOTONIC);
	if (now - mm->measured_at < MEASURE_PAUSE)
		return;
	mm->measured_at = now;
	mm_usage(mm, &u);
}

void mm_usage(struct mm *mm, struct mm_usage *u)
{
	*u = (struct mm_usage){ 0 };
	mutex_lock(&mm->lock);
	for (struct rb_node *n = rb_first(&mm->areas); n; n = rb_next(n)) {
		struct area *a = rb_entry(n, struct area, node);
		u64 len = a->end - a->start;

		if (a->flags & AREA_STACK)
			u->stack += len;
		else if ((a->flags & (AREA_EXEC | AREA_WRITE)) == AREA_EXEC)
			u->text += len;
		if (a->flags & AREA_SHARED)
			u->shared += len;
	}
	u->size = mm->total_pages << PAGE_SHIFT;
	u->data = mm->data_pages << PAGE_SHIFT;
	u->locked = mm->locked_pages << PAGE_SHIFT;
	u->rss = mm->space ? plat_space_rss(mm->space) : 0;
	mm->peak_rss = MAX(mm->peak_rss, u->rss);
	mutex_unlock(&mm->lock);
}
