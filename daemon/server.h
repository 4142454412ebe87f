/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's HTTP/1.1 server: reads requests within limits of size and time,
 * has them handled on the pool, writes the answers. All on the daemon's loop.
 */
#ifndef JIFFY_DAEMON_SERVER_H
#define JIFFY_DAEMON_SERVER_H

#include "daemon/daemon.h"

#define SERVER_HEAD_MAX 16384u
#define SERVER_BODY_MAX (9u << 20)
#define SERVER_CONNECTIONS_MAX 1024

struct server;

struct server *server_new(struct daemon *d);

/* Serve a listening socket, which it then owns. 0 or -errno. */
int server_listen(struct server *s, int fd);

/* Something has changed: requests that wait for a change are handled again.
 * From any thread. */
void server_changed(struct server *s);

#endif
