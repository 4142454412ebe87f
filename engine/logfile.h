/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log of an instance (abi/log.h), by place and by time.
 */
#ifndef JIFFY_ENGINE_LOGFILE_H
#define JIFFY_ENGINE_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/log.h"
#include "engine/instance.h"
#include "host/err.h"

struct logfile {
	int fd;
	int times_fd; /* or -1 */
	struct log_time *times;
	size_t ntimes;	   /* of them were read; logfile_ms() reads more */
	uint64_t times_at; /* of the file */
};

#define LOGFILE_INIT                     \
	{                                \
		.fd = -1, .times_fd = -1 \
	}

/* -ENOENT: it ran in the foreground. */
int logfile_open(const struct instance *in, struct logfile *l, struct err *e);
void logfile_close(struct logfile *l);

/* The place of the first byte at or behind `at` that is there still, *end if
 * none is; *end (or NULL) is where the next one will come. */
uint64_t logfile_first(const struct logfile *l, uint64_t at, uint64_t *end);
/* Where the first line begins at or behind `at`, or the end. */
uint64_t logfile_line(const struct logfile *l, uint64_t at);

/* Real time in ms when the byte at `at` had been written. *cursor makes calls
 * with rising places cheap; it begins as 0. */
uint64_t logfile_ms(struct logfile *l, uint64_t at, size_t *cursor);
/* Behind the last line that was begun before that time. */
uint64_t logfile_before(struct logfile *l, uint64_t ms);

#define cleanup_logfile __attribute__((cleanup(logfile_close)))

#endif
