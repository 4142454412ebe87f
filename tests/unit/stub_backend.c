/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/backend.h for unit tests, and the loop under test in its thread.
 */
#include "tests/unit/stub_backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/backend.h"
#include "gateway/certs.h"
#include "gateway/pg_keys.h"
#include "gateway/tls.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

struct stub stub;
static pthread_t thread;
static const char *const names[] = { "a.test", "b.test", "c.test", "d.test" };
static struct pg_keys *keys;

/* A pick that takes time. */
struct wait {
	struct loop_timer timer;
	struct backend_call *call;
};

struct service *backend_find(uint16_t port, const char *name, const char *path)
{
	(void)port;
	if (!*name)
		return stub.count == 1 ? &stub.services[0] : NULL;
	for (size_t i = 0; i < stub.count; i++) {
		struct service *s = &stub.services[i];

		if (path && s->path && strncmp(path, s->path, strlen(s->path)))
			continue;
		if (!strcmp(name, s->name) ||
		    (strlen(name) == 1 && name[0] == s->name[0]))
			return s;
	}
	return NULL;
}

static void on_wake(struct loop_timer *t)
{
	struct wait *w = container_of(t, struct wait, timer);
	struct backend_call *call = w->call;

	call->private = NULL;
	free(w);
	call->instance = 1 + (uint64_t)(call->service - stub.services);
	call->picked(call, 0);
}

void backend_hold(struct service *s)
{
	s->holds++;
}

void backend_unhold(struct service *s)
{
	s->unholds++;
}

int backend_pick(struct backend_call *call)
{
	struct service *s = call->service;
	struct wait *w;

	if (s->asleep && (call->flags & BACKEND_NO_WAKE))
		return -EHOSTUNREACH;
	s->picks++;
	if (s->pick_status)
		return s->pick_status;
	call->keep_ms = 1000;
	call->port = (uint16_t)s->port_asked;
	if (!s->wake_ms) {
		call->instance = 1 + (uint64_t)(s - stub.services);
		return 0;
	}
	w = xcalloc(1, sizeof(*w));
	w->call = call;
	call->private = w;
	loop_timer_set(call->loop, &w->timer, (uint64_t)s->wake_ms * 1000000, 0,
		       on_wake);
	return -EINPROGRESS;
}

int backend_connect(struct backend_call *call)
{
	struct service *s = call->service;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(s->refuses ? 1 : s->port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	s->connects++;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) &&
	    errno != EINPROGRESS) {
		int status = -errno;

		close(fd);
		return status;
	}
	return fd;
}

int backend_hand_over(struct backend_call *call, int fd)
{
	if (call->service->wants_header)
		return -ENOTSUP;
	call->service->handed = dup(fd);
	return 0;
}

void backend_release(struct backend_call *call)
{
	struct wait *w = call->private;

	if (w) {
		loop_timer_cancel(&w->timer);
		free(w);
		call->private = NULL;
	}
	if (call->service)
		call->service->releases++;
}

static int new_listener(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		abort();
	*port = ntohs(a.sin_port);
	return fd;
}

static void make_certificate(void)
{
	const char *const any = "*.test";
	struct cert_pem pem;
	struct err e = ERR_INIT;

	if (cert_make(&any, 1, 1, NULL, &pem, &e) ||
	    certs_put(stub.certs, "test", &pem, true, NULL, &e))
		abort();
	cert_pem_free(&pem);
}

static void *run(void *arg)
{
	loop_run(arg);
	return NULL;
}

void stub_start(size_t count)
{
	struct err e = ERR_INIT;
	struct loop *loop;
	struct tls *tls;

	signal(SIGPIPE, SIG_IGN);
	memset(&stub, 0, sizeof(stub));
	stub.count = count;
	for (size_t i = 0; i < count; i++) {
		struct service *s = &stub.services[i];

		s->name = names[i];
		s->listener = new_listener(&s->port);
		s->handed = -1;
	}
	stub.certs = certs_new();
	make_certificate();
	if (loop_new(&loop) || tls_new(stub.certs, &tls, &e) ||
	    pg_keys_new(&keys) || gateway_init(&stub.gateway, loop, tls, keys))
		abort();
	pthread_create(&thread, NULL, run, loop);
}

static void fini(void *arg)
{
	(void)arg;
	gateway_fini(&stub.gateway);
	loop_stop(stub.gateway.loop);
}

void stub_stop(void)
{
	loop_post(stub.gateway.loop, fini, NULL);
	pthread_join(thread, NULL);
	loop_free(stub.gateway.loop);
	tls_free(stub.gateway.tls);
	certs_free(stub.certs);
	pg_keys_free(keys);
	for (size_t i = 0; i < stub.count; i++)
		close(stub.services[i].listener);
}

struct accepted {
	gateway_accept *accept;
	int fd;
};

static void on_accepted(void *arg)
{
	struct accepted *a = arg;

	a->accept(&stub.gateway, a->fd, NULL);
	free(a);
}

int stub_connect(gateway_accept *accept_fn)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct accepted *a = xcalloc(1, sizeof(*a));
	uint16_t port;
	int listener = new_listener(&port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons(port);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)))
		abort();
	a->accept = accept_fn;
	a->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	close(listener);
	loop_post(stub.gateway.loop, on_accepted, a);
	return fd;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1;
}

int stub_accept(struct service *s)
{
	return readable(s->listener)
		       ? accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)
		       : -1;
}

SSL *stub_tls(int fd, const char *name, const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	if (name)
		SSL_set_tlsext_host_name(ssl, name);
	if (alpn)
		SSL_set_alpn_protos(ssl, (const unsigned char *)alpn,
				    (unsigned int)strlen(alpn));
	if (SSL_connect(ssl) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

void stub_tls_free(SSL *ssl)
{
	SSL_shutdown(ssl);
	SSL_free(ssl);
}

bool stub_read(int fd, void *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = readable(fd) ? read(fd, (char *)buf + at, len - at)
					 : -1;

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

bool stub_tls_read(SSL *ssl, void *buf, size_t len)
{
	for (size_t at = 0; at < len;) {
		int n = SSL_read(ssl, (char *)buf + at, (int)(len - at));

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

bool stub_wait(_Atomic unsigned int *value, unsigned int want)
{
	for (int i = 0; i < 10000; i++) {
		if (*value >= want)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void set_one(void *arg)
{
	*(_Atomic unsigned int *)arg = 1;
}

void stub_turn(void)
{
	for (int i = 0; i < 2; i++) {
		_Atomic unsigned int done = 0;

		loop_post(stub.gateway.loop, set_one, &done);
		if (!stub_wait(&done, 1))
			abort();
	}
}

static void count_conns(void *arg)
{
	*(_Atomic unsigned int *)arg = (unsigned int)stub.gateway.nconns + 1;
}

bool stub_wait_idle(void)
{
	for (int i = 0; i < 10000; i++) {
		_Atomic unsigned int n = 0;

		loop_post(stub.gateway.loop, count_conns, &n);
		if (!stub_wait(&n, 1))
			return false;
		if (n == 1)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}
