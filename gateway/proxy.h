/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of the PROXY protocol, versions 1 and 2: what a balancer says before
 * a connection's first byte of who is at its other end. Pure functions on
 * bytes, which are hostile; no input or output.
 */
#ifndef JIFFY_GATEWAY_PROXY_H
#define JIFFY_GATEWAY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The longest header that is read, and that is written. */
#define PROXY_READ_MAX 2048
#define PROXY_WRITE_MAX 108

struct proxy_ends {
	bool is_known; /* else it says nothing: those of the connection count */
	struct sockaddr_storage from, to;
};

/* Read the header that buf begins with, of either version: its length, 0 if
 * more is needed, -EBADMSG. */
ssize_t proxy_parse(const uint8_t *buf, size_t len, struct proxy_ends *out);

/* Write a header of version 1 or 2; its length. */
size_t proxy_write(unsigned int version, const struct sockaddr_storage *from,
		   const struct sockaddr_storage *to,
		   uint8_t out[PROXY_WRITE_MAX]);

#endif
