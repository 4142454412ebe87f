/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers. A timer's signal is pending at most once; until it is taken the
 * timer stands still, however short its interval: what it missed is computed
 * then and reported as overruns. Callbacks run on process 0's main thread.
 */
#include "kernel/proc/posix_timer.h"

#include "kernel/kernel.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/proc_int.h"
#include "kernel/proc/timer.h"

#define IGNORED_TICK NSEC_PER_MSEC /* shortest interval if nobody listens */
#define FLUSHED_CHECK \
	(100 * NSEC_PER_MSEC) /* was the signal dropped, not taken? */

struct posix_timer {
	struct list node;
	struct ktimer timer;
	struct posix_timers *set;
	s32 id;
	s32 clock;
	struct linux_sigevent ev;
	struct thread *target; /* NOTIFY_THREAD_ID, or the clock's thread */
	nsec_t interval;
	nsec_t expires; /* on its clock, CPU clocks; else on monotonic; 0: off
			 */
	nsec_t slept;	/* clock_slept() that `expires` is of */
	nsec_t last_cpu, pause;
	bool stands;	  /* periodic; waits for its signal to be taken */
	s32 overrun;	  /* since the pending signal was sent */
	s32 last_overrun; /* of the last signal taken */
};

struct posix_timers {
	struct mutex user_lock; /* one call at a time; before lock */
	struct mutex lock; /* timers' fields and list; taken by callbacks */
	struct process *process;
	struct list list;
	s32 next_id;
};

static nsec_t timer_clock(const struct posix_timer *t)
{
	if (!clock_is_cpu(t->clock))
		return plat_clock(PLAT_MONOTONIC);
	if (t->clock == CLOCK_THREAD_CPUTIME_ID)
		return t->target->state == THREAD_ALIVE
			       ? plat_thread_cputime(t->target)
			       : t->last_cpu;
	return process_cputime(t->set->process);
}

/* lock held. The instance may have slept: the timer's clock did not. */
static void skip(struct posix_timer *t)
{
	nsec_t slept = clock_slept();

	if (t->expires && t->expires != NSEC_MAX && t->timer.counts_sleep)
		t->expires = MAX(t->expires - (slept - t->slept), 1);
	t->slept = slept;
}

/* lock held, armed. */
static void schedule(struct posix_timer *t, nsec_t now)
{
	u32 n = t->clock == CLOCK_THREAD_CPUTIME_ID ? 1
						    : t->set->process->nlive;

	if (!clock_is_cpu(t->clock)) {
		timer_arm(&t->timer, t->expires);
		return;
	}
	timer_arm(&t->timer, cpu_clock_next(t->expires - now, n,
					    now != t->last_cpu, &t->pause));
	t->last_cpu = now;
}

/* Is the signal of the last expiry still waiting to be taken? */
static bool is_pending(const struct posix_timer *t)
{
	struct process *p = t->set->process;
	const struct sigpending *s = t->ev.notify == NOTIFY_THREAD_ID
					     ? &t->target->pending
					     : &p->pending;
	struct sigqueue *q;
	bool found = false;

	mutex_lock(&p->sig_lock);
	list_for_each (q, &s->queue, node) {
		if (q->info.si_signo == t->ev.signo &&
		    q->info.si_code == LINUX_SI_TIMER &&
		    q->info.u.timer.tid == t->id)
			found = true;
	}
	mutex_unlock(&p->sig_lock);
	return found;
}

static bool is_ignored(const struct posix_timer *t)
{
	struct process *p = t->set->process;
	int sig = t->ev.signo;
	bool ignored;

	mutex_lock(&p->sig_lock);
	ignored = signal_action_ignores(&p->sighand->action[sig - 1], sig);
	mutex_unlock(&p->sig_lock);
	return ignored;
}

static void notify(struct posix_timer *t)
{
	struct linux_siginfo info;

	if (t->ev.notify == NOTIFY_NONE)
		return;
	memset(&info, 0, sizeof(info));
	info.si_signo = t->ev.signo;
	info.si_code = LINUX_SI_TIMER;
	info.u.timer.tid = t->id;
	info.u.timer.value = t->ev.value;
	if (t->ev.notify == NOTIFY_THREAD_ID)
		(void)signal_send_thread(t->target, t->ev.signo, &info);
	else
		(void)signal_send_process(t->set->process, t->ev.signo, &info);
}

static void count_overrun(struct posix_timer *t, u64 n)
{
	t->overrun = (s32)MIN((u64)t->overrun + n, (u64)INT32_MAX);
}

