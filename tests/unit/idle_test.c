/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an instance may sleep (monitor/idle.c).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "lib/compiler.h"
#include "monitor/idle.h"

#define MS 1000000ULL
#define T0 (1000 * 1000 * MS) /* it is silent since */

static const struct sleep_spec on = { .policy = SLEEP_ON, .cooldown_ms = 1000 };
static const struct sleep_spec idle = { .policy = SLEEP_IDLE,
					.cooldown_ms = 1000,
					.grace_ms = 30000 };

/* A server that waits, at time T0 + ms. */
static struct idle_situation at(uint64_t ms)
{
	return (struct idle_situation){ .has_ports = true,
					.is_listening = true,
					.since_ns = T0 - 5000 * MS,
					.base_ns = T0,
					.now_ns = T0 + ms * MS };
}

static struct idle_verdict decide(const struct sleep_spec *p,
				  struct idle_counts c, struct idle_situation s)
{
	struct idle_verdict v;

	c.active_ns = T0;
	idle_decide(p, &c, &s, &v);
	return v;
}

#define COUNTS(...) ((struct idle_counts){ __VA_ARGS__ })

static void policies(void **state UNUSED)
{
	const struct sleep_spec off = { .policy = SLEEP_OFF };
	struct idle_situation s = at(1000);

	assert_int_equal(decide(&on, COUNTS(0), s).why, 0);
	assert_int_equal(decide(&idle, COUNTS(0), s).why, 0);
	assert_int_equal(decide(&off, COUNTS(0), s).why,
			 AWAKE_BIT(AWAKE_POLICY));
	assert_int_equal(decide(&on, COUNTS(.connections = 2), s).why,
			 AWAKE_BIT(AWAKE_CONNECTIONS));
	assert_int_equal(
		decide(&idle, COUNTS(.connections = 2, .outbound = 1), s).why,
		0);
	s.is_listening = false;
	assert_int_equal(decide(&on, COUNTS(0), s).why,
			 AWAKE_BIT(AWAKE_STARTING));
	s.has_ports = false;
	assert_int_equal(decide(&on, COUNTS(0), s).why,
			 AWAKE_BIT(AWAKE_UNREACHABLE));
}

/* Nothing of these ends by itself: there is no time to look again at. */
static void standing_reasons(void **state UNUSED)
{
	static const struct {
		struct idle_counts c;
		enum awake_reason why;
	} rows[] = {
		{ { .requests = 1 }, AWAKE_REQUESTS },
		{ { .questions = 1 }, AWAKE_OUTBOUND },
		{ { .blocks = 1 }, AWAKE_VOLUME },
		{ { .keepawake = 3 }, AWAKE_KEEPAWAKE },
	};
	struct idle_situation s = at(3600 * 1000);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct idle_verdict v = decide(&idle, rows[i].c, s);

		assert_int_equal(v.why, AWAKE_BIT(rows[i].why));
		assert_int_equal(v.look_ns, 0);
		v = decide(&on, rows[i].c, s);
		assert_int_equal(v.why, AWAKE_BIT(rows[i].why));
	}
	s.nheld = 1;
	assert_int_equal(decide(&idle, COUNTS(.requests = 1), s).why,
			 AWAKE_BIT(AWAKE_HELD) | AWAKE_BIT(AWAKE_REQUESTS));
}

static void cooldown(void **state UNUSED)
{
	struct idle_situation s = at(999);
	struct idle_verdict v = decide(&on, COUNTS(0), s);

	assert_int_equal(v.why, AWAKE_BIT(AWAKE_COOLING));
	assert_int_equal(v.look_ns, T0 + 1000 * MS);
	/* It was woken, or refused, later than anything came. */
	s = at(1500);
	s.since_ns = T0 + 1000 * MS;
	v = decide(&on, COUNTS(0), s);
	assert_int_equal(v.why, AWAKE_BIT(AWAKE_COOLING));
	assert_int_equal(v.look_ns, T0 + 2000 * MS);
}

static void notice(void **state UNUSED)
{
	struct sleep_spec p = on;
	struct idle_verdict v;

	p.notify_ms = 300;
	v = decide(&p, COUNTS(0), at(100));
	assert_false(v.is_near);
	assert_int_equal(v.look_ns, T0 + 700 * MS);
	v = decide(&p, COUNTS(0), at(700));
	assert_true(v.is_near);
	assert_int_equal(v.why, AWAKE_BIT(AWAKE_COOLING));
	assert_int_equal(v.look_ns, T0 + 1000 * MS);
	v = decide(&p, COUNTS(.keepawake = 1), at(800));
	assert_false(v.is_near);
	v = decide(&p, COUNTS(0), at(1000));
	assert_int_equal(v.why, 0);
}

