/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scale to zero: puts the instance to sleep when monitor/idle.c says so. Looks
 * only where that may have changed: at a time it was given, or when the kernel
 * says that something went down, for which it is asked once (status.tell).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "abi/broker.h"
#include "host/json.h"
#include "monitor/checkpoint.h"
#include "monitor/instance.h"
#include "monitor/suspend.h"

#define MS 1000000ULL
#define RETRY_NS (1000 * MS) /* after it could not be frozen; at least */

static void take_base(struct sleep_state *s, uint64_t now)
{
	s->base_ns = now;
	s->base_cpu_ns = task_children_cpu_ns();
}

static bool is_off(const struct instance *in)
{
	return in->spec.sleep.policy == SLEEP_OFF || !in->is_ready;
}

void sleep_begin(struct instance *in)
{
	struct sleep_state *s = &in->sleep;

	s->why = AWAKE_BIT(is_off(in) ? AWAKE_POLICY : AWAKE_COOLING);
	s->since_ns = clock_now_ns();
	s->look_ns = s->since_ns;
}

void sleep_changed(struct instance *in)
{
	if (!is_off(in))
		in->sleep.look_ns = clock_now_ns();
}

void sleep_less(struct instance *in)
{
	struct sleep_state *s = &in->sleep;
	const struct sleep_spec *p = &in->spec.sleep;

	if (is_off(in))
		return;
	take_base(s, clock_now_ns());
	s->look_ns = s->base_ns + (p->cooldown_ms - p->notify_ms) * MS;
}

void sleep_hold(struct instance *in)
{
	in->sleep.nheld++;
	sleep_changed(in);
}

void sleep_let(struct instance *in)
{
	in->sleep.nheld--;
	in->sleep.since_ns = clock_now_ns();
	sleep_less(in);
}

static bool is_reachable(const struct instance *in)
{
	for (unsigned int i = 0; i < in->spec.nports; i++)
		if (!in->spec.ports[i].is_hidden)
			return true;
	return false;
}

static void decide(struct instance *in, uint64_t now, struct idle_verdict *v)
{
	struct sleep_state *s = &in->sleep;
	struct idle_situation situation = {
		.has_ports = is_reachable(in),
		.is_listening = in->is_listening,
		.nheld = s->nheld,
		.since_ns = s->since_ns,
		.now_ns = now,
		.base_ns = s->base_ns,
		.base_cpu_ns = s->base_cpu_ns,
	};

	idle_read(&in->boot->status, &s->counts);
	if (in->spec.sleep.policy == SLEEP_IDLE)
		situation.cpu_ns = task_children_cpu_ns();
	idle_decide(&in->spec.sleep, &s->counts, &situation, v);
	if (v->takes_base) {
		s->base_ns = now;
		s->base_cpu_ns = situation.cpu_ns;
	}
}

static void notify(struct instance *in, const struct idle_verdict *v,
		   uint64_t now)
{
	struct sleep_state *s = &in->sleep;

	if (v->is_near == s->is_near)
		return;
	s->is_near = v->is_near;
	broker_event(in, EVENT_NOTIFY, s->is_near,
		     v->look_ns > now ? (uint32_t)((v->look_ns - now) / MS)
				      : 0);
}

static void fall_asleep(struct instance *in, uint64_t now)
{
	struct sleep_state *s = &in->sleep;
	const char *why = suspend_refusal(in);

	if (why) {
		s->look_ns =
			now + MAX(in->spec.sleep.cooldown_ms * MS, RETRY_NS);
		return;
	}
	s->look_ns = turn_take(in, now);
	if (s->look_ns)
		return;
	s->is_falling = true;
	s->asked_ns = now;
	suspend_freeze(in);
}

static void look(struct instance *in, uint64_t now)
{
	struct sleep_state *s = &in->sleep;
	uint32_t *tell = &in->boot->status.tell;
	struct idle_verdict v;

	decide(in, now, &v);
	if (v.why && !v.look_ns) {
		/* Full barrier; once more, as it may have just ended. */
		__atomic_store_n(tell, 1, __ATOMIC_SEQ_CST);
		decide(in, now, &v);
	}
	s->why = v.why;
	s->look_ns = v.look_ns;
	notify(in, &v, now);
	if (v.why)
		turn_end(in);
	else
		fall_asleep(in, now);
}

int sleep_check(struct instance *in)
{
	struct sleep_state *s = &in->sleep;
	uint64_t now;

	if (is_off(in) || s->is_falling || !s->look_ns)
		return -1;
	now = clock_now_ns();
	if (now >= s->look_ns) {
		look(in, now);
		if (!s->look_ns)
			return -1;
	}
	return (int)((s->look_ns - now) / MS) + 1;
}

