/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Having jiffyd act on an instance, where one serves the store: then its idea
 * of what should run, quotas, locks and restart policies hold.
 */
#ifndef JIFFY_CLI_DAEMON_H
#define JIFFY_CLI_DAEMON_H

#include <jansson.h>

#include "engine/instance.h"

#define DAEMON_NONE 1 /* do it yourself */

/* Have it do `verb` ("start", "stop", "suspend", "delete") to an instance, with
 * more arguments of the API's (taken over; or NULL). 0; -errno with its words;
 * DAEMON_NONE: there is no daemon, or it does not know the instance. */
int daemon_do(const struct store *s, const struct instance *in,
	      const char *verb, json_t *more, int timeout_s, struct err *e);

#endif
