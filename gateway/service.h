/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services: which instances stand behind which ports and names, and what may be
 * asked of them. The daemon says so here; protocols ask by gateway/backend.h.
 * Instances are known by their directory in the store: whether one runs or
 * sleeps is found out there when a connection comes, so nobody has to tell. All
 * functions may be called on any thread and do not block, but that service_set
 * opens listening sockets. There is one set of services in a program.
 */
#ifndef JIFFY_GATEWAY_SERVICE_H
#define JIFFY_GATEWAY_SERVICE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "gateway/backend.h"
#include "host/err.h"
#include "host/jobs.h"

/* A client's connection to a port that has a protocol, on the loop that
 * accepted it. Takes over fd, which is non-blocking. service is the port's, or
 * NULL where several share the port: then backend_find() tells by name. */
typedef void service_protocol(struct loop *l, int fd,
			      const struct sockaddr_storage *client,
			      const struct sockaddr_storage *local,
			      struct service *service, void *arg);

#define SERVICE_PORTS_MAX 64
#define SERVICE_NAME_SIZE 256
#define SERVICE_NETS_MAX 8
#define SERVICE_WAIT_MS 60000

struct service_net { /* host order */
	uint32_t net, mask;
};

struct service_port {
	struct in_addr ip; /* to listen at */
	uint16_t port;	   /* of the host */
	uint16_t guest;	   /* a delivered port of each instance */
	/* NULL: plain TCP, handed over as it is; such a port belongs to one
	 * service alone. Services that share a port have the same protocol. */
	service_protocol *protocol;
	void *arg;
	bool is_alone; /* it belongs to one service, though it has a protocol */
	/* The PROXY protocol: connections from these networks begin with a
	 * header, which says who the client is; all others do not. */
	struct service_net proxy_from[SERVICE_NETS_MAX];
	uint32_t nproxy_from;
	/* Instances get a header of this version before each connection; 0:
	 * none. Plain TCP cannot have one: it has to be relayed. */
	uint32_t proxy_to;
};

struct service_config {
	const char *name;
	uint32_t soft_limit; /* of each instance: beyond it others are woken */
	uint32_t hard_limit; /* beyond it: refused */
	uint32_t nports, ndomains;
	const struct service_port *ports;
	/* Lower case; "*.x" matches one label. "x/path": of HTTP only requests
	 * at or below the path, which is matched as it is sent; where several
	 * match the longest counts. */
	const char *const *domains;
};

/* What the daemon does for instances that are neither awake nor asleep. */
struct service_ops {
	/* Somebody wants instance `number`, which does not run: start it, and
	 * call service_instance_started() when it runs or cannot. On any
	 * thread; must not block. Asked once until then. NULL: connections to
	 * it are refused. */
	void (*start)(void *arg, uint64_t number);
	void *arg;
	/* How long a connection waits for an instance to take it out of the
	 * gateway, in milliseconds; 0: SERVICE_WAIT_MS. */
	uint32_t wait_ms;
};

/* Where the store is; the loops that accept, each run by a thread of its own;
 * a pool for what blocks. All outlive services_stop(). */
int services_start(const char *store, struct loop *const *loops,
		   unsigned int nloops, struct jobs *jobs,
		   const struct service_ops *ops, struct err *e);
/* Close all listening sockets; connections that wait are closed. When no loop
 * runs any more. */
void services_stop(void);

/* Make a service, or change the one of that name: ports that stay are not
 * closed meanwhile. */
int service_set(const struct service_config *c, struct err *e);
/* No more connections; those that wait are closed, all others go on. */
int service_remove(const char *name);

/* Instances, by a number that is never used again and the name of their
 * directory in the store. */
int service_add(const char *service, uint64_t number, const char *instance);
int service_drop(const char *service, uint64_t number);
/* service_ops.start() has ended: 0, or -errno. */
void service_instance_started(uint64_t number, int status);

/* Wake latencies: bucket i counts those below 2^i * 0.25 ms, the last all
 * others. */
#define SERVICE_BUCKETS 16

/* Counters since the service was made, and gauges. */
struct service_stats {
	uint64_t connections;  /* that came in */
	uint64_t refused;      /* over the limits, or nobody is there */
	uint64_t wakes;	       /* of instances, by something for them */
	uint64_t wakes_failed; /* ... who sent them away: not in what follows */
	uint64_t starts;       /* service_ops.start() */
	uint64_t wake_ns;      /* the sum of all wakes' latencies */
	uint64_t wake_buckets[SERVICE_BUCKETS];
	uint32_t waiting;    /* now: held here, no room in the queues */
	uint32_t in_flight;  /* now: sent, not yet taken by an instance */
	uint32_t requests;   /* now: through the gateway (BACKEND_REQUEST) */
	uint32_t open;	     /* now: connections that the instances count */
	uint32_t ninstances; /* behind it */
};

int service_stats(const char *service, struct service_stats *out);
/* Of one instance: connections and requests that are open. -ENOENT. */
int service_instance_load(uint64_t number, uint32_t *out);

/* Of one instance, since it is behind its service. */
struct service_instance_stats {
	uint64_t connections; /* that it was sent */
	uint32_t queued;      /* now: not taken yet */
	uint64_t wake_ns;
	uint32_t wake_buckets[SERVICE_BUCKETS];
};
int service_instance_stats(uint64_t number, struct service_instance_stats *out);

#endif
