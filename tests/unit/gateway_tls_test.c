/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of TLS ports and tunnels: routing by name, bytes both ways whole
 * and in order, back-pressure, half-closed connections, clients that stall.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "gateway/certs.h"
#include "gateway/tls.h"
#include "tests/unit/stub_backend.h"

#define BULK (8u << 20)

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

static void test_echo(void **state)
{
	int fd = stub_connect(tls_port_accept), backend;
	SSL *ssl = stub_tls(fd, "b.test", NULL);
	char buf[8];

	(void)state;
	assert_non_null(ssl);
	backend = stub_accept(&stub.services[1]);
	assert_true(backend >= 0);
	assert_int_equal(SSL_write(ssl, "hello", 5), 5);
	assert_true(stub_read(backend, buf, 5));
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(backend, "world", 5), 5);
	assert_true(stub_tls_read(ssl, buf, 5));
	assert_memory_equal(buf, "world", 5);
	/* the client has said all; the instance has not */
	SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
	assert_false(stub_read(backend, buf, 1));
	assert_int_equal(write(backend, "bye", 3), 3);
	close(backend);
	assert_true(stub_tls_read(ssl, buf, 3));
	assert_memory_equal(buf, "bye", 3);
	assert_int_equal(SSL_read(ssl, buf, 1), 0);
	SSL_free(ssl);
	close(fd);
}

static void test_unknown(void **state)
{
	int fd = stub_connect(tls_port_accept);

	(void)state;
	assert_null(stub_tls(fd, "z.test", NULL));
	close(fd);
	fd = stub_connect(tls_port_accept);
	assert_null(stub_tls(fd, NULL, NULL));
	close(fd);
	fd = stub_connect(tls_port_accept);
	assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
	char c;
	while (read(fd, &c, 1) > 0)
		;
	close(fd);
	assert_int_equal(stub.services[0].picks, 0);
}

