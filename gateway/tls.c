/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side of TLS, by OpenSSL.
 */
#include "gateway/tls.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/xmalloc.h"
#include "lib/compiler.h"

#define ROTATE_S (12 * 3600)
#define TICKET_S 7200 /* a session may be resumed this long */

struct ticket_key {
	uint8_t name[16];
	uint8_t aes[32];
	uint8_t mac[32];
	bool is_set;
};

struct tls {
	SSL_CTX *ctx;
	struct certs *certs;
	pthread_mutex_t lock;	   /* of what follows */
	struct ticket_key keys[2]; /* the one in use, the one before */
	time_t made_s;		   /* CLOCK_MONOTONIC */
};

/* Protocols in the form of ALPN: each with its length before it. */
struct alpn_list {
	const unsigned char *protocols;
	unsigned int len;
};

static const struct alpn_list alpn_lists[] = {
	[TLS_ALPN_NONE] = { (const unsigned char *)"\2h2", 3 },
	[TLS_ALPN_HTTP] = { (const unsigned char *)"\2h2\x8http/1.1", 12 },
	[TLS_ALPN_PG] = { (const unsigned char *)"\xapostgresql", 11 },
};

static void lower_name(struct tls_hello *h, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len >= sizeof(h->name))
		len = 0;
	if (len && name[len - 1] == '.')
		len--;
	for (size_t i = 0; i < len; i++)
		h->name[i] = (char)tolower((unsigned char)name[i]);
	h->name[len] = '\0';
}

/* Called for each ClientHello, with a name in it or without. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_hello *h = SSL_get_app_data(ssl);
	const struct tls *t = arg;

	lower_name(h, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	if (certs_use(t->certs, h->name, ssl))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	if (h->on_name && !h->on_name(h))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* A client that would speak HTTP/2 or nothing, as those of gRPC do. */
static bool wants_only_h2(const unsigned char *in, unsigned int len)
{
	bool has_h2 = false;

	for (unsigned int at = 0; at < len; at += 1 + in[at]) {
		if (in[at] == 2 && !memcmp(in + at + 1, "h2", 2))
			has_h2 = true;
		else if (in[at] == 8 && !memcmp(in + at + 1, "http/1.1", 8))
			return false;
	}
	return has_h2;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		   const unsigned char *in, unsigned int inlen, void *arg)
{
	const struct tls_hello *h = SSL_get_app_data(ssl);
	const struct alpn_list *list = &alpn_lists[h->alpn];
	unsigned char *chosen;

	(void)arg;
	if (h->alpn == TLS_ALPN_NONE && !wants_only_h2(in, inlen))
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto(&chosen, outlen, list->protocols, list->len,
				  in, inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

/* With the lock held. */
static void rotate(struct tls *t)
{
	struct ticket_key key = { .is_set = true };

	t->made_s = now_s();
	/* The three parts have no holes between them. */
	if (RAND_priv_bytes(key.name, offsetof(struct ticket_key, is_set)) == 1)
		t->keys[1] = t->keys[0];
	else
		key = (struct ticket_key){ .is_set = false };
	t->keys[0] = key;
	OPENSSL_cleanse(&key, sizeof(key));
}

void tls_rotate(struct tls *t)
{
	pthread_mutex_lock(&t->lock);
	rotate(t);
	pthread_mutex_unlock(&t->lock);
}

/* The key of that name, NULL: to make tickets with. Returns which, -1: none. */
static int find_key(struct tls *t, const uint8_t *name, struct ticket_key *out)
{
	int i = 0;

	pthread_mutex_lock(&t->lock);
	if (now_s() - t->made_s >= ROTATE_S) {
		bool is_old = now_s() - t->made_s >= 2 * ROTATE_S;

		rotate(t);
		t->keys[1].is_set &= !is_old;
	}
	while (name && i < 2 &&
	       CRYPTO_memcmp(t->keys[i].name, name, sizeof(out->name)))
		i++;
	if (i < 2)
		*out = t->keys[i];
	pthread_mutex_unlock(&t->lock);
	return i < 2 && out->is_set ? i : -1;
}

/* A ticket is made, or read: 1, 2: it is to be made anew, 0: a full handshake,
 * -1. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_new)
{
	struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key;
	OSSL_PARAM params[3];
	int i = find_key(t, is_new ? NULL : name, &key), ok;

	if (i < 0)
		return 0;
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
						      key.mac, sizeof(key.mac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						     (char *)"SHA256", 0);
	params[2] = OSSL_PARAM_construct_end();
	if (is_new)
		memcpy(name, key.name, sizeof(key.name));
	ok = (!is_new || RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1) &&
	     EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv,
			       is_new) == 1 &&
	     EVP_MAC_CTX_set_params(mac, params) == 1;
	OPENSSL_cleanse(&key, sizeof(key));
	return !ok ? -1 : i ? 2 : 1;
}

int tls_new(struct certs *certs, struct tls **out, struct err *e)
{
	static const unsigned char id[] = "jiffy";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct tls *t;

	if (!ctx)
		return err_set(e, EIO, "cannot set up TLS");
	t = xcalloc(1, sizeof(*t));
	*t = (struct tls){ .ctx = ctx, .certs = certs };
	pthread_mutex_init(&t->lock, NULL);
	tls_rotate(t);
	SSL_CTX_set_app_data(ctx, t);
	SSL_CTX_set_timeout(ctx, TICKET_S);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(
		ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
				      SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Sessions are in the clients' tickets: no memory for them here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, t);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	*out = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int tls_accept(struct tls *t, int fd, struct tls_hello *h, SSL **out)
{
	SSL *ssl = SSL_new(t->ctx);

	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_app_data(ssl, (char *)h);
	SSL_set_accept_state(ssl);
	*out = ssl;
	return 0;
}

bool tls_chose(const SSL *ssl, const char *protocol)
{
	const unsigned char *chosen;
	unsigned int len;

	SSL_get0_alpn_selected(ssl, &chosen, &len);
	return len == strlen(protocol) &&
	       (!len || !memcmp(chosen, protocol, len));
}
