/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of the HTTP/2 front: requests and responses, what many stalled
 * streams may hold, answers that come before the request has ended.
 */
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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "gateway/limits.h"
#include "lib/compiler.h"
#include "tests/unit/stub_backend.h"

#define STREAMS 100
#define TE "Connection: TE\r\nTE: trailers\r\n"
#define VIA "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n"

/* One stream, from the client's side. */
struct call {
	int32_t id;
	size_t to_send; /* bytes of a body; SIZE_MAX: without end */
	size_t sent;
	const char *body; /* NULL: any bytes */
	int status;
	char text[512]; /* "name: value\n" of the response's fields */
	char data[512];
	size_t ndata; /* also those that data has no room for */
	bool is_closed;
	uint32_t error;
};

struct client {
	int fd;
	SSL *ssl;
	nghttp2_session *session;
	struct call calls[STREAMS + 1];
	size_t ncalls;
};
static struct client client;

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
	assert_int_equal(limits_held_bytes(), 0);
	for (size_t i = 0; i < stub.count; i++)
		assert_int_equal(stub.services[i].picks,
				 stub.services[i].releases);
	stub_stop();
	return 0;
}

static struct call *call_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name, size_t nname, const uint8_t *value,
		     size_t nvalue, uint8_t flags, void *arg)
{
	struct call *c = call_of(session, frame->hd.stream_id);
	size_t len = strlen(c->text);

	(void)flags, (void)arg;
	if (nname == 7 && !memcmp(name, ":status", 7))
		c->status = atoi((const char *)value);
	else
		snprintf(c->text + len, sizeof(c->text) - len, "%.*s: %.*s\n",
			 (int)nname, name, (int)nvalue, value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
		   const uint8_t *data, size_t len, void *arg)
{
	struct call *c = call_of(session, id);

	(void)flags, (void)arg;
	if (c->ndata < sizeof(c->data) - 1)
		memcpy(c->data + c->ndata, data,
		       MIN(len, sizeof(c->data) - 1 - c->ndata));
	c->ndata += len;
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error,
		    void *arg)
{
	struct call *c = call_of(session, id);

	(void)arg;
	c->is_closed = true;
	c->error = error;
	return 0;
}

static void client_open_at(gateway_accept *accept, uint32_t window)
{
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window },
	};
	nghttp2_session_callbacks *cb;

	memset(&client, 0, sizeof(client));
	client.fd = stub_connect(accept);
	client.ssl = stub_tls(client.fd, "a.test", "\2h2");
	assert_non_null(client.ssl);
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_client_new(&client.session, cb, &client);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(client.session, 0, settings, 1);
}

static void client_open(uint32_t window)
{
	client_open_at(https_accept, window);
}

static void client_close(void)
{
	nghttp2_session_del(client.session);
	SSL_free(client.ssl);
	close(client.fd);
}

static void send_all(void)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(client.session, &data)) > 0)
		assert_int_equal(SSL_write(client.ssl, data, (int)n), (int)n);
	assert_int_equal(n, 0);
}