static void *write_bulk(void *arg)
{
	int fd = *(int *)arg;
	uint32_t *block = malloc(65536);

	for (uint32_t at = 0; at < BULK / 4; at += 16384) {
		for (uint32_t i = 0; i < 16384; i++)
			block[i] = at + i;
		for (size_t done = 0; done < 65536;) {
			ssize_t n =
				write(fd, (char *)block + done, 65536 - done);

			if (n <= 0)
				abort();
			done += (size_t)n;
		}
	}
	free(block);
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void test_bulk(void **state)
{
	int fd = stub_connect(tls_port_accept), backend;
	SSL *ssl = stub_tls(fd, "a.test", NULL);
	uint32_t *block = malloc(65536);
	pthread_t writer;

	(void)state;
	assert_non_null(ssl);
	backend = stub_accept(&stub.services[0]);
	pthread_create(&writer, NULL, write_bulk, &backend);
	/* Meanwhile another is served, though this one reads nothing. */
	test_echo(NULL);
	for (uint32_t at = 0; at < BULK / 4; at += 16384) {
		assert_true(stub_tls_read(ssl, block, 65536));
		for (uint32_t i = 0; i < 16384; i++)
			assert_int_equal(block[i], at + i);
	}
	pthread_join(writer, NULL);
	assert_int_equal(SSL_read(ssl, block, 1), 0);
	close(backend);
	stub_tls_free(ssl);
	close(fd);
	free(block);
}

static void test_wake(void **state)
{
	int fd = stub_connect(tls_port_accept), backend;
	SSL *ssl;
	char buf[4];

	(void)state;
	stub.services[0].wake_ms = 30;
	ssl = stub_tls(fd, "a.test", NULL);
	assert_non_null(ssl);
	/* said before the instance is there */
	assert_int_equal(SSL_write(ssl, "ping", 4), 4);
	backend = stub_accept(&stub.services[0]);
	assert_true(stub_read(backend, buf, 4));
	close(backend);
	stub_tls_free(ssl);
	close(fd);
	/* gone before it is there */
	stub.services[0].wake_ms = 10000;
	fd = stub_connect(tls_port_accept);
	ssl = stub_tls(fd, "a.test", NULL);
	assert_non_null(ssl);
	struct linger now = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	SSL_free(ssl);
	close(fd);
}

/* The end comes with the last of what one turn reads. */
static void test_end_of_turn(void **state)
{
	(void)state;
	stub.services[0].wake_ms = 30;
	for (int records = 1; records <= 5; records++) {
		int fd = stub_connect(tls_port_accept), backend;
		SSL *ssl = stub_tls(fd, "a.test", NULL);
		char buf[20];

		assert_non_null(ssl);
		for (int i = 0; i < records; i++)
			assert_int_equal(SSL_write(ssl, "ping", 4), 4);
		SSL_shutdown(ssl);
		shutdown(fd, SHUT_WR);
		backend = stub_accept(&stub.services[0]);
		assert_true(stub_read(backend, buf, 4 * (size_t)records));
		assert_int_equal(read(backend, buf, 1), 0);
		assert_int_equal(write(backend, "bye", 3), 3);
		close(backend);
		assert_true(stub_tls_read(ssl, buf, 3));
		SSL_free(ssl);
		close(fd);
	}
}

static uint8_t *put16(uint8_t *p, size_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_bytes(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

/* A ClientHello of TLS 1.3 for a.test, with a key share or with none. */
static size_t make_hello(uint8_t *out, bool has_share)
{
	/* its name; version 1.3; X25519; ECDSA with P-256 and SHA-256 */
	static const char fixed[] = "\0\0\0\013\0\011\0\0\6a.test"
				    "\0\053\0\3\2\3\4"
				    "\0\012\0\4\0\2\0\035"
				    "\0\015\0\4\0\2\4\3";
	/* no session; one suite; no compression */
	static const char suites[] = "\0\0\2\023\1\1";
	static const uint8_t random[32] = { 1, 2, 3 };
	size_t share = has_share ? 36 : 0;
	size_t extensions = sizeof(fixed) - 1 + 6 + share;
	size_t body = 2 + sizeof(random) + sizeof(suites) + 2 + extensions;
	uint8_t *p = put_bytes(out, "\026\3\1", 3);

	p = put16(p, body + 4);
	p = put_bytes(p, "\1", 2);
	p = put16(p, body);
	p = put16(p, 0x0303);
	p = put_bytes(p, random, sizeof(random));
	p = put_bytes(p, suites, sizeof(suites));
	p = put16(p, extensions);
	p = put_bytes(p, fixed, sizeof(fixed) - 1);
	p = put16(p, 51);
	p = put16(p, share + 2);
	p = put16(p, share);
	if (has_share) {
		p = put16(p, 29);
		p = put16(p, 32);
		p = put_bytes(p, random, sizeof(random));
	}
	return (size_t)(p - out);
}

/* A client that has to say hello twice is one connection. */
static void test_second_hello(void **state)
{
	int fd = stub_connect(tls_port_accept);
	uint8_t buf[1024];
	size_t len = make_hello(buf, false);

	(void)state;
	assert_int_equal(write(fd, buf, len), (ssize_t)len);
	assert_true(stub_read(fd, buf, 6));
	assert_memory_equal(buf + 5, "\2", 1); /* HelloRetryRequest */
	len = make_hello(buf, true);
	assert_int_equal(write(fd, buf, len), (ssize_t)len);
	/* the rest of it, and the beginning of what is encrypted */
	assert_true(stub_read(fd, buf, 500));
	assert_int_equal(stub.services[0].picks, 1);
	close(fd);
}

/* A connection that answers, perhaps with a session from before; the one to
 * use next goes to *session. Whether that was used. */
static bool resume(SSL_SESSION **session, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int fd = stub_connect(tls_port_accept), backend;
	bool is_reused;
	char c;

	SSL_set_max_proto_version(ssl, version);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, "a.test");
	if (*session)
		SSL_set_session(ssl, *session);
	assert_int_equal(SSL_connect(ssl), 1);
	backend = stub_accept(&stub.services[0]);
	assert_int_equal(write(backend, "x", 1), 1);
	assert_true(stub_tls_read(ssl, &c, 1));
	is_reused = SSL_session_reused(ssl);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(ssl);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	close(backend);
	return is_reused;
}

/* Keys of tickets live for two turns. */
static void test_tickets(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *s = NULL;

		assert_false(resume(&s, versions[i]));
		assert_true(resume(&s, versions[i]));
		tls_rotate(stub.gateway.tls);
		assert_true(resume(&s, versions[i]));
		/* it was made anew */
		tls_rotate(stub.gateway.tls);
		assert_true(resume(&s, versions[i]));
		tls_rotate(stub.gateway.tls);
		tls_rotate(stub.gateway.tls);
		assert_false(resume(&s, versions[i]));
		SSL_SESSION_free(s);
	}
}

static void serial_of(SSL *ssl, char *out)
{
	X509 *x = SSL_get1_peer_certificate(ssl);
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = BN_bn2hex(n);

	strcpy(out, hex);
	OPENSSL_free(hex);
	BN_free(n);
	X509_free(x);
}

/* A certificate is replaced: connections go on, new ones have the new one. */
static void test_reload(void **state)
{
	int fd = stub_connect(tls_port_accept), backend, other;
	SSL *ssl = stub_tls(fd, "a.test", NULL), *next;
	const char *const any = "*.test";
	char before[128], after[128], c;
	struct cert_pem pem;
	struct err e;

	(void)state;
	assert_non_null(ssl);
	backend = stub_accept(&stub.services[0]);
	serial_of(ssl, before);
	assert_int_equal(cert_make(&any, 1, 1, NULL, &pem, &e), 0);
	assert_int_equal(certs_put(stub.certs, "test", &pem, true, NULL, &e),
			 0);
	cert_pem_free(&pem);
	assert_int_equal(write(backend, "x", 1), 1);
	assert_true(stub_tls_read(ssl, &c, 1));
	other = stub_connect(tls_port_accept);
	next = stub_tls(other, "a.test", NULL);
	assert_non_null(next);
	serial_of(next, after);
	assert_string_not_equal(before, after);
	close(stub_accept(&stub.services[0]));
	stub_tls_free(next);
	stub_tls_free(ssl);
	close(other);
	close(fd);
	close(backend);
}

/* Clients of gRPC insist on h2; others are not led to believe in it. */
static void test_alpn(void **state)
{
	static const char *const asked[] = { "\2h2", "\x8grpc-exp\2h2",
					     "\2h2\x8http/1.1", "\x8http/1.1" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		int fd = stub_connect(tls_port_accept);
		SSL *ssl = stub_tls(fd, "a.test", asked[i]);

		assert_non_null(ssl);
		assert_int_equal(tls_chose(ssl, "h2"), i < 2);
		assert_int_equal(tls_chose(ssl, ""), i >= 2);
		close(stub_accept(&stub.services[0]));
		stub_tls_free(ssl);
		close(fd);
	}
}

/* A handshake that does not go on. */
static void test_slow(void **state)
{
	uint32_t before = gateway_patience.handshake;
	uint8_t buf[1024];
	size_t len = make_hello(buf, true);
	char c;
	int fd;

	(void)state;
	gateway_patience.handshake = 100;
	fd = stub_connect(tls_port_accept);
	assert_int_equal(write(fd, buf, len / 2), (ssize_t)(len / 2));
	assert_false(stub_read(fd, &c, 1));
	close(fd);
	gateway_patience.handshake = before;
	assert_int_equal(stub.services[0].picks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bulk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_of_turn, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alpn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tickets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_hello, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
