/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the store: instances that start, sleep, wake and end, whoever made
 * them do so. Tells those who wait, adopts records that the command line makes,
 * and restarts what is to be restarted. On the daemon's loop.
 */
#ifndef JIFFY_DAEMON_SUPERVISOR_H
#define JIFFY_DAEMON_SUPERVISOR_H

#include "daemon/daemon.h"

/* Begin to watch, until the process ends. 0 or -errno. */
int supervisor_start(struct daemon *d, struct err *e);

#endif
