/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision whether an instance may sleep.
 */
#include "monitor/idle.h"

#include "lib/compiler.h"

#define MS 1000000ULL
/* A program that uses more than this part of a processor is at work. Timers of
 * servers that wait use far less. */
#define RUNNING_PERCENT 10
#define PROBE_NS (100 * MS) /* at least so long it is looked at */

static uint64_t at_least_0(int64_t n)
{
	return n > 0 ? (uint64_t)n : 0;
}

void idle_read(const struct status_block *s, struct idle_counts *c)
{
	int64_t connections = 0, requests = 0, transactions = 0, questions = 0,
		blocks = 0;
#define READ(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

	c->active_ns = 0;
	for (int i = 0; i < STATUS_PORTS; i++)
		connections += READ(s->connections[i]);
	for (int i = 0; i < STATUS_SHARDS; i++) {
		const struct status_shard *shard = &s->shards[i];
		uint64_t active = READ(shard->active_ns);

		c->active_ns = MAX(c->active_ns, active);
		requests += READ(shard->requests);
		transactions += READ(shard->transactions);
		questions += READ(shard->questions);
		blocks += READ(shard->blocks);
	}
	c->connections = at_least_0(connections);
	c->outbound = at_least_0(READ(s->outbound));
	c->requests = at_least_0(requests);
	c->transactions = at_least_0(transactions);
	c->questions = at_least_0(questions);
	c->blocks = at_least_0(blocks);
	c->keepawake = READ(s->keepawake);
#undef READ
}

/* What holds as long as nothing changes. */
static uint32_t reasons(const struct sleep_spec *p, const struct idle_counts *c)
{
	uint32_t why = 0;

	if (p->policy == SLEEP_ON && c->connections)
		why |= AWAKE_BIT(AWAKE_CONNECTIONS);
	if (c->requests)
		why |= AWAKE_BIT(AWAKE_REQUESTS);
	if (c->questions)
		why |= AWAKE_BIT(AWAKE_OUTBOUND);
	if (c->blocks)
		why |= AWAKE_BIT(AWAKE_VOLUME);
	if (c->keepawake)
		why |= AWAKE_BIT(AWAKE_KEEPAWAKE);
	return why;
}

static uint32_t standing(const struct sleep_spec *p,
			 const struct idle_counts *c,
			 const struct idle_situation *s)
{
	if (p->policy == SLEEP_OFF)
		return AWAKE_BIT(AWAKE_POLICY);
	if (!s->has_ports)
		return AWAKE_BIT(AWAKE_UNREACHABLE);
	if (!s->is_listening)
		return AWAKE_BIT(AWAKE_STARTING);
	return reasons(p, c) | (s->nheld ? AWAKE_BIT(AWAKE_HELD) : 0);
}

/* Silent for long enough: does it compute? */
static void look_at_cpu(const struct idle_situation *s, uint64_t last,
			uint64_t quiet, struct idle_verdict *v)
{
	uint64_t time = s->now_ns - s->base_ns;

	if (s->base_ns < last || time < MIN(quiet, PROBE_NS)) {
		/* What was used before is what it worked for. */
		v->takes_base = s->base_ns < last;
		v->why = AWAKE_BIT(AWAKE_COOLING);
		v->look_ns = s->now_ns + MIN(quiet, PROBE_NS);
	} else if (s->cpu_ns > s->base_cpu_ns &&
		   (s->cpu_ns - s->base_cpu_ns) / RUNNING_PERCENT * 100 >
			   time) {
		v->takes_base = true;
		v->why = AWAKE_BIT(AWAKE_RUNNING);
		v->look_ns = s->now_ns + MAX(quiet, PROBE_NS);
	}
}

/* Nothing keeps it awake but that it is not long ago. */
static void look_at_time(const struct sleep_spec *p,
			 const struct idle_counts *c,
			 const struct idle_situation *s, struct idle_verdict *v)
{
	uint64_t last = MIN(MAX(c->active_ns, s->since_ns), s->now_ns);
	uint64_t cooldown = p->cooldown_ms * MS, quiet = cooldown;
	uint64_t notice = p->notify_ms * MS;

	if (c->transactions && p->policy == SLEEP_IDLE)
		quiet = MAX(quiet, p->grace_ms * MS);
	v->is_near = notice && s->now_ns + notice >= last + quiet;
	if (s->now_ns < last + quiet) {
		v->why = AWAKE_BIT(s->now_ns - last < cooldown
					   ? AWAKE_COOLING
					   : AWAKE_TRANSACTION);
		v->look_ns = last + quiet;
		if (notice && !v->is_near)
			v->look_ns -= notice;
		v->takes_base = s->base_ns < last;
	} else if (p->policy == SLEEP_IDLE) {
		look_at_cpu(s, last, quiet, v);
	}
}

void idle_decide(const struct sleep_spec *p, const struct idle_counts *c,
		 const struct idle_situation *s, struct idle_verdict *v)
{
	*v = (struct idle_verdict){ .why = standing(p, c, s) };
	if (!v->why)
		look_at_time(p, c, s, v);
}

bool idle_still(const struct sleep_spec *p, const struct idle_counts *then,
		const struct idle_counts *now)
{
	return !reasons(p, now) && now->active_ns == then->active_ns &&
	       now->transactions == then->transactions;
}