static void transactions(void **state UNUSED)
{
	struct idle_situation s = at(1000);
	struct idle_verdict v = decide(&idle, COUNTS(.transactions = 1), s);

	assert_int_equal(v.why, AWAKE_BIT(AWAKE_TRANSACTION));
	assert_int_equal(v.look_ns, T0 + 30000 * MS);
	v = decide(&idle, COUNTS(.transactions = 1), at(30000));
	assert_int_equal(v.why, 0);
	/* A grace that is shorter than the cool-down does not shorten it. */
	v = decide(&idle, COUNTS(.transactions = 1), at(500));
	assert_int_equal(v.why, AWAKE_BIT(AWAKE_COOLING));
}

static void processor_time(void **state UNUSED)
{
	struct idle_situation s = at(1000);
	struct idle_verdict v;

	s.base_cpu_ns = 7000 * MS;
	s.cpu_ns = s.base_cpu_ns + 90 * MS;
	assert_int_equal(decide(&idle, COUNTS(0), s).why, 0);
	s.cpu_ns = s.base_cpu_ns + 200 * MS;
	v = decide(&idle, COUNTS(0), s);
	assert_int_equal(v.why, AWAKE_BIT(AWAKE_RUNNING));
	assert_true(v.takes_base);
	assert_int_equal(v.look_ns, T0 + 2000 * MS);
	assert_int_equal(decide(&on, COUNTS(0), s).why, 0);
	/* What it used for its last request does not count. */
	s.base_ns = T0 - 1;
	v = decide(&idle, COUNTS(0), s);
	assert_int_equal(v.why, AWAKE_BIT(AWAKE_COOLING));
	assert_true(v.takes_base);
	assert_int_equal(v.look_ns, T0 + 1100 * MS);
	/* Processes that ended may take their time along. */
	s.base_ns = T0;
	s.cpu_ns = 0;
	assert_int_equal(decide(&idle, COUNTS(0), s).why, 0);
}

/* What a hostile instance may write. */
static void lies(void **state UNUSED)
{
	static struct status_block b;
	struct idle_situation s = at(1000);
	struct idle_verdict v;
	struct idle_counts c;

	memset(&b, 0xff, sizeof(b));
	idle_read(&b, &c);
	assert_int_equal(c.requests, 0);
	assert_int_equal(c.connections, 0);
	assert_int_equal(c.keepawake, UINT32_MAX);
	assert_int_equal(c.active_ns, UINT64_MAX);
	c.keepawake = 0;
	idle_decide(&on, &c, &s, &v);
	assert_int_equal(v.why, AWAKE_BIT(AWAKE_COOLING));
	assert_int_equal(v.look_ns, s.now_ns + 1000 * MS);
	memset(&b, 0x7f, sizeof(b));
	idle_read(&b, &c);
	assert_true(c.connections > INT32_MAX);
}

static void sums(void **state UNUSED)
{
	static struct status_block b;
	struct idle_counts c;

	b.shards[1].requests = 3;
	b.shards[5].requests = -2;
	b.shards[0].transactions = -1;
	b.shards[2].active_ns = 9;
	b.shards[7].active_ns = 11;
	b.connections[0] = 2;
	b.connections[63] = 5;
	idle_read(&b, &c);
	assert_int_equal(c.requests, 1);
	assert_int_equal(c.transactions, 0);
	assert_int_equal(c.active_ns, 11);
	assert_int_equal(c.connections, 7);
}

static void still(void **state UNUSED)
{
	struct idle_counts then = { .active_ns = 5, .transactions = 1 };
	struct idle_counts now = then;

	assert_true(idle_still(&idle, &then, &now));
	now.active_ns = 6;
	assert_false(idle_still(&idle, &then, &now));
	now = then;
	now.requests = 1;
	assert_false(idle_still(&idle, &then, &now));
	now = then;
	now.connections = 1;
	assert_true(idle_still(&idle, &then, &now));
	assert_false(idle_still(&on, &then, &now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies),
		cmocka_unit_test(standing_reasons),
		cmocka_unit_test(cooldown),
		cmocka_unit_test(notice),
		cmocka_unit_test(transactions),
		cmocka_unit_test(processor_time),
		cmocka_unit_test(lies),
		cmocka_unit_test(sums),
		cmocka_unit_test(still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
