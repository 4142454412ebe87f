/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of host/loop.c and host/jobs.c: watches that are stopped in the
 * turn in which they are ready, the order of timers, posts from many threads,
 * jobs that are refused and jobs that are waited for.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/jobs.h"
#include "host/loop.h"

#define MSEC 1000000u

static struct loop *the_loop;

static int make_loop(void **state)
{
	(void)state;
	return loop_new(&the_loop);
}

static int free_loop(void **state)
{
	(void)state;
	loop_free(the_loop);
	return 0;
}

/* Two ends of a socket that is watched. */
struct end {
	struct loop_watch watch;
	struct end *other;
	int peer;
	int calls;
};

static void make_end(struct end *end)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*end = (struct end){ .peer = fds[1], .watch.fd = fds[0] };
}

static void free_end(struct end *end)
{
	loop_watch_stop(&end->watch);
	close(end->watch.fd);
	close(end->peer);
}

static void stop_other(struct loop_watch *w, uint32_t events)
{
	struct end *end = (struct end *)w;

	assert_true(events & EPOLLIN);
	end->calls++;
	loop_watch_stop(&end->other->watch);
	loop_watch_stop(w);
	loop_stop(the_loop);
}

static void test_stopped_in_its_turn(void **state)
{
	struct end a, b;

	(void)state;
	make_end(&a);
	make_end(&b);
	a.other = &b;
	b.other = &a;
	assert_int_equal(loop_watch_start(the_loop, &a.watch, a.watch.fd,
					  EPOLLIN, stop_other),
			 0);
	assert_int_equal(loop_watch_start(the_loop, &b.watch, b.watch.fd,
					  EPOLLIN, stop_other),
			 0);
	assert_int_equal(write(a.peer, "x", 1), 1);
	assert_int_equal(write(b.peer, "x", 1), 1);
	loop_run(the_loop);
	assert_int_equal(a.calls + b.calls, 1);
	free_end(&a);
	free_end(&b);
}

static void count_events(struct loop_watch *w, uint32_t events)
{
	struct end *end = (struct end *)w;

	end->calls++;
	if (events & EPOLLOUT) {
		assert_int_equal(loop_watch_change(w, EPOLLIN), 0);
		assert_int_equal(write(end->peer, "x", 1), 1);
	} else {
		assert_true(events & EPOLLIN);
		loop_stop(the_loop);
	}
}

static void test_change(void **state)
{
	struct end a;

	(void)state;
	make_end(&a);
	assert_int_equal(loop_watch_start(the_loop, &a.watch, a.watch.fd,
					  EPOLLOUT, count_events),
			 0);
	loop_run(the_loop);
	assert_int_equal(a.calls, 2);
	free_end(&a);
	assert_int_equal(
		loop_watch_start(the_loop, &a.watch, -1, EPOLLIN, count_events),
		-EBADF);
	assert_null(a.watch.loop);
}

#define NTIMERS 200

static struct loop_timer timers[NTIMERS];
static uint64_t last_due;
static int ncalled;

static void in_order(struct loop_timer *t)
{
	assert_true(t->due_ns >= last_due);
	assert_true(t->due_ns <= loop_now_ns(the_loop));
	last_due = t->due_ns;
	ncalled++;
}

static void end_of_test(struct loop_timer *t)
{
	in_order(t);
	loop_stop(the_loop);
}

static void test_timers(void **state)
{
	unsigned int seed = 1;
	int ncancelled = 0;

	(void)state;
	ncalled = 0;
	last_due = 0;
	for (int i = 0; i < NTIMERS; i++)
		loop_timer_set(the_loop, &timers[i],
			       (uint64_t)(rand_r(&seed) % 1000) * 10000, 0,
			       in_order);
	for (int i = 0; i < NTIMERS; i += 3, ncancelled++)
		loop_timer_cancel(&timers[i]);
	for (int i = 1; i < NTIMERS; i += 3) /* moved */
		loop_timer_set(the_loop, &timers[i],
			       (uint64_t)(rand_r(&seed) % 1000) * 10000, 0,
			       in_order);
	loop_timer_cancel(&timers[0]);
	loop_timer_set(the_loop, &timers[0], 11 * MSEC, 0, end_of_test);
	loop_run(the_loop);
	assert_int_equal(ncalled, NTIMERS - ncancelled + 1);
	for (int i = 0; i < NTIMERS; i++)
		assert_int_equal(timers[i].place, 0);
}

