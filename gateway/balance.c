/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which instance takes the next connection or request: the one with the fewest
 * among those that run and are below the soft limit, else one that sleeps, else
 * the one with the fewest below the hard limit. And what protocols ask for
 * (backend.h).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/limits.h"
#include "gateway/proxy.h"
#include "gateway/service_int.h"
#include "host/cleanup.h"

#define LOOK_NS 1000000ULL    /* how old a look may be */
#define DOWN_NS 1000000000ULL /* before one that was not there is tried */
#define KEEP_MS 1000	      /* backend_call.keep_ms: below a cool-down */

bool member_sleeps(struct member *m, uint64_t now_ns)
{
	char path[300];

	if (m->looked_ns && now_ns - m->looked_ns < LOOK_NS)
		return m->is_asleep;
	snprintf(path, sizeof(path), "instances/%s/checkpoint", m->name);
	m->is_asleep = faccessat(services.store, path, F_OK, 0) == 0;
	m->looked_ns = now_ns;
	return m->is_asleep;
}

void member_put(struct member *m)
{
	if (--m->refs)
		return;
	member_close_status(m);
	service_put(m->service);
	free(m);
}

uint32_t member_load(const struct member *m, unsigned int flags)
{
	struct link *l;
	uint32_t n = m->requests;

	if (flags & BACKEND_REQUEST)
		return n;
	n += m->picked + member_open(m);
	list_for_each (l, &m->links, node)
		n += l->in_flight + l->nwaiting;
	return n;
}

/* Lower is better; -1: not at all. */
static int rank(const struct service *s, struct member *m, unsigned int flags,
		uint32_t load, uint64_t now_ns)
{
	if (m->is_dropped || load >= s->hard_limit)
		return -1;
	if (m->down_ns && now_ns - m->down_ns < DOWN_NS)
		return flags & BACKEND_NO_WAKE ? -1 : 3;
	if (s->nmembers == 1 && !(flags & BACKEND_NO_WAKE))
		return 0;
	if (member_sleeps(m, now_ns))
		return flags & BACKEND_NO_WAKE ? -1 : 1;
	return load < s->soft_limit ? 0 : 2;
}

struct member *balance_pick(struct service *s, unsigned int flags,
			    struct loop *l, int *err)
{
	bool counts = s->nmembers > 1 || s->hard_limit < SERVICE_LIMIT_MAX;
	uint64_t now_ns = loop_now_ns(l);
	struct member *m, *best = NULL;
	uint32_t best_load = 0;
	int best_rank = 0;

	*err = -EHOSTUNREACH;
	list_for_each (m, &s->members, node) {
		uint32_t load;
		int r;

		if (counts && !(flags & BACKEND_REQUEST))
			member_look_at_status(m, l);
		load = member_load(m, flags);
		r = rank(s, m, flags, load, now_ns);

		if (load >= s->hard_limit)
			*err = -EUSERS;
		if (r < 0)
			continue;
		if (!best || r < best_rank ||
		    (r == best_rank &&
		     (load < best_load ||
		      (load == best_load && m->sent < best->sent)))) {
			best = m;
			best_rank = r;
			best_load = load;
		}
	}
	if (best)
		*err = 0;
	return best;
}

/* --- backend.h ------------------------------------------------------------ */

static uint16_t port_of(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *sin = (const void *)ss;
	const struct sockaddr_in6 *sin6 = (const void *)ss;

	return ntohs(ss->ss_family == AF_INET6 ? sin6->sin6_port
					       : sin->sin_port);
}

static struct member *find_member(const struct service *s, uint64_t number)
{
	struct member *m;

	list_for_each (m, &s->members, node)
		if (m->number == number)
			return m;
	return NULL;
}

enum { CALL_NONE, CALL_PICKED, CALL_CONNECTED };

/* With the lock held. */
static const struct service_port *asked(const struct backend_call *call)
{
	return service_find_port(call->service, port_of(call->local));
}

static uint16_t guest_of(const struct backend_call *call)
{
	const struct service_port *p = asked(call);

	return p ? p->guest : 0;
}

static unsigned int header_of(const struct backend_call *call)
{
	const struct service_port *p = asked(call);

	return p ? p->proxy_to : 0;
}

