/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a thread sleeps and is woken. Theory of operation: thread.park_token is 1
 * when an unpark waits to be consumed. A sleeper publishes its sleep_mode, then
 * the platform's wait compares the token (or looks for a kick) once more; a
 * waker sets the token, then reads the mode. Whatever the order, one of them
 * sees the other.
 */
#include "kernel/boot/boot.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/clock.h"
#include "kernel/proc/process.h"

void thread_run_remote(void)
{
	for (struct thread *t = current(); t; t = t->vfork_parent) {
		/* The bit first: work queued from now on sets it again. */
		if (!(atomic_fetch_and(&t->work, ~(u32)WORK_REMOTE) &
		      WORK_REMOTE))
			continue;
		if (t->proc->mm)
			mm_run_remote(t);
	}
}

/* True if the sleep is over: *result says how. */
static bool sleep_check(struct thread *t, bool interruptible, int *result)
{
	u32 work = thread_work(t);

	if (unlikely(work & WORK_REMOTE))
		thread_run_remote();
	if (unlikely(work & WORK_CLONED) && interruptible) {
		clone_tell(t);
		work = thread_work(t);
	}
	if (interruptible && (work & WORK_INTERRUPTS)) {
		*result = -EINTR;
		return true;
	}
	if (atomic_load(&t->park_token) && atomic_xchg(&t->park_token, 0)) {
		/* The token may stand for work that came after the look. */
		if (unlikely(thread_work(t) & WORK_REMOTE))
			thread_run_remote();
		*result = 0;
		return true;
	}
	return false;
}

/* What is left of it, after what the instance slept through meanwhile. */
static nsec_t deadline_now(const struct thread *t, nsec_t deadline)
{
	if (likely(!t->counts_sleep) || deadline == NSEC_MAX)
		return deadline;
	return MAX(deadline - (clock_slept() - t->slept_before), 0);
}

int thread_sleep(nsec_t deadline, bool interruptible)
{
	struct thread *t = current();
	int err = 0, result = 0;

	lock_check_sleep("sleep");
	mm_rest(t->proc->mm);
	while (!sleep_check(t, interruptible, &result)) {
		if (err == -ETIMEDOUT)
			return err;
		t->nvcsw++;
		atomic_xchg(&t->sleep_mode, SLEEP_FUTEX);
		err = plat_wait(&t->park_token, 0, deadline_now(t, deadline));
		atomic_xchg(&t->sleep_mode, SLEEP_NONE);
	}
	return result;
}

int thread_sleep_own(u32 *word, nsec_t deadline)
{
	struct thread *t = current();
	int err = 0, result = 0;

	lock_check_sleep("sleep");
	mm_rest(t->proc->mm);
	while (!atomic_load_acquire(word) && !sleep_check(t, true, &result)) {
		if (err == -ETIMEDOUT)
			return err;
		t->nvcsw++;
		atomic_xchg(&t->sleep_mode, SLEEP_OWN);
		/* The token set before the mode was seen brings no kick. */
		if (!atomic_load(&t->park_token))
			err = plat_wait_own(word, 0, deadline_now(t, deadline));
		atomic_xchg(&t->sleep_mode, SLEEP_NONE);
	}
	return result;
}

int thread_sleep_poll(struct plat_pollfd *fds, int n, nsec_t deadline)
{
	struct thread *t = current();
	int err = 0, result = 0;

	lock_check_sleep("poll");
	mm_rest(t->proc->mm);
	while (!sleep_check(t, true, &result)) {
		if (err > 0)
			return err;
		if (err == -ETIMEDOUT)
			return err;
		t->nvcsw++;
		atomic_xchg(&t->sleep_mode, SLEEP_POLL);
		/* The token set before the mode was seen brings no kick. */
		err = 0;
		if (!atomic_load(&t->park_token)) {
			err = plat_hfd_poll(fds, n, deadline);
			if (err == 0)
				err = -ETIMEDOUT;
			else if (err < 0 && err != -EINTR)
				result = err;
		}
		atomic_xchg(&t->sleep_mode, SLEEP_NONE);
		if (result < 0)
			return result;
	}
	/* Ready descriptors win over an unpark that came at the same time. */
	return result == 0 && err > 0 ? err : result;
}

void thread_unpark(struct thread *t)
{
	if (atomic_xchg(&t->park_token, 1) != 0)
		return;
	switch (atomic_load(&t->sleep_mode)) {
	case SLEEP_FUTEX:
		plat_wake(&t->park_token, 1);
		break;
	case SLEEP_OWN:
	case SLEEP_POLL:
		plat_kick(t);
		break;
	default:
		break;
	}
}

/* Wake t wherever it is: asleep, in a host call, in the program. */
static void thread_notify(struct thread *t)
{
	u32 old = atomic_xchg(&t->park_token, 1);

	if (atomic_load(&t->sleep_mode) != SLEEP_FUTEX)
		plat_kick(t);
	else if (old == 0)
		plat_wake(&t->park_token, 1);
}

void thread_set_work(struct thread *t, u32 bits)
{
	struct thread *runner = t;
	u32 old;

	old = atomic_fetch_or(&t->work, bits);
	/* A thread that has lent its host thread cannot run; the vfork child
	 * does its memory work (same space). */
	while ((bits & WORK_REMOTE) && runner->lent_to) {
		runner = runner->lent_to;
		atomic_fetch_or(&runner->work, WORK_REMOTE);
		thread_notify(runner);
	}
	if ((old & bits) == bits || t == current())
		return;
	thread_notify(t);
}
