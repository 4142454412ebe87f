/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services from the inside. The lock of a service is for its members, their
 * links and its counters; it is held for a few host calls at most. References:
 * the table and calls hold services, services and links hold members.
 */
#ifndef JIFFY_GATEWAY_SERVICE_INT_H
#define JIFFY_GATEWAY_SERVICE_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "abi/deliver.h"
#include "abi/status.h"
#include "gateway/service.h"
#include "host/loop.h"
#include "lib/list.h"

#define SERVICE_LIMIT_MAX 65535u
#define SERVICE_WAITING_MAX 4096u /* connections, of one link */

/* One loop's share. */
struct lane {
	struct loop *loop;
	int pair_fd;		      /* listens, for loopback pairs; -1 */
	struct sockaddr_in pair_name; /* ... at */
};

struct status_owner { /* which monitor: of its control socket */
	uint64_t inode;
	int64_t made_s, made_ns;
};

struct member {		   /* an instance of a service */
	struct list node;  /* service.members */
	struct list hash;  /* in the table of numbers */
	struct list links; /* struct link */
	struct service *service;
	unsigned int refs; /* service.lock */
	uint64_t number;
	bool is_dropped;
	bool is_starting; /* service_ops.start() was asked */
	bool is_asleep;	  /* as of looked_ns */
	uint64_t looked_ns;
	uint64_t down_ns;		   /* nobody was there; 0: not so */
	uint64_t sent;			   /* connections, ever */
	uint32_t requests;		   /* calls with BACKEND_REQUEST */
	uint32_t picked;		   /* other calls, not connected yet */
	const struct status_block *status; /* mapped; NULL: not known */
	struct status_owner status_owner;
	uint64_t status_ns; /* looked at last */
	bool is_fetching;
	struct service_instance_stats stats; /* of its wakes */
	char name[];			     /* its directory */
};

/* The way to a delivered port of an instance, while it is in use. Opened,
 * watched and closed by the thread of `lane`; any thread may send. */
struct link {
	struct list node; /* member.links */
	struct member *member;
	struct lane *lane;
	uint16_t guest;
	int fd; /* connected, -1: nobody is there */
	struct loop_watch watch;
	struct loop_timer timer;
	struct list waiting; /* struct waiter */
	uint32_t nwaiting;
	uint32_t nposted;   /* retries on their way to the loop */
	uint32_t in_flight; /* at most so many were not taken yet */
	uint64_t wake_ns;   /* a wake began; 0: none is under way */
	uint64_t used_ns;
};

struct service {
	pthread_mutex_t lock;
	atomic_uint refs;
	struct list node; /* of all */
	struct list members;
	uint32_t nmembers, soft_limit, hard_limit;
	uint32_t ncalls; /* of backend.h, that were picked */
	uint32_t nports, ndomains;
	struct service_port *ports;
	char **domains;
	struct list routes;	    /* services.lock */
	struct service_stats stats; /* counters only */
	bool is_removed;
	char name[SERVICE_NAME_SIZE];
};

struct gateway_services {
	int store; /* directory */
	struct lane *lanes;
	unsigned int nlanes;
	struct jobs *jobs;
	struct service_ops ops;
	pthread_rwlock_t lock; /* what follows */
	struct list all;       /* services */
	struct list listeners;
	struct list numbers[1024]; /* member.hash */
};
extern struct gateway_services services;

static inline struct lane *lane_of(const struct loop *l)
{
	for (unsigned int i = 0; i < services.nlanes; i++)
		if (services.lanes[i].loop == l)
			return &services.lanes[i];
	return NULL;
}

void service_get(struct service *s);
void service_put(struct service *s);
/* The port of s that is listened at as that number, or NULL. */
const struct service_port *service_find_port(const struct service *s,
					     uint16_t port);

/* --- route.c. services.lock held; for writing to change it. */

/* Have a service found by its name, domains and ports. */
void route_set(struct service *s);
void route_clear(struct service *s);
/* As backend_find(). */
struct service *route_find(uint16_t port, const char *name, const char *path);
/* By its exact name. */
struct service *route_by_name(const char *name);

/* --- balance.c. service.lock held. */

/* Whom the next one goes to; NULL: *err is -EUSERS or -EHOSTUNREACH. */
struct member *balance_pick(struct service *s, unsigned int flags,
			    struct loop *l, int *err);
/* Does it sleep now? Looks at most once a millisecond. */
bool member_sleeps(struct member *m, uint64_t now_ns);
uint32_t member_load(const struct member *m, unsigned int flags);
void member_put(struct member *m); /* the caller holds the service, too */

/* --- status.c. service.lock held. */

/* See to it that member_open() is right soon, where it is awake. */
void member_look_at_status(struct member *m, struct loop *l);
void member_close_status(struct member *m);
/* Connections that its kernel counts. */
uint32_t member_open(const struct member *m);

/* --- link.c. service.lock held, on the lane's thread. */

enum { LINK_MAY_WAIT = 1 };
/* Send fd, connected with client, which is closed once it is sent; -1: only
 * wake. give_up: as in struct backend_call. 0: sent, or (LINK_MAY_WAIT) kept to
 * be sent later; -EAGAIN: too many wait; -ECONNREFUSED: nobody is there. On
 * failure fd is still the caller's. */
int link_send(struct lane *lane, struct member *m, uint16_t guest, int fd,
	      const struct sockaddr_storage *client, unsigned int flags,
	      void (*give_up)(int fd, int status));
/* An instance was started, or could not be: send what waits, or give it up. */
void links_retry(struct member *m, int status);
/* Close all that waits: the member is dropped. */
void links_drop(struct member *m);

/* --- listen.c. services.lock held for writing. */

/* Whether one socket does for both, as far as headers are concerned. */
bool listen_is_same(const struct service_port *a, const struct service_port *b);
int listen_add(struct service *s, const struct service_port *p, struct err *e);
void listen_remove(struct service *s, const struct service_port *p);
void listen_close_all(void); /* no loop runs */

#endif
