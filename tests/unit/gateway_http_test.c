/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the HTTP/1 proxy: routing, headers, kept connections, bodies of
 * all framings, interim responses, upgrades, refusals, back-pressure, stalled
 * clients and instances.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "gateway/http_text.h"
#include "gateway/limits.h"
#include "lib/compiler.h"
#include "tests/unit/stub_backend.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define VIA "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\r\n"
#define GET(host, path) "GET " path " HTTP/1.1\r\nHost: " host "\r\n\r\n"
#define GOT(host, path) "GET " path " HTTP/1.1\r\nHost: " host "\r\n" VIA

static int setup(void **state)
{
	(void)state;
	stub_start(2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(stub_wait_idle());
	for (size_t i = 0; i < stub.count; i++)
		assert_int_equal(stub.services[i].picks,
				 stub.services[i].releases);
	stub_stop();
	return 0;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next bytes are these. */
static void hear(int fd, const char *text)
{
	char buf[4096];
	size_t len = strlen(text);

	assert_true(len < sizeof(buf));
	if (!stub_read(fd, buf, len))
		fail_msg("expected: %s", text);
	buf[len] = '\0';
	assert_string_equal(buf, text);
}

static void hear_end(int fd)
{
	char c;

	assert_false(stub_read(fd, &c, 1));
}

/* A response of the proxy's own, and the end. */
static void hear_status(int fd, unsigned int status)
{
	char buf[16], want[16];

	snprintf(want, sizeof(want), "HTTP/1.1 %u", status);
	if (!stub_read(fd, buf, 12))
		fail_msg("expected: %s", want);
	buf[12] = '\0';
	assert_string_equal(buf, want);
	while (stub_read(fd, buf, 1))
		;
}

static void test_kept(void **state)
{
	struct service *s = &stub.services[1];
	unsigned int connects = s->connects;
	int fd = stub_connect(http_accept), up, other;

	(void)state;
	say(fd, GET("b.test", "/x?y"));
	up = stub_accept(s);
	hear(up, GOT("b.test", "/x?y"));
	say(up, OK);
	hear(fd, OK);
	/* both sides' connections are used again, also by another client */
	say(fd, GET("b.test", "/2"));
	hear(up, GOT("b.test", "/2"));
	say(up, OK);
	hear(fd, OK);
	other = stub_connect(http_accept);
	say(other, GET("B.test:80", "/3"));
	hear(up, GOT("B.test:80", "/3"));
	say(up, OK);
	hear(other, OK);
	assert_int_equal(s->connects, connects + 1);
	/* two requests in one write, the second after the first's answer */
	say(fd, GET("b.test", "/4") GET("b.test", "/5"));
	hear(up, GOT("b.test", "/4"));
	say(up, OK);
	hear(up, GOT("b.test", "/5"));
	say(up, OK);
	hear(fd, OK OK);
	close(fd);
	close(other);
	close(up);
}

/* One to another port of the instance is another one. */
static void test_kept_by_port(void **state)
{
	struct service *s = &stub.services[0];
	int fd = stub_connect(http_accept), up, other;

	(void)state;
	s->port_asked = 80;
	say(fd, GET("a.test", "/"));
	up = stub_accept(s);
	hear(up, GOT("a.test", "/"));
	say(up, OK);
	hear(fd, OK);
	s->port_asked = 81;
	say(fd, GET("a.test", "/"));
	other = stub_accept(s);
	hear(other, GOT("a.test", "/"));
	say(other, OK);
	hear(fd, OK);
	close(fd);
	close(up);
	close(other);
}

static void test_headers(void **state)
{
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, "GET http://a.test/abs HTTP/1.1\r\nHost: b.test\r\n"
		"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
		"TE: trailers\r\nX-Forwarded-For: 10.0.0.1\r\n"
		"X-Forwarded-Proto: https\r\nCookie: a=b\r\n\r\n");
	up = stub_accept(&stub.services[0]);
	hear(up, "GET /abs HTTP/1.1\r\nHost: a.test\r\nCookie: a=b\r\n"
		 "Connection: TE\r\nTE: trailers\r\n"
		 "X-Forwarded-For: 10.0.0.1, 127.0.0.1\r\n"
		 "X-Forwarded-Proto: http\r\n\r\n");
	say(up, "HTTP/1.1 204 Fine\r\nConnection: keep-alive, X-B\r\nX-B: 1\r\n"
		"X-A: 2\r\nKeep-Alive: timeout=9\r\n\r\n");
	hear(fd, "HTTP/1.1 204 No Content\r\nX-A: 2\r\n"
		 "Connection: close\r\n\r\n");
	hear_end(fd);
	close(fd);
	close(up);
}

static void test_bodies(void **state)
{
	static const char chunked[] = "POST / HTTP/1.1\r\nHost: a.test\r\n"
				      "Transfer-Encoding: chunked\r\n" VIA
				      "3\r\nabc\r\n0\r\nT: 1\r\n\r\n";
	int fd = stub_connect(http_accept), up;

	(void)state;
	/* a length, in pieces; the answer until the end */
	say(fd, "PUT / HTTP/1.1\r\nHost: a.t");
	say(fd, "est\r\nContent-Length: 5\r\n\r\nab");
	up = stub_accept(&stub.services[0]);
	hear(up, "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n" VIA
		 "ab");
	say(fd, "cde");
	hear(up, "cde");
	say(up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab");
	hear(fd,
	     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab");
	say(up, "cd\r\n0\r\n\r\n");
	hear(fd, "cd\r\n0\r\n\r\n");
	/* chunks with a trailer */
	say(fd,
	    "POST / HTTP/1.1\r\nHost: a.test\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n");
	hear(up, chunked);
	say(up, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
	close(up);
	hear(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
	hear_end(fd);
	close(fd);
}

/* Trailers pass both ways, but for those that would mean something else in a
 * head; however they are cut. */
static void test_trailers(void **state)
{
	static const char bad[] = "0\r\nContent-Length: 5\r\nT: 1\r\n"
				  "Host: b.test\r\nCookie:x\r\nU:  2 \r\n\r\n";
	int fd = stub_connect(http_accept), up = -1;

	(void)state;
	for (size_t cut = 0; cut <= sizeof(bad); cut += 3) {
		say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n"
			"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
		if (up < 0)
			up = stub_accept(&stub.services[0]);
		hear(up,
		     "POST / HTTP/1.1\r\nHost: a.test\r\n"
		     "Transfer-Encoding: chunked\r\n"
		     "Connection: TE\r\nTE: trailers\r\n" VIA "3\r\nabc\r\n");
		send(fd, bad, MIN(cut, sizeof(bad) - 1), MSG_NOSIGNAL);
		stub_turn();
		say(fd, bad + MIN(cut, sizeof(bad) - 1));
		hear(up, "0\r\nT: 1\r\nU: 2\r\n\r\n");
		say(up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			"1\r\nx\r\n");
		hear(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
			 "\r\n1\r\nx\r\n");
		send(up, bad, MIN(cut, sizeof(bad) - 1), MSG_NOSIGNAL);
		stub_turn();
		say(up, bad + MIN(cut, sizeof(bad) - 1));
		hear(fd, "0\r\nT: 1\r\nU: 2\r\n\r\n");
	}
	say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\n"
		"Transfer-Encoding: chunked\r\n\r\n0\r\na b: c\r\n\r\n");
	hear_status(fd, 400);
	close(fd);
	close(up);
}

static void test_no_bodies(void **state)
{
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n");
	up = stub_accept(&stub.services[0]);
	hear(up, "HEAD / HTTP/1.1\r\nHost: a.test\r\n" VIA);
	say(up, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
	hear(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
	say(fd, GET("a.test", "/"));
	hear(up, GOT("a.test", "/"));
	say(up, "HTTP/1.1 304 Same\r\nContent-Length: 99\r\n\r\n");
	hear(fd, "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n");
	/* the client's 100-continue is the instance's */
	say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n"
		"Expect: 100-continue\r\n\r\n");
	hear(up, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n"
		 "Expect: 100-continue\r\n" VIA);
	say(up, "HTTP/1.1 100 Continue\r\n\r\n");
	hear(fd, "HTTP/1.1 100 Continue\r\n\r\n");
	say(fd, "hi");
	hear(up, "hi");
	say(up, OK);
	hear(fd, OK);
	/* not wanted: the answer is there before the body */
	say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\n");
	hear(up,
	     "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n" VIA);
	say(up, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
	hear(fd, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n"
		 "Connection: close\r\n\r\n");
	say(fd, "late bytes");
	hear_end(fd);
	close(fd);
	hear_end(up);
	close(up);
}

static void test_old_client(void **state)
{
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n"
		"\r\n");
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	say(up, OK);
	hear(fd, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n"
		 "Connection: keep-alive\r\n\r\nok");
	/* no chunks for it */
	say(fd, "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n"
		"\r\n");
	hear(up, GOT("a.test", "/"));
	say(up, "HTTP/1.1 100 Continue\r\n\r\n"
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2\r\nab\r\n3;x=y\r\ncd");
	hear(fd, "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabcd");
	say(up, "e\r\n0\r\n\r\n");
	hear(fd, "e");
	hear_end(fd);
	close(fd);
	close(up);
}

static void test_upgrade(void **state)
{
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly");
	up = stub_accept(&stub.services[0]);
	hear(up, "GET /ws HTTP/1.1\r\nHost: a.test\r\nSec-WebSocket-Key: k\r\n"
		 "Connection: Upgrade\r\nUpgrade: websocket\r\n" VIA);
	say(up, "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\n\r\nfrom");
	hear(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		 "Upgrade: websocket\r\n\r\nfrom");
	hear(up, "early");
	say(fd, "\x81\x01x");
	hear(up, "\x81\x01x");
	say(up, "bye");
	close(up);
	hear(fd, "bye");
	hear_end(fd);
	close(fd);
	/* one that was not asked for */
	fd = stub_connect(http_accept);
	say(fd, GET("a.test", "/"));
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	say(up,
	    "HTTP/1.1 101 Yes\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
	hear_status(fd, 502);
	close(fd);
	close(up);
	/* one before the request was whole */
	fd = stub_connect(http_accept);
	say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n"
		"Upgrade: x\r\nContent-Length: 5\r\n\r\nab");
	up = stub_accept(&stub.services[0]);
	hear(up, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n"
		 "Connection: Upgrade\r\nUpgrade: x\r\n" VIA "ab");
	say(up, "HTTP/1.1 101 Y\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
	hear_status(fd, 502);
	close(fd);
	close(up);
	/* not one whose requests would go unseen */
	fd = stub_connect(http_accept);
	say(fd, "GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: h2c\r\n"
		"Connection: Upgrade, HTTP2-Settings\r\n"
		"HTTP2-Settings: AAMAAABk\r\n\r\n");
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	close(fd);
	close(up);
}

static void check_refused(const char *request, unsigned int status)
{
	int fd = stub_connect(http_accept);

	say(fd, request);
	hear_status(fd, status);
	close(fd);
}

static void test_refused(void **state)
{
	char *big = malloc(40000);

	(void)state;
	check_refused("nonsense\r\n\r\n", 400);
	check_refused("GET / HTTP/1.1\r\n\r\n", 400);
	check_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
	check_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
	check_refused("GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", 400);
	check_refused("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
		      405);
	check_refused("GET / HTTP/3.0\r\nHost: a.test\r\n\r\n", 505);
	check_refused(GET("z.test", "/"), 404);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n",
		      400);
	/* what others might read as something else */
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\n"
		      "Transfer-Encoding: xchunked\r\n\r\n",
		      501);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\n"
		      "Transfer-Encoding: chunked, chunked\r\n\r\n",
		      501);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\n"
		      "Transfer-Encoding : chunked\r\n\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n"
		      " Content-Length: 5\r\n\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\nX: y\n"
		      "Content-Length: 5\r\n\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\nX: y\rZ: w\r\n\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n"
		      "Content-Length: 5\r\n\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\n"
		      "Content-Length: +5\r\n\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n5 0\r\n",
		      400);
	check_refused("POST / HTTP/1.1\r\nHost: a.test\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n5;a\n\r\n",
		      400);
	memset(big, 'x', 39999);
	big[39999] = '\0';
	memcpy(big, "GET /", 5);
	check_refused(big, 431);
	free(big);
	assert_int_equal(stub.services[0].picks, 0);
	stub.services[0].pick_status = -EUSERS;
	check_refused(GET("a.test", "/"), 503);
	stub.services[0].pick_status = 0;
}

static void test_broken_instance(void **state)
{
	struct service *s = &stub.services[0];
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, GET("a.test", "/"));
	up = stub_accept(s);
	hear(up, GOT("a.test", "/"));
	close(up);
	hear_status(fd, 502);
	close(fd);
	fd = stub_connect(http_accept);
	say(fd, GET("a.test", "/"));
	up = stub_accept(s);
	hear(up, GOT("a.test", "/"));
	say(up, "this is no HTTP at all\r\n\r\n");
	hear_status(fd, 502);
	close(up);
	close(fd);
	/* cut short: the client can tell */
	fd = stub_connect(http_accept);
	say(fd, GET("a.test", "/"));
	up = stub_accept(s);
	hear(up, GOT("a.test", "/"));
	say(up, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
	close(up);
	hear(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab");
	hear_end(fd);
	close(fd);
}

/* One that says nothing but interim responses, without end, is not held for a
 * client that does not read them. */
static void test_interim_flood(void **state)
{
	static const char interim[] = "HTTP/1.1 103 Early Hints\r\n\r\n";
	int fd = stub_connect(http_accept), up;
	static char all[65536];
	size_t n = 0;

	(void)state;
	say(fd, GET("a.test", "/"));
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	for (n = 0; n < 2 * HTTP_HEAD_MAX; n += sizeof(interim) - 1)
		if (send(up, interim, sizeof(interim) - 1, MSG_NOSIGNAL) < 0)
			break; /* it has hung up */
	for (n = 0; n < sizeof(all) - 1 && stub_read(fd, all + n, 1);)
		n++;
	all[n] = '\0';
	assert_non_null(strstr(all, "HTTP/1.1 502"));
	assert_true(n < HTTP_HEAD_MAX + 1024);
	close(up);
	close(fd);
}

/* A kept connection that is dead when it is used: another one, unseen. */
static void test_repeat(void **state)
{
	struct service *s = &stub.services[0];
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, GET("a.test", "/1"));
	up = stub_accept(s);
	hear(up, GOT("a.test", "/1"));
	say(up, OK);
	hear(fd, OK);
	say(fd, GET("a.test", "/2"));
	hear(up, GOT("a.test", "/2"));
	close(up);
	up = stub_accept(s);
	hear(up, GOT("a.test", "/2"));
	say(up, OK);
	hear(fd, OK);
	/* not so what may have had an effect */
	say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
	hear(up,
	     "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n" VIA);
	close(up);
	hear_status(fd, 502);
	close(fd);
	assert_int_equal(s->connects, 2);
}

#define BULK (8u << 20)

static void *send_bulk(void *arg)
{
	char *block = calloc(1, 65536);
	int fd = *(int *)arg;

	for (size_t at = 0; at < BULK; at += 65536) {
		for (size_t done = 0; done < 65536;) {
			ssize_t n = send(fd, block + done, 65536 - done,
					 MSG_NOSIGNAL);

			if (n <= 0)
				abort();
			done += (size_t)n;
		}
	}
	free(block);
	return NULL;
}

static void receive_bulk(int fd)
{
	char *block = malloc(65536);

	for (size_t at = 0; at < BULK; at += 65536)
		assert_true(stub_read(fd, block, 65536));
	free(block);
}

static void test_stalled(void **state)
{
	int fd = stub_connect(http_accept), up;
	pthread_t sender;

	(void)state;
	/* a client that does not read */
	say(fd, GET("a.test", "/"));
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	say(up, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
	pthread_create(&sender, NULL, send_bulk, &up);
	/* others do not wait for it */
	test_kept(NULL);
	hear(fd, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
	receive_bulk(fd);
	pthread_join(sender, NULL);
	/* an instance that does not read */
	say(fd, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8388608\r\n"
		"\r\n");
	pthread_create(&sender, NULL, send_bulk, &fd);
	test_kept(NULL);
	hear(up, "POST / HTTP/1.1\r\nHost: a.test\r\n"
		 "Content-Length: 8388608\r\n" VIA);
	receive_bulk(up);
	pthread_join(sender, NULL);
	say(up, OK);
	hear(fd, OK);
	close(fd);
	close(up);
}

/* The client goes while the instance is at work: it is told by the end. */
static void test_client_goes(void **state)
{
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, GET("a.test", "/"));
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	close(fd);
	hear_end(up);
	close(up);
	/* and while it wakes */
	stub.services[0].wake_ms = 10000;
	fd = stub_connect(http_accept);
	say(fd, GET("a.test", "/"));
	assert_true(stub_wait(&stub.services[0].picks, 2));
	close(fd);
	assert_true(stub_wait(&stub.services[0].releases, 2));
}

static void test_wake(void **state)
{
	struct service *s = &stub.services[0];
	int fd = stub_connect(http_accept), up;

	(void)state;
	s->wake_ms = 30;
	s->refuses = true;
	say(fd, "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\na");
	assert_true(stub_wait(&s->connects, 3));
	s->refuses = false;
	say(fd, "bc");
	up = stub_accept(s);
	hear(up, "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n" VIA
		 "abc");
	say(up, OK);
	hear(fd, OK);
	close(fd);
	close(up);
}

/* Each kind of waiting ends, however the client dribbles. */
static void test_slow(void **state)
{
	struct gateway_patience before = gateway_patience;
	int fd, up;
	char c;

	(void)state;
	gateway_patience.head = 300;
	gateway_patience.body = gateway_patience.idle = 100;
	fd = stub_connect(http_accept); /* says nothing */
	assert_false(stub_read(fd, &c, 1));
	close(fd);
	fd = stub_connect(http_accept); /* a head without end */
	for (int i = 0; i < 30 && send(fd, "G", 1, MSG_NOSIGNAL) == 1; i++)
		poll(NULL, 0, 20);
	hear_status(fd, 408);
	close(fd);
	fd = stub_connect(https_accept); /* a handshake without end */
	assert_int_equal(write(fd, "\x16\x03\x01\x02", 4), 4);
	assert_false(stub_read(fd, &c, 1));
	close(fd);
	fd = stub_connect(http_accept); /* a body without end */
	say(fd,
	    "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nab");
	up = stub_accept(&stub.services[0]);
	hear_status(fd, 408);
	close(fd);
	close(up);
	fd = stub_connect(http_accept); /* none that follows */
	say(fd, GET("a.test", "/"));
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	say(up, OK);
	hear(fd, OK);
	assert_false(stub_read(fd, &c, 1));
	close(fd);
	close(up);
	/* half of one that follows, sent with the one before */
	fd = stub_connect(http_accept);
	gateway_patience.idle = 60000;
	say(fd, GET("a.test", "/") "GET /x");
	up = stub_accept(&stub.services[0]);
	hear(up, GOT("a.test", "/"));
	say(up, OK);
	hear(fd, OK);
	hear_status(fd, 408);
	close(fd);
	close(up);
	gateway_patience = before;
}

static unsigned int count_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* With each number of descriptors that are left, from none: whatever cannot be
 * opened, nothing stays open, and it works afterwards. */
static void test_no_descriptors(void **state)
{
	static gateway_accept *const ports[] = { http_accept, https_accept,
						 tls_port_accept,
						 redirect_accept };
	struct rlimit before, lim;
	unsigned int nfiles;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	nfiles = count_files();
	for (size_t i = 0; i < 4 * ARRAY_SIZE(ports); i++) {
		int fd = stub_connect(ports[i / 4]), low;
		char c;

		stub_turn();
		low = dup(0); /* the first that is free */
		lim = before;
		lim.rlim_cur = (rlim_t)low + i % 4;
		close(low);
		setrlimit(RLIMIT_NOFILE, &lim);
		if (i / 4 == 1 || i / 4 == 2) {
			SSL *ssl = stub_tls(fd, "a.test", NULL);

			if (ssl && i / 4 == 1)
				SSL_write(ssl, GET("a.test", "/"),
					  (int)strlen(GET("a.test", "/")));
			stub_turn();
			SSL_free(ssl);
		} else {
			say(fd, GET("a.test", "/"));
			stub_turn();
		}
		setrlimit(RLIMIT_NOFILE, &before);
		shutdown(fd, SHUT_WR);
		for (int up; stub.services[0].connects &&
			     poll(&(struct pollfd){ stub.services[0].listener,
						    POLLIN, 0 },
				  1, 20) == 1;) {
			up = stub_accept(&stub.services[0]);
			close(up);
		}
		while (recv(fd, &c, 1, 0) > 0)
			;
		close(fd);
		assert_true(stub_wait_idle());
	}
	assert_int_equal(count_files(), nfiles);
	test_headers(NULL);
}

/* A port that has its share keeps no idle connections. */
static void test_crowded(void **state)
{
	int fd = stub_connect(http_accept), up;

	(void)state;
	say(fd, GET("a.test", "/"));
	up = stub_accept(&stub.services[0]);
	limits_set(8, 1 << 20);
	hear(up, GOT("a.test", "/"));
	say(up, OK);
	hear(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
		 "Connection: close\r\n\r\nok");
	hear_end(fd);
	limits_set(UINT32_MAX / 8, UINT64_MAX / 8);
	close(fd);
	close(up);
}

static void test_https(void **state)
{
	int fd = stub_connect(https_accept), up;
	SSL *ssl = stub_tls(fd, "a.test", "\x8http/1.1");
	char buf[sizeof(OK)];

	(void)state;
	assert_non_null(ssl);
	SSL_write(ssl, GET("a.test", "/"), (int)strlen(GET("a.test", "/")));
	up = stub_accept(&stub.services[0]);
	hear(up,
	     "GET / HTTP/1.1\r\nHost: a.test\r\n"
	     "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n");
	say(up, OK);
	assert_true(stub_tls_read(ssl, buf, strlen(OK)));
	assert_memory_equal(buf, OK, strlen(OK));
	stub_tls_free(ssl);
	close(fd);
	close(up);
}

static void test_redirect(void **state)
{
	int fd = stub_connect(redirect_accept);

	(void)state;
	say(fd, GET("a.test:80", "/x?y"));
	hear(fd, "HTTP/1.1 308 Permanent Redirect\r\n"
		 "Content-Type: text/plain\r\nContent-Length: 23\r\n"
		 "Location: https://a.test/x?y\r\n");
	close(fd);
	assert_int_equal(stub.services[0].picks, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kept),
		TEST(test_headers),
		TEST(test_kept_by_port),
		TEST(test_no_descriptors),
		TEST(test_bodies),
		TEST(test_no_bodies),
		TEST(test_trailers),
		TEST(test_old_client),
		TEST(test_upgrade),
		TEST(test_refused),
		TEST(test_broken_instance),
		TEST(test_interim_flood),
		TEST(test_repeat),
		TEST(test_stalled),
		TEST(test_client_goes),
		TEST(test_wake),
		TEST(test_https),
		TEST(test_redirect),
		TEST(test_slow),
		TEST(test_crowded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
