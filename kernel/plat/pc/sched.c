/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs: a queue for each CPU, its timers, and the switch. A thread stays
 * where it ran last; a CPU without work takes from another. There is a tick
 * only while somebody waits for the CPU.
 */
#include "kernel/cpu/fpu.h"
#include "kernel/plat/pc/pc.h"
#include "kernel/proc/thread.h"

#define SLICE (4 * NSEC_PER_MSEC)
/* Who wakes may run at once when the other has had so much more. */
#define WAKE_GRAIN (NSEC_PER_MSEC / 2)
#define SLEEPER_CREDIT (2 * NSEC_PER_MSEC)
/* A program can stop its CPU (`hlt`) until an interrupt: there is always one.
 */
#define TICK NSEC_PER_SEC

/* Under c->lock: the timer at the next thing that happens by itself. */
static void set_timer(struct cpu *c)
{
	struct rb_node *first = rb_first(&c->timers);
	nsec_t at = NSEC_MAX;

	if (first)
		at = rb_entry(first, struct timer, node)->at;
	/* Not while a switch is to come anyway, which sets it again: a timer of
	 * the past interrupts at once, and, by KVM, again before a single
	 * instruction of the CPU that is to switch. */
	if (c->nqueued && c->running != c->idle && !c->must_schedule)
		at = MIN(at, c->slice_end);
	/* One that comes too early sets the next. */
	if (c->timer_at <= at && c->timer_at != NSEC_MAX)
		return;
	if (c->running != c->idle)
		at = MIN(at, clock_now() + TICK);
	if (at == NSEC_MAX)
		return;
	c->timer_at = at;
	apic_timer(at);
}

/* --- Timers -----------------------------------------------------------------
 */

void deadline_set(struct plat_slot *s, nsec_t at)
{
	struct cpu *c = this_cpu();
	struct rb_node **link = &c->timers.node, *parent = NULL;
	struct timer *t = &s->timer;

	spin_take(&c->lock);
	while (*link) {
		parent = *link;
		link = at < rb_entry(parent, struct timer, node)->at
			       ? &parent->left
			       : &parent->right;
	}
	t->at = at;
	t->cpu = c;
	rb_insert(&c->timers, &t->node, parent, link);
	set_timer(c);
	spin_give(&c->lock);
}

void deadline_cancel(struct plat_slot *s)
{
	struct cpu *c = atomic_load(&s->timer.cpu);

	if (!c)
		return;
	spin_take(&c->lock);
	if (s->timer.cpu)
		rb_erase(&c->timers, &s->timer.node);
	atomic_store(&s->timer.cpu, NULL);
	spin_give(&c->lock);
}

/* One that is due, no longer in the tree; or NULL. */
static struct plat_slot *timer_due(struct cpu *c, nsec_t now)
{
	struct plat_slot *s = NULL;
	struct rb_node *first;

	spin_take(&c->lock);
	first = rb_first(&c->timers);
	if (first && rb_entry(first, struct timer, node)->at <= now) {
		s = rb_entry(first, struct plat_slot, timer.node);
		rb_erase(&c->timers, first);
		atomic_store(&s->timer.cpu, NULL);
	}
	spin_give(&c->lock);
	return s;
}

void sched_tick(struct cpu *c)
{
	nsec_t now = clock_now();
	struct plat_slot *s;

	while ((s = timer_due(c, now)))
		wait_end(s, true);
	spin_take(&c->lock);
	if (c->nqueued && now >= c->slice_end)
		c->must_schedule = c->is_slice_over = true;
	c->timer_at = NSEC_MAX; /* it has fired */
	set_timer(c);
	spin_give(&c->lock);
}

/* --- The queue --------------------------------------------------------------
 */

static void enqueue(struct cpu *c, struct plat_slot *s)
{
	struct rb_node **link = &c->queue.node, *parent = NULL;

	s->state = SLOT_READY;
	while (*link) {
		parent = *link;
		link = s->vruntime < rb_entry(parent, struct plat_slot, node)
					       ->vruntime
			       ? &parent->left
			       : &parent->right;
	}
	rb_insert(&c->queue, &s->node, parent, link);
	c->nqueued++;
}

