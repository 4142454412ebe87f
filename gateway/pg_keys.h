/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancel keys that the gateway gives out for PostgreSQL sessions it is in the
 * path of: keys of the instances themselves would collide. One table for the
 * program, used by all loops.
 */
#ifndef JIFFY_GATEWAY_PG_KEYS_H
#define JIFFY_GATEWAY_PG_KEYS_H

#include "gateway/pg_wire.h"
#include "lib/list.h"

struct pg_keys;
struct service;

/* What a key given out stands for. */
struct pg_target {
	struct service *service; /* of a key that was found: held for you */
	uint64_t instance;
	struct pg_key key; /* the instance's own */
};

/* A key that was given out; in its session. Zeroed: none. */
struct pg_session_key {
	struct list link;
	struct pg_key given;
	struct pg_target target;
	uint64_t last_cancel_ns;
	bool is_entered;
};

int pg_keys_new(struct pg_keys **out);
/* All keys have been taken back. */
void pg_keys_free(struct pg_keys *k);

/* Give out a key for k->target: fills in k->given, with a secret as long as the
 * instance's. */
int pg_keys_enter(struct pg_keys *keys, struct pg_session_key *k);
/* Take it back; harmless if none was given out. */
void pg_keys_remove(struct pg_keys *keys, struct pg_session_key *k);

/* What a key from outside stands for: 0, -ENOENT if nothing (or not the right
 * secret), -EBUSY if it was used a moment ago. */
int pg_keys_find(struct pg_keys *keys, const struct pg_key *given,
		 uint64_t now_ns, struct pg_target *out);

#endif
