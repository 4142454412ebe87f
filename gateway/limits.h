/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gateway may hold for clients, all loops together: descriptors, and
 * bytes that somebody does not take. Nobody gets a fixed share: whoever has
 * little may always have more, and whoever has much may have more only while
 * much is left, so that a flood of one port or service stops itself before it
 * takes what others need. May be called on any thread; looks and counts are not
 * one step, so a limit may be passed by as many as there are loops.
 */
#ifndef JIFFY_GATEWAY_LIMITS_H
#define JIFFY_GATEWAY_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The most that is read at once. */
#define LIMITS_READ 65536
/* ... while many bytes are held. */
#define LIMITS_READ_TIGHT 4096

/* Set the budgets by RLIMIT_NOFILE and the host's memory. Before any loop runs;
 * until then there is no limit. */
void limits_start(void);
/* The same with numbers of the caller's. */
void limits_set(uint32_t nfiles, uint64_t nbytes);

/* A descriptor is held, or closed again. */
void limits_hold_file(void);
void limits_release_file(void);

/* Bytes are kept for somebody, or not any more. */
void limits_hold_bytes(size_t n);
void limits_release_bytes(size_t n);

uint64_t limits_held_bytes(void);

/* How much to read at once: little while half of the bytes that may be held
 * are. */
size_t limits_read_size(void);

/* A client of a listening port came, or went: returns what limits_leave()
 * wants. Networks of IPv6 (64 bits) count as one address. */
uint32_t limits_enter(uint16_t port, const struct sockaddr_storage *client);
void limits_leave(uint16_t port, uint32_t source);
/* Whether the port and the client's address may have one more. The host's own
 * programs have no share: behind them there may be anybody. */
bool limits_admits(uint16_t port, const struct sockaddr_storage *client);
/* Whether it has so many that none should stay idle. */
bool limits_is_crowded(uint16_t port);
/* Whether a service with n connections or requests may have one more. */
bool limits_admits_call(uint32_t n);

#endif
