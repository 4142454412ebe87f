/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Autoscale: once a second each service group that has a configuration
 * ("autoscale" in its body) is measured, and instances of its template come or
 * go by the steps of its policies.
 */
#ifndef JIFFY_DAEMON_AUTOSCALE_H
#define JIFFY_DAEMON_AUTOSCALE_H

#include <jansson.h>
#include <stdint.h>

#include "daemon/daemon.h"

/* Begin, until the process ends. */
void autoscale_start(struct daemon *d);

/* How many instances a policy wants where there are `size` and its metric has
 * this value; size if it has no step for it. */
int64_t autoscale_want(const json_t *policy, double value, int64_t size);

#endif
