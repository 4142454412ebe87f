/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates with their keys, found by the name that a client asks for:
 * uploaded, or made here (ECDSA P-256, signed by an authority of the host's
 * own or by themselves). A set may be used and changed by several threads.
 */
#ifndef JIFFY_GATEWAY_CERTS_H
#define JIFFY_GATEWAY_CERTS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/err.h"
#include "host/strv.h"

struct certs;

/* An uploaded chain or key past this is refused. */
#define CERT_PEM_MAX (64u << 10)

/* A certificate's chain (its own first) and key, each as PEM text. */
struct cert_pem {
	char *chain;
	char *key;
};

/* Free both texts, the key's after overwriting it. */
void cert_pem_free(struct cert_pem *pem);

/* What a certificate says of itself, for listings. */
struct cert_info {
	char common_name[256];
	char subject[512];
	char issuer[512];
	char serial[64];    /* hexadecimal */
	int64_t not_before; /* seconds since 1970 */
	int64_t not_after;
};

struct certs *certs_new(void);
void certs_free(struct certs *c);

/* Put a certificate under an id of the caller's; one with that id is replaced.
 * It answers for the DNS names in it (its common name if it has none); of two
 * that answer for one name, the one put last. is_fallback: also for names that
 * none has, and for clients that name nothing. info may be NULL. May take a
 * millisecond: not for loops. 0 or -errno: -EINVAL if it is malformed or the
 * key is another's. */
int certs_put(struct certs *c, const char *id, const struct cert_pem *pem,
	      bool is_fallback, struct cert_info *info, struct err *e);

/* Append the ids of the certificates that answer for a name of this chain's
 * first. 0, or -EINVAL if it is malformed. */
int certs_of_names(struct certs *c, const char *chain, struct strv *ids,
		   struct err *e);

/* Forget it; connections that use it go on. */
void certs_remove(struct certs *c, const char *id);

/* Have a TLS connection use the certificate of a name (NULL: none was given):
 * exact, then by wildcard, then the fallback. 0, -ENOENT, -EIO. */
int certs_use(struct certs *c, const char *name, SSL *ssl);

/* Make an authority for development, valid ten years. The caller frees pem.
 * 0 or -errno. Neither this nor cert_make is for loops. */
int cert_make_authority(const char *common_name, struct cert_pem *pem,
			struct err *e);

/* Make a certificate for DNS names (wildcards too) and IP addresses, signed by
 * the authority (NULL: by itself), valid days. The first is its common name. */
int cert_make(const char *const *names, size_t nnames, int days,
	      const struct cert_pem *authority, struct cert_pem *pem,
	      struct err *e);

#endif
