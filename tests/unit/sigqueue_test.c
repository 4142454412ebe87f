/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which pending signals are taken, and what is kept of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kernel/mm/heap.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/proc_int.h"

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

static void add(struct sigpending *s, int sig, int value)
{
	struct sigqueue *q = kzalloc(sizeof(*q));

	q->info.si_signo = sig;
	q->info.u.rt.value.sival_int = value;
	q->owner = (struct process *)s; /* anything but NULL: it counts */
	sigpending_add(s, sig, q);
}

/* Take the next of all signals; its value, or -1 without information. */
static int take(struct sigpending *s, int *value)
{
	int sig = sigpending_next(s, ~0UL);
	struct sigqueue *q = sig ? sigpending_take(s, sig) : NULL;

	*value = q ? q->info.u.rt.value.sival_int : -1;
	kfree(q);
	return sig;
}

static void test_order(void **state)
{
	struct sigpending s;
	int v;

	(void)state;
	sigpending_init(&s);
	add(&s, LINUX_SIGTERM, 1);
	add(&s, LINUX_SIGHUP, 2);
	add(&s, 40, 3);
	add(&s, LINUX_SIGSEGV, 4);
	add(&s, LINUX_SIGBUS, 5);
	/* Faults first, then by number. */
	assert_int_equal(take(&s, &v), LINUX_SIGBUS);
	assert_int_equal(take(&s, &v), LINUX_SIGSEGV);
	assert_int_equal(take(&s, &v), LINUX_SIGHUP);
	assert_int_equal(v, 2);
	assert_int_equal(take(&s, &v), LINUX_SIGTERM);
	assert_int_equal(take(&s, &v), 40);
	assert_int_equal(take(&s, &v), 0);
	assert_int_equal(s.set, 0);
}

static void test_real_time_queues(void **state)
{
	struct sigpending s;
	int v;

	(void)state;
	sigpending_init(&s);
	for (int i = 0; i < 5; i++)
		add(&s, 34, i);
	add(&s, 33, 9);
	assert_int_equal(take(&s, &v), 33);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(take(&s, &v), 34);
		assert_int_equal(v, i);
		assert_int_equal(s.set != 0, i < 4);
	}
}

static void test_without_memory(void **state)
{
	struct sigpending s;
	int v;

	(void)state;
	sigpending_init(&s);
	sigpending_add(&s, LINUX_SIGUSR1, NULL);
	assert_true(s.set & SIG_BIT(LINUX_SIGUSR1));
	assert_false(sigpending_has_entry(&s, LINUX_SIGUSR1));
	assert_int_equal(take(&s, &v), LINUX_SIGUSR1);
	assert_int_equal(v, -1);
}

static void test_masked(void **state)
{
	struct sigpending s;

	(void)state;
	sigpending_init(&s);
	add(&s, LINUX_SIGUSR1, 1);
	add(&s, LINUX_SIGUSR2, 2);
	assert_int_equal(sigpending_next(&s, SIG_BIT(LINUX_SIGUSR2)),
			 LINUX_SIGUSR2);
	assert_int_equal(sigpending_next(&s, SIG_BIT(LINUX_SIGHUP)), 0);
	signal_drop_pending(NULL, &s);
	assert_int_equal(s.set, 0);
	assert_true(list_empty(&s.queue));
}

static void test_flush(void **state)
{
	struct sigpending s;
	int v;

	(void)state;
	sigpending_init(&s);
	add(&s, LINUX_SIGCONT, 1);
	add(&s, 50, 2);
	add(&s, 50, 3);
	add(&s, LINUX_SIGTERM, 4);
	assert_int_equal(
		sigpending_flush(&s, SIG_BIT(50) | SIG_BIT(LINUX_SIGCONT)), 3);
	assert_int_equal(take(&s, &v), LINUX_SIGTERM);
	assert_int_equal(take(&s, &v), 0);
}

static void test_ignoring(void **state)
{
	struct linux_sigaction sa = { .handler = LINUX_SIG_DFL };

	(void)state;
	assert_true(signal_action_ignores(&sa, LINUX_SIGCHLD));
	assert_false(signal_action_ignores(&sa, LINUX_SIGTERM));
	sa.handler = LINUX_SIG_IGN;
	assert_true(signal_action_ignores(&sa, LINUX_SIGTERM));
	sa.handler = 0x400000;
	assert_false(signal_action_ignores(&sa, LINUX_SIGCHLD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_real_time_queues),
		cmocka_unit_test(test_without_memory),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_ignoring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
