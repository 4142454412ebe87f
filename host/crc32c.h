/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32C by the processor's instructions (SSE 4.2 and PCLMULQDQ; processors
 * with FSGSBASE, which the kernel needs, have both). The instruction for sums
 * takes three cycles but one can begin in each, so long data is summed in three
 * lanes, which are put together by multiplication.
 */
#ifndef JIFFY_HOST_CRC32C_H
#define JIFFY_HOST_CRC32C_H

#include <nmmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wmmintrin.h>

/* Bytes of a lane: a page is three of them and 16 bytes. */
#define CRC32C_LANE 1360
/* x^(8 * LANE - 33) and x^(16 * LANE - 33) modulo the polynomial, bits
 * reflected. The sum of a product is the product times x^33. */
#define CRC32C_SKIP_1 0x3f70cc6f
#define CRC32C_SKIP_2 0x5aa1f3cf

#define CRC32C_TARGET __attribute__((target("sse4.2,pclmul")))

static inline uint64_t crc32c_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, 8);
	return word;
}

/* The sum after as many zeros as the factor stands for. */
CRC32C_TARGET static inline uint64_t crc32c_skip(uint64_t crc, int64_t factor)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc),
					       _mm_cvtsi64_si128(factor), 0);

	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

CRC32C_TARGET static inline uint64_t crc32c_lanes(uint64_t crc,
						  const uint8_t *p)
{
	uint64_t b = 0, c = 0;

	for (size_t i = 0; i < CRC32C_LANE; i += 8) {
		crc = _mm_crc32_u64(crc, crc32c_word(p + i));
		b = _mm_crc32_u64(b, crc32c_word(p + i + CRC32C_LANE));
		c = _mm_crc32_u64(c, crc32c_word(p + i + 2L * CRC32C_LANE));
	}
	return crc32c_skip(crc, CRC32C_SKIP_2) ^ crc32c_skip(b, CRC32C_SKIP_1) ^
	       c;
}

/* Go on with a sum: 0 for the first bytes. */
CRC32C_TARGET static inline uint32_t crc32c(uint32_t crc, const void *data,
					    size_t n)
{
	const size_t block = 3UL * CRC32C_LANE;
	const uint8_t *p = data;
	uint64_t wide = (uint32_t)~crc;
	uint32_t tail;

	for (; n >= block; p += block, n -= block)
		wide = crc32c_lanes(wide, p);
	for (; n >= 8; p += 8, n -= 8)
		wide = _mm_crc32_u64(wide, crc32c_word(p));
	tail = (uint32_t)wide;
	for (; n; n--)
		tail = _mm_crc32_u8(tail, *p++);
	return ~tail;
}

#endif
