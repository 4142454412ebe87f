/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event loop over epoll: descriptors, timers, and functions that other
 * threads post. One thread runs a loop; nothing it calls may block (what may,
 * is a job: host/jobs.h). Watches and timers are embedded in what they belong
 * to, so a loop needs no memory per descriptor of its own.
 */
#ifndef JIFFY_HOST_LOOP_H
#define JIFFY_HOST_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

/* A descriptor that is watched. Zeroed: it is not. */
struct loop_watch {
	struct loop *loop; /* NULL: not watched */
	int fd;		   /* borrowed */
	uint32_t events;   /* EPOLLIN, EPOLLOUT ... */
	void (*on_ready)(struct loop_watch *w, uint32_t events);
};

/* A timer. Zeroed: not set. */
struct loop_timer {
	struct loop *loop;
	uint64_t due_ns; /* CLOCK_MONOTONIC */
	uint64_t period_ns;
	size_t place; /* in the heap, from 1; 0: not set */
	void (*on_due)(struct loop_timer *t);
};

/* A new loop, or -errno. loop_free() drops what was posted and not run; no
 * watch or timer may be left. */
int loop_new(struct loop **out);
void loop_free(struct loop *l);

/* Serve until loop_stop(), which any thread may call, also before. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* When this turn of the loop began, CLOCK_MONOTONIC. On the loop's thread. */
uint64_t loop_now_ns(const struct loop *l);

/* What follows is for the loop's own thread, or for any while nobody runs it.
 */

/* Call on_ready when fd is ready for one of events (or has an error or a
 * hang-up, which cannot be masked). 0 or -errno; w must not be watched. */
int loop_watch_start(struct loop *l, struct loop_watch *w, int fd,
		     uint32_t events,
		     void (*on_ready)(struct loop_watch *w, uint32_t events));
/* Watch for other events (0: for errors and hang-ups only). */
int loop_watch_change(struct loop_watch *w, uint32_t events);
/* Not called any more from now on, even if it is ready in this turn: what holds
 * w may be freed at once. Before its descriptor is closed. May be called on
 * one that is not watched. */
void loop_watch_stop(struct loop_watch *w);

/* Call on_due after that time, and then every period_ns unless that is 0; turns
 * that were missed are not made up. One that is set already is set anew. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t after_ns,
		    uint64_t period_ns, void (*on_due)(struct loop_timer *t));
/* Not called any more; may be freed. May be called on one that is not set. */
void loop_timer_cancel(struct loop_timer *t);

/* From any thread: have fn(arg) called on the loop's thread, in the order of
 * posting. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

#endif
