/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: a binary heap of timers, one epoll set, one eventfd. Events
 * are fetched in batches; a watch that is stopped is struck out of the batch.
 */
#include "host/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "host/xmalloc.h"

#define BATCH 64

struct task {
	struct task *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	int epoll_fd;
	int event_fd; /* readable: something was posted, or it is to stop */
	uint64_t now_ns;
	atomic_bool is_stopped;

	/* the batch that is being served: [next, count) */
	struct epoll_event batch[BATCH];
	int next, count;

	struct loop_timer **heap; /* from 1 */
	size_t ntimers, room;

	pthread_mutex_t lock;
	struct task *first, **last; /* under lock */
};

static void read_clock(struct loop *l)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	l->now_ns = (uint64_t)ts.tv_sec * (uint64_t)NSEC_PER_SEC +
		    (uint64_t)ts.tv_nsec;
}

int loop_new(struct loop **out)
{
	cleanup_close int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	cleanup_close int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN };
	struct loop *l;

	if (epoll_fd < 0 || event_fd < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &ev) < 0)
		return -errno;
	l = xcalloc(1, sizeof(*l));
	l->epoll_fd = take_fd(&epoll_fd);
	l->event_fd = take_fd(&event_fd);
	pthread_mutex_init(&l->lock, NULL);
	l->last = &l->first;
	read_clock(l);
	*out = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (struct task *t = l->first, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	close(l->epoll_fd);
	close(l->event_fd);
	pthread_mutex_destroy(&l->lock);
	free(l->heap);
	free(l);
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

/* A full counter means that the loop is woken already. */
static void wake(struct loop *l)
{
	uint64_t one = 1;

	while (write(l->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void loop_stop(struct loop *l)
{
	atomic_store(&l->is_stopped, true);
	wake(l);
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct task *t = xmalloc(sizeof(*t));
	bool is_first;

	*t = (struct task){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&l->lock);
	is_first = !l->first;
	*l->last = t;
	l->last = &t->next;
	/* With the lock held: once fn has run, the loop may be gone. */
	if (is_first)
		wake(l);
	pthread_mutex_unlock(&l->lock);
}

static void run_posted(struct loop *l)
{
	struct task *t, *next;
	uint64_t n;

	/* The counter first: what is posted after this wakes the loop again. */
	while (read(l->event_fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&l->lock);
	t = l->first;
	l->first = NULL;
	l->last = &l->first;
	pthread_mutex_unlock(&l->lock);
	for (; t; t = next) {
		next = t->next;
		t->fn(t->arg);
		free(t);
	}
}

int loop_watch_start(struct loop *l, struct loop_watch *w, int fd,
		     uint32_t events,
		     void (*on_ready)(struct loop_watch *w, uint32_t events))
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct loop_watch){
		.loop = l, .fd = fd, .events = events, .on_ready = on_ready
	};
	return 0;
}

int loop_watch_change(struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (events == w->events)
		return 0;
	if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void loop_watch_stop(struct loop_watch *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = l->next; i < l->count; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].events = 0;
	w->loop = NULL;
}

static void place(struct loop *l, size_t at, struct loop_timer *t)
{
	l->heap[at] = t;
	t->place = at;
}

static void sift_up(struct loop *l, struct loop_timer *t)
{
	size_t at = t->place;

	for (; at > 1 && l->heap[at / 2]->due_ns > t->due_ns; at /= 2)
		place(l, at, l->heap[at / 2]);
	place(l, at, t);
}

static void sift_down(struct loop *l, struct loop_timer *t)
{
	size_t at = t->place, child;

	while ((child = 2 * at) <= l->ntimers) {
		if (child < l->ntimers &&
		    l->heap[child + 1]->due_ns < l->heap[child]->due_ns)
			child++;
		if (l->heap[child]->due_ns >= t->due_ns)
			break;
		place(l, at, l->heap[child]);
		at = child;
	}
	place(l, at, t);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t after_ns,
		    uint64_t period_ns, void (*on_due)(struct loop_timer *t))
{
	loop_timer_cancel(t);
	*t = (struct loop_timer){ .loop = l,
				  .period_ns = period_ns,
				  .on_due = on_due };
	if (__builtin_add_overflow(l->now_ns, after_ns, &t->due_ns))
		t->due_ns = UINT64_MAX;
	if (l->ntimers + 2 > l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->heap = xreallocarray(l->heap, l->room, sizeof(*l->heap));
	}
	place(l, ++l->ntimers, t);
	sift_up(l, t);
}

void loop_timer_cancel(struct loop_timer *t)
{
	struct loop *l = t->loop;
	struct loop_timer *moved;

	if (!t->place)
		return;
	moved = l->heap[l->ntimers--];
	if (moved != t) {
		place(l, t->place, moved);
		sift_up(l, moved);
		sift_down(l, moved);
	}
	t->place = 0;
}

/* Only those that were due when it began: a timer of no time at all does not
 * keep the loop from its descriptors. */
static void run_timers(struct loop *l)
{
	uint64_t now = l->now_ns;

	while (l->ntimers && l->heap[1]->due_ns <= now) {
		struct loop_timer *t = l->heap[1];

		if (!t->period_ns) {
			loop_timer_cancel(t);
		} else {
			t->due_ns += t->period_ns;
			if (t->due_ns <= now)
				t->due_ns = now + t->period_ns;
			sift_down(l, t);
		}
		/* What on_due sets for now is due in the next turn. */
		l->now_ns = now + 1;
		t->on_due(t);
	}
}

static int timeout_ms(const struct loop *l)
{
	uint64_t wait_ns;

	if (!l->ntimers)
		return -1;
	if (l->heap[1]->due_ns <= l->now_ns)
		return 0;
	wait_ns = l->heap[1]->due_ns - l->now_ns;
	if (wait_ns > 1000ull * (uint64_t)NSEC_PER_SEC)
		return 1000 * 1000;
	return (int)((wait_ns + (uint64_t)NSEC_PER_MSEC - 1) /
		     (uint64_t)NSEC_PER_MSEC);
}

static void serve_batch(struct loop *l)
{
	bool has_posted = false;

	for (l->next = 0; l->next < l->count;) {
		struct epoll_event *ev = &l->batch[l->next++];
		struct loop_watch *w = ev->data.ptr;

		if (!w)
			has_posted = true;
		else if (ev->events)
			w->on_ready(w, ev->events);
	}
	l->next = l->count = 0;
	if (has_posted)
		run_posted(l);
}

void loop_run(struct loop *l)
{
	while (!atomic_load(&l->is_stopped)) {
		int n;

		read_clock(l);
		n = epoll_wait(l->epoll_fd, l->batch, BATCH, timeout_ms(l));
		read_clock(l);
		l->count = n > 0 ? n : 0;
		serve_batch(l);
		run_timers(l);
	}
	atomic_store(&l->is_stopped, false);
}
