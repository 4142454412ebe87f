/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances that are deleted some time after they have ended: `autokill` and
 * the feature `delete-on-stop`.
 */
#ifndef JIFFY_DAEMON_AUTOKILL_H
#define JIFFY_DAEMON_AUTOKILL_H

#include "daemon/daemon.h"

/* Put what the body's "autokill" and "features" mean into its "autokill_ms". */
void autokill_set(json_t *body);

/* Delete those whose time has come. On a thread of the pool, once a second. */
void autokill_run(struct daemon *d);

#endif
