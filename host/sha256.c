/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: a portable block function and one for CPUs with SHA instructions,
 * chosen once per process.
 */
#include "host/sha256.h"

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/io.h"
#include "host/xmalloc.h"

#define READ_SIZE (1 << 18)

/* clang-format off */
static const uint32_t K[64] ALIGNED(16) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5,
	0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5,
	0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* clang-format on */

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void expand(uint32_t w[64], const uint8_t *block)
{
	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], block + 4 * i, 4);
		w[i] = __builtin_bswap32(w[i]);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15];
		uint32_t b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		       (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
}

static void blocks_portable(uint32_t state[8], const uint8_t *data, size_t n)
{
	uint32_t w[64];
	uint32_t s[8];

	for (; n; n--, data += 64) {
		expand(w, data);
		memcpy(s, state, sizeof(s));
		for (int i = 0; i < 64; i++) {
			uint32_t t1, t2;

			t1 = s[7] + K[i] + w[i] +
			     (rotate(s[4], 6) ^ rotate(s[4], 11) ^
			      rotate(s[4], 25)) +
			     ((s[4] & s[5]) ^ (~s[4] & s[6]));
			t2 = (rotate(s[0], 2) ^ rotate(s[0], 13) ^
			      rotate(s[0], 22)) +
			     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
			memmove(&s[1], &s[0], 7 * sizeof(s[0]));
			s[4] += t1;
			s[0] = t1 + t2;
		}
		for (int i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

/* The instructions keep the state as ABEF and CDGH and do two rounds each. */
__attribute__((target("sha,sse4.1"))) static void
blocks_sha_ni(uint32_t state[8], const uint8_t *data, size_t n)
{
	const __m128i swap =
		_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	__m128i abcd = _mm_loadu_si128((const __m128i *)&state[0]);
	__m128i efgh = _mm_loadu_si128((const __m128i *)&state[4]);
	__m128i cdab = _mm_shuffle_epi32(abcd, 0xb1);
	__m128i hgfe = _mm_shuffle_epi32(efgh, 0x1b);
	__m128i abef = _mm_alignr_epi8(cdab, hgfe, 8);
	__m128i cdgh = _mm_blend_epi16(hgfe, cdab, 0xf0);

	for (; n; n--, data += 64) {
		__m128i old_abef = abef;
		__m128i old_cdgh = cdgh;
		__m128i w[4];

		for (int i = 0; i < 16; i++) {
			__m128i k = _mm_load_si128((const __m128i *)&K[4 * i]);
			__m128i m;

			if (i < 4) {
				m = _mm_loadu_si128(
					(const __m128i *)(data + 16 * i));
				m = _mm_shuffle_epi8(m, swap);
			} else {
				m = _mm_sha256msg1_epu32(w[i & 3],
							 w[(i + 1) & 3]);
				m = _mm_add_epi32(
					m, _mm_alignr_epi8(w[(i + 3) & 3],
							   w[(i + 2) & 3], 4));
				m = _mm_sha256msg2_epu32(m, w[(i + 3) & 3]);
			}
			w[i & 3] = m;
			m = _mm_add_epi32(m, k);
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, m);
			m = _mm_shuffle_epi32(m, 0x0e);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, m);
		}
		abef = _mm_add_epi32(abef, old_abef);
		cdgh = _mm_add_epi32(cdgh, old_cdgh);
	}
	cdab = _mm_shuffle_epi32(abef, 0x1b); /* FEBA */
	hgfe = _mm_shuffle_epi32(cdgh, 0xb1); /* DCHG */
	_mm_storeu_si128((__m128i *)&state[0],
			 _mm_blend_epi16(cdab, hgfe, 0xf0));
	_mm_storeu_si128((__m128i *)&state[4], _mm_alignr_epi8(hgfe, cdab, 8));
}

/* SSE4.1 (leaf 1, ECX bit 19) and the SHA extensions (leaf 7, EBX bit 29).
 * Asked here and not through __builtin_cpu_supports, whose constructor would
 * cost every start of a program tens of microseconds in a virtual machine. */
static bool cpu_has_sha(void)
{
	uint32_t a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c >> 19 & 1 &&
	       __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1;
}

static void blocks(uint32_t state[8], const uint8_t *data, size_t n)
{
	static int has_sha = -1;

	if (has_sha < 0)
		has_sha = cpu_has_sha();
	if (has_sha)
		blocks_sha_ni(state, data, n);
	else
		blocks_portable(state, data, n);
}

void sha256_init(struct sha256 *h)
{
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372,
					   0xa54ff53a, 0x510e527f, 0x9b05688c,
					   0x1f83d9ab, 0x5be0cd19 };

	memcpy(h->state, start, sizeof(start));
	h->total = 0;
}

void sha256_add(struct sha256 *h, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t have = h->total % 64;
	size_t take;

	h->total += len;
	if (have) {
		take = MIN(64 - have, len);
		memcpy(h->block + have, p, take);
		p += take;
		len -= take;
		if (have + take < 64)
			return;
		blocks(h->state, h->block, 1);
	}
	blocks(h->state, p, len / 64);
	memcpy(h->block, p + len / 64 * 64, len % 64);
}

void sha256_hex(struct sha256 *h, char hex[SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t bits = __builtin_bswap64(h->total * 8);
	uint8_t pad[72] = { 0x80 };
	size_t have = h->total % 64;

	/* 0x80, zeros up to 8 bytes before the end of a block, the length */
	sha256_add(h, pad, (have < 56 ? 56 : 120) - have);
	sha256_add(h, &bits, 8);
	for (int i = 0; i < 32; i++) {
		uint8_t byte = (uint8_t)(h->state[i / 4] >> (24 - i % 4 * 8));

		hex[2 * i] = digits[byte >> 4];
		hex[2 * i + 1] = digits[byte & 15];
	}
	hex[64] = '\0';
}

int sha256_fd(int fd, char hex[SHA256_HEX_SIZE], uint64_t *size, struct err *e)
{
	cleanup_free uint8_t *buf = xmalloc(READ_SIZE);
	struct sha256 h;
	ssize_t n;

	sha256_init(&h);
	while ((n = io_read_full(fd, buf, READ_SIZE)) > 0)
		sha256_add(&h, buf, (size_t)n);
	if (n < 0)
		return err_sys(e, (int)-n, "read");
	if (size)
		*size = h.total;
	sha256_hex(&h, hex);
	return 0;
}
