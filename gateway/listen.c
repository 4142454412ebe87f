/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets of services. One socket a port, which all loops watch and
 * of which one at a time wakes; a plain TCP connection is picked an instance
 * for and handed over at once, the others go to their protocol.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/limits.h"
#include "gateway/preface.h"
#include "gateway/service_int.h"
#include "host/cleanup.h"

#define ACCEPT_BATCH 16 /* then others have their turn */
#define REST_NS 50000000ULL

struct listener;
struct ear { /* of one loop */
	struct listener *of;
	struct lane *lane;
	struct loop_watch watch;
	struct loop_timer timer; /* it rests: no descriptors are left */
	struct list prefaces;	 /* connections whose header is awaited */
};

struct listener {
	struct list node;
	struct service_port port; /* service: of the first that asked */
	struct service *service;  /* the only one, or NULL: they share it */
	unsigned int users;	  /* services */
	int fd;
	atomic_uint nears; /* that were not stopped yet */
	struct ear ears[];
};

static void hand_over(struct ear *ear, int fd,
		      const struct sockaddr_storage *client)
{
	struct service *s = ear->of->service;
	struct member *m;
	int err = -EHOSTUNREACH;

	pthread_mutex_lock(&s->lock);
	s->stats.connections++;
	m = balance_pick(s, 0, ear->lane->loop, &err);
	if (m)
		err = link_send(ear->lane, m, ear->of->port.guest, fd, client,
				LINK_MAY_WAIT, NULL);
	if (err || !m)
		s->stats.refused++;
	pthread_mutex_unlock(&s->lock);
	if (err || !m)
		close(fd);
}

static void serve(void *arg, int fd, const struct sockaddr_storage *client)
{
	struct ear *ear = arg;
	const struct service_port *p = &ear->of->port;
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (!p->protocol) {
		hand_over(ear, fd, client);
		return;
	}
	if (getsockname(fd, (struct sockaddr *)&local, &len)) {
		close(fd);
		return;
	}
	p->protocol(ear->lane->loop, fd, client, &local, ear->of->service,
		    p->arg);
}

/* Whether it comes from one whose word is taken for who the client is. */
static bool is_trusted(const struct service_port *p,
		       const struct sockaddr_storage *client)
{
	uint32_t ip =
		ntohl(((const struct sockaddr_in *)client)->sin_addr.s_addr);

	for (uint32_t i = 0; i < p->nproxy_from; i++)
		if ((ip & p->proxy_from[i].mask) == p->proxy_from[i].net)
			return true;
	return false;
}

static void welcome(struct ear *ear, int fd,
		    const struct sockaddr_storage *client)
{
	const struct service_port *p = &ear->of->port;

	if (is_trusted(p, client))
		preface_start(ear->lane->loop, &ear->prefaces, fd, p->port,
			      client, serve, ear);
	else
		serve(ear, fd, client);
}

static void on_ready(struct loop_watch *w, uint32_t events);

static void on_rested(struct loop_timer *t);

static void listen_on(struct ear *ear)
{
	if (loop_watch_start(ear->lane->loop, &ear->watch, ear->of->fd,
			     EPOLLIN | EPOLLEXCLUSIVE, on_ready))
		loop_timer_set(ear->lane->loop, &ear->timer, REST_NS, 0,
			       on_rested);
}

static void on_rested(struct loop_timer *t)
{
	listen_on(container_of(t, struct ear, timer));
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct ear *ear = container_of(w, struct ear, watch);
	struct sockaddr_storage client;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		socklen_t len = sizeof(client);
		int fd = accept4(ear->of->fd, (struct sockaddr *)&client, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			welcome(ear, fd, &client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			loop_watch_stop(w);
			loop_timer_set(ear->lane->loop, &ear->timer, REST_NS, 0,
				       on_rested);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void start_ear(void *arg)
{
	listen_on(arg);
}

static void free_listener(struct listener *l)
{
	close(l->fd);
	limits_release_file();
	if (l->service)
		service_put(l->service);
	free(l);
}

static void stop_ear(void *arg)
{
	struct ear *ear = arg;
	struct listener *l = ear->of;

	loop_watch_stop(&ear->watch);
	loop_timer_cancel(&ear->timer);
	preface_close_all(&ear->prefaces);
	if (atomic_fetch_sub(&l->nears, 1) == 1)
		free_listener(l);
}

static int open_socket(const struct service_port *p, struct err *e)
{
	cleanup_close int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(p->port),
				   .sin_addr = p->ip };
	int one = 1;

	if (fd < 0)
		return err_sys(e, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
	    listen(fd, SOMAXCONN))
		return err_sys(e, errno, "port %u", p->port);
	return take_fd(&fd);
}

static struct listener *find(const struct service_port *p)
{
	struct listener *l;

	list_for_each (l, &services.listeners, node)
		if (l->port.port == p->port &&
		    l->port.ip.s_addr == p->ip.s_addr)
			return l;
	return NULL;
}

bool listen_is_same(const struct service_port *a, const struct service_port *b)
{
	return a->nproxy_from == b->nproxy_from &&
	       !memcmp(a->proxy_from, b->proxy_from,
		       a->nproxy_from * sizeof(a->proxy_from[0]));
}

int listen_add(struct service *s, const struct service_port *p, struct err *e)
{
	struct listener *l = find(p);

	if (l &&
	    (!p->protocol || p->is_alone || l->port.protocol != p->protocol ||
	     l->port.arg != p->arg || !listen_is_same(&l->port, p)))
		return err_set(e, EADDRINUSE, "port %u is another service's",
			       p->port);
	if (l) {
		l->users++;
		return 0;
	}
	l = calloc(1, sizeof(*l) + services.nlanes * sizeof(l->ears[0]));
	if (!l)
		return err_sys(e, ENOMEM, "port %u", p->port);
	l->fd = open_socket(p, e);
	if (l->fd < 0) {
		free(l);
		return -e->code;
	}
	limits_hold_file();
	l->port = *p;
	l->users = 1;
	if (!p->protocol) {
		l->service = s;
		service_get(s);
	}
	atomic_init(&l->nears, services.nlanes);
	list_append(&services.listeners, &l->node);
	for (unsigned int i = 0; i < services.nlanes; i++) {
		l->ears[i].of = l;
		list_init(&l->ears[i].prefaces);
		l->ears[i].lane = &services.lanes[i];
		loop_post(services.lanes[i].loop, start_ear, &l->ears[i]);
	}
	return 0;
}

void listen_remove(struct service *s, const struct service_port *p)
{
	struct listener *l = find(p);

	if (!l || (l->service && l->service != s) || --l->users)
		return;
	list_del(&l->node);
	for (unsigned int i = 0; i < services.nlanes; i++)
		loop_post(services.lanes[i].loop, stop_ear, &l->ears[i]);
}

void listen_close_all(void)
{
	while (!list_empty(&services.listeners)) {
		struct listener *l =
			list_first(&services.listeners, struct listener, node);

		list_del(&l->node);
		for (unsigned int i = 0; i < services.nlanes; i++) {
			loop_watch_stop(&l->ears[i].watch);
			loop_timer_cancel(&l->ears[i].timer);
			preface_close_all(&l->ears[i].prefaces);
		}
		free_listener(l);
	}
}