/* Who has had least. */
static struct plat_slot *dequeue(struct cpu *c)
{
	struct rb_node *first = rb_first(&c->queue);
	struct plat_slot *s;

	if (!first)
		return c->idle;
	s = rb_entry(first, struct plat_slot, node);
	rb_erase(&c->queue, first);
	c->nqueued--;
	return s;
}

/* s is in the queue of c, this CPU: may it run at once? */
static void look_again(struct cpu *c, const struct plat_slot *s)
{
	nsec_t now = clock_now(), had;

	if (c->running == c->idle) {
		c->must_schedule = true;
		return;
	}
	had = c->running->vruntime + (now - c->switched_at) - s->vruntime;
	if (had > WAKE_GRAIN)
		c->must_schedule = true;
	else
		c->slice_end = MIN(c->slice_end, now + WAKE_GRAIN - had);
	set_timer(c);
}

/* Time goes on for who has had least of those that want the CPU. */
static void advance(struct cpu *c)
{
	struct rb_node *first = rb_first(&c->queue);
	nsec_t least = NSEC_MAX;

	if (first)
		least = rb_entry(first, struct plat_slot, node)->vruntime;
	if (c->running != c->idle)
		least = MIN(least, c->running->vruntime + clock_now() -
					   c->switched_at);
	if (least != NSEC_MAX)
		c->vruntime = MAX(c->vruntime, least);
}

/* --- Which CPU --------------------------------------------------------------
 */

/* c had nothing to do, and nobody else gives it something now. */
static bool claim(struct cpu *c)
{
	return atomic_load(&c->is_idle) && atomic_xchg(&c->is_idle, 0);
}

static struct cpu *claim_any(void)
{
	for (u32 i = 0; i < ncpus; i++)
		if (claim(&cpus[i]))
			return &cpus[i];
	return NULL;
}

/* Where s, which waits or is new, is to run: where it was, if that has nothing
 * else to do, else where nobody is. A CPU that has not left it yet keeps it. */
static struct cpu *place(const struct plat_slot *s, struct cpu *me)
{
	struct cpu *last = s->last ? s->last : me, *c;

	if (ncpus == 1 || atomic_load_acquire(&s->on_cpu) || claim(last))
		return last;
	c = claim_any();
	return c ? c : last;
}

/* s is in no queue: its time as c counts it. */
static void bring(struct cpu *c, struct plat_slot *s)
{
	if (s->last && s->last != c)
		s->vruntime += atomic_load(&c->vruntime) -
			       atomic_load(&s->last->vruntime);
	s->last = c;
}

/* One that waits for another CPU, for this one, which has nothing to do. */
static struct plat_slot *take_from(struct cpu *c)
{
	struct plat_slot *s = NULL;

	if (!atomic_load(&c->nqueued))
		return NULL;
	spin_take(&c->lock);
	for (struct rb_node *n = rb_first(&c->queue); n && !s; n = rb_next(n)) {
		s = rb_entry(n, struct plat_slot, node);
		if (atomic_load_acquire(&s->on_cpu))
			s = NULL; /* is about to stop there */
	}
	if (s) {
		rb_erase(&c->queue, &s->node);
		c->nqueued--;
	}
	spin_give(&c->lock);
	return s;
}

static void put(struct cpu *c, struct plat_slot *s)
{
	spin_take(&c->lock);
	bring(c, s);
	enqueue(c, s);
	spin_give(&c->lock);
}

static bool steal(struct cpu *me)
{
	struct plat_slot *s = NULL;

	for (u32 i = 1; i < ncpus && !s; i++)
		s = take_from(&cpus[(me->id + i) % ncpus]);
	if (s)
		put(me, s);
	return s != NULL;
}

