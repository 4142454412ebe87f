/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ChaCha20 generator for the instance. Each request takes a block of key
 * stream: half replaces the key (so that a later look at the memory does not
 * tell earlier outputs), the rest seeds the request's own stream or is its
 * answer. The platform's entropy is mixed in at the start, every few minutes
 * and on random_reseed().
 */
#include "kernel/dev/random.h"

#include "kernel/kernel.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/lock.h"
#include "kernel/proc/thread.h"
#include "kernel/vfs/uio.h"

#define RESEED_INTERVAL (300 * NSEC_PER_SEC)
#define BLOCK_SIZE 64
#define SHORT_REQUEST 32 /* served from the key block itself */

static struct {
	struct mutex lock;
	u32 key[8];
	nsec_t reseed_at; /* 0: at the next request */
	u32 reseeds;	  /* makes nonces differ */
} rng;

static inline u32 rotl(u32 x, int n)
{
	return (x << n) | (x >> (32 - n));
}

static inline void quarter(u32 *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotl(x[b] ^ x[c], 7);
}

void chacha20_block(const u32 key[8], u32 counter, const u32 nonce[3],
		    u32 out[16])
{
	u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(in + 4, key, 8 * sizeof(u32));
	in[12] = counter;
	memcpy(in + 13, nonce, 3 * sizeof(u32));
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

/* rng.lock is held. */
static void rng_reseed(nsec_t now)
{
	u32 fresh[8];

	plat_entropy(fresh, sizeof(fresh));
	for (int i = 0; i < 8; i++)
		rng.key[i] ^= fresh[i];
	memset(fresh, 0, sizeof(fresh));
	rng.reseeds++;
	rng.reseed_at = now + RESEED_INTERVAL;
}

/* 32 bytes nobody else gets; the generator has moved on. */
static void rng_take(u32 out[8])
{
	u32 nonce[3] = { 0, 0, 0 };
	u32 block[16];
	nsec_t now = plat_clock(PLAT_MONOTONIC);

	mutex_lock(&rng.lock);
	if (now >= atomic_load(&rng.reseed_at))
		rng_reseed(now);
	nonce[0] = rng.reseeds;
	chacha20_block(rng.key, 0, nonce, block);
	memcpy(rng.key, block, sizeof(rng.key));
	mutex_unlock(&rng.lock);
	memcpy(out, block + 8, 8 * sizeof(u32));
	memset(block, 0, sizeof(block));
}

void random_bytes(void *buf, size_t n)
{
	static const u32 nonce[3];
	u32 key[8], block[16];
	u8 *out = buf;

	rng_take(key);
	if (n <= SHORT_REQUEST) {
		memcpy(out, key, n);
		memset(key, 0, sizeof(key));
		return;
	}
	for (u32 counter = 0; n > 0; counter++) {
		size_t part = MIN(n, (size_t)BLOCK_SIZE);

		chacha20_block(key, counter, nonce, block);
		memcpy(out, block, part);
		out += part;
		n -= part;
	}
	memset(key, 0, sizeof(key));
	memset(block, 0, sizeof(block));
}

u64 random_u64(void)
{
	u64 value;

	random_bytes(&value, sizeof(value));
	return value;
}

s64 random_to_uio(struct uio *u)
{
	u8 buf[1024];
	s64 total = 0;

	while (u->left > 0) {
		size_t want = MIN(u->left, sizeof(buf));
		s64 n;

		random_bytes(buf, want);
		n = uio_put(u, buf, want);
		if (n < 0) {
			total = total ? total : n;
			break;
		}
		total += n;
		if ((size_t)n < want || thread_interrupted())
			break;
	}
	memset(buf, 0, sizeof(buf));
	return total;
}

void random_mix(const void *buf, size_t n)
{
	const u8 *in = buf;
	u32 nonce[3] = { 1, 0, 0 };
	u32 block[16], part[8];

	mutex_lock(&rng.lock);
	while (n > 0) {
		size_t len = MIN(n, sizeof(part));

		memset(part, 0, sizeof(part));
		memcpy(part, in, len);
		for (int i = 0; i < 8; i++)
			rng.key[i] ^= part[i];
		chacha20_block(rng.key, 0, nonce, block);
		memcpy(rng.key, block, sizeof(rng.key));
		in += len;
		n -= len;
	}
	mutex_unlock(&rng.lock);
}

void random_reseed(void)
{
	/* Without the lock: who holds it may be asleep in a snapshot. */
	atomic_store(&rng.reseed_at, 0);
}

void random_uuid(char out[37])
{
	u8 b[16];

	random_bytes(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	fmt_format(out, 37,
		   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		   "%02x%02x%02x%02x%02x%02x",
		   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
		   b[10], b[11], b[12], b[13], b[14], b[15]);
}
