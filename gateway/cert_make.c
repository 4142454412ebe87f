/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of our own: an authority for development and what it signs.
 * ECDSA P-256, since old clients of PostgreSQL fail with Ed25519.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/certs.h"
#include "host/xmalloc.h"
#include "lib/compiler.h"

#define DAY (24L * 3600)
#define AUTHORITY_DAYS 3650

static int failed(struct err *e, const char *what)
{
	ERR_clear_error();
	return err_set(e, EIO, "cannot %s", what);
}

static bool set_serial(X509 *x)
{
	unsigned char bytes[16];
	BIGNUM *n;
	bool done;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] &= 0x7f;
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	done = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return done;
}

static bool add_extension(X509 *x, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool done = ext && X509_add_ext(x, ext, -1);

	X509_EXTENSION_free(ext);
	return done;
}

static bool add_name(GENERAL_NAMES *all, const char *name)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);
	GENERAL_NAME *g = GENERAL_NAME_new();

	if (ip) {
		GENERAL_NAME_set0_value(g, GEN_IPADD, ip);
	} else {
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		if (!text || !ASN1_STRING_set(text, name, -1)) {
			ASN1_IA5STRING_free(text);
			GENERAL_NAME_free(g);
			return false;
		}
		GENERAL_NAME_set0_value(g, GEN_DNS, text);
	}
	return sk_GENERAL_NAME_push(all, g);
}

static bool add_alt_names(X509 *x, const char *const *names, size_t nnames)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	bool done = all;

	for (size_t i = 0; done && i < nnames; i++)
		done = add_name(all, names[i]);
	done = done &&
	       X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
	sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
	return done;
}

/* What all certificates have. A little of the past is valid, too: clocks of
 * clients differ. */
static bool set_common(X509 *x, EVP_PKEY *key, const char *cn, long days)
{
	/* a common name holds 64 characters; clients look at the others */
	size_t len = MIN(strlen(cn), (size_t)64);

	return X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
	       X509_gmtime_adj(X509_getm_notBefore(x), -DAY) &&
	       X509_gmtime_adj(X509_getm_notAfter(x), days * DAY) &&
	       X509_set_pubkey(x, key) &&
	       X509_NAME_add_entry_by_txt(
		       X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		       (const unsigned char *)cn, (int)len, -1, 0);
}

static bool set_authority(X509 *x, X509V3_CTX *ctx)
{
	return add_extension(x, ctx, NID_basic_constraints,
			     "critical,CA:TRUE,pathlen:0") &&
	       add_extension(x, ctx, NID_key_usage,
			     "critical,keyCertSign,cRLSign") &&
	       add_extension(x, ctx, NID_subject_key_identifier, "hash");
}

static bool set_server(X509 *x, X509V3_CTX *ctx)
{
	return add_extension(x, ctx, NID_basic_constraints,
			     "critical,CA:FALSE") &&
	       add_extension(x, ctx, NID_key_usage,
			     "critical,digitalSignature") &&
	       add_extension(x, ctx, NID_ext_key_usage, "serverAuth") &&
	       add_extension(x, ctx, NID_subject_key_identifier, "hash");
}

static char *bio_text(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return xstrndup(data, (size_t)len);
}

static void write_pem(struct cert_pem *pem, X509 *x, EVP_PKEY *key)
{
	BIO *out = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(out, x);
	pem->chain = bio_text(out);
	BIO_free(out);
	out = BIO_new(BIO_s_secmem());
	PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
	pem->key = bio_text(out);
	BIO_free(out);
}

/* The signer: who signs (x itself: NULL) and with what. */
struct signer {
	X509 *x;
	EVP_PKEY *key;
};

static bool make(X509 *x, EVP_PKEY *key, const char *const *names,
		 size_t nnames, long days, bool is_authority,
		 const struct signer *by)
{
	X509 *issuer = by->x ? by->x : x;
	X509V3_CTX ctx;

	if (!set_common(x, key, names[0], days) ||
	    !X509_set_issuer_name(x, X509_get_subject_name(issuer)))
		return false;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	if (is_authority
		    ? !set_authority(x, &ctx)
		    : !set_server(x, &ctx) || !add_alt_names(x, names, nnames))
		return false;
	if (by->x && !add_extension(x, &ctx, NID_authority_key_identifier,
				    "keyid:always"))
		return false;
	return X509_sign(x, by->key ? by->key : key, EVP_sha256()) > 0;
}

static int make_pem(const char *const *names, size_t nnames, long days,
		    bool is_authority, const struct signer *by,
		    struct cert_pem *pem, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	int status = 0;

	if (key && x && make(x, key, names, nnames, days, is_authority, by))
		write_pem(pem, x, key);
	else
		status = failed(e, "make a certificate");
	X509_free(x);
	EVP_PKEY_free(key);
	return status;
}

int cert_make_authority(const char *common_name, struct cert_pem *pem,
			struct err *e)
{
	struct signer self = { NULL, NULL };

	return make_pem(&common_name, 1, AUTHORITY_DAYS, true, &self, pem, e);
}

static int read_signer(const struct cert_pem *pem, struct signer *by,
		       struct err *e)
{
	BIO *in = BIO_new_mem_buf(pem->chain, -1);

	by->x = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	in = BIO_new_mem_buf(pem->key, -1);
	by->key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	BIO_free(in);
	return by->x && by->key ? 0 : failed(e, "read the authority");
}

int cert_make(const char *const *names, size_t nnames, int days,
	      const struct cert_pem *authority, struct cert_pem *pem,
	      struct err *e)
{
	struct signer by = { NULL, NULL };
	int status = authority ? read_signer(authority, &by, e) : 0;

	if (!nnames || !*names[0])
		status = err_set(e, EINVAL, "a certificate needs a name");
	if (!status)
		status = make_pem(names, nnames, days, false, &by, pem, e);
	X509_free(by.x);
	EVP_PKEY_free(by.key);
	return status;
}
