/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz the HTTP/1 proxy as a whole, on one thread: the input is cut into pieces
 * that a client and an instance send in turn, or that one of them ends by. What
 * must hold: nothing is touched after it was freed, nothing is left behind, and
 * each request that was begun is given back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/backend.h"
#include "gateway/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct service {
	int far; /* the instance's end of the last connection; -1: none */
	unsigned int picks, releases, holds;
};

static struct service service = { .far = -1 };
static struct gateway *gw;
static int listener = -1;
static struct sockaddr_in name = { .sin_family = AF_INET };

/* A connection over loopback: both ends. */
static void tcp_pair(int pair[2])
{
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(pair[0], (struct sockaddr *)&name, sizeof(name)))
		abort();
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (pair[1] < 0)
		abort();
}

/* No ends that wait for minutes: the port would run out of them. */
static void close_now(int fd)
{
	struct linger now = { .l_onoff = 1 };

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

struct service *backend_find(uint16_t port, const char *host, const char *path)
{
	(void)port, (void)path;
	return strcmp(host, "none") ? &service : NULL;
}

void backend_hold(struct service *s)
{
	s->holds++;
}

void backend_unhold(struct service *s)
{
	s->holds--;
}

int backend_pick(struct backend_call *call)
{
	service.picks++;
	call->instance = 1;
	call->keep_ms = 1000;
	call->private = &service;
	return 0;
}

int backend_connect(struct backend_call *call)
{
	int pair[2];

	(void)call;
	tcp_pair(pair);
	close_now(service.far);
	service.far = pair[0];
	return pair[1];
}

int backend_hand_over(struct backend_call *call, int fd)
{
	(void)call, (void)fd;
	return -EINVAL;
}

void backend_release(struct backend_call *call)
{
	if (call->private)
		service.releases++;
	call->private = NULL;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* Let what is ready be served. */
static void turn(void)
{
	for (int i = 0; i < 2; i++) {
		loop_post(gw->loop, stop, gw->loop);
		loop_run(gw->loop);
	}
}

static void init(void)
{
	socklen_t len = sizeof(name);
	struct loop *loop;

	signal(SIGPIPE, SIG_IGN);
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&name, sizeof(name)) ||
	    listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&name, &len) ||
	    loop_new(&loop))
		abort();
	gw = calloc(1, sizeof(*gw));
	gateway_init(gw, loop, NULL, NULL);
}

/* Send a piece, and read what came, so that nothing stalls. */
static void play(int fd, const uint8_t *data, size_t len)
{
	char sink[65536];

	if (fd < 0)
		return;
	send(fd, data, len, MSG_NOSIGNAL);
	while (recv(fd, sink, sizeof(sink), 0) > 0)
		;
}

/* One step of the input: a byte that says who and how much. */
static size_t step(int client, const uint8_t *data, size_t size)
{
	size_t len = data[0] >> 2;

	if ((data[0] & 3) == 3) { /* an end */
		int fd = data[0] & 4 ? client : service.far;

		if (fd >= 0)
			shutdown(fd, SHUT_WR);
		turn();
		return 1;
	}
	if ((data[0] & 3) == 2)
		len = size; /* all that is left */
	if (len > size - 1)
		len = size - 1;
	play(data[0] & 1 ? service.far : client, data + 1, len);
	turn();
	return len + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (!gw)
		init();
	service.picks = service.releases = 0;
	tcp_pair(pair);
	http_accept(gw, pair[1], NULL);
	turn();
	while (size) {
		size_t n = step(pair[0], data, size);

		data += n;
		size -= n;
	}
	close_now(pair[0]);
	close_now(service.far);
	service.far = -1;
	turn();
	while (gw->nconns) {
		struct conn *c = list_first(&gw->conns, struct conn, link);

		c->close(c);
	}
	turn();
	if (service.picks != service.releases)
		abort();
	return 0;
}
