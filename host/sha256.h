/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), for content addresses. Uses the CPU's SHA instructions
 * where they exist.
 */
#ifndef JIFFY_HOST_SHA256_H
#define JIFFY_HOST_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "host/err.h"

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE 65

struct sha256 {
	uint32_t state[8];
	uint64_t total;	   /* bytes so far */
	uint8_t block[64]; /* a block that is not full yet */
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *data, size_t len);

/* Finish; hex receives 64 lower-case digits and a NUL. h is spent. */
void sha256_hex(struct sha256 *h, char hex[SHA256_HEX_SIZE]);

/* Digest and size of what fd holds from its current position on. */
int sha256_fd(int fd, char hex[SHA256_HEX_SIZE], uint64_t *size, struct err *e);

#endif
