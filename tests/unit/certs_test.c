/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests of gateway/certs.c and cert_make.c: made and uploaded
 * certificates, names, wildcards, replacement.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "gateway/certs.h"

static void put(struct certs *c, const char *id, const char *name,
		bool is_fallback)
{
	struct cert_pem pem;

	assert_int_equal(cert_make(&name, 1, 10, NULL, &pem, NULL), 0);
	assert_int_equal(certs_put(c, id, &pem, is_fallback, NULL, NULL), 0);
	cert_pem_free(&pem);
}

/* The common name of the certificate that is used for a name. */
static const char *used(struct certs *c, const char *name)
{
	static char cn[256];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl = SSL_new(ctx);

	strcpy(cn, "none");
	if (!certs_use(c, name, ssl))
		X509_NAME_get_text_by_NID(
			X509_get_subject_name(SSL_get_certificate(ssl)),
			NID_commonName, cn, sizeof(cn));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return cn;
}

static void test_names(void **state)
{
	struct certs *c = certs_new();

	(void)state;
	put(c, "1", "a.example", false);
	put(c, "2", "*.example", false);
	assert_string_equal(used(c, "a.example"), "a.example");
	assert_string_equal(used(c, "A.Example"), "a.example");
	assert_string_equal(used(c, "b.example"), "*.example");
	assert_string_equal(used(c, "x.b.example"), "none");
	assert_string_equal(used(c, "example"), "none");
	assert_string_equal(used(c, NULL), "none");
	put(c, "3", "fallback", true);
	assert_string_equal(used(c, NULL), "fallback");
	assert_string_equal(used(c, "other"), "fallback");
	assert_string_equal(used(c, ""), "fallback");
	/* the same id: replaced; the name moves */
	put(c, "1", "c.other", false);
	assert_string_equal(used(c, "a.example"), "*.example");
	assert_string_equal(used(c, "c.other"), "c.other");
	certs_remove(c, "2");
	assert_string_equal(used(c, "a.example"), "fallback");
	certs_remove(c, "3");
	assert_string_equal(used(c, "a.example"), "none");
	certs_remove(c, "none");
	certs_free(c);
}

static void test_last_wins(void **state)
{
	const char *const first[] = { "first", "x.test" };
	const char *const second[] = { "second", "x.test" };
	struct strv ids = STRV_INIT;
	struct certs *c = certs_new();
	struct cert_pem pem;

	(void)state;
	assert_int_equal(cert_make(first, 2, 1, NULL, &pem, NULL), 0);
	assert_int_equal(certs_put(c, "1", &pem, false, NULL, NULL), 0);
	cert_pem_free(&pem);
	assert_int_equal(cert_make(second, 2, 1, NULL, &pem, NULL), 0);
	assert_int_equal(certs_put(c, "2", &pem, false, NULL, NULL), 0);
	cert_pem_free(&pem);
	assert_string_equal(used(c, "x.test"), "second");
	assert_int_equal(cert_make(first, 2, 1, NULL, &pem, NULL), 0);
	assert_int_equal(certs_of_names(c, pem.chain, &ids, NULL), 0);
	assert_int_equal(ids.count, 3);
	assert_string_equal(ids.items[0], "1"); /* first */
	assert_string_equal(ids.items[1], "2"); /* x.test */
	assert_string_equal(ids.items[2], "1");
	strv_fini(&ids);
	cert_pem_free(&pem);
	assert_int_equal(certs_of_names(c, "none", &ids, NULL), -EINVAL);
	certs_remove(c, "2");
	assert_string_equal(used(c, "x.test"), "first");
	certs_free(c);
}

static X509 *read_x509(const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);

	BIO_free(in);
	assert_non_null(x);
	return x;
}

static void test_authority(void **state)
{
	const char *const names[] = { "db.test", "*.db.test", "127.0.0.1" };
	struct cert_pem ca, pem;
	struct cert_info info;
	struct certs *c = certs_new();
	struct err e = ERR_INIT;
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *authority, *leaf;

	(void)state;
	assert_int_equal(cert_make_authority("Our own", &ca, &e), 0);
	assert_int_equal(cert_make(names, 3, 30, &ca, &pem, &e), 0);
	authority = read_x509(ca.chain);
	leaf = read_x509(pem.chain);
	X509_STORE_add_cert(store, authority);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	assert_int_equal(X509_verify_cert(ctx), 1);
	assert_int_equal(X509_check_host(leaf, "x.db.test", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(leaf, "127.0.0.1", 0), 1);
	assert_int_equal(certs_put(c, "1", &pem, false, &info, &e), 0);
	assert_string_equal(info.common_name, "db.test");
	assert_non_null(strstr(info.issuer, "Our own"));
	assert_true(info.not_after - time(NULL) > 29 * 86400);
	assert_true(info.not_before < time(NULL));
	assert_true(strlen(info.serial) > 8);
	/* the key of another */
	free(pem.key);
	pem.key = strdup(ca.key);
	assert_int_equal(certs_put(c, "2", &pem, false, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "not that of"));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(authority);
	X509_free(leaf);
	cert_pem_free(&pem);
	cert_pem_free(&ca);
	certs_free(c);
}

static void test_malformed(void **state)
{
	static const char name[] = "a";
	const char *const names[] = { name };
	struct certs *c = certs_new();
	struct cert_pem pem, bad = { (char *)"", (char *)"" };
	char *long_text;

	(void)state;
	assert_int_equal(certs_put(c, "1", &bad, false, NULL, NULL), -EINVAL);
	assert_int_equal(cert_make(names, 1, 1, NULL, &pem, NULL), 0);
	bad.chain = pem.chain;
	bad.key = (char *)"-----BEGIN PRIVATE KEY-----\nAAAA\n"
			  "-----END PRIVATE KEY-----\n";
	assert_int_equal(certs_put(c, "1", &bad, false, NULL, NULL), -EINVAL);
	long_text = calloc(1, CERT_PEM_MAX + 2);
	memset(long_text, 'x', CERT_PEM_MAX + 1);
	bad.key = long_text;
	assert_int_equal(certs_put(c, "1", &bad, false, NULL, NULL), -EINVAL);
	assert_string_equal(used(c, "a"), "none");
	free(long_text);
	cert_pem_free(&pem);
	certs_free(c);
	assert_int_equal(cert_make(names, 0, 1, NULL, &pem, NULL), -EINVAL);
}

/* A key that takes long to sign with would keep a loop. */
static void test_long_key(void **state)
{
	static const char name[] = "a";
	const char *const names[] = { name };
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	struct certs *c = certs_new();
	struct cert_pem pem, bad;
	struct err e = ERR_INIT;
	EVP_PKEY *key = NULL;
	BIO *out = BIO_new(BIO_s_mem());

	(void)state;
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 4608), 1);
	/* many primes: quickly made */
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, 4), 1);
	assert_int_equal(EVP_PKEY_keygen(ctx, &key), 1);
	assert_int_equal(
		PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL),
		1);
	assert_int_equal(BIO_write(out, "", 1), 1);
	assert_int_equal(cert_make(names, 1, 1, NULL, &pem, NULL), 0);
	bad.chain = pem.chain;
	assert_true(BIO_get_mem_data(out, &bad.key) > 0);
	assert_int_equal(certs_put(c, "1", &bad, false, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "4096 bits"));
	cert_pem_free(&pem);
	certs_free(c);
	BIO_free(out);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_last_wins),
		cmocka_unit_test(test_authority),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_long_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
