/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for headers of the PROXY protocol.
 */
#include "gateway/preface.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/limits.h"
#include "gateway/proxy.h"
#include "host/cleanup.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define WAIT_NS 10000000000ULL

struct preface {
	struct list node;
	struct loop_watch watch;
	struct loop_timer timer;
	int fd;
	uint16_t port;
	uint32_t source; /* of who is connected: limits_enter() */
	struct sockaddr_storage client;
	preface_done *done;
	void *arg;
};

/* It goes; its descriptor stays. */
static int preface_free(struct preface *p)
{
	int fd = p->fd;

	loop_watch_stop(&p->watch);
	loop_timer_cancel(&p->timer);
	list_del(&p->node);
	limits_leave(p->port, p->source);
	limits_release_file();
	free(p);
	return fd;
}

static void on_late(struct loop_timer *t)
{
	close(preface_free(container_of(t, struct preface, timer)));
}

/* Look at what is there: 1: the header was taken, 0: more is needed, -errno. */
static int look(struct preface *p)
{
	uint8_t buf[PROXY_READ_MAX];
	struct proxy_ends ends;
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_PEEK), len;

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -ECONNRESET;
	len = proxy_parse(buf, (size_t)n, &ends);
	if (len <= 0)
		return (int)len;
	if (recv(p->fd, buf, (size_t)len, 0) != len)
		return -EBADMSG;
	if (ends.is_known)
		p->client = ends.from;
	return 1;
}

static void go_on(struct preface *p)
{
	struct sockaddr_storage client = p->client;
	preface_done *done = p->done;
	void *arg = p->arg;

	done(arg, preface_free(p), &client);
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct preface *p = container_of(w, struct preface, watch);
	int status = look(p);

	if (status > 0)
		go_on(p);
	else if (status || events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		close(preface_free(p));
}

void preface_start(struct loop *l, struct list *all, int fd, uint16_t port,
		   const struct sockaddr_storage *client, preface_done *done,
		   void *arg)
{
	struct preface *p = xcalloc(1, sizeof(*p));
	int status;

	p->fd = fd;
	p->port = port;
	p->client = *client;
	p->done = done;
	p->arg = arg;
	list_append(all, &p->node);
	p->source = limits_enter(port, client);
	limits_hold_file();
	status = limits_admits(port, client) ? look(p) : -EUSERS;
	if (status > 0) {
		go_on(p);
		return;
	}
	/* What is only looked at stays: be called for what is new. */
	if (!status)
		status = loop_watch_start(l, &p->watch, fd,
					  EPOLLIN | EPOLLRDHUP | EPOLLET,
					  on_ready);
	if (status)
		close(preface_free(p));
	else
		loop_timer_set(l, &p->timer, WAIT_NS, 0, on_late);
}

void preface_close_all(struct list *all)
{
	while (!list_empty(all))
		close(preface_free(list_first(all, struct preface, node)));
}
