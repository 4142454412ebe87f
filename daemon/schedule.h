/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of instances: what is done to one at times that come again. They
 * are in the object's body, as a request has them ("schedules"), with the next
 * time of each ("schedule_next", by name) and the first of these
 * ("schedule_at"), by which the database finds those that are due. One timer
 * for all.
 */
#ifndef JIFFY_DAEMON_SCHEDULE_H
#define JIFFY_DAEMON_SCHEDULE_H

#include "daemon/daemon.h"

#define SCHEDULES_MAX 16

/* Check a body's schedules and set their next times after now (seconds since
 * 1970); those that have not changed since `before` (or NULL) keep theirs. 0 or
 * an enum api_error. */
int schedule_set(json_t *body, const json_t *before, int64_t now,
		 struct err *e);

/* Append the schedules that are due at `now` to the list, and move their next
 * times behind it: whatever was missed is made up for once. */
void schedule_take_due(json_t *body, int64_t now, json_t *due);

/* The schedules as the API tells them: with "next_at". The caller
 * json_decref()s. */
json_t *schedule_describe(const json_t *body);

/* Begin; and look again, as something has changed: from any thread. */
void schedule_start(struct daemon *d);
void schedule_changed(struct daemon *d);

#endif
