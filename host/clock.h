/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's monotonic clock.
 */
#ifndef JIFFY_HOST_CLOCK_H
#define JIFFY_HOST_CLOCK_H

#include <time.h>

#include "lib/compiler.h"

/* Nanoseconds since some moment before the host's start. */
static inline nsec_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#endif
