/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of autoscale. One timer for all groups; what it finds out and
 * does is a job, of which there is one at a time.
 */
#include "daemon/autoscale.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/api.h"
#include "daemon/autokill.h"
#include "daemon/instances.h"
#include "engine/control.h"
#include "gateway/service.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"
#include "lib/list.h"

#define TICK_NS (uint64_t) NSEC_PER_SEC
#define COOLDOWN_MS 1000
#define WARMUP_MS 1000
#define ANSWER_SECONDS 1
#define CHANGES_MAX 16 /* instances that come or go in a tick */

/* What is remembered of a group between ticks. */
struct scaled {
	struct list link;
	char uuid[UUID_SIZE];
	bool is_seen;
	uint64_t at_ns; /* of the last measurement */
	uint64_t connections;
	int64_t cpu_ms;
	uint64_t quiet_ns; /* nothing is decided before this */
};

struct autoscale {
	struct daemon *daemon;
	struct loop_timer timer;
	bool is_busy;
	struct list groups; /* struct scaled; of the job */
};

/* Measured since the last tick. */
struct load {
	double cpu;	 /* millicores of each instance that runs */
	double inflight; /* requests or connections of each */
	double rate;	 /* requests or connections a second of each */
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * (uint64_t)NSEC_PER_SEC +
	       (uint64_t)ts.tv_nsec;
}

static struct scaled *find(struct autoscale *a, const char *uuid)
{
	struct scaled *s;

	list_for_each (s, &a->groups, link)
		if (!strcmp(s->uuid, uuid))
			return s;
	s = xcalloc(1, sizeof(*s));
	memcpy(s->uuid, uuid, UUID_SIZE);
	list_append(&a->groups, &s->link);
	return s;
}

/* What instances themselves know. */
struct sums {
	int64_t nrunning;
	int64_t cpu_ms;
	int64_t connections;
};

static void sum_up(struct daemon *d, const struct db_list *members,
		   struct sums *sums)
{
	cleanup_json json_t *request = json_pack("{s:s}", "op", "status");

	*sums = (struct sums){ 0 };
	for (size_t i = 0; i < members->count; i++) {
		cleanup_instance struct instance in = INSTANCE_INIT;
		cleanup_json json_t *status = NULL;

		if (instance_of(d, &members->items[i], &in, NULL) ||
		    in.status > INSTANCE_RUNNING)
			continue;
		sums->nrunning++;
		sums->cpu_ms +=
			instance_cpu_ms((long)json_int_or(in.state, "pid", 0));
		if (!control_call(&in, request, ANSWER_SECONDS, &status, NULL))
			sums->connections +=
				json_int_or(status, "connections", 0);
	}
}

/* False: there is nothing to compare with yet. */
static bool measure(struct daemon *d, const struct db_object *group,
		    const struct db_list *members, struct scaled *s,
		    struct load *load)
{
	uint64_t now = clock_ns(), before = s->at_ns;
	double seconds = (double)(now - before) / 1e9;
	struct service_stats stats;
	struct sums sums;
	double n;

	sum_up(d, members, &sums);
	n = (double)MAX(sums.nrunning, 1);
	if (service_stats(group->name, &stats))
		return false;
	load->cpu = (double)MAX(sums.cpu_ms - s->cpu_ms, 0) / seconds / n;
	load->inflight =
		(double)(sums.connections + stats.waiting + stats.in_flight) /
		n;
	load->rate = (double)(stats.connections - s->connections) / seconds / n;
	s->at_ns = now;
	s->cpu_ms = sums.cpu_ms;
	s->connections = stats.connections;
	return before != 0;
}

static double value_of(const struct load *load, const char *metric)
{
	if (!strcmp(metric, "inflight_reqs"))
		return load->inflight;
	return strcmp(metric, "reqs_per_sec") ? load->cpu : load->rate;
}

