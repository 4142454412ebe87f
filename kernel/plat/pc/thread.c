/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: plat.h group 2. A slot is a kernel stack and what belongs to it;
 * slots are type-stable and recycled, so that a late look at a dead one reads
 * stale numbers, never other memory.
 */
#include "kernel/cpu/fpu.h"
#include "kernel/plat/pc/pc.h"
#include "kernel/proc/thread.h"

static struct spin slots_lock;
static u32 slots_free; /* index + 1 of the first, 0: none */
static u32 slots_fresh;

static void slot_setup(struct plat_slot *s)
{
	memset(s, 0, sizeof(*s));
	s->cpu.self = (u64)s;
	s->cpu.kernel_sp = slot_kernel_sp(s);
	list_init(&s->wait.node);
}

struct plat_slot *slot_new(void)
{
	u64 flags = spin_lock(&slots_lock);
	struct plat_slot *s = NULL;

	if (slots_free) {
		s = slot_by_index(slots_free - 1);
		slots_free = s->next_free;
	} else if (slots_fresh < KERNEL_SLOTS_MAX) {
		s = slot_by_index(slots_fresh++);
	}
	spin_unlock(&slots_lock, flags);
	if (s)
		slot_setup(s);
	return s;
}

void slot_free(struct plat_slot *s)
{
	u64 flags = spin_lock(&slots_lock);

	s->next_free = slots_free;
	slots_free = slot_index(s) + 1;
	spin_unlock(&slots_lock, flags);
}

int plat_thread_prepare(struct thread *t)
{
	struct plat_slot *s = slot_new();

	if (!s)
		return -EAGAIN;
	s->cpu.current = t;
	t->slot = s;
	return 0;
}

void plat_thread_discard(struct thread *t)
{
	slot_free(t->slot);
	t->slot = NULL;
}

/* As thread_switch() leaves one: seven words. The frame stays above. */
void thread_prepare_stack(struct plat_slot *s)
{
	u64 *sp = (u64 *)ROUND_DOWN((u64)slot_frame(s), 16UL);

	*--sp = 0;
	*--sp = (u64)thread_first;
	*--sp = 0;	/* rbp */
	*--sp = (u64)s; /* rbx */
	for (u32 i = 0; i < 4; i++)
		*--sp = 0;
	s->sp = (u64)sp;
}

NORETURN void thread_main(struct plat_slot *s)
{
	sched_arrived();
	__asm__ volatile("sti" : : : "memory");
	s->entry(s->cpu.current);
	kpanic("thread entry returned");
}

/* The registers that a copy of the caller begins with. */
static void inherit(struct plat_slot *s)
{
	s->fs_base = plat_get_fs_base();
	if (!slot_now()->has_fpu)
		return;
	fpu_save_area(slot_fpu(s));
	s->has_fpu = true;
}

static void start(struct plat_slot *s, void (*entry)(struct thread *),
		  struct plat_space *space)
{
	s->entry = entry;
	s->space = space;
	thread_prepare_stack(s);
	sched_ready(s);
}

int plat_thread_start(struct thread *t, void (*entry)(struct thread *))
{
	struct plat_space *space = slot_now()->space;

	inherit(t->slot);
	atomic_fetch_add(&space->nthreads, 1);
	start(t->slot, entry, space);
	return 0;
}

int plat_thread_fork(struct thread *t, void (*entry)(struct thread *),
		     struct plat_space **space)
{
	struct plat_space *copy = space_copy(slot_now()->space);

	if (!copy)
		return -ENOMEM;
	*space = copy; /* before the child can look */
	inherit(t->slot);
	t->slot->rseq = slot_now()->rseq;
	t->slot->rseq_sig = slot_now()->rseq_sig;
	start(t->slot, entry, copy);
	return 0;
}

int plat_thread_spawn(struct thread *t, void (*entry)(struct thread *),
		      struct plat_space **space)
{
	struct plat_slot *old = t->slot, *s = slot_new();
	struct plat_space *own = s ? space_new() : NULL;

	if (!own) {
		if (s)
			slot_free(s);
		return -EAGAIN;
	}
	*slot_frame(s) = *slot_frame(old);
	s->cpu.current = t;
	*space = own;
	atomic_store(&t->slot, s);
	/* A borrowed thread still runs on its old stack. */
	if (t != current())
		slot_free(old);
	start(s, entry, own);
	return 0;
}

/* --- vfork: a thread of its own in the caller's space, who waits -------------
 */

void plat_thread_borrow(struct thread *t, void (*entry)(struct thread *))
{
	u32 is_back = 0;

	t->slot->lender = &is_back;
	if (plat_thread_start(t, entry))
		kpanic("cannot start a borrowed thread");
	while (!atomic_load_acquire(&is_back))
		plat_wait(&is_back, 0, NSEC_MAX);
}

/* Whoever is switched to takes the slot back. */
NORETURN static void slot_end(struct plat_slot *s)
{
	__asm__ volatile("cli" : : : "memory");
	s->state = SLOT_DEAD;
	sched_switch();
	kpanic("a dead thread runs");
}

NORETURN void plat_thread_unborrow(void)
{
	struct plat_slot *s = slot_now();
	u32 *lender = s->lender;

	space_leave();
	__asm__ volatile("cli" : : : "memory");
	atomic_store_release(lender, 1);
	plat_wake(lender, 1);
	slot_end(s);
}

/* Others that are ending may still be in the space: the last one out drops it.
 */
NORETURN void plat_thread_exit(u32 *done, UNUSED bool last)
{
	struct plat_slot *s = slot_now();

	s->done = done;
	space_leave();
	slot_end(s);
}

/* --- The program -------------------------------------------------------------
 */

void plat_become(struct thread *t)
{
	struct plat_slot *s = slot_now();

	s->cpu.current = t;
	if (!t->slot)
		t->slot = s;
}

NORETURN void plat_return_to_user(struct frame *f)
{
	struct plat_slot *s = slot_now();
	struct frame *top = slot_frame(s);

	s->has_fpu = true;
	if (f != top)
		memmove(top, f, sizeof(*top));
	top->cs = USER_CS | FRAME_FULL_RESTORE;
	top->ss = USER_SS;
	exit_frame(top);
}

struct frame *plat_thread_frame(struct thread *t)
{
	return slot_frame(t->slot);
}

void plat_set_fs_base(u64 base)
{
	__asm__ volatile("wrfsbase %0" : : "r"(base));
}

u64 plat_get_fs_base(void)
{
	u64 base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}
