/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a detached instance, in its state directory: what the instance and
 * its monitor have written, as it is. The file only grows, so that a byte keeps
 * its place; of what is older than the last LOG_KEEP bytes, at least, the
 * monitor gives back the disk: a hole. Beside it are the times.
 */
#ifndef JIFFY_ABI_LOG_H
#define JIFFY_ABI_LOG_H

#include <assert.h>
#include <stdint.h>

#define LOG_FILE "log"
#define LOG_TIMES "log.times"

#define LOG_KEEP (16u << 20)	  /* bytes; a quarter more until it is cut */
#define LOG_TIMES_KEEP (4u << 20) /* bytes of LOG_TIMES, the same way */

/* LOG_TIMES is an array of these, both members rising: at that time the log was
 * so long. What came since the one before came between. */
struct log_time {
	uint64_t end;
	uint64_t ms; /* of real time */
};
static_assert(sizeof(struct log_time) == 16, "ABI");

#endif
