/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances between the API and the store: what the database says they should
 * be (struct db_object, whose body holds the arguments they were created with)
 * and what they are (records of the store, their monitors). All may block.
 *
 * The body's members are those of a creation request, and: "record", its name
 * in the store; "wanted", "running" or "stopped": what the user asked for last;
 * "stopped_pid", the monitor that was to end then.
 */
#ifndef JIFFY_DAEMON_INSTANCES_H
#define JIFFY_DAEMON_INSTANCES_H

#include "daemon/daemon.h"
#include "engine/instance.h"

/* The record behind an object; -ENOENT. */
int instance_of(struct daemon *d, const struct db_object *o,
		struct instance *in, struct err *e);

/* "running", "standby", "stopped" ..., of the API. */
const char *instance_state(const struct instance *in);

/* Make its record from the object's body, and store the object with the name of
 * the record in the body. */
int instance_make(struct daemon *d, struct db_object *o, struct err *e);

/* Make its spec anew after a change of the body, if it does not run. */
int instance_remake(struct daemon *d, const struct db_object *o,
		    const struct instance *in, struct err *e);

/* Start it, however it stands. -EALREADY if it runs. */
int instance_launch(struct daemon *d, const struct db_object *o, struct err *e);

/* End it without a word and without waiting, if it runs. It need not be held.
 */
void instance_kill(struct daemon *d, const struct db_object *o);

/* Ask it to end and wait; after grace_s seconds it is killed (0: at once).
 * -EALREADY if it does not run. A suspended one's checkpoint is given up. */
int instance_end(struct daemon *d, const struct instance *in, int grace_s,
		 struct err *e);

/* Suspend it. */
int instance_sleep(struct daemon *d, const struct instance *in, struct err *e);

/* End it, and remove its record. */
int instance_erase(struct daemon *d, const struct db_object *o, struct err *e);

/* Bring the database in line with the store, once, at the start: records that
 * nobody knows become the administrator's; objects without a record go. */
int instances_adopt(struct daemon *d, struct err *e);

/* Remove what forks that were cut off have left, once, at the start
 * (api_templates.c). */
void templates_sweep(struct daemon *d);

/* Adopt one record, if it has no object yet. */
int instance_adopt(struct daemon *d, const char *record, struct err *e);

/* CPU time of all host processes of a monitor's instance (metrics.c). */
int64_t instance_cpu_ms(long monitor);

/* As requests of that user would (api_instances.c). 0, -errno, or an enum
 * api_error. has_ended: delete it only if it does not run by then. */
int instance_create_for(struct daemon *d, const char *user, const json_t *arg,
			struct err *e);
int instance_delete_for(struct daemon *d, const struct db_object *o,
			bool has_ended, struct err *e);

/* What a schedule asks for: {"action", "args"}. 0, -errno or an enum
 * api_error. */
int instance_act_for(struct daemon *d, const struct db_object *o,
		     const json_t *schedule, struct err *e);

struct call;
/* Start a command in it and do not wait for it (api_exec.c): args, the list.
 * The same. */
int instance_exec_detached(struct call *c, struct db_object *o, json_t *args,
			   struct err *e);
/* Load it running for a request of its user: one that sleeps is woken
 * (api_instances.c). 0, -errno, or an enum api_error. */
int instance_awake(struct call *c, struct db_object *o, struct instance *in,
		   struct err *e);
/* Make one as a creation request asks for (arg), and tell about it in item;
 * `number` is 0, or that of a replica: its name ends in it. The same. */
int instance_post_one(struct call *c, const json_t *arg, json_int_t number,
		      json_t *item, struct err *e);

/* The object of a record; -ENOENT. */
int instance_object(struct daemon *d, const char *record, struct db_object *o,
		    struct err *e);

/* Whether one that has ended is to be started again: its policy wants it, and
 * nobody has asked for its end. */
bool instance_is_to_restart(const struct db_object *o,
			    const struct instance *in);

/* Take note of one that was stopped by the API and started by somebody else:
 * its user wants it running again. */
void instance_note_start(struct daemon *d, const char *record);

/* Remove the object of a record that is gone. */
void instance_forget(struct daemon *d, const char *record);

#endif
