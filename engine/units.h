/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people write them on a command line, and sizes and times as a
 * table shows them.
 */
#ifndef JIFFY_ENGINE_UNITS_H
#define JIFFY_ENGINE_UNITS_H

#include <stdint.h>
#include <time.h>

#include "host/err.h"

#define UNITS_SIZE 40

/* "128M", "1g", "65536": bytes, with binary k, m, g, t. */
int units_parse_size(const char *text, uint64_t *bytes, struct err *e);

/* A decimal number from min to max; what names it in the error. */
int units_parse_number(const char *text, const char *what, long min, long max,
		       long *out, struct err *e);

/* "90s", "1h30m", "2d": so long ago; "2026-11-22", "2026-11-22T17:15:22.5Z",
 * "...+01:00" (UTC where nothing is said); seconds of real time. In ms of real
 * time; what names it in the error. */
int units_parse_time(const char *text, const char *what, uint64_t *ms,
		     struct err *e);
/* "2026-11-22T17:15:22.500Z", into buf; returns buf. */
const char *units_time(uint64_t ms, char buf[UNITS_SIZE]);

/* "118 MB", "8 seconds", into buf; returns buf. */
const char *units_size(uint64_t bytes, char buf[UNITS_SIZE]);
const char *units_age(time_t since, char buf[UNITS_SIZE]);

#endif
