/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from a connection or request to its instance.
 */
#include "gateway/reach.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "lib/compiler.h"

#define DELAY_FIRST_MS 5
#define DELAY_MAX_MS 200

static int attempt(struct reach *r);

static void on_picked(struct backend_call *call, int status)
{
	struct reach *r = container_of(call, struct reach, call);
	int result;

	r->state = status ? REACH_FAILED : REACH_PICKED;
	r->status = status;
	if (!r->is_wanted || status) {
		r->done(r, status);
		return;
	}
	result = attempt(r);
	if (result != -EINPROGRESS)
		r->done(r, result);
}

int reach_pick(struct reach *r)
{
	r->call.picked = on_picked;
	r->fd = -1;
	r->status = backend_pick(&r->call);
	r->state = !r->status		       ? REACH_PICKED
		   : r->status == -EINPROGRESS ? REACH_PICKING
					       : REACH_FAILED;
	return r->status;
}

static void on_retry(struct loop_timer *t)
{
	struct reach *r = container_of(t, struct reach, timer);
	int result = attempt(r);

	if (result != -EINPROGRESS)
		r->done(r, result);
}

/* Try again after a while, unless the budget is used up. */
static int retry_later(struct reach *r)
{
	uint64_t now = loop_now_ns(r->call.loop);

	if (now >= r->give_up_ns)
		return -ETIMEDOUT;
	loop_timer_set(r->call.loop, &r->timer,
		       r->delay_ms * (uint64_t)NSEC_PER_MSEC, 0, on_retry);
	r->delay_ms = MIN(r->delay_ms * 2, (uint32_t)DELAY_MAX_MS);
	return -EINPROGRESS;
}

static bool is_temporary(int status)
{
	return status == -EAGAIN || status == -ECONNREFUSED ||
	       status == -ENOENT;
}

static int on_attempt(struct reach *r, int fd);

static void on_connecting(struct loop_watch *w, uint32_t events)
{
	struct reach *r = container_of(w, struct reach, watch);
	int fd = r->fd, error = 0;
	socklen_t len = sizeof(error);

	(void)events;
	loop_watch_stop(w);
	r->fd = -1;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		close(fd);
		fd = -error;
	}
	fd = on_attempt(r, fd);
	if (fd != -EINPROGRESS)
		r->done(r, fd);
}

/* A connection was made, or is being made, or failed. */
static int on_attempt(struct reach *r, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int one = 1, status;

	if (fd < 0)
		return is_temporary(fd) ? retry_later(r) : fd;
	if (r->handed >= 0)
		return 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!getpeername(fd, (struct sockaddr *)&peer, &len))
		return fd;
	r->fd = fd;
	status = loop_watch_start(r->call.loop, &r->watch, fd, EPOLLOUT,
				  on_connecting);
	if (!status)
		return -EINPROGRESS;
	r->fd = -1;
	close(fd);
	return status;
}

static void on_connected(struct backend_call *call, int fd)
{
	struct reach *r = container_of(call, struct reach, call);

	fd = on_attempt(r, fd);
	if (fd != -EINPROGRESS)
		r->done(r, fd);
}

/* What was asked for, now that an instance was picked. */
static int attempt(struct reach *r)
{
	int result;

	if (r->handed >= 0)
		return on_attempt(r, backend_hand_over(&r->call, r->handed));
	r->call.connected = on_connected;
	result = backend_connect(&r->call);
	return result == -EINPROGRESS ? result : on_attempt(r, result);
}

/* The budget begins with the first wish. */
static int begin(struct reach *r, int handed)
{
	if (!r->give_up_ns) {
		r->delay_ms = DELAY_FIRST_MS;
		r->give_up_ns =
			loop_now_ns(r->call.loop) +
			gateway_patience.reach * (uint64_t)NSEC_PER_MSEC;
	}
	r->handed = handed;
	r->is_wanted = true;
	if (r->state == REACH_PICKING)
		return -EINPROGRESS;
	if (r->state != REACH_PICKED)
		return r->status ? r->status : -EINVAL;
	return attempt(r);
}

int reach_connect(struct reach *r)
{
	return begin(r, -1);
}

int reach_hand_over(struct reach *r, int fd)
{
	return begin(r, fd);
}

int reach_again(struct reach *r)
{
	return retry_later(r);
}

void reach_end(struct reach *r)
{
	if (r->state == REACH_NONE)
		return;
	loop_timer_cancel(&r->timer);
	loop_watch_stop(&r->watch);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	backend_release(&r->call);
	r->state = REACH_NONE;
}