/* What has come, or comes within ms. False: nothing. */
static bool receive(int ms)
{
	struct pollfd p = { .fd = client.fd, .events = POLLIN };
	uint8_t buf[16384];
	int n;

	if (!SSL_pending(client.ssl) && poll(&p, 1, ms) != 1)
		return false;
	n = SSL_read(client.ssl, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(
		nghttp2_session_mem_recv(client.session, buf, (size_t)n), n);
	return true;
}

static void talk_until_closed(const struct call *c)
{
	while (!c->is_closed) {
		send_all();
		assert_true(receive(10000));
	}
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf,
			 size_t len, uint32_t *flags,
			 nghttp2_data_source *source, void *arg)
{
	struct call *c = source->ptr;
	size_t n = MIN(len, c->to_send - c->sent);

	(void)session, (void)id, (void)arg;
	if (c->to_send == SIZE_MAX && c->sent)
		return NGHTTP2_ERR_DEFERRED;
	if (c->to_send == SIZE_MAX)
		n = 1;
	if (c->body)
		memcpy(buf, c->body + c->sent, n);
	else
		memset(buf, 'x', n);
	c->sent += n;
	if (c->sent == c->to_send)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* A body that is followed by trailers. */
static ssize_t read_with_trailers(nghttp2_session *session, int32_t id,
				  uint8_t *buf, size_t len, uint32_t *flags,
				  nghttp2_data_source *source, void *arg)
{
	static const char *const fields[][2] = { { "x-sum", "7" },
						 { "host", "b.test" } };
	nghttp2_nv nv[2];
	ssize_t n = read_body(session, id, buf, len, flags, source, arg);

	if (!(*flags & NGHTTP2_DATA_FLAG_EOF))
		return n;
	for (int i = 0; i < 2; i++)
		nv[i] = (nghttp2_nv){ (uint8_t *)fields[i][0],
				      (uint8_t *)fields[i][1],
				      strlen(fields[i][0]),
				      strlen(fields[i][1]), 0 };
	nghttp2_submit_trailer(session, id, nv, 2);
	*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return n;
}

static nghttp2_data_source_read_callback reader = read_body;

static struct call *ask(const char *method, const char *path, size_t nbody,
			const char *body)
{
	struct call *c = &client.calls[client.ncalls++];
	nghttp2_data_provider provider = { .source.ptr = c,
					   .read_callback = reader };
	struct {
		const char *name, *value;
	} fields[] = { { ":method", method },
		       { ":scheme", "https" },
		       { ":authority", "a.test" },
		       { ":path", path },
		       { "te", "trailers" } };
	nghttp2_nv nv[ARRAY_SIZE(fields)];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		nv[i] = (nghttp2_nv){ (uint8_t *)fields[i].name,
				      (uint8_t *)fields[i].value,
				      strlen(fields[i].name),
				      strlen(fields[i].value), 0 };
	c->to_send = nbody;
	c->body = body;
	c->id = nghttp2_submit_request(client.session, NULL, nv,
				       ARRAY_SIZE(fields),
				       nbody ? &provider : NULL, c);
	assert_true(c->id > 0);
	return c;
}

static void say(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void hear(int fd, const char *text)
{
	char buf[4096];
	size_t len = strlen(text);

	if (!stub_read(fd, buf, len))
		fail_msg("expected: %s", text);
	buf[len] = '\0';
	assert_string_equal(buf, text);
}

static void test_bodies(void **state)
{
	struct call *c;
	int up;

	(void)state;
	client_open(65535);
	c = ask("GET", "/x?y", 0, NULL);
	send_all();
	up = stub_accept(&stub.services[0]);
	hear(up, "GET /x?y HTTP/1.1\r\nHost: a.test\r\n" TE VIA);
	say(up,
	    "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n"
	    "Connection: keep-alive\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	talk_until_closed(c);
	assert_int_equal(c->status, 200);
	assert_string_equal(c->text, "x-a: b\n");
	assert_string_equal(c->data, "abcde");
	c = ask("POST", "/", 5, "hello");
	send_all();
	hear(up, "POST / HTTP/1.1\r\nHost: a.test\r\n"
		 "transfer-encoding: chunked\r\n" TE VIA "5\r\nhello\r\n"
		 "0\r\n\r\n");
	say(up, "HTTP/1.1 204 Fine\r\n\r\n");
	talk_until_closed(c);
	assert_int_equal(c->status, 204);
	assert_int_equal(c->error, 0);
	client_close();
	close(up);
}

static void test_trailers(void **state)
{
	struct call *c;
	int up;

	(void)state;
	client_open(65535);
	reader = read_with_trailers;
	c = ask("POST", "/", 5, "hello");
	reader = read_body;
	send_all();
	up = stub_accept(&stub.services[0]);
	hear(up, "POST / HTTP/1.1\r\nHost: a.test\r\n"
		 "transfer-encoding: chunked\r\n" TE VIA "5\r\nhello\r\n"
		 "0\r\nx-sum: 7\r\n\r\n");
	say(up, "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n"
		"\r\n3\r\nabc\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 1\r\n"
		"Grpc-Message:  fine \r\n\r\n");
	talk_until_closed(c);
	assert_int_equal(c->status, 200);
	assert_string_equal(c->text,
			    "x-a: b\ngrpc-status: 0\ngrpc-message: fine\n");
	assert_string_equal(c->data, "abc");
	/* no body at all */
	c = ask("GET", "/", 0, NULL);
	send_all();
	hear(up, "GET / HTTP/1.1\r\nHost: a.test\r\n" TE VIA);
	say(up, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\nT: 1\r\n\r\n");
	talk_until_closed(c);
	assert_string_equal(c->text, "t: 1\n");
	assert_int_equal(c->ndata, 0);
	client_close();
	close(up);
}

/* Many bodies for instances that do not come: the connection may send some, no
 * matter how many streams it has. */
static void test_stalled_uploads(void **state)
{
	size_t sent = 0;

	(void)state;
	stub.services[0].wake_ms = 100000;
	client_open(65535);
	for (int i = 0; i < STREAMS; i++)
		ask("POST", "/", 65535, NULL);
	do
		send_all();
	while (receive(200)); /* windows are opened */
	for (size_t i = 0; i < client.ncalls; i++)
		sent += client.calls[i].sent;
	assert_true(sent > 65535);
	assert_true(sent < 512 << 10);
	assert_true(limits_held_bytes() < 512 << 10);
	client_close();
}

/* Many responses that the client does not let come. */
static void test_stalled_downloads(void **state)
{
	static char block[65536];
	int up[STREAMS];
	uint64_t before = 1;

	(void)state;
	client_open(0);
	for (int i = 0; i < STREAMS; i++)
		ask("GET", "/", 0, NULL);
	send_all();
	for (int i = 0; i < STREAMS; i++) {
		up[i] = stub_accept(&stub.services[0]);
		assert_true(up[i] >= 0);
		say(up[i],
		    "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
		assert_int_equal(send(up[i], block, sizeof(block), 0),
				 sizeof(block));
	}
	/* until each has been read */
	while (limits_held_bytes() < STREAMS * LIMITS_READ_TIGHT / 2 ||
	       limits_held_bytes() != before) {
		before = limits_held_bytes();
		poll(NULL, 0, 50);
	}
	assert_true(before < 1 << 20);
	for (int i = 0; i < STREAMS; i++)
		close(up[i]);
	client_close();
}

/* A request that is answered before it ends, and never ends, does not keep its
 * stream. */
static void test_early_answer(void **state)
{
	struct call *c;

	(void)state;
	client_open(65535);
	stub.services[0].pick_status = -EUSERS;
	c = ask("POST", "/", SIZE_MAX, NULL);
	talk_until_closed(c);
	assert_int_equal(c->status, 503);
	assert_int_equal(c->error, NGHTTP2_NO_ERROR);
	client_close();
}

/* An instance that speaks gRPC: a message for a message, then the status in
 * trailers. */
struct grpc_server {
	int fd;
	char data[64];
	size_t ndata, sent;
	char fields[256];
};

static int on_server_header(nghttp2_session *session,
			    const nghttp2_frame *frame, const uint8_t *name,
			    size_t nname, const uint8_t *value, size_t nvalue,
			    uint8_t flags, void *arg)
{
	struct grpc_server *s = arg;
	size_t len = strlen(s->fields);

	(void)session, (void)frame, (void)flags;
	snprintf(s->fields + len, sizeof(s->fields) - len, "%.*s: %.*s\n",
		 (int)nname, name, (int)nvalue, value);
	return 0;
}

static int on_server_data(nghttp2_session *session, uint8_t flags, int32_t id,
			  const uint8_t *data, size_t len, void *arg)
{
	struct grpc_server *s = arg;

	(void)session, (void)flags, (void)id;
	assert_true(s->ndata + len <= sizeof(s->data));
	memcpy(s->data + s->ndata, data, len);
	s->ndata += len;
	return 0;
}

static nghttp2_nv pair(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name),
			     strlen(value), 0 };
}

static ssize_t read_reply(nghttp2_session *session, int32_t id, uint8_t *buf,
			  size_t len, uint32_t *flags,
			  nghttp2_data_source *source, void *arg)
{
	struct grpc_server *s = arg;
	nghttp2_nv nv[] = { pair("grpc-status", "0"),
			    pair("grpc-message", "fine") };

	(void)source;
	assert_true(len >= s->ndata);
	memcpy(buf, s->data, s->ndata);
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	assert_int_equal(nghttp2_submit_trailer(session, id, nv, 2), 0);
	return (ssize_t)s->ndata;
}

static int on_server_frame(nghttp2_session *session, const nghttp2_frame *frame,
			   void *arg)
{
	nghttp2_data_provider reply = { .read_callback = read_reply };
	nghttp2_nv nv[] = { pair(":status", "200"),
			    pair("content-type", "application/grpc") };

	(void)arg;
	if (frame->hd.type == NGHTTP2_DATA &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		assert_int_equal(nghttp2_submit_response(session,
							 frame->hd.stream_id,
							 nv, 2, &reply),
				 0);
	return 0;
}

static void *serve_grpc(void *arg)
{
	struct grpc_server *s = arg;
	nghttp2_session_callbacks *cb;
	nghttp2_session *session;
	uint8_t buf[4096];
	const uint8_t *out;
	ssize_t n;

	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_server_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
		cb, on_server_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb,
							     on_server_frame);
	nghttp2_session_server_new(&session, cb, s);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(session, 0, NULL, 0);
	do {
		while ((n = nghttp2_session_mem_send(session, &out)) > 0)
			send(s->fd, out, (size_t)n, MSG_NOSIGNAL);
		n = recv(s->fd, buf, sizeof(buf), 0);
	} while (n > 0 &&
		 nghttp2_session_mem_recv(session, buf, (size_t)n) == n);
	nghttp2_session_del(session);
	return NULL;
}

/* HTTP/2 from end to end: a port with TLS alone. */
static void test_grpc(void **state)
{
	static const char message[] = "\0\0\0\0\5hello";
	struct grpc_server server = { .fd = -1 };
	pthread_t thread;
	struct call *c;

	(void)state;
	client_open_at(tls_port_accept, 65535);
	c = ask("POST", "/pkg.Echo/Say", sizeof(message) - 1, message);
	send_all();
	server.fd = stub_accept(&stub.services[0]);
	pthread_create(&thread, NULL, serve_grpc, &server);
	talk_until_closed(c);
	assert_int_equal(c->status, 200);
	assert_string_equal(c->text, "content-type: application/grpc\n"
				     "grpc-status: 0\ngrpc-message: fine\n");
	assert_int_equal(c->ndata, sizeof(message) - 1);
	assert_memory_equal(c->data, message, sizeof(message) - 1);
	client_close();
	pthread_join(thread, NULL);
	assert_non_null(strstr(server.fields, "te: trailers\n"));
	close(server.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bodies),	    TEST(test_trailers),
		TEST(test_stalled_uploads), TEST(test_stalled_downloads),
		TEST(test_early_answer),    TEST(test_grpc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
