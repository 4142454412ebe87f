/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pool of threads for what may block: files, databases, starting programs.
 * A job runs on one of them; when it is done, its second function runs on the
 * loop it came from. A pool of one thread runs its jobs one after the other.
 */
#ifndef JIFFY_HOST_JOBS_H
#define JIFFY_HOST_JOBS_H

#include <stddef.h>

#include "host/loop.h"

struct jobs;

/* A pool of nthreads threads, in which at most queue_max jobs wait for one.
 * Signals are blocked in them. 0 or -errno. */
int jobs_new(unsigned int nthreads, size_t queue_max, struct jobs **out);

/* From any thread: have work(arg) called on a thread of the pool, and then, if
 * done is not NULL, done(arg) on the loop's. Returns -EAGAIN when too many
 * wait: nothing is called. */
int jobs_submit(struct jobs *j, struct loop *loop, void (*work)(void *arg),
		void (*done)(void *arg), void *arg);

/* How many jobs wait or run. */
size_t jobs_count(struct jobs *j);

/* Let all that was submitted run to its end, and end the threads. Their done()
 * are posted: loops must outlive the pool. */
void jobs_free(struct jobs *j);

#endif
