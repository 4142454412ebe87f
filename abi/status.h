/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status block: what a kernel counts of its instance's business with the
 * outside, from which its monitor decides whether it may sleep and others where
 * to send the next connection. A part of the boot block with a page to itself,
 * so that a checkpoint keeps it. The kernel writes by relaxed atomics; whoever
 * reads takes each word once and trusts none: an instance can lie about itself
 * only.
 */
#ifndef JIFFY_ABI_STATUS_H
#define JIFFY_ABI_STATUS_H

#include <assert.h>
#include <stdint.h>

#define STATUS_VERSION 1
#define STATUS_PORTS 64 /* as many as a spec may publish */
#define STATUS_SHARDS 8

/* Threads count in one of these each, so that they do not fight for a cache
 * line: only the sums mean something, and one of them may be negative. */
struct status_shard {
	/* Last traffic: the host's CLOCK_MONOTONIC. With BOOT_SLEEPS. */
	uint64_t active_ns;
	int32_t requests;     /* connections from outside owed an answer */
	int32_t transactions; /* PostgreSQL's: idle inside a transaction */
	int32_t questions;    /* connections to the outside that wait for one */
	int32_t blocks;	      /* transfers from and to volumes, flushes */
	uint8_t pad[40];
};
static_assert(sizeof(struct status_shard) == 64, "ABI: a cache line");

struct status_block {
	uint32_t version; /* STATUS_VERSION, by the monitor */
	/* Set by the monitor: the next time that one of the numbers below goes
	 * down the kernel clears it and sends BROKER_LESS. */
	uint32_t tell;
	uint32_t keepawake; /* /dev/jiffy/keepawake */
	int32_t outbound;   /* connections to the outside */
	/* Set by the monitor: the instance is about to stop, nothing more is
	 * accepted at published ports. */
	uint32_t is_closed;
	/* Set by the monitor: the next time that something is written to
	 * standard output or error the kernel clears it and sends
	 * BROKER_OUTPUT. */
	uint32_t tell_output;
	uint8_t pad[40];
	/* Connections from outside, by published port: its place in the spec.
	 */
	int32_t connections[STATUS_PORTS];
	struct status_shard shards[STATUS_SHARDS];
	uint8_t rest[4096 - 64 - 4 * STATUS_PORTS - 64 * STATUS_SHARDS];
};
static_assert(sizeof(struct status_block) == 4096, "ABI: a page");

#endif
