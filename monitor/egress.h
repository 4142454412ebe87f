/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an instance may connect to: anywhere, or only to networks and names of
 * a list. An address of a name is allowed once the instance has asked for it
 * and been answered.
 */
#ifndef JIFFY_MONITOR_EGRESS_H
#define JIFFY_MONITOR_EGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "host/err.h"
#include "host/strv.h"

#define EGRESS_NETWORKS_MAX 256
#define EGRESS_KNOWN_MAX 256

/* IPv4 as a part of IPv6 (::ffff:a.b.c.d). */
struct egress_network {
	uint8_t address[16];
	unsigned int bits;
};

struct egress {
	bool is_limited; /* to what follows */
	size_t nnetworks;
	struct egress_network networks[EGRESS_NETWORKS_MAX];
	struct strv names; /* "*.NAME": all below it */
};

/* Addresses of names, the oldest is forgotten first. */
struct egress_known {
	unsigned int next;
	struct {
		uint8_t address[16];
		uint64_t until_ns; /* CLOCK_MONOTONIC */
	} entries[EGRESS_KNOWN_MAX];
};

/* From the spec: an array of "ADDRESS[/BITS]" and names. */
int egress_parse(const json_t *list, struct egress *g, struct err *e);
void egress_free(struct egress *g);

/* A TCP or UDP address of IPv4 or IPv6, len bytes of it. */
bool egress_allows(const struct egress *g, const struct egress_known *known,
		   const struct sockaddr_storage *to, uint64_t now_ns);
bool egress_allows_name(const struct egress *g, const char *name);

/* The addresses of a DNS answer, n bytes, to a question about an allowed name.
 */
void egress_learn(struct egress_known *known, const uint8_t *answer, size_t n,
		  uint64_t now_ns);

#endif
