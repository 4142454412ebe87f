/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times that come again, in UTC: systemd's calendar expressions ("Mon..Fri
 * 09:00", "*-*-01 03:00:00", "*:0/15", "daily") and cron's five fields
 * ("30 3 * * 1-5"). Pure functions.
 */
#ifndef JIFFY_DAEMON_CALENDAR_H
#define JIFFY_DAEMON_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "host/err.h"

/* Bits: which values match. */
struct calendar {
	uint64_t seconds, minutes;
	uint64_t hours, days, months, weekdays; /* Sunday is 0 */
	int year_from, year_to;
	bool is_either; /* cron's rule: days or weekdays, not both */
};

/* 0, or -EINVAL. */
int calendar_parse(const char *text, struct calendar *c, struct err *e);

/* The first match after that time, seconds since 1970; -1: none in eight years,
 * in which each day that there is comes. */
int64_t calendar_next(const struct calendar *c, int64_t after);

#endif
