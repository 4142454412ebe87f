/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jiffyd's context, which its parts pass around: the store, the database, the
 * loop that serves the API, and the threads on which requests are handled.
 */
#ifndef JIFFY_DAEMON_DAEMON_H
#define JIFFY_DAEMON_DAEMON_H

#include <pthread.h>
#include <stdbool.h>

#include "abi/daemon.h"
#include "daemon/db.h"
#include "daemon/limits.h"
#include "host/jobs.h"
#include "host/loop.h"
#include "host/strv.h"
#include "image/store.h"

#define DAEMON_DATABASE "jiffyd.db"
#define DAEMON_LOCK "jiffyd.lock" /* flock()ed by the one that runs */
#define DAEMON_TOKEN                                            \
	"jiffyd.token" /* the first administrator's, if made up \
			*/

struct scheduler;
struct supervisor;
struct server;
struct certs;

struct daemon {
	struct store store;
	struct db *db;
	struct loop *loop;
	struct jobs *jobs;     /* what the daemon does by itself */
	struct jobs *requests; /* the API's: they may wait for instances, and
				* keep nobody from being started */
	struct server *server;
	struct supervisor *supervisor;
	struct scheduler *scheduler;
	char admin[UUID_SIZE]; /* who owns what was there before */
	struct certs *certs;   /* of the gateway */
	char *domain;	       /* of services: NAME.DOMAIN */
	uint64_t started_ns;
	bool is_ready; /* services are served */
	/* By user: commands and files that are read; requests; those that a
	 * thread has. */
	struct limits streams, waiting, handled;

	/* Held for reading while a record is made and its name noted, for
	 * writing while records that nobody has noted are adopted. */
	pthread_rwlock_t making;

	/* Instances that somebody starts, stops or changes just now, by their
	 * uuids: nobody else does meanwhile. */
	pthread_mutex_t lock;
	pthread_cond_t released;
	struct strv held; /* under lock */
};

/* Give the gateway the uploaded certificates (api_certificates.c). */
int certificates_load(struct daemon *d, struct err *e);

/* Wait for an instance and keep others from it. On a thread of the pool. */
void daemon_hold(struct daemon *d, const char *uuid);
/* The same if nobody has it now. */
bool daemon_try_hold(struct daemon *d, const char *uuid);
void daemon_release(struct daemon *d, const char *uuid);

#endif
