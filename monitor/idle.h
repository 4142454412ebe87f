/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May an instance sleep now? A pure function of its policy, of what its kernel
 * counts (abi/status.h) and of the time; monitor/sleep.c does what it says.
 */
#ifndef JIFFY_MONITOR_IDLE_H
#define JIFFY_MONITOR_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/status.h"

enum sleep_policy {
	SLEEP_OFF,
	SLEEP_ON,   /* while no connection to a published port is open */
	SLEEP_IDLE, /* while all are silent */
};

struct sleep_spec {
	enum sleep_policy policy;
	bool is_stateless;    /* it is stopped, and boots again */
	uint32_t cooldown_ms; /* how long it must have been so */
	uint32_t notify_ms;   /* tell the program so long before; 0: no */
	uint32_t grace_ms;    /* the cool-down in a transaction */
};

/* A copy of the sums of the block, nothing below 0. */
struct idle_counts {
	uint64_t active_ns;
	uint64_t connections, outbound, requests, transactions, questions,
		blocks, keepawake;
};
void idle_read(const struct status_block *s, struct idle_counts *c);

enum awake_reason {
	AWAKE_POLICY,
	AWAKE_UNREACHABLE, /* nothing could wake it */
	AWAKE_STARTING,	   /* nobody listens yet */
	AWAKE_HELD,	   /* a command is at work in it */
	AWAKE_CONNECTIONS,
	AWAKE_REQUESTS,
	AWAKE_OUTBOUND,
	AWAKE_VOLUME,
	AWAKE_KEEPAWAKE,
	AWAKE_TRANSACTION,
	AWAKE_COOLING,
	AWAKE_RUNNING,
	AWAKE_NREASONS
};
#define AWAKE_BIT(reason) (1u << (reason))
/* What ends without BROKER_LESS. */
#define AWAKE_TIMED                                                \
	(AWAKE_BIT(AWAKE_TRANSACTION) | AWAKE_BIT(AWAKE_COOLING) | \
	 AWAKE_BIT(AWAKE_RUNNING))

/* What the monitor knows besides. */
struct idle_situation {
	bool has_ports, is_listening;
	uint32_t nheld;
	uint64_t since_ns; /* it runs, or has refused to sleep, since */
	uint64_t now_ns;
	uint64_t cpu_ns; /* processor time that it has used until now */
	uint64_t base_ns, base_cpu_ns; /* ... and at an earlier time */
};

struct idle_verdict {
	uint32_t why;	  /* AWAKE_BITs; 0: it may sleep now */
	uint64_t look_ns; /* when to ask again; 0: when something changes */
	bool is_near;	  /* it will sleep in notify_ms, or sooner */
	bool takes_base;  /* cpu_ns is the new base */
};
void idle_decide(const struct sleep_spec *p, const struct idle_counts *c,
		 const struct idle_situation *s, struct idle_verdict *v);

/* May an instance that was stopped by such a verdict stay so? `then` are the
 * counts of that time. */
bool idle_still(const struct sleep_spec *p, const struct idle_counts *then,
		const struct idle_counts *now);

#endif
