/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/pg.c: handing over, TLS by both ways, routing and
 * contradictions, cancel keys, a server that starts up, what is hostile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "gateway/pg_wire.h"
#include "tests/unit/stub_backend.h"

#define SSL_REQUEST "\0\0\0\x8\4\xd2\x16\x2f"
#define GSS_REQUEST "\0\0\0\x8\4\xd2\x16\x30"
#define AUTH_OK "R\0\0\0\x8\0\0\0\0"
#define KEY "K\0\0\0\xc\0\0\0\x7secr"
#define READY "Z\0\0\0\x5I"
#define HELLO AUTH_OK KEY READY
#define NHELLO (sizeof(HELLO) - 1)

static int setup_one(void **state)
{
	(void)state;
	stub_start(1);
	return 0;
}

static int setup_two(void **state)
{
	(void)state;
	stub_start(2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(stub_wait_idle());
	for (size_t i = 0; i < stub.count; i++) {
		if (stub.services[i].handed >= 0)
			close(stub.services[i].handed);
	}
	stub_stop();
	return 0;
}

static size_t startup(uint8_t *out, const char *params, size_t len)
{
	size_t total = 8 + len + 1;

	memset(out, 0, total);
	out[2] = (uint8_t)(total >> 8);
	out[3] = (uint8_t)total;
	out[5] = 3;
	memcpy(out + 8, params, len);
	return total;
}
#define STARTUP(out, text) startup(out, text, sizeof(text))

/* Ask for TLS as old clients do. */
static SSL *ask_tls(int fd, const char *name)
{
	char answer;

	assert_int_equal(write(fd, SSL_REQUEST, 8), 8);
	assert_true(stub_read(fd, &answer, 1));
	assert_int_equal(answer, 'S');
	return stub_tls(fd, name, NULL);
}

/* The instance has this StartupMessage as the next thing to read. */
static void expect(int backend, const uint8_t *want, size_t n)
{
	uint8_t got[512];

	assert_true(stub_read(backend, got, n));
	assert_memory_equal(got, want, n);
}

/* An error of this kind comes, and the end. */
static void expect_error(int fd, const char *sqlstate)
{
	uint8_t head[5], body[512];
	size_t len;

	assert_true(stub_read(fd, head, 5));
	assert_int_equal(head[0], 'E');
	len = (size_t)head[3] << 8 | head[4];
	assert_true(stub_read(fd, body, len - 4));
	assert_true(pg_error_is(body, len - 4, sqlstate));
	assert_false(stub_read(fd, body, 1));
}

static void test_hand_over(void **state)
{
	struct service *s = &stub.services[0];
	uint8_t packet[128];
	size_t n = STARTUP(packet, "user\0bob");
	int fd = stub_connect(pg_accept);
	char answer;

	(void)state;
	assert_int_equal(write(fd, GSS_REQUEST, 8), 8);
	assert_true(stub_read(fd, &answer, 1));
	assert_int_equal(answer, 'N');
	/* in pieces: the head, then the rest */
	assert_int_equal(write(fd, packet, 5), 5);
	assert_int_equal(write(fd, packet + 5, n - 5), (ssize_t)(n - 5));
	assert_true(stub_wait(&s->releases, 1));
	assert_true(s->handed >= 0);
	expect(s->handed, packet, n);
	assert_int_equal(s->connects, 0);
	assert_int_equal(send(s->handed, READY, 6, 0), 6);
	expect(fd, (const uint8_t *)READY, 6);
	close(fd);
}

/* An instance that wants a header first has a connection of the gateway's. */
static void test_not_handed(void **state)
{
	struct service *s = &stub.services[0];
	uint8_t packet[128];
	size_t n = STARTUP(packet, "user\0bob");
	int fd = stub_connect(pg_accept), backend;

	(void)state;
	s->wants_header = true;
	assert_int_equal(write(fd, packet, n), (ssize_t)n);
	backend = stub_accept(s);
	expect(backend, packet, n);
	assert_int_equal(write(backend, READY, 6), 6);
	expect(fd, (const uint8_t *)READY, 6);
	close(fd);
	close(backend);
}

/* A session in TLS up to ReadyForQuery; the client's key goes to *key. */
static SSL *session(int fd, struct service *s, const char *name, int *backend,
		    struct pg_key *key)
{
	uint8_t packet[128], got[NHELLO];
	size_t n = STARTUP(packet, "user\0bob\0database\0shop");
	SSL *ssl = ask_tls(fd, name);

	assert_non_null(ssl);
	assert_int_equal(SSL_write(ssl, packet, (int)n), (int)n);
	*backend = stub_accept(s);
	expect(*backend, packet, n);
	/* the key comes in two reads */
	assert_int_equal(write(*backend, HELLO, 17), 17);
	assert_true(stub_tls_read(ssl, got, 9));
	assert_int_equal(write(*backend, HELLO + 17, NHELLO - 17),
			 (ssize_t)(NHELLO - 17));
	assert_true(stub_tls_read(ssl, got + 9, NHELLO - 9));
	assert_memory_equal(got + 9, KEY, 5);
	assert_memory_not_equal(got + 14, HELLO + 14, 8);
	assert_memory_equal(got + 22, READY, 6);
	key->pid = (uint32_t)got[14] << 24 | (uint32_t)got[15] << 16 |
		   (uint32_t)got[16] << 8 | got[17];
	key->nsecret = 4;
	memcpy(key->secret, got + 18, 4);
	return ssl;
}

static void test_tls(void **state)
{
	int fd = stub_connect(pg_accept), backend;
	struct pg_key key;
	SSL *ssl = session(fd, &stub.services[1], "b.test", &backend, &key);
	uint8_t buf[16];

	(void)state;
	assert_int_equal(SSL_write(ssl, "Q\0\0\0\x6;\0", 7), 7);
	expect(backend, (const uint8_t *)"Q\0\0\0\x6;\0", 7);
	assert_int_equal(write(backend, READY, 6), 6);
	assert_true(stub_tls_read(ssl, buf, 6));
	/* Terminate is the end of the connection, no message */
	assert_int_equal(SSL_write(ssl, "X\0\0\0\4", 5), 5);
	assert_false(stub_read(backend, buf, 1));
	close(backend);
	assert_int_equal(SSL_read(ssl, buf, 1), 0);
	stub_tls_free(ssl);
	close(fd);
}

static void test_direct_tls(void **state)
{
	int fd = stub_connect(pg_accept), backend;
	SSL *ssl = stub_tls(fd, "a.test", "\xapostgresql");
	uint8_t packet[128];
	size_t n = STARTUP(packet, "user\0bob");

	(void)state;
	assert_non_null(ssl);
	assert_int_equal(SSL_write(ssl, packet, (int)n), (int)n);
	backend = stub_accept(&stub.services[0]);
	expect(backend, packet, n);
	close(backend);
	close(fd);
	SSL_free(ssl);
	/* another protocol; none at all */
	fd = stub_connect(pg_accept);
	assert_null(stub_tls(fd, "a.test", "\2h2"));
	close(fd);
	fd = stub_connect(pg_accept);
	ssl = stub_tls(fd, "a.test", NULL);
	assert_int_equal(ssl ? SSL_read(ssl, packet, 1) > 0 : 0, 0);
	SSL_free(ssl);
	close(fd);
}

/* Route a StartupMessage in plain text; want: how it arrives, at service i. */
static void check_route(const uint8_t *packet, size_t n, size_t i,
			const uint8_t *want, size_t nwant)
{
	int fd = stub_connect(pg_accept), backend;

	assert_int_equal(write(fd, packet, n), (ssize_t)n);
	backend = stub_accept(&stub.services[i]);
	expect(backend, want, nwant);
	close(backend);
	close(fd);
}

static void test_routes(void **state)
{
	uint8_t in[128], want[128];
	size_t n = STARTUP(in, "user\0bob.b"), m = STARTUP(want, "user\0bob");
	int fd;
	SSL *ssl;

	(void)state;
	check_route(in, n, 1, want, m);
	n = STARTUP(in, "user\0bob\0options\0endpoint=b");
	check_route(in, n, 1, want, m);
	n = STARTUP(in, "user\0bob\0database\0a");
	check_route(in, n, 0, in, n);
	/* names that contradict, or say nothing */
	n = STARTUP(in, "user\0bob.a\0options\0endpoint=b");
	fd = stub_connect(pg_accept);
	assert_int_equal(write(fd, in, n), (ssize_t)n);
	expect_error(fd, "08004");
	close(fd);
	n = STARTUP(in, "user\0bob\0options\0endpoint=nobody");
	fd = stub_connect(pg_accept);
	assert_int_equal(write(fd, in, n), (ssize_t)n);
	expect_error(fd, "08004");
	close(fd);
	n = STARTUP(in, "user\0bob");
	fd = stub_connect(pg_accept);
	assert_int_equal(write(fd, in, n), (ssize_t)n);
	expect_error(fd, "08004");
	close(fd);
	n = STARTUP(in, "user\0bob.b");
	fd = stub_connect(pg_accept);
	ssl = ask_tls(fd, "a.test");
	assert_int_equal(SSL_write(ssl, in, (int)n), (int)n);
	assert_true(stub_tls_read(ssl, want, 1));
	assert_int_equal(want[0], 'E');
	SSL_free(ssl);
	close(fd);
	assert_true(stub_wait_idle());
	for (size_t i = 0; i < 2; i++)
		assert_true(stub_wait(&stub.services[i].releases,
				      stub.services[i].picks));
}

static void cancel(const struct pg_key *key)
{
	uint8_t out[12 + PG_SECRET_MAX];
	size_t n = pg_cancel_write(key, out);
	int fd = stub_connect(pg_accept);

	assert_int_equal(write(fd, out, n), (ssize_t)n);
	/* the end is all the answer there is */
	assert_false(stub_read(fd, out, 1));
	close(fd);
}

static void test_cancel(void **state)
{
	static const uint8_t want[] = "\0\0\0\x10\4\xd2\x16\x2e\0\0\0\7secr";
	struct service *s = &stub.services[1];
	int fd = stub_connect(pg_accept), backend, asked;
	struct pg_key key, wrong;
	SSL *ssl = session(fd, s, "b.test", &backend, &key);
	uint8_t out[16];

	(void)state;
	wrong = key;
	wrong.secret[0] ^= 1;
	cancel(&wrong);
	wrong = key;
	wrong.pid ^= 1;
	cancel(&wrong);
	assert_int_equal(s->connects, 1);
	pg_cancel_write(&key, out);
	int cancelling = stub_connect(pg_accept);
	assert_int_equal(write(cancelling, out, 16), 16);
	asked = stub_accept(s);
	expect(asked, want, 16);
	close(asked);
	assert_false(stub_read(cancelling, out, 1));
	/* the session may end, and its service go, meanwhile */
	assert_int_equal(s->holds, 1);
	assert_int_equal(s->unholds, 1);
	close(cancelling);
	/* asleep: not for a cancel; nor after the session */
	s->asleep = true;
	usleep(60000); /* a session is cancelled 20 times a second at most */
	cancel(&key);
	s->asleep = false;
	assert_int_equal(s->connects, 2);
	stub_tls_free(ssl);
	close(fd);
	close(backend);
	assert_true(stub_wait_idle());
	cancel(&key);
	assert_int_equal(s->connects, 2);
}

static void test_cancel_handed(void **state)
{
	struct service *s = &stub.services[0];
	struct pg_key key = { .pid = 5, .nsecret = 4 };
	uint8_t out[16];
	int fd;

	(void)state;
	s->asleep = true;
	cancel(&key);
	assert_int_equal(s->handed, -1);
	s->asleep = false;
	pg_cancel_write(&key, out);
	fd = stub_connect(pg_accept);
	assert_int_equal(write(fd, out, 16), 16);
	assert_true(stub_wait(&s->releases, 2));
	assert_true(s->handed >= 0);
	expect(s->handed, out, 16);
	close(fd);
}

static void test_starting(void **state)
{
	struct service *s = &stub.services[0];
	uint8_t packet[128], error[128], got[16];
	size_t n = STARTUP(packet, "user\0bob"), nerror;
	int fd = stub_connect(pg_accept), backend;
	SSL *ssl;

	(void)state;
	s->wake_ms = 20;
	ssl = ask_tls(fd, "a.test");
	assert_int_equal(SSL_write(ssl, packet, (int)n), (int)n);
	/* It ends, starts up (said in two pieces), refuses, and is there. */
	backend = stub_accept(s);
	expect(backend, packet, n);
	close(backend);
	backend = stub_accept(s);
	expect(backend, packet, n);
	nerror = pg_error_write("57P03", "starting up", error, sizeof(error));
	assert_int_equal(write(backend, error, 3), 3);
	assert_int_equal(write(backend, error + 3, nerror - 3),
			 (ssize_t)(nerror - 3));
	s->refuses = true;
	assert_false(stub_read(backend, got, 1));
	close(backend);
	assert_true(stub_wait(&s->connects, 4));
	s->refuses = false;
	backend = stub_accept(s);
	expect(backend, packet, n);
	/* another error is shown */
	nerror = pg_error_write("28P01", "wrong", error, sizeof(error));
	assert_int_equal(write(backend, error, nerror), (ssize_t)nerror);
	close(backend);
	assert_true(stub_tls_read(ssl, error, nerror));
	assert_true(pg_error_is(error + 5, nerror - 5, "28P01"));
	assert_int_equal(SSL_read(ssl, error, 1), 0);
	SSL_free(ssl);
	close(fd);
	assert_int_equal(s->picks, 1);
}

static void test_hostile(void **state)
{
	uint8_t packet[64], got[4];
	size_t n = STARTUP(packet, "user\0bob");
	int fd = stub_connect(pg_accept);

	(void)state;
	/* plain bytes that pretend to have come encrypted */
	memmove(packet + 8, packet, n);
	memcpy(packet, SSL_REQUEST, 8);
	assert_int_equal(write(fd, packet, n + 8), (ssize_t)(n + 8));
	assert_false(stub_read(fd, got, 1));
	close(fd);
	fd = stub_connect(pg_accept);
	assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
	expect_error(fd, "08P01");
	close(fd);
	/* twice the same question */
	fd = stub_connect(pg_accept);
	assert_int_equal(write(fd, GSS_REQUEST, 8), 8);
	assert_true(stub_read(fd, got, 1));
	assert_int_equal(write(fd, GSS_REQUEST, 8), 8);
	expect_error(fd, "08P01");
	close(fd);
	assert_int_equal(stub.services[0].picks, 0);
}

/* Those that say little, slowly, have the same time as those that say nothing.
 */
static void test_slow(void **state)
{
	static const char *const firsts[] = { "", "\0\0", SSL_REQUEST,
					      "\x16\x03\x01\x02" };
	uint32_t before = gateway_patience.handshake;
	char c;

	(void)state;
	gateway_patience.handshake = 100;
	for (size_t i = 0; i < 4; i++) {
		size_t len = i == 1 ? 2 : i == 2 ? 8 : strlen(firsts[i]);
		int fd = stub_connect(pg_accept);

		assert_int_equal(send(fd, firsts[i], len, MSG_NOSIGNAL), len);
		if (i == 2)
			assert_true(stub_read(fd, &c, 1));
		assert_false(stub_read(fd, &c, 1));
		close(fd);
	}
	gateway_patience.handshake = before;
	assert_int_equal(stub.services[0].picks, 0);
}

static void test_limit(void **state)
{
	uint8_t packet[64];
	size_t n = STARTUP(packet, "user\0bob");
	int fd = stub_connect(pg_accept);

	(void)state;
	stub.services[0].pick_status = -87; /* -EUSERS */
	assert_int_equal(write(fd, packet, n), (ssize_t)n);
	expect_error(fd, "53300");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hand_over, setup_one,
						teardown),
		cmocka_unit_test_setup_teardown(test_not_handed, setup_one,
						teardown),
		cmocka_unit_test_setup_teardown(test_tls, setup_two, teardown),
		cmocka_unit_test_setup_teardown(test_direct_tls, setup_two,
						teardown),
		cmocka_unit_test_setup_teardown(test_routes, setup_two,
						teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup_two,
						teardown),
		cmocka_unit_test_setup_teardown(test_cancel_handed, setup_one,
						teardown),
		cmocka_unit_test_setup_teardown(test_starting, setup_one,
						teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup_one,
						teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup_one, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup_one,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