/* `s` has just stopped here, at the end of its slice: if another CPU has fewer
 * that wait, they share. So all get the same, however many CPUs there are. */
static bool pass_on(struct cpu *me, struct plat_slot *s)
{
	struct cpu *to = NULL;

	for (u32 i = 1; i < ncpus && !to; i++) {
		to = &cpus[(me->id + i) % ncpus];
		if (atomic_load(&to->nqueued) >= me->nqueued)
			to = NULL;
	}
	if (!to)
		return false;
	spin_take(&me->lock);
	if (s->state != SLOT_READY) {
		spin_give(&me->lock);
		return false;
	}
	rb_erase(&me->queue, &s->node);
	me->nqueued--;
	spin_give(&me->lock);
	atomic_store_release(&s->on_cpu, 0);
	put(to, s);
	apic_send(to->apic_id, VECTOR_KICK);
	return true;
}

void sched_look(struct cpu *c)
{
	struct rb_node *first;

	spin_take(&c->lock);
	first = rb_first(&c->queue);
	if (first)
		look_again(c, rb_entry(first, struct plat_slot, node));
	spin_give(&c->lock);
}

void sched_ready(struct plat_slot *s)
{
	u64 flags = irq_save();
	struct cpu *me = this_cpu(), *c = place(s, me), *idle = NULL;

	spin_take(&c->lock);
	bring(c, s);
	advance(c);
	/* Who slept is not owed all that he has not used. */
	s->vruntime = MAX(s->vruntime, c->vruntime - SLEEPER_CREDIT);
	enqueue(c, s);
	if (c == me)
		look_again(c, s);
	spin_give(&c->lock);
	if (c != me)
		apic_send(c->apic_id, VECTOR_KICK);
	/* One that became idle meanwhile has looked too early. */
	smp_mb();
	if (ncpus > 1 && c->running != c->idle)
		idle = claim_any();
	if (idle)
		apic_send(idle->apic_id, VECTOR_KICK);
	irq_restore(flags);
}

/* --- The switch --------------------------------------------------------------
 */

static void account(struct cpu *c, struct plat_slot *s, nsec_t now)
{
	nsec_t time = now - c->switched_at;

	c->switched_at = now;
	s->cputime += time;
	s->vruntime += time;
	if (s->space)
		atomic_fetch_add(&s->space->cputime, time);
}

void sched_charge(void)
{
	struct cpu *c = this_cpu();

	spin_take(&c->lock);
	account(c, c->running, clock_now());
	spin_give(&c->lock);
}

static void leave(struct plat_slot *s)
{
	s->fs_base = plat_get_fs_base();
	if (s->has_fpu)
		fpu_save_area(slot_fpu(s));
}

static void load(struct cpu *c, struct plat_slot *s)
{
	if (s->space && s->space != c->space)
		cpu_load_space(c, s->space);
	if (s->rseq && s->rseq_cpu != c->id)
		atomic_fetch_or(&s->cpu.current->work, (u32)WORK_QUIET);
	plat_set_fs_base(s->fs_base);
	if (s->has_fpu)
		fpu_restore_area(slot_fpu(s));
	__asm__ volatile("wrgsbase %0" : : "r"(s));
}

void sched_arrived(void)
{
	struct cpu *c = this_cpu();
	struct plat_slot *before = c->before;
	bool is_slice_over = c->is_slice_over;
	u32 *done;

	c->is_slice_over = false;
	if (before->state != SLOT_DEAD) {
		if (!is_slice_over || before == c->idle || !pass_on(c, before))
			atomic_store_release(&before->on_cpu, 0);
		return;
	}
	done = before->done;
	slot_free(before);
	if (done)
		atomic_store_release(done, 1);
}

/* Under c's lock. Who is in a queue is off its CPU, or that is this one. */
static struct plat_slot *choose(struct cpu *c, struct plat_slot *me)
{
	struct plat_slot *next = dequeue(c);

