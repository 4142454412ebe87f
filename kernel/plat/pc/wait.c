/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a word of kernel memory, and waking who waits: a table of queues
 * by address. A kick ends a wait, too.
 */
#include "kernel/plat/pc/pc.h"
#include "kernel/proc/thread.h"

#define BUCKETS 256u

static struct bucket {
	struct spin lock;
	struct list waiters; /* next == NULL: nobody yet */
} buckets[BUCKETS];

static struct bucket *bucket_of(const u32 *addr)
{
	u64 hash = ((u64)addr >> 2) * 0x9e3779b97f4a7c15UL;

	return &buckets[hash >> 56];
}

static u64 bucket_lock(struct bucket *b)
{
	u64 flags = spin_lock(&b->lock);

	if (!b->waiters.next)
		list_init(&b->waiters);
	return flags;
}

/* Under the bucket's lock: s is in it, and no longer is. */
static void take_out(struct plat_slot *s)
{
	list_del(&s->wait.node);
	s->wait.is_waiting = false;
	sched_ready(s);
}

/* Under the bucket's lock: not if a kick came before. */
static bool may_wait(struct plat_slot *s, const u32 *addr, u32 value)
{
	if (atomic_xchg(&s->kicked, 0))
		return false;
	return atomic_load_acquire(addr) == value;
}

int plat_wait(u32 *addr, u32 value, nsec_t deadline)
{
	struct plat_slot *s = slot_now();
	struct bucket *b = bucket_of(addr);
	u64 flags;

	if (deadline <= 0)
		return -ETIMEDOUT;
	flags = bucket_lock(b);
	/* Before the look at kicks: who comes after it finds us here. */
	atomic_store(&s->wait.addr, addr);
	if (!may_wait(s, addr, value)) {
		spin_unlock(&b->lock, flags);
		return 0;
	}
	s->wait.deadline = deadline;
	s->wait.is_waiting = true;
	s->wait.is_timed_out = false;
	list_append(&b->waiters, &s->wait.node);
	s->state = SLOT_WAITING;
	if (deadline != NSEC_MAX)
		deadline_set(s, deadline);
	spin_give(&b->lock);
	sched_switch();
	deadline_cancel(s);
	irq_restore(flags);
	return s->wait.is_timed_out ? -ETIMEDOUT : 0;
}

void plat_wake(u32 *addr, u32 n)
{
	struct bucket *b = bucket_of(addr);
	u64 flags = bucket_lock(b);
	struct wait *w, *next;

	list_for_each_safe (w, next, &b->waiters, node) {
		if (w->addr != addr)
			continue;
		if (!n--)
			break;
		take_out(container_of(w, struct plat_slot, wait));
	}
	spin_unlock(&b->lock, flags);
	sched_preempt();
}

void wait_end(struct plat_slot *s, bool is_timed_out)
{
	u32 *addr = atomic_load(&s->wait.addr);
	struct bucket *b = bucket_of(addr);
	u64 flags = bucket_lock(b);

	/* A timer's news may be late: the wait that it was for is over. */
	if (s->wait.is_waiting && s->wait.addr == addr &&
	    (!is_timed_out || s->wait.deadline <= clock_now())) {
		s->wait.is_timed_out = is_timed_out;
		take_out(s);
	}
	spin_unlock(&b->lock, flags);
}

int plat_wait_own(u32 *addr, u32 value, nsec_t deadline)
{
	return plat_wait(addr, value, deadline);
}

void plat_wake_own(u32 *addr)
{
	plat_wake(addr, 1);
}

void plat_kick(struct thread *t)
{
	struct plat_slot *s = atomic_load(&t->slot);
	struct cpu *c;

	if (!s)
		return;
	atomic_store(&s->kicked, 1);
	smp_mb();
	wait_end(s, false);
	c = atomic_load(&s->last);
	if (atomic_load(&s->on_cpu) && c && s != slot_now())
		apic_send(c->apic_id, VECTOR_KICK);
	sched_preempt();
}
