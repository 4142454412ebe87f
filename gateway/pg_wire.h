/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of PostgreSQL's wire protocol that a gateway has to understand: the
 * first packet of a connection, error messages, and the framing of the messages
 * after it. Pure functions on bytes, which are hostile; no input or output.
 */
#ifndef JIFFY_GATEWAY_PG_WIRE_H
#define JIFFY_GATEWAY_PG_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The longest first packet that PostgreSQL itself accepts. */
#define PG_FIRST_MAX 10000
#define PG_NAME_MAX 256
/* The longest secret of a cancel key (protocol 3.2). */
#define PG_SECRET_MAX 256

enum pg_first {
	PG_FIRST_MORE, /* not whole yet */
	PG_FIRST_BAD,  /* not PostgreSQL, or too long */
	PG_FIRST_TLS,  /* a TLS record: TLS without SSLRequest */
	PG_FIRST_SSL,
	PG_FIRST_GSS,
	PG_FIRST_CANCEL,
	PG_FIRST_STARTUP,
};

/* What the first n bytes of a connection are. *len is the length of the packet,
 * 0 for TLS, MORE and BAD. */
enum pg_first pg_first(const uint8_t *buf, size_t n, size_t *len);

/* What a StartupMessage says of where it wants to go. Strings point into the
 * packet, except endpoint and tenant. */
struct pg_startup {
	uint32_t version;
	const char *user;	    /* as sent, "" if absent */
	const char *database;	    /* as sent, else user */
	const char *options;	    /* NULL if absent */
	char endpoint[PG_NAME_MAX]; /* of options=endpoint=NAME, "" if none */
	char tenant[PG_NAME_MAX];   /* after the user's last dot, "" if none */
};

/* Read a whole StartupMessage. 0, or -EINVAL if it is malformed: it must end as
 * the protocol says, and name each parameter of interest once. */
int pg_startup_parse(const uint8_t *buf, size_t len, struct pg_startup *s);

/* Copy a parsed StartupMessage without its endpoint option and, if cut_tenant,
 * without the tenant in the user's name; a database that was left to default to
 * the user's name goes on doing so. Returns the new length or -ENOSPC. */
ssize_t pg_startup_copy(const uint8_t *buf, size_t len,
			const struct pg_startup *s, bool cut_tenant,
			uint8_t *out, size_t size);

/* A cancel key: the process number and its secret. */
struct pg_key {
	uint32_t pid;
	uint16_t nsecret;
	uint8_t secret[PG_SECRET_MAX];
};

/* The key of a whole CancelRequest; -EINVAL if it has none. */
int pg_cancel_parse(const uint8_t *buf, size_t len, struct pg_key *key);

/* Write a CancelRequest; its length, at most 12 + PG_SECRET_MAX. */
size_t pg_cancel_write(const struct pg_key *key, uint8_t *out);

/* Write an ErrorResponse of severity FATAL; its length, or 0 if it does not
 * fit. sqlstate has five characters. */
size_t pg_error_write(const char *sqlstate, const char *message, uint8_t *out,
		      size_t size);

/* Whether a message of type 'E' (body, without type and length) has this
 * SQLSTATE. */
bool pg_error_is(const uint8_t *body, size_t len, const char *sqlstate);

/* Follows the messages of one direction, however they are cut into reads. */
struct pg_frames {
	uint8_t head[5];
	uint8_t nhead; /* of head that are there */
	uint32_t left; /* bytes of the body still to come */
};

/* What pg_frames_next found. */
enum pg_event {
	PG_EVENT_MORE, /* all bytes are used up */
	PG_EVENT_HEAD, /* a message begins: head[0] is its type, left its body
			*/
	PG_EVENT_BODY, /* bytes of its body; left is what is still to come */
	PG_EVENT_BAD,  /* a length that cannot be */
};

/* Go on in buf from *pos, which moves behind what was looked at. For BODY the
 * bytes are those between the old and the new *pos. A message without a body
 * gives HEAD only. */
enum pg_event pg_frames_next(struct pg_frames *f, const uint8_t *buf, size_t n,
			     size_t *pos);

#endif
