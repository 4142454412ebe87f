/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd: a kernel timer that counts its expirations. A periodic timer is
 * armed again by the read that takes its ticks, which computes how many it
 * missed: neither a sleeping instance nor one with a very short interval works
 * tick by tick. See timerfd_create(2).
 */
#include "kernel/ipc/event.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/time.h"
#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/process.h"
#include "kernel/proc/timer.h"
#include "kernel/vfs/inode.h"

struct timerfd {
	struct mutex lock;
	struct ktimer timer;
	int clock;
	nsec_t next;	 /* monotonic time of the next expiry, 0 disarmed */
	nsec_t slept;	 /* clock_slept() that it is of */
	nsec_t interval; /* 0: one shot */
	u64 ticks;	 /* expirations since the last read */
	struct waitq wait;
};

static bool is_realtime(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
}

/* The instance may have slept: its clock did not. Lock held. */
static void timerfd_skip(struct timerfd *t)
{
	nsec_t slept = clock_slept();

	if (t->next && t->next != NSEC_MAX && t->timer.counts_sleep)
		t->next = MAX(t->next - (slept - t->slept), 1);
	t->slept = slept;
}

/* Count what has expired by now. Lock held. */
static void timerfd_update(struct timerfd *t, nsec_t now)
{
	u64 n;

	timerfd_skip(t);
	if (t->next == 0 || now < t->next)
		return;
	if (t->interval == 0) {
		t->ticks++;
		t->next = 0;
		return;
	}
	t->next = clock_next_period(t->next, t->interval, now, &n);
	t->ticks += n;
}

static void timerfd_expired(struct ktimer *k)
{
	struct timerfd *t = container_of(k, struct timerfd, timer);

	mutex_lock(&t->lock);
	timerfd_update(t, plat_clock(PLAT_MONOTONIC));
	if (t->next && !t->ticks)
		timer_arm(&t->timer, t->next);
	mutex_unlock(&t->lock);
	waitq_wake_events(&t->wait, EV_IN | EV_RDNORM, ~0U);
}

static s64 timerfd_read(struct file *f, struct uio *u, u64 *pos UNUSED)
{
	struct timerfd *t = f->data;
	struct waiter w;
	u64 ticks;
	int err = 0;

	if (u->left < sizeof(ticks))
		return -EINVAL;
	waiter_init(&w);
	waitq_add(&t->wait, &w);
	for (;;) {
		mutex_lock(&t->lock);
		timerfd_update(t, plat_clock(PLAT_MONOTONIC));
		ticks = t->ticks;
		t->ticks = 0;
		if (ticks && t->next)
			timer_arm(&t->timer, t->next);
		mutex_unlock(&t->lock);
		if (ticks)
			break;
		err = atomic_load(&f->flags) & O_NONBLOCK
			      ? -EAGAIN
			      : thread_sleep(NSEC_MAX, true);
		if (err)
			break;
	}
	waitq_remove(&w);
	if (!ticks)
		return err == -EINTR ? -ERESTARTSYS : err;
	return uio_put(u, &ticks, sizeof(ticks)) == sizeof(ticks)
		       ? (s64)sizeof(ticks)
		       : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->data;
	u32 ev;

	poll_wait(pt, &t->wait);
	mutex_lock(&t->lock);
	timerfd_update(t, plat_clock(PLAT_MONOTONIC));
	ev = t->ticks ? EV_IN | EV_RDNORM : 0;
	mutex_unlock(&t->lock);
	return ev;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->data;

	timer_cancel(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_fops = {
	.name = "timerfd",
	.lseek = file_stay,
	.read = timerfd_read,
	.poll = timerfd_poll,
	.release = timerfd_release,
};

int timerfd_new(int clock, u32 flags, struct file **f)
{
	struct timerfd *t = kzalloc(sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->clock = clock;
	waitq_init(&t->wait);
	timer_init(&t->timer, timerfd_expired);
	err = file_new_anon("[timerfd]", 0600, &timerfd_fops, t, O_RDWR | flags,
			    f);
	if (err)
		kfree(t);
	return err;
}

/* What is left, as timerfd_gettime() reports it. Lock held. */
static void timerfd_left(struct timerfd *t, nsec_t now, struct timerfd_spec *s)
{
	timerfd_update(t, now);
	s->interval = t->interval;
	s->value = t->next ? MAX(t->next - now, (nsec_t)1) : 0;
}

int timerfd_set(struct file *f, bool is_absolute,
		const struct timerfd_spec *spec, struct timerfd_spec *old)
{
	struct timerfd *t = f->data;
	nsec_t now = plat_clock(PLAT_MONOTONIC), at = spec->value;
	nsec_t slept = clock_slept();

	if (f->ops != &timerfd_fops)
		return -EINVAL;
	if (at && is_absolute && is_realtime(t->clock))
		at += now - plat_clock(PLAT_REALTIME);
	else if (at && is_absolute && t->clock == CLOCK_BOOTTIME)
		at += now - plat_clock(PLAT_BOOTTIME);
	else if (at && !is_absolute && ckd_add(&at, at, now))
		at = NSEC_MAX;
	if (spec->value && at <= 0)
		at = 1; /* long past: at once */
	timer_cancel(&t->timer);
	mutex_lock(&t->lock);
	timerfd_left(t, now, old);
	/* Relative times of CLOCK_REALTIME are monotonic's, as on Linux. */
	t->timer.counts_sleep = clock_counts_sleep(t->clock) &&
				(is_absolute || !is_realtime(t->clock));
	t->interval = spec->interval;
	t->next = at;
	t->slept = slept;
	timerfd_skip(t);
	at = t->next;
	t->ticks = 0;
	if (at)
		timer_arm(&t->timer, at);
	mutex_unlock(&t->lock);
	return 0;
}

int timerfd_get(struct file *f, struct timerfd_spec *spec)
{
	struct timerfd *t = f->data;

	if (f->ops != &timerfd_fops)
		return -EINVAL;
	mutex_lock(&t->lock);
	timerfd_left(t, plat_clock(PLAT_MONOTONIC), spec);
	mutex_unlock(&t->lock);
	return 0;
}
