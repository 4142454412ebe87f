/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutexes, reader-writer locks and wait queues under real concurrency: host
 * threads, with host futexes as the platform's wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"
#include "kernel/proc/thread.h"
#include "kernel/proc/waitq.h"

#define NTHREADS 4
#define ROUNDS 20000

struct thread *unit_current;

int plat_wait(u32 *addr, u32 value, nsec_t deadline)
{
	(void)deadline;
	syscall(SYS_futex, addr, FUTEX_WAIT, value, NULL);
	return 0;
}

void plat_wake(u32 *addr, u32 n)
{
	syscall(SYS_futex, addr, FUTEX_WAKE, n > 1 ? INT32_MAX : 1);
}

void thread_get(struct thread *t)
{
	ref_get(&t->ref);
}

void thread_put(struct thread *t)
{
	ref_put(&t->ref);
}

void thread_unpark(struct thread *t)
{
	atomic_xchg(&t->park_token, 1);
	plat_wake(&t->park_token, 1);
}

/* thread_sleep() of a given thread. */
static void park(struct thread *t)
{
	while (!atomic_xchg(&t->park_token, 0))
		plat_wait(&t->park_token, 0, NSEC_MAX);
}

static void run_all(void *(*fn)(void *), void *arg)
{
	pthread_t t[NTHREADS];

	for (int i = 0; i < NTHREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fn, arg), 0);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(t[i], NULL);
}

/* --- Locks --------------------------------------------------------------- */

struct counted {
	struct mutex m;
	struct rwlock rw;
	u64 a, b;
	u32 torn; /* readers that saw a and b differ */
};

static void *mutex_main(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&c->m);
		c->a++;
		if (i % 64 == 0)
			sched_yield();
		c->b++;
		mutex_unlock(&c->m);
	}
	return NULL;
}

static void test_mutex(void **state)
{
	struct counted c = { .a = 0 };

	(void)state;
	run_all(mutex_main, &c);
	assert_int_equal(c.a, NTHREADS * ROUNDS);
	assert_int_equal(c.b, NTHREADS * ROUNDS);
	assert_false(mutex_is_locked(&c.m));
	assert_true(mutex_trylock(&c.m));
	assert_false(mutex_trylock(&c.m));
}

static void *rw_main(void *arg)
{
	struct counted *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (i % 4 == 0) {
			rw_write_lock(&c->rw);
			c->a++;
			if (i % 256 == 0)
				sched_yield();
			c->b++;
			rw_write_unlock(&c->rw);
			continue;
		}
		rw_read_lock(&c->rw);
		if (c->a != c->b)
			atomic_fetch_add(&c->torn, 1);
		rw_read_unlock(&c->rw);
	}
	return NULL;
}

static void test_rwlock(void **state)
{
	struct counted c = { .a = 0 };

	(void)state;
	run_all(rw_main, &c);
	assert_int_equal(c.a, NTHREADS * ROUNDS / 4);
	assert_int_equal(c.torn, 0);
	assert_int_equal(c.rw.state, 0);
	assert_int_equal(c.rw.writers_waiting, 0);
}

/* --- Wait queues --------------------------------------------------------- */

static struct waiter *woken[8];
static u32 nwoken;

static bool note(struct waiter *w, u32 events)
{
	(void)events;
	woken[nwoken++] = w;
	return true;
}

static bool refuse(struct waiter *w, u32 events)
{
	note(w, events);
	return false; /* does not count against n */
}

static void test_exclusive(void **state)
{
	struct waitq q;
	struct waiter w[5];

	(void)state;
	waitq_init(&q);
	for (int i = 0; i < 5; i++)
		waiter_init_fn(&w[i], i == 1 ? refuse : note);
	for (int i = 0; i < 4; i++)
		waitq_add_exclusive(&q, &w[i]);
	waitq_add(&q, &w[4]);
	nwoken = 0;
	waitq_wake_events(&q, ~0U, 2);
	/* The ordinary one, then two that took it and one that refused. */
	assert_int_equal(nwoken, 4);
	assert_ptr_equal(woken[0], &w[4]);
	assert_ptr_equal(woken[1], &w[0]);
	assert_ptr_equal(woken[2], &w[1]);
	assert_ptr_equal(woken[3], &w[2]);
	for (int i = 0; i < 5; i++)
		waitq_remove(&w[i]);
	waitq_remove(&w[0]); /* twice is harmless */
	nwoken = 0;
	waitq_wake(&q);
	assert_int_equal(nwoken, 0);
}

struct watched {
	struct waiter w;
	u32 is_gone;
	u32 late; /* callbacks after removal */
};

static bool watch(struct waiter *w, u32 events)
{
	struct watched *x = (struct watched *)w;

	(void)events;
	if (atomic_load(&x->is_gone))
		atomic_fetch_add(&x->late, 1);
	return true;
}

struct removal {
	struct waitq q;
	u32 stop, late;
};

static void *remover(void *arg)
{
	struct removal *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct watched x = { .is_gone = 0 };

		waiter_init_fn(&x.w, watch);
		waitq_add(&r->q, &x.w);
		waitq_remove(&x.w);
		atomic_store(&x.is_gone, 1);
		if (i % 16 == 0)
			sched_yield();
		atomic_fetch_add(&r->late, x.late);
	}
	return NULL;
}

static void *waker(void *arg)
{
	struct removal *r = arg;

	while (!atomic_load(&r->stop))
		waitq_wake(&r->q);
	return NULL;
}

static void test_remove(void **state)
{
	struct removal r = { .stop = 0 };
	pthread_t t;

	(void)state;
	waitq_init(&r.q);
	pthread_create(&t, NULL, waker, &r);
	run_all(remover, &r);
	atomic_store(&r.stop, 1);
	pthread_join(t, NULL);
	assert_int_equal(r.late, 0);
	assert_int_equal(r.q.nwaiters, 0);
}

struct pong {
	struct waitq q;
	u32 turn;
};

static void take_turns(struct pong *p, u32 me)
{
	struct thread self = { .ref = { 1 } };
	struct waiter w;

	for (int i = 0; i < ROUNDS / 4; i++) {
		waiter_init(&w);
		w.thread = &self;
		waitq_add(&p->q, &w);
		while (atomic_load_acquire(&p->turn) != me)
			park(&self);
		waitq_remove(&w);
		atomic_store_release(&p->turn, !me);
		waitq_wake(&p->q);
	}
	/* A waker may still hold a reference to this stack. */
	while (atomic_load(&self.ref.count) != 1)
		sched_yield();
}

static void *ponger(void *arg)
{
	take_turns(arg, 1);
	return NULL;
}

static void test_no_lost_wake(void **state)
{
	struct pong p = { .turn = 0 };
	pthread_t t;

	(void)state;
	waitq_init(&p.q);
	pthread_create(&t, NULL, ponger, &p);
	take_turns(&p, 0);
	pthread_join(t, NULL);
	assert_int_equal(p.turn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutex),
		cmocka_unit_test(test_rwlock),
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_no_lost_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