/* Move a periodic timer past now: how many expiries that are. */
static u64 forward(struct posix_timer *t, nsec_t now)
{
	u64 n;

	if (now < t->expires)
		return 0;
	t->expires = clock_next_period(t->expires, t->interval, now, &n);
	return n;
}

/* lock held: `now` is past the expiry. */
static void fire(struct posix_timer *t, nsec_t now)
{
	bool again = is_pending(t);
	u64 n = 1;

	if (t->interval)
		n = forward(t, now);
	else
		t->expires = 0;
	if (again) {
		count_overrun(t, n);
	} else {
		t->overrun = 0;
		count_overrun(t, n - 1);
		notify(t);
	}
	if (!t->interval)
		return;
	t->stands = is_pending(t);
	if (t->stands)
		timer_arm(&t->timer,
			  plat_clock(PLAT_MONOTONIC) + FLUSHED_CHECK);
	else if (is_ignored(t) && !clock_is_cpu(t->clock))
		timer_arm(&t->timer, MAX(t->expires, now + IGNORED_TICK));
	else
		schedule(t, now);
}

static void expired(struct ktimer *timer)
{
	struct posix_timer *t = container_of(timer, struct posix_timer, timer);
	nsec_t now;

	mutex_lock(&t->set->lock);
	skip(t);
	now = timer_clock(t);
	if (t->expires && now >= t->expires)
		fire(t, now);
	else if (t->expires)
		schedule(t, now);
	mutex_unlock(&t->set->lock);
}

/* --- The set of a process ------------------------------------------------ */

static struct posix_timers *set_current(void)
{
	struct process *p = process_current();
	struct posix_timers *set;

	mutex_lock(&p->lock);
	if (!p->posix_timers) {
		set = kzalloc(sizeof(*set));
		if (set) {
			set->process = p;
			list_init(&set->list);
		}
		p->posix_timers = set;
	}
	mutex_unlock(&p->lock);
	return p->posix_timers;
}

static struct posix_timer *find(struct posix_timers *set, s32 id)
{
	struct posix_timer *t;

	list_for_each (t, &set->list, node) {
		if (t->id == id)
			return t;
	}
	return NULL;
}

/* The timer with user_lock held, or NULL (not held). */
static struct posix_timer *timer_begin(s32 id)
{
	struct posix_timers *set = process_current()->posix_timers;
	struct posix_timer *t;

	if (!set)
		return NULL;
	mutex_lock(&set->user_lock);
	t = find(set, id);
	if (!t)
		mutex_unlock(&set->user_lock);
	return t;
}

static void timer_free(struct posix_timer *t)
{
	timer_cancel(&t->timer);
	thread_put(t->target);
	kfree(t);
}

static s32 free_id(struct posix_timers *set)
{
	while (find(set, set->next_id))
		set->next_id = (set->next_id + 1) & INT32_MAX;
	return set->next_id++ & INT32_MAX;
}

static bool check_event(const struct linux_sigevent *ev)
{
	switch (ev->notify) {
	case NOTIFY_NONE:
		return true;
	case NOTIFY_SIGNAL:
	case NOTIFY_THREAD: /* the C library's business; a signal for us */
	case NOTIFY_THREAD_ID:
		return ev->signo > 0 && ev->signo <= SIG_MAX;
	default:
		return false;
	}
}

/* The thread a timer is about, with a reference. */
static int find_target(struct posix_timer *t)
{
	if (t->ev.notify == NOTIFY_THREAD_ID) {
		t->target = thread_find(t->ev.tid);
		if (t->target && t->target->proc != process_current()) {
			thread_put(t->target);
			t->target = NULL;
		}
		return t->target ? 0 : -EINVAL;
	}
	thread_get(current());
	t->target = current();
	return 0;
}

/* CPU clocks of others are not timed. */
static bool clock_is_timed(s32 clock)
{
	return clock_can_sleep(clock) || clock == CLOCK_PROCESS_CPUTIME_ID ||
	       clock == CLOCK_THREAD_CPUTIME_ID;
}

/* ~0 << 3 names the caller's own CPU clocks. */
static s32 normal_clock(s32 clock)
{
	if (clock == -6 || clock == -5)
		return CLOCK_PROCESS_CPUTIME_ID;
	if (clock == -2 || clock == -1)
		return CLOCK_THREAD_CPUTIME_ID;
	return clock;
}