static struct loop_timer *allocated;

static void again_and_again(struct loop_timer *t)
{
	if (++ncalled < 3)
		return;
	loop_timer_cancel(t);
	free(t);
	allocated = NULL;
	loop_stop(the_loop);
}

/* One that is always due must not hold up what is watched. */
static void at_once(struct loop_timer *t)
{
	loop_timer_set(the_loop, t, 0, 0, at_once);
}

static void test_periods(void **state)
{
	struct loop_timer busy = { 0 };

	(void)state;
	ncalled = 0;
	allocated = calloc(1, sizeof(*allocated));
	loop_timer_set(the_loop, &busy, 0, 0, at_once);
	loop_timer_set(the_loop, allocated, 0, MSEC, again_and_again);
	loop_run(the_loop);
	assert_int_equal(ncalled, 3);
	assert_null(allocated);
	loop_timer_cancel(&busy);
}

#define NTHREADS 4
#define NPOSTS 2000

static int last_of[NTHREADS];
static int nposted;

static void on_post(void *arg)
{
	long value = (long)arg;
	int thread = (int)(value / NPOSTS), n = (int)(value % NPOSTS);

	assert_int_equal(n, last_of[thread] + 1);
	last_of[thread] = n;
	if (++nposted == NTHREADS * (NPOSTS - 1))
		loop_stop(the_loop);
}

static void *post_all(void *arg)
{
	long thread = (long)arg;

	for (long n = 1; n < NPOSTS; n++)
		loop_post(the_loop, on_post, (void *)(thread * NPOSTS + n));
	return NULL;
}

static void test_posts(void **state)
{
	pthread_t threads[NTHREADS];

	(void)state;
	for (long i = 0; i < NTHREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, post_all, (void *)i),
			0);
	loop_run(the_loop);
	for (int i = 0; i < NTHREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(nposted, NTHREADS * (NPOSTS - 1));
	loop_post(the_loop, on_post, NULL); /* dropped by loop_free */
}

static atomic_int nworked;
static int ndone;

static void work(void *arg)
{
	(void)arg;
	atomic_fetch_add(&nworked, 1);
}

static void done(void *arg)
{
	if (++ndone == *(int *)arg)
		loop_stop(the_loop);
}

static void test_jobs(void **state)
{
	struct jobs *j;
	int want = 500;

	(void)state;
	atomic_store(&nworked, 0);
	ndone = 0;
	assert_int_equal(jobs_new(3, 1000, &j), 0);
	for (int i = 0; i < want; i++)
		assert_int_equal(jobs_submit(j, the_loop, work, done, &want),
				 0);
	loop_run(the_loop);
	assert_int_equal(atomic_load(&nworked), want);
	assert_int_equal(ndone, want);
	jobs_free(j);
}

static void wait_for_byte(void *arg)
{
	char c;

	assert_int_equal(read(*(int *)arg, &c, 1), 1);
	atomic_fetch_add(&nworked, 1);
}

static void test_jobs_bounded(void **state)
{
	struct jobs *j;
	int fds[2];
	int n = 0;

	(void)state;
	atomic_store(&nworked, 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(jobs_new(1, 2, &j), 0);
	while (jobs_submit(j, the_loop, wait_for_byte, NULL, &fds[0]) == 0)
		n++;
	assert_in_range(n, 2, 3); /* one may run already */
	assert_int_equal(jobs_count(j), n);
	assert_int_equal(write(fds[1], "xxx", 3), 3);
	jobs_free(j); /* runs what waits */
	assert_int_equal(atomic_load(&nworked), n);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stopped_in_its_turn,
						make_loop, free_loop),
		cmocka_unit_test_setup_teardown(test_change, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(test_timers, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(test_periods, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(test_posts, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(test_jobs, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(test_jobs_bounded, make_loop,
						free_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