int backend_pick(struct backend_call *call)
{
	struct service *s = call->service;
	uint64_t now = loop_now_ns(call->loop);
	struct member *m = NULL;
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (!limits_admits_call(s->ncalls))
		err = -EUSERS;
	else if (call->instance)
		m = find_member(s, call->instance);
	else
		m = balance_pick(s, call->flags, call->loop, &err);
	if (m)
		err = 0; /* what was said of others */
	else if (!err)
		err = -EHOSTUNREACH;
	if (m && call->flags & BACKEND_NO_WAKE && member_sleeps(m, now))
		err = -EHOSTUNREACH;
	else if (m && !(call->flags & BACKEND_NO_WAKE) && member_sleeps(m, now))
		err = link_send(lane_of(call->loop), m, guest_of(call), -1,
				NULL, 0, NULL);
	if (m && (!err || err == -EAGAIN)) {
		err = 0;
		m->refs++;
		*(call->flags & BACKEND_REQUEST ? &m->requests : &m->picked) +=
			1;
		s->ncalls++;
		s->stats.connections++;
		call->instance = m->number;
		/* A header is for one client only. */
		call->keep_ms = header_of(call) ? 0 : KEEP_MS;
		call->port = guest_of(call);
		call->private = m;
		call->state = CALL_PICKED;
		service_get(s);
	} else {
		s->stats.refused++;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* The kernel counts it from now on. */
static void is_connected(struct backend_call *call)
{
	struct member *m = call->private;

	if (call->state == CALL_PICKED && !(call->flags & BACKEND_REQUEST))
		m->picked--;
	call->state = CALL_CONNECTED;
}

static int open_pair_listener(struct lane *lane)
{
	cleanup_close int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(lane->pair_name);

	lane->pair_name = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0 || bind(fd, (struct sockaddr *)&lane->pair_name, len) ||
	    listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&lane->pair_name, &len))
		return -errno;
	lane->pair_fd = take_fd(&fd);
	return 0;
}

static bool is_peer(int fd, const struct sockaddr_in *name)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
	       peer.sin_port == name->sin_port &&
	       peer.sin_addr.s_addr == name->sin_addr.s_addr;
}

/* Both ends of a connection over loopback, which completes at once: TCP, as
 * that is what the instance's kernel takes. Others of the machine may connect
 * to the listener; they are sent away. */
static int make_pair(struct lane *lane, int pair[2])
{
	cleanup_close int fd = -1;
	struct sockaddr_in name;
	socklen_t len = sizeof(name);
	int one = 1;

	if (lane->pair_fd < 0 && open_pair_listener(lane))
		return -errno;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    (connect(fd, (struct sockaddr *)&lane->pair_name,
		     sizeof(lane->pair_name)) &&
	     errno != EINPROGRESS) ||
	    getsockname(fd, (struct sockaddr *)&name, &len))
		return -errno;
	do {
		pair[1] = accept4(lane->pair_fd, NULL, NULL,
				  SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (pair[1] < 0)
			return -errno;
		if (is_peer(pair[1], &name))
			break;
		close(pair[1]);
	} while (true);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pair[0] = take_fd(&fd);
	return 0;
}

/* Nothing was sent before, so it fits. */
static void send_header(const struct backend_call *call, unsigned int version,
			int fd)
{
	uint8_t text[PROXY_WRITE_MAX];
	size_t n = proxy_write(version, call->client, call->local, text);

	send(fd, text, n, MSG_NOSIGNAL);
}

int backend_connect(struct backend_call *call)
{
	struct lane *lane = lane_of(call->loop);
	struct member *m = call->private;
	int pair[2] = { -1, -1 }, r = make_pair(lane, pair);

	if (r)
		return r;
	pthread_mutex_lock(&m->service->lock);
	if (header_of(call))
		send_header(call, header_of(call), pair[0]);
	r = link_send(lane, m, guest_of(call), pair[1], call->client,
		      LINK_MAY_WAIT, call->give_up);
	if (!r)
		is_connected(call);
	pthread_mutex_unlock(&m->service->lock);
	if (!r)
		return pair[0];
	close(pair[0]);
	close(pair[1]);
	return r;
}

int backend_hand_over(struct backend_call *call, int fd)
{
	struct member *m = call->private;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

	if (copy < 0)
		return -errno;
	pthread_mutex_lock(&m->service->lock);
	r = -ENOTSUP;
	if (!header_of(call))
		r = link_send(lane_of(call->loop), m, guest_of(call), copy,
			      call->client, 0, NULL);
	if (!r)
		is_connected(call);
	pthread_mutex_unlock(&m->service->lock);
	if (r)
		close(copy);
	return r;
}

void backend_release(struct backend_call *call)
{
	struct member *m = call->private;
	struct service *s;

	if (call->state == CALL_NONE)
		return;
	s = m->service;
	pthread_mutex_lock(&s->lock);
	if (call->flags & BACKEND_REQUEST)
		m->requests--;
	else if (call->state == CALL_PICKED)
		m->picked--;
	s->ncalls--;
	member_put(m);
	pthread_mutex_unlock(&s->lock);
	service_put(s);
	call->state = CALL_NONE;
	call->private = NULL;
}
