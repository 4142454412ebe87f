/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to a running instance's monitor: one JSON line there, one back.
 */
#ifndef JIFFY_ENGINE_CONTROL_H
#define JIFFY_ENGINE_CONTROL_H

#include <jansson.h>

#include "engine/instance.h"
#include "host/err.h"

/* Send request and wait for the answer, at most timeout_s seconds. Returns 0
 * with the answer (when answer is not NULL; the caller json_decref()s), -ESRCH
 * when nobody serves the socket, else the error of the answer. */
int control_call(const struct instance *in, const json_t *request,
		 int timeout_s, json_t **answer, struct err *e);

/* One of many requests at once. */
struct control_ask {
	const struct instance *in;
	const json_t *request;
	json_t *answer; /* the caller json_decref()s; NULL: none came */
	/* control.c's own */
	int fd;
	char *text;
	size_t len;
	int64_t until_ms;
};

/* Ask all, some at a time, each for at most one_ms and all for at most all_ms
 * milliseconds. A monitor that hangs costs nobody else his answer. */
void control_ask_all(struct control_ask *asks, size_t n, int one_ms,
		     int all_ms);

/* Send request with n descriptors: the connection, or -errno as above. */
int control_begin(const struct instance *in, const json_t *request,
		  const int *fds, int n, struct err *e);
/* An answer of the instance `name` that says that it failed: -EAGAIN if it may
 * be tried again soon, else -EREMOTEIO with the monitor's own words. 0: it does
 * not. */
int control_failed(const char *name, const json_t *answer, struct err *e);

#endif
