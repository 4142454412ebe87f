/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying schedules out: a timer until the first that is due, one job that
 * takes those that are, and one job an instance that does it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/instances.h"
#include "daemon/schedule.h"
#include "host/cleanup.h"
#include "host/json.h"
#include "host/log.h"
#include "host/xmalloc.h"

/* The host's clock may be set meanwhile. */
#define LOOK_S 60
#define RETRY_S 1

struct scheduler {
	struct loop_timer timer;
	struct daemon *daemon;
	bool is_looking, is_to_look;
	int64_t next_s; /* what the job has found; -1: nothing */
};

/* What is due of one instance. */
struct due {
	struct daemon *daemon;
	struct db_object object;
	json_t *schedules;
};

static void run_due(void *arg)
{
	struct due *due = arg;
	json_t *schedule;
	size_t i;

	json_array_foreach (due->schedules, i, schedule) {
		const char *name = json_str_or(schedule, "name", "");
		struct err e = ERR_INIT;

		log_info("schedule=%s instance=%s action=%s", name,
			 due->object.name, json_str_or(schedule, "action", ""));
		if (instance_act_for(due->daemon, &due->object, schedule, &e))
			log_warning("schedule=%s instance=%s: %s", name,
				    due->object.name, e.msg);
	}
	json_decref(due->schedules);
	db_object_fini(&due->object);
	free(due);
}

/* Note that it is done, and do it. False: somebody has it now. */
static bool take(struct daemon *d, const char *uuid, int64_t now)
{
	struct due *due = xcalloc(1, sizeof(*due));

	if (!daemon_try_hold(d, uuid)) {
		free(due);
		return false;
	}
	due->daemon = d;
	due->schedules = json_array();
	if (!db_find(d->db, DB_INSTANCE, NULL, uuid, NULL, &due->object,
		     NULL)) {
		schedule_take_due(due->object.body, now, due->schedules);
		/* Not noted: it would be done again and again. */
		if (db_update(d->db, &due->object, NULL))
			json_array_clear(due->schedules);
	}
	daemon_release(d, uuid);
	if (!json_array_size(due->schedules) ||
	    jobs_submit(d->jobs, d->loop, run_due, NULL, due)) {
		json_decref(due->schedules);
		db_object_fini(&due->object);
		free(due);
	}
	return true;
}

/* On the pool. */
static void look_job(void *arg)
{
	struct scheduler *s = arg;
	struct daemon *d = s->daemon;
	cleanup_db_list struct db_list due = { 0 };
	int64_t now = (int64_t)time(NULL);
	bool is_held = false;

	if (!db_list_due(d->db, now, &due, NULL))
		for (size_t i = 0; i < due.count; i++)
			is_held |= !take(d, due.items[i].uuid, now);
	if (is_held || db_next_due(d->db, &s->next_s, NULL))
		s->next_s = is_held ? now + RETRY_S : -1;
}

static void look(struct scheduler *s);

static void on_due(struct loop_timer *t)
{
	look(container_of(t, struct scheduler, timer));
}

static void on_looked(void *arg)
{
	struct scheduler *s = arg;
	int64_t after = LOOK_S;

	s->is_looking = false;
	if (s->is_to_look) {
		look(s);
		return;
	}
	if (s->next_s < 0) /* until something changes */
		return;
	after = MIN(after, MAX(s->next_s - (int64_t)time(NULL), 0));
	/* The clock of times has whole seconds: a little later. */
	loop_timer_set(s->daemon->loop, &s->timer,
		       (uint64_t)after * NSEC_PER_SEC + 20 * NSEC_PER_MSEC, 0,
		       on_due);
}

static void look(struct scheduler *s)
{
	struct daemon *d = s->daemon;

	s->is_to_look = s->is_looking;
	if (s->is_looking)
		return;
	s->is_looking = true;
	if (jobs_submit(d->jobs, d->loop, look_job, on_looked, s)) {
		s->is_looking = false;
		loop_timer_set(d->loop, &s->timer,
			       (uint64_t)LOOK_S * NSEC_PER_SEC, 0, on_due);
	}
}

static void on_changed(void *arg)
{
	look(arg);
}

void schedule_changed(struct daemon *d)
{
	loop_post(d->loop, on_changed, d->scheduler);
}

void schedule_start(struct daemon *d)
{
	d->scheduler = xcalloc(1, sizeof(*d->scheduler));
	d->scheduler->daemon = d;
	look(d->scheduler);
}