bool sleep_may(struct instance *in)
{
	struct idle_counts now;

	idle_read(&in->boot->status, &now);
	return idle_still(&in->spec.sleep, &in->sleep.counts, &now) &&
	       !in->sleep.nheld;
}

void sleep_failed(struct instance *in, int code, const char *why)
{
	struct sleep_state *s = &in->sleep;
	uint64_t now = clock_now_ns();

	if (!s->is_falling)
		return;
	s->is_falling = s->is_near = false;
	broker_event(in, EVENT_NOTIFY, 0, 0);
	s->since_ns = now;
	s->look_ns = now + in->spec.sleep.cooldown_ms * MS;
	if (code != EAGAIN)
		s->look_ns = MAX(s->look_ns, now + RETRY_NS);
	s->why = AWAKE_BIT(AWAKE_COOLING);
	event_add(in, "stay", json_pack("{s:o}", "reason", json_text(why)));
}

/* As it is now, not as it was at the last look. */
static uint32_t why_now(struct instance *in)
{
	struct idle_verdict v;
	struct sleep_state keep = in->sleep;

	if (in->spec.sleep.policy == SLEEP_OFF)
		return AWAKE_BIT(AWAKE_POLICY);
	if (!in->is_ready)
		return AWAKE_BIT(AWAKE_STARTING);
	decide(in, clock_now_ns(), &v);
	keep.counts = in->sleep.counts;
	if (keep.why == AWAKE_BIT(AWAKE_RUNNING) &&
	    !(v.why & ~(uint32_t)AWAKE_TIMED))
		v.why = keep.why;
	in->sleep = keep;
	return v.why ? v.why : AWAKE_BIT(AWAKE_COOLING);
}

json_t *sleep_why_awake(struct instance *in)
{
	static const char *const names[AWAKE_NREASONS] = {
		[AWAKE_POLICY] = "policy off",
		[AWAKE_UNREACHABLE] = "no published port",
		[AWAKE_STARTING] = "starting",
		[AWAKE_HELD] = "a command runs in it",
		[AWAKE_CONNECTIONS] = "connections",
		[AWAKE_REQUESTS] = "request in flight",
		[AWAKE_OUTBOUND] = "outbound",
		[AWAKE_VOLUME] = "volume",
		[AWAKE_KEEPAWAKE] = "keepawake",
		[AWAKE_TRANSACTION] = "transaction",
		[AWAKE_COOLING] = "cooling down",
		[AWAKE_RUNNING] = "running",
	};
	uint32_t why = why_now(in);
	const struct idle_counts *c = &in->sleep.counts;
	const uint64_t numbers[AWAKE_NREASONS] = {
		[AWAKE_CONNECTIONS] = c->connections,
		[AWAKE_REQUESTS] = c->requests,
		[AWAKE_OUTBOUND] = c->questions,
		[AWAKE_KEEPAWAKE] = c->keepawake,
		[AWAKE_TRANSACTION] = c->transactions,
	};
	json_t *list = json_array();

	for (int i = 0; i < AWAKE_NREASONS; i++) {
		if (!(why & AWAKE_BIT(i)))
			continue;
		json_array_append_new(
			list,
			numbers[i]
				? json_sprintf("%s=%llu", names[i],
					       (unsigned long long)numbers[i])
				: json_string(names[i]));
	}
	return list;
}

/* {"port": guest's, "connections": n} of each published one. */
static json_t *ports_json(const struct instance *in)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < in->spec.nports; i++) {
		int32_t n = __atomic_load_n(&in->boot->status.connections[i],
					    __ATOMIC_RELAXED);

		json_array_append_new(list,
				      json_pack("{s:i, s:i}", "guest",
						in->spec.ports[i].guest,
						"connections", MAX(n, 0)));
	}
	return list;
}

json_t *sleep_status(struct instance *in)
{
	struct idle_counts c;

	idle_read(&in->boot->status, &c);
	return json_pack(
		"{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "ok", 1,
		"connections", (json_int_t)c.connections, "outbound",
		(json_int_t)c.outbound, "requests", (json_int_t)c.requests,
		"transactions", (json_int_t)c.transactions, "keepawake",
		(json_int_t)c.keepawake, "active_ns", (json_int_t)c.active_ns,
		"ports", ports_json(in), "why_awake", sleep_why_awake(in));
}
