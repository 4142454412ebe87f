/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation per row: what it is called, how it is made ready and done. The
 * same program runs natively and as an instance; bench/run compares.
 */
#ifndef JIFFY_BENCH_SYSCALLS_H
#define JIFFY_BENCH_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct bench {
	const char *name;
	void (*op)(void);
	bool (*set_up)(void); /* false: not here; may be NULL */
	void (*tear_down)(void);
};

extern const struct bench rw_benches[], path_benches[], event_benches[],
	socket_benches[], memory_benches[], process_benches[], sysv_benches[];

/* Shared by all: a directory on tmpfs (current when set_up runs), one in the
 * image, and a file of 64 KiB in the first by its absolute name. */
extern char tmp_dir[64], tmp_file[96], buf[65536];
extern int image_fd, file_fd;
extern char *self; /* this program, for exec */

/* The operation must not fail, or its time means nothing. */
#define MUST(condition)                                                     \
	do {                                                                \
		if (!(condition)) {                                         \
			fprintf(stderr, "%s:%d: %m\n", __FILE__, __LINE__); \
			_Exit(1);                                           \
		}                                                           \
	} while (0)

#endif
