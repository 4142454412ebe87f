/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service groups between the API and the gateway: what the database says of
 * groups, told to gateway/service.h; the threads that serve their connections.
 *
 * A group's body has the members of a creation request, and "persistent". An
 * instance's body names its group: "service_group": {uuid, name}.
 */
#ifndef JIFFY_DAEMON_SERVICES_H
#define JIFFY_DAEMON_SERVICES_H

#include "daemon/daemon.h"
#include "daemon/db.h"

/* Start the gateway's threads, and tell it all groups and their instances. What
 * cannot be listened on is logged. 0 or -errno. */
int services_open(struct daemon *d, struct err *e);

/* Check a group's services and domains: 0, or an enum api_error. */
int service_check(struct daemon *d, const struct db_object *group,
		  struct err *e);

/* Tell the gateway of a group that is new or was changed. 0 or -errno. */
int service_apply(struct daemon *d, const struct db_object *group,
		  struct err *e);
void service_withdraw(struct daemon *d, const struct db_object *group);

/* An instance comes to its group, or leaves it: one that was made inline and is
 * empty then goes, too. */
int service_join(struct daemon *d, const struct db_object *instance,
		 struct err *e);
void service_leave(struct daemon *d, const struct db_object *instance);

/* [{fqdn, certificate}] of a group; the caller json_decref()s. */
json_t *service_domains(struct daemon *d, const struct db_object *group);

/* Append "deliver:PORT" for each port of its instances. */
void service_publish(const struct db_object *group, struct strv *publish);

#endif