static int64_t decide(const json_t *config, const struct load *load,
		      int64_t size)
{
	const json_t *policy;
	int64_t want = -1;
	size_t i;

	json_array_foreach (json_object_get(config, "policies"), i, policy) {
		int64_t one;

		if (json_is_false(json_object_get(policy, "enabled")))
			continue;
		one = autoscale_want(
			policy,
			value_of(load, json_str_or(policy, "metric", "cpu")),
			size);
		want = MAX(want, one); /* nobody's need is overruled */
	}
	want = want < 0 ? size : want;
	want = MAX(want, json_int_or(config, "min_size", 1));
	return MIN(want, json_int_or(config, "max_size", 1));
}

static void add_instance(struct daemon *d, const struct db_object *group,
			 const json_t *config)
{
	cleanup_json json_t *arg = json_pack(
		"{s:b, s:{s:s}, s:{s:O}}", "autostart", 1, "service_group",
		"uuid", group->uuid, "template", "uuid",
		json_object_get(json_object_get(config, "template"), "uuid"));
	struct err e = ERR_INIT;

	if (instance_create_for(d, group->owner, arg, &e))
		log_warning("autoscale service=%s: %s", group->name, e.msg);
}

/* The newest goes first, and only those that came by us. */
static void take_instance(struct daemon *d, const struct db_object *group,
			  const struct db_list *members)
{
	struct err e = ERR_INIT;

	for (size_t i = members->count; i-- > 0;) {
		const struct db_object *o = &members->items[i];

		if (!json_has(o->body, "template"))
			continue;
		if (instance_delete_for(d, o, false, &e))
			log_warning("autoscale service=%s: %s", group->name,
				    e.msg);
		return;
	}
}

static void scale(struct autoscale *a, const struct db_object *group)
{
	const json_t *config = json_object_get(group->body, "autoscale");
	struct daemon *d = a->daemon;
	struct scaled *s = find(a, group->uuid);
	cleanup_db_list struct db_list members = { 0 };
	struct load load;
	int64_t size, want;

	s->is_seen = true;
	if (db_list_by(d->db, DB_INSTANCE, DB_BY_GROUP, group->uuid, &members,
		       NULL) ||
	    !measure(d, group, &members, s, &load) || s->at_ns < s->quiet_ns)
		return;
	size = (int64_t)members.count;
	want = decide(config, &load, size);
	if (want == size)
		return;
	log_info("autoscale service=%s size=%lld want=%lld cpu=%.0f "
		 "inflight=%.1f rate=%.1f",
		 group->name, (long long)size, (long long)want, load.cpu,
		 load.inflight, load.rate);
	for (int i = 0; i < CHANGES_MAX && size + i < want; i++)
		add_instance(d, group, config);
	/* One at a time on the way down. */
	if (want < size)
		take_instance(d, group, &members);
	s->quiet_ns =
		clock_ns() +
		(uint64_t)(want > size ? json_int_or(config, "warmup_time_ms",
						     WARMUP_MS)
				       : json_int_or(config, "cooldown_time_ms",
						     COOLDOWN_MS)) *
			(uint64_t)NSEC_PER_MSEC;
}

static void tick_job(void *arg)
{
	struct autoscale *a = arg;
	cleanup_db_list struct db_list groups = { 0 };
	struct scaled *s, *next;

	autokill_run(a->daemon);
	if (db_list_by(a->daemon->db, DB_SERVICE, DB_AUTOSCALED, NULL, &groups,
		       NULL))
		return;
	list_for_each (s, &a->groups, link)
		s->is_seen = false;
	for (size_t i = 0; i < groups.count; i++)
		scale(a, &groups.items[i]);
	list_for_each_safe (s, next, &a->groups, link) {
		if (s->is_seen)
			continue;
		list_del(&s->link);
		free(s);
	}
}

static void on_done(void *arg)
{
	struct autoscale *a = arg;

	a->is_busy = false;
}

static void on_tick(struct loop_timer *t)
{
	struct autoscale *a = container_of(t, struct autoscale, timer);
	struct daemon *d = a->daemon;

	if (!a->is_busy && !jobs_submit(d->jobs, d->loop, tick_job, on_done, a))
		a->is_busy = true;
}

void autoscale_start(struct daemon *d)
{
	struct autoscale *a = xcalloc(1, sizeof(*a));

	a->daemon = d;
	list_init(&a->groups);
	loop_timer_set(d->loop, &a->timer, TICK_NS, TICK_NS, on_tick);
}
