/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes for programs and the kernel: ChaCha20 generators keyed from the
 * platform's entropy, so that most requests cost no host call.
 */
#ifndef JIFFY_KERNEL_DEV_RANDOM_H
#define JIFFY_KERNEL_DEV_RANDOM_H

#include "lib/compiler.h"

struct uio;

/* Fill buf. Any thread; takes one short lock. */
void random_bytes(void *buf, size_t n);
u64 random_u64(void);
/* Fill what is left of u: bytes moved, or -EFAULT; -ERESTARTSYS is never
 * returned, but a pending signal ends a long transfer early. */
s64 random_to_uio(struct uio *u);
/* Mix bytes a program wrote to the device into the key. */
void random_mix(const void *buf, size_t n);
/* Take a fresh key from the platform at the next request (after a restored
 * snapshot). */
void random_reseed(void);
/* A version 4 UUID as text with terminator. */
void random_uuid(char out[37]);

/* One ChaCha20 block (RFC 8439, 2.3): exposed for its unit test. */
void chacha20_block(const u32 key[8], u32 counter, const u32 nonce[3],
		    u32 out[16]);

#endif
