/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivered ports: connections that somebody else has accepted reach an
 * instance as datagrams. For each such port, the AF_UNIX SOCK_DGRAM socket
 * deliver.PORT (the instance's port, in decimal) in the state directory takes
 * one struct deliver_message a connection, with the connected TCP socket, which
 * must be non-blocking, attached (SCM_RIGHTS, one descriptor). The instance's
 * kernel reads it where its program accepts; while the instance sleeps the
 * keeper holds the socket, and a datagram wakes it. The host's queue of such a
 * socket is short (net.unix.max_dgram_qlen): whoever sends gets EAGAIN when it
 * is full and, connected, is told when there is room.
 */
#ifndef JIFFY_ABI_DELIVER_H
#define JIFFY_ABI_DELIVER_H

#include <assert.h>
#include <stdint.h>

#define DELIVER_SOCKET "deliver."
#define DELIVER_VERSION 1u

struct deliver_message {
	uint32_t version;  /* DELIVER_VERSION */
	uint32_t peer_len; /* bytes used of peer */
	uint8_t peer[32];  /* who connected: sockaddr_in, sockaddr_in6 */
};
static_assert(sizeof(struct deliver_message) == 40, "ABI");

#endif
