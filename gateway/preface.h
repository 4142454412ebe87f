/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection from a balancer before its first byte: the header of the PROXY
 * protocol is awaited, looked at in the socket and taken out of it, and nothing
 * behind it. On one loop's thread.
 */
#ifndef JIFFY_GATEWAY_PREFACE_H
#define JIFFY_GATEWAY_PREFACE_H

#include <stdint.h>
#include <sys/socket.h>

#include "host/loop.h"
#include "lib/list.h"

/* The client is known: fd is the callee's. */
typedef void preface_done(void *arg, int fd,
			  const struct sockaddr_storage *client);

/* Take over fd, which is non-blocking. all: those that are under way, of the
 * caller's. client counts where the header says nothing. done may be called
 * before it returns; not if no header comes (in time): fd is closed then. */
void preface_start(struct loop *l, struct list *all, int fd, uint16_t port,
		   const struct sockaddr_storage *client, preface_done *done,
		   void *arg);

/* Close all that are under way. */
void preface_close_all(struct list *all);

#endif
