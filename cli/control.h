/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to a running instance's monitor: one JSON line there, one back.
 */
#ifndef JIFFY_CLI_CONTROL_H
#define JIFFY_CLI_CONTROL_H

#include <jansson.h>

#include "cli/instance.h"
#include "host/err.h"

/* Send request and wait for the answer, at most timeout_s seconds. Returns 0
 * with the answer (when answer is not NULL; the caller json_decref()s), -ESRCH
 * when nobody serves the socket, -EREMOTEIO with the monitor's own words. */
int control_call(const struct instance *in, const json_t *request,
		 int timeout_s, json_t **answer, struct err *e);

#endif
