/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel timers: a tree by expiry, run by process 0's main thread, which sleeps
 * until the first one.
 */
#include "kernel/proc/timer.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/process.h"

static struct {
	struct mutex lock;
	struct rb_root tree;	/* struct ktimer.node */
	nsec_t sleeps_until;	/* what timer_run() last returned */
	struct ktimer *running; /* its fn is being called, lock dropped */
	u32 runs; /* atomic; counts finished calls, cancellers wait on it */
} timers = { .sleeps_until = NSEC_MAX };

void timer_init(struct ktimer *t, void (*fn)(struct ktimer *t))
{
	t->fn = fn;
	t->is_armed = false;
	t->counts_sleep = false;
	t->expires = 0;
}

void timer_kick(void)
{
	struct thread *t = process_kernel ? process_kernel->leader : NULL;

	if (t && t != current())
		plat_kick(t);
}

static void insert(struct ktimer *t)
{
	struct rb_node **link = &timers.tree.node;
	struct rb_node *parent = NULL;

	while (*link) {
		struct ktimer *at = rb_entry(*link, struct ktimer, node);

		parent = *link;
		link = t->expires < at->expires ? &parent->left
						: &parent->right;
	}
	rb_insert(&timers.tree, &t->node, parent, link);
	t->is_armed = true;
}

static void disarm(struct ktimer *t)
{
	if (t->is_armed)
		rb_erase(&timers.tree, &t->node);
	t->is_armed = false;
}

void timer_arm(struct ktimer *t, nsec_t expires)
{
	bool nearer;

	mutex_lock(&timers.lock);
	disarm(t);
	t->expires = expires;
	insert(t);
	nearer = expires < timers.sleeps_until;
	if (nearer)
		timers.sleeps_until = expires; /* one kick is enough */
	mutex_unlock(&timers.lock);
	if (nearer)
		timer_kick();
}

void timer_cancel(struct ktimer *t)
{
	u32 runs;

	mutex_lock(&timers.lock);
	disarm(t);
	while (timers.running == t && current() != process_kernel->leader) {
		runs = atomic_load(&timers.runs);
		mutex_unlock(&timers.lock);
		plat_wait(&timers.runs, runs, NSEC_MAX);
		mutex_lock(&timers.lock);
		disarm(t); /* fn may have armed it again */
	}
	mutex_unlock(&timers.lock);
}

/* Those that move come before the ones that are still to be looked at. */
void timer_skip(nsec_t slept)
{
	struct rb_node *n, *next;

	mutex_lock(&timers.lock);
	for (n = rb_first(&timers.tree); n; n = next) {
		struct ktimer *t = rb_entry(n, struct ktimer, node);

		next = rb_next(n);
		if (!t->counts_sleep || t->expires == NSEC_MAX)
			continue;
		disarm(t);
		t->expires = MAX(t->expires - slept, 0);
		insert(t);
	}
	mutex_unlock(&timers.lock);
}

/* Call the fn of one due timer. False: none is due, *next is the first. */
static bool run_one(nsec_t now, nsec_t *next)
{
	struct rb_node *n = rb_first(&timers.tree);
	struct ktimer *t = n ? rb_entry(n, struct ktimer, node) : NULL;

	*next = t ? t->expires : NSEC_MAX;
	if (!t || t->expires > now)
		return false;
	disarm(t);
	timers.running = t;
	mutex_unlock(&timers.lock);
	t->fn(t);
	mutex_lock(&timers.lock);
	timers.running = NULL;
	atomic_fetch_add(&timers.runs, 1);
	plat_wake(&timers.runs, ~0U);
	return true;
}

nsec_t timer_run(void)
{
	nsec_t next;

	mutex_lock(&timers.lock);
	timers.sleeps_until = INT64_MIN; /* awake: nobody need kick */
	while (run_one(plat_clock(PLAT_MONOTONIC), &next))
		;
	timers.sleeps_until = next;
	mutex_unlock(&timers.lock);
	return next;
}
