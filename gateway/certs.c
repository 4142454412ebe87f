/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of certificates that TLS connections choose from.
 */
#include "gateway/certs.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/strv.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define CHAIN_MAX 10
#define KEY_BITS_MAX 4096 /* of RSA: longer ones keep a loop too long */

struct cert {
	char *id;
	X509 *leaf;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* without the leaf */
	struct strv names;	/* lower case */
	bool is_fallback;
};

/* One name of one certificate. */
struct cert_name {
	const char *name; /* the certificate's */
	struct cert *cert;
};

struct certs {
	pthread_rwlock_t lock; /* of all below */
	struct cert **all;
	size_t count;
	struct cert_name *names; /* sorted; of equal ones, the last put last */
	size_t nnames;
	struct cert *fallback;
};

void cert_pem_free(struct cert_pem *pem)
{
	if (pem->key)
		OPENSSL_cleanse(pem->key, strlen(pem->key));
	free(pem->key);
	free(pem->chain);
	pem->key = pem->chain = NULL;
}

static void cert_free(struct cert *cert)
{
	if (!cert)
		return;
	X509_free(cert->leaf);
	EVP_PKEY_free(cert->key);
	sk_X509_pop_free(cert->chain, X509_free);
	strv_fini(&cert->names);
	free(cert->id);
	free(cert);
}

struct certs *certs_new(void)
{
	struct certs *c = xcalloc(1, sizeof(*c));

	pthread_rwlock_init(&c->lock, NULL);
	return c;
}

void certs_free(struct certs *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		cert_free(c->all[i]);
	free(c->all);
	free(c->names);
	pthread_rwlock_destroy(&c->lock);
	free(c);
}

/* Nobody is there to type a password. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static int parse_chain(struct cert *cert, const char *pem, struct err *e)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *x;

	cert->chain = sk_X509_new_null();
	cert->leaf = PEM_read_bio_X509(in, NULL, no_password, NULL);
	while (cert->leaf && sk_X509_num(cert->chain) < CHAIN_MAX &&
	       (x = PEM_read_bio_X509(in, NULL, no_password, NULL)))
		sk_X509_push(cert->chain, x);
	BIO_free(in);
	ERR_clear_error();
	return cert->leaf ? 0
			  : err_set(e, EINVAL, "the chain has no certificate");
}

static int parse_key(struct cert *cert, const char *pem, struct err *e)
{
	BIO *in = BIO_new_mem_buf(pem, -1);

	cert->key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
	BIO_free(in);
	ERR_clear_error();
	if (!cert->key)
		return err_set(e, EINVAL, "the key is not a PEM private key");
	if (EVP_PKEY_get_bits(cert->key) > KEY_BITS_MAX)
		return err_set(e, EINVAL, "the key is over %d bits",
			       KEY_BITS_MAX);
	if (X509_check_private_key(cert->leaf, cert->key) != 1) {
		ERR_clear_error();
		return err_set(e, EINVAL,
			       "the key is not that of the certificate");
	}
	return 0;
}

/* A name in lower case, if it is one that can be asked for. */
static void add_name(struct strv *names, const char *text, size_t len)
{
	char name[256];

	if (!len || len >= sizeof(name))
		return;
	for (size_t i = 0; i < len; i++) {
		if (!text[i])
			return;
		name[i] = (char)tolower((unsigned char)text[i]);
	}
	name[len] = '\0';
	strv_add(names, name);
}

static void common_name(X509 *x, char *out, size_t size)
{
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName,
				      out, (int)size) < 0)
		*out = '\0';
}

static void read_names(struct cert *cert)
{
	GENERAL_NAMES *alt =
		X509_get_ext_d2i(cert->leaf, NID_subject_alt_name, NULL, NULL);
	char cn[256];

	for (int i = 0; i < sk_GENERAL_NAME_num(alt); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);

		if (g->type == GEN_DNS)
			add_name(&cert->names,
				 (const char *)ASN1_STRING_get0_data(
					 g->d.dNSName),
				 (size_t)ASN1_STRING_length(g->d.dNSName));
	}
	GENERAL_NAMES_free(alt);
	if (cert->names.count)
		return;
	common_name(cert->leaf, cn, sizeof(cn));
	add_name(&cert->names, cn, strlen(cn));
}

static int64_t seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static void fill_info(X509 *x, struct cert_info *info)
{
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = serial ? BN_bn2hex(serial) : NULL;

	*info = (struct cert_info){ 0 };
	common_name(x, info->common_name, sizeof(info->common_name));
	X509_NAME_oneline(X509_get_subject_name(x), info->subject,
			  sizeof(info->subject));
	X509_NAME_oneline(X509_get_issuer_name(x), info->issuer,
			  sizeof(info->issuer));
	if (hex)
		strncpy(info->serial, hex, sizeof(info->serial) - 1);
	OPENSSL_free(hex);
	BN_free(serial);
	info->not_before = seconds_of(X509_get0_notBefore(x));
	info->not_after = seconds_of(X509_get0_notAfter(x));
}