int posix_timer_create(s32 clock, const struct linux_sigevent *ev)
{
	struct posix_timers *set = set_current();
	struct posix_timer *t;
	nsec_t now;
	int err;

	clock = normal_clock(clock);
	if (!clock_is_timed(clock))
		return clock_is_cpu(clock) && !clock_read(clock, &now)
			       ? -EOPNOTSUPP
			       : -EINVAL;
	t = set ? kzalloc(sizeof(*t)) : NULL;
	if (!t)
		return -EAGAIN;
	t->clock = clock;
	t->set = set;
	if (ev)
		t->ev = *ev;
	else
		t->ev.signo = LINUX_SIGALRM;
	err = check_event(&t->ev) ? find_target(t) : -EINVAL;
	if (err) {
		kfree(t);
		return err;
	}
	timer_init(&t->timer, expired);
	mutex_lock(&set->user_lock);
	mutex_lock(&set->lock);
	t->id = free_id(set);
	if (!ev)
		t->ev.value.sival_int = t->id;
	list_append(&set->list, &t->node);
	mutex_unlock(&set->lock);
	mutex_unlock(&set->user_lock);
	return t->id;
}

/* lock held. */
static void value_of(struct posix_timer *t, struct posix_timer_value *v)
{
	nsec_t now = timer_clock(t), expires;
	u64 n;

	skip(t);
	expires = t->expires;
	v->interval = t->interval;
	v->left = 0;
	if (!expires)
		return;
	if (now >= expires && t->interval) /* not run yet, or no signal */
		expires = clock_next_period(expires, t->interval, now, &n);
	v->left = now < expires			? expires - now
		  : t->ev.notify == NOTIFY_NONE ? 0
						: 1;
}

int posix_timer_set(s32 id, const struct posix_timer_value *value,
		    bool absolute, struct posix_timer_value *old)
{
	struct posix_timer *t = timer_begin(id);
	struct posix_timers *set;
	nsec_t now;

	if (!t)
		return -EINVAL;
	set = t->set;
	timer_cancel(&t->timer);
	mutex_lock(&set->lock);
	if (old)
		value_of(t, old);
	t->interval = value->interval;
	t->expires = 0;
	t->overrun = 0;
	t->pause = 0;
	t->stands = false;
	now = timer_clock(t);
	t->slept = clock_slept();
	/* Relative times of CLOCK_REALTIME are monotonic's, as on Linux. */
	t->timer.counts_sleep = clock_counts_sleep(t->clock) &&
				(absolute || t->clock == CLOCK_BOOTTIME);
	if (value->left) {
		if (!clock_is_cpu(t->clock))
			t->expires =
				clock_deadline(t->clock, value->left, absolute);
		else if (absolute || ckd_add(&t->expires, now, value->left))
			t->expires = absolute ? value->left : NSEC_MAX;
		t->expires = MAX(t->expires, 1);
		if (t->ev.notify != NOTIFY_NONE)
			schedule(t, now);
	}
	mutex_unlock(&set->lock);
	mutex_unlock(&set->user_lock);
	return 0;
}

int posix_timer_get(s32 id, struct posix_timer_value *value)
{
	struct posix_timer *t = timer_begin(id);

	if (!t)
		return -EINVAL;
	mutex_lock(&t->set->lock);
	value_of(t, value);
	mutex_unlock(&t->set->lock);
	mutex_unlock(&t->set->user_lock);
	return 0;
}

int posix_timer_overrun(s32 id)
{
	struct posix_timer *t = timer_begin(id);
	int overrun;

	if (!t)
		return -EINVAL;
	overrun = t->last_overrun;
	mutex_unlock(&t->set->user_lock);
	return overrun;
}

int posix_timer_delete(s32 id)
{
	struct posix_timer *t = timer_begin(id);
	struct posix_timers *set;

	if (!t)
		return -EINVAL;
	set = t->set;
	mutex_lock(&set->lock);
	list_del(&t->node);
	mutex_unlock(&set->lock);
	timer_free(t);
	mutex_unlock(&set->user_lock);
	return 0;
}

void posix_timer_delivered(struct process *p, struct linux_siginfo *info)
{
	struct posix_timers *set = p->posix_timers;
	struct posix_timer *t;

	if (!set)
		return;
	mutex_lock(&set->lock);
	t = find(set, info->u.timer.tid);
	if (t && t->stands) {
		nsec_t now = timer_clock(t);

		skip(t);
		count_overrun(t, forward(t, now));
		t->stands = false;
		schedule(t, now);
	}
	if (t) {
		info->u.timer.overrun = t->overrun;
		t->last_overrun = t->overrun;
		t->overrun = 0;
	}
	mutex_unlock(&set->lock);
}

void posix_timers_exit(struct process *p)
{
	struct posix_timers *set = p->posix_timers;
	struct posix_timer *t, *next;

	if (!set)
		return;
	p->posix_timers = NULL;
	list_for_each_safe (t, next, &set->list, node)
		timer_free(t);
	kfree(set);
}
