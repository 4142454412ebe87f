/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of ids: order, lookup, what counts as taken when ids wrap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/linux/errno.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

#define NO_LIMIT (~0UL)

struct thread *unit_current;

int plat_wait(u32 *addr, u32 value, nsec_t deadline)
{
	(void)addr;
	(void)value;
	(void)deadline;
	return 0;
}

void plat_wake(u32 *addr, u32 n)
{
	(void)addr;
	(void)n;
}

void thread_get(struct thread *t)
{
	ref_get(&t->ref);
}

void process_get(struct process *p)
{
	ref_get(&p->ref);
}

static struct process procs[8];
static struct thread threads[8];

static int setup(void **state)
{
	(void)state;
	pid_init();
	memset(procs, 0, sizeof(procs));
	memset(threads, 0, sizeof(threads));
	for (int i = 0; i < 8; i++) {
		ref_init(&procs[i].ref);
		ref_init(&threads[i].ref);
		list_init(&procs[i].all_node);
		list_init(&procs[i].pid_node);
		list_init(&threads[i].tid_node);
		threads[i].proc = &procs[i];
		threads[i].uid = 1000;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		pid_unlink_thread(&threads[i]);
		pid_unlink_process(&procs[i]);
	}
	return process_count() == 0 && thread_count() == 0 ? 0 : -1;
}

static void link(int i)
{
	assert_int_equal(pid_link(&threads[i], &procs[i], NO_LIMIT), 0);
	procs[i].pgid = procs[i].pid;
	procs[i].sid = procs[i].pid;
}

static void test_find(void **state)
{
	(void)state;
	link(0);
	link(1);
	assert_int_equal(threads[1].tid, procs[1].pid);
	assert_int_equal(procs[1].pid, procs[0].pid + 1);
	assert_ptr_equal(process_find(procs[1].pid), &procs[1]);
	assert_int_equal(procs[1].ref.count, 2);
	assert_ptr_equal(thread_find(threads[0].tid), &threads[0]);
	assert_null(thread_find(threads[1].tid + 1));
	assert_null(process_find(0));
	pid_unlink_process(&procs[1]);
	assert_null(process_find(procs[1].pid));
	/* A thread of a process has an id, but is no process. */
	assert_int_equal(pid_link(&threads[2], NULL, NO_LIMIT), 0);
	assert_null(process_find(threads[2].tid));
	assert_int_equal(thread_count(), 3);
}

static void test_walk(void **state)
{
	struct process *p = NULL;
	s32 last = 0;
	int n = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		link(i);
	pid_unlink_process(&procs[2]);
	while ((p = pid_walk(p))) {
		assert_true(p->pid > last);
		last = p->pid;
		n++;
	}
	assert_int_equal(n, 4);
	assert_ptr_equal(process_next(procs[1].pid), &procs[3]);
	assert_null(process_next(procs[4].pid));
}

static void test_limit(void **state)
{
	(void)state;
	link(0);
	link(1);
	assert_int_equal(pid_link(&threads[2], &procs[2], 2), -EAGAIN);
	threads[2].uid = 7; /* another user has none yet */
	assert_int_equal(pid_link(&threads[2], &procs[2], 2), 0);
}

static void test_take_over(void **state)
{
	s32 tid;

	(void)state;
	link(0);
	threads[1].proc = &procs[0];
	assert_int_equal(pid_link(&threads[1], NULL, NO_LIMIT), 0);
	tid = threads[1].tid;
	pid_unlink_thread(&threads[0]);
	pid_take_over(&threads[1]);
	assert_int_equal(threads[1].tid, procs[0].pid);
	assert_null(thread_find(tid));
	assert_ptr_equal(thread_find(procs[0].pid), &threads[1]);
}

static void test_wrap(void **state)
{
	s32 kept, group, last = 0;
	bool wrapped = false;

	(void)state;
	link(0);
	kept = procs[0].pid;
	link(1);
	link(2);
	/* 2 is in the group of 1, which then goes. */
	group = procs[1].pid;
	procs[2].pgid = group;
	pid_unlink_process(&procs[1]);
	pid_unlink_thread(&threads[1]);
	/* All ids go by, none that is in use comes. */
	for (int i = 0; i < PID_MAX + 1000; i++) {
		assert_int_equal(pid_link(&threads[3], NULL, NO_LIMIT), 0);
		assert_true(threads[3].tid < PID_MAX);
		assert_int_not_equal(threads[3].tid, kept);
		assert_int_not_equal(threads[3].tid, procs[2].pid);
		if (wrapped)
			assert_int_not_equal(threads[3].tid, group);
		if (threads[3].tid < last) {
			wrapped = true;
			assert_true(threads[3].tid >= PID_RESERVED);
		}
		last = threads[3].tid;
		pid_unlink_thread(&threads[3]);
	}
	assert_true(wrapped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