	next->state = SLOT_RUNNING;
	if (next == me)
		return next;
	kassert(!atomic_load(&next->on_cpu));
	atomic_store(&next->on_cpu, 1);
	next->last = c;
	c->before = me;
	c->running = next;
	return next;
}

static void switch_to_slot(struct cpu *c, struct plat_slot *before,
			   struct plat_slot *s)
{
	leave(before);
	load(c, s);
	thread_switch(&before->sp, s->sp);
	sched_arrived();
}

void sched_switch(void)
{
	struct cpu *c = this_cpu();
	struct plat_slot *me = c->running, *next;
	nsec_t now = clock_now();

	spin_take(&c->lock);
	c->must_schedule = false;
	account(c, me, now);
	if (me != c->idle && me->state == SLOT_RUNNING)
		enqueue(c, me);
	next = choose(c, me);
	c->slice_end = now + SLICE;
	set_timer(c);
	spin_give(&c->lock);
	if (next != me)
		switch_to_slot(c, me, next);
	else
		c->is_slice_over = false;
}

void sched_preempt(void)
{
	u64 flags = irq_save();

	if (flags & EFLAGS_IF && this_cpu()->must_schedule)
		sched_switch();
	irq_restore(flags);
}

void plat_yield(void)
{
	u64 flags = irq_save();

	sched_switch();
	irq_restore(flags);
}

NORETURN void sched_idle(void)
{
	struct cpu *c = this_cpu();

	for (;;) {
		__asm__ volatile("cli" : : : "memory");
		/* First this, then a last look: see sched_ready(). */
		(void)atomic_xchg(&c->is_idle, 1);
		if (!atomic_load(&c->nqueued) && !steal(c)) {
			__asm__ volatile("sti\n\thlt" : : : "memory");
			continue;
		}
		atomic_store(&c->is_idle, 0);
		sched_switch();
	}
}

NORETURN void idle_main(UNUSED struct thread *t)
{
	sched_idle();
}

void sched_init(struct cpu *c)
{
	c->timer_at = NSEC_MAX;
	c->slice_end = NSEC_MAX;
	c->switched_at = clock_now();
}

/* --- plat.h: what it has cost
 * ------------------------------------------------- */

/* What s has used on c since it was put there; under c's lock. */
static nsec_t time_on(const struct cpu *c, nsec_t now)
{
	return MAX(now - c->switched_at, 0);
}

nsec_t plat_thread_cputime(struct thread *t)
{
	struct plat_slot *s = t->slot;
	nsec_t time;
	struct cpu *c;
	u64 flags;

	if (!s || !s->last)
		return 0;
	flags = irq_save();
	c = atomic_load(&s->last);
	spin_take(&c->lock);
	time = s->cputime;
	if (s == c->running)
		time += time_on(c, clock_now());
	spin_give(&c->lock);
	irq_restore(flags);
	return time;
}

/* With all CPUs' locks, by number: no time is counted twice or not at all. */
nsec_t plat_space_cputime(struct plat_space *space)
{
	nsec_t time, now;
	u64 flags;

	if (!space)
		return 0;
	flags = irq_save();
	for (u32 i = 0; i < ncpus; i++)
		spin_take(&cpus[i].lock);
	time = atomic_load(&space->cputime);
	now = clock_now();
	for (u32 i = 0; i < ncpus; i++)
		if (cpus[i].running->space == space)
			time += time_on(&cpus[i], now);
	for (u32 i = ncpus; i-- > 0;)
		spin_give(&cpus[i].lock);
	irq_restore(flags);
	return time;
}

static struct plat_times split(nsec_t total, nsec_t system)
{
	return (struct plat_times){ MAX(total - system, 0), system };
}

void plat_thread_times(struct thread *t, struct plat_times *times)
{
	struct plat_slot *s = t->slot;

	*times = split(plat_thread_cputime(t), s ? s->system : 0);
}

void plat_space_times(struct plat_space *space, struct plat_times *times)
{
	*times = split(plat_space_cputime(space),
		       space ? atomic_load(&space->system) : 0);
}
