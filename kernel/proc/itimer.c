/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interval timers. ITIMER_REAL is a kernel timer; the CPU-time ones look at the
 * process's CPU time from time to time while they are armed. The callbacks run
 * on process 0's main thread.
 */
#include "kernel/proc/itimer.h"

#include "kernel/kernel.h"
#include "kernel/linux/resource.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/cputime.h"
#include "kernel/proc/proc_int.h"
#include "kernel/proc/timer.h"

struct itimer {
	struct ktimer timer;
	struct itimers *set;
	nsec_t interval;
	nsec_t expires;		/* on its clock; 0: disarmed */
	nsec_t last_cpu, pause; /* of the CPU-time ones */
};

struct itimers {
	struct mutex user_lock; /* one change at a time; before lock */
	struct mutex lock;	/* the timers; taken by callbacks */
	struct process *process;
	struct itimer timer[ITIMER_NR_COUNT];
};

static const int signals[ITIMER_NR_COUNT] = {
	[ITIMER_NR_REAL] = LINUX_SIGALRM,
	[ITIMER_NR_VIRTUAL] = LINUX_SIGVTALRM,
	[ITIMER_NR_PROF] = LINUX_SIGPROF,
	[ITIMER_NR_LIMIT] = LINUX_SIGXCPU,
};

static bool is_cpu(const struct itimer *t)
{
	return t != &t->set->timer[ITIMER_NR_REAL];
}

static nsec_t clock_of(const struct itimer *t)
{
	struct plat_times times;

	if (!is_cpu(t))
		return plat_clock(PLAT_MONOTONIC);
	if (t != &t->set->timer[ITIMER_NR_VIRTUAL])
		return process_cputime(t->set->process);
	process_times(t->set->process, &times);
	return times.user;
}

/* lock held, armed. */
static void schedule(struct itimer *t, nsec_t now)
{
	if (!is_cpu(t)) {
		timer_arm(&t->timer, t->expires);
		return;
	}
	timer_arm(&t->timer,
		  cpu_clock_next(t->expires - now, t->set->process->nlive,
				 now != t->last_cpu, &t->pause));
	t->last_cpu = now;
}

static nsec_t limit_nsec(u64 seconds)
{
	nsec_t n;

	return ckd_mul(&n, seconds, NSEC_PER_SEC) ? NSEC_MAX : n;
}

/* lock held, expired just now. While nobody takes the signal of before, there
 * is no point in a short interval. */
static void schedule_next(struct itimer *t, nsec_t now)
{
	struct process *p = t->set->process;

	if (!is_cpu(t) &&
	    (atomic_load(&p->pending.set) & SIG_BIT(LINUX_SIGALRM)))
		timer_arm(&t->timer, MAX(t->expires, now + NSEC_PER_MSEC));
	else
		schedule(t, now);
}

static void expired(struct ktimer *timer)
{
	struct itimer *t = container_of(timer, struct itimer, timer);
	struct linux_siginfo info;
	bool fire = false;
	int sig = signals[t - t->set->timer];
	nsec_t now;
	u64 n;

	mutex_lock(&t->set->lock);
	now = clock_of(t);
	if (t->expires && now >= t->expires) {
		fire = true;
		if (t->interval)
			t->expires = clock_next_period(t->expires, t->interval,
						       now, &n);
		else
			t->expires = 0;
	}
	if (t->expires)
		schedule_next(t, now);
	mutex_unlock(&t->set->lock);
	if (!fire)
		return;
	if (sig == LINUX_SIGXCPU &&
	    now >= limit_nsec(t->set->process->rlimits[RLIMIT_CPU].max))
		sig = LINUX_SIGKILL;
	siginfo_kernel(&info, sig);
	(void)signal_send_process(t->set->process, sig, &info);
}

static struct itimers *itimers_new(struct process *p)
{
	struct itimers *set = kzalloc(sizeof(*set));

	if (!set)
		return NULL;
	set->process = p;
	for (int i = 0; i < ITIMER_NR_COUNT; i++) {
		set->timer[i].set = set;
		timer_init(&set->timer[i].timer, expired);
	}
	return set;
}

/* A process's, made at first use. */
static struct itimers *itimers_of(struct process *p)
{
	mutex_lock(&p->lock);
	if (!p->itimers)
		p->itimers = itimers_new(p);
	mutex_unlock(&p->lock);
	return p->itimers;
}

/* lock held. */
static void value_of(const struct itimer *t, struct itimer_value *value)
{
	value->interval = t->interval;
	value->left = 0;
	if (t->expires) /* armed: never say 0, not even when overdue */
		value->left = MAX(t->expires - clock_of(t), NSEC_PER_USEC);
}

void itimer_get(int which, struct itimer_value *value)
{
	struct itimers *set = process_current()->itimers;

	memset(value, 0, sizeof(*value));
	if (!set)
		return;
	mutex_lock(&set->lock);
	value_of(&set->timer[which], value);
	mutex_unlock(&set->lock);
}

/* Start or stop with expiry `expires` on the timer's clock. */
static void start(struct itimer *t, nsec_t expires, nsec_t now)
{
	t->expires = expires;
	t->pause = 0;
	if (expires)
		schedule(t, now);
}

void itimer_limit_cpu(struct process *p)
{
	u64 seconds = p->rlimits[RLIMIT_CPU].cur;
	struct itimers *set = itimers_of(p);
	struct itimer *t;

	if (!set)
		return; /* no memory: the limit is not watched */
	t = &set->timer[ITIMER_NR_LIMIT];
	mutex_lock(&set->user_lock);
	timer_cancel(&t->timer);
	mutex_lock(&set->lock);
	t->interval = NSEC_PER_SEC; /* SIGXCPU every second from then on */
	start(t,
	      seconds == LINUX_RLIM_INFINITY ? 0
					     : limit_nsec(MAX(seconds, 1UL)),
	      clock_of(t));
	mutex_unlock(&set->lock);
	mutex_unlock(&set->user_lock);
}

int itimer_set(int which, const struct itimer_value *value,
	       struct itimer_value *old)
{
	struct itimers *set = itimers_of(process_current());
	struct itimer *t;
	nsec_t now, expires;

	if (!set)
		return -ENOMEM;
	t = &set->timer[which];
	mutex_lock(&set->user_lock);
	timer_cancel(&t->timer);
	mutex_lock(&set->lock);
	if (old)
		value_of(t, old);
	now = clock_of(t);
	t->interval = value->interval;
	if (!value->left)
		expires = 0;
	else if (ckd_add(&expires, now, value->left))
		expires = NSEC_MAX;
	start(t, expires, now);
	mutex_unlock(&set->lock);
	mutex_unlock(&set->user_lock);
	return 0;
}

void itimers_exit(struct process *p)
{
	struct itimers *set = p->itimers;

	if (!set)
		return;
	p->itimers = NULL;
	for (int i = 0; i < ITIMER_NR_COUNT; i++)
		timer_cancel(&set->timer[i].timer);
	kfree(set);
}