/* Where a name belongs: behind those that are not greater. */
static size_t name_place(const struct certs *c, const char *name)
{
	size_t low = 0, high = c->nnames;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(c->names[middle].name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert_names(struct certs *c, struct cert *cert)
{
	c->names = xreallocarray(c->names, c->nnames + cert->names.count + 1,
				 sizeof(*c->names));
	for (size_t i = 0; i < cert->names.count; i++) {
		size_t at = name_place(c, cert->names.items[i]);

		memmove(&c->names[at + 1], &c->names[at],
			(c->nnames - at) * sizeof(*c->names));
		c->names[at] = (struct cert_name){ cert->names.items[i], cert };
		c->nnames++;
	}
}

static void remove_names(struct certs *c, const struct cert *cert)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nnames; i++) {
		if (c->names[i].cert != cert)
			c->names[kept++] = c->names[i];
	}
	c->nnames = kept;
}

/* With the lock held for writing. */
static void remove_locked(struct certs *c, const char *id)
{
	size_t i = 0;

	while (i < c->count && strcmp(c->all[i]->id, id))
		i++;
	if (i == c->count)
		return;
	remove_names(c, c->all[i]);
	cert_free(c->all[i]);
	c->count--;
	memmove(&c->all[i], &c->all[i + 1],
		(c->count - i) * sizeof(struct cert *));
	c->fallback = NULL;
	for (i = 0; i < c->count; i++) {
		if (c->all[i]->is_fallback)
			c->fallback = c->all[i];
	}
}

static int parse(struct cert *cert, const struct cert_pem *pem, struct err *e)
{
	int status;

	if (strlen(pem->chain) > CERT_PEM_MAX ||
	    strlen(pem->key) > CERT_PEM_MAX)
		return err_set(e, EINVAL, "the chain or key is too long");
	status = parse_chain(cert, pem->chain, e);
	return status ? status : parse_key(cert, pem->key, e);
}

int certs_put(struct certs *c, const char *id, const struct cert_pem *pem,
	      bool is_fallback, struct cert_info *info, struct err *e)
{
	struct cert *cert = xcalloc(1, sizeof(*cert));
	int status = parse(cert, pem, e);

	if (status) {
		cert_free(cert);
		return status;
	}
	cert->id = xstrdup(id);
	cert->is_fallback = is_fallback;
	read_names(cert);
	if (info)
		fill_info(cert->leaf, info);
	pthread_rwlock_wrlock(&c->lock);
	remove_locked(c, id);
	c->all = xreallocarray(c->all, c->count + 1, sizeof(struct cert *));
	c->all[c->count++] = cert;
	insert_names(c, cert);
	if (is_fallback)
		c->fallback = cert;
	pthread_rwlock_unlock(&c->lock);
	return 0;
}

int certs_of_names(struct certs *c, const char *chain, struct strv *ids,
		   struct err *e)
{
	struct cert *cert = xcalloc(1, sizeof(*cert));
	int status = strlen(chain) > CERT_PEM_MAX
			     ? err_set(e, EINVAL, "the chain is too long")
			     : parse_chain(cert, chain, e);

	if (!status)
		read_names(cert);
	pthread_rwlock_rdlock(&c->lock);
	for (size_t i = 0; i < cert->names.count; i++) {
		const char *name = cert->names.items[i];

		for (size_t at = name_place(c, name);
		     at && !strcmp(c->names[at - 1].name, name); at--)
			strv_add(ids, c->names[at - 1].cert->id);
	}
	pthread_rwlock_unlock(&c->lock);
	cert_free(cert);
	return status;
}

void certs_remove(struct certs *c, const char *id)
{
	pthread_rwlock_wrlock(&c->lock);
	remove_locked(c, id);
	pthread_rwlock_unlock(&c->lock);
}

/* The last put of those with this name; with the lock held. */
static struct cert *find_exact(const struct certs *c, const char *name)
{
	size_t at = name_place(c, name);

	return at && !strcmp(c->names[at - 1].name, name)
		       ? c->names[at - 1].cert
		       : NULL;
}

static struct cert *find(const struct certs *c, const char *asked)
{
	char name[256] = "*";
	size_t len = strlen(asked);
	struct cert *cert;
	const char *dot;

	if (!len || len >= sizeof(name) - 1)
		return c->fallback;
	for (size_t i = 0; i <= len; i++)
		name[i] = (char)tolower((unsigned char)asked[i]);
	cert = find_exact(c, name);
	dot = strchr(name, '.');
	if (!cert && dot && dot != name) {
		memmove(name + 1, dot, strlen(dot) + 1);
		name[0] = '*';
		cert = find_exact(c, name);
	}
	return cert ? cert : c->fallback;
}

int certs_use(struct certs *c, const char *name, SSL *ssl)
{
	struct cert *cert;
	int status = -ENOENT;

	pthread_rwlock_rdlock(&c->lock);
	cert = find(c, name ? name : "");
	if (cert)
		status = SSL_use_cert_and_key(ssl, cert->leaf, cert->key,
					      cert->chain, 1) == 1
				 ? 0
				 : -EIO;
	pthread_rwlock_unlock(&c->lock);
	return status;
}
